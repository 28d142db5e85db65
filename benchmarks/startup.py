"""What the plugin costs a suite that does not use it: 3,000 trivial tests, and an empty collection, with it and without it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from measure import COMPARISON, Contender, compare, environment, machine, print_table, rounds

BAR = 1.03
PLUGIN = "paddle_infer"


def make_suite(directory: Path, files: int, tests: int) -> None:
    directory.mkdir()
    for number in range(files):
        body = "\n".join(f"def test_{index}():\n    assert {index} + 1 > {index}\n" for index in range(tests))
        (directory / f"test_{number:02d}.py").write_text(body)


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
            # alone: no other plugin is loaded, so that nothing else makes ours look small
            for alone in (False, True):
                base = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
                env = environment(**({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} if alone else {}))
                with_it = [*base, "-p", f"pytest_{PLUGIN}.plugin"] if alone else base
                without = base if alone else [*base, "-p", f"no:{PLUGIN}"]
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
