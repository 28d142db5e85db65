"""Sentences of many rooms that are seldom said, each made once: see `tests/messages.py`. No paddle."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from failed_parity import REQUEST, failed
from filelock import Timeout
from report_content import content, passed
from report_content import failed as failed_test

from pytest_paddle_infer import layer_search, perf
from pytest_paddle_infer.artifacts_check import _check_batches, _of_other_outputs, _other_shapes
from pytest_paddle_infer.asking import CUT_OFF, Asking, step_of
from pytest_paddle_infer.bench import Bench, RunOptions
from pytest_paddle_infer.benchmark import check_log
from pytest_paddle_infer.command import stages, variants
from pytest_paddle_infer.command.asking import _how
from pytest_paddle_infer.conformance import Conformance
from pytest_paddle_infer.diagnose import Diagnosis, _excluded
from pytest_paddle_infer.diagnosis.batches import fixed_batch
from pytest_paddle_infer.diagnosis.finding import Deadline
from pytest_paddle_infer.diagnosis.stages import Step
from pytest_paddle_infer.distributions import ASK, WHEELS, paddle_of, version_of
from pytest_paddle_infer.evidence import folder, keeping
from pytest_paddle_infer.evidence.arrays import EvidenceError, read_arrays, write_arrays
from pytest_paddle_infer.evidence.folder import keep
from pytest_paddle_infer.evidence.keeping import Seen
from pytest_paddle_infer.evidence.reading import _check_value, read_folder
from pytest_paddle_infer.evidence.record import configuration_json, read_rule
from pytest_paddle_infer.exports import ExportedModel, ExportError, read_operators
from pytest_paddle_infer.factories import _load_file
from pytest_paddle_infer.failures import ConformanceFailure, Failure, OptionError, PaddleInferError, WorkerFailure
from pytest_paddle_infer.graphs import Operator, Program, Source, _constant
from pytest_paddle_infer.judge.latency import Latencies
from pytest_paddle_infer.log_check import LogCheck
from pytest_paddle_infer.logs import reprod
from pytest_paddle_infer.logs.autolog import FIELDS, INSTALL, AutoLogError, parse_autolog
from pytest_paddle_infer.models import ModelSpec, TensorSpec
from pytest_paddle_infer.near_ties import near_ties
from pytest_paddle_infer.progress import Progress
from pytest_paddle_infer.references import References
from pytest_paddle_infer.replaying import _Replay
from pytest_paddle_infer.report import cells, github, markdown, matrix_table, page, recorder
from pytest_paddle_infer.samples import SampleError
from pytest_paddle_infer.sampling import as_samples
from pytest_paddle_infer.teeth import Tooth, judge_planted
from pytest_paddle_infer.words import _worker_remedy, input_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SPEC = ModelSpec("net", factory="net:net")
X = TensorSpec((None, 3), "float32", "x")


# -- the command -------------------------------------------------------------------------------------------------------


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    assert _how(-63) == "the process was ended by signal 63"


def test_the_overview_of_stages_names_every_step_in_its_order() -> None:
    text = " ".join(" ".join(stages.overview()).split())
    assert [step for step in stages.ORDER if step not in text] == []


def test_variants_that_run_some_models_only_say_which() -> None:
    assert set(variants.NEEDS) == {"onednn-int8", "tensorrt-int8", "openvino"}
    assert all(need.startswith(("quantised models only", "only the .pdmodel")) for need in variants.NEEDS.values())


# -- exports, graphs, logs ---------------------------------------------------------------------------------------------


def test_a_file_that_is_no_paddle_2_program_has_no_operators(tmp_path: Path) -> None:
    (tmp_path / "inference.pdmodel").write_bytes(b"no program")
    with pytest.raises(ExportError, match=r"inference\.pdmodel is not a Paddle 2 program \(ProgramDesc\): it does not parse\."):
        read_operators(tmp_path / "inference.pdmodel")


def test_a_constant_of_many_elements_has_its_shape() -> None:
    assert _constant(Operator("full", (("shape", (2, 3)), ("value", 1.5)))) == ("all", 1.5, "in shape", (2, 3))


@pytest.mark.parametrize(("gone", "also"), [(("precision",), ""), (("precision", "model_name"), " (2 fields are missing)")])
def test_a_log_without_a_field_says_how_many_are_missing(gone: tuple[str, ...], also: str) -> None:
    heads = {field.section: f"{'-' * 22} {field.section} {'-' * 22}" for field in FIELDS}
    lines: list[str] = []
    for field in FIELDS:
        lines += [] if heads[field.section] in lines else [heads[field.section]]
        lines += [] if field.name in gone else [f"{field.name}: {'1' if field.kind in ('int', 'float', 'percent') else 'True'}"]
    with pytest.raises(AutoLogError, match=rf"is missing from the report{also.replace('(', '[(]').replace(')', '[)]')}\.$"):
        parse_autolog("\n".join(lines))


def test_a_log_that_took_longer_than_the_run_is_not_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = SimpleNamespace(total_time_s=2.0)
    monkeypatch.setattr("pytest_paddle_infer.benchmark.parse_autolog", lambda text: log)
    monkeypatch.setattr("pytest_paddle_infer.benchmark.problems", lambda *_, **__: [])
    (tmp_path / "log").write_text("")
    facts = SimpleNamespace(effective=SimpleNamespace(ir_optim=1, tensorrt=0, mkldnn=0, threads=1, memory_optim=1, device="cpu"))
    timings = SimpleNamespace(total=1.0, samples=4)
    _, found = check_log(tmp_path / "log", facts, timings, own=True)  # type: ignore[arg-type]
    assert found == ["total time spent(s) is 2.0000, expected at most the 1.0000 s that the run took."]


def dtype(code: object, order: str = "<") -> Any:
    made = reprod._Dtype(code)
    made.order = order
    return made


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: dtype("f9").to_numpy(), "dtype 'f9' is unknown"),
        (lambda: reprod._Array().to_numpy(), "its record is not that of an array"),
        (lambda: reprod._Scalar("f4").to_numpy(), "its record is not that of a number"),
        (lambda: reprod._from_bytes((-1,), dtype("f4"), b"", fortran=False), "shape (-1,) is impossible"),
        (
            lambda: reprod._from_bytes((0, 1 << 62), dtype("f8"), b"", fortran=False),
            "shape (0, 4611686018427387904) of float64 is impossible",
        ),
        (lambda: reprod._encode("x", "utf-16"), "it encodes with 'utf-16'"),
    ],
)
def test_what_a_foreign_file_holds_instead_of_an_array_is_said(make: Any, sentence: str) -> None:
    with pytest.raises(reprod.ReprodFileError) as caught:
        make()
    assert str(caught.value).startswith(sentence)


def test_where_auto_log_comes_from_is_said() -> None:
    assert INSTALL.startswith("the auto_log package is not installed, and it is not on PyPI: pip install 'git+https://")


# -- models, samples, inputs -------------------------------------------------------------------------------------------


def test_a_factory_in_a_file_that_is_no_python_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.txt").write_text("")
    with pytest.raises(ImportError, match=r"net\.txt is not a Python file"):
        _load_file(tmp_path / "net.txt")


def test_a_path_among_the_samples_that_is_not_there_is_named() -> None:
    with pytest.raises(SampleError, match=r"^there is no sample none\.png\.$"):
        as_samples([Path("none.png")])
    with pytest.raises(SampleError) as caught:
        as_samples(["the cat sat"])
    assert str(caught.value) == (
        "there is no file 'the cat sat': a text among the samples is a path. Samples that are text themselves are given as a dict, a tuple "
        "or another object that preprocess takes."
    )


def test_a_long_text_among_the_samples_is_shown_in_part() -> None:
    with pytest.raises(SampleError, match=r"^there is no file '(word ){15}\.\.\.': a text among the samples is a path\."):
        as_samples(["word " * 1000])


def test_a_text_in_a_dict_or_a_tuple_is_a_sample() -> None:
    values = [{"text": "the cat sat"}, ("the cat", "sat")]
    assert [sample.open() for sample in as_samples(values)] == values


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            replace(X, name="y"),
            "the export's inputs are y; asked for were x; input_spec may name them: ([None, 3], 'float32', 'y').",
        ),
        (replace(X, dtype="float64"), "the export's input 'x' is float64; asked for was float32."),
        (replace(X, shape=(None, 4)), "the export's input 'x' has shape [None, 4]; asked for was [None, 3]."),
        (
            replace(X, shape=(2, 3)),
            "the export's input 'x' has shape [2, 3]; asked for was [None, 3]; use None for the batch dimension.",
        ),
    ],
)
def test_another_input_than_was_asked_for_is_named(found: TensorSpec, sentence: str) -> None:
    assert input_problem([found], [X]) == sentence


@pytest.mark.parametrize(("shape", "open_"), [((1, 3, 64, 96), (None, 3, None, None)), ((None, 3, 64, 96), (None, 3, None, None))])
def test_sizes_that_an_export_fixed_are_not_told_as_the_batch_alone(shape: tuple[Any, ...], open_: tuple[Any, ...]) -> None:
    told = input_problem([replace(X, shape=shape)], [replace(X, shape=open_)])
    assert told.endswith(f"asked for was {list(open_)}; use None for each size that varies.")


def test_int8_needs_a_tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    references = References.__new__(References)
    monkeypatch.setattr(References, "of", lambda *_: None)
    with pytest.raises(
        OptionError, match="int8 has no rounding rule, because its error is that of the quantisation scales; give rtol or"
    ):
        references.in_precision(None, SPEC, "int8")  # type: ignore[arg-type]


# -- checkpoints and their diagnosis -----------------------------------------------------------------------------------


def test_another_number_or_shape_of_outputs_is_named() -> None:
    assert _other_shapes(2, [(2, 3)], [(2, 3), (2,)]) == "the export has 1 output, the model 2."
    assert _other_shapes(2, [(2, 3), (2,)], [(2, 3)]) == "the export has 2 outputs, the model 1."
    told = "a batch of 5 gives outputs of shape [1, 3], where the training engine gives [5, 3]."
    assert _other_shapes(5, [(1, 3)], [(5, 3)]) == told


A, B, C = (1, 144, 4), (1, 2), (1, 144, 3)


@pytest.mark.parametrize(
    ("found", "wanted", "sentence", "remedy"),
    [
        (
            [C, A, B],
            [A, B, C],
            "the export gives its outputs in another order, by their shapes: a batch of 1 gives",
            "export with the order",
        ),
        (
            [(1, 4, 144), B, C],
            [A, B, C],
            "the axes of output 0 are in another order in the export, by their sizes: a batch of 1 gives",
            "look for a transpose",
        ),
        ([(1, 4, 144), (2, 1)], [A, B], "the axes of output 0 and 1 are in another order", "look for a transpose"),
        (
            [(1, 4, 64)],
            [(1, 64, 64)],
            "a batch of 1 gives outputs of shape [1, 4, 64], where",
            "export the forward that is tested: an argmax",
        ),
        ([(1, 4, 144), (1, 3)], [A, B], "a batch of 1 gives", "export the forward that is tested: an argmax"),
        ([(1, 4)], [A], "a batch of 1 gives outputs of shape [1, 4], where", ""),
        ([A], [A, B], "the export has 1 output, the model 2.", "export the forward that is tested: that of another layer"),
    ],
)
def test_outputs_and_axes_in_another_order_are_known_by_their_shapes(found: Any, wanted: Any, sentence: str, remedy: str) -> None:
    error = _of_other_outputs(found, wanted)
    assert str(error).startswith(sentence)
    assert error.remedy.startswith(remedy)
    assert bool(error.remedy) is bool(remedy)


@pytest.mark.parametrize(
    ("rtol", "remedy"), [(None, "use trained weights, other samples, or compare logits"), (0.1, "give a smaller rtol")]
)
def test_a_comparison_that_sees_nothing_says_what_to_give(tmp_path: Path, rtol: float | None, remedy: str) -> None:
    held = Conformance(RunOptions(tmp_path, tmp_path, tmp_path))
    run, bench = SimpleNamespace(passed=True, vacuous="it is vacuous.", outputs=()), SimpleNamespace(spec=replace(SPEC, rtol=rtol))
    found = held._parity_check._cause(bench, "cpu", None, run, None, Seen())  # type: ignore[arg-type]
    assert found is not None
    assert (found.stage, found.cause) == ("comparison", "it is vacuous.")
    assert found.remedy.startswith(remedy)


def test_integers_that_show_nothing_have_no_scores_to_compare(tmp_path: Path) -> None:
    held = Conformance(RunOptions(tmp_path, tmp_path, tmp_path))
    run = SimpleNamespace(passed=True, vacuous="it is vacuous.", outputs=(SimpleNamespace(integers=True),))
    found = held._parity_check._cause(SimpleNamespace(spec=SPEC), "cpu", None, run, None, Seen())  # type: ignore[arg-type]
    assert found is not None
    assert found.remedy == "use trained weights or other samples, or return what the integers are made of as well."


def test_a_layer_whose_near_ties_cannot_be_asked_has_none() -> None:
    assert near_ties(None, "int8", 0, 1) is None  # type: ignore[arg-type]

    kind = "exception"

    def call(*_: Any, parts: int) -> Any:
        assert parts > 1, "of several runs, each has its time"
        raise WorkerFailure("training engine: look for near ties", kind, "no hook")

    near = near_ties(SimpleNamespace(call=call, training=lambda: None), "fp32", 0, 1)  # type: ignore[arg-type]
    assert near is not None
    assert not near(0, np.ones(3, int), np.zeros(3, int)).any()
    kind = "timeout"
    with pytest.raises(WorkerFailure):
        near(0, np.ones(3, int), np.zeros(3, int))


def test_an_operator_that_onednn_cannot_run_has_a_way_round() -> None:
    error = WorkerFailure("inference engine: load the model", "exception", "x ConvertPirAttribute2RuntimeAttribute y")
    assert 'call config.delete_pass("onednn_placement_pass"), or deploy with the variant cpu.' in _worker_remedy(error)


def test_an_export_that_fails_without_a_line_says_where_to_look() -> None:
    error = WorkerFailure("export: to_static and jit.save", "exception", "ValueError: the feed", error="ValueError")
    assert _worker_remedy(error).startswith("look in forward for what the error names")
    located = WorkerFailure("export: to_static", "exception", "ValueError: the feed", error="ValueError", location="net.py:3")
    assert _worker_remedy(located).startswith("change the line above")


def test_a_batch_size_that_was_baked_in_is_named() -> None:
    answers = iter([{1: [(1, 3)], 2: [(1, 3)], 5: [(1, 3)]}, {1: [(1, 3)], 2: [(2, 3)]}])
    bench = SimpleNamespace(training=lambda: None, begin=lambda *_: None, end=lambda worker: next(answers))
    with pytest.raises(ExportError) as caught:
        _check_batches(bench, None, None)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "a batch of 2 gives outputs of shape [1, 3], where the training engine gives [2, 3]: "
        "the batch size was baked in when the model was traced (a Python loop or number over x.shape[0])."
    )


RESHAPED = Program(
    "json",
    (TensorSpec((None, 16, 96), "float32", "x"),),
    (
        Operator("relu", (), (Source("input", "x"),), (TensorSpec((None, 16, 96), "float32", ""),)),
        Operator("reshape", (), (Source("operator", producer=0),), (TensorSpec((16, None), "float32", ""),)),
        Operator("reshape", (), (Source("operator", producer=0),), (TensorSpec((1, 64), "float32", ""),)),
    ),
    (),
)


def reshaped(shape: tuple[int | None, ...], given: tuple[int | None, ...] = (None, 16, 96), kind: str = "reshape") -> Program:
    operator = Operator(kind, (), (Source("input", "x"),), (TensorSpec(shape, "float32", ""),))
    return Program("json", (TensorSpec(given, "float32", "x"),), (operator,), ())


@pytest.mark.parametrize(
    ("given", "shape", "kind", "batch"),
    [
        ((None, 3, None, None), (3, None), "reshape", 0),
        ((None, 1, None, None), (1, None), "reshape", 0),
        ((None, 3, None, None), (1, None), "reshape", 1),
        ((None, 1, 8), (1, 8), "reshape", 1),
        ((None, 3, 8), (3, 8), "reshape", None),
        ((None, 3, 8), (4, 3, 8), "reshape2", 4),
        ((None, 1, None), (4, 3, None), "expand_v2", 4),
    ],
)
def test_only_a_number_that_can_be_nothing_but_the_batch_is_said_to_fix_it(
    given: Any, shape: Any, kind: str, batch: int | None
) -> None:
    """batch: 0 where nothing fixes it, None where an operator may."""
    program = reshaped(shape, given, kind)
    assert fixed_batch(program) == (None if batch == 0 else (program.operators[0], batch))


def test_an_operator_that_fixes_the_batch_goes_before_one_that_may() -> None:
    may, does = reshaped((16, 96)), reshaped((1, 16 * 96))
    assert fixed_batch(replace(may, operators=(*may.operators, *does.operators))) == (does.operators[0], 1)


def refusing(sizes: Sequence[int], trained: Sequence[int] = ()) -> SimpleNamespace:
    """A bench whose inference engine refuses these batch sizes, and whose training engine those."""

    def call(worker: str, step: str, method: str, asked: tuple[int, ...]) -> Any:
        if set(asked) & set(sizes if worker == "inference" else trained):
            raise WorkerFailure(f"{worker}: {step}", "exception", "InvalidArgumentError: " + "words " * 100, "net.py:3")

    return SimpleNamespace(
        training=lambda: "training", begin=lambda *_: None, end=lambda worker: call(worker, "", "", (1, 2, 5)), call=call, spec=SPEC
    )


@pytest.mark.parametrize(
    ("program", "trained", "cause", "named", "model"),
    [
        (
            RESHAPED,
            (2,),
            "and none of 2 or 5: its graph fixes the batch to 1 in a reshape (to [1, 64]).",
            ("operator", "reshape"),
            True,
        ),
        (
            reshaped((16, 96)),
            (),
            "and none of 2 or 5: its graph has every size fixed in a reshape (to [16, 96]).",
            ("operator", "reshape"),
            False,
        ),
        (replace(RESHAPED, operators=RESHAPED.operators[:2]), (), "and none of 2 or 5.", ("setting", "batch size"), False),
        (None, (), "and none of 2 or 5.", ("setting", "batch size"), False),
    ],
    ids=["named", "every size", "no operator", "no graph"],
)
def test_batch_sizes_that_an_export_cannot_run_are_named_with_what_fixes_them(
    program: Program | None,
    trained: Sequence[int],
    cause: str,
    named: tuple[str, str],
    model: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read(path: Path) -> Program:
        if program is None:
            raise ExportError("a form of tomorrow")
        return program

    monkeypatch.setattr("pytest_paddle_infer.graphs.read_program", read)
    monkeypatch.setattr(ExportedModel, "model_file", Path("inference.json"))
    export = ExportedModel(Path(__file__).parent)
    with pytest.raises(ConformanceFailure) as caught:
        _check_batches(refusing((2, 5), trained), "inference", export)  # type: ignore[arg-type]
    red = caught.value.failure
    assert red.title == f"{SPEC.name}: the export runs a batch of 1, {cause}"
    assert (red.stage, red.kind, red.name) == ("export", *named)
    assert len(dict(red.facts)["said"]) <= 300
    assert dict(red.facts)["at"] == "net.py:3"
    assert dict(red.facts).get("model", "") == ("its forward cannot run a batch of 2 either" if model else "")
    assert red.remedy.startswith("write -1 (or x.shape[0]) for the batch in forward, or declare the batch in input_spec")


@pytest.mark.parametrize("sizes", [(1, 2, 5), (1,)])
def test_an_export_that_cannot_run_one_sample_is_not_told_of_batches(sizes: tuple[int, ...]) -> None:
    with pytest.raises(WorkerFailure, match="InvalidArgumentError"):
        _check_batches(refusing(sizes), "inference", None)  # type: ignore[arg-type]


def test_a_log_that_is_not_true_says_which_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With AutoLog as the writer, which wrote nothing."""
    steps: list[str] = []
    bench: Any = SimpleNamespace(
        samples=(1, 2), training_is_warm=True, model=SimpleNamespace(inputs=(), weights="w.pdparams"), inference=lambda *_: (None, None),
        training=lambda: None, call=lambda worker, step, *_, **__: steps.append(step), options=RunOptions(tmp_path, tmp_path, tmp_path),
    )  # fmt: skip
    check = LogCheck(RunOptions(tmp_path, tmp_path, tmp_path, autolog="auto_log"), Progress())
    with pytest.raises(ConformanceFailure) as caught:
        check.run(bench, SPEC, "cpu", ExportedModel(tmp_path), tmp_path)
    red = caught.value.failure
    assert red.title.startswith("net, cpu: the benchmark log is not true: inference_benchmark.log: ")
    assert red.remedy == "every field must say what the run did; run again on a machine that is not overloaded."
    assert steps == ["let auto_log write the log", "time the training engine"]


