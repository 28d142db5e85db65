"""How far the memory of one variant differs from session to session: what `MEMORY_TOLERANCE` and `MEMORY_NOISE_MB` of the matrix rest on.

Sessions of a tiny net, and of larger ones, in every variant given; each figure is the `MB` of the table of variants.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from measure import machine, plugin_session, print_table

TINY = """
from paddle import nn


def net():
    return nn.Sequential(nn.Conv2D(3, 8, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2D(4), nn.Flatten(), nn.Linear(128, 10))
"""

HEADING = ("model", "variant", "least MB", "median MB", "most MB", "most - least", "of the median", "all, in order")


def session(model: str, variants: list[str], empty: Path, options: list[str]) -> dict[str, float]:
    """Variant -> MB in one run of pytest."""
    places = [f"--paddle-cache-dir={empty / 'cache'}", f"--paddle-output-dir={empty / 'output'}"]
    plugin_session(model, variants, empty, [*places, "--paddle-repeats=1", *options])
    (told,) = json.loads((empty / "output" / "matrix.json").read_text(encoding="utf-8"))["models"]
    return {row["variant"]: row["memory_mb"] for row in told["variants"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", default=["tiny", "squeezenet1_1", "alexnet"])
    parser.add_argument("--variant", action="append")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--option", action="append", default=[], help="one more of the plugin's, such as --paddle-python=PYTHON")
    asked = parser.parse_args()
    variants = asked.variant or ["cpu", "onednn"]
    print(machine())
    rows = []
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "tiny.py").write_text(TINY, encoding="utf-8")
        for model in asked.models:
            name = "tiny.py:net" if model == "tiny" else model
            runs = [session(name, variants, Path(place), asked.option) for _ in range(asked.rounds)]
            for variant in variants:
                found = [run[variant] for run in runs]
                apart, middle = max(found) - min(found), statistics.median(found)
                figures = (min(found), middle, max(found), apart)
                rows.append((model, variant, *(f"{value:.1f}" for value in figures), f"{100 * apart / middle:.1f} %",
                             " ".join(f"{value:.1f}" for value in found)))  # fmt: skip
    print_table(HEADING, rows)


if __name__ == "__main__":
    main()
