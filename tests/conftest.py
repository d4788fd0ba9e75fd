"""What tests of several parts use: folders of pictures, and a browser."""

import gc
import os
import shutil
import signal
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# A collection looks through all packages that the tests import; at Python's default it takes a tenth of their time.
gc.set_threshold(100_000, 50, 50)

# The same examples on every machine, and none that is refused because the machine is slow.
hypothesis.settings.load_profile("ci")

# A shell has what it runs in the background ignore Ctrl-C, and what tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MakeFolder = Callable[..., Path]


def pytest_collection_finish() -> None:
    """Spare the garbage collector the packages that the tests have imported."""
    gc.freeze()


def picture(name: str, color: tuple[int, int, int], size: int = 40) -> Image.Image:
    """A noisy square of one colour: classes of different colours are learnt in a few steps."""
    noise = np.random.default_rng(zlib.crc32(name.encode())).integers(-40, 40, (size, size, 3))
    return Image.fromarray((np.array(color) + noise).clip(0, 255).astype(np.uint8))


COLORS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200), "grey": (128, 128, 128)}


def write_image_folder(directory: Path, counts: Mapping[str, int]) -> Path:
    """Write `counts` pictures of each class, as <class>/<number>.png."""
    for index, (name, count) in enumerate(counts.items()):
        (directory / name).mkdir(parents=True)
        color = COLORS.get(name) or list(COLORS.values())[index % len(COLORS)]
        for number in range(count):
            file = directory / name / f"{number:03d}.png"
            picture(f"{directory.name}/{name}/{number}", color).save(file)
    return directory


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """`image_folder("train", red=8, blue=8)` writes an ImageFolder below the test's directory."""
    return lambda name, **counts: write_image_folder(tmp_path / "data" / name, counts)


_BROWSER_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A headless Chromium. Where there is none, its tests are skipped, but never in continuous integration.

    While it is there, playwright's event loop runs in this thread, and no other can.
    """
    # Only here: machines for GPU work run other tests than the browser's, without it.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("chromium-browser") or playwright.chromium.executable_path
        if not os.access(found, os.X_OK) and not os.environ.get("CI"):
            pytest.skip("no Chromium; on Debian: apt-get install chromium")
        browser = playwright.chromium.launch(executable_path=found, args=list(_BROWSER_ARGUMENTS))
        yield browser
        browser.close()
