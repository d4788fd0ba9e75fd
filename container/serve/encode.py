"""From probabilities to the body of an answer, in each type that is offered."""

import csv
import io
import json
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from container.serve.accept import CSV, JSON, JSON_INDEX, JSON_LINES

Probabilities = npt.NDArray[np.float32]


class Prediction(TypedDict):
    """One class of the top-k."""

    label: str
    index: int
    probability: float


def top_k(probabilities: Probabilities, classes: Sequence[str], k: int) -> list[list[Prediction]]:
    """The `k` most probable classes of each row, the most probable first; of equals, the lower index first.

    Args:
        probabilities: Shape (pictures, classes).
        classes: Class names in index order.
        k: How many; all of them where there are fewer.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return [
        [
            Prediction(label=classes[index], index=int(index), probability=round(float(row[index]), 6))
            for index in indices
        ]
        for row, indices in zip(probabilities, order, strict=True)
    ]


def encode(probabilities: Probabilities, classes: Sequence[str], offer: str, *, k: int, many: bool) -> bytes:
    """Write an answer.

    Args:
        probabilities: Shape (pictures, classes), float32.
        classes: Class names in index order.
        offer: One of `accept.OFFERED`.
        k: Classes per picture in the JSON types.
        many: Whether the request held a list of pictures; then JSON's `predictions` is a list of lists, even for
            one picture.

    Returns:
        `application/json`: `{"predictions": [{"label", "index", "probability"}, ...]}`, a list of such lists if `many`;
        `application/json;format=index`: `[3]`, one class index per picture (the seed project's answer);
        `text/csv`: a line `label,probability` of the top class per picture;
        `application/jsonlines`: a line `{"predictions": [...]}` per picture;
        `application/x-npy`: the probabilities themselves.
    """
    if offer == JSON_INDEX:
        return json.dumps(probabilities.argmax(axis=1).tolist()).encode()
    if offer in (JSON, JSON_LINES):
        rows = top_k(probabilities, classes, k)
        if offer == JSON_LINES:
            return "".join(json.dumps({"predictions": row}, ensure_ascii=False) + "\n" for row in rows).encode()
        return json.dumps({"predictions": rows if many else rows[0]}, ensure_ascii=False).encode()
    if offer == CSV:
        text = io.StringIO()
        # By itself the writer quotes no carriage return, and readers take it for the end of a line.
        risky = any("\r" in name for name in classes)
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC if risky else csv.QUOTE_MINIMAL)
        writer.writerows((row[0]["label"], row[0]["probability"]) for row in top_k(probabilities, classes, 1))
        return text.getvalue().encode()
    data = io.BytesIO()
    np.save(data, probabilities, allow_pickle=False)
    return data.getvalue()
