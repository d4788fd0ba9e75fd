"""The charts that pages draw, in a real browser: ticks, labels and the text under the pointer."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page

from container.page import Figure, render
from container.page.charts import figure, histogram, line

VALUES = {
    "result": {"minutes": 1, "load_percent": 70, "model": "m", "engine": "e", "device": "d"},
    "statuses": ["200"],
    "parts": ["front"],
    "head": ["phase"],
    "rows": [],
}


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    return browser.new_page(viewport={"width": 900, "height": 900})


def draw(page: Page, directory: Path, figure: Figure) -> Locator:
    """Open a page with one chart."""
    (directory / "page.html").write_text(render("soak.html", {"latency-chart": figure}, **VALUES))
    page.goto((directory / "page.html").as_uri())
    return page.locator("#latency-chart")


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ((0.3, 30), ["0.5", "1", "2", "5", "10", "20"]),
        ((3e-6, 0.2), ["1e-5", "0.0001", "0.001", "0.01", "0.1"]),
        ((0.62, 0.98), ["0.65", "0.7", "0.75", "0.8", "0.85", "0.9", "0.95", "1"]),
        ((2, 30_000), ["10", "100", "1,000", "10,000"]),
    ],
    ids=["decades", "many-decades", "within-a-decade", "thousands"],
)
def test_every_tick_of_a_logarithmic_axis_has_its_value(page, tmp_path, values, labels):
    drawn = draw(
        page, tmp_path, figure([line(0, "a", np.arange(2.0), np.array(values))], "x", "y", yaxis={"type": "log"})
    )
    assert drawn.locator(".ytick text").all_text_contents() == labels
    heights = drawn.locator(".ytick text").evaluate_all("all => all.map(text => Number(text.getAttribute('y')))")
    assert heights == sorted(heights, reverse=True)


def test_the_labels_of_an_axis_do_not_touch(page, tmp_path):
    axis = {"type": "category", "categoryarray": [f"a rather long name {number}" for number in range(9)]}
    bars = {"type": "bar", "meta": 0, "x": axis["categoryarray"], "y": list(range(9)), "hovertemplate": "%{y}"}
    for spec, trace in (
        (axis, bars),
        ({}, line(0, "a", np.arange(0, 9e5, 1e5), np.arange(9.0))),
        ({"dtick": 1}, line(0, "a", np.arange(400.0), np.arange(400.0))),
    ):
        boxes = (
            draw(page, tmp_path, figure([trace], "x", "y", xaxis=spec))
            .locator(".xtick text")
            .evaluate_all(
                "all => all.map(text => [text.getBoundingClientRect().left, text.getBoundingClientRect().right])"
            )
        )
        assert len(boxes) > 3
        turned = spec is axis  # then a label begins below the one before it
        assert turned or all(left > right for (left, _), (_, right) in zip(boxes[1:], boxes[:-1], strict=True))


def test_the_pointer_shows_what_it_is_on(page, tmp_path):
    drawn = draw(page, tmp_path, figure([histogram(np.array([1.0, 1.0, 1.0, 2.0]), 0, "ms", bins=2)], "ms", "steps"))
    drawn.locator(".point path").first.hover()
    assert drawn.locator(".hover").inner_text().strip() == "about 1.25 ms: 3"
    page.locator("h1").hover()
    assert drawn.locator(".hover").count() == 0


def test_a_value_that_is_not_a_number_leaves_a_gap(page, tmp_path):
    trace = {"type": "scatter", "mode": "lines", "meta": 0, "x": [1, 2, 3, 4], "y": [1, None, 2, 3]}
    path = draw(page, tmp_path, figure([trace], "x", "y")).locator(".line").get_attribute("d")
    assert path.count("M") == 2


def test_a_chart_that_cannot_be_drawn_is_an_error():
    with pytest.raises(ValueError, match="the pages cannot draw traces of the type pie"):
        figure([{"type": "pie"}], "", "")
    with pytest.raises(ValueError, match="barmode"):
        figure([{"type": "bar"}, {"type": "bar"}], "", "")
