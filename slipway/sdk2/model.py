"""Version 2 of the SDK: its Model, with the serving image and checks."""

from collections.abc import Callable
from typing import Any

from sagemaker.model import Model as SdkModel

from slipway.aws.refusals import explained
from slipway.aws.tags import Tags, with_own_tag
from slipway.checks.arguments import known_arguments, refuse_unknown
from slipway.checks.instance_type import check_instance_type
from slipway.checks.name import check_name
from slipway.errors import SettingError
from slipway.hosting import model, predictor
from slipway.hosting.cpu_image import ImageChoice
from slipway.hosting.endpoint import require_free_name
from slipway.hosting.waiting import wait_until_in_service
from slipway.requests.names import new_name
from slipway.sdk2.predictor import Predictor
from slipway.sdk2.session import new_session

_OWN = known_arguments(model.Model, "deploy")
_ONLY_OWN = _OWN - known_arguments(SdkModel, "deploy") - {"show"}


class Model(model.Model, SdkModel):  # type: ignore[misc]  # the SDK has no types
    """The SDK's Model: `slipway.hosting.model` has the arguments, and the SDK's others still work, by name.

    `deploy` is the SDK's where an argument is given that only the SDK has, such as resources.
    """

    _predictor_class = Predictor
    _session = staticmethod(new_session)
    enable_network_isolation = SdkModel.enable_network_isolation
    delete_model = SdkModel.delete_model

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if named.get("entry_point"):
            self._image_choice = ImageChoice(open_=False)
        of_the_sdk = known_arguments(SdkModel, "__init__")
        given = {name: value for name, value in {**named, **vars(self)}.items() if name in of_the_sdk}
        isolated = named.get("enable_network_isolation")
        SdkModel.__init__(self, **{**given, "enable_network_isolation": isolated})

    def prepare_container_def(self, instance_type: str | None = None, **named: Any) -> dict[str, Any]:
        """Build the container definition of CreateModel; a script of the user's is uploaded for that."""
        return dict(SdkModel.prepare_container_def(self, instance_type, **named))

    def deploy(
        self, initial_instance_count: int | None = None, instance_type: str | None = None, **arguments: Any
    ) -> predictor.Predictor:
        """Create or update an endpoint, with the arguments of `slipway.deploy.model.Model.deploy` or of the SDK.

        Raises:
            TypeError: An argument is unknown.
            SettingError: Slipway's own and the SDK's own arguments are mixed.
            UserError: As there.
        """
        refuse_unknown("deploy", arguments, (Model, "deploy"))
        of_the_sdk = [name for name in arguments if name not in _OWN]
        if not of_the_sdk:
            return super().deploy(initial_instance_count, instance_type, **arguments)
        if mixed := [name for name in arguments if name in _ONLY_OWN]:
            raise SettingError(f"{mixed[0]} is Slipway's, and cannot be given with {of_the_sdk[0]}, which is the SDK's")
        if arguments.get("serverless_inference_config") is None:
            instance_type, initial_instance_count = (
                check_instance_type(instance_type, "endpoint"),
                initial_instance_count or 1,
            )
        return self._deploy_by_the_sdk(initial_instance_count, instance_type, **arguments)

    def _deploy_by_the_sdk(
        self,
        *instances: Any,
        endpoint_name: str | None = None,
        tags: Tags = None,
        wait: bool = True,
        show: Callable[[str], None] = print,
        **sdk_arguments: Any,
    ) -> predictor.Predictor:
        session = self.sagemaker_session
        name = check_name(endpoint_name, "an endpoint") if endpoint_name else new_name("slipway")
        self._choose_image(instances[1])
        self.check()
        require_free_name(session, name)
        named = {"endpoint_name": name, "tags": with_own_tag(tags), "wait": False}
        with explained(f"creating the endpoint {name}"):
            by_the_sdk = SdkModel.deploy(self, *instances, **named, **sdk_arguments)
        if wait:
            wait_until_in_service(session, name, show=show)
        # For an asynchronous endpoint the SDK wraps the predictor in a class that cannot handle pictures.
        made: predictor.Predictor = getattr(by_the_sdk, "predictor", by_the_sdk)
        return made
