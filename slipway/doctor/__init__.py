"""`slipway doctor`: what is here and what is missing, each with a remedy."""

from slipway.doctor.examine import Asked, examine
from slipway.doctor.finding import Finding, Status

__all__ = ["Asked", "Finding", "Status", "examine"]
