"""The image's health check: `python -m container.serve.healthcheck` exits 0 if /ping returns 200, else 1.

It runs every few seconds, so it imports little.
"""

import http.client
import json
import sys

from container.contract.errors import ServeError
from container.serve.settings.parsing import HOST, PORT, SettingsReader

# Less than the timeout of the image's HEALTHCHECK, so that the reason is still printed.
_TIMEOUT_S = 4.0
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - named, not bound to


def main() -> int:
    """Ask /ping; on failure, print one line with the reason. Returns the exit code."""
    settings = SettingsReader()
    try:
        port = settings.read(PORT)
    except ServeError as error:
        return _unhealthy(str(error))
    if port == 0:
        return _unhealthy(f"{PORT.names[0]} is 0, so only the server's log knows the port; set one")
    host = settings.read(HOST)
    host = _EVERY_ADDRESS.get(host, host)
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/ping")
        answer = connection.getresponse()
        if answer.status == 200:
            return 0
        return _unhealthy(f"/ping returned {answer.status}: {_message(answer.read())}")
    except (OSError, http.client.HTTPException) as error:
        return _unhealthy(f"no answer from /ping on {host} port {port}: {error}")
    finally:
        connection.close()


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def _unhealthy(why: str) -> int:
    sys.stderr.write(f"healthcheck: {why}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
