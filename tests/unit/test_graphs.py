"""graphs.py on files made here, and diagnosis.graphs on graphs made by hand; Paddle is not needed."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_paddle_infer.diagnosis.canonical import shown
from pytest_paddle_infer.diagnosis.graphs import _AGAIN, compare
from pytest_paddle_infer.exports import ExportError
from pytest_paddle_infer.graphs import Operator, Program, Source, read_program
from pytest_paddle_infer.models import TensorSpec

DATA = Path(__file__).parent.parent / "e2e" / "data"
X = TensorSpec((None, 6), "float32", "x")


# -- readers -----------------------------------------------------------------------------------------------------------


def attribute(name: str, kind: str, data: Any) -> dict[str, Any]:
    return {"N": name, "AT": {"#": kind, "D": data}}


def value(number: int, shape: list[int]) -> dict[str, Any]:
    return {"%": number, "TT": {"#": "0.t_dtensor", "D": [{"#": "0.t_f32"}, shape, "NCHW", [], 0]}}


def pir(*operations: dict[str, Any]) -> str:
    head = [
        {"#": "p", "A": [0, 1, 1, "linear_0.w_0"], "O": value(1, [6, 4]), "OA": [1, 0, 1]},
        {"#": "1.data", "A": [attribute("name", "0.a_str", "x")], "I": [], "O": [value(2, [-1, 6])]},
    ]
    ops = [*head, *operations]
    return json.dumps({"base_code": {"magic": "pir"}, "program": {"regions": [{"blocks": [{"#": "", "args": [], "ops": ops}]}]}})


def test_constants_and_lists_of_a_pir_program_become_attributes_and_inputs(tmp_path: Path) -> None:
    path = tmp_path / "inference.json"
    path.write_text(
        pir(
            {"#": "1.matmul", "A": [attribute("struct_name", "0.a_str", "/Linear/")], "I": [{"%": 2}, {"%": 1}], "O": [value(3, [-1, 4])]},
            {"#": "1.full", "A": [attribute("shape", "1.a_intarray", [1]), attribute("value", "0.a_f64", 1.01)], "I": [],
             "O": [value(4, [1])]},
            {"#": "1.scale", "A": [attribute("bias", "0.a_f32", 0.0)], "I": [{"%": 3}, {"%": 4}], "O": [value(5, [-1, 4])]},
            {"#": "0.combine", "A": [], "I": [{"%": 3}, {"%": 5}], "O": [{"%": 6, "TT": {"#": "0.t_vec", "D": []}}]},
            {"#": "1.full", "A": [attribute("shape", "1.a_intarray", [1]), attribute("value", "0.a_f64", 1)], "I": [],
             "O": [value(7, [1])]},
            {"#": "1.concat", "A": [], "I": [{"%": 6}, {"%": 7}], "O": [value(8, [-1, 8])]},
            {"#": "1.relu_", "A": [], "I": [{"%": 8}], "O": [value(9, [-1, 8])]},
            {"#": "1.fetch", "A": [attribute("col", "0.a_i32", 0)], "I": [{"%": 9}], "O": [value(10, [-1, 8])]},
        )
    )  # fmt: skip
    program = read_program(path)
    assert [(operator.kind, dict(operator.attributes)) for operator in program.operators] == [
        ("matmul", {}), ("scale", {"bias": 0.0, "scale": 1.01}), ("concat", {"axis": 1}), ("relu", {}),
    ]  # fmt: skip
    assert program.operators[0].inputs == (Source("input", "x"), Source("parameter", "linear_0.w_0"))
    assert program.operators[2].inputs == (Source("operator", producer=0), Source("operator", producer=1))
    assert program.outputs == (Source("operator", producer=3),)
    assert program.operators[0].outputs == (TensorSpec((None, 4), "float32", ""),)


def test_the_operators_of_a_paddle_2_program_are_read_without_what_names_and_places_them() -> None:
    program = read_program(DATA / "paddle26" / "export" / "inference.pdmodel")
    assert [operator.kind for operator in program.operators] == [
        "conv2d", "batch_norm", "relu", "conv2d", "reshape2", "elementwise_add", "batch_norm", "relu", "pool2d",
        "flatten_contiguous_range", "dropout", "matmul_v2", "elementwise_add",
    ]  # fmt: skip
    assert dict(program.operators[1].attributes) == {
        "data_layout": "NCHW", "epsilon": struct.unpack("f", struct.pack("f", 1e-5))[0], "is_test": True,
        "momentum": struct.unpack("f", struct.pack("f", 0.9))[0], "trainable_statistics": False, "use_global_stats": True,
    }  # fmt: skip
    assert program.operators[0].inputs == (Source("input", "x"), Source("parameter", "conv2d_0.w_0"))
    assert program.operators[2].inputs == (Source("operator", producer=1),)
    assert program.outputs == (Source("operator", producer=12),)


def test_a_graph_without_the_value_that_it_fetches_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "inference.json"
    path.write_text(pir({"#": "1.fetch", "A": [], "I": [], "O": []}))
    with pytest.raises(ExportError, match="operators that cannot be read"):
        read_program(path)


# -- comparison --------------------------------------------------------------------------------------------------------


def program(*operators: Operator, outputs: tuple[int, ...] = (-1,), form: str = "json") -> Program:
    fetched = tuple(Source("operator", producer=k % len(operators)) for k in outputs)
    return Program(form, (X,), operators, fetched)


def op(kind: str, *inputs: int | str, **attributes: Any) -> Operator:
    """An int is the operator of that number, "x" and "mask" the network's inputs, anything else a parameter."""
    sources = tuple(
        Source("operator", producer=item)
        if isinstance(item, int)
        else Source("input" if item in ("x", "mask") else "parameter", item)
        for item in inputs
    )
    return Operator(kind, tuple(sorted(attributes.items())), sources)


