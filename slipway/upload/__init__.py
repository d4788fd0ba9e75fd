"""A folder of pictures into S3: in parallel, with checksums, and gone on with where it was interrupted."""

from slipway.upload.transfer import Upload, Uploaded, upload

__all__ = ["Upload", "Uploaded", "upload"]
