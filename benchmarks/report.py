"""What the report costs: parity and log of one model over 100 samples, with --paddle-report and without it.

--before: a checkout from before the report, so that what it costs those who do not ask for it is seen too (bar: 1.03).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import COMPARISON, Contender, compare, environment, machine, print_table, rounds
from PIL import Image

WITHOUT, WITH = 1.03, 1.15


def draw(directory: Path, count: int) -> None:
    """Pictures that differ, as small as the model takes them."""
    directory.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((256, 256), Image.BICUBIC).save(directory / f"{number:04d}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--model", default="squeezenet1_1")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--before", type=Path, help="a checkout of this repository from before the report")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        pictures = Path(root, "pictures")
        draw(pictures, arguments.samples)
        env = environment(XDG_CACHE_HOME=str(Path(root, "cache")), OMP_NUM_THREADS="1")
        base = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--paddle-model={arguments.model}"]
        base += [f"--paddle-images={pictures}", "--paddle-variant=cpu", "--paddle-repeats=1"]
        contenders = [
            Contender("without", base, Path(root), env),
            Contender("with", [*base, f"--paddle-report={Path(root, 'report')}"], Path(root), env),
            Contender("again", base, Path(root), env),
        ]
        if arguments.before is not None:
            contenders.append(Contender("before", base, Path(root), {**env, "PYTHONPATH": str(arguments.before.resolve())}))
        print(machine())
        found = rounds(contenders, arguments.rounds)
        rows = [compare(f"with --paddle-report, {arguments.samples} samples", found["with"], found["without"], WITH)]
        if arguments.before is not None:
            rows.append(compare("without it / before there was one", found["without"], found["before"], WITHOUT))
        rows.append(compare("  (noise: without / without)", found["again"], found["without"], None))
        print_table(COMPARISON, rows)


if __name__ == "__main__":
    main()
