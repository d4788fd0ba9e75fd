"""The id under which a request is in the log and in its answer."""

import os


def new_request_id() -> str:
    """One that nobody can guess, in the form of a UUID."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
