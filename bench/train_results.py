"""Turns `bench.train`'s seconds per picture into ratios and a table."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.rounds import Ratios, ratios
from bench.usage import Usage

_SPEEDS = {
    "vs_limit": ("the same step, nothing to load (the limit)", "limit", "0.95 on a GPU"),
    "vs_plain": ("a plain loop", "plain", "8 on a GPU, 2.5 on a CPU with bf16"),
    "vs_timm": ("timm's loader and step", "timm", "1.2 on a GPU, 1 on a CPU"),
}
_FILES = {"of_files_vs_limit": ("the same step, nothing to load (the limit)", "limit", "0.85 on a GPU with 16 CPUs")}
_LOADERS = {
    "loader_vs_plain": ("the plain loader's to ours", "loader", "2.5"),
    "loader_cached_vs_plain": ("the plain loader's to ours, cached", "loader_cached", "8"),
}
"""Label of each ratio, name of its seconds, and lowest target."""


def results(
    seconds: Mapping[str, Sequence[float]], usage: Usage, *, pictures: int, price_per_hour: float | None
) -> dict[str, Any]:
    """Compute medians over the rounds.

    Args:
        seconds: Per picture, by side and round; CPU seconds for loaders.
        usage: Of our side.
        pictures: Number in an epoch, for its time and price.
        price_per_hour: The machine's, in dollars, if known.
    """
    to_ours = ratios({name: values for name, values in seconds.items() if not name.startswith("loader")}, "ours")
    found: dict[str, Ratios | None] = {name: to_ours.get(side) for name, (_, side, _) in _SPEEDS.items()}
    found["of_files_vs_limit"] = ratios({name: seconds[name] for name in ("limit", "of_files")}, "of_files")["limit"]
    for name, (_, side, _) in _LOADERS.items():
        found[name] = ratios({"plain": seconds["loader_plain"], side: seconds[side]}, side)["plain"]
    result: dict[str, Any] = {}
    for name, ratio in found.items():
        result[name] = None if ratio is None else round(ratio.median, 4)
        result[f"{name}_quartiles"] = None if ratio is None else [round(edge, 4) for edge in ratio.quartiles]
    for name, side in {
        "images_per_s": "ours",
        **{f"{name}_images_per_s": name for name in ("of_files", "limit", "plain", "timm")},
    }.items():
        result[name] = round(1 / statistics.median(seconds[side]), 2) if side in seconds else None
    for name in ("loader", "loader_cached", "loader_plain"):
        result[f"{name}_cpu_ms"] = round(1000 * statistics.median(seconds[name]), 3)
    epoch_s = pictures * statistics.median(seconds["ours"])
    return result | {
        "pictures": pictures,
        "epoch_s": round(epoch_s, 2),
        "epoch_dollars": None if price_per_hour is None else round(price_per_hour * epoch_s / 3600, 5),
        "memory_mb": round(usage.memory_bytes / 1e6, 1),
        "memory_of": usage.memory_of,
        "gpu_percent": None if usage.gpu_percent is None else round(usage.gpu_percent, 1),
    }


def table(result: Mapping[str, Any]) -> str:
    """Format the results as text."""
    workers = f"{result['workers']} worker{'s' * (result['workers'] != 1)}"
    lines = [
        f"{result['model']}, {result['image_size']} px, batch {result['batch_size']}, {result['amp']}, {workers}",
        f"{result['pictures']} pictures, {result['picture_kb']} KB each",
        f"{result['rounds']} rounds of {result['steps']} steps",
        str(result["device"]),
        "",
        f"{result['images_per_s']} images/s",
        "",
        *_ratios("images/s, ours to that of", result, _SPEEDS),
        "",
        *_ratios("images/s, ours from files to that of", result, _FILES),
        "",
        *_ratios("CPU time of loading a picture", result, _LOADERS),
        "",
        f"the first reading, which fills the cache: {result['scan_ms']} ms per picture",
        f"memory: {result['memory_mb']:.0f} MB {result['memory_of']}",
    ]
    if result["gpu_percent"] is not None:
        lines.append(f"GPU utilisation: {result['gpu_percent']:.0f} %")
    price = "" if result["epoch_dollars"] is None else f", {result['epoch_dollars']:.5f} dollars"
    lines.append(f"an epoch of {result['pictures']} pictures: {result['epoch_s']} s{price}")
    if "accuracy" in result:
        lines += [_time_to_accuracy(result, side, words) for side, words in _LEARNERS.items()]
    return "\n".join(lines)


_LEARNERS = {"ours": "ours", "plain": "the plain loop"}


def _ratios(heading: str, result: Mapping[str, Any], rows: Mapping[str, tuple[str, str, str]]) -> list[str]:
    lines = [f"{heading:44} {'median':>7}  {'quartiles':16}  target"]
    for name, (words, _, target) in rows.items():
        if result[name] is not None:
            low, high = result[f"{name}_quartiles"]
            lines.append(f"{words:44} {result[name]:7.3f}  {f'{low:.3f} to {high:.3f}':16}  {target}")
    return lines


def _time_to_accuracy(result: Mapping[str, Any], side: str, words: str) -> str:
    epochs = result[f"{side}_epochs"]
    took = f"{result[f'{side}_seconds']} s, {epochs} epoch{'s' * (epochs != 1)}"
    short = "" if result[f"{side}_reached"] else f" (not reached: {100 * result[f'{side}_accuracy']:.1f} %)"
    return f"to {100 * result['accuracy']:g} % accuracy, {words}: {took}{short}"
