"""Asks Paddle, in a process that may die of it: `python -m pytest_paddle_infer.command.ask FILE QUESTION...`. Only `asking` starts it.

A question is `paddle` (what this build is) or the name of a built-in variant (why it cannot run here). What is asked and what is answered
are lines of JSON in FILE, written at once: so it is known what was asked when the process died.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import IO, Any

BUILD = "paddle"
"""The question of what this build of Paddle is."""


def main(arguments: list[str]) -> None:
    """Answers the questions in their order; what Paddle raises is an answer."""
    warnings.simplefilter("ignore")
    with Path(arguments[0]).open("a", encoding="utf-8") as answers:
        for question in arguments[1:]:
            _write(answers, {"asked": question})
            try:
                said: dict[str, Any] = {"value": build() if question == BUILD else _unavailable(question)}
            except Exception as error:
                said = {"trouble": f"{type(error).__name__}: {error}"}
            _write(answers, {"question": question, **said})
    os._exit(0)  # not through Paddle's own tidying up, which may crash and has nothing to say


def _write(stream: IO[str], line: dict[str, Any]) -> None:
    stream.write(json.dumps(line) + "\n")
    stream.flush()


def build() -> dict[str, Any]:
    """This Paddle: version and commit, CUDA and cuDNN ("None" on a CPU build), oneDNN, the names of the GPUs that it sees, its folder."""
    from pytest_paddle_infer.deployed.config import load_paddle
    from pytest_paddle_infer.deployed.predictor import versions

    paddle = load_paddle()
    cuda = bool(paddle.is_compiled_with_cuda())
    count = int(paddle.device.cuda.device_count()) if cuda else 0
    return {
        **versions(),
        "with_cuda": cuda,
        "with_onednn": bool(paddle.base.core.is_compiled_with_mkldnn()),
        "gpus": [str(paddle.device.cuda.get_device_name(number)) for number in range(count)],
        "folder": os.path.dirname(paddle.__file__),
    }


def _unavailable(variant: str) -> str:
    from pytest_paddle_infer.deployed.builds import unavailable
    from pytest_paddle_infer.deployed.config import Request

    return unavailable(Request(variant, variant))


if __name__ == "__main__":
    main(sys.argv[1:])