FC = (op("matmul", "x", "fc.weight"), op("add", 0, "fc.bias"))


def cause(given: Program, own: Program) -> str:
    finding = compare(given, own)
    return "" if finding is None else finding.cause


def test_an_attribute_that_changed_is_named_with_both_values() -> None:
    found = compare(program(*FC, op("scale", 1, scale=1.01)), program(*FC, op("scale", 1, scale=1.0)))
    assert found is not None
    assert (
        found.cause
        == "the exported graph differs at scale behind `fc`: scale is 1.01 in the export, 1.0 in the model's own export."
    )
    assert (found.stage, found.kind, found.name) == ("export", "operator", "scale")


@pytest.mark.parametrize(
    "cosmetic",
    [op("assign", 1), op("scale", 1, scale=1.0, bias=0.0), op("dropout", 1, is_test=True, mode="upscale_in_train", p=0.5)],
)
def test_an_operator_that_changes_nothing_is_not_accused(cosmetic: Operator) -> None:
    assert compare(program(*FC, cosmetic), program(*FC)) is None
    found = cause(program(*FC, cosmetic, op("relu", 2)), program(*FC, op("sigmoid", 1)))
    assert found == "the export has relu behind `fc` where the model's own export has sigmoid."


def test_independent_operators_in_another_order_are_not_accused() -> None:
    one = (*FC, op("relu", 1), op("sigmoid", 1), op("add", 2, 3))
    two = (*FC, op("sigmoid", 1), op("relu", 1), op("add", 2, 3))
    assert compare(program(*one), program(*two)) is None
    scaled = [program(*net, op("scale", 4, scale=factor)) for net, factor in ((one, 2.0), (two, 3.0))]
    assert (
        cause(*scaled)
        == "the exported graph differs at scale behind `fc`: scale is 2.0 in the export, 3.0 in the model's own export."
    )


def test_a_sum_with_its_terms_exchanged_is_not_accused_but_a_difference_is() -> None:
    def net(kind: str, *order: int) -> Program:
        return program(*FC, op("relu", 1), op(kind, *order))

    assert compare(net("add", 1, 2), net("add", 2, 1)) is None
    assert "subtract behind `fc` takes its inputs in another order" in cause(net("subtract", 1, 2), net("subtract", 2, 1))


def test_an_operator_in_train_mode_says_so() -> None:
    given, own = (program(*FC, op("dropout", 1, is_test=test, mode="downgrade_in_infer")) for test in (False, True))
    assert cause(given, own).startswith("the export was made in train mode: dropout behind `fc`: is_test is False")
    assert cause(own, given).startswith("the model under test is in train mode: dropout behind `fc`: is_test is True")


def test_another_architecture_is_said_without_certainty() -> None:
    given = program(*(op(f"kind{k}", k - 1 if k else "x") for k in range(8)))
    found = compare(given, program(*FC, op("relu", 1)))
    assert found is not None
    assert not found.certain
    assert "another architecture" in found.cause


