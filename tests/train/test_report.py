"""The training report in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from container.train.report import REPORT, write_report

HISTORY = [
    {
        "epoch": epoch,
        "train_loss": 2 / epoch,
        "eval_loss": 2.2 / epoch,
        "eval_accuracy": 50 + 10 * epoch,
        "learning_rate": 1e-3,
        "train_seconds": 1.0,
    }
    for epoch in (1, 2, 3)
]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_draws_its_charts_offline_at_any_width(tmp_path: Path, browser: Browser, width: int):
    write_report(
        tmp_path,
        history=HISTORY,
        test={"best_epoch": 3, "test_loss": 0.5, "test_accuracy": 87.5},
        classes=["Beagle", "Poodle"],
        train_counts=[30, 10],
        confusion=[[5, 1], [0, 2]],
        settings={"epochs": "3", "model-type": "<b>resnet18</b>"},
    )
    page = browser.new_page(viewport={"width": width, "height": 844})
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((tmp_path / REPORT).as_uri())
    page.locator(".plotly-graph-div .main-svg").nth(8).wait_for(state="attached")
    assert page.locator(".heatmaplayer image").count() == 1
    assert page.locator("dd").first.inner_text() == "87.50 %"
    assert "<b>resnet18</b>" in page.locator("table").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
    assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [(tmp_path / REPORT).as_uri()]
    page.close()
