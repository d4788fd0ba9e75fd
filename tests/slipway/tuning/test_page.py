"""The page of a tuning's trials, opened in a real browser without a network."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page

from slipway.requests.objective import objective
from slipway.tuning.page import render_page
from slipway.tuning.trial import Trial, Tuning


def make_trials() -> Iterator[Trial]:
    for number in range(12):
        trial = Trial(
            name=f"slipway-2026-11-24-{number:03d}",
            hyperparameters={
                "epochs": 20 + number,
                "batch-size": (16, 32, 64)[number % 3],
                "opt-learning-rate": 1e-5 * 1.2**number,
                "augmentation": "light",
            },
            status="completed",
            objective=0.9 - 0.03 * number + 0.01 * (number % 3),
            duration_s=600.0 + number,
            address=f"https://us-east-1.console.aws.amazon.com/sagemaker/home#/jobs/{number}",
        )
        if number == 10:
            trial = replace(trial, status="failed", objective=None, reason="CUDA out of memory in <b>")
        yield replace(trial, status="stopped early") if number == 4 else trial


TUNING = Tuning(
    name="slipway-2026-11-24", objective=objective("eval_loss_epoch"), strategy="Bayesian", trials=list(make_trials())
)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("page") / "tuning.html"
    file.write_text(render_page(TUNING), encoding="utf-8")
    return file


@pytest.fixture(scope="module", params=[(1280, "light"), (390, "dark")], ids=["desktop-light", "phone-dark"])
def page(request, browser, page_file) -> Iterator[Page]:
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    page.complaints, page.requests = [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto(page_file.as_uri())
    page.wait_for_selector("#slice-3 .main-svg")
    yield page
    context.close()


def test_it_asks_for_nothing_and_complains_about_nothing(page, page_file):
    assert [url for url in page.requests if not url.startswith("data:")] == [page_file.as_uri()]
    assert page.complaints == []


def test_the_charts_are_drawn(page):
    assert page.locator("#history-chart .scatterlayer .point").count() == 11
    assert page.locator("#parallel-chart .scatterlayer .line").count() == 11
    assert page.locator("#importance-chart .bars .point").count() == 4
    for number in range(4):
        assert page.locator(f"#slice-{number} .scatterlayer .point").count() == 11


def test_every_axis_says_what_it_is(page):
    assert page.locator("#history-chart .ytitle").text_content() == "eval_loss_epoch"
    titles = [page.locator(f"#slice-{number} .xtitle").text_content() for number in range(4)]
    assert titles == ["epochs", "batch-size", "opt-learning-rate", "augmentation"]
    names = page.locator("#parallel-chart .ytick text").all_text_contents()
    assert sorted(names) == sorted([*titles, "eval_loss_epoch"])


def test_nothing_is_wider_than_the_window(page):
    page_width, window_width = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert page_width == window_width


def test_the_best_trial_is_named_and_trials_are_ranked_with_links(page):
    assert "slipway-2026-11-24-011 has the best eval_loss_epoch: epochs 31" in page.locator("main").inner_text()
    rows = page.locator("#trials tbody tr")
    assert rows.count() == 12
    assert rows.first.locator("a").get_attribute("href").endswith("/jobs/11")
    assert "CUDA out of memory in <b>" in rows.last.inner_text()


def test_headings_are_in_order_and_the_navigation_leads_to_them(page):
    anchors = page.locator("nav a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert len(anchors) == 5
    for anchor in anchors:
        assert page.locator(f"{anchor} h2").count() == 1


@pytest.mark.parametrize("kept", [0, 1])
def test_a_page_of_too_few_trials_says_what_is_missing(kept, browser, tmp_path):
    file = tmp_path / "few.html"
    file.write_text(render_page(replace(TUNING, trials=TUNING.trials[:kept])), encoding="utf-8")
    page = browser.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())
    text = page.locator("main").inner_text()
    assert f"Importance needs at least 8 completed trials; there are {kept}." in text
    assert ("No trial has an objective yet." in text) is (kept == 0)
    assert complaints == []
    page.close()
