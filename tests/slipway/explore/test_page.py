"""The page of `slipway data explore`, opened in a real browser without a network."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page


@pytest.fixture(scope="module")
def page_file(flawed, tmp_path_factory, slipway) -> Path:
    output = tmp_path_factory.mktemp("page") / "flawed.html"
    done = slipway("data", "explore", flawed, "--output", output)
    assert done.returncode == 0, done.stderr
    assert "train: 14 pictures, 2 classes" in done.stdout
    assert "problem: 1 picture is in more than one split" in done.stdout
    assert str(output) in done.stdout
    return output


class Opened:
    """A page, and everything that went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()


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


def test_the_charts_are_drawn(opened):
    bars = opened.page.locator("#class-chart .bars .point path")
    assert bars.count() == 8  # four classes in two splits
    assert opened.page.locator("#size-chart .scatterlayer .point").count() == 11
    labels = opened.page.locator("#class-chart .ytick text").all_text_contents()
    assert "few<b>_of_a_breed_w…" in labels


def test_nothing_is_wider_than_the_window(opened):
    page_width, window_width = opened.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert page_width == window_width
    for chart in ("#class-chart", "#size-chart"):
        box = opened.page.locator(f"{chart} .main-svg").first.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= window_width


def test_unreadable_files_are_listed(opened):
    text = opened.text("#unreadable")
    for name in ("train/many/empty.png", "train/many/cut.png", "train/many/notes.txt"):
        assert name in text


def test_duplicates_and_leakage_are_listed(opened):
    text = opened.text("#duplicates")
    assert "In 2 splits: train, validation" in text
    assert "valid/many/leak.png" in text
    assert "In 2 classes: few<b>_of_a_breed_with_a_name_longer_than_a_phone_is_wide, many" in text
    assert "equal pixels in different files" in text


def test_near_duplicates_are_shown_side_by_side_with_names_and_labels(opened):
    pairs = opened.page.locator("#near-duplicates article")
    assert pairs.count() > 0
    for pair in pairs.all():
        assert pair.locator("img").count() == 2
        for caption in pair.locator("figcaption").all_inner_texts():
            label, name = caption.split("\n")
            assert label in name


def test_a_point_of_the_map_shows_its_picture(opened):
    picture = opened.page.locator("#map-picture")
    assert not picture.is_visible()
    opened.page.locator("#map-chart").scroll_into_view_if_needed()
    opened.page.locator("#map-chart .point").first.hover(force=True)
    picture.wait_for(state="visible")


def test_the_numbers_are_there_as_a_table(opened):
    opened.page.locator("summary").click()
    rows = opened.page.locator("#classes tbody tr").all_inner_texts()
    assert [row.split("\t") for row in rows] == [
        ["many", "10", "2"],
        ["few<b>_of_a_breed_with_a_name_longer_than_a_phone_is_wide", "4", "0"],
        ["empty folder", "0", "0"],
        ["rare", "0", "1"],
        ["all", "14", "3"],
    ]


def test_every_picture_is_inside_the_file_and_has_a_text(opened):
    pictures = opened.page.locator("img").evaluate_all("images => images.map(i => [i.src, i.alt, i.naturalWidth])")
    assert len(pictures) == opened.page.locator("#samples img, #duplicates img, .two img, .outliers img").count()
    samples = opened.page.locator("#samples img, #duplicates img")
    assert samples.count() == 15 + 3  # of every class that has any, and of each group of duplicates
    for address, alternative, width in pictures:
        assert address.startswith("data:image/webp;base64,")
        assert alternative
        assert width > 0


def test_text_has_enough_contrast_in_both_themes(opened):
    """At least 4.5 : 1 (WCAG 2.1, 1.4.3) for every colour that text is set in."""
    ratios = opened.page.evaluate(
        """() => {
          const luminance = (hex) => {
            const parts = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
            const [r, g, b] = parts.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const value = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
          const ratio = (one, other) => {
            const [low, high] = [luminance(value(one)), luminance(value(other))].sort((a, b) => a - b);
            return (high + 0.05) / (low + 0.05);
          };
          const pairs = ["--text", "--quiet", "--link", "--problem", "--notice", "--good"].flatMap((name) => [
            [name, "--paper"], [name, "--panel"]]);
          pairs.push(...[0, 1, 2, 3, 4, 5].map((n) => [`--on-series-${n}`, `--series-${n}`]));
          return pairs.map(([one, other]) => [one + " on " + other, ratio(one, other)]);
        }"""
    )
    assert {pair: ratio for pair, ratio in ratios if ratio < 4.5} == {}


def test_the_charts_follow_the_readers_theme(opened):
    def label_colour() -> str:
        return opened.page.locator("#class-chart .ytick text").first.evaluate("node => getComputedStyle(node).fill")

    dark = opened.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    for scheme in ("light", "dark") if dark else ("dark", "light"):
        before = label_colour()
        opened.page.emulate_media(color_scheme=scheme)
        opened.page.wait_for_function(
            "colour => getComputedStyle(document.querySelector('#class-chart .ytick text')).fill !== colour", arg=before
        )


def test_headings_are_in_order_and_the_navigation_leads_to_them(opened):
    assert opened.page.locator("h1").count() == 1
    anchors = opened.page.locator("nav a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    for anchor in anchors:
        assert opened.page.locator(f"{anchor} h2").count() == 1


def test_a_page_that_cannot_be_written_is_named(colours, slipway_here):
    done = slipway_here("data", "explore", colours, "--weights", "none", "--output", "/proc/page.html")
    assert done.returncode == 1
    assert "/proc/page.html cannot be written" in done.stderr


def test_pictures_of_one_size_need_no_size_chart(colours, tmp_path, slipway_here, browser):
    done = slipway_here("data", "explore", colours, "--weights", "none", cwd=tmp_path)
    assert done.returncode == 0
    page = browser.new_page()
    page.goto((tmp_path / "explore.html").as_uri())
    page.wait_for_selector("#class-chart .main-svg")
    assert "All 42 pictures are 48 x 40 pixels." in page.locator("#sizes").inner_text()
    page.close()
