"""The images in Docker on this machine, in SageMaker's layout: training jobs, endpoints and batch transform.

Requests are plain dictionaries in the shape of SageMaker's API, where file:// addresses may stand for S3's.
"""

from slipway.local.serving import Answer, LocalEndpoint, serve
from slipway.local.training import Trained, train
from slipway.local.transform import transform

__all__ = ["Answer", "LocalEndpoint", "Trained", "serve", "train", "transform"]
