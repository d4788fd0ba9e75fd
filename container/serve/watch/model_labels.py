"""Labels of models in the metrics: bounded in number, however many models are loaded."""

from collections.abc import Callable, Container

_MOST_NAMES = 100
_LONGEST_NAME = 100

UNKNOWN = "(unknown)"
"""Label of requests for a model that is not loaded."""
OTHER = "(other)"
"""Label of models beyond those that have one of their own."""


class ModelLabels:
    """Assigns labels to loaded models, and reclaims those of unloaded ones."""

    def __init__(self, loaded: Callable[[], Container[str]]) -> None:
        """Args: loaded: returns the names of the loaded models."""
        self._loaded = loaded
        self._names: dict[str, str] = {}
        self.forget: Callable[[str], None] = lambda _: None
        """Called with every label that no model has any more."""

    def label(self, name: str) -> str:
        """The label for the model that a request asked for."""
        if label := self._names.get(name):
            return label
        loaded = self._loaded()
        if name not in loaded:
            return UNKNOWN
        if len(self._names) >= _MOST_NAMES:
            self._drop_unloaded(loaded)
        if len(self._names) >= _MOST_NAMES:
            return OTHER
        label = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
        self._names[name] = label
        return label

    def _drop_unloaded(self, loaded: Container[str]) -> None:
        gone = [name for name in self._names if name not in loaded]
        for name in gone:
            label = self._names.pop(name)
            if label not in self._names.values():
                self.forget(label)