def test_without_float64_the_reference_moves_by_one_ulp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []

    class Worker:
        name = "training engine"

        def submit(self, step: str, *_: Any, timeout: float) -> None:
            steps.append(step)

        def result(self, watch: Any = None) -> Any:
            return None if len(steps) == 1 else {"source": "one ulp"}

        def close(self) -> None: ...

    monkeypatch.setattr(Bench, "_reference_worker", lambda self: Worker())
    bench = Bench(SPEC, (), None, RunOptions(tmp_path, tmp_path, tmp_path), Progress())  # type: ignore[arg-type]
    assert bench.finish_reference(tmp_path, 1) == {"source": "one ulp"}
    assert steps == ["training engine: run in float64", "training engine: move by one ulp"]


def searches(tmp_path: Path) -> Diagnosis:
    return Diagnosis(RunOptions(tmp_path, tmp_path, tmp_path), Progress(), lambda bench, seconds: ExportedModel(tmp_path))


def test_what_the_comparison_alone_shows_has_its_remedy(tmp_path: Path) -> None:
    run = SimpleNamespace(count_problem="2 outputs for 1.", inputs_differ=False)
    assert searches(tmp_path)._shown(ExportedModel(tmp_path), run).remedy == "return each output once, and no input as an output."  # type: ignore[arg-type]
    run = SimpleNamespace(
        count_problem="", inputs_differ=True, input_problem="", input_finding=lambda: None, worst_input_sample=5, made_anew=()
    )
    shown = searches(tmp_path)._shown(ExportedModel(tmp_path), run)  # type: ignore[arg-type]
    assert shown.cause == "the two preprocessing programs make different tensors."
    assert shown.remedy.endswith("sample 5.")


