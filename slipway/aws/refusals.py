"""Explains AWS's errors to the user: what was asked, what came back, and what to do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from container.contract.errors import UserError
from slipway.aws import throttling
from slipway.aws.permissions import denied
from slipway.errors import CredentialsError, QuotaError, RefusedError, ServiceError, SettingError, UnreachableError

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
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)
# HeadBucket and HeadObject have no body, so their code is the HTTP status.
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden")
_QUOTA = ("ResourceLimitExceeded", "LimitExceededException", "ServiceQuotaExceededException")
_NOT_ENABLED = ("InvalidClientTokenId", "UnrecognizedClientException", "OptInRequired", "AuthFailure")
"""Codes of good credentials, too, in a region that they are not for."""
_IN_USE = ("ResourceInUse", "ResourceInUseException")
_OTHER_REGION = ("PermanentRedirect", "AuthorizationHeaderMalformed", "301")


class AwsError(RefusedError):
    """An error of the service itself, such as RepositoryNotFoundException."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def explained(action: str) -> Iterator[None]:
    """Turn botocore's exceptions in the body, the SDK's calls included, into errors that say what to do.

    Args:
        action: What was being done, such as `ecr:PutImage` or "starting the training job".

    Raises:
        CredentialsError: There are no credentials, or the service rejects them.
        DeniedError: The credentials do not allow this.
        QuotaError: The account's quota is used up.
        SettingError: AWS has no such region, or botocore finds the request malformed.
        UnreachableError: AWS does not answer, or answers with an internal error.
        AwsError: The service refused the call for another reason.
    """
    try:
        yield
    except Exception as error:
        explanation = _explanation(action, error)
        if explanation is None:
            raise
        raise explanation from error


def no_credentials(reason: str = "none are configured") -> CredentialsError:
    """Build the error for credentials that cannot be found."""
    return CredentialsError(f"no working AWS credentials were found ({reason}); {_SIGN_IN}")


def _explanation(action: str, error: Exception) -> UserError | None:
    # Only here: every command's help would wait for botocore.
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return _refusal(action, error)
    if isinstance(error, exceptions.UnknownRegionError):
        return SettingError(
            f"AWS has no region {error.kwargs['region_name']!r}; --region takes a name such as us-east-1"
        )
    if isinstance(error, exceptions.NoRegionError):
        return SettingError("no region is named; add --region (such as --region us-east-1) or set AWS_REGION")
    if isinstance(error, exceptions.ProfileNotFound):
        return CredentialsError(f"{error}; --profile and AWS_PROFILE name one of ~/.aws/config")
    if isinstance(
        error,
        exceptions.NoCredentialsError
        | exceptions.PartialCredentialsError
        | exceptions.CredentialRetrievalError
        | exceptions.SSOError
        | exceptions.LoginError
        | exceptions.TokenRetrievalError
        | exceptions.NoAuthTokenError,
    ):
        return no_credentials(str(error))
    if isinstance(error, exceptions.ParamValidationError):
        return SettingError(f"{action}: the request would not be valid: {_one_line(str(error))}")
    if isinstance(error, exceptions.ProxyConnectionError):
        if "failed: 407" in str(error.kwargs.get("error", "")):  # its port may have these digits, too
            return UnreachableError(
                f"{action}: the proxy {error.kwargs['proxy_url']} (HTTPS_PROXY) wants a name and a password (407); "
                "HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT has them"
            )
        return UnreachableError(
            f"{action}: the proxy {error.kwargs['proxy_url']} (HTTPS_PROXY) cannot be reached; correct its address, or "
            "unset HTTPS_PROXY where no proxy is needed"
        )
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return UnreachableError(
            f"{action}: AWS does not answer ({error}); check the network, the proxy (HTTPS_PROXY), the certificates "
            "(AWS_CA_BUNDLE) and the region, and run it again"
        )
    if isinstance(error, exceptions.BotoCoreError):
        return ServiceError(f"{action}: {error}")
    # As below, importing the exception would cost every command.
    if type(error).__name__ == "ResponseParserError":
        return UnreachableError(
            f"{action}: what answered is not AWS ({_one_line(str(error))[:200]}); check the proxy (HTTPS_PROXY) and "
            "AWS_ENDPOINT_URL"
        )
    # boto3 wraps S3's answer to an upload; importing its exception would cost every command.
    if type(error).__name__ == "S3UploadFailedError" and isinstance(error.__context__, exceptions.ClientError):
        return _refusal(action, error.__context__)
    return None


def _one_line(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def _refusal(action: str, error: Any) -> ServiceError:
    details: Mapping[str, Any] = error.response.get("Error", {})
    code, message = str(details.get("Code", "")), str(details.get("Message", ""))
    if ":" not in action:
        action = f"{action} ({error.operation_name})"
    if code in _EXPIRED:
        return CredentialsError(f"{action}: the AWS credentials have expired ({code}); {_SIGN_IN}")
    if code in _INVALID:
        further = "; this machine's clock may be wrong" if "ignature" in f"{code}{message}" else ""
        if code in _NOT_ENABLED:
            further = (
                "; if they work elsewhere, the region is not theirs: it may not be enabled for the account, or belong "
                "to another partition, such as China's: --region names another"
            )
        return CredentialsError(f"{action}: AWS rejects these credentials ({code}{further}); {_SIGN_IN}")
    if code in throttling.CODES:
        return UnreachableError(
            f"{action}: AWS throttles these calls ({code}), also after several attempts: too many are made from this "
            "account; run it again in a minute"
        )
    if (code in _IN_USE or "lready exist" in message) and not action.startswith(("ecr:", "iam:", "s3:")):
        return AwsError(
            code,
            f"{action}: a name is in use already: {message or code} Choose another one; without --name it is made from "
            "the time, and slipway deploy --update puts a model behind the endpoint that has the name",
        )
    if code in _DENIED:
        return denied(action, message)
    if code in _QUOTA and not action.startswith("ecr:"):
        return QuotaError(
            f"{action}: the account's quota is used up: {message} Ask for more in the console under Service Quotas, "
            "Amazon SageMaker, use another instance type or fewer instances, or wait until others have ended "
            "(slipway jobs)"
        )
    if code == "NoSuchBucket":
        bucket = details.get("BucketName") or "the bucket"
        return AwsError(code, f"{action}: there is no bucket {bucket}; check its name, or make it: aws s3 mb s3://NAME")
    if code in _OTHER_REGION:
        region = details.get("Region") or error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get(
            "x-amz-bucket-region", "another one"
        )
        return AwsError(code, f"{action}: the bucket is in another region ({region}); give that one with --region")
    if code.startswith(("5", "ServiceUnavailable", "InternalFailure", "ServerException")):
        return UnreachableError(f"{action}: AWS answered with an internal error ({code}); run it again later")
    return AwsError(code, f"{action}: AWS refused it: {message or code}")
