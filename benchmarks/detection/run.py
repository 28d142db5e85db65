"""Runs every case in processes of its own and prints one table: who catches which fault, and who cries wolf."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
os.environ.setdefault("GLOG_minloglevel", "2")
sys.path.insert(0, str(Path(__file__).parent))

import drive  # noqa: E402
import paddle  # noqa: E402
import pictures  # noqa: E402
from expected import print_confusion  # noqa: E402
from rules import RULES  # noqa: E402

NAMES = ("ours", *RULES)
ULPS = 4.0


def cases(zoo):
    from controls import CONTROLS
    from faults import FAULTS

    found = [*FAULTS.cases, *CONTROLS.cases]
    if zoo:
        from zoo_cases import ZOO

        found += ZOO.cases
    return found


def run_all(chosen, root, jobs, log):
    """Yields the rows of each case as it ends."""
    weights = root / "tiny.pdparams"
    drive.isolated(lambda: pictures.train(weights), 300, str(root / "train.log"))
    waiting, running = list(chosen), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            case = waiting.pop(0)
            directory = root / f"{'F' if case.fault else 'C'}-{case.id}"
            work = lambda case=case, directory=directory: drive.run(case, directory, weights)  # noqa: E731
            begin = time.monotonic()
            running[case.id, case.fault] = case, drive.start(work, str(root / "case.log")), begin, directory
        for key, (case, process, begin, directory) in list(running.items()):
            rows = None
            try:
                answer = drive.finished(process)
                if answer is not None:
                    rows = answer[0]
                elif time.monotonic() - begin > 60 + 8 * case.timeout * len(case.variants):
                    drive.kill(process)
                    raise drive.Died("the case itself hangs")
            except drive.Died as death:
                rows = [{"id": case.id, "variant": "-", "title": case.title, "fault": case.fault, "broken": str(death), "by": [],
                         "said": [], "ulp": 0.0, "loud": "", "rules": dict.fromkeys(RULES, False), "seconds": 0.0}]  # fmt: skip
            if rows is not None:
                del running[key]
                if not log:
                    shutil.rmtree(directory, ignore_errors=True)
                yield rows
        time.sleep(0.02)


def caught(row, name):
    return bool(row["by"]) if name == "ours" else row["rules"][name]


def cell(row, name):
    if "broken" in row:
        return "BROKEN"
    found = caught(row, name)
    if not row["fault"]:
        return f"FALSE ALARM ({', '.join(row['by'])})" if found and name == "ours" else "FALSE ALARM" if found else "pass"
    if not found:
        return "missed"
    if name == "ours":
        return ", ".join(dict.fromkeys(row["by"]))
    return "loud" if row["loud"] else "caught"


def print_table(rows):
    heading = ("id", "variant", "what", "ulp", *NAMES)
    print("| " + " | ".join(heading) + " |\n|" + "---|" * len(heading))
    for row in rows:
        ulp = "loud" if row["loud"] else f"{row['ulp']:.2g}"
        print("| " + " | ".join((row["id"], row["variant"], row["title"], ulp, *(cell(row, name) for name in NAMES))) + " |")


def totals(rows):
    """Rule -> its figures over rows of faults and of controls."""
    faults, controls = ([row for row in rows if row["fault"] is wanted and "broken" not in row] for wanted in (True, False))
    silent = [row for row in faults if not row["loud"]]
    visible = [row for row in silent if row["ulp"] > ULPS]
    return {
        name: {
            "faults caught": (sum(caught(row, name) for row in faults), len(faults)),
            "of them loud": (sum(caught(row, name) for row in faults if row["loud"]), len(faults) - len(silent)),
            "silent ones caught": (sum(caught(row, name) for row in silent), len(silent)),
            f"silent, > {ULPS:g} ulp, caught": (sum(caught(row, name) for row in visible), len(visible)),
            "controls: false alarms": (sum(caught(row, name) for row in controls), len(controls)),
        }
        for name in NAMES
    }


def print_totals(rows):
    found = totals(rows)
    figures = list(found["ours"])
    print("\n| rule | " + " | ".join(figures) + " |\n|" + "---|" * (len(figures) + 1))
    for name, values in found.items():
        print(f"| {name} | " + " | ".join(f"{a} of {b}" for a, b in values.values()) + " |")


def bar(rows):
    """What must not be: rows of visible faults that we miss, and of controls that we fail."""
    return [
        row for row in rows
        if "broken" in row or (row["fault"] and row["ulp"] > ULPS and not row["by"]) or (not row["fault"] and row["by"])
    ]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="ID", help="only this case; may be repeated")
    parser.add_argument("--controls", action="store_true", help="only the controls")
    parser.add_argument("--zoo", action="store_true", help="also every factory of paddle.vision below 200 MB (long)")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time (default: 2)")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--keep", type=Path, help="keep the files of every case in this directory")
    arguments = parser.parse_args()
    chosen = [case for case in cases(arguments.zoo) if (not arguments.only or case.id in arguments.only)
              and not (arguments.controls and case.fault)]  # fmt: skip
    begin = time.perf_counter()
    root = arguments.keep or Path(tempfile.mkdtemp(prefix="detection-"))
    root.mkdir(parents=True, exist_ok=True)
    rows = []
    order = {(case.id, case.fault): number for number, case in enumerate(chosen)}
    try:
        for found in run_all(chosen, root, arguments.jobs, arguments.keep):
            rows += found
            for row in found:
                print(
                    f"[{len(rows)}] {row['id']} {row['variant']} {row['seconds']:.1f} s: {cell(row, 'ours')}",
                    file=sys.stderr,
                    flush=True,
                )
    finally:
        if not arguments.keep:
            shutil.rmtree(root, ignore_errors=True)
    rows.sort(key=lambda row: order[row["id"], row["fault"]])
    seconds = time.perf_counter() - begin
    print(f"Paddle {paddle.__version__}, {len(chosen)} cases, {len(rows)} rows, {seconds:.0f} s\n")
    print_table(rows)
    print_totals(rows)
    print_confusion(rows)
    wrong = bar(rows)
    print(f"\n{len(wrong)} rows that must not be")
    for row in wrong:
        print(f"- {row['id']} {row['variant']} ({row['ulp']:.3g} ulp): {row.get('broken') or '; '.join(row['said']) or 'missed'}")
    for row in rows:
        if "our own fault" in row["by"]:
            print(f"OUR OWN FAULT {row['id']} {row['variant']}: {row['said']}")
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"paddle": paddle.__version__, "seconds": seconds, "totals": totals(rows), "rows": rows}, indent=1)
        )
    sys.exit(bool(wrong))