def test_an_export_of_the_layer_in_train_mode_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Asking, "running", lambda *_: ["trained"])
    run = SimpleNamespace(
        example=SimpleNamespace(training=["eval"], inference=["trained"], start=0, stop=1), agrees=lambda one, two: one == two
    )
    found = searches(tmp_path)._in_train_mode(SimpleNamespace(training=None), run, Deadline(9))  # type: ignore[arg-type]
    assert found is not None
    assert found.cause.startswith("the export was made in train mode: the layer in train() gives the inference engine's outputs")
    assert (found.name, found.remedy) == ("train mode", "call layer.eval() before paddle.jit.save.")


@pytest.mark.parametrize(("sure", "said"), [(True, "deploy with the variant cpu, or look at this layer"), (False, "")])
def test_a_variant_without_a_guilty_pass_names_the_layer_or_says_that_none_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sure: bool, said: str
) -> None:
    from pytest_paddle_infer.diagnosis import pass_findings
    from pytest_paddle_infer.diagnosis.finding import Finding
    from pytest_paddle_infer.engine import pass_trials

    located = SimpleNamespace(
        compared=(),
        reason="",
        as_finding=lambda stage, remedy: Finding(stage, "in fc.", "layer", "fc", (), remedy) if sure else None,
    )
    monkeypatch.setattr(pass_trials, "search_passes", lambda *_, **__: None)
    monkeypatch.setattr(pass_findings, "finding_of", lambda search: Finding("run", "no pass is guilty.", certain=False))
    monkeypatch.setattr(layer_search, "locate_in_variant", lambda *_: located)
    comparison = SimpleNamespace(training=[], inference=[], agrees=None)
    found = searches(tmp_path)._of_optimisation(None, "onednn", ExportedModel(tmp_path), comparison, [], Deadline(9))  # type: ignore[arg-type]
    assert found.remedy.startswith(said)
    assert dict(found.facts) == ({"passes": "no pass is guilty."} if sure else {"layer": "none was found"})


