"""Batch transform: predictions for all pictures below an S3 address or in a local folder, as one file."""
