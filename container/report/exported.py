"""The exported graphs of a job's model, as the training report shows them."""

from collections.abc import Mapping
from typing import Any

from container.contract.model_files import GRAPH, INT8_GRAPH


def exported_rows(exported: Mapping[str, Any]) -> list[list[str]]:
    """List a row for each graph: file, pictures, equal classes in percent, largest difference, accuracy, time.

    Args:
        exported: As in job.json; empty if nothing was exported.
    """
    rows = []
    for name in (GRAPH, INT8_GRAPH):
        facts = exported.get(name)
        if not isinstance(facts, Mapping):
            continue
        accuracy = f"{facts['accuracy']:.2%}, {facts['float_accuracy']:.2%} before" if "accuracy" in facts else ""
        times = f"{facts['int8_ms']:.1f}, {facts['float_ms']:.1f} before" if "int8_ms" in facts else ""
        rows.append(
            [
                name,
                f"{facts['pictures']:,}",
                f"{100 * facts['equal_classes']:.1f}",
                f"{facts['largest_difference']:.2g}",
                accuracy,
                times,
            ]
        )
    return rows


def exported_notes(exported: Mapping[str, Any]) -> list[str]:
    """Say in sentences what was not exported, and which layers INT8 leaves in floating point."""
    notes = []
    if failed := exported.get("failed"):
        notes.append(f"The model was not exported: {failed}.")
    if failed := exported.get("int8_failed"):
        notes.append(f"There is no INT8 graph: {failed}.")
    layers = exported.get(INT8_GRAPH, {}).get("float_layers", [])
    if layers:
        notes.append(f"In {INT8_GRAPH}, {len(layers)} layers stay in floating point: {', '.join(map(str, layers))}.")
    return notes
