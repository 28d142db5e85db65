"""What is known of one failed parity, and its two JSON files: `verdict.json` and `configuration.json`, format 1.

Numbers that JSON lacks stand as the texts "inf", "-inf" and "nan"; whoever reads a number takes `float()` of either.

verdict.json: format, written_by, date (UTC), checkpoint, model, variant, shows ("outputs", "death" or "nothing": what a run of the
inference engine on these inputs shows again; "nothing" also where it died after every sample was answered, or in the user's preprocess or
postprocess), stage, cause, facts, remedy,
finding (of the diagnosis, or null), death (or null), samples, inputs (name, dtype, shape), outputs (name, rule, verdict over all samples,
batch: over the samples kept here, limits: for each of these whether it is compared with the reference, the largest difference and
RMS allowed, to which a tolerance adds rtol * |training|, and scale: the largest value, over which all figures
are shown), versions, and files (SHA-256).
configuration.json: format, request, calls (see `deployed.calls`; line: in Python, null for one that cannot be repeated), not_repeatable,
effective, passes, environment.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer.deployed.calls import shown, why_not
from pytest_paddle_infer.failures import Failure
from pytest_paddle_infer.judge.closeness import Noise, OutputJudge, OutputVerdict, Rule, Tolerance, tells
from pytest_paddle_infer.judge.noise import Floor, rows
from pytest_paddle_infer.machine import KERNEL_VARIABLES, this_machine

if TYPE_CHECKING:
    from pytest_paddle_infer.deployed.config import Request
    from pytest_paddle_infer.deployed.proof import Evidence
    from pytest_paddle_infer.diagnosis.finding import Finding
    from pytest_paddle_infer.evidence.arrays import Arrays

FORMAT = 1
"""Raise when a reader of this version could not read it, or when `judge.noise.K` changes."""


@dataclass(frozen=True)
class Death:
    """How the inference engine came to no answer. kind, detail: as `WorkerFailure` has them; output: the end of what it wrote."""

    step: str
    kind: str
    detail: str
    location: str = ""
    output: str = ""


@dataclass(frozen=True)
class FailedParity:
    """One parity that failed, with one batch of samples. None and () stand for what was not known when it failed.

    failure: as the user reads it, without the line that says where this was kept. request: the configuration that was asked for.
    evidence: with the calls that were made. inputs: what both engines were compared on, in the order of `input_names`. training_inputs:
    what the training side's preprocessing made, where that differs in a bit. rules, verdicts: for each output, over all samples.
    versions: of the Paddle that ran the inference engine. training_paddle: version of the other side's. died_later: after every sample was
    answered, of being asked otherwise (again, in another batch, on a clone), which no batch of samples shows.
    """

    model: str
    variant: str
    failure: Failure
    request: Request
    input_names: Sequence[str] = ()
    inputs: Arrays = ()
    training_inputs: Arrays | None = None
    training: Arrays | None = None
    inference: Arrays | None = None
    reference: Arrays | None = None
    first: int = 0
    samples: Sequence[str] = ()
    output_names: Sequence[str] = ()
    rules: Sequence[Rule] = ()
    verdicts: Sequence[OutputVerdict] = ()
    evidence: Evidence | None = None
    configuration: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    training_paddle: str = ""
    finding: Finding | None = None
    death: Death | None = None
    died_later: bool = False

    @property
    def batch(self) -> list[OutputVerdict]:
        """Verdicts over the samples that are kept; none where one side has no outputs."""
        if self.training is None or self.inference is None:
            return []
        return judged(
            self.output_names, self.rules, self.training, self.inference, self.reference, self.first, len(self.samples) or 1
        )

    @property
    def shows(self) -> str:
        """What a run of the inference engine on the inputs shows again."""
        if self.death is not None:
            return "nothing" if self.died_later or self.failure.stage in ("preprocess", "postprocess") else "death"
        differ = any(not verdict.passed for verdict in self.batch)
        other = self.training is not None and self.inference is not None and len(self.training) != len(self.inference)
        return "outputs" if differ or other else "nothing"


def judged(
    names: Sequence[str],
    rules: Sequence[Rule],
    training: Arrays,
    inference: Arrays,
    reference: Arrays | None,
    first: int,
    size: int,
) -> list[OutputVerdict]:
    """Judges the outputs of one batch of `size` samples, those from number `first` on, as the parity checkpoint does."""
    found = []
    for index, (rule, left, right) in enumerate(zip(rules, training, inference)):
        judge = OutputJudge(f"output {names[index] if index < len(names) else index}".rstrip(), rule)
        judge.add(left, right, first, size, reference[index] if reference and index < len(reference) else None)
        found.append(judge.verdict())
    return found


# -- to JSON -----------------------------------------------------------------------------------------------------------


def verdict_json(failed: FailedParity, files: Mapping[str, str], date: str, version: str) -> dict[str, Any]:
    """The content of verdict.json; files: name -> SHA-256 of every other file that a reader depends on."""
    batch = failed.batch
    outputs = [
        {
            "name": failed.output_names[index] if index < len(failed.output_names) else str(index),
            "rule": rule_json(rule),
            "verdict": _verdict_json(failed.verdicts[index]) if index < len(failed.verdicts) else None,
            "batch": _verdict_json(batch[index]) if index < len(batch) else None,
            "limits": _limits(failed, index),
        }
        for index, rule in enumerate(failed.rules)
    ]
    return {
        "format": FORMAT,
        "written_by": f"pytest-paddle-infer {version}",
        "date": date,
        "checkpoint": "parity",
        "model": failed.model,
        "variant": failed.variant,
        "shows": failed.shows,
        "stage": failed.failure.stage,
        "cause": failed.failure.title,
        "facts": [list(fact) for fact in failed.failure.facts],
        "remedy": failed.failure.remedy,
        "finding": None if failed.finding is None else asdict(failed.finding),
        "death": None if failed.death is None else asdict(replace(failed.death, output=failed.death.output[-4000:])),
        "samples": {"first": failed.first, "names": list(failed.samples)},
        "inputs": [
            {"name": name, "dtype": str(array.dtype), "shape": list(array.shape)}
            for name, array in zip((*failed.input_names, *[""] * len(failed.inputs)), failed.inputs)
        ],
        "outputs": outputs,
        "versions": {**failed.versions, **versions_here(), "training_paddle": failed.training_paddle},
        "files": dict(files),
    }


def _limits(failed: FailedParity, index: int) -> list[dict[str, Any]]:
    """What each sample's output may differ by, in its own unit, so that a reader needs no rule."""
    if failed.training is None or index >= len(failed.training):
        return []
    size, rule, known = len(failed.samples) or 1, failed.rules[index], failed.reference
    trained = list(rows(failed.training[index], size))
    exact: list[Any] = [None] * len(trained)
    if isinstance(rule, Noise) and known is not None and index < len(known) and known[index].shape == failed.training[index].shape:
        exact = list(rows(known[index], size))
    found = []
    for left, middle in zip(trained, exact):
        use = left.dtype.kind in "fc" and middle is not None and tells(middle)
        allowed, rms = 0.0, float("inf")
        largest = float(abs(middle if use else left).max()) if left.dtype.kind in "fc" and left.size else 0.0
        largest = max(largest, rule.floor.scale) if isinstance(rule, Noise) else largest
        if isinstance(rule, Tolerance):
            allowed = rule.atol
        elif left.dtype.kind in "fc":
            most, rms = rule.allowed(abs(middle if use else left), use)
            allowed = float(most)
        found.append({"float64": use, "maximum": allowed, "rms": rms, "scale": largest or 1.0})
    return found


