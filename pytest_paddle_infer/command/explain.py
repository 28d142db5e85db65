"""`explain`: what a checkpoint asserts, by which rule and limit, what its failure means; what is tried at a stage; what a variant is.

Every number is read from the code that applies it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_paddle_infer.command.columns import bullets, folded, formula, pairs
from pytest_paddle_infer.command.variants import COMMON, MEANINGS, SETS
from pytest_paddle_infer.option_table import BY_ATTRIBUTE, CHECKPOINTS, PARAMETERS, VARIANTS, Option
from pytest_paddle_infer.variants import PRECISIONS

STAGES_OF_ALL = "stages"


@dataclass(frozen=True)
class Explanation:
    """asserts: what is asserted, with the limits. failure: what a failure means. options: attributes of those that change it."""

    asserts: tuple[str, ...]
    failure: str
    options: tuple[str, ...]


def subjects() -> tuple[str, ...]:
    """What can be explained; `artifacts` is a checkpoint and a stage, and is explained as both."""
    from pytest_paddle_infer.command.stages import STAGES

    return (*CHECKPOINTS, STAGES_OF_ALL, *(name for name in STAGES if name not in CHECKPOINTS), *VARIANTS)


CHOICES = {
    "auto": "auto is gpu where this build and machine have one, else cpu; it is the default of --paddle-variant.",
    "all": "all is every variant, the own ones too; those that cannot run here are skipped with the reason.",
}
"""What --paddle-variant takes beside names."""


def is_known(subject: str) -> bool:
    """True for a subject, for a variant with parameters, and for what stands for variants."""
    return subject in (*subjects(), *CHOICES) or subject.partition(":")[0] in VARIANTS


def names() -> list[str]:
    """What can be explained, in its kinds, and how to ask."""
    from pytest_paddle_infer.command.stages import STAGES

    kinds = (("checkpoints", CHECKPOINTS), ("stages", (f"{STAGES_OF_ALL} (all of them)", *STAGES)), ("variants", VARIANTS))
    return [
        *pairs((kind, ", ".join(known)) for kind, known in kinds),
        "",
        "Ask for one of them: python -m pytest_paddle_infer explain parity",
    ]


def lines(subject: str) -> list[str]:
    """The text of a subject that `is_known`; of a variant with parameters, that of the variant, which lists them."""
    from pytest_paddle_infer.command import stages

    if subject == STAGES_OF_ALL:
        return stages.overview()
    if subject in CHOICES:
        return folded(CHOICES[subject])
    if subject.partition(":")[0] in VARIANTS:
        return _variant(subject.partition(":")[0])
    shown = _checkpoint(subject) if subject in CHECKPOINTS else []
    if subject in stages.STAGES:
        shown += [*([""] if shown else []), *stages.lines(subject)]
    return shown


def checkpoint(name: str) -> Explanation:
    """What a checkpoint asserts."""
    return {"artifacts": _artifacts, "parity": _parity, "log": _log}[name]()


def _checkpoint(name: str) -> list[str]:
    from pytest_paddle_infer.checks import ALL

    told = checkpoint(name)
    shown = [*folded(f"checkpoint {name}: {(ALL[name].__doc__ or '').strip()}"), "", "asserts", *bullets(told.asserts)]
    return [*shown, "", "a failure means", *folded(told.failure, 2), "", "options that change it", *options(told.options)]


def options(attributes: Sequence[str]) -> list[str]:
    """Options with what they say of themselves."""
    return pairs((_spelled(BY_ATTRIBUTE[name]), BY_ATTRIBUTE[name].help) for name in attributes)


def _spelled(option: Option) -> str:
    return option.flag if option.is_switch else f"{option.flag}={option.metavar}"


def _artifacts() -> Explanation:
    from pytest_paddle_infer.artifacts_check import ARTIFACTS_VARIANT, BATCH_SIZES
    from pytest_paddle_infer.exports import expected_files

    sizes = ", ".join(map(str, BATCH_SIZES[:-1]))
    return Explanation(
        (
            f"The files are those of this Paddle: {', '.join(expected_files('3'))} for Paddle 3; "
            f"{', '.join(expected_files('2'))} for Paddle 2. "
            "None is empty, none is superfluous.",
            "The graph parses, and its inputs have the names, dtypes and shapes that were asked for.",
            "Every parameter equals the model's, bit for bit: there is no tolerance. The plugin reads .pdiparams "
            "itself, because Paddle loads "
            "some damaged files without a word. Not a byte is missing or left over.",
            f"A predictor ({ARTIFACTS_VARIANT}) loads it. Where the batch dimension is open, batches of {sizes} and "
            f"{BATCH_SIZES[-1]} give outputs "
            "of the training engine's shapes.",
        ),
        "These files do not hold the model under test: they are incomplete, damaged, of other weights, or fixed to "
        "one batch size. Deployed, "
        "they give other answers, or none. The first line says which file or which parameters, and where it can, how "
        "they came to differ.",
        ("weights", "exported", "export_dir", "image_size", "softmax", "seed", "timeout", "cache_dir", "no_cache",
        "no_diagnosis"),
    )  # fmt: skip


def _parity() -> Explanation:
    from pytest_paddle_infer.engine.reference import PERTURBATIONS, REFERENCE_SAMPLES
    from pytest_paddle_infer.judge.closeness import PREPROCESSING
    from pytest_paddle_infer.judge.noise import FLOOR_ULPS, UNIT_ROUNDOFF, VACUOUS, K

    least = FLOOR_ULPS * 2 * UNIT_ROUNDOFF["fp32"]
    close = formula(f"|i - t| <= {PREPROCESSING.atol:g} + {PREPROCESSING.rtol:g} * |t|")
    noise, floor = formula(f"max|i - r| / max|r| <= {K:g} * floor"), formula("max|t - r| / max|r|")
    own = formula("|i - t| <= atol + rtol * |t|")
    return Explanation(
        (
            "First the training side by itself: no layer is in train mode after eval(), no parameter or buffer holds "
            "NaN or Inf, and the same "
            "input gets the same answer twice.",
            "The tensors of the two preprocessing programs, t of training and i of deployment, agree elementwise: "
            f"{close}.",
            "Both engines give the same number of outputs with the same shapes and dtypes, and no NaN or Inf. "
            "Integers and bools are equal, but for near ties: where the training engine, moved by rounding, gives the inference engine's "
            "answer itself.",
            f"Float outputs obey the noise rule: {noise}, for every sample, where r is "
            f"the training engine in float64 "
            f"and the floor is the largest {floor} of any sample, but at least {FLOOR_ULPS:g} ulp of "
            f"float32 ({least:.2g}); so no "
            f"limit is below {K * least:.2g}. The same holds for the RMS of the error, whose floor is at least {least / FLOOR_ULPS:.2g}.",
            f"The first {REFERENCE_SAMPLES} samples get a reference r; later ones, and those whose two input tensors "
            f"differ, are compared with t, "
            f"and the limit is one floor larger. Where float64 is not possible the floor is how far {PERTURBATIONS} "
            f"runs with inputs and "
            "parameters moved by one ulp move the outputs.",
            "A variant in tf32, fp16 or bf16 has a floor of its own: how far the training engine moves from r when "
            "inputs, parameters and the "
            "outputs of every layer are rounded so. int8 has none and needs rtol or atol.",
            f"rtol and atol, where given, replace the rule: {own}, elementwise.",
            "The answers of postprocessing agree; two classes that the rule cannot tell apart are a near tie, which "
            "is counted and passes. Where there are none to compare, the summary shows a dash.",
            "The first sample gets the same answer when run again, inside a batch of two, after another batch size "
            "and on a cloned predictor.",
            f"The comparison sees something: where changing the picture moves no output by {VACUOUS:g} limits it is "
            f"vacuous, and fails.",
            "What was asked for is what ran: device, precision, engine and the options of an own variant are read "
            "back from the executed program.",
        ),
        "The deployed engine answers differently from the trained model, by more than rounding explains, or could not "
        "be made to answer. The "
        "first line is the cause where one was found, the line `stage:` says where the two sides part (`explain "
        "stages`), `to do:` what to do, "
        "and `again:` is the command that repeats it.",
        ("variant", "weights", "images", "image_size", "softmax", "batch_size", "threads", "seed", "rtol", "atol",
        "allow_missing", "python",
         "exported", "timeout", "no_diagnosis", "diagnosis_time", "artifacts", "teeth"),
    )  # fmt: skip


def _log() -> Explanation:
    from pytest_paddle_infer.gates import BATCHES
    from pytest_paddle_infer.judge.apart import CONFIDENCE
    from pytest_paddle_infer.log_check import ENOUGH_BATCHES, ENOUGH_OF_A_SHAPE, MOST_BATCHES
    from pytest_paddle_infer.logs.autolog import FIELDS, HEADINGS
    from pytest_paddle_infer.logs.autolog_check import MIN_RSS_MB, TOTAL_RTOL

    return Explanation(
        (
            f"A timed run leaves a log in AutoLog's format, and all {len(FIELDS)} fields are there, in their "
            f"{len(HEADINGS)} sections, typed and "
            f"plausible: cpu_rss(MB) is at least {MIN_RSS_MB:g}, and the time of every stage is above 0.",
            "Device, IR optimisation, memory optimisation, TensorRT, oneDNN and threads are what the engine's "
            "configuration says after it was "
            "made, not what was asked for.",
            "data_num is the number of samples timed, warm-up batches not counted. Without --paddle-repeats enough "
            "passes over the samples are "
            f"timed to make {ENOUGH_BATCHES} batches, {ENOUGH_OF_A_SHAPE} where inputs have an open size, and {MOST_BATCHES} "
            "batches at most.",
            f"The three stage times add up to the total time, within {100 * TOTAL_RTOL:g} % and the rounding of the "
            f"printed figures, and the total "
            "is not longer than the run was.",
            "Slow is no failure, unless --paddle-perf-compare is given: then a batch that is slower than the baseline "
            "allows is one, at a "
            f"confidence of {100 * CONFIDENCE:g} %, when it is so in two measurements. {BATCHES} batches are timed for it.",
        ),
        "The log does not say what the run did: a field is missing or cannot be true, and figures taken from it would "
        "be wrong. The first line "
        "names the field. Times that do not add up come from an overloaded machine. A performance regression says how "
        "much slower it is.",
        ("variant", "batch_size", "threads", "warmup", "repeats", "autolog", "output_dir", "perf_save",
        "perf_compare", "perf_dir"),
    )  # fmt: skip


def _variant(name: str) -> list[str]:
    from pytest_paddle_infer.judge.noise import UNIT_ROUNDOFF

    precision = PRECISIONS.get(name, "fp32")
    rule = "rtol or atol, which must be given: int8 has no rounding rule"
    if precision in UNIT_ROUNDOFF:
        rule = f"the noise rule, in {precision} (unit roundoff {UNIT_ROUNDOFF[precision]:.2g}); see `explain parity`"
    rows = [("chosen by", f"--paddle-variant={name}"), ("sets", SETS[name]), ("and, as all", COMMON)]
    rows += [("computes in", precision), ("judged by", rule)]
    if "tf32" in PARAMETERS[name]:
        rows.append(("", "from compute capability 8.0 on its float32 products are rounded to TF32, and judged so, unless tf32=off"))
    shown = [f"variant {name}", *pairs(rows), "", "parameters"]
    return [
        *shown,
        *pairs((key, MEANINGS[key]) for key in PARAMETERS[name]),
        "",
        "`variants` says whether it can run here, and why not.",
    ]
