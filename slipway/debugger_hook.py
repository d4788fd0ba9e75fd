"""The debugger's hook configuration of a job on SageMaker: which tensors are saved to S3."""

from collections.abc import Iterable, Mapping

from sagemaker.debugger import CollectionConfig, DebuggerHookConfig

from container.contract.debugger_defaults import REDUCED, WHOLE, hook_parameters

# Whole tensors are as large as the network, and activations as large again for each picture: save them seldom.
_WHOLE_FOR_RULES: Mapping[str, Mapping[str, str]] = {
    "weights": {"save_interval": "100"},
    "gradients": {"save_interval": "100"},
    "relu_input": {"include_regex": ".*relu_input", "save_interval": "500"},
    "relu_output": {"include_regex": ".*relu_output", "save_interval": "500"},
}


class DefaultHook(DebuggerHookConfig):  # type: ignore[misc]  # the SDK has no types
    """Slipway's default hook configuration; collections that a rule needs override its own.

    Args:
        everything: Save losses, labels and predictions, and reductions of weights, biases, gradients and ReLU outputs;
            otherwise only the losses, and what rules need.
    """

    def __init__(self, *, everything: bool) -> None:
        self.everything = everything
        named = {**WHOLE, **REDUCED} if everything else {"losses": WHOLE["losses"]}
        super().__init__(
            hook_parameters=hook_parameters(),
            collection_configs=[_collection(name, parameters) for name, parameters in named.items()],
        )


def saved_for_rules(name: str) -> CollectionConfig:
    """Build a collection as SageMaker's rules need it: with whole tensors."""
    return _collection(name, {**WHOLE, **_WHOLE_FOR_RULES}[name])


def merged_collections(
    of_rules: Iterable[CollectionConfig], hook: DebuggerHookConfig | bool | None
) -> list[CollectionConfig]:
    """Merge collections, in the order in which they are named.

    If a collection is configured more than once, the user's hook configuration wins, then the last rule, then the
    default.

    Args:
        of_rules: Collections that the rules need.
        hook: The user's hook configuration or the default one.
    """
    of_hook = (hook.collection_configs or ()) if isinstance(hook, DebuggerHookConfig) else ()
    ours = isinstance(hook, DefaultHook)
    ordered = [*of_hook, *of_rules] if ours else [*of_rules, *of_hook]
    return list({collection.name: collection for collection in ordered}.values())


def _collection(name: str, parameters: Mapping[str, str]) -> CollectionConfig:
    return CollectionConfig(name, dict(parameters) or None)
