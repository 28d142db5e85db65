"""Asks Paddle in another process, and survives its death: that answers the question that it died of; the others are asked again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_paddle_infer.command.ask import BUILD
from pytest_paddle_infer.option_table import VARIANTS

PROGRAM = (sys.executable, "-m", "pytest_paddle_infer.command.ask")
SECONDS = 120.0
"""Time for the import of Paddle and all questions: 2 s on a quiet machine, 35 s were seen on a loaded one."""


LATE = "it did not answer in time"


@dataclass(frozen=True)
class Answer:
    """What Paddle said; trouble: why it said nothing, as part of a sentence."""

    value: Any = None
    trouble: str = ""


def ask_all() -> Mapping[str, Answer]:
    """What this build is (`ask.BUILD`), and for each built-in variant why it cannot run here ("" when it can)."""
    return ask((BUILD, *VARIANTS))


def ask(questions: Sequence[str], program: Sequence[str] = PROGRAM, limit: float = SECONDS) -> dict[str, Answer]:
    """The answer to each question. Where Paddle cannot even say what it is, that is the answer to all of them."""
    found: dict[str, Answer] = {}
    deadline = time.monotonic() + limit
    while left := [question for question in questions if question not in found]:
        if (seconds := deadline - time.monotonic()) <= 0:
            return {**dict.fromkeys(left, Answer(trouble=LATE)), **found}
        said, fatal, end = _one_process(left, program, seconds)
        found.update(said)
        if fatal:
            found[fatal] = Answer(trouble=end)
        elif any(question not in found for question in left):
            return {**dict.fromkeys(questions, Answer(trouble=end)), **found}
        if BUILD in found and found[BUILD].trouble:
            return dict.fromkeys(questions, found[BUILD])
    return found


def _one_process(questions: Sequence[str], program: Sequence[str], limit: float) -> tuple[dict[str, Answer], str, str]:
    """Returns (answers, question that ended the process or "", how it ended)."""
    with tempfile.TemporaryDirectory(prefix="paddle-infer-") as place:
        path = Path(place) / "answers.jsonl"
        path.touch()
        with (Path(place) / "said").open("w+b") as output:
            try:
                code = subprocess.run(
                    [*program, str(path), *questions],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=limit,
                    check=False,
                ).returncode
                end = _how(code)
            except subprocess.TimeoutExpired:
                end = LATE
            output.seek(0)
            words = output.read().decode("utf-8", "replace").strip().splitlines()
        answers: dict[str, Answer] = {}
        asked = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                told = json.loads(line)
            except ValueError:  # cut: it died while it wrote
                continue
            if "asked" in told:
                asked = str(told["asked"])
            else:
                answers[str(told["question"])] = Answer(told.get("value"), " ".join(str(told.get("trouble", "")).split()))
    if asked and asked not in answers:
        return answers, asked, end
    return answers, "", f"{end}: {words[-1].strip()}" if words else end


def _how(code: int) -> str:
    if code < 0:
        try:
            return f"the process was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"the process was ended by signal {-code}"
    return f"the process ended with exit code {code}"
