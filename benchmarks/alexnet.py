"""`pytest --paddle-model=alexnet` against `alexnet_by_hand.py`, the same work by hand: cold, warm, a second variant, many images."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil
from measure import COMPARISON, Contender, compare, environment, machine, median, print_table, rounds, spread

COLD, WARM, MEMORY, ENGINES = 1.35, 1.25, 1.10, 1.15
JUDGE_COLD, JUDGE_WARM = 1.35, 1.10
FEW = 10
BY_HAND = Path(__file__).with_name("alexnet_by_hand.py")


class Place:
    """Directories of one pair of contenders, and their commands."""

    def __init__(self, root: Path, model: str, name: str) -> None:
        self.root = root / name.replace(" ", "-")
        self.root.mkdir()
        self.model, self.name = model, name
        self.empty = self.root / "empty"
        self.empty.mkdir()

    def plugin(self, variants: Sequence[str], cold: bool, *options: str) -> Contender:
        # plugins of our development environment, which a user need not have
        others = ["-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:xdist.looponfail"]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *others, f"--basetemp={self.root / 'temp'}"]
        command += [f"--paddle-model={self.model}", f"--paddle-cache-dir={self.root / 'cache'}", *options]
        command += [f"--paddle-variant={variant}" for variant in variants]
        return Contender("plugin", command, self.empty, environment(), lambda: self._clean("cache" if cold else "temp"))

    def without_judge(self, variants: Sequence[str], cold: bool) -> Contender:
        """The plugin without float64 reference, preflight and invariance, with a store of its own."""
        full = self.plugin(variants, cold, f"--paddle-cache-dir={self.root / 'cache-without'}", "-p", "without_judge")
        env = environment(PYTHONPATH=str(Path(__file__).parent))
        return replace(full, name="without judge", env=env, prepare=lambda: self._clean("cache-without" if cold else "temp"))

    def by_hand(self, variants: Sequence[str], cold: bool, *options: str) -> Contender:
        command = [sys.executable, str(BY_HAND), f"--model={self.model}", *options]
        name = "tipc" if "--tipc" in options else "by hand"
        command += [f"--export-dir={self.root / f'export-{name}'}", f"--output-dir={self.root / f'output-{name}'}"]
        command += [] if cold else ["--warm"]
        command += [f"--variant={variant}" for variant in variants]
        kept = [f"output-{name}", *([f"export-{name}"] if cold else [])]
        return Contender(name, command, self.empty, environment(), lambda: self._clean(*kept))

    def _clean(self, *names: str) -> None:
        for name in names:
            shutil.rmtree(self.root / name, ignore_errors=True)


CASES = (
    ("cold", ("cpu",), True, COLD),
    ("warm", ("cpu",), False, WARM),
    ("second variant, warm", ("onednn",), False, WARM),
    ("both variants, warm", ("cpu", "onednn"), False, WARM),
)


def compare_runs(root: Path, model: str, count: int, only: Sequence[str]) -> None:
    for name, variants, cold, bar in CASES:
        if only and name not in only:
            continue
        place = Place(root, model, name)
        hands = [place.by_hand(variants, cold), place.by_hand(variants, cold, "--tipc")]
        found = rounds([place.plugin(variants, cold), place.without_judge(variants, cold), *hands], count)
        rows = [
            compare(f"{name}: same work by hand", found["plugin"], found["by hand"], bar),
            compare(f"{name}: what TIPC prescribes", found["plugin"], found["tipc"], None),
            compare(f"{name}: without the judge", found["plugin"], found["without judge"], JUDGE_COLD if cold else JUDGE_WARM),
        ]
        print_table(COMPARISON, rows)
        sys.stdout.flush()


# -- many images -------------------------------------------------------------------------------------------------------


def write_pictures(directory: Path, count: int) -> Path:
    """Small pictures cut out of the plugin's drawn ones, every other one JPEG."""
    from PIL import Image

    from pytest_paddle_infer.samples import drawn_samples

    drawn = [Image.open(sample).convert("RGB") for sample in drawn_samples(directory.with_name("drawn"), 8)]
    directory.mkdir()
    for number in range(count):
        picture = drawn[number % len(drawn)]
        left, top = number * 7 % (picture.width - 300), number * 3 % (picture.height - 300)
        picture.crop((left, top, left + 300, top + 260)).save(directory / f"{number:05d}.{'jpg' if number % 2 else 'png'}")
    return directory


def peak_memory(contender: Contender) -> tuple[float, float]:
    """Runs a command; returns (largest sum over its process tree of the proportional set sizes, in MiB; seconds).

    PSS counts a page that forked processes share once, where the sum of RSS would count it in each.
    """
    contender.prepare()
    peak, begin = 0, time.perf_counter()
    with subprocess.Popen(contender.command, cwd=contender.cwd, env=dict(contender.env), stdout=subprocess.DEVNULL) as process:
        tree = psutil.Process(process.pid)
        while process.poll() is None:
            total = 0
            for member in (tree, *_children(tree)):
                try:
                    total += member.memory_full_info().pss
                except psutil.Error:
                    continue
            peak = max(peak, total)
            time.sleep(0.1)
        if process.returncode:
            sys.exit(f"{' '.join(contender.command)}: exit status {process.returncode}")
    return peak / 2**20, time.perf_counter() - begin


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def many_images(root: Path, model: str, images: int, count: int) -> None:
    few, many = write_pictures(root / "few", FEW), write_pictures(root / "many", images)
    place = Place(root, model, "images")

    def plugin(pictures: Path) -> Contender:
        return place.plugin(("cpu",), False, f"--paddle-images={pictures}")

    for pictures in (few, many):  # export, and the float64 reference of each set's first pictures, are made here
        peak_memory(plugin(pictures))
    peaks: dict[Path, list[float]] = {few: [], many: []}
    for number in range(count):
        for pictures in (few, many) if number % 2 == 0 else (many, few):
            peaks[pictures].append(peak_memory(plugin(pictures))[0])
    low, middle, high = spread([b / a for a, b in zip(peaks[few], peaks[many])])
    print(
        f"peak PSS of the process tree: {FEW} images {spread(peaks[few])[1]:.0f} MiB, {images} images {spread(peaks[many])[1]:.0f} MiB, "
        f"ratio {middle:.3f} ({low:.3f}-{high:.3f}), bar <= {MEMORY:.2f}: {'met' if middle <= MEMORY else 'MISSED'}"
    )
    found = rounds([plugin(many), place.by_hand(("cpu",), False, f"--pictures={many}")], count, warmup=0)
    print_table(COMPARISON, [compare(f"{images} images / bare engines", found["plugin"], found["by hand"], ENGINES)])
    print(
        f"{1000 * median(found['plugin'], 'wall') / images:.1f} ms an image, {1000 * median(found['by hand'], 'wall') / images:.1f} bare"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="alexnet")
    parser.add_argument("--case", action="append", default=[], choices=[name for name, *_ in CASES], help="only this one")
    parser.add_argument("--images", type=int, help="compare so many images with 10: memory, and time against the two bare engines")
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as root:
        if arguments.images:
            many_images(Path(root), arguments.model, arguments.images, arguments.rounds)
        else:
            compare_runs(Path(root), arguments.model, arguments.rounds, arguments.case)


if __name__ == "__main__":
    main()
