"""The first diverging layer, on traces of a network of numpy functions; and numerical faults on traces made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_paddle_infer.diagnosis.divergence import ComparedLayer, compared_layers, follow_graph
from pytest_paddle_infer.diagnosis.layers import LayerFinding, LayerSearch, search_graph
from pytest_paddle_infer.diagnosis.numerics import beyond_range, first_not_finite, first_not_finite_in_graph
from pytest_paddle_infer.diagnosis.probed_layers import search_probe
from pytest_paddle_infer.diagnosis.traces import Call, Gather, GraphRun, Matcher, Trace, Value, distance

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Step:
    """A layer, or code between layers where `name` is empty. side: reads the value two steps back as well."""

    run: Callable[..., Array]
    name: str = ""
    kind: str = "Layer"
    weighted: bool = False
    op: str = "op"
    side: bool = False


def linear(seed: int, name: str = "", scale: float = 1.0) -> Step:
    weight = np.random.RandomState(seed).randn(8, 8).astype(np.float32) * np.float32(scale)
    return Step(lambda x: x @ weight, name or f"fc{seed}", "Linear", True, "matmul")


def relu(name: str = "relu") -> Step:
    return Step(lambda x: np.maximum(x, 0), name, "ReLU", op="relu")


def code(run: Callable[..., Array], op: str = "scale") -> Step:
    return Step(run, op=op)


INPUT = np.random.RandomState(99).randn(3, 8).astype(np.float32)


class Net:
    """Runs steps as the training side, and is the laboratory."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = list(steps)
        self.trace = self._run()

    def _run(self, change: tuple[int, Array | None] | None = None) -> Trace:
        gather, calls, values, counts = Gather(), [], [INPUT], dict[str, int]()
        begin = gather.place(INPUT)
        for step in self.steps:
            given = [values[-1]] + ([values[-3]] if step.side else [])
            made = np.asarray(step.run(*given), np.float32)
            if step.name:
                if change is not None and change[0] == len(calls):
                    made = made * 1.3 + 0.1 if change[1] is None else change[1]
                    made = np.asarray(made, np.float32)
                number = counts.get(step.name, 0)
                counts[step.name] = number + 1
                places = tuple(gather.place(array) for array in given)
                calls.append(Call(step.name, step.kind, number, places, (gather.place(made),), step.weighted))
            values.append(made)
        end = gather.place(values[-1])
        return Trace(tuple(gather.tensors), tuple(calls), (begin,), (end,))

    def replay(self, call: int, which: int, array: Array) -> list[Array] | None:
        layers = [step for step in self.steps if step.name]
        return [np.asarray(layers[call].run(array), np.float32)]

    def substitute(self, call: int, arrays: Mapping[int, Array | None]) -> Trace | None:
        return self._run((call, arrays[0]))


def graph(steps: Sequence[Step], without: Sequence[int] = ()) -> GraphRun:
    """Runs steps as a graph; `without`: steps whose value is never there (fused into the next)."""
    values, arrays, places = [Value("", INPUT)], [INPUT], [0]
    for number, step in enumerate(steps):
        given = [arrays[-1]] + ([arrays[-3]] if step.side else [])
        sources = [places[-1]] + ([places[-3]] if step.side else [])
        arrays.append(np.asarray(step.run(*given), np.float32))
        if number in without:
            places.append(places[-1])
            continue
        values.append(Value(step.op, arrays[-1], tuple(sources), step.weighted))
        places.append(len(values) - 1)
    return GraphRun(tuple(values), (arrays[-1],))


def located(training: Sequence[Step], exported: Sequence[Step], **more: Any) -> LayerSearch:
    net = Net(training)
    return search_graph(net.trace, graph(exported, **more), net)


CHAIN = (linear(1), relu(), linear(2), relu(), linear(3))


def replaced(steps: Sequence[Step], number: int, *new: Step) -> list[Step]:
    return [*steps[:number], *new, *steps[number + 1 :]]


