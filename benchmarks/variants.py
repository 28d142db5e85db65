"""What a second variant of a model costs beside its own load and run (bar: 1.15).

Interleaved rounds of two sessions with everything kept, one with `cpu` and one with `cpu` and a second variant; the difference of the two
is the second variant's. Beside it a hand-written script that loads the same export in that variant and does the same number of runs.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import environment, machine

BY_HAND = """
import sys, time
import paddle
from paddle import inference
import numpy as np

graph, params, variant, runs = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
x = np.random.RandomState(0).randn(1, 3, 224, 224).astype("float32")
begin = time.perf_counter()
config = inference.Config(graph, params)
config.disable_gpu()
config.disable_glog_info()
config.set_cpu_math_library_num_threads(1)
if paddle.__version__[0] == "3":
    config.enable_new_executor()
config.enable_memory_optim()
config.enable_mkldnn() if variant.startswith("onednn") else config.disable_mkldnn()
predictor = inference.create_predictor(config)
handle = predictor.get_input_handle(predictor.get_input_names()[0])
for _ in range(runs):
    handle.copy_from_cpu(x)
    predictor.run()
    predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()
print("SECONDS", time.perf_counter() - begin)
"""

RUNS = 4 + 1 + 2 + 12
"""Of the second variant in a session with four samples: parity, asked again, warm-up, timed."""


def session(model: str, variants: list[str], cache: Path, empty: Path) -> float:
    """Seconds of one run of pytest."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--paddle-model={model}",
        f"--paddle-cache-dir={cache}",
    ]
    begin = time.perf_counter()
    done = subprocess.run(
        [*command, *(f"--paddle-variant={variant}" for variant in variants)],
        cwd=empty, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - begin


def by_hand(export: Path, variant: str) -> float:
    """Seconds that loading and running take in a script, without the import of Paddle."""
    graph = next(path for suffix in (".json", ".pdmodel") for path in export.glob(f"*{suffix}") if path.stem == "inference")
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BY_HAND, str(graph), str(export / "inference.pdiparams"), variant, str(RUNS)],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(answer.stdout.rpartition("SECONDS ")[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="alexnet")
    parser.add_argument("--variant", default="onednn")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as place:
        cache, empty = Path(place) / "cache", Path(place) / "empty"
        empty.mkdir()
        session(asked.model, ["cpu", asked.variant], cache, empty)  # fills the store
        export = next(path.parent for path in cache.rglob("inference.pdiparams"))
        one, two, hand = [], [], []
        for number in range(asked.rounds):
            one.append(session(asked.model, ["cpu"], cache, empty))
            two.append(session(asked.model, ["cpu", asked.variant], cache, empty))
            hand.append(by_hand(export, asked.variant))
            print(
                f"round {number + 1}: cpu {one[-1]:.2f} s, cpu + {asked.variant} {two[-1]:.2f} s, by hand {hand[-1]:.2f} s",
                flush=True,
            )
    extra = statistics.median(b - a for a, b in zip(one, two))
    own = statistics.median(hand)
    print(f"{asked.model}: the second variant {asked.variant} costs {extra:.2f} s")
    print(f"its own load and {RUNS} runs by hand {own:.2f} s: ratio {extra / own:.2f} (bar 1.15)")


if __name__ == "__main__":
    main()
