"""What the metadata promises of versions is what the suite runs with, and what is built is the same wherever it is built."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from importlib import metadata
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pytest_paddle_infer"
PYTHONS = ("3.9", "3.10", "3.11", "3.12")
"""Those that have wheels of Paddle 2.6.2."""


def bounds() -> dict[str, Version]:
    """The lowest version of each requirement that users or this suite install; not those of the linters, which are pinned."""
    found = {}
    for line in metadata.requires("pytest-paddle-infer") or ():
        wanted = Requirement(line)
        lowest = [Version(each.version) for each in wanted.specifier if each.operator == ">="]
        used = wanted.marker is None or any(
            wanted.marker.evaluate({"extra": extra}) for extra in ("", "cpu", "xdist", "report", "test")
        )
        if lowest and used:
            found[wanted.name] = lowest[0]
    return found


def pins(python: str) -> dict[str, Version]:
    lines = (ROOT / "tests" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    here = {"python_version": python}
    return {
        each.name: Version(next(iter(each.specifier)).version) for each in wanted if not each.marker or each.marker.evaluate(here)
    }


def test_the_lowest_versions_that_are_allowed_are_those_that_are_tested() -> None:
    assert pins("3.9") == bounds()


@pytest.mark.parametrize("python", PYTHONS)
def test_no_python_is_tested_with_less_than_is_allowed(python: str) -> None:
    pinned = pins(python)
    assert pinned.keys() == bounds().keys()
    assert all(pinned[name] >= lowest for name, lowest in bounds().items())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Directories with an sdist and a wheel: twice of the tree, in another place at another time, and a wheel of the sdist."""
    place = tmp_path_factory.mktemp("built")
    left_out = ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
    outs = []
    for name in ("one", "two"):
        tree = place / name / "tree"
        copytree(ROOT, tree, ignore=left_out, copy_function=_copy_private if name == "two" else _copy_plain)
        outs.append(_build(tree, place / name / "dist"))
    with tarfile.open(next(outs[0].glob("*.tar.gz"))) as sdist:
        sdist.extractall(place / "unpacked", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    outs.append(_build(next((place / "unpacked").iterdir()), place / "dist"))
    return outs


def _copy_plain(source: str, target: str) -> None:
    Path(target).write_bytes(Path(source).read_bytes())


def _copy_private(source: str, target: str) -> None:
    _copy_plain(source, target)
    Path(target).chmod(0o600)  # of a user with another umask


def _build(tree: Path, out: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "hatchling", "build", "-d", str(out)],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.parametrize("pattern", ["*.tar.gz", "*.whl"])
def test_two_builds_are_the_same_to_the_byte(built: list[Path], pattern: str) -> None:
    one, two = (next(out.glob(pattern)) for out in built[:2])
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()


def test_the_sdist_builds_the_wheel_that_the_tree_builds(built: list[Path]) -> None:
    one, of_sdist = (next(built[index].glob("*.whl")) for index in (0, 2))
    assert one.read_bytes() == of_sdist.read_bytes()


def test_the_wheel_holds_the_package_and_nothing_else(built: list[Path]) -> None:
    with zipfile.ZipFile(next(built[0].glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    ours = (path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert names == {path.relative_to(ROOT).as_posix() for path in ours}
    assert "pytest_paddle_infer/py.typed" in names


def test_the_sdist_holds_what_its_tests_need(built: list[Path]) -> None:
    with tarfile.open(next(built[0].glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    tracked = [path for path in (ROOT / "tests").rglob("*.py") if "__pycache__" not in path.parts]
    assert {path.relative_to(ROOT).as_posix() for path in tracked} <= names
    assert {"Makefile", "LICENSE", "CHANGELOG.md", "README.md", "README.zh.md", "tests/lowest.txt"} <= names
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")} <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_metadata_is_what_an_index_shows(built: list[Path]) -> None:
    with zipfile.ZipFile(next(built[0].glob("*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        told = message_from_string(wheel.read(name).decode())
        entries = wheel.read(name.replace("METADATA", "entry_points.txt")).decode()
    assert told["Name"] == "pytest-paddle-infer"
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Requires-Python"] == ">=3.9"
    assert told["Description-Content-Type"] == "text/markdown"
    assert {"Framework :: Pytest", "Typing :: Typed"} <= set(told.get_all("Classifier", []))
    assert {"cpu", "gpu", "xdist"} <= set(told.get_all("Provides-Extra", []))
    assert "[pytest11]\npaddle_infer = pytest_paddle_infer.plugin" in entries
