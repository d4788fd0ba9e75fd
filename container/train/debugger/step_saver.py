"""The steps of a hook: counted, and what each of them saves handed to the thread that writes it."""

from collections.abc import Callable
from typing import Any

import torch

from container.best_effort import BestEffort
from container.train.debugger.modes import WITHOUT_GRADIENTS, ModeKeys
from container.train.debugger.schedule import Schedule
from container.train.debugger.snapshot import Camera, Snapshot, StepSnapshots
from container.train.debugger.trial_writer import TrialWriter


class StepSaver:
    """Counts steps by mode, and takes snapshots of the tensors that the running one saves.

    Args:
        writer: Writes the trial.
        camera: Takes snapshots.
        schedule: Makes the schedule, at the first step.
        enabled: Whether steps are counted: in every process of a job, so that all know which are saved.
        writes: Whether this process writes.
    """

    def __init__(
        self, writer: TrialWriter, camera: Camera, schedule: Callable[[], Schedule], *, enabled: bool, writes: bool
    ) -> None:
        self.enabled = enabled
        self.writes = writes
        self._writer = writer
        self._camera = camera
        self._make_schedule = schedule
        self._schedule: Schedule | None = None
        self._best_effort = BestEffort("the debugger failed; training goes on without it", Exception, keep_going=True)
        self.mode = ModeKeys.GLOBAL
        self.step = -1
        self.mode_steps = {ModeKeys.GLOBAL: -1}
        self.saving: frozenset[str] = frozenset()
        """Names of the collections that the running step saves."""
        self._current: StepSnapshots | None = None
        self._scalars: list[tuple[str, torch.Tensor]] = []
        self._written: dict[str, int] = {}
        """Number of tensors saved in the current step, by module and direction."""
        self._given: set[str] = set()
        """Names of the tensors that the script passed for the running step."""
        self._held: dict[str, torch.Tensor] = {}
        """Tensors that the script passed for the next step."""

    def begin_step(self) -> None:
        """Begin a step of the running mode, and find out what it saves."""
        self.finish_step()
        self.step += 1
        self.mode_steps[self.mode] = self.mode_steps.get(self.mode, -1) + 1
        self.mode_steps[ModeKeys.GLOBAL] = self.step
        self.saving = self.schedule.at(self.mode, self.mode_steps[self.mode])
        self._current = StepSnapshots(step=self.step, mode=self.mode, mode_step=self.mode_steps[self.mode])
        self._written.clear()
        held, self._held = self._held, {}
        self._given = set(held)
        for name, value in held.items() if self.saving else ():
            self._take_whole(name, value)

    def finish_step(self) -> None:
        """Pass what the step saves to the writing thread."""
        step, self._current = self._current, None
        if step is None:
            return
        scalars, self._scalars = self._scalars, []
        self._current = step
        for name, value in scalars:
            self._take_whole(name, value)
        self._current = None
        if step.tensors:
            self._writer.put(step)
        self.saving = frozenset()

    @property
    def schedule(self) -> Schedule:
        """The collections' schedules and reductions, settled at the first step."""
        if self._schedule is None:
            self._schedule = self._make_schedule()
        return self._schedule

    @property
    def trains(self) -> bool:
        """Whether the mode is one in which an optimizer may step."""
        return self.mode not in WITHOUT_GRADIENTS

    def record(self, name: str, value: torch.Tensor, factor: torch.Tensor | None = None) -> None:
        """Save a tensor if the running step saves a collection that it belongs to."""
        if self._current is None or not self.saving or not self.writes:
            return
        wanted = self.schedule.wanted(name, self.saving, tuple(value.shape))
        if wanted is not None:
            self._camera.take(value, factor, wanted, self._current)

    def record_values(self, name: str, what: str, values: Any) -> None:
        """Save a module's inputs or outputs, numbered through the step."""
        if isinstance(values, torch.Tensor):
            key = f"{name}_{what}_"
            number = self._written.get(key, 0)
            self._written[key] = number + 1
            self.record(f"{key}{number}", values)
        elif isinstance(values, list | tuple):
            for value in values:
                self.record_values(name, what, value)

    def _take_whole(self, name: str, value: torch.Tensor) -> None:
        if self.writes and self._current is not None and value.numel():
            wanted = Snapshot(
                name=name, shape=tuple(value.shape), save_shape=False, whole=None, save_whole=True, reductions=[]
            )
            self._camera.take(value, None, wanted, self._current)

    def attempt(self, action: Callable[[], object]) -> bool:
        """Do what must not end training: a failure is one warning, and the end of saving.

        Steps are counted on, as the other processes do.

        Returns:
            Whether it was done.
        """
        if not self.enabled:
            return False
        done = self._best_effort(action)
        if not done:
            self.writes = False
            self.enabled = self._schedule is not None
        return done

    def state_dict(self) -> dict[str, int]:
        """Return the steps by mode, for a checkpoint."""
        return {mode.name: step for mode, step in self.mode_steps.items()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue counting from a checkpoint."""
        self.mode_steps = {ModeKeys[name]: step for name, step in state.items()}
        self.step = self.mode_steps[ModeKeys.GLOBAL]
