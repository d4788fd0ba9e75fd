"""What AWS's refusals mean to the user: a paragraph that says what was asked, what came back, and what to do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore import exceptions

from slipway.aws.permissions import denied
from slipway.errors import CredentialsError, QuotaError, ServiceError, SettingError, UnreachableError

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
# HeadBucket and HeadObject have no body: S3 then names the status alone.
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden")
_QUOTA = ("ResourceLimitExceeded", "LimitExceededException", "ServiceQuotaExceededException")
_OTHER_REGION = ("PermanentRedirect", "AuthorizationHeaderMalformed", "301")
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


class AwsError(ServiceError):
    """The service refused a call for a reason of its own, such as RepositoryNotFoundException."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def explained(action: str) -> Iterator[None]:
    """Turn botocore's exceptions in the body, the SDK's calls included, into errors that say what to do.

    Args:
        action: What was being done, such as `ecr:PutImage` or "starting the training job".

    Raises:
        CredentialsError: There are none, or the service does not take them.
        DeniedError: They do not allow this.
        QuotaError: The account may not have more of this.
        SettingError: AWS has no such region, or the request is malformed before it is sent.
        UnreachableError: No answer, or an error of AWS's own.
        AwsError: The service refused it for another reason.
    """
    try:
        yield
    except exceptions.ClientError as error:
        raise _refusal(action, error) from error
    except exceptions.UnknownRegionError as error:
        region = error.kwargs["region_name"]
        raise SettingError(f"AWS has no region {region!r}; --region takes a name such as us-east-1") from error
    except exceptions.NoRegionError as error:
        raise SettingError("no region is named; add --region (such as --region us-east-1) or set AWS_REGION") from error
    except exceptions.ProfileNotFound as error:
        raise CredentialsError(f"{error}; --profile and AWS_PROFILE name one of ~/.aws/config") from error
    except _NO_CREDENTIALS as error:
        raise CredentialsError(f"no AWS credentials that work were found ({error}); {_SIGN_IN}") from error
    except exceptions.ParamValidationError as error:
        raise SettingError(f"{action}: the request would not be valid: {_one_line(str(error))}") from error
    except _UNREACHABLE as error:
        raise UnreachableError(
            f"{action}: AWS does not answer ({error}); check the network, the proxy (HTTPS_PROXY), the certificates "
            "(AWS_CA_BUNDLE) and the region, and run it again"
        ) from error
    except exceptions.BotoCoreError as error:
        raise ServiceError(f"{action}: {error}") from error
    except Exception as error:
        # boto3 puts an exception of its own around S3's answer to an upload; importing it would cost every command.
        if type(error).__name__ == "S3UploadFailedError" and isinstance(error.__context__, exceptions.ClientError):
            raise _refusal(action, error.__context__) from error
        raise


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
        clock = "; this machine's clock may be wrong" if "ignature" in f"{code}{message}" else ""
        return CredentialsError(f"{action}: AWS does not take these credentials ({code}{clock}); {_SIGN_IN}")
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
        return UnreachableError(f"{action}: AWS answered with an error of its own ({code}); run it again later")
    return AwsError(code, f"{action}: AWS refused it: {message or code}")
