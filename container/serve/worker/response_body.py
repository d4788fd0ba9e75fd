"""Encodes probabilities as the body of an answer, in each type that is offered."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from container.serve.protocol.accept import (
    CSV,
    CSV_SCORES,
    JSON,
    JSON_INDEX,
    JSON_LINES,
    JSON_LINES_SCORES,
    JSON_SCORES,
)

Probabilities = npt.NDArray[np.float32]


class Prediction(TypedDict):
    """One class of the top-k."""

    label: str
    index: int
    probability: float


class Explanation(TypedDict):
    """A picture that shows where the network saw a class."""

    label: str
    index: int
    method: str
    layer: str
    """Name of the network's layer that was analysed."""
    width: int
    """Width of the PNG in pixels; it shows the whole picture, upright."""
    height: int
    image: str
    """The PNG file in base64."""


def top_k(probabilities: Probabilities, classes: Sequence[str], k: int) -> list[list[Prediction]]:
    """Find the `k` most probable classes of each row, most probable first; ties go to the lower index.

    Args:
        probabilities: Shape (pictures, classes).
        classes: Class names in index order.
        k: How many; all classes if there are fewer.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return [
        [
            Prediction(label=classes[index], index=int(index), probability=round(float(row[index]), 6))
            for index in indices
        ]
        for row, indices in zip(probabilities, order, strict=True)
    ]


def encode(
    probabilities: Probabilities,
    classes: Sequence[str],
    offer: str,
    *,
    k: int,
    many: bool,
    reject_below: float | None = None,
    out_of_distribution: Sequence[bool] = (),
    explanations: Sequence[Explanation | None] = (),
) -> bytes:
    """Encode an answer.

    Args:
        probabilities: Shape (pictures, classes), float32.
        classes: Class names in index order.
        offer: One of `accept.OFFERED`.
        k: Classes per picture in the JSON types.
        many: Whether the request held a list of pictures; JSON's `predictions` is then a list of lists, even for
            one picture.
        reject_below: The JSON types with classes then say whether the best one's probability is lower; None: they do
            not.
        out_of_distribution: Empty, or whether each picture is unlike the training data; the JSON types with classes
            say so.
        explanations: Empty, or one per picture; the offer is then one of `accept.EXPLAINED`.

    Returns:
        `application/json`: `{"predictions": [{"label", "index", "probability"}, ...]}`, a list of such lists if `many`;
        with explanations also `explanation`, or a list `explanations` if `many`, null where none was requested; with
        `reject_below` also `rejected`, and with `out_of_distribution` that, lists if `many`;
        `application/json;format=index`: `[3]`, one class index per picture (the seed project's answer);
        `application/json;format=scores`: `[0.1, 0.6, 0.3]`, all probabilities in index order, a list of such lists
        if `many`;
        `text/csv`: a line `label,probability` of the top class per picture;
        `text/csv;format=scores`: a line of all probabilities in index order per picture;
        `application/jsonlines`: a line `{"predictions": [...]}` per picture, with the other fields too;
        `application/jsonlines;format=scores`: a line `{"prediction": [0.1, 0.6, 0.3]}` per picture;
        `application/x-npy`: the probabilities.
    """
    if offer == JSON_INDEX:
        return json.dumps(probabilities.argmax(axis=1).tolist(), allow_nan=False).encode()
    if offer in (JSON, JSON_LINES):
        flags = {
            "rejected": [] if reject_below is None else (probabilities.max(axis=1) < reject_below).tolist(),
            "out_of_distribution": out_of_distribution,
        }
        rows = top_k(probabilities, classes, k)
        return _encode_top(rows, offer, many=many, flags=flags, explanations=explanations)
    if offer in (JSON_SCORES, JSON_LINES_SCORES, CSV_SCORES):
        return _encode_scores(probabilities, offer, many=many)
    if offer == CSV:
        text = io.StringIO()
        # The csv writer does not quote a bare carriage return, which readers take for a line end.
        risky = any("\r" in name for name in classes)
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC if risky else csv.QUOTE_MINIMAL)
        writer.writerows((row[0]["label"], row[0]["probability"]) for row in top_k(probabilities, classes, 1))
        return text.getvalue().encode()
    data = io.BytesIO()
    np.save(data, probabilities, allow_pickle=False)
    return data.getvalue()


def _encode_top(
    rows: list[list[Prediction]],
    offer: str,
    *,
    many: bool,
    flags: Mapping[str, Sequence[bool]],
    explanations: Sequence[Explanation | None],
) -> bytes:
    if offer == JSON_LINES:
        lines: list[dict[str, object]] = [{"predictions": row} for row in rows]
        for name, flagged in flags.items():
            for line, flag in zip(lines, flagged, strict=False):
                line[name] = flag
        for line, explanation in zip(lines, explanations, strict=False):
            if explanation:
                line["explanation"] = explanation
        return "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines).encode()
    answer: dict[str, object] = {"predictions": rows if many else rows[0]}
    answer |= {name: flagged if many else flagged[0] for name, flagged in flags.items() if flagged}
    if explanations:
        answer |= {"explanations": explanations} if many else {"explanation": explanations[0]}
    return json.dumps(answer, ensure_ascii=False, allow_nan=False).encode()


def _encode_scores(probabilities: Probabilities, offer: str, *, many: bool) -> bytes:
    # str() of a float32 is the shortest decimal that reads back as the same float32.
    rows = [f"[{', '.join(map(str, row))}]" for row in probabilities]
    if offer == CSV_SCORES:
        return "".join(f"{','.join(map(str, row))}\n" for row in probabilities).encode()
    if offer == JSON_LINES_SCORES:
        return "".join(f'{{"prediction": {row}}}\n' for row in rows).encode()
    return (f"[{', '.join(rows)}]" if many else rows[0]).encode()
