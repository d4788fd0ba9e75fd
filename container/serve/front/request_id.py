"""Request ids, as in the log and in X-Request-Id."""

import os


def new_request_id() -> str:
    """A random id in the form of a UUID."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
