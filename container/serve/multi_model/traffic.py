"""Which of many models are busy, as the front sees it."""

from collections.abc import Callable

from container.serve.lane import Lane
from container.serve.state import HeldModel


class Traffic:
    """A lane for every model that had a request since it was loaded."""

    def __init__(self, new_lane: Callable[[str, int], Lane]) -> None:
        """
        Args:
            new_lane: Makes the lane of a model, by what multi-model-server calls it and by its batch size.
        """
        self._new_lane = new_lane
        self._lanes: dict[str, Lane] = {}

    def lane(self, model: HeldModel) -> Lane:
        """The model's."""
        if model.key not in self._lanes:
            self._lanes[model.key] = self._new_lane(model.key, model.batch_size)
        return self._lanes[model.key]

    @property
    def waiting(self) -> int:
        """Requests that wait, of all models."""
        return sum(lane.waiting for lane in self._lanes.values())

    def forget(self, model: HeldModel) -> None:
        """The model is gone; requests that still hold its lane finish with it."""
        self._lanes.pop(model.key, None)
