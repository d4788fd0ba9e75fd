"""The test for a full disk."""

import errno


def is_disk_full(error: OSError) -> bool:
    """Whether a write failed because the disk, or the user's quota of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
