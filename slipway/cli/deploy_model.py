"""The work of `slipway deploy`: models from their names, and the endpoint that serves them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagemaker.async_inference import AsyncInferenceConfig
from sagemaker.serverless import ServerlessInferenceConfig

from slipway.cli.console import say
from slipway.cli.deploy_options import DeployOptions
from slipway.deploy.autoscaling import Autoscaling, apply_scaling, check_scaling
from slipway.deploy.model import Model
from slipway.deploy.multi_model import MultiModel
from slipway.deploy.rollout import Rollout
from slipway.deploy.variants import ProductionVariant, deploy_variants
from slipway.errors import SettingError
from slipway.settings import Settings

if TYPE_CHECKING:
    from sagemaker.session import Session


def deploy_model(session: "Session", model: str | None, options: DeployOptions, *, quiet: bool) -> None:
    """Create or update the endpoint, wait for it, and say what comes next.

    Args:
        session: The SDK's, not in local mode.
        model: The command's MODEL; None with --variant or --multi-model.
        options: The command's.
        quiet: Print nothing, for a dry run.

    Raises:
        UserError: As `Model.deploy`.
    """
    show = (lambda line: None) if quiet else say
    scaling = None
    if options.autoscale:
        scaling = Autoscaling.parse(options.autoscale, invocations_per_minute=options.invocations_per_minute)
    common: dict[str, Any] = {
        "endpoint_name": options.name,
        "tags": options.own_tags,
        "kms_key": options.kms_key,
        "capture_percent": options.capture,
        "rollout": Rollout.parse(options.rollout, alarms=options.alarms) if options.rollout else None,
        "wait": not options.no_wait,
        "show": show,
    }
    if options.variants:
        if options.serverless or options.asynchronous:
            raise SettingError("an endpoint with several variants is neither --serverless nor --async here")
        if scaling:
            check_scaling(scaling, asynchronous=False, serverless=False, wait=not options.no_wait)
        variants = [_variant(session, text, options) for text in options.variants]
        bucket = options.bucket or Settings.read().bucket
        predictor = deploy_variants(variants, update=options.update, bucket=bucket, **common)
        if scaling:
            names = [variant.name for variant in variants]
            apply_scaling(session, predictor.endpoint_name, scaling, variants=names, asynchronous=False)
    else:
        predictor = _one_model(session, model, options).deploy(
            None if options.serverless else options.instance_count,
            options.instance_type,
            autoscaling=scaling,
            update_endpoint=options.update,
            **_kind(options),
            **common,
        )
    name = predictor.endpoint_name
    show(f"The endpoint {name} is {'being created' if options.no_wait else 'in service'}")
    target = " --target-model NAME.tar.gz" if options.multi_model else ""
    if options.asynchronous:
        show(f"Next, in Python: slipway.Predictor({name!r}).predict_async(PICTURE).result()")
    else:
        show(f"Next: slipway predict --endpoint {name}{target} PICTURE")
    show(f"It costs money until it is deleted: slipway deploy --delete {name}")


def _kind(options: DeployOptions) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.serverless:
        found["serverless_inference_config"] = ServerlessInferenceConfig(options.memory, options.max_concurrency)
    if options.asynchronous:
        found["async_inference_config"] = AsyncInferenceConfig(output_path=options.output)
    return found


def _one_model(session: "Session", model: str | None, options: DeployOptions) -> Model:
    if options.multi_model:
        return MultiModel(options.multi_model, sagemaker_session=session, **_of_the_model(options))
    return _model(session, str(model), options)


def _variant(session: "Session", text: str, options: DeployOptions) -> ProductionVariant:
    name, _, rest = text.partition("=")
    # Split at the last colon: an S3 address has one too.
    model, _, weight = rest.rpartition(":")
    try:
        share = float(weight)
    except ValueError:
        share = -1
    if not name or not model or share < 0:
        raise SettingError(f"--variant is {text!r}; write it like --variant new=s3://my-dogs/jobs/new/model.tar.gz:1")
    return ProductionVariant(
        name=name,
        model=_model(session, model, options),
        weight=share,
        instance_type=str(options.instance_type),
        instance_count=options.instance_count,
    )


def _model(session: "Session", text: str, options: DeployOptions) -> Model:
    arguments = {"sagemaker_session": session, **_of_the_model(options)}
    if text.startswith("s3://"):
        return Model(text, **arguments)
    # A job's name contains neither a slash nor a dot.
    if Path(text).exists() or "/" in text or "." in text:
        return Model.from_directory(text, **arguments)
    return Model.from_job(text, **arguments)


def _of_the_model(options: DeployOptions) -> dict[str, Any]:
    vpc = {"Subnets": list(options.subnets), "SecurityGroupIds": list(options.security_groups)}
    found = {
        "role": options.role,
        "image_uri": options.image,
        "bucket": options.bucket,
        "vpc_config": vpc if options.subnets or options.security_groups else None,
        "enable_network_isolation": options.network_isolation or None,
    }
    return {name: value for name, value in found.items() if value is not None}
