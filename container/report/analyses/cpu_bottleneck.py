"""CPUBottleneck: the GPU idles while a CPU is busy."""

from container.report.analyses.bottleneck import Bottleneck, look
from container.report.analyses.finding import Finding
from container.report.profile_record import Profile

_RULE = Bottleneck(
    rule="CPUBottleneck",
    question="How often is a GPU idle while a CPU core is busy?",
    dimension="CPUUtilization",
    name="busiest CPU core",
    limit=90,
)


def analyse(profile: Profile) -> Finding:
    """SageMaker's defaults: threshold 50 % of the samples, GPU below 10 %, a core above 90 %."""
    return look(profile, _RULE)
