"""The work of `slipway deploy`: models from their names, and the endpoint that serves them."""

from typing import Any

from slipway.aws.console_address import console_address
from slipway.aws.session import AwsSession
from slipway.deploy.options import DeployOptions
from slipway.errors import SettingError
from slipway.hosting.autoscaling import Autoscaling, apply_scaling, check_scaling
from slipway.hosting.endpoint import require_endpoint
from slipway.hosting.kinds import Asynchronous, Serverless
from slipway.hosting.named_model import NamedModels
from slipway.hosting.rollout import Rollout
from slipway.hosting.variants import ProductionVariant, deploy_variants
from slipway.options.result import Result
from slipway.requests.missing import Missing
from slipway.settings.slipway_toml import Settings
from slipway.terminal.console import say


def deploy_model(
    session: AwsSession, model: str | None, options: DeployOptions, missing: Missing, answer: Result, *, quiet: bool
) -> None:
    """Create or update the endpoint, wait for it, and say what comes next.

    Args:
        session: Credentials and region.
        model: The command's MODEL; None with --variant or --multi-model.
        options: The command's.
        missing: Collects the settings that are missing.
        answer: Keeps the result.
        quiet: Whether it is a dry run, which prints nothing here.

    Raises:
        UserError: As `Model.deploy`.
    """
    show = (lambda line: None) if quiet else say
    models = NamedModels(
        session=session,
        missing=missing,
        dry_run=quiet,
        role=options.role,
        image=options.image,
        bucket=options.cloud.bucket,
        arguments=options.cloud.model_arguments(),
    )
    scaling = None
    if options.autoscale:
        scaling = Autoscaling.parse(options.autoscale, invocations_per_minute=options.invocations_per_minute)
    common: dict[str, Any] = {
        "endpoint_name": options.name,
        "tags": options.cloud.api_tags(),
        "kms_key": options.cloud.kms_key,
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
        variants = [_variant(models, text, options) for text in options.variants]
        bucket = options.cloud.bucket or Settings.read().bucket
        predictor = deploy_variants(variants, update=options.update, bucket=bucket, **common)
        if scaling:
            names = [variant.name for variant in variants]
            apply_scaling(session, predictor.endpoint_name, scaling, variants=names, asynchronous=False)
    else:
        found = models.below(options.multi_model) if options.multi_model else models.find(str(model))
        predictor = found.deploy(
            None if options.serverless else options.instance_count,
            options.instance_type,
            autoscaling=scaling,
            update_endpoint=options.update,
            **_kind(options),
            **common,
        )
    if quiet:
        return
    name = predictor.endpoint_name
    say(f"The endpoint {name} is {'being created' if options.no_wait else 'in service'}")
    answer.add(endpoint=name, console=console_address("endpoint", name, session.boto_region_name))
    if answer.as_json:
        described = require_endpoint(session, name)
        answer.add(arn=described.get("EndpointArn"), status=described.get("EndpointStatus"))
    target = " --target-model NAME.tar.gz" if options.multi_model else ""
    if options.asynchronous:
        answer.next(f"slipway.Predictor({name!r}).predict_async(PICTURE).result()", purpose="Next, in Python")
    else:
        answer.next(f"slipway predict --endpoint {name}{target} PICTURE")
    answer.next(f"slipway deploy --delete {name}", purpose="It costs money until it is deleted")


def _kind(options: DeployOptions) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.serverless:
        found["serverless_inference_config"] = Serverless(options.memory, options.max_concurrency)
    if options.asynchronous:
        found["async_inference_config"] = Asynchronous(output_path=options.output, kms_key=options.cloud.kms_key)
    return found


def _variant(models: NamedModels, text: str, options: DeployOptions) -> ProductionVariant:
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
        model=models.find(model),
        weight=share,
        instance_type=str(options.instance_type),
        instance_count=options.instance_count,
    )
