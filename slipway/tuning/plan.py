"""The plan of a study on this machine, kept beside its trials so that only the same study continues it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from slipway.errors import TuningError
from slipway.requests.objective import Objective
from slipway.requests.search_space import EPOCHS, SearchSpace, complete, parse_range
from slipway.tuning.strategy import Strategy, most_epochs

FILE = "study.json"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The settings of a study."""

    objective: Objective
    strategy: Strategy
    space: SearchSpace
    fixed: Mapping[str, str]
    """Hyperparameters with the same value in all trials."""
    seed: int
    early_stopping: bool

    def to_json(self, channels: Mapping[str, Path]) -> dict[str, Any]:
        """Return the content of study.json."""
        return {
            "objective": self.objective.metric,
            "goal": self.objective.goal,
            "strategy": self.strategy,
            "ranges": {name: str(entry) for name, entry in self.space.items()},
            "hyperparameters": dict(self.fixed),
            "seed": self.seed,
            "early stopping": self.early_stopping,
            "channels": {name: str(path.resolve()) for name, path in channels.items()},
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Parse the result of `to_json`.

        Raises:
            KeyError: A field is missing.
        """
        return cls(
            objective=Objective(content["objective"], content["goal"]),
            strategy=content["strategy"],
            space=dict(parse_range(f"{name}={text}") for name, text in content["ranges"].items()),
            fixed=content["hyperparameters"],
            seed=content["seed"],
            early_stopping=content["early stopping"],
        )


def read_plan(directory: Path) -> Plan:
    """Read the plan of an earlier study.

    Raises:
        TuningError: There is no plan, or its file is damaged.
    """
    return Plan.from_json(_read(directory / FILE))


def keep_plan(plan: Plan, channels: Mapping[str, Path], directory: Path) -> None:
    """Write the plan of a new study, or check that an earlier study has the same.

    Raises:
        TuningError: The directory holds another study, or something else, or cannot be written.
    """
    file, wanted = directory / FILE, plan.to_json(channels)
    if file.exists():
        differing = list(_differences(_read(file), wanted))
        if differing:
            raise TuningError(
                f"the study in {directory} has other settings: {'; '.join(differing[:3])}. Give the same ones to go on "
                "with it, or another --study-dir"
            )
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if others := sorted(path.name for path in directory.iterdir()):
            raise TuningError(
                f"{directory} holds something other than a study ({', '.join(others[:4])}); give --study-dir a folder "
                "that is empty or does not exist yet"
            )
        file.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise TuningError(
            f"the study directory {directory} cannot be written: {error.strerror}; give another --study-dir"
        ) from error


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any], what: str = "") -> Iterator[str]:
    for name in {**found, **wanted}:
        one, other = found.get(name, "nothing"), wanted.get(name, "nothing")
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _differences(one, other, f"{name}, ")
        elif one != other:
            yield f"{what}{name} was {one} and is {other} now"


def _read(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        Plan.from_json(content)
        return content
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TuningError(
            f"{file} cannot be read as a study's: {error!r}; name the folder of a slipway tune"
        ) from error


def with_strategy(
    strategy: Strategy, space: SearchSpace, fixed: Mapping[str, str]
) -> tuple[SearchSpace, dict[str, str]]:
    """Adapt the ranges and fixed hyperparameters to the strategy.

    Hyperband chooses the epochs of a trial itself: the range's upper end becomes their fixed limit.
    """
    space = complete(space, fixed)
    if strategy != "Hyperband" or EPOCHS not in space:
        return space, dict(fixed)
    rest = {name: entry for name, entry in space.items() if name != EPOCHS}
    return rest, {**fixed, EPOCHS: str(most_epochs(space, 0))}
