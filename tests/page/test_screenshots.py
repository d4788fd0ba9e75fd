"""Every page at two widths and in both colour schemes; pictures of them, to look at, are in .build/screenshots."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from container.report import PROFILER_REPORT, TRAINING_REPORT, write_profiler_report, write_training_report
from slipway.compare import compare
from slipway.compare.page import render_page as render_comparison
from slipway.explore import examine, look_at, render_page, scan
from slipway.tuning.page import render_page as render_tuning
from tests.conftest import write_image_folder
from tests.report.records import PlannedJob, write_findings, write_probabilities, write_training
from tests.report.test_analyses import a_loader_that_sleeps, one_very_long_step
from tests.slipway.compare.test_parts import result
from tests.slipway.tuning.test_page import TUNING

PICTURES = Path(__file__).parents[2] / ".build" / "screenshots"

MOST_BYTES = 1_500_000


def report(page: str, job: PlannedJob, classes: int) -> Callable[[Path], Path]:
    def write(directory: Path) -> Path:
        job.write(directory / "profile")
        write_training(directory, classes=classes)
        write_probabilities(directory)
        write_findings(directory)
        write_profiler_report(directory / "profile", directory, beside=[TRAINING_REPORT])
        write_training_report(directory, directory)
        return directory / page

    return write


def small_job() -> PlannedJob:
    job = PlannedJob(steps_per_epoch=40)
    one_very_long_step(job)
    a_loader_that_sleeps(job)
    return job


def exploration(directory: Path) -> Path:
    for split, counts in (
        ("train", {"red": 9, "blue": 7, "a class with a rather long name": 2}),
        ("valid", {"red": 2}),
    ):
        write_image_folder(directory / "data" / split, counts)
    dataset = scan(directory / "data")
    return text(directory, render_page(dataset, examine(dataset), look_at(dataset, embeddings=False)))


def text(directory: Path, page: str) -> Path:
    file = directory / "page.html"
    file.write_text(page, encoding="utf-8")
    return file


PAGES: dict[str, Callable[[Path], Path]] = {
    "training": report(TRAINING_REPORT, small_job(), 3),
    "training-133-classes": report(TRAINING_REPORT, small_job(), 133),
    "profiler": report(PROFILER_REPORT, small_job(), 3),
    "profiler-4-gpus": report(PROFILER_REPORT, PlannedJob(device="cuda", ranks=4), 3),
    "tuning": lambda directory: text(directory, render_tuning(TUNING)),
    "compare": lambda directory: text(
        directory, render_comparison(compare([result("resnet18"), result("resnet34", test_accuracy=91.5)]))
    ),
    "explore": exploration,
}


@pytest.fixture(scope="module", params=PAGES)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    directory = tmp_path_factory.mktemp(request.param)
    return request.param, PAGES[request.param](directory)


def test_a_page_is_small_enough_to_send(written):
    assert written[1].stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("width", [390, 1280])
def test_a_page_fits_its_window_in_both_colour_schemes(browser: Browser, written, width: int):
    name, file = written
    context = browser.new_context(viewport={"width": width, "height": 844})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())
    papers = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)
        colours = page.evaluate(
            """() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
              ...new Set([...document.querySelectorAll('.ytick text')].map(t => getComputedStyle(t).fill))]"""
        )
        papers.add(colours[0])
        assert colours[1:] == [colours[1]] * 2  # the charts' labels are in the page's colour
    assert len(papers) == 2
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.main-svg text')].filter((text) => {
            const [inner, outer] = [text, text.ownerSVGElement].map((node) => node.getBoundingClientRect());
            return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1
              || inner.bottom > outer.bottom + 1;
          }).map((text) => `${text.closest('.chart').id}: ${text.textContent}`)"""
    )
    assert cut == []
    context.close()
