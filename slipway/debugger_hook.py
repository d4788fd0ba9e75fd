"""The debugger's hook configuration of a job on SageMaker: which tensors are saved and brought to S3."""

from collections.abc import Iterable, Mapping

from sagemaker.debugger import CollectionConfig, DebuggerHookConfig

from container.train.debugger.defaults import REDUCED, WHOLE, hook_parameters

# As many values as the network has, and for the activations as many again for each picture of the batch: seldom.
_WHOLE_FOR_RULES: Mapping[str, Mapping[str, str]] = {
    "weights": {"save_interval": "100"},
    "gradients": {"save_interval": "100"},
    "relu_input": {"include_regex": ".*relu_input", "save_interval": "500"},
    "relu_output": {"include_regex": ".*relu_output", "save_interval": "500"},
}


class DefaultHook(DebuggerHookConfig):  # type: ignore[misc]  # the SDK has no types
    """A hook configuration of ours; what a rule asks for counts for more.

    Args:
        everything: The losses, labels and predictions, and reductions of the weights, biases, gradients and ReLUs'
            outputs; otherwise the losses alone, beside what rules ask for.
    """

    def __init__(self, *, everything: bool) -> None:
        self.everything = everything
        named = {**WHOLE, **REDUCED} if everything else {"losses": WHOLE["losses"]}
        super().__init__(
            hook_parameters=hook_parameters(),
            collection_configs=[_collection(name, parameters) for name, parameters in named.items()],
        )


def saved_for_rules(name: str) -> CollectionConfig:
    """A collection as SageMaker's rules need it: whole tensors."""
    return _collection(name, {**WHOLE, **_WHOLE_FOR_RULES}[name])


def merged_collections(
    of_rules: Iterable[CollectionConfig], hook: DebuggerHookConfig | bool | None
) -> list[CollectionConfig]:
    """Each collection once, in the order in which they are named.

    Args:
        of_rules: What the rules ask for; of those of one name the last counts.
        hook: The configuration beside it: what the user's says counts for more, what ours says for less.
    """
    of_hook = (hook.collection_configs or ()) if isinstance(hook, DebuggerHookConfig) else ()
    ours = isinstance(hook, DefaultHook)
    ordered = [*of_hook, *of_rules] if ours else [*of_rules, *of_hook]
    return list({collection.name: collection for collection in ordered}.values())


def _collection(name: str, parameters: Mapping[str, str]) -> CollectionConfig:
    return CollectionConfig(name, dict(parameters) or None)
