"""Prints pages as PDF files with a headless Chromium."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from slipway.errors import PageError

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_LIMIT_S = 300


def find_browser() -> str:
    """Find a browser that prints without a window.

    Raises:
        PageError: None is on PATH.
    """
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        raise PageError(
            "--pdf needs Chromium or Chrome on PATH, and there is none; install it (on Debian: apt-get install "
            "chromium), or omit --pdf and print the page from your browser"
        )
    return found


def print_page(page: Path, browser: str) -> Path:
    """Print a page to a PDF file beside it, and return the file.

    Args:
        page: The HTML file.
        browser: From `find_browser`.

    Raises:
        PageError: The browser did not print it.
    """
    target = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory(prefix="slipway-pdf-") as scratch:
        printed = Path(scratch) / target.name
        # A profile of its own, since a browser that is open would take the order over; no sandbox works for root.
        command = [
            browser, "--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={scratch}/browser",
            "--no-pdf-header-footer", f"--print-to-pdf={printed}", *(["--no-sandbox"] if os.geteuid() == 0 else []),
            page.resolve().as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_LIMIT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PageError(f"{browser} did not print {page}: {error}") from error
        if done.returncode or not printed.is_file():
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise PageError(f"{browser} did not print {page}: {last}")
        shutil.copyfile(printed, target)
    return target
