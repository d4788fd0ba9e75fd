"""The map of the data: each picture a point, near those that are like it, with the picture on hover."""

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from container.page import Figure
from container.page.charts import figure, label
from container.picture import read_picture
from slipway.explore.neighbours import principal_components
from slipway.explore.scan import Dataset, Picture

MOST = 1_000
"""Pictures on the map; of more, a sample is shown."""

SIDE = 40
"""Side of a picture on the sheet, in pixels."""

_COLUMNS = 32
_PERPLEXITY = 30
_COLOURS = 6
# There are fewer colours than classes.
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star")


@dataclass(frozen=True, kw_only=True)
class PictureMap:
    """A map and its pictures."""

    chart: Figure
    sheet: str
    """All pictures in one, as a `data:` URI: `columns` squares of `side` pixels in a row."""
    method: str
    shown: int
    side: int = SIDE
    columns: int = _COLUMNS


def draw_map(
    dataset: Dataset,
    features: npt.NDArray[np.float32] | None,
    fetch: Callable[[Sequence[Picture]], None] = lambda _: None,
) -> PictureMap | None:
    """Project the features to two dimensions: by scikit-learn's t-SNE if it is installed, else by principal components.

    Args:
        dataset: From `scan`.
        features: Of each picture, (N, D).
        fetch: Called with the pictures of the map before their files are read.

    Returns:
        None if there are fewer than three pictures.

    Raises:
        PictureError: A picture has changed since it was scanned.
    """
    count = len(dataset.pictures)
    if features is None or count < 3:
        return None
    chosen = np.sort(np.random.default_rng(0).choice(count, min(count, MOST), replace=False))
    places, method = _project(features[chosen])
    pictures = [dataset.pictures[index] for index in chosen.tolist()]
    fetch(pictures)
    names = sorted({name for of_split in dataset.classes.values() for name in of_split})
    traces: list[dict[str, Any]] = []
    for index, name in enumerate(names):
        numbers = [number for number, picture in enumerate(pictures) if picture.label == name]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label(name),
                "meta": index % _COLOURS,
                "x": [round(float(places[number, 0]), 2) for number in numbers],
                "y": [round(float(places[number, 1]), 2) for number in numbers],
                "customdata": numbers,
                "text": [label(dataset.relative(pictures[number])) for number in numbers],
                "marker": {"size": 7, "opacity": 0.75, "symbol": _SYMBOLS[index // _COLOURS % len(_SYMBOLS)]},
                "hovertemplate": "%{text}",
            }
        )
    hidden = {"showticklabels": False, "showgrid": False, "zeroline": False, "rangemode": "normal"}
    return PictureMap(
        chart=figure(traces, "", "", height=560, xaxis=hidden, yaxis=hidden, hovermode="closest"),
        sheet=_sheet([read_picture(picture.path, shrink_to=SIDE) for picture in pictures]),
        method=method,
        shown=len(pictures),
    )


def _project(features: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], str]:
    try:
        from sklearn.manifold import TSNE
    except ModuleNotFoundError:
        return principal_components(features, 2).project(features), "principal components"
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=0, max_iter=500).fit_transform(features), "t-SNE"


def _sheet(pictures: Sequence[Image.Image]) -> str:
    rows = math.ceil(len(pictures) / _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * SIDE, rows * SIDE), "white")
    for number, picture in enumerate(pictures):
        picture.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
        row, column = divmod(number, _COLUMNS)
        place = column * SIDE + (SIDE - picture.width) // 2, row * SIDE + (SIDE - picture.height) // 2
        sheet.paste(picture, place)
    file = io.BytesIO()
    sheet.save(file, "WEBP", quality=60)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
