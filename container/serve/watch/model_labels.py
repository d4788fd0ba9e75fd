"""What many models are called in the metrics: as many names as a Prometheus can bear, however many models come."""

from collections.abc import Callable, Container

_MOST_NAMES = 100
_LONGEST_NAME = 100

UNKNOWN = "(unknown)"
"""No loaded model was asked for."""
OTHER = "(other)"
"""A model beyond those that have a name of their own."""


class ModelLabels:
    """Gives loaded models their labels, and takes those of unloaded ones back."""

    def __init__(self, loaded: Callable[[], Container[str]]) -> None:
        """Args: loaded: the names of the models that are loaded now."""
        self._loaded = loaded
        self._names: dict[str, str] = {}
        self.forget: Callable[[str], None] = lambda _: None
        """Is told of every label that no model has any more."""

    def label(self, name: str) -> str:
        """The label of what a request asked for."""
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