def test_a_graph_that_follows_every_layer_accuses_none() -> None:
    search = located(CHAIN, CHAIN)
    assert search.finding is None
    assert search.agree == 0.0
    assert search.reason == "every layer agrees within 1e-06 of its largest value."


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([0, 2, 4]), st.sampled_from([1.01, 0.99, 1.0001, 1.00001, 1.000004, -1.0, 2.0]))
def test_scaled_weights_are_found_in_their_layer(number: int, scale: float) -> None:
    search = located(CHAIN, replaced(CHAIN, number, linear(1 + number // 2, scale=scale)))
    finding = search.finding
    assert finding is not None
    assert finding.name == CHAIN[number].name
    assert finding.verified
    assert finding.input_error == 0.0
    assert finding.output_error == pytest.approx(abs(scale - 1), rel=0.3)


def test_the_sentence_names_layer_input_and_output() -> None:
    search = located(CHAIN, replaced(CHAIN, 2, linear(2, scale=1.01))).with_parameters(["fc1.weight", "fc2.weight"])
    found = search.as_finding("export")
    assert found is not None
    assert found.cause == (
        "the difference starts inside fc2 (Linear): its input agrees to 0, its output differs by 1.0e-02 of its largest value; "
        "its weight differs from the model's."
    )
    assert (found.stage, found.kind, found.name, found.certain) == ("export", "layer", "fc2", True)


def test_the_second_call_of_a_layer_is_named_as_such() -> None:
    leaky = Step(lambda x: np.where(x > 0, x, x * 0.1), op="leaky_relu")
    finding = located(CHAIN, replaced(CHAIN, 3, leaky)).finding
    assert finding is not None
    assert str(finding.layer) == "relu (ReLU, call 2)"


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5])
def test_an_operator_that_only_the_graph_has_is_pinned_on_no_layer(number: int) -> None:
    exported = [*CHAIN[:number], code(lambda x: x * np.float32(1.01)), *CHAIN[number:]]
    finding = located(CHAIN, exported).finding
    assert finding is not None
    assert finding.layer is None
    assert finding.operators[:1] == ("scale",)
    assert finding.verified
    names = ["input", *(step.name for step in CHAIN), "output"]
    assert finding.name == f"{names[number]} -> {names[number + 1]}"


@pytest.mark.parametrize("number", [1, 2, 4, 5])
@pytest.mark.parametrize("factor", [1.0, 1.01], ids=["dropped", "changed"])
def test_code_that_the_graph_runs_otherwise_is_pinned_on_no_layer(number: int, factor: float) -> None:
    def around(by: float) -> list[Step]:
        return [*CHAIN[:number], code(lambda x: x * np.float32(by)), *CHAIN[number:]]

    exported = around(2.0 * factor) if factor != 1.0 else list(CHAIN)
    finding = located(around(2.0), exported).finding
    assert finding is not None
    assert finding.layer is None


def test_a_value_that_the_graph_lacks_is_unmatched_and_not_different() -> None:
    search = located(CHAIN, CHAIN, without=[2])
    assert search.finding is None
    assert search.unmatched == ("fc2",)


def test_a_fault_behind_a_value_that_the_graph_lacks_is_still_found() -> None:
    search = located(CHAIN, replaced(CHAIN, 4, linear(3, scale=1.01)), without=[0])
    assert search.unmatched == ("fc1",)
    assert search.finding is not None
    assert search.finding.name == "fc3"


def test_a_layer_whose_answer_nobody_needs_is_not_accused() -> None:
    unused = Step(lambda x: x * 0.0 + 3.5, "aside", "Linear", True, "matmul")

    class Branching(Net):
        def _run(self, change: tuple[int, Array | None] | None = None) -> Trace:
            trace = super()._run(None if change is None or change[0] == 0 else (change[0] - 1, change[1]))
            gather = Gather()
            places = {old: gather.place(array) for old, array in enumerate(trace.tensors)}
            aside = gather.place(unused.run(INPUT) if change is None or change[0] else INPUT * 2)
            first = Call("aside", "Linear", 0, (places[0],), (aside,), True)
            return Trace(tuple(gather.tensors), (first, *trace.calls), trace.inputs, trace.outputs)

    net = Branching(CHAIN)
    search = search_graph(net.trace, graph(CHAIN), net)
    assert search.finding is None
    assert search.unmatched == ("aside",)


def test_a_fault_in_one_of_two_branches_is_found_there() -> None:
    def steps(scale: float) -> list[Step]:
        return [linear(1), linear(2, scale=scale), linear(3), Step(lambda x, y: x + y, op="add", side=True), relu(), linear(4)]

    finding = located(steps(1.0), steps(1.01)).finding
    assert finding is not None
    assert finding.name == "fc2"


def test_a_layer_that_the_graph_does_not_run_is_not_said_to_be_wrong() -> None:
    search = located(CHAIN, replaced(CHAIN, 4, linear(77), linear(78))).with_parameters([])
    found = search.as_finding("export")
    assert found is not None
    assert (found.kind, found.certain) == ("code", False)
    assert found.cause == (
        "the graph does not run fc3 (Linear) where the model does: its input is there, and nothing like its output."
    )


def test_rounding_that_grows_past_the_limit_accuses_nothing() -> None:
    def noisy(step: Step, seed: int) -> Step:
        noise = np.random.RandomState(seed).uniform(-1, 1, (3, 8)) * 8e-6
        return Step(lambda x: step.run(x) * (1 + noise), step.name, step.kind, step.weighted, step.op)

    steps = [layer for seed in range(1, 9) for layer in (linear(seed), relu())]
    net = Net(steps)
    search = search_graph(net.trace, graph([noisy(step, seed) for seed, step in enumerate(steps)]), net, limits=[1e-5])
    assert search.finding is None, search.finding
    assert search.agree > 1e-5


def test_no_time_is_said() -> None:
    net = Net(CHAIN)
    search = search_graph(net.trace, graph(replaced(CHAIN, 2, linear(2, scale=1.01))), net, over=lambda: True)
    assert search.finding is None
    assert search.reason == "there was no time to look beyond relu (ReLU)."
    search = search_graph(net.trace, graph(replaced(CHAIN, 0, linear(1, scale=1.01))), net, over=lambda: True)
    assert search.reason == "there was no time to look at any layer."


def test_a_tensor_of_one_round_number_proves_nothing() -> None:
    dead = (linear(1), Step(lambda x: x * 0, "dead", op="scale"), Step(lambda x: x + 1, "one", op="scale"), linear(2))
    net = Net(dead)
    assert search_graph(net.trace, graph(dead), net).finding is None


# -- probe -------------------------------------------------------------------------------------------------------------


def probed(trace: Trace, exported: Sequence[Step]) -> dict[int, Array]:
    other = Net(exported).trace
    pairs = [
        (one, two)
        for mine, its in zip(trace.calls, other.calls)
        for one, two in zip((*mine.outputs, *mine.inputs), (*its.outputs, *its.inputs))
    ]
    return {one: other.tensors[two] for one, two in pairs if one not in trace.inputs}


@pytest.mark.parametrize("number", [0, 2, 4])
@pytest.mark.parametrize("scale", [1.01, 1.0001])
def test_a_probe_names_the_layer(number: int, scale: float) -> None:
    trace = Net(CHAIN).trace
    faulty = replaced(CHAIN, number, linear(1 + number // 2, scale=scale))
    finding = search_probe(trace, probed(trace, faulty)).finding
    assert finding is not None
    assert finding.name == CHAIN[number].name


def test_a_probe_lets_rounding_grow() -> None:
    trace = Net(CHAIN).trace
    random = np.random.RandomState(0)
    noisy = {
        tensor: (trace.tensors[tensor] * (1 + 4e-6 * random.uniform(-1, 1, trace.tensors[tensor].shape))).astype(np.float32)
        for tensor in range(1, len(trace.tensors))
    }
    assert search_probe(trace, noisy).finding is None


def test_a_probe_does_not_take_another_order_of_memory_for_a_difference() -> None:
    trace = Net(CHAIN).trace
    values = probed(trace, CHAIN)
    first = trace.calls[0].outputs[0]
    values[first] = np.ascontiguousarray(values[first].reshape(8, 3).T)
    search = search_probe(trace, values)
    assert search.finding is None
    assert search.unmatched == ("fc1",)


def test_a_probe_does_not_take_a_value_that_was_overwritten_later_for_a_difference() -> None:
    trace = Net(CHAIN).trace
    values = probed(trace, CHAIN)
    second = trace.calls[2].outputs[0]
    values[second] = values[second] * np.float32(0.5)
    search = search_probe(trace, values)
    assert search.finding is None
    assert search.unmatched == ("fc2",)


def test_a_probe_sees_code_between_layers() -> None:
    steps = [linear(1), code(lambda x: x + 1), linear(2)]
    trace = Net(steps).trace
    finding = search_probe(trace, probed(trace, [linear(1), code(lambda x: x + 1.01), linear(2)])).finding
    assert finding is not None
    assert finding.layer is None
    assert finding.name == "fc1 -> fc2"


def test_a_probe_tells_of_every_layer() -> None:
    trace = Net(CHAIN).trace
    search = search_probe(trace, probed(trace, replaced(CHAIN, 2, linear(2, scale=1.01))))
    assert [(layer.name, layer.state) for layer in search.compared] == [
        ("fc1", "agrees"), ("relu", "agrees"), ("fc2", "differs"), ("relu, call 2", "differs"), ("fc3", "differs"),
    ]  # fmt: skip
    assert [layer.output_error for layer in search.compared] == [0.0, 0.0, *[pytest.approx(0.01, rel=0.3)] * 3]
    values = probed(trace, CHAIN)
    del values[trace.calls[2].outputs[0]]
    assert [layer.state for layer in search_probe(trace, values).compared] == ["agrees", "agrees", "unmatched", "agrees", "agrees"]


# -- comparing ---------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(width=32), min_size=1, max_size=100), st.floats(1e-6, 1e-2))
def test_a_tensor_is_always_found_among_others(numbers: list[float], limit: float) -> None:
    array = np.array(numbers, np.float32)
    match = Matcher([np.zeros(3, np.float32), array + np.float32(1), array]).find(array, limit)
    assert match is not None
    assert match.distance == 0.0
    assert distance(array, array) == 0.0


def test_nan_in_one_of_two_tensors_is_as_far_as_can_be() -> None:
    one = np.array([1.0, np.nan], np.float32)
    assert distance(one, np.array([1.0, 2.0], np.float32)) == float("inf")
    assert distance(np.array([1.0, 2.0], np.float32), one) == float("inf")
    assert distance(one, one) == 0.0


def test_the_way_between_two_values_lists_the_operators_on_it() -> None:
    run = graph([linear(1), code(np.abs, "abs"), linear(2), code(np.abs, "abs")])
    assert run.operators(0, 3) == ("matmul", "abs", "matmul")
    assert run.operators(1, 1) == ()


def test_a_finding_between_layers_names_both_and_the_operators() -> None:
    after, before = Call("pool", "AvgPool2D", 0, (0,), (1,)), Call("fc", "Linear", 1, (1,), (2,))
    finding = LayerFinding(None, after, before, operators=("gelu",), verified=True)
    found = LayerSearch(finding).as_finding("export")
    assert found is not None
    assert found.cause == (
        "the difference starts between layers: after pool (AvgPool2D), before fc (Linear, call 2); "
        "all that the graph computes there is gelu."
    )
    assert (found.kind, found.name) == ("operator", "gelu")


@pytest.mark.parametrize(
    ("apart", "sentence"),
    [
        (None, "its input agrees to 1e-07, the graph holds no value like its output."),
        (np.inf, "its input agrees to 1e-07, its output is no longer finite where the layer's is, or the reverse."),
        (0.01, "its input agrees to 1e-07, its output differs by 1.0e-02 of its largest value."),
    ],
)
def test_a_finding_inside_a_layer_says_once_how_its_output_differs(apart: float | None, sentence: str) -> None:
    finding = LayerFinding(Call("fc", "Linear", 0, (0,), (1,)), input_error=1e-7, output_error=apart)
    assert finding.sentence() == f"the difference starts inside fc (Linear): {sentence}"
    assert [label for label, _ in finding.facts()] == ["not confirmed"]


def test_a_finding_at_the_ends_of_the_network_names_its_input_and_output() -> None:
    finding = LayerFinding(None)
    assert finding.sentence() == "the difference starts between layers: after the network's input, before the network's output."
    assert finding.facts() == (), "nothing was put anywhere"
    inside = LayerFinding(Call("fc", "Linear", 0, (0,), (1,)), tried=True)
    assert dict(inside.facts())["not confirmed"].endswith("still answers otherwise: another place differs too, or instead")


def test_a_second_place_is_suspected_only_where_the_graphs_value_was_tried() -> None:
    untried = LayerFinding(Call("fc", "Linear", 0, (0,), (1,)))
    assert untried.facts() == (
        ("not confirmed", "the rest of the trained network could not be run with a value of the graph there"),
    )
    found = located(CHAIN, replaced(replaced(CHAIN, 4, linear(3, scale=1.5)), 2, linear(2, scale=1.5))).finding
    assert found is not None
    assert found.name == "fc2"
    assert found.tried
    assert not found.verified


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("reshaped", [False, True])
def test_a_layer_that_the_graph_passes_over_is_proved_with_its_own_input(number: int, reshaped: bool) -> None:
    """reshaped: nothing of the layer's shape follows, so the graph has no value that could stand for its output."""
    pool = Step(lambda x: x.reshape(3, 2, -1).mean(2), "pool", "Pool", op="pool2d")
    steps = [*CHAIN[: number + 1], pool] if reshaped else list(CHAIN)
    search = located(steps, replaced(steps, number)).with_parameters([])
    found = search.as_finding("export")
    assert found is not None
    name = CHAIN[number].name
    assert found.cause.startswith(f"the graph does not run {name} (")
    assert [label for label, _ in found.facts] == ["checked"]
    assert found.certain


def test_a_layer_whose_other_parameters_make_it_compute_nothing_is_not_said_to_be_lacking() -> None:
    nothing = Step(lambda x: x, "fc2", "Linear", True, "matmul")
    finding = located(CHAIN, replaced(CHAIN, 2, nothing)).with_parameters(["fc2.weight"]).finding
    assert finding is not None
    assert finding.name == "fc2"
    assert finding.sentence().endswith("; its weight differs from the model's.")


def test_a_layer_that_hardly_changes_its_input_is_not_said_to_be_lacking() -> None:
    nearly = Step(lambda x: x * np.float32(1.0005), "norm", "Norm", True, "norm")
    finding = located(replaced(CHAIN, 1, nearly), replaced(CHAIN, 1, code(lambda x: x * 1, "norm"))).finding
    assert finding is not None
    assert not finding.left_out


def test_many_differing_parameters_are_listed_below_a_sentence_that_names_three() -> None:
    names = tuple(f"fc.{name}" for name in "abcde")
    finding = LayerFinding(Call("fc", "Linear", 0, (0,), (1,)), output_error=0.01, parameters=names, verified=True)
    assert finding.sentence().endswith("; its a and b and c differ from the model's.")
    assert finding.facts() == (
        ("differing parameters", "fc.a, fc.b, fc.c, fc.d"),
        ("checked", "with the graph's value put there, the rest of the trained network answers like the graph"),
    )


def test_a_layer_that_the_graph_lacks_is_listed_as_no_difference() -> None:
    found = LayerSearch(LayerFinding(None), unmatched=("relu",)).as_finding("export")
    assert found is not None
    assert ("not in the graph", "relu; not taken for a difference") in found.facts


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_the_first_inf_names_its_layer_and_the_size_before_it() -> None:
    with np.errstate(all="ignore"):
        steps = [
            linear(1),
            Step(lambda x: x * np.float32(1e30), "grow"),
            Step(lambda x: x * np.float32(1e30), "burst", "Scale"),
            relu(),
        ]
        fault = first_not_finite(Net(steps).trace)
    assert fault is not None
    assert fault.where == "burst (Scale)"
    assert fault.what == "Inf"
    assert 1e29 < fault.largest < 1e32
    assert "made by burst (Scale) from finite values, the largest of them" in fault.sentence()
    assert fault.before[0][0] == "grow (Layer)"


def test_nan_of_code_between_layers_is_pinned_on_no_layer() -> None:
    with np.errstate(all="ignore"):
        fault = first_not_finite(Net([linear(1), code(np.log), relu()]).trace)
    assert fault is not None
    assert (fault.where, fault.what, fault.kind) == ("the code before relu (ReLU)", "NaN", "code")


def test_nan_of_the_input_and_of_the_code_around_the_layers_is_said() -> None:
    poisoned = np.full((3, 8), np.nan, np.float32)
    net, bare = Net(CHAIN), Net([])
    tensors = (poisoned, *net.trace.tensors[1:])
    given = first_not_finite(replace(net.trace, tensors=tensors))
    assert given is not None
    assert given.sentence() == "the first NaN of the training engine is made by the network's input from what it was given."
    alone = first_not_finite(replace(bare.trace, tensors=(poisoned,)))
    assert alone is not None
    assert alone.where == "the network"
    with np.errstate(all="ignore"):
        last = first_not_finite(Net([linear(1), code(np.log)]).trace)
    assert last is not None
    assert last.where == "the code after fc1 (Linear)"
    fed = first_not_finite_in_graph(GraphRun((Value("", poisoned),), (poisoned,)))
    assert fed is not None
    assert fed.sentence() == "the first NaN of the exported graph is made by the graph's input from what it was given."


def test_the_first_nan_of_a_graph_names_its_operator() -> None:
    with np.errstate(all="ignore"):
        fault = first_not_finite_in_graph(graph([linear(1), code(np.log, "log"), relu()]))
    assert fault is not None
    assert fault.sentence() == "the first NaN of the exported graph is made by the operator log from finite values."
    assert fault.as_finding("export").kind == "operator"


def test_finite_numbers_are_no_fault() -> None:
    assert first_not_finite(Net(CHAIN).trace) is None
    assert first_not_finite_in_graph(graph(CHAIN)) is None
    assert beyond_range(Net(CHAIN).trace, "fp16") is None
    assert beyond_range(Net(CHAIN).trace, "int8") is None


def test_the_first_layer_beyond_the_range_of_fp16_is_named() -> None:
    trace = Net([linear(1), Step(lambda x: x * np.float32(1e5), "grow"), relu()]).trace
    fault = beyond_range(trace, "fp16")
    assert fault is not None
    assert fault.where == "grow (Layer)"
    assert fault.sentence().endswith("fp16 ends at 65504, so they become infinite.")
    assert beyond_range(trace, "bf16") is None
    assert beyond_range(trace, "fp32") is None


def test_values_too_small_for_fp16_are_said() -> None:
    fault = beyond_range(Net([linear(1), Step(lambda x: x * np.float32(1e-9), "shrink"), relu()]).trace, "fp16")
    assert fault is not None
    assert fault.sentence() == "100% of what shrink (Layer) puts out is too small for fp16 and becomes zero."


# -- every layer, for the report ---------------------------------------------------------------------------------------


def followed(training: Sequence[Step], exported: Sequence[Step], over: Callable[[], bool] = lambda: False, **more: Any) -> Any:
    net, run = Net(training), graph(exported, **more)
    search = search_graph(net.trace, run, net)
    culprit = None if search.finding is None else search.finding.layer
    return follow_graph(net.trace, run, search.limit, culprit, over)


def test_layers_that_agree_stand_in_the_order_of_their_calls() -> None:
    assert followed(CHAIN, CHAIN) == tuple(
        ComparedLayer(name, kind, 0.0, 0.0, "agrees")
        for name, kind in [("fc1", "Linear"), ("relu", "ReLU"), ("fc2", "Linear"), ("relu, call 2", "ReLU"), ("fc3", "Linear")]
    )


@pytest.mark.parametrize("scale", [1.01, 1.000003])
def test_the_layers_behind_the_first_that_differs_are_compared_too(scale: float) -> None:
    found = followed(CHAIN, replaced(CHAIN, 2, linear(2, scale=scale)))
    assert [layer.state for layer in found] == ["agrees", "agrees", "differs", "differs", "differs"]
    assert [layer.input_error for layer in found[:3]] == [0.0] * 3
    for layer in found[2:]:
        assert layer.output_error == pytest.approx(scale - 1, rel=0.3)
    assert found[3].input_error == found[2].output_error


def test_the_input_that_code_between_layers_made_is_compared() -> None:
    plus = code(lambda x: x + np.float32(1))
    found = followed([*CHAIN[:3], plus, *CHAIN[3:]], [*CHAIN[:3], plus, *CHAIN[3:]])
    assert [(layer.input_error, layer.output_error) for layer in found] == [(0.0, 0.0)] * 5


def test_a_layer_that_was_fused_away_is_unmatched_or_differs_and_those_behind_it_agree() -> None:
    wide = Step(lambda x: np.concatenate([x, x], axis=1), "double", "Double")
    back = Step(lambda x: x[:, :8], "half", "Half")
    found = followed([linear(1), wide, back, linear(2)], [linear(1), wide, back, linear(2)], without=[1])
    assert [(layer.name, layer.state) for layer in found] == [
        ("fc1", "agrees"), ("double", "unmatched"), ("half", "agrees"), ("fc2", "agrees"),
    ]  # fmt: skip
    assert (found[1].output_error, found[2].input_error) == (None, None)


def test_a_layer_at_fault_differs_also_where_the_graph_has_no_value_of_it() -> None:
    trace = Net(CHAIN).trace
    found = compared_layers(trace, {}, lambda call: False, trace.calls[2])
    assert [layer.state for layer in found] == ["unmatched", "unmatched", "differs", "unmatched", "unmatched"]


def test_without_time_what_follows_is_unmatched() -> None:
    assert {layer.state for layer in followed(CHAIN, CHAIN, over=lambda: True)} == {"unmatched"}


def test_a_layer_that_puts_out_its_input_is_as_far_off_as_that() -> None:
    same = Step(lambda x: x, "drop", "Dropout")
    found = followed([linear(1), same, linear(2)], [linear(1, scale=1.1), linear(2)])
    assert [layer.state for layer in found] == ["differs"] * 3
    assert found[0].output_error == found[1].output_error
