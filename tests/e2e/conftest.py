"""What the end-to-end tests share: a model repo whose own script made exports, good and bad. Real Paddle only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pytest
from filelock import FileLock
from sessions import Session, environment, run_pytest

REPO = Path(__file__).parent / "repo"
GRAPH = {"2": "inference.pdmodel", "3": "inference.json"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips this directory, with the reason, where there is no Paddle."""
    if find_spec("paddle") is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="paddle is not installed"))


@pytest.fixture(scope="session")
def paddle_version() -> str:
    """Read from the package's metadata: the tests themselves never import Paddle."""
    for name in ("paddlepaddle", "paddlepaddle-gpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    raise AssertionError("paddle is importable, but no distribution of it is installed")


@pytest.fixture(scope="session")
def graph_name(paddle_version: str) -> str:
    """`inference.json` or `inference.pdmodel`."""
    return GRAPH[paddle_version[0]]


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for this whole run, also when xdist spreads it."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def made_repo(shared_directory: Path) -> Path:
    """A model repo after its export script ran, once for all tests and xdist workers. Read only."""
    target = shared_directory / "tiny-repo"
    with FileLock(shared_directory / "tiny-repo.lock"):
        if not target.is_dir():
            part = shared_directory / "tiny-repo.part"
            shutil.copytree(REPO, part, ignore=shutil.ignore_patterns("__pycache__"))
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "make_exports.py"], cwd=part, env=environment(shared_directory / "none", "-"),
                capture_output=True, text=True, timeout=180, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            part.rename(target)
    return target


@pytest.fixture
def repo(made_repo: Path, tmp_path: Path) -> Path:
    """A copy of the model repo that the test may change."""
    target = tmp_path / "repo"
    shutil.copytree(made_repo, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """XDG_CACHE_HOME of this test's runs."""
    return tmp_path / "cache"


@pytest.fixture
def run_session(cache: Path) -> Callable[..., Session]:
    """`run_session(cwd, *args, env=None)` runs pytest in a process of its own with this test's own export store."""

    def run(cwd: Path, *args: str, **options: object) -> Session:
        return run_pytest(cwd, *args, cache=cache, **options)  # type: ignore[arg-type]

    return run


@pytest.fixture
def check_export(repo: Path, run_session: Callable[..., Session]) -> Callable[..., Session]:
    """`check_export(kind, model="tiny")` runs the checkpoints on exports/KIND of the repo with --paddle-exported."""

    def check(kind: str, *args: str, model: str = "tiny") -> Session:
        return run_session(repo, f"--paddle-model={model}", f"--paddle-exported=exports/{kind}", *args)

    return check


@pytest.fixture
def without_paddle(tmp_path: Path) -> dict[str, str]:
    """The environment of this Python with every installed package but Paddle: links to them, and `-S` for no site-packages."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(name).iterdir():
            if not entry.name.lower().startswith("paddle") and not (packages / entry.name).exists():
                (packages / entry.name).symlink_to(entry)
    import pytest_paddle_infer

    if not (packages / "pytest_paddle_infer").exists():  # an editable install
        (packages / "pytest_paddle_infer").symlink_to(Path(pytest_paddle_infer.__file__).parent)
    return {"PYTHONPATH": str(packages)}
