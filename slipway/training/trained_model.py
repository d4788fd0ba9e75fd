"""The model of an Estimator's latest job: its `Model`, an endpoint, a `Transformer`."""

from typing import TYPE_CHECKING, Any

from slipway.errors import SettingError
from slipway.training.job_definition import take_known

if TYPE_CHECKING:
    from slipway.batch_transform.transformer import Transformer
    from slipway.hosting.model import Model
    from slipway.hosting.predictor import Predictor


class TrainedModel:
    """The part of both Estimators that deals with the trained model."""

    if TYPE_CHECKING:
        sagemaker_session: Any
        role: Any
        tags: Any
        latest_training_job: Any
        _enable_network_isolation: Any

        @property
        def model_data(self) -> Any: ...
        def get_vpc_config(self, vpc_config_override: Any) -> Any: ...

    @staticmethod
    def _model_class() -> "type[Model]":
        """Return the Model for the SDK that this Estimator is for; only here, as importing it takes a while."""
        from slipway.hosting.model import Model

        return Model

    @staticmethod
    def _transformer_class() -> "type[Transformer]":
        from slipway.batch_transform.transformer import Transformer

        return Transformer

    def create_model(
        self,
        role: str | None = None,
        image_uri: str | None = None,
        predictor_cls: Any = None,
        vpc_config_override: Any = "VPC_CONFIG_DEFAULT",
        **model_arguments: Any,
    ) -> "Model":
        """Build a `Model` from the trained model and the serving image.

        Args:
            role: Execution role; None: the job's.
            image_uri: Serving image; None: Settings', else the one that push.sh pushed last.
            predictor_cls: Class of the predictor; None: `Predictor`.
            vpc_config_override: The model's VPC, or None for none; by default the job's.
            model_arguments: Further arguments of `Model`.
        """
        isolated = model_arguments.pop("enable_network_isolation", None)
        return self._model_class()(
            model_data=self.model_data,
            role=role or self.role,
            image_uri=image_uri,
            vpc_config=self.get_vpc_config(vpc_config_override),
            enable_network_isolation=self._enable_network_isolation if isolated is None else isolated,
            sagemaker_session=self.sagemaker_session,
            **({} if predictor_cls is None else {"predictor_cls": predictor_cls}),
            **model_arguments,
        )

    def deploy(
        self, initial_instance_count: int | None = None, instance_type: str | None = None, **arguments: Any
    ) -> "Predictor":
        """Deploy the trained model.

        Args:
            initial_instance_count, instance_type: As for `Model.deploy`.
            arguments: Others of `Model.deploy` and of `create_model`, such as image_uri, role, env, model_name.

        Raises:
            SettingError: There is no trained model yet, or no instance type.
            ServiceError: AWS refuses.
        """
        model = self._model_class()
        others = ((model, "__init__"), (TrainedModel, "create_model"))
        of_deploy = take_known("deploy", arguments, (model, "deploy"), *others)
        of_deploy = {"tags": self.tags, **of_deploy}
        if initial_instance_count is not None:
            of_deploy["initial_instance_count"] = initial_instance_count
        return self._trained_model(arguments).deploy(instance_type=instance_type, **of_deploy)

    def transformer(
        self, instance_count: int | None = None, instance_type: str | None = None, **arguments: Any
    ) -> "Transformer":
        """Create the trained model in SageMaker, and a `Transformer` for it.

        Args:
            instance_count, instance_type: As for `Transformer`; None: 1 instance.
            arguments: Further arguments of `Transformer` and, as for `deploy`, of `create_model`.

        Raises:
            SettingError, ServiceError: As for `deploy`.
        """
        kind = self._transformer_class()
        others = ((self._model_class(), "__init__"), (TrainedModel, "create_model"))
        of_jobs = take_known("transformer", arguments, (kind, "__init__"), *others)
        of_jobs = {"tags": self.tags, **of_jobs, "instance_count": instance_count or 1}
        return kind.from_model(self._trained_model(arguments), instance_type, **of_jobs)

    def _trained_model(self, arguments: dict[str, Any]) -> "Model":
        if self.latest_training_job is None:
            raise SettingError("there is no trained model yet; call fit() first, or Estimator.attach(job)")
        if "model_name" in arguments:
            arguments["name"] = arguments.pop("model_name")
        return self.create_model(**arguments)
