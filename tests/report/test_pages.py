"""Both reports, opened in a real browser without a network."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from container.report import PROFILER_REPORT, TRAINING_REPORT, write_profiler_report, write_training_report
from tests.report.records import PlannedJob, write_findings, write_training
from tests.report.test_analyses import a_loader_that_sleeps, one_very_long_step


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job of one process on a CPU, whose DataLoader workers are slow; three classes, and what the debugger found."""
    job = PlannedJob(steps_per_epoch=40)
    one_very_long_step(job)
    a_loader_that_sleeps(job)
    return _reports(tmp_path_factory.mktemp("small"), job, classes=3)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job of four GPUs and the 133 classes of the dogs."""
    return _reports(tmp_path_factory.mktemp("large"), PlannedJob(device="cuda", ranks=4), classes=133)


def _reports(directory: Path, job: PlannedJob, classes: int) -> Path:
    job.write(directory / "profile")
    write_training(directory, classes=classes)
    write_findings(directory)
    write_profiler_report(directory / "profile", directory, beside=[TRAINING_REPORT])
    write_training_report(directory, directory)
    return directory


@dataclass
class Opened:
    """A page, and everything that went wrong on it."""

    page: Page
    file: Path
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(self.file.as_uri())
        self.page.wait_for_function(
            "[...document.querySelectorAll('.chart')].every(chart => chart.querySelector('.main-svg'))"
        )


@pytest.fixture(
    scope="module",
    params=[
        ("small", PROFILER_REPORT, 1280, "light"),
        ("large", PROFILER_REPORT, 390, "dark"),
        ("small", TRAINING_REPORT, 390, "dark"),
        ("large", TRAINING_REPORT, 1280, "light"),
    ],
    ids=["profiler-desktop", "profiler-phone", "training-phone", "training-desktop"],
)
def opened(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Opened]:
    name, page, width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    yield Opened(context.new_page(), request.getfixturevalue(name) / page)
    context.close()


def test_it_asks_for_nothing_and_complains_about_nothing(opened: Opened):
    assert [url for url in opened.requests if not url.startswith("data:")] == [opened.file.as_uri()]
    assert opened.complaints == []


def test_every_chart_is_drawn(opened: Opened):
    empty = opened.page.evaluate(
        """() => [...document.querySelectorAll('.chart')].filter(
            (chart) => !chart.querySelector('.point, .cell, .line')
          ).map((chart) => chart.id)"""
    )
    assert opened.page.locator(".chart").count() >= 5
    assert empty == []


def test_nothing_is_wider_than_the_window(opened: Opened):
    page_width, window_width = opened.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert page_width == window_width


def test_what_scrolls_is_reached_with_the_keyboard(opened: Opened):
    """axe looks at boxes that scroll; that a key moves them, and that every link has its turn, is tried here."""
    unreachable = opened.page.evaluate(
        """() => [...document.querySelectorAll('.scrolls, a[href], summary')].filter((e) => e.tabIndex < 0).length"""
    )
    assert unreachable == 0
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.tagName") == "A"
    assert opened.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_axe_finds_nothing_to_complain_about(opened: Opened):
    opened.page.evaluate("document.querySelectorAll('details').forEach((element) => (element.open = true))")
    found = Axe().run(opened.page).response
    assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found["violations"]] == []
    assert len(found["passes"]) > 10


def test_the_navigation_leads_to_sections_and_the_other_report(opened: Opened):
    anchors = opened.page.locator("nav[aria-label=Sections] a").evaluate_all(
        "all => all.map(a => a.getAttribute('href'))"
    )
    assert len(anchors) >= 5
    for anchor in anchors:
        assert opened.page.locator(f"section{anchor} > h2").count() == 1
    link = opened.page.locator("nav.related a").get_attribute("href")
    assert (opened.file.parent / str(link)).is_file()
    assert link != opened.file.name


@pytest.mark.parametrize(("name", "page"), [("small", PROFILER_REPORT), ("large", TRAINING_REPORT)])
def test_it_prints_on_light_paper_with_nothing_cut_off(
    request: pytest.FixtureRequest, browser: Browser, name: str, page: str, tmp_path: Path
):
    context = browser.new_context(viewport={"width": 1280, "height": 844}, color_scheme="dark")
    opened = Opened(context.new_page(), request.getfixturevalue(name) / page)
    pdf = opened.page.pdf(format="A4", print_background=True)
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) < 40
    opened.page.set_viewport_size({"width": 690, "height": 1000})  # what a sheet of A4 has room for
    opened.page.emulate_media(media="print", color_scheme="dark")
    opened.page.wait_for_function(
        """() => [...document.querySelectorAll('.chart .main-svg')].every(
            (svg) => svg.getBoundingClientRect().right <= document.documentElement.clientWidth + 1)"""
    )
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not opened.page.locator("nav").first.is_visible()
    assert opened.complaints == []
    context.close()


def test_the_profiler_report_says_where_the_time_went(small: Path, browser: Browser):
    page = Opened(browser.new_page(), small / PROFILER_REPORT).page
    assert page.locator("h1").inner_text().startswith("The job could be up to ")
    remarks = page.locator(".remarks").inner_text()
    assert "Dataloader" in remarks
    assert "num-workers=4 (now 2)" in remarks
    assert "StepOutlier" in remarks
    rows = page.locator("#steps tbody tr").all_inner_texts()
    assert rows[0].split("\t")[0] == "120"  # the step that was made long
    assert rows[0].split("\t")[-1] == "optimizer"
    page.close()


def test_the_training_report_shows_what_is_wrong(small: Path, browser: Browser):
    page = Opened(browser.new_page(), small / TRAINING_REPORT).page
    assert page.locator("h1").inner_text().endswith("% of the test pictures were classified correctly")
    figures = page.locator(".mistakes figure")
    assert figures.count() == 5
    assert figures.first.locator("img").evaluate("image => image.naturalWidth") == 80
    # The name of a class is a text, whatever is in it.
    assert "<i>Breed_1" in figures.first.inner_text()
    assert "<b>resnet18</b>" in page.locator("#settings").inner_text()
    debugger = page.locator("#debugger").inner_text()
    assert "VanishingGradient" in debugger
    # A class by its name, if there is one; a number as a reader writes it; a remedy once.
    assert "83 % of what is predicted as class “001.<i>Breed_1” is of class “002.<i>Breed_2”" in debugger
    assert "is of class 7" in debugger
    assert "0.833\t" in debugger
    assert "0.8333" not in debugger
    assert debugger.count("rain longer") == 1
    assert "the trial holds no outputs of activations" in debugger
    page.close()


def test_probable_label_errors_are_shown_and_the_rest_is_counted(tmp_path: Path, browser: Browser):
    write_training_report(write_training(tmp_path / "records", label_errors=2), tmp_path)
    page = Opened(browser.new_page(), tmp_path / TRAINING_REPORT).page
    section = page.locator("#label-errors")
    assert section.locator("figure").count() == 2
    first = section.locator("figcaption").first.inner_text()
    assert "labelled 000.<i>Breed_0 1.0 %" in first
    assert "probably 001.<i>Breed_1 98.0 %" in first
    assert "3 more in label_errors.csv" in section.inner_text()
    page.close()


def test_a_page_alone_links_to_none(tmp_path: Path):
    write_profiler_report(PlannedJob(epochs=1).write(tmp_path / "profile"), tmp_path)
    assert TRAINING_REPORT not in (tmp_path / PROFILER_REPORT).read_text()
