"""Uploads a folder of pictures to S3: in parallel, with checksums, and resumable."""

from slipway.upload.transfer import Upload, Uploaded, upload

__all__ = ["Upload", "Uploaded", "upload"]
