"""The page of `slipway compare`, opened in a real browser without a network."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.compare import compare
from slipway.compare.page import render_page
from tests.slipway.compare.test_parts import result
from tests.slipway.explore.test_page import Opened

CHARTS = ("#accuracy-chart", "#accuracy-curves", "#loss-curves", "#time-chart", "#throughput-chart", "#size-chart")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    """Three jobs, one of them slower, one with other versions; a fourth failed."""
    pictures = {"train": 100, "validation": 10, "test": 10_000, "unreadable": 0}
    small, large = result("resnet18", pictures=pictures), result("resnet50", pictures=pictures)
    middle = result("resnet34", test_accuracy=91.5, pictures=pictures)
    slow = tuple(replace(epoch, train_s=400.0) for epoch in large.epochs)
    comparison = compare(
        [small, middle, replace(large, epochs=slow, versions={"torch": "<b>2.8</b>"})],
        failures={"resnet152": "training failed: CUDA out of memory with batch-size 64 & more"},
    )
    file = tmp_path_factory.mktemp("page") / "comparison.html"
    file.write_text(render_page(comparison), encoding="utf-8")
    return file


@pytest.fixture(scope="module", params=[(1280, "light"), (390, "dark")], ids=["desktop-light", "phone-dark"])
def opened(request, browser, page_file) -> Iterator[Opened]:
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    opened = Opened(context.new_page())
    opened.page.goto(page_file.as_uri())
    opened.page.wait_for_selector("#size-chart .main-svg")
    yield opened
    context.close()


def test_it_asks_for_nothing_and_complains_about_nothing(opened, page_file):
    assert [url for url in opened.requests if not url.startswith("data:")] == [page_file.as_uri()]
    assert opened.complaints == []


def test_the_heading_says_which_model_is_best(opened):
    assert opened.text("h1") == "resnet34 is the most accurate: 91.50 % of the test pictures"


def test_every_chart_shows_every_job(opened):
    for chart in ("#accuracy-chart", "#time-chart", "#throughput-chart", "#size-chart"):
        assert opened.page.locator(f"{chart} .bars .point path").count() == 3
    assert opened.page.locator("#accuracy-curves .scatterlayer .trace").count() == 3
    assert opened.page.locator("#loss-curves .scatterlayer .trace").count() == 6


def test_jobs_have_a_colour_and_a_symbol_of_their_own(opened):
    points = opened.page.locator("#accuracy-curves .scatterlayer .trace .point:first-child")
    looks = points.evaluate_all("nodes => nodes.map(node => [getComputedStyle(node).fill, node.getAttribute('d')])")
    assert len({fill for fill, _ in looks}) == len({shape for _, shape in looks}) == 3


def test_text_beside_a_short_bar_is_in_the_pages_colour(opened):
    """Inside a bar it is in the colour that is read on the bar."""
    colours = opened.page.locator("#time-chart .bars .bartext").evaluate_all(
        "nodes => nodes.map(node => getComputedStyle(node).fill)"
    )
    page_colour = opened.page.evaluate("getComputedStyle(document.body).color")
    assert page_colour in colours


def test_the_figures_are_there_as_a_table(opened):
    rows = [row.split("\t") for row in opened.page.locator("#figures tbody tr").all_inner_texts()]
    assert rows[0] == ["test accuracy", "90.00 %", "91.50 %", "90.00 %"]
    assert ["training time", "24.0 s", "24.0 s", "20 min 00 s"] in rows


def test_what_failed_and_what_differs_is_said_first(opened):
    assert opened.page.locator(".remarks b").all_inner_texts() == ["Failed", "Notice"]
    remarks = opened.page.locator(".remarks span").all_inner_texts()
    assert "resnet152: training failed: CUDA out of memory with batch-size 64 & more" in remarks[0]
    assert "The version of torch differs: 2.9.0 in resnet18; 2.9.0 in resnet34; <b>2.8</b> in resnet50." in remarks[1]


def test_equal_settings_are_listed(opened):
    opened.page.locator("#settings summary").click()
    assert "batch-size\t64" in opened.text("#settings table >> nth=1")


def test_nothing_is_wider_than_the_window(opened):
    page_width, window_width = opened.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert page_width == window_width
    for chart in CHARTS:
        box = opened.page.locator(f"{chart} .main-svg").first.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= window_width


def test_headings_are_in_order_and_the_navigation_leads_to_them(opened):
    assert opened.page.locator("h1").count() == 1
    for anchor in opened.page.locator("nav a").evaluate_all("links => links.map(link => link.getAttribute('href'))"):
        assert opened.page.locator(f"{anchor} h2").count() == 1


def test_a_loss_that_was_high_at_first_does_not_hide_the_others(browser, tmp_path):
    one = result()
    wild = replace(one, name="resnet34", epochs=(replace(one.epochs[0], eval_loss=300.0), *one.epochs[1:]))
    (tmp_path / "page.html").write_text(render_page(compare([one, wild])), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector("#loss-curves .main-svg")
    assert page.locator("#loss-curves .ytitle").text_content() == "mean loss, logarithmic"
    assert page.locator("#loss-curves .ytick text").all_text_contents() == ["1", "10", "100"]
    page.close()


def test_without_a_difference_the_heading_names_no_winner():
    page = render_page(compare([result("resnet18"), result("resnet34", test_accuracy=100.0)]))
    assert "No difference that these 10 pictures can show" in page
    assert "so large a difference from resnet18 can be chance" in page


def test_without_a_test_the_heading_says_so():
    assert "No job of the comparison has been tested yet" in render_page(compare([result(test_accuracy=None)]))
