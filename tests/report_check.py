"""Reads a report as a program would: every one that a test looks at must obey the schema that the package ships, and agree with itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

import pytest_paddle_infer

SCHEMA = Path(pytest_paddle_infer.__file__).parent / "report" / "report.schema.json"


def valid(content: Any) -> Any:
    """Returns the content. Fails for what the schema does not allow, for NaN and Inf, and for figures that contradict each other."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    json.dumps(content, allow_nan=False)
    faults = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(content)]
    assert not faults, "\n".join(faults)
    contradictions = [f"{test['id']}: {fault}" for test in content["tests"] for fault in _contradictions(test)]
    assert not contradictions, "\n".join(contradictions)
    return content


def read_report(directory: Path) -> Any:
    """Returns the content of DIR/report.json. Its copies of files must be there, and no others."""
    content = valid(json.loads((directory / "report.json").read_text(encoding="utf-8"), parse_constant=lambda text: 1 / 0))
    own = f"files-{content['run']}"
    assert [path.name for path in directory.iterdir() if re.fullmatch("files-[0-9a-f]{16}", path.name)] in ([], [own])
    for test in content["tests"]:
        for path in (test["files"]["outputs"], test["files"]["log"]):
            assert path is None or not path.startswith("files-") or (path.startswith(own) and (directory / path).exists()), path
    return content


def _contradictions(test: Any) -> Iterator[str]:
    details, figures = test["details"] or {}, test["figures"]
    parity, latency = details.get("parity"), details.get("latency")
    if parity is not None:
        yield from _of_parity(parity, figures, test["texts"])
    if latency is not None:
        if figures.get("batches", latency["batches"]) != latency["batches"]:
            yield f"{figures['batches']} batches in the figures, {latency['batches']} in the details"
        kinds = ("inference_ms", "preprocess_ms", "postprocess_ms")
        yield from (
            f"{kind} has {len(latency[kind])} values" for kind in kinds if len(latency[kind]) != min(latency["batches"], 1000)
        )
        times = sorted(latency["inference_ms"])
        if "p50_ms" in figures and not times[0] * 0.999 <= figures["p50_ms"] <= times[-1] * 1.001:
            yield f"p50 of {figures['p50_ms']} ms is not among {times}"
    for layer in details.get("layers") or ():
        if (layer["state"] == "agrees") and layer["output_relative"] is None:
            yield f"{layer['name']} agrees by no number"


def _of_parity(parity: Any, figures: Any, texts: Any) -> Iterator[str]:
    samples = parity["samples"]
    if [sample["index"] for sample in samples] != list(range(parity["samples_compared"])):
        yield f"{parity['samples_compared']} samples compared, {len(samples)} told"
    if figures.get("samples", len(samples)) != len(samples):
        yield f"{figures['samples']} samples in the figures, {len(samples)} in the details"
    limits = [sample["limits"] for sample in samples]
    if samples and "output_limits" in figures:
        worst = None if None in limits else max(limits)
        if not _same(worst, figures["output_limits"]):
            yield f"the worst sample is {worst} limits, the output {figures['output_limits']}"
        if figures["output_error"] is not None and not any(
            _same(output["error_relative"], figures["output_error"]) for output in parity["outputs"]
        ):
            yield f"no output has the error {figures['output_error']}"
    if samples and "answers" in texts:
        agreed, compared = map(int, texts["answers"].split("/"))
        told = [sample["agreement"] for sample in samples]
        if (told.count("agrees"), len(told) - told.count(None), told.count("tie")) != (agreed, compared, figures["ties"]):
            yield f"answers {texts['answers']}, {figures['ties']} ties, and the samples say {told}"
    for output in parity["outputs"]:
        edges = [(each["from_relative"], each["to_relative"]) for each in output["magnitudes"]]
        if edges != sorted(edges) or any(one[1] > two[0] for one, two in zip(edges, edges[1:])):
            yield f"the bins of {output['name']} are out of order: {edges}"
        errors = [each["largest_error_relative"] for each in output["magnitudes"]]
        if (
            errors
            and output["error_relative"] is not None
            and None not in limits
            and not _same(max(errors), output["error_relative"])
        ):
            yield f"the bins of {output['name']} say {max(errors)}, the output {output['error_relative']}"


def _same(one: float | None, two: float | None) -> bool:
    """Within the three digits that figures have."""
    return one == two if one is None or two is None else abs(one - two) <= 0.006 * max(abs(one), abs(two))
