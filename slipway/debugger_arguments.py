"""The SDK's arguments for SageMaker's Debugger and profiler, and their checks."""

from collections.abc import Mapping, Sequence
from typing import Any

from sagemaker.debugger import DebuggerHookConfig, ProfilerConfig, ProfilerRule, RuleBase, get_rule_container_image_uri
from sagemaker.fw_utils import DEBUGGER_UNSUPPORTED_REGIONS

from slipway.debugger_hook import DefaultHook
from slipway.debugger_rules import Rules, as_rules, read_tensors
from slipway.errors import SettingError

# The SDK's placeholder for the image of built-in rules until a job is started.
_BUILT_IN = "DEFAULT_RULE_EVALUATOR_IMAGE"


def debugger_arguments(
    debug: bool | DebuggerHookConfig, rules: Rules | None, given: Mapping[str, Any], *, region: str | None
) -> dict[str, Any]:
    """Build the SDK's arguments `rules` and `debugger_hook_config`.

    Args:
        debug: The Estimator's argument, or the hyperparameter of that name.
        rules: The Estimator's argument.
        given: The SDK's arguments so far; their hook configuration, if any, is the user's, or True for the default.
        region: The job's region; None in local mode, where the container gets no hook configuration.

    Raises:
        SettingError: There are no such rules, or they would have no effect.
    """
    found = as_rules(rules)
    asked = given.get("debugger_hook_config")
    if isinstance(debug, DebuggerHookConfig):
        if asked:
            raise SettingError("both debug and debugger_hook_config say which tensors to save; leave out one of them")
        asked = debug
    if region is None:
        _refuse_in_local_mode(found, asked)
        return {"rules": None, "debugger_hook_config": False}
    if not isinstance(asked, DebuggerHookConfig) or isinstance(asked, DefaultHook):
        everything = bool(debug or (asked.everything if isinstance(asked, DefaultHook) else asked))
        # Not None, which would make the SDK save tensors without being asked.
        asked = DefaultHook(everything=everything) if everything or read_tensors(found) else False
    _check_region(region, found, hook=bool(asked))
    return {"rules": found or None, "debugger_hook_config": asked}


def _refuse_in_local_mode(rules: Sequence[RuleBase], hook: Any) -> None:
    if rules:
        raise SettingError(
            f"the SDK's local mode runs no rules, such as {rules[0].name}; leave them out there, give debug=True, and "
            "check the tensors that output.tar.gz then holds with slipway debug"
        )
    if isinstance(hook, DebuggerHookConfig):
        raise SettingError(
            "the SDK's local mode gives the container no hook configuration; debug=True saves the default tensors there"
        )


def _check_region(region: str, rules: Sequence[RuleBase], *, hook: bool) -> None:
    known = region.lower() not in DEBUGGER_UNSUPPORTED_REGIONS
    built_in = [rule.name for rule in rules if rule.image_uri == _BUILT_IN]
    if known and built_in:
        try:
            get_rule_container_image_uri(built_in[0], region)
        except ValueError:
            known = False
    if not known and (hook or rules):
        raise SettingError(
            f"SageMaker has no Debugger in {region}; leave out debug and rules there, or train in another region. On "
            "your own machine, slipway train DATA --debug true saves the same tensors, and slipway debug checks them"
        )


def check_profiler(rules: Sequence[RuleBase] | None, config: ProfilerConfig | None, *, disabled: bool) -> None:
    """Check that SageMaker's profiler is not both requested and disabled.

    Args:
        rules: The job's rules.
        config: The profiler's configuration, if one is given.
        disabled: Whether disable_profiler is set, or the region or instance type has no profiler.

    Raises:
        SettingError: The profiler is both requested and disabled.
    """
    if disabled and config is not None and not config.disable_profiler:
        raise SettingError("profiler_config is given, but the profiler is disabled; leave out one of the two")
    off = disabled or (config is not None and config.disable_profiler is True)
    wanted = [rule.name for rule in rules or () if isinstance(rule, ProfilerRule)]
    if off and wanted:
        raise SettingError(
            f"the rule {wanted[0]} reads what SageMaker's profiler measures, and that is switched off or not to be had "
            "here (disable_profiler, the region, the instance type); leave out one of the two"
        )
