"""What SageMaker is told where a batch transform job leaves its limits open: GET /execution-parameters ("Use Your Own
Inference Code with Batch Transform" in the developer guide)."""

import json

from container.serve.config import MEBIBYTE, ServeConfig
from container.serve.replies import Reply

_MOST_MB = 100
"""SageMaker's limit, of one request and of all those at a time together."""


def execution_parameters(config: ServeConfig, workers: int) -> Reply:
    """As many requests at a time as keep every worker in full batches with one batch waiting, within SageMaker's limit.

    A picture cannot be cut up, nor several be sent as one record: each is a request of its own.
    """
    payload = min(_MOST_MB, config.max_body_bytes // MEBIBYTE)
    wanted = min(config.max_requests, 2 * workers * config.batch_size)
    fields = {
        "MaxConcurrentTransforms": max(1, min(wanted, _MOST_MB // payload)),
        "BatchStrategy": "SINGLE_RECORD",
        "MaxPayloadInMB": payload,
    }
    return Reply(status=200, content_type="application/json", body=json.dumps(fields).encode())
