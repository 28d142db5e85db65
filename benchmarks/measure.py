"""Runs commands in interleaved rounds and prints medians, ratios and their spread. Used by the scripts next to it."""

from __future__ import annotations

import atexit
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One finished command: seconds of wall clock and of CPU (user + system, with its waited-for children)."""

    wall: float
    cpu: float
    output: str


@dataclass(frozen=True)
class Contender:
    """One command that takes part in every round. `prepare` runs before each, outside the clock."""

    name: str
    command: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    prepare: Callable[[], None] = lambda: None
    status: int = 0


def run(contender: Contender) -> Run:
    """Runs one command to its end. Ends the benchmark, with the command's output, when its exit status is another."""
    contender.prepare()
    with tempfile.TemporaryFile("w+") as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            contender.command, cwd=contender.cwd, env=dict(contender.env), stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode != contender.status:
        sys.exit(
            f"{contender.name}: {' '.join(contender.command)}\nended with {process.returncode}, not {contender.status}:\n{text}"
        )
    return Run(wall, usage.ru_utime + usage.ru_stime, text)


def rounds(contenders: Sequence[Contender], count: int, warmup: int = 1) -> dict[str, list[Run]]:
    """Runs every command once a round, in alternating order, so that a slow minute of the machine hits all of them."""
    found: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for number in range(-warmup, count):
        for contender in contenders if number % 2 == 0 else reversed(contenders):
            result = run(contender)
            if number >= 0:
                found[contender.name].append(result)
        if sys.stderr.isatty():
            print(f"\rround {max(0, number + 1)} of {count}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return found


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Returns (first quartile, median, third quartile)."""
    ordered = sorted(values)
    if len(ordered) < 2:
        return ordered[0], ordered[0], ordered[0]
    low, _, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return low, statistics.median(ordered), high


def ratio(above: Sequence[Run], below: Sequence[Run], clock: str) -> tuple[float, float, float]:
    """Quartiles of the ratios within each round; the round's own load cancels."""
    return spread([getattr(a, clock) / getattr(b, clock) for a, b in zip(above, below)])


def median(runs: Sequence[Run], clock: str) -> float:
    """Median seconds."""
    return statistics.median(getattr(run, clock) for run in runs)


def compare(what: str, above: Sequence[Run], below: Sequence[Run], bar: float | None) -> tuple[str, ...]:
    """One row of the table `print_table(COMPARISON, ...)`."""
    wall, cpu = ratio(above, below, "wall"), ratio(above, below, "cpu")
    return (
        what,
        f"{median(above, 'wall'):.3f} / {median(below, 'wall'):.3f}",
        f"{wall[1]:.3f}",
        f"{wall[0]:.3f}-{wall[2]:.3f}",
        f"{median(above, 'cpu'):.3f} / {median(below, 'cpu'):.3f}",
        f"{cpu[1]:.3f}",
        f"{cpu[0]:.3f}-{cpu[2]:.3f}",
        "" if bar is None else f"<= {bar:.2f}",
        "" if bar is None else "met" if wall[1] <= bar else "MISSED",
    )


COMPARISON = ("what", "wall s", "ratio", "quartiles", "cpu s", "ratio", "quartiles", "bar", "")


def print_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints aligned columns."""
    widths = [max(len(str(row[column])) for row in (heading, *rows)) for column in range(len(heading))]
    for row in (heading, *rows):
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def plugin_session(model: str, variants: Sequence[str], empty: Path, options: Sequence[str]) -> None:
    """Runs `pytest --paddle-model` in an empty directory. Ends the benchmark, with what it printed, when it fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--paddle-model={model}", *options]
    done = subprocess.run(
        [*command, *(f"--paddle-variant={variant}" for variant in variants)],
        cwd=empty, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would change pytest, and with `extra`.

    An editable install has no compiled files where bytecode may not be written, so each start would compile the plugin anew, which no
    user's does: compiled files go to a directory of their own.
    """
    changing = ("PYTEST_", "FLAGS_", "COV_", "PYTHONDONTWRITEBYTECODE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(changing)}
    return {**kept, "PYTHONPYCACHEPREFIX": str(_compiled()), "PYTHONHASHSEED": "0", **extra}


@lru_cache(maxsize=1)
def _compiled() -> Path:
    directory = tempfile.mkdtemp(prefix="compiled-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)


def machine() -> str:
    """One line on what was measured where."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    packages = []
    for name in ("paddlepaddle", "paddlepaddle-gpu", "numpy", "pytest"):
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return f"Python {platform.python_version()}, {', '.join(packages)}; {os.cpu_count()} cores, load {load}"