def inputs(*specs: TensorSpec) -> Program:
    return replace(program(*FC), inputs=specs)


Y = TensorSpec((None, 2), "float32", "y")


@pytest.mark.parametrize(
    ("given", "sentence", "remedy"),
    [
        ((X, Y, replace(Y, name="z")), "the export takes 3 inputs, the model's own export 2.", _AGAIN),
        ((X,), "the export takes 1 input, the model's own export 2.", _AGAIN),
        ((Y, X), "the export takes its inputs in another order: y, x.", "feed the inputs by name, or export with that order."),
        ((replace(X, dtype="float64"), Y), "takes its input x as float64, the model's own export as float32.", _AGAIN),
        ((replace(X, shape=(4, 6)), Y), "the export has the batch size 4 of its input x baked in, where the model's own export takes any.",
         "export with InputSpec([None, 6], ...)."),
        ((replace(X, shape=(None, 7)), Y), "the export has the size 7 of dimension 1 of its input x baked in, where the model's own export "
         "takes 6.", "export with InputSpec([None, None], ...)."),
    ],
)  # fmt: skip
def test_other_inputs_are_named(given: tuple[TensorSpec, ...], sentence: str, remedy: str) -> None:
    finding = compare(inputs(*given), inputs(X, Y))
    assert finding is not None
    assert sentence in finding.cause
    assert (finding.kind, finding.name, finding.remedy) == ("setting", "input_spec", remedy)
    assert finding.facts[1] == ("inputs of the model's own export", "x float32[None, 6], y float32[None, 2]")


HEADS = (op("matmul", "x", "fc.weight"), op("relu", 0), op("matmul", 1, "aux.weight"))


@pytest.mark.parametrize(
    ("given", "own", "sentence"),
    [
        ((0, 2), (2,), "the export has 2 outputs, the model's own export 1: output 0 (behind `fc`) is one more."),
        ((2,), (0, 2), "the export has 1 output, the model's own export 2: output 0 (behind `fc`) is missing."),
        ((2, 0), (0, 2), "the outputs are in another order: output 0 of the export is output 1 of the model, output 1"),
        ((0,), (2,), "output 0 of the export comes from `fc`, where the model's comes from `aux`."),
    ],
)
def test_other_outputs_are_named_with_the_layer_behind_them(given: tuple[int, ...], own: tuple[int, ...], sentence: str) -> None:
    names = {"fc.weight": "fc.weight", "aux.weight": "aux.weight"}
    finding = compare(program(*HEADS, outputs=given), program(*HEADS, outputs=own), names, names)
    assert finding is not None
    assert finding.cause.startswith(sentence)
    assert finding.kind == "output"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            (*FC, op("relu", 1), op("softmax", 2, axis=-1)),
            "softmax is applied once more in the export: the export has one operator more",
        ),
        (
            (*FC, op("scale", 1, scale=2.0, bias=3.0), op("relu", 2)),
            "the export has one operator more: scale by 2.0 plus 3.0 behind `fc`",
        ),
        ((*FC, op("cast", 1, out_dtype="float16"), op("relu", 2)), "the export has one operator more: cast to float16 behind `fc`"),
        ((*FC, op("tanh", 1)), "the export has tanh behind `fc` where the model's own export has relu"),
        ((op("matmul", "x", "fc.weight"), op("relu", 0)), "the export lacks one operator of the model's own export: add of `fc`"),
        (
            (op("matmul", "x", "fc.weight"), op("add", 0), op("relu", 1)),
            "the export has add with no parameter where the model's own export has add with fc.bias",
        ),
    ],
)
def test_operators_that_are_more_fewer_or_others_are_named_with_their_place(given: tuple[Operator, ...], sentence: str) -> None:
    names = {"fc.weight": "fc.weight", "fc.bias": "fc.bias"}
    finding = compare(program(*given), program(*FC, op("relu", 1)), names, names)
    assert finding is not None
    assert finding.cause.startswith(sentence), finding.cause


def test_an_operator_that_takes_other_or_more_values_is_named() -> None:
    names = {"fc.weight": "fc.weight"}
    own = program(op("matmul", "x", "fc.weight"), op("relu", 0), op("concat", 0, 1, axis=1))
    other = compare(program(op("matmul", "x", "fc.weight"), op("relu", 0), op("concat", 1, 1, axis=1)), own, names, names)
    more = compare(program(op("matmul", "x", "fc.weight"), op("relu", 0), op("concat", 0, 1, 1, axis=1)), own, names, names)
    assert other is not None
    assert (
        "takes the output of relu behind `fc` in the export, the output of matmul of `fc` in the model's own export" in other.cause
    )
    assert more is not None
    assert "takes 3 inputs in the export, 2 in the model's own export" in more.cause


