"""Every factory of `paddle.vision.models` through the three checkpoints, in both variants: a table, and who failed why."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from measure import environment, machine, print_table

VARIANTS = ("cpu", "onednn")
BYTES = 4
HEADING = ("model", "variant", "artifacts", "parity", "log", "worst / limit", "answers", "ms", "MB", "seconds")

COUNT = """
import sys, warnings
warnings.simplefilter("ignore")
import paddle
from pytest_paddle_infer.model_names import vision_factories
for name in sys.argv[1:] or vision_factories():
    # shapes only: nobody draws 500 MB of random weights to count them
    paddle.nn.initializer.set_global_initializer(paddle.nn.initializer.Constant(0.0), paddle.nn.initializer.Constant(0.0))
    layer = getattr(paddle.vision.models, name)()
    print("COUNT", name, sum(int(t.size) for t in layer.state_dict().values()))
"""


def sizes(names: list[str]) -> dict[str, int]:
    """Model -> bytes of its artifacts, from the number of parameters and buffers."""
    answer = subprocess.run([sys.executable, "-c", COUNT, *names], capture_output=True, text=True, env=environment(), check=False)
    found = {name: BYTES * int(count) for name, count in re.findall(r"^COUNT (\S+) (\d+)$", answer.stdout, re.MULTILINE)}
    if answer.returncode or not found:
        sys.exit(f"the models could not be counted:\n{answer.stderr}")
    return found


def check(name: str, cache: Path, empty: Path, options: list[str]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Runs one model; returns its rows and its failures."""
    junit = empty.parent / "junit.xml"
    junit.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={empty.parent / 'temp'}"]
    command += [f"--junitxml={junit}", f"--paddle-model={name}", f"--paddle-cache-dir={cache}", "--paddle-no-cache", *options]
    begin = time.perf_counter()
    done = subprocess.run(
        [*command, *(f"--paddle-variant={variant}" for variant in VARIANTS)],
        cwd=empty, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    outcome: dict[str, str] = {}
    figures: dict[str, dict[str, str]] = {}
    failures = []
    for case in ElementTree.parse(junit).iter("testcase") if junit.exists() else ():
        test = case.get("name", "")[len("test_") :]
        properties = {p.get("name", "").rpartition(".")[2]: p.get("value", "") for p in case.iter("property")}
        trouble = next((case.find(kind) for kind in ("failure", "error", "skipped") if case.find(kind) is not None), None)
        outcome[test] = "ok" if trouble is None else trouble.tag
        figures[test] = properties
        if trouble is not None:
            text = (trouble.text or trouble.get("message", "")).strip()
            raised = [line for line in text.splitlines() if line.startswith("E  ")]  # a fault of ours comes with a traceback
            failures.append(f"{name} {test}: {os.linesep.join(raised or text.splitlines()[:8])}")
    if not outcome or (done.returncode and not failures):
        failures.append(f"{name}: exit status {done.returncode}: {(done.stderr or done.stdout)[:600]}")
    rows = []
    for number, variant in enumerate(VARIANTS):
        parity, log = figures.get(f"parity[{variant}]", {}), figures.get(f"log[{variant}]", {})
        rows.append((
            name, variant, outcome.get("artifacts", "-"), outcome.get(f"parity[{variant}]", "-"), outcome.get(f"log[{variant}]", "-"),
            f"{parity.get('output_error', '-')} / {parity.get('output_limit', '-')}", parity.get("answers", "-"),
            log.get("inference_ms", "-"), f"{int(figures.get('artifacts', {}).get('artifact_bytes', 0)) / 1e6:.1f}",
            f"{seconds:.1f}" if number == 0 else "",
        ))  # fmt: skip
    return rows, failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="only these")
    parser.add_argument("--limit", type=float, default=200.0, help="skip models whose artifacts exceed so many MB (default: 200)")
    parser.add_argument("--option", action="append", default=[], help="another option for pytest, as --option=--paddle-threads=2")
    arguments = parser.parse_args()
    print(machine(), flush=True)
    known = sizes(arguments.models)
    skipped = {name: size for name, size in known.items() if size > arguments.limit * 1e6}
    rows, failures = [], []
    with tempfile.TemporaryDirectory() as root:
        empty = Path(root, "empty")
        empty.mkdir()
        for name in known:
            if name not in skipped:
                found, wrong = check(name, Path(root, "cache"), empty, arguments.option)
                rows += found
                failures += wrong
                print(*found[0], "|", *found[1], file=sys.stderr, flush=True)
    print_table(HEADING, rows)
    for name, size in skipped.items():
        print(f"skipped: {name}, {size / 1e6:.0f} MB")
    print(f"{len(known) - len(skipped)} models, {len(rows)} rows, {len(failures)} failures")
    for failure in failures:
        print(f"\nFAILED {failure}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
