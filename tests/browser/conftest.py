"""Chromium, and the reports that it opens: of real runs, and of drawn content that has everything in it.

Not part of the suite: `make test-browser` installs what it needs but for the browser (Debian: `apt-get install chromium chromium-driver`).
Nothing here is skipped: what is missing is an error.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "unit")]

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

WIDTHS = (1280, 400)
SCHEMES = ("light", "dark")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of a page sees each report, at each width, in each scheme."""
    if "page" in metafunc.fixturenames:
        from made_reports import REPORTS

        cases = [(name, width, scheme) for name in REPORTS for width in WIDTHS for scheme in SCHEMES]
        metafunc.parametrize("page", cases, indirect=True, ids=["-".join(map(str, case)) for case in cases], scope="session")


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes each report once."""
    from made_reports import REPORTS

    made: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in made:
            made[name] = REPORTS[name](tmp_path_factory.mktemp(name))
        return made[name]

    return of


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser that has never been used."""
    found = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in found.items() if path is None]
    assert not missing, f"{', '.join(missing)} not found; on Debian: apt-get install chromium chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = str(found["chromium"])
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(str(found["chromedriver"])))
    yield browser
    browser.quit()


class Opened:
    """A page as it is seen at one width in one scheme."""

    def __init__(self, driver: webdriver.Chrome, name: str, path: Path, width: int, scheme: str) -> None:
        self.driver, self.name, self.width, self.scheme = driver, name, width, scheme
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        media = {"media": "", "features": [{"name": "prefers-color-scheme", "value": scheme}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        driver.get_log("browser")  # forget those of the page before
        driver.get(path.as_uri())
        self.console = [entry["message"] for entry in driver.get_log("browser")]

    def run(self, script: str) -> Any:
        """What the script returns."""
        return self.driver.execute_script(script)

    def open_all(self) -> None:
        """Opens everything that can be opened, of the samples only the first groups."""
        self.run("[...document.querySelectorAll('details')].slice(0, 20).forEach(each => each.open = true)")

    def picture(self, most: int = 6000) -> bytes:
        """A PNG of the whole page, or of so many pixels from its top."""
        height = min(most, self.run("return document.documentElement.scrollHeight"))
        clip = {"x": 0, "y": 0, "width": self.width, "height": height, "scale": 1}
        found = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip}
        )
        return base64.b64decode(found["data"])


@pytest.fixture(scope="session")
def page(request: pytest.FixtureRequest, driver: webdriver.Chrome, report: Callable[[str], Path]) -> Opened:
    """A report in the browser."""
    name, width, scheme = request.param
    return Opened(driver, name, report(name), width, scheme)


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where the pictures go: SCREENSHOTS, or a directory that git does not see."""
    directory = Path(os.environ.get("SCREENSHOTS") or TESTS.parent / ".venv" / "screenshots")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def pytest_configure(config: pytest.Config) -> None:
    """Says which browser this is."""
    path = shutil.which("chromium")
    if path:
        print(subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.strip())
