"""Pictures from the web, within limits of size and time."""

import http.client
import time
import urllib.error
import urllib.request

from slipway.errors import RequestError

MOST_BYTES = 26_214_400
"""Largest picture: the largest body that an endpoint of SageMaker takes."""

TIMEOUT_S = 30.0
"""Time in seconds for a whole download; one that stalls near its end may take twice as long."""

_CHUNK_BYTES = 65_536


def is_web_address(text: str) -> bool:
    """Whether a text is the http or https address of something."""
    return text.startswith(("http://", "https://"))


def download_picture(address: str, *, most_bytes: int = MOST_BYTES, timeout_s: float = TIMEOUT_S) -> bytes:
    """Return what is at an http or https address; whether it is a picture, the server says that decodes it.

    Args:
        address: The address; redirections are followed, proxies of the environment are used.
        most_bytes: Largest size.
        timeout_s: Time in seconds for all of it.

    Raises:
        RequestError: It is not there, is too large or takes too long, or is a page.
    """
    if not is_web_address(address):
        raise RequestError(f"{address} is no http or https address")
    deadline = time.monotonic() + timeout_s
    request = urllib.request.Request(address, headers={"User-Agent": "slipway", "Accept": "image/*"})  # noqa: S310  # http and https alone
    content = bytearray()
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            if answer.headers.get_content_type() == "text/html":
                raise RequestError("there is a web page at the address; give that of the picture itself")
            while part := answer.read1(_CHUNK_BYTES):
                content += part
                if len(content) > most_bytes:
                    raise RequestError(f"what is at the address has more than {most_bytes / 1e6:.1f} MB")
                if time.monotonic() > deadline:
                    raise TimeoutError
    except urllib.error.HTTPError as error:
        raise RequestError(f"it cannot be downloaded: the server answers {error.code} {error.reason}") from error
    except TimeoutError as error:
        raise RequestError(f"it could not be downloaded within {timeout_s:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise RequestError(f"it could not be downloaded within {timeout_s:g} s") from error
        raise RequestError(f"it cannot be downloaded: {reason}") from error
    return bytes(content)
