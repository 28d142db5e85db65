"""Reads the command line, prints what the subcommands return, and gives the exit code: 0, 1, or 2 for a command line that is wrong."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_paddle_infer import __version__
from pytest_paddle_infer.failures import ModelError
from pytest_paddle_infer.option_table import ALLOWED

COMMANDS = {
    "doctor": "what is installed, which variants can run and why not the others, traps of this Paddle, the export store",
    "models": "the names that --paddle-model knows by itself",
    "variants": "the variants of the inference engine: what each sets, its parameters, whether it can run here",
    "explain": "what a checkpoint asserts, or what is tried at a stage of the diagnosis",
    "compare": "two reports of --paddle-report: what fails newly, what is less exact or slower in the second, and what differs around them",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one subcommand. Returns the exit code; raises `SystemExit` for what argparse says itself."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    _check_command(parser, given)
    options = parser.parse_args(given)
    try:
        code, lines = _run(options, parser)
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_paddle_infer", description="Says what is here, and what the checkpoints mean. `pytest` runs them."
    )
    parser.add_argument("--version", action="version", version=f"pytest-paddle-infer {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    made = {
        name: commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".") for name, text in COMMANDS.items()
    }
    for name in ("doctor", "variants", "compare"):
        made[name].add_argument("--json", action="store_true", help="print JSON instead, for programs")
    made["doctor"].add_argument(
        "--cache-dir", metavar="DIR", type=Path, help="the export store, where --paddle-cache-dir names another"
    )
    made["models"].add_argument("pattern", metavar="NAME", nargs="?", help="a name or a glob over them; without it all")
    made["explain"].add_argument(
        "subject",
        metavar="CHECK",
        nargs="?",
        help="artifacts, parity or log; `stages`, or one of them; a variant's name; without it the names",
    )
    for name, text in (("a", "the earlier report: its directory, or its report.json"), ("b", "the report that is held against it")):
        made["compare"].add_argument(name, metavar=name.upper(), type=Path, help=text)
    made["compare"].add_argument(
        "--allow",
        metavar="PERCENT%",
        type=_share,
        default=ALLOWED,
        help=f"by how much an engine may be slower; default: {100 * ALLOWED:g}%%",
    )
    return parser


def _share(text: str) -> float:
    match = re.fullmatch(r"(\d{1,4}(?:\.\d{1,2})?)%", text)
    if match is None:
        if re.fullmatch(r"[1-9]\d*(?:\.\d+)?", text):
            raise argparse.ArgumentTypeError(f"{text!r} lacks the % sign; write {text}%")
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage; write 15%")
    return float(match[1]) / 100


def _check_command(parser: argparse.ArgumentParser, given: Sequence[str]) -> None:
    """argparse says which commands there are; this says which was meant."""
    first = next((word for word in given if not word.startswith("-")), None)
    if first is not None and first not in COMMANDS:
        from pytest_paddle_infer.near import nearest

        parser.error(f"there is no command {first!r}{nearest(first, COMMANDS)}; the commands are {', '.join(COMMANDS)}")


def _run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> tuple[int, list[str]]:
    if options.command == "doctor":
        return _doctor(options)
    if options.command == "variants":
        return _variants(options)
    if options.command == "compare":
        return _compare(options, parser)
    if options.command == "models":
        return _models(options, parser)
    return _explain(options, parser)


def _doctor(options: argparse.Namespace) -> tuple[int, list[str]]:
    from pytest_paddle_infer.command import doctor
    from pytest_paddle_infer.store_place import default_root

    seen = doctor.examine(options.cache_dir or default_root())
    code = 1 if doctor.problems(seen) else 0
    return code, [json.dumps(doctor.as_data(seen), indent=1)] if options.json else doctor.lines(seen)


def _variants(options: argparse.Namespace) -> tuple[int, list[str]]:
    from pytest_paddle_infer.command import variants
    from pytest_paddle_infer.command.ask import BUILD
    from pytest_paddle_infer.command.asking import ask_all
    from pytest_paddle_infer.model_names import paddle_installed

    answers = ask_all() if paddle_installed() else {}
    missing = "" if answers else "Paddle is not installed; `doctor` says what to do."
    if answers and answers[BUILD].trouble:
        missing = f"importing Paddle fails ({answers[BUILD].trouble}); `doctor` says what to do."
        answers = {}
    code = 1 if missing else 0
    return code, [json.dumps(variants.as_data(answers, missing), indent=1)] if options.json else variants.lines(answers, missing)


def _models(options: argparse.Namespace, parser: argparse.ArgumentParser) -> tuple[int, list[str]]:
    from pytest_paddle_infer.command import models

    if not models.known_here():
        return 1, ["The names are the factories of paddle.vision.models, and Paddle is not installed; `doctor` says what to do."]
    try:
        return 0, models.lines(models.chosen(options.pattern))
    except ModelError as error:
        parser.error(str(error))


def _explain(options: argparse.Namespace, parser: argparse.ArgumentParser) -> tuple[int, list[str]]:
    from pytest_paddle_infer.command import explain

    if options.subject is None:
        return 0, explain.names()
    if not explain.is_known(options.subject):
        from pytest_paddle_infer.near import nearest

        known = ", ".join(explain.subjects())
        parser.error(
            f"there is nothing to explain of {options.subject!r}{nearest(options.subject, explain.subjects())}; known: {known}"
        )
    try:
        return 0, explain.lines(options.subject)
    except ModuleNotFoundError as error:  # the limits stand in code that needs numpy
        return 1, [f"{_missing(error)} is not installed, and the limits cannot be read without it; `doctor` says what to do."]


def _missing(error: ModuleNotFoundError) -> str:
    """The distribution that lacks. Raises the error itself for what is no requirement."""
    from pytest_paddle_infer.command.installed import MODULES

    missing = MODULES.get(error.name or "")
    if missing is None:
        raise error
    return missing


def _compare(options: argparse.Namespace, parser: argparse.ArgumentParser) -> tuple[int, list[str]]:
    from pytest_paddle_infer.command import compare
    from pytest_paddle_infer.report import comparison
    from pytest_paddle_infer.report.saved import ReportError, read

    try:
        a, b = read(options.a), read(options.b)
    except ReportError as error:
        parser.error(f"{error}.")
    try:
        found = comparison.compare(a, b, options.allow)
    except ModuleNotFoundError as error:
        return 2, [f"{_missing(error)} is not installed, and times cannot be judged without it; `doctor` says what to do."]
    code = 1 if found.worse else 0
    if options.json:
        return code, [json.dumps(compare.as_data(found, options.a, options.b), indent=1)]
    return code, compare.lines(found, options.a, options.b)