def test_what_was_excluded_is_listed_and_what_was_cut_off_is_not_asked() -> None:
    steps = [Step("dygraph"), Step("jit.load"), Step("onednn", error=9.0)]
    assert list(_excluded(steps, "", Deadline(0))) == [
        "the preprocessing (both programs make the same tensors)", "jit.load (within the noise floor)",
        "and then the time was over (--paddle-diagnosis-time)",
    ]  # fmt: skip
    assert step_of("raw", CUT_OFF, None).asked is False  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (WorkerFailure("diagnosis: compare", "signal", "the process died of SIGSEGV (signal 11)"),
         "the search for the layer failed (the process died of SIGSEGV (signal 11))."),
        (ExportError("inference.json is empty (0 bytes)"), "the search for the layer failed (inference.json is empty (0 bytes))."),
    ],
)  # fmt: skip
def test_a_search_for_the_layer_that_fails_says_why(error: PaddleInferError, sentence: str) -> None:
    def check_readable(*_: Any, **__: Any) -> None:
        raise error

    bench: Any = SimpleNamespace(check_readable=check_readable)
    assert layer_search._asked(bench, ExportedModel(Path("none")), Deadline(9), "compare", dict, "locate") == sentence
    late = layer_search._asked(bench, ExportedModel(Path("none")), Deadline(0), "compare", dict, "locate")
    assert late == "there was no time to compare layer by layer."


