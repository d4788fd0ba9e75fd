"""The kinds of endpoints under the address that they had first; `from slipway import Serverless` is the present one."""

from slipway.requests.configurations import Asynchronous, Capture, Serverless

__all__ = ["Asynchronous", "Capture", "Serverless"]
