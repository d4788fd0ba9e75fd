"""IOBottleneck: the GPU idles while a CPU waits for the disk; without a GPU, a CPU waiting for the disk."""

from container.report.analyses.bottleneck import Bottleneck, look
from container.report.analyses.finding import Finding
from container.report.profile_record import Profile

_RULE = Bottleneck(
    rule="IOBottleneck",
    question="How often does the job wait for the disk instead of computing?",
    dimension="I/OWaitPercentage",
    name="longest I/O wait of a core",
    limit=50,
    without_gpu=True,
)


def analyse(profile: Profile) -> Finding:
    """SageMaker's defaults: threshold 50 % of the samples, GPU below 10 %, I/O wait of a core above 50 %."""
    return look(profile, _RULE)
