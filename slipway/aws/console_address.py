"""Addresses of AWS console pages for jobs, endpoints and logs."""

from typing import Literal

Kind = Literal[
    "training job", "tuning job", "transform job", "processing job", "endpoint", "endpoint configuration", "model"
]

_PAGES: dict[str, str] = {
    "training job": "jobs",
    "tuning job": "hyper-tuning-jobs",
    "transform job": "transform-jobs",
    "processing job": "processing-jobs",
    "endpoint": "endpoints",
    "endpoint configuration": "endpointConfig",
    "model": "models",
}


def console_address(kind: Kind, name: str, region: str) -> str:
    """Address of a SageMaker resource's page."""
    return f"{_console(region)}/sagemaker/home?region={region}#/{_PAGES[kind]}/{name}"


def log_address(group: str, region: str) -> str:
    """Address of a CloudWatch log group's page, such as that of /aws/sagemaker/Endpoints/dogs."""
    # The console wants the name encoded twice, with $ for % the second time.
    encoded = group.replace("/", "$252F")
    return f"{_console(region)}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{encoded}"


def _console(region: str) -> str:
    if region.startswith("cn-"):
        return "https://console.amazonaws.cn"
    if region.startswith("us-gov-"):
        return "https://console.amazonaws-us-gov.com"
    return f"https://{region}.console.aws.amazon.com"