def configuration_json(failed: FailedParity) -> dict[str, Any]:
    """The content of configuration.json."""
    calls = list(failed.evidence.configuration if failed.evidence is not None else failed.configuration)
    request = failed.request
    out = [f"{shown(call)}: {reason}" for call in calls if (reason := why_not(call))]
    if request.configure is not None and not calls:
        out.append("what the variant's own function calls: it ended before that was known")
    if request.on_tensorrt:
        out.append("the conversion to TensorRT: pytest --paddle-replay makes it again, reproduce.py runs without it")
    return {
        "format": FORMAT,
        "request": {
            "label": request.label,
            "base": request.base,
            "precision": request.precision,
            "parameters": dict(request.parameters),
            "threads": request.threads,
        },
        "calls": [{**json.loads(call), "line": None if why_not(call) else shown(call)} for call in calls],
        "not_repeatable": out,
        "effective": None if failed.evidence is None else asdict(failed.evidence.effective),
        "passes": [] if failed.evidence is None else list(failed.evidence.passes),
        "environment": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith((*KERNEL_VARIABLES, "NVIDIA_TF32", "CUDA_VISIBLE"))
        },
    }


def versions_here() -> dict[str, str]:
    """What this process runs on, beside Paddle."""
    import numpy as np

    return {"numpy": np.__version__, "python": platform.python_version(), "processor": this_machine().description}


def as_text(body: Mapping[str, Any]) -> str:
    """JSON text without NaN literals."""
    return json.dumps(_plain(body), indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return _plain(value.item()) if hasattr(value, "item") else str(value)


def rule_json(rule: Rule) -> dict[str, Any]:
    """One output's rule. maximum, rms: the noise floor, of which an engine may make `limit` and `limit_rms`."""
    if isinstance(rule, Tolerance):
        return {"kind": "tolerance", "rtol": rule.rtol, "atol": rule.atol, "integers": rule.integers}
    return {"kind": "noise", **asdict(rule.floor), "limit": rule.limit, "limit_rms": rule.floor.limit.rms}


def _verdict_json(verdict: OutputVerdict) -> dict[str, Any]:
    told = {item.name: getattr(verdict, item.name) for item in fields(verdict) if item.name not in ("floor", "resolution")}
    return {**told, "passed": verdict.passed}


# -- from JSON ---------------------------------------------------------------------------------------------------------


def read_rule(told: Mapping[str, Any]) -> Rule:
    """The rule of `rule_json`. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
    if told["kind"] == "tolerance":
        return Tolerance(float(told["rtol"]), float(told["atol"]), bool(told.get("integers", False)))
    if told["kind"] != "noise":
        raise ValueError(f"there is no rule {told['kind']!r}")
    return Noise(Floor(float(told["maximum"]), float(told["rms"]), str(told["source"]), float(told["scale"])))
