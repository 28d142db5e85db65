"""`explain stages` and `explain STAGE`: where the two sides may part, what is tried there, and what is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_paddle_infer.command.columns import bullets, folded, pairs
from pytest_paddle_infer.option_table import BY_ATTRIBUTE


@dataclass(frozen=True)
class Stage:
    """means: what a failure of this stage says, in one sentence. tried: what the diagnosis tries. do: what to do first."""

    means: str
    tried: tuple[str, ...]
    do: str


STAGES: Mapping[str, Stage] = {
    "training": Stage(
        "The model under test itself has a fault, so that no engine can be compared with it.",
        ("layers that are still in train mode after eval()",
        "NaN or Inf in parameters and buffers, and the first layer that makes one",
         "a forward that draws random numbers or keeps state between calls",
         "a factory that raises, weights that do not fit"),
        "Put the model right; neither the export nor the inference engine is at fault.",
    ),
    "preprocess": Stage(
        "The two preprocessing programs make different tensors of the same picture; given equal tensors, the engines agree.",
        ("a preprocess that makes another tensor when it is asked twice for the same sample",
         "channel order, layout, dtype, batch dimension, alpha",
        "1/255 missing or applied twice; mean and std missing, reversed or applied twice",
         "interpolation (align_corners too), order and size of resize and crop, EXIF orientation",
         "letterbox for a stretch or a crop; padding: its place, its value, before or after the normalisation, to a multiple of 32",
         "a gamma, before or after the resize; reducing_gap of a resize",
         "a picture that one side stores as JPEG on the way",
         "each alone, and in pairs that make sense"),
        "Make both preprocessing programs the same.",
    ),
    "artifacts": Stage(
        "The exported files are not those of the model under test.",
        ("files that are missing, cut, damaged or of another format",
        "parameters that are rounded, scaled, swapped, of another step or run",
         "one layer's parameters only, or one bit"),
        "Export again from the weights under test.",
    ),
    "export": Stage(
        "The parameters are equal, and the exported graph computes something else than the model: the code changed on "
        "its way.",
        ("the model through to_static and jit.load, in Python",
        "the graph against the plugin's own export: operators, attributes, constants",
         "the first layer whose output differs while its input agrees, or the place between two layers",
         "softmax that is missing or doubled, outputs in another order, train mode"),
        "Look at the operator, layer or line that is named: in-place methods whose result is not used, state kept in "
        "Python and branches on "
        "values are not traced, and paddle.in_dynamic_mode() is False there.",
    ),
    "load": Stage(
        "The predictor could not be made, ended its process, or is not the one that was asked for.",
        ("the step that raised, died or hung, and the optimisation pass that ran last",
        "the pass without which it loads, by bisection",
         "device, precision and engine, read back from what was executed"),
        "Use the workaround that is named, or another variant.",
    ),
    "optimise": Stage(
        "The predictor without optimisation agrees with the model, and the variant does not.",
        ("the passes that really ran, by bisection: which alone changes the answers, and which must go for them to agree",
         "the config.delete_pass(...) that works around it, tried before it is offered",
         "the first layer that differs, by a network with probes"),
        "Put the config.delete_pass(...) that is named into the deployed program, or deploy another variant.",
    ),
    "run": Stage(
        "The predictor was made, and did not answer (it raised, ended its process or ran out of time), or not the same when asked again.",
        ("the sample, the step and the signal", "the predictor without optimisation on the same input",
        "which question gets another answer: again, inside a batch, after another batch size, or on a clone"),
        "Look at what Paddle said, which stands below the first line.",
    ),
    "postprocess": Stage(
        "The outputs of the engines agree, and the answers made of them do not.",
        ("label offset, another list of labels, axis of argmax, order of the answers, the best so many",
         "a map read transposed, an answer that is always the same",
         "softmax missing or twice, sigmoid or a temperature in its place", "another threshold, exchanged keys or columns",
         "numbers multiplied, shifted, rounded, as logarithms"),
        "Make both postprocessing programs the same.",
    ),
    "comparison": Stage(
        "Nothing could have been seen: the comparison is vacuous, and a pass would prove nothing.",
        ("what changing the picture does to the outputs, against the limit",),
        "Use trained weights, samples that differ more, logits where softmax saturates, or a tighter tolerance.",
    ),
}  # fmt: skip
"""In the words of a failure's line `stage:`; a test holds the names against `diagnosis.finding.STAGES`."""

ORDER = (
    "the tensors of both preprocessing programs",
    "dygraph with the parameters of an export that was given",
    "to_static and jit.load for an export of the plugin's own",
    "cpu-noopt, the predictor without optimisation",
    "the variant",
    "postprocessing",
)
"""What is compared with dygraph, one step more at a time; the first that leaves the noise floor is where the two sides part."""


def lines(name: str) -> list[str]:
    """The text of one stage."""
    stage = STAGES[name]
    shown = [f"stage {name}", *folded(stage.means, 2), "", "what is tried", *bullets(stage.tried)]
    return [*shown, "", "what to do", *folded(stage.do, 2)]


def overview() -> list[str]:
    """All stages, and how they are told apart."""
    limit, off = BY_ATTRIBUTE["diagnosis_time"], BY_ATTRIBUTE["no_diagnosis"]
    return [
        *folded("stages: where the training side and the inference side part. A failure's line `stage:` names one."),
        "",
        *pairs((name, stage.means) for name, stage in STAGES.items()),
        "",
        *folded(f"They are told apart by comparing one step more at a time with dygraph: {'; '.join(ORDER)}."),
        *folded(f"The search takes up to {limit.shown} s for each failure ({limit.flag}); {off.flag} leaves it out. "
        f"What is not certain is not "
                "accused: the failure then says what was excluded."),
        "",
        "`explain STAGE` says what is tried at one.",
    ]  # fmt: skip
