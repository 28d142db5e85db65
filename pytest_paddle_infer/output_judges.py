"""The judges of a model's outputs: by the noise rule, or by the user's tolerances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_paddle_infer.diagnosis.comparison import Comparison
from pytest_paddle_infer.failures import OptionError
from pytest_paddle_infer.judge.closeness import NearOf, Noise, OutputJudge, OutputVerdict, Rule, Tolerance
from pytest_paddle_infer.judge.noise import K

if TYPE_CHECKING:
    from pytest_paddle_infer.judge.noise import Floor
    from pytest_paddle_infer.models import ModelSpec
    from pytest_paddle_infer.reference import Reference, ReferenceBatch


def output_judges(spec: ModelSpec, reference: Reference) -> list[OutputJudge]:
    """Returns a judge for each output: by the noise rule, or by the user's tolerance. Raises `OptionError` for an unknown output."""
    rules = [_rule(spec, name, floor) for name, floor in zip(reference.names, reference.floors)]
    for key in ("rtol", "atol"):
        given = getattr(spec, key)
        unknown = sorted(set(given) - {"", *reference.names}) if isinstance(given, Mapping) else []
        if unknown and tuple(reference.names) == ("",):
            raise OptionError(
                f"{key} names the output {unknown[0]!r}; the model has one output, without a name: give a number, or '' for the name."
            )
        if unknown:
            known = ", ".join(repr(name) for name in reference.names)
            raise OptionError(f"{key} names the output {unknown[0]!r}; the outputs are {known}, and '' stands for those not named.")
    titles = [f"output {name}".rstrip() for name in reference.names]
    return [OutputJudge(*each) for each in zip(titles, rules, reference.responses)]


def borderline(verdicts: Sequence[OutputVerdict]) -> bool:
    """True where outputs are refused, and none but by less than `K` limits of the noise rule: a floor of few draws may be so far off."""
    refused = [verdict for verdict in verdicts if not verdict.passed]
    return bool(refused) and all(verdict.floor is not None and verdict.excess <= K for verdict in refused)


def comparison_with(spec: ModelSpec, reference: Reference, batch: ReferenceBatch, near: NearOf | None = None) -> Comparison:
    """What other outputs for a batch of the reference are compared with, where the inference engine gave none."""
    rules = tuple(judge.rule for judge in output_judges(spec, reference))
    return Comparison(batch.start, batch.stop, batch.training, [], batch.exact, rules, near)


def _rule(spec: ModelSpec, name: str, floor: Floor) -> Rule:
    rtol, atol = (value.get(name, value.get("")) if isinstance(value, Mapping) else value for value in (spec.rtol, spec.atol))
    if rtol is None and atol is None:
        return Noise(floor)
    named = any(isinstance(value, Mapping) and name in value for value in (spec.rtol, spec.atol))
    return Tolerance(rtol or 0.0, atol or 0.0, named)
