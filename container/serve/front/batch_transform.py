"""GET /execution-parameters: the limits of a batch transform job that sets none.

Source: "Use Your Own Inference Code with Batch Transform" in the SageMaker developer guide.
"""

import json

from container.serve.protocol.replies import Reply
from container.serve.settings.config import MEBIBYTE, ServeConfig

_MOST_MB = 100
"""SageMaker's limit, for one request and for all concurrent ones together."""


def execution_parameters(config: ServeConfig, workers: int) -> Reply:
    """Ask for as many concurrent requests as keep every worker in full batches with one waiting, within the limit.

    A picture cannot be split, so a file is one request. A job over JSON Lines may send many records in one request
    (SplitType=Line, BatchStrategy=MULTI_RECORD), and then its own settings count.
    """
    payload = min(_MOST_MB, config.max_body_bytes // MEBIBYTE)
    wanted = min(config.max_requests, 2 * workers * config.batch_size)
    fields = {
        "MaxConcurrentTransforms": max(1, min(wanted, _MOST_MB // payload)),
        "BatchStrategy": "SINGLE_RECORD",
        "MaxPayloadInMB": payload,
    }
    return Reply(status=200, content_type="application/json", body=json.dumps(fields).encode())