@pytest.mark.parametrize(
    ("tooth", "line"),
    [
        (Tooth("BGR", True, 12.5, ""), "caught  BGR: moves the outputs by 12.5 limits"),
        (Tooth("softmax left out", True, float("inf"), ""), "caught  softmax left out: changes shape, dtype or exact values"),
    ],
)
def test_a_planted_fault_is_one_line(tooth: Tooth, line: str) -> None:
    assert str(tooth) == line


@pytest.mark.parametrize("in_weights", [True, False])
def test_a_planted_fault_that_is_missed_says_what_is_allowed_and_who_sees_it(in_weights: bool) -> None:
    from pytest_paddle_infer.judge.noise import Floor
    from pytest_paddle_infer.reference import Reference, ReferenceBatch

    answers = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
    reference = Reference(
        (ReferenceBatch(0, 2, "", [answers], [answers.astype(np.float64)]),),
        ("",),
        (Floor(1e-6, 5e-7, "float64", 1.0),),
        (1.0,),
        "float64",
    )
    planted: Any = SimpleNamespace(fault="weights off", outputs=[[answers]], in_weights=in_weights)
    tooth = judge_planted(SPEC, reference, planted)
    assert not tooth.caught
    assert tooth.explanation.startswith(" (0 of the largest value, where 4e-06 is allowed for rounding)")
    assert tooth.explanation.endswith("; the artifacts checkpoint catches it, bit for bit") is in_weights


