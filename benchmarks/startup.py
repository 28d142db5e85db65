"""What the plugin costs a suite that does not use it: 3,000 trivial tests, and an empty collection, with it and without it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

from measure import COMPARISON, Contender, compare, environment, machine, print_table, rounds

BAR = 1.03
PLUGIN = "paddle_infer"


def make_suite(directory: Path, files: int, tests: int) -> None:
    directory.mkdir()
    for number in range(files):
        body = "\n".join(f"def test_{index}():\n    assert {index} + 1 > {index}\n" for index in range(tests))
        (directory / f"test_{number:02d}.py").write_text(body)


def other_plugins() -> list[str]:
    """Names of the plugins that are installed beside ours."""
    groups = entry_points()
    found = groups.select(group="pytest11") if hasattr(groups, "select") else groups.get("pytest11", ())  # Python 3.9 has a dict
    return sorted({point.name for point in found} - {PLUGIN})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--files", type=int, default=30)
    parser.add_argument("--empty-only", action="store_true", help="only the empty collection, which is quick")
    parser.add_argument("--tests", type=int, default=100, help="tests in each file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        suite, empty = Path(root, "suite"), Path(root, "empty")
        make_suite(suite, arguments.files, arguments.tests)
        empty.mkdir()
        print(machine())
        rows = []
        cases = [("empty collection", empty, 5)]
        if not arguments.empty_only:
            cases.insert(0, (f"{arguments.files * arguments.tests} tests", suite, 0))
        for what, directory, status in cases:
            # alone: every other plugin is switched off, so that nothing else makes ours look small
            for alone in (False, True):
                base = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
                base += [f"-pno:{name}" for name in other_plugins()] if alone else []
                env, with_it, without = environment(), base, [*base, f"-pno:{PLUGIN}"]
                contenders = [
                    Contender("without", without, directory, env, status=status),
                    Contender("with", with_it, directory, env, status=status),
                    Contender("again", without, directory, env, status=status),
                ]
                found = rounds(contenders, arguments.rounds)
                label = f"{what}, {'no other plugins' if alone else 'as installed'}"
                rows.append(compare(label, found["with"], found["without"], BAR))
                rows.append(compare("  (noise: without / without)", found["again"], found["without"], None))
        print_table(COMPARISON, rows)


if __name__ == "__main__":
    main()
