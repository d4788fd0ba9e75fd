"""Credentials and region for AWS, and calls whose errors say what to do."""

import functools
import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from slipway.aws.refusals import explained, no_credentials
from slipway.aws.request_check import check_request
from slipway.aws.throttling import ThrottlingNote
from slipway.errors import SettingError

if TYPE_CHECKING:
    import boto3


class Aws:
    """A user's credentials and region.

    Args:
        region: Name of the region; None: AWS_REGION, AWS_DEFAULT_REGION, else the profile's.
        profile: Name of the profile; None: AWS_PROFILE, else the default one.

    Raises:
        CredentialsError: There is no such profile.
        SettingError: No region is configured, or botocore knows no such region.
    """

    def __init__(self, region: str | None, profile: str | None) -> None:
        self._session = _session(profile)
        found = region or _configured_region(self._session)
        if not found:
            raise SettingError("no region is named; add --region (such as --region us-east-1) or set AWS_REGION")
        self.region: str = found
        self.answered_here = False
        """Whether a dry run answers all calls, so that no credentials are needed."""
        with explained("reading the configuration of AWS"):
            self._partition = self._find_partition(found)
        self.partition: str = self._partition["id"]
        # For all clients, the SDK's included.
        self.events.register("before-parameter-build.sagemaker", _check)
        ThrottlingNote().register(self.events)

    @property
    def events(self) -> Any:
        """botocore's event emitter; existing clients do not see handlers that are registered later."""
        return self._session.get_component("event_emitter")

    def boto_session(self) -> "boto3.Session":
        """The same credentials and region as a boto3 session, for the SageMaker SDK."""
        import boto3

        return boto3.Session(botocore_session=self._session, region_name=self.region)

    def client(self, service: str) -> Any:
        """Create a client as boto3 would; S3's lacks what boto3 adds to it, such as upload_file."""
        return self._session.create_client(service, region_name=self.region)

    @property
    def has_credentials(self) -> bool:
        """Whether there are credentials, valid or not; where nothing is configured, an instance's own are looked for.

        Raises:
            CredentialsError: What is configured gives none, such as a sign-in that has expired.
        """
        with explained("looking for credentials"):
            return self._session.get_credentials() is not None

    @property
    def ca_bundle(self) -> str | None:
        """The certificate file from AWS_CA_BUNDLE or the profile, used instead of the system's."""
        return self._session.get_config_variable("ca_bundle") or None

    def registry_host(self, account: str) -> str:
        """Host name of an account's ECR registry; its suffix differs in China and in isolated partitions."""
        return f"{account}.dkr.ecr.{self.region}.{self._partition['outputs']['dnsSuffix']}"

    def _find_partition(self, region: str) -> Mapping[str, Any]:
        """Find the region's entry in botocore's partitions; its own function reads all endpoints for that, far more."""
        from botocore.exceptions import UnknownRegionError

        for entry in self._session.get_data("partitions")["partitions"]:
            if region in entry["regions"] or re.fullmatch(entry["regionRegex"], region):
                found: Mapping[str, Any] = entry
                return found
        raise UnknownRegionError(region_name=region, error_msg="no partition")

    def service(self, name: str, *, quick: bool = False) -> "Service":
        """Create a client of one service; with `quick`, one that gives up after seconds and tries once.

        Raises:
            CredentialsError: There are no credentials, and a dry run does not answer in AWS's place.
        """
        # The client would say it too, once it had read the service's model, which takes longer than all else.
        if not self.answered_here and not self.has_credentials:
            raise no_credentials()
        from botocore.config import Config

        # Enough to outlast a hiccup; a wrong address must not take a minute to be reported.
        attempts, connect_s, read_s = (1, 3, 10) if quick else (3, 10, 30)
        retries = {"mode": "standard", "total_max_attempts": attempts}
        config = Config(retries=retries, connect_timeout=connect_s, read_timeout=read_s)
        with explained(f"creating a client of {name}"):
            return Service(name, self._session.create_client(name, region_name=self.region, config=config))


class Service:
    """A client of one AWS service."""

    def __init__(self, name: str, client: Any) -> None:
        self._name = name
        self._client = client

    def call(self, operation: str, **parameters: Any) -> Mapping[str, Any]:
        """Call an operation by the name in the service's reference, such as DescribeRepositories.

        Raises:
            CredentialsError: There are no credentials, or the service rejects them.
            DeniedError: The credentials do not allow this.
            UnreachableError: AWS does not answer.
            AwsError: The service refused the call for another reason.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        method = getattr(self._client, _method(operation))
        with explained(f"{self._name}:{operation}"):
            answer: Mapping[str, Any] = method(**given)
            return answer

    def pages(self, operation: str, member: str, **parameters: Any) -> Iterator[Any]:
        """Yield all items of a paginated list, such as pages("ListEndpoints", "Endpoints").

        Args:
            operation: As for `call`.
            member: Name of the list in the answer.
            parameters: As for `call`.

        Raises:
            ServiceError: As for `call`.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        paginator = self._client.get_paginator(_method(operation))
        with explained(f"{self._name}:{operation}"):
            for page in paginator.paginate(**given):
                yield from page.get(member, ())


def find_region(region: str | None, profile: str | None) -> str | None:
    """Return the region that is named or configured; None if there is none.

    Raises:
        CredentialsError: There is no such profile.
    """
    return region or _configured_region(_session(profile))


def _session(profile: str | None) -> Any:
    # Only here: every command's help would wait for botocore.
    import botocore.session

    session = botocore.session.Session(profile=profile)
    with explained("reading the configuration of AWS"):
        session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


@functools.cache
def _loader(data_path: str | None) -> Any:
    """Make the loader of botocore's descriptions of services, which takes long to read them."""
    from botocore.loaders import create_loader

    return create_loader(data_path)


def service_model(service: str) -> Any:
    """botocore's description of a service's operations and shapes."""
    from botocore.model import ServiceModel

    return ServiceModel(_loader(None).load_service_model(service, "service-2"), service)


def _configured_region(session: Any) -> str | None:
    with explained("reading the configuration of AWS"):
        found: str | None = os.environ.get("AWS_REGION") or session.get_config_variable("region")
        return found


def _check(params: Mapping[str, Any], model: Any, **_: Any) -> None:
    if model.input_shape is not None:
        check_request(model.name, model.input_shape, params)


def _method(operation: str) -> str:
    """Name of an operation's method in Python, such as describe_repositories."""
    from botocore import xform_name

    name: str = xform_name(operation)
    return name