@pytest.mark.parametrize(("moved", "asked", "caught"), [(1e-5, 1, False), (1.5e-5, 1, False), (5e-5, 0, True), (1e-6, 0, False)])
def test_a_planted_fault_is_judged_by_the_floor_of_more_draws_where_the_verdict_is(moved: float, asked: int, caught: bool) -> None:
    from pytest_paddle_infer.judge.noise import Floor
    from pytest_paddle_infer.reference import Reference, ReferenceBatch

    answers = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
    batches = (ReferenceBatch(0, 2, "", [answers], [answers.astype(np.float64)]),)
    first, steadier = (
        Reference(batches, ("",), (Floor(maximum, maximum, "float64", 1.0),), (1.0,), "float64") for maximum in (1e-6, 4e-6)
    )
    faulty = answers.copy()
    faulty[0, 0] *= 1 + moved
    planted: Any = SimpleNamespace(fault="weights off", outputs=[[faulty]], in_weights=True)
    times: list[Reference] = []
    tooth = judge_planted(SPEC, first, planted, steadier=lambda: times.append(steadier) or steadier)  # type: ignore[func-returns-value]
    assert (len(times), tooth.caught) == (asked, caught)
    assert tooth.limits == pytest.approx(moved / (1.6e-5 if asked else 4e-6), rel=0.05)
    assert judge_planted(SPEC, first, planted).caught is (moved > 4e-6), "where no more draws are to be had"