MASKED = (op("matmul", "x", "fc.weight"), op("cast", "mask", dtype="float32"), op("multiply", 0, 1))


@pytest.mark.parametrize(
    "ignoring",
    [
        (op("matmul", "x", "fc.weight"), op("full_like", "mask", value=1.0), op("multiply", 0, 1)),
        (op("matmul", "x", "fc.weight"), op("shape64", "mask"), op("reshape", 0, 1)),
        (op("matmul", "x", "fc.weight"), op("relu", 0)),
    ],
    ids=["ones in its place", "its shape alone", "not at all"],
)
def test_an_input_that_one_graph_does_not_use_is_named(ignoring: tuple[Operator, ...]) -> None:
    both = (X, TensorSpec((None, 6), "int64", "mask"))
    given, own = (replace(program(*operators), inputs=both) for operators in (ignoring, MASKED))
    assert cause(given, own) == "the exported graph does not use the values of its input mask, the model's own export does."
    assert cause(own, given) == "the model's own export does not use the values of its input mask, the exported graph does."
    found = compare(given, own)
    assert found is not None
    assert (found.stage, found.name, found.remedy) == ("export", "mask", _AGAIN)
    assert "difference 1" in dict(found.facts)
    used = replace(program(*MASKED, op("relu", 2)), inputs=both)
    assert "does not use" not in cause(used, own)
    branched = replace(program(*ignoring, op("if", 2 if len(ignoring) > 2 else 1)), inputs=both)
    assert "does not use" not in cause(branched, own)


def test_what_the_export_lacks_is_placed_between_two_layers() -> None:
    names = {"one.weight": "one.weight", "two.weight": "two.weight"}
    finding = compare(
        program(op("matmul", "x", "one.weight"), op("matmul", 0, "two.weight")),
        program(op("matmul", "x", "one.weight"), op("relu", 0), op("matmul", 1, "two.weight")), names, names,
    )  # fmt: skip
    assert finding is not None
    assert finding.cause == "the export lacks one operator of the model's own export: relu behind `one`, before `two`."


def test_the_line_of_code_stands_below() -> None:
    given = program(*FC, replace(op("tanh", 1), location="net.py:7"))
    finding = compare(given, program(*FC, op("relu", 1)))
    assert finding is not None
    assert ("line of code", "net.py:7") in finding.facts


def test_graphs_of_two_formats_are_not_compared() -> None:
    assert compare(program(*FC, form="pdmodel"), program(*FC, op("relu", 1))) is None


def test_parameters_are_known_by_their_structured_names() -> None:
    given, own = (
        program(op("matmul", "x", "linear_7.w_0"), op("relu", 0)),
        program(op("matmul", "x", "linear_0.w_0"), op("relu", 0)),
    )
    assert compare(given, own, {"linear_7.w_0": "fc.weight"}, {"linear_0.w_0": "fc.weight"}) is None


def test_the_number_of_differences_is_counted_and_the_others_are_facts() -> None:
    given = program(*FC, op("gelu", 1, approximate=True), op("matmul", 2, "last.weight"), op("scale", 3, scale=2.0))
    own = program(*FC, op("gelu", 1, approximate=False), op("matmul", 2, "last.weight"), op("scale", 3, scale=1.0))
    found = compare(given, own)
    assert found is not None
    assert found.cause.endswith("; it is the first of 2 differences.")
    assert any("scale behind `last`" in text for _, text in found.facts)


@pytest.mark.parametrize(
    ("number", "text"),
    [(1.0, "1.0"), (1000.0, "1000.0"),
     (1e-5, "1e-05"), (struct.unpack("f", struct.pack("f", 0.1))[0], "0.1"), (1.000004, "1.000004"), (3, "3"),
     (float("nan"), "nan"), ((1, -1), "[1, -1]"), (("all", 0.5, "in shape", (2, 3)), "0.5 in shape [2, 3]")],
)  # fmt: skip
def test_numbers_are_shown_with_the_fewest_digits(number: Any, text: str) -> None:
    assert shown(number) == text
