"""AWS's side: where and as whom, and calls whose failures say what to do."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import botocore.session
from botocore import exceptions
from botocore.config import Config

from slipway.errors import CredentialsError, DeniedError, PushError, SettingError, UnreachableError

# The least that pushing needs: the first on every resource, the others on the repository. Some are called
# by `docker push` through the registry.
TOKEN_ACTION = "ecr:GetAuthorizationToken"  # noqa: S105 (the name of an action)
REPOSITORY_ACTIONS = (
    "ecr:DescribeRepositories",
    "ecr:CreateRepository",
    "ecr:GetLifecyclePolicy",
    "ecr:PutLifecyclePolicy",
    "ecr:ListImages",
    "ecr:BatchCheckLayerAvailability",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
    "ecr:PutImage",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
)
POLICY_ACTIONS = ("ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy")
"""Beside them, for `--allow-account`."""

_SIGN_IN = "sign in again (aws sso login, or new keys in ~/.aws/credentials or AWS_ACCESS_KEY_ID)"
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
_INVALID = (
    "AuthFailure",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.SSOError,
    exceptions.LoginError,
    exceptions.TokenRetrievalError,
    exceptions.NoAuthTokenError,
)
_UNREACHABLE = (exceptions.HTTPClientError, exceptions.ConnectionError)


class AwsError(PushError):
    """The service refused a call for a reason of its own, such as RepositoryNotFoundException."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Aws:
    """A user's credentials and region.

    Args:
        region: None: AWS_REGION, AWS_DEFAULT_REGION, else the profile's.
        profile: None: AWS_PROFILE, else the default one.

    Raises:
        CredentialsError: There is no such profile.
        SettingError: No region is named anywhere, or botocore knows no such region.
    """

    def __init__(self, region: str | None, profile: str | None) -> None:
        with _explained("reading the configuration of AWS"):
            self._session = botocore.session.Session(profile=profile)
            found = region or os.environ.get("AWS_REGION") or self._session.get_config_variable("region")
        if not found:
            raise SettingError("no region is named; add --region (such as --region us-east-1) or set AWS_REGION")
        self.region: str = found
        with _explained("reading the configuration of AWS"):
            self.partition: str = self._session.get_partition_for_region(found)

    @property
    def ca_bundle(self) -> str | None:
        """File of certificates that the user trusts in place of the system's, from AWS_CA_BUNDLE or the profile."""
        return self._session.get_config_variable("ca_bundle") or None

    def registry_host(self, account: str) -> str:
        """Where ECR keeps an account's images; the suffix differs in China and in isolated partitions."""
        partitions = self._session.get_data("partitions")["partitions"]
        suffix = next(entry["outputs"]["dnsSuffix"] for entry in partitions if entry["id"] == self.partition)
        return f"{account}.dkr.ecr.{self.region}.{suffix}"

    def service(self, name: str) -> "Service":
        """A client of one service."""
        # Enough to outlast a hiccup; a wrong address shall not take a minute to be told.
        config = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=10, read_timeout=30)
        with _explained(f"making a client of {name}"):
            return Service(name, self._session.create_client(name, region_name=self.region, config=config))


class Service:
    """One service's calls."""

    def __init__(self, name: str, client: Any) -> None:
        self._name = name
        self._client = client

    def call(self, operation: str, **parameters: Any) -> Mapping[str, Any]:
        """Call an operation by the name in the service's reference, such as DescribeRepositories.

        Raises:
            CredentialsError: There are none, or the service does not take them.
            DeniedError: They do not allow this.
            UnreachableError: No answer.
            AwsError: The service refused it for another reason.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        method = getattr(self._client, botocore.xform_name(operation))
        with _explained(f"{self._name}:{operation}"):
            answer: Mapping[str, Any] = method(**given)
            return answer


@contextmanager
def _explained(action: str) -> Iterator[None]:
    try:
        yield
    except exceptions.ClientError as error:
        raise _refusal(action, error) from error
    except exceptions.UnknownRegionError as error:
        region = error.kwargs["region_name"]
        raise SettingError(f"AWS has no region {region!r}; --region takes a name such as us-east-1") from error
    except exceptions.ProfileNotFound as error:
        raise CredentialsError(f"{error}; --profile and AWS_PROFILE name one of ~/.aws/config") from error
    except _NO_CREDENTIALS as error:
        raise CredentialsError(f"no AWS credentials that work were found ({error}); {_SIGN_IN}") from error
    except _UNREACHABLE as error:
        raise UnreachableError(
            f"{action}: AWS does not answer ({error}); check the network, the proxy (HTTPS_PROXY), the certificates "
            "(AWS_CA_BUNDLE) and the region, and run it again"
        ) from error
    except exceptions.BotoCoreError as error:
        raise PushError(f"{action}: {error}") from error


def _refusal(action: str, error: Exception) -> PushError:
    details: Mapping[str, Any] = error.response.get("Error", {})  # type: ignore[attr-defined]
    code, message = str(details.get("Code", "")), str(details.get("Message", ""))
    if code in _EXPIRED:
        return CredentialsError(f"{action}: the AWS credentials have expired ({code}); {_SIGN_IN}")
    if code in _INVALID:
        clock = "; this machine's clock may be wrong" if "ignature" in f"{code}{message}" else ""
        return CredentialsError(f"{action}: AWS does not take these credentials ({code}{clock}); {_SIGN_IN}")
    if code in _DENIED:
        return denied(action, message)
    if code.startswith(("5", "ServiceUnavailable", "InternalFailure", "ServerException")):
        return UnreachableError(f"{action}: AWS answered with an error of its own ({code}); run it again later")
    return AwsError(code, f"{action}: AWS refused it: {message or code}")


def denied(action: str, message: str) -> DeniedError:
    """The error for what these credentials may not do, with what pushing needs."""
    needed = ", ".join((*REPOSITORY_ACTIONS, *(POLICY_ACTIONS if action in POLICY_ACTIONS else ())))
    return DeniedError(
        f"{action} is not allowed to these credentials ({message}); pushing needs {TOKEN_ACTION} on *, and on the "
        f"repository {needed}"
    )