@pytest.mark.parametrize(("ties", "told"), [(2, ""), (1, " (1 of 8 integers differ, near ties)"), (0, "")])
def test_a_planted_fault_of_integers_is_judged_with_near_ties(ties: int, told: str) -> None:
    from pytest_paddle_infer.judge.noise import Floor
    from pytest_paddle_infer.reference import Reference, ReferenceBatch

    whole = np.arange(8).reshape(2, 4)
    reference = Reference((ReferenceBatch(0, 2, "", [whole], None),), ("",), (Floor(1e-6, 5e-7),), (1.0,), "float64")
    faulty = whole.copy()
    faulty[0, :ties] += 1
    planted: Any = SimpleNamespace(fault="off", outputs=[[faulty]], in_weights=False)
    tooth = judge_planted(SPEC, reference, planted, lambda start, stop: lambda output, one, two: one != two)
    assert (tooth.caught, tooth.limits, tooth.explanation) == (
        ties > 1,
        float("inf") if ties > 1 else 0.0,
        told,
    ), "one may always be a tie"
    assert judge_planted(SPEC, reference, planted).caught is bool(ties)


# -- evidence ----------------------------------------------------------------------------------------------------------


def test_what_a_file_of_arrays_is_not_is_said(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"an array of object cannot be kept without a pickle\."):
        write_arrays(tmp_path / "a.npz", {"output": [np.array([None])]})
    with pytest.raises(EvidenceError, match=r"none\.npz cannot be read: it is missing\."):
        read_arrays(tmp_path / "none.npz", "output")
    np.save(tmp_path / "plain.npy", np.zeros(2))
    with pytest.raises(EvidenceError, match=r"plain\.npy is no \.npz file\."):
        read_arrays(tmp_path / "plain.npy", "output")
    np.savez(tmp_path / "gap.npz", output_1=np.zeros(2))
    with pytest.raises(EvidenceError, match=r"gap\.npz lacks output_0\."):
        read_arrays(tmp_path / "gap.npz", "output")


def test_a_directory_with_too_many_folders_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MOST", 1)
    keep(failed(), None, tmp_path)
    with pytest.raises(EvidenceError, match=r"the evidence was not kept: .* holds 1 folders of tiny.* already; remove some\."):
        keep(failed(), None, tmp_path)


def test_evidence_that_could_not_be_kept_is_a_fact_of_the_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise EvidenceError("the evidence was not kept in /x: the disk is full.")

    monkeypatch.setattr(keeping, "_collected", full)
    red, seen = ConformanceFailure(Failure("net: off.")), keeping.Seen(run=SimpleNamespace())  # type: ignore[arg-type]
    kept = keeping.keep_failure(None, SPEC, "cpu", ExportedModel(tmp_path), red, seen, tmp_path, False)  # type: ignore[arg-type]
    assert kept.facts == (("kept", "nothing: the evidence was not kept in /x: the disk is full."),)


def test_what_is_not_written_into_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no argument of a call"):
        _check_value([{"enum": 1, "more": 2}])
    with pytest.raises(ValueError, match="there is no rule 'mean'"):
        read_rule({"kind": "mean"})
    path = keep(failed(versions={}), None, tmp_path)
    assert read_folder(path).then == "of an unknown version"


def test_the_conversion_to_tensorrt_is_said_to_be_left_out() -> None:
    body = configuration_json(failed(request=replace(REQUEST, base="tensorrt")))
    assert body["not_repeatable"][-1].startswith(
        "the conversion to TensorRT: pytest --paddle-replay makes it again, reproduce.py runs"
    )


def replayed(tmp_path: Path, python: str = "", **changes: Any) -> Any:
    kept = read_folder(keep(failed(**changes), None, tmp_path))
    options: Any = SimpleNamespace(setup=SimpleNamespace(python=python), timeout=1.0, cores=())
    return _Replay(kept, REQUEST, options)


