"""Client of a registry's HTTP API (the OCI distribution specification) for manifests."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPException, HTTPMessage
from typing import IO, Any

from slipway.aws.permissions import denied
from slipway.errors import CredentialsError, ServiceError, UnreachableError
from slipway.push.manifest import MEDIA_TYPES, Manifest

_TIMEOUT_S = 60


class _Redirect(urllib.request.HTTPRedirectHandler):
    """Omits the password on redirects: ECR redirects to a signed S3 address, which refuses a second authentication."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None:
            request.remove_header("Authorization")
        return request


class Registry:
    """One repository of a registry.

    Args:
        host: Host of the registry.
        repository: Name of the repository.
        token: base64 of user:password.
        ca_bundle: Certificate file to use instead of the system's.
    """

    def __init__(self, host: str, repository: str, token: str, ca_bundle: str | None) -> None:
        self.host = host
        self._base = f"https://{host}/v2/{repository}"
        self._token = token
        try:
            context = ssl.create_default_context(cafile=ca_bundle)
        except OSError as error:
            raise ServiceError(f"AWS_CA_BUNDLE is {ca_bundle}, which is not a file of certificates: {error}") from error
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Redirect())

    def manifest(self, reference: str) -> Manifest | None:
        """Read the manifest of a tag or digest; None if there is none."""
        answer = self._request("GET", f"manifests/{reference}", {"Accept": ", ".join(MEDIA_TYPES)})
        if answer is None:
            return None
        headers, body = answer
        return Manifest(headers.get_content_type(), body)

    def put(self, tag: str, manifest: Manifest) -> None:
        """Set a tag to a manifest whose layers exist."""
        headers = {"Content-Type": manifest.media_type}
        if self._request("PUT", f"manifests/{tag}", headers, manifest.body) is None:
            raise ServiceError(f"{self.host} has lost the repository while it was being pushed to; run it again")

    def config(self, manifest: Manifest) -> Mapping[str, Any]:
        """Read the image's configuration."""
        answer = self._request("GET", f"blobs/{manifest.config_digest}", {})
        try:
            content = json.loads(answer[1]) if answer else None
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise ServiceError(
                f"{self.host} has no readable configuration {manifest.config_digest} of {manifest.digest}"
            )
        return content

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> tuple[Message, bytes] | None:
        """Send a request; return headers and body, or None for 404.

        Raises:
            CredentialsError: The password is rejected.
            DeniedError: The credentials do not allow this.
            UnreachableError: The registry does not answer, or answers with 5xx.
            ServiceError: The registry refuses for another reason.
        """
        request = urllib.request.Request(  # noqa: S310 (always https)
            f"{self._base}/{path}", body, {"Authorization": f"Basic {self._token}", **headers}, method=method
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                return answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise self._refusal(error, method, path) from error
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise UnreachableError(
                f"{self.host} does not answer ({reason}); check the network, the proxy (HTTPS_PROXY) and the "
                "certificates (AWS_CA_BUNDLE), and run it again: it resumes where it stopped"
            ) from error

    def _refusal(self, error: urllib.error.HTTPError, method: str, path: str) -> ServiceError:
        text = _message(error)
        if error.code == 401:
            return CredentialsError(f"{self.host} rejects the password that ECR gave ({text}); run it again")
        if error.code == 403:
            return denied("ecr:BatchGetImage" if method == "GET" else "ecr:PutImage", text)
        if error.code >= 500:
            return UnreachableError(f"{self.host} answered with an internal error ({text}); run it again later")
        return ServiceError(f"{self.host} refused {method} {path}: {text}")


def _message(error: urllib.error.HTTPError) -> str:
    """Extract the registry's message from an error in the specification's form."""
    try:
        first = json.loads(error.read())["errors"][0]
        return f"{error.code} {first.get('message') or first['code']}"
    except (ValueError, LookupError, TypeError, AttributeError, OSError):
        return f"{error.code} {error.reason}"
