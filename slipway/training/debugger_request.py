"""A training job's request to SageMaker's Debugger and profiler: which tensors to save, and which rules to run.

Nothing is asked for unless the user does: AWS has closed both to new customers on 30 July 2026.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from container.contract.debugger_defaults import REDUCED, WHOLE, hook_parameters
from slipway.errors import SettingError
from slipway.requests.values import without_none
from slipway.training.debugger_regions import evaluator_image
from slipway.training.debugger_rules import BuiltInRule, on_tensors, rule_name

Rule = BuiltInRule | Mapping[str, Any]
Collections = Mapping[str, Mapping[str, str]]
"""Parameters of collections, by name."""

JOB = "{job}"
"""Stands for the job's name in the actions of a rule that an earlier job had."""


def default_collections(*, everything: bool) -> Collections:
    """Return the collections that are saved where the user configures none.

    Args:
        everything: Save losses, labels and predictions, and reductions of weights, biases, gradients and ReLU outputs;
            otherwise only the losses, and what rules need.
    """
    return {**WHOLE, **REDUCED} if everything else {"losses": WHOLE["losses"]}


def asked_hook(debug: Any, configured: Any) -> Any:
    """Return the user's hook configuration as it is given, True for the default one, or a false value for none.

    Args:
        debug: The argument of `Estimator`.
        configured: The argument debugger_hook_config.

    Raises:
        SettingError: Both are configurations.
    """
    if debug and not isinstance(debug, bool) and configured:
        raise SettingError("both debug and debugger_hook_config say which tensors to save; leave out one of them")
    return configured or debug


def debugger_members(
    rules: Sequence[Rule],
    hook: Mapping[str, Any] | None,
    profiler: Mapping[str, Any] | None,
    *,
    everything: bool,
    profiler_off: bool,
    region: str,
    job: str,
    output_path: str,
) -> dict[str, Any]:
    """Return the members of CreateTrainingJob for the Debugger and the profiler; empty if nothing is asked for.

    Args:
        rules: From `as_rules`.
        hook: The user's hook configuration; None: the default one, where `everything` or a rule needs one.
        profiler: The profiler's configuration, if one is given.
        everything: Whether the default configuration saves more than the rules need.
        profiler_off: Ask for no measurements at all, which SageMaker would otherwise take where it can.
        region: The job's region.
        job: The job's name.
        output_path: S3 prefix for tensors and measurements.
    """
    found: dict[str, Any] = {}
    tensor_rules = [rule for rule in rules if on_tensors(rule)]
    profiler_rules = [rule for rule in rules if not on_tensors(rule)]
    if hook is not None or everything or tensor_rules:
        found["DebugHookConfig"] = _hook(hook, tensor_rules, everything=everything, output_path=output_path)
    for member, some in (("DebugRule", tensor_rules), ("ProfilerRule", profiler_rules)):
        if some:
            found[f"{member}Configurations"] = [_configuration(rule, region, job) for rule in some]
    if profiler_off:
        found["ProfilerConfig"] = {"DisableProfiler": True}
    elif profiler is not None or profiler_rules:
        found["ProfilerConfig"] = {"S3OutputPath": output_path, "DisableProfiler": False, **(profiler or {})}
    return found


def _hook(
    hook: Mapping[str, Any] | None, rules: Sequence[Rule], *, everything: bool, output_path: str
) -> dict[str, Any]:
    needed: dict[str, Mapping[str, str]] = {}
    for rule in rules:
        needed |= rule.collections if isinstance(rule, BuiltInRule) else {}
    if hook is None:
        given: dict[str, Any] = {"HookParameters": hook_parameters()}
        collections = {**default_collections(everything=everything), **needed}
    else:
        given = dict(hook)
        configured = given.pop("CollectionConfigurations", ())
        collections = {**needed, **{one["CollectionName"]: one.get("CollectionParameters", {}) for one in configured}}
    written = [
        without_none({"CollectionName": name, "CollectionParameters": dict(parameters) or None})
        for name, parameters in collections.items()
    ]
    return {"S3OutputPath": output_path, **given, **({"CollectionConfigurations": written} if written else {})}


def _configuration(rule: Rule, region: str, job: str) -> dict[str, Any]:
    given = rule.configuration(str(evaluator_image(region))) if isinstance(rule, BuiltInRule) else dict(rule)
    parameters = {name: text.replace(JOB, job) for name, text in given.get("RuleParameters", {}).items()}
    return {**given, **({"RuleParameters": parameters} if parameters else {})}


def check_region(region: str, asked: Sequence[object]) -> None:
    """Check that SageMaker has its Debugger in a region.

    Args:
        region: The job's region.
        asked: What the user asks of it: rules, hook configurations.

    Raises:
        SettingError: It has none there.
    """
    if any(asked) and evaluator_image(region) is None:
        raise SettingError(
            f"SageMaker has no Debugger in {region}; leave out debug and rules there, or train in another region. On "
            "your own machine, slipway train DATA --debug true saves the same tensors, and slipway debug checks them"
        )


def refuse_in_local_mode(rules: Sequence[Any], *, hook: bool) -> None:
    """Refuse what local mode would ignore.

    Raises:
        SettingError: There are rules or a hook configuration.
    """
    if rules:
        raise SettingError(
            f"local mode runs no rules, such as {rule_name(rules[0])}; leave them out there, give debug=True, and "
            "check the tensors that output.tar.gz then holds with slipway debug"
        )
    if hook:
        raise SettingError(
            "local mode gives the container no hook configuration; debug=True saves the default tensors there"
        )


def check_profiler(profiler_rules: Sequence[str], *, configured: bool, disabled: bool) -> None:
    """Check that SageMaker's profiler is not both requested and disabled.

    Args:
        profiler_rules: Names of the rules on measurements.
        configured: Whether a configuration is given that asks for measurements.
        disabled: Whether disable_profiler is set, or a configuration that switches the profiler off.

    Raises:
        SettingError: The profiler is both requested and disabled.
    """
    if disabled and configured:
        raise SettingError("profiler_config is given, but the profiler is disabled; leave out one of the two")
    if disabled and profiler_rules:
        raise SettingError(
            f"the rule {profiler_rules[0]} reads what SageMaker's profiler measures, and that is switched off or not "
            "to be had here (disable_profiler, the region, the instance type); leave out one of the two"
        )
