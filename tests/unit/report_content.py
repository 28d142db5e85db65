"""A report's content for tests, made of properties as the checkpoints write them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pytest_paddle_infer.report.content import Session, content_of
from pytest_paddle_infer.report.figures import PREFIX
from pytest_paddle_infer.report.results import Result

DIRECTORY = Path("/reports/today")

ENVIRONMENT = {
    "paddle": "3.3.1", "python": "3.11.7", "system": "Linux", "plugin": "0.1.0", "packages": {"numpy": "2.0"}, "processor": "AMD EPYC",
    "instructions": ["avx2"], "architecture": "x86_64", "cores": 1.5, "engine_python": None,
    "engine_paddle": None,
}  # fmt: skip

PARITY = {"output_error": "2.5e-07", "output_limit": "1e-05", "output_limits": "0.025", "answers": "4/4", "ties": "0"}


def properties(model: str = "net", variant: str = "cpu", *more: tuple[str, str], **facts: str) -> tuple[tuple[str, str], ...]:
    """The user_properties of one report."""
    named = {"model": model, **({"variant": variant} if variant else {}), **facts}
    return tuple((PREFIX + name, value) for name, value in (*named.items(), *more))


def passed(name: str = "test_parity[cpu]", model: str = "net", variant: str = "cpu", **facts: str) -> Result:
    """A parity that holds."""
    return Result(f"paddle-model/{model}::{name}", "passed", 1.0, properties(model, variant, **{**PARITY, **facts}), compared=True)


def failed(cause: str = "net, cpu: off.", *facts: tuple[str, str], model: str = "net", **more: Any) -> Result:
    """A parity that does not hold."""
    told = properties(model, "cpu", ("failed", "parity"), *(("fact", f"{label}: {value}") for label, value in facts), cause=cause)
    filled = {"compared": True, "summary": cause, "text": f"{cause}\n\n  more", "again": "pytest it", **more}
    return Result(f"paddle-model/{model}::test_parity[cpu]", "failed", 1.0, told, **filled)


def content(
    *results: Result, exit_status: int = 0, seconds: float = 2.5, problems: Sequence[tuple[str, str]] = ()
) -> dict[str, Any]:
    """The content of a report of these tests."""
    return content_of(
        Session(
            run="0123456789abcdef", version="0.1.0", started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc), seconds=seconds,
            exit_status=exit_status, processes=1, directory=DIRECTORY, results=results, others={"passed": 2}, problems=tuple(problems),
            options=[{"option": "--paddle-model", "values": ["net"], "origin": "command line"}], environment=ENVIRONMENT,
        )
    )  # fmt: skip
