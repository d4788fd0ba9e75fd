"""Batch transform: predictions for all pictures below an address in S3, or in a folder of this machine, as one file."""

from slipway.transform.predictions_file import Format, Row, write_predictions

__all__ = ["Format", "Row", "write_predictions"]