def test_a_replay_on_another_paddle_says_what_was_made_again_and_what_it_runs_on(tmp_path: Path) -> None:
    replay = replayed(tmp_path, "/other/python", versions={"paddle_version": "2.6.2"})
    replay._kept = replace(replay._kept, versions={**replay._kept.versions, "numpy": "1.0.0"})
    replay._loaded = SimpleNamespace(base_remade=True, left_out=(), versions={})
    assert dict(replay._notes())["variant"] == "onednn as this Paddle needs it, then the recorded calls of its own function"
    facts = dict(replay._versions())
    assert facts["Paddle"] == "2.6.2 then, that of /other/python now"
    assert facts["beside"].startswith("numpy 1.0.0, now ")


# -- baselines ---------------------------------------------------------------------------------------------------------


def test_a_baseline_that_another_process_holds_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def held(*_: Any, **__: Any) -> Iterator[None]:
        raise Timeout("lock")
        yield

    monkeypatch.setattr("filelock.FileLock", held)
    with (
        pytest.raises(perf.PerfError, match=r"another process held the baseline .*x\.json for \d+ s: end it, and save again"),
        perf._locked(tmp_path, tmp_path / "main" / "x.json"),
    ):
        pass


def test_a_baseline_of_another_machine_without_a_date_is_shown_as_such() -> None:
    run: Any = SimpleNamespace(latencies=Latencies((0.01,), (0.02,), 1), paddle="3.3.1", date="")
    item: Any = SimpleNamespace(name="main", machine="another", runs=[run], workload=SimpleNamespace(batch_size=1))
    assert perf.Other("another machine", (item,)).lines() == (
        "the baseline 'main': another: median 10 ms a batch of 1, Paddle 3.3.1, no date",
    )


# -- reports -----------------------------------------------------------------------------------------------------------


def test_every_column_of_the_comparison_is_explained() -> None:
    told = content(passed())
    shown = [cells.MEANING[name] for name in cells.table(told["models"][0])[0] if name in cells.MEANING]
    assert len(shown) > 1
    assert all(meaning in page.to_html(told) for meaning in shown)


def test_a_model_timed_in_batches_says_how_large_they_are() -> None:
    assert cells.title_of({"model": "net", "batch_size": 4}) == "net, batches of 4"


def test_an_annotation_has_the_stage_the_remedy_and_the_command() -> None:
    told = content(failed_test("net, cpu: off."))
    test = {**cells.failures(told)[0]}
    test["failure"] = {**test["failure"], "stage": "export", "remedy": "export again."}
    line = github._of(test, Path("/x"), Path("/x"))
    assert "net, cpu: off.%0Astage: export%0Ato do: export again.%0Aagain: pytest it" in line


def test_a_report_without_paddle_says_so() -> None:
    told = content(passed())
    told["environment"]["paddle"] = None
    assert "no Paddle" in markdown.to_markdown(told)
    assert "no Paddle, " in page.to_html(told)


def test_a_problem_of_the_session_and_another_python_are_on_the_page() -> None:
    told = content(passed(), problems=[("", "it broke")])
    told["environment"]["engine_python"] = "/other/python"
    html = unescape(page.to_html(told))
    assert "<h3>the session</h3>" in html
    assert "the inference engine's Python" in html
    assert "the inference engine's Paddle" in html
    assert page._ALLOWED in html


@pytest.mark.parametrize(
    ("version", "words"), [("3.3.1", "inference engine Paddle 3.3.1"), (None, "inference engine of another Python")]
)
def test_the_summary_names_the_paddle_of_another_python(version: str | None, words: str) -> None:
    told = content(passed())
    told["environment"].update(paddle="2.6.2", engine_python="/other/python", engine_paddle=version)
    assert f"1 passed; Paddle 2.6.2, {words}, Python 3.11.7, AMD EPYC." in markdown.to_markdown(told)
    assert "inference engine" not in markdown.to_markdown(content(passed()))


def test_another_python_is_asked_for_its_paddle(tmp_path: Path) -> None:
    here = next(filter(None, map(version_of, WHEELS)), "")
    assert str(WHEELS) in ASK
    assert paddle_of(sys.executable) == here
    assert paddle_of(str(tmp_path / "none")) == ""
    (tmp_path / "broken").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "broken").chmod(0o755)
    assert paddle_of(str(tmp_path / "broken")) == ""
    (tmp_path / "python").write_text("#!/bin/sh\necho 3.9.9\n")
    (tmp_path / "python").chmod(0o755)
    assert paddle_of(str(tmp_path / "python")) == "3.9.9"


def test_one_objective_has_a_plain_legend() -> None:
    assert next(matrix_table._legend(SimpleNamespace(objectives=("p50",)))) == "* best in p50"  # type: ignore[arg-type]


def test_a_report_that_has_no_place_in_the_ini_file_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings: Any = SimpleNamespace(report=str(tmp_path / "file"), given=frozenset())
    config: Any = SimpleNamespace(getoption=lambda name: False)
    with pytest.raises(OptionError, match=r"ini value paddle_report: .*file is not a directory"):
        recorder.start(config, settings)
