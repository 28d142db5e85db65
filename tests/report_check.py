"""Reads a report as a program would: every one that a test looks at must obey the schema that the package ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

import pytest_paddle_infer

SCHEMA = Path(pytest_paddle_infer.__file__).parent / "report" / "report.schema.json"


def valid(content: Any) -> Any:
    """Returns the content. Fails for what the schema does not allow, and for NaN and Inf."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    json.dumps(content, allow_nan=False)
    faults = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(content)]
    assert not faults, "\n".join(faults)
    return content


def read_report(directory: Path) -> Any:
    """Returns the content of DIR/report.json."""
    return valid(json.loads((directory / "report.json").read_text(encoding="utf-8"), parse_constant=lambda text: 1 / 0))
