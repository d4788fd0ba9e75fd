"""Batch transform: predictions for all pictures below an S3 address or in a local folder, as one file."""

from slipway.transform.predictions_file import Format, Row, write_predictions

__all__ = ["Format", "Row", "write_predictions"]
