"""What a second variant of a model costs beside its own load and run (bar: 1.15).

Interleaved rounds of two sessions with everything kept, one with `cpu` and one with `cpu` and a second variant; the difference of the two
is the second variant's. Beside it a hand-written script that loads the same export in that variant and does the same number of runs:
of one ready tensor, and of pictures as an inference script does, which opens, resizes and normalises each before its run and takes the
best class after it. The plugin does so too: its log tells the times of all three stages.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import environment, machine, plugin_session

from pytest_paddle_infer.samples import drawn_samples

BY_HAND = """
import sys, time
import paddle
from paddle import inference
from PIL import Image
import numpy as np

graph, params, variant, runs, *pictures = *sys.argv[1:4], int(sys.argv[4]), *sys.argv[5:]
x = np.random.RandomState(0).randn(1, 3, 224, 224).astype("float32")
MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
STD = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)


def preprocess(path):
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((int(image.width * scale), int(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224))).transpose(2, 0, 1).astype(np.float32)
    return ((pixels / 255 - MEAN) / STD)[np.newaxis]


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
for number in range(runs):
    handle.copy_from_cpu(preprocess(pictures[number % len(pictures)]) if pictures else x)
    predictor.run()
    scores = predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()
    best = scores.argmax(1)
print("SECONDS", time.perf_counter() - begin)
"""

RUNS = 4 + 1 + 2 + 12
"""Of the second variant in a session with four samples: parity, asked again, warm-up, timed."""


def session(model: str, variants: list[str], cache: Path, empty: Path) -> float:
    """Seconds of one run of pytest."""
    begin = time.perf_counter()
    plugin_session(model, variants, empty, [f"--paddle-cache-dir={cache}"])
    return time.perf_counter() - begin


def by_hand(export: Path, variant: str, pictures: list[str]) -> float:
    """Seconds that loading and running take in a script, without the import of Paddle. pictures: paths; none for a ready tensor."""
    graph = next(path for suffix in (".json", ".pdmodel") for path in export.glob(f"*{suffix}") if path.stem == "inference")
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BY_HAND, str(graph), str(export / "inference.pdiparams"), variant, str(RUNS), *pictures],
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
        pictures = [str(sample.path) for sample in drawn_samples(Path(place) / "pictures")]
        one, two, tensors, predictions = [], [], [], []
        for number in range(asked.rounds):
            one.append(session(asked.model, ["cpu"], cache, empty))
            two.append(session(asked.model, ["cpu", asked.variant], cache, empty))
            tensors.append(by_hand(export, asked.variant, []))
            predictions.append(by_hand(export, asked.variant, pictures))
            print(
                f"round {number + 1}: cpu {one[-1]:.2f} s, cpu + {asked.variant} {two[-1]:.2f} s, "
                f"by hand {tensors[-1]:.2f} s on a tensor, {predictions[-1]:.2f} s on pictures",
                flush=True,
            )
    extra = statistics.median(b - a for a, b in zip(one, two))
    print(f"{asked.model}: the second variant {asked.variant} costs {extra:.2f} s")
    for what, hand in (("a tensor", tensors), ("pictures", predictions)):
        own = statistics.median(hand)
        print(f"its own load and {RUNS} runs by hand on {what} {own:.2f} s: ratio {extra / own:.2f} (bar 1.15)")


if __name__ == "__main__":
    main()
