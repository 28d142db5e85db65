"""What an export made elsewhere computes otherwise than the model's own export. Pure: two graphs in, one finding out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from pytest_paddle_infer.diagnosis.canonical import Plain, Values, before, behind, canonical, identity, layer_of, shown
from pytest_paddle_infer.diagnosis.finding import Finding
from pytest_paddle_infer.graphs import Operator, Program, Source
from pytest_paddle_infer.models import TensorSpec

_ALIKE = 0.5
"""Share of equal operators below which two graphs are not variants of one model, and their first difference means nothing."""

_AGAIN = "export again from the model under test, or test the model that was exported."


@dataclass(frozen=True)
class Edit:
    """One difference. text: a clause without full stop.

    what: changed, replaced, more, fewer, rewired; trains, model trains: an operator of the export, of the model, is in train mode.
    """

    what: str
    text: str
    operator: str
    attribute: str = ""
    location: str = ""


def compare(
    given: Program, own: Program, given_names: Mapping[str, str] | None = None, own_names: Mapping[str, str] | None = None
) -> Finding | None:
    """Returns the first difference between the graph of a given export and of the model's own export; None when they compute the same.

    `given_names`, `own_names`: exported parameter name -> structured name (`export_causes.structured_names`). Graphs of two formats are not
    compared: None.
    """
    if given.form != own.form:
        return None
    values = Values()
    one, two = canonical(given, given_names or {}, values), canonical(own, own_names or {}, values)
    results = [[values.source(source, plain.operators, plain.values) for source in plain.outputs] for plain in (one, two)]
    if finding := _inputs(given.inputs, own.inputs):
        return finding
    if results[0] == results[1]:
        return None
    if finding := _outputs(one, two, results[0], results[1]):
        return finding
    edits, alike = _edits(one, two)
    facts = (("operators", f"{len(one.operators)} in the export, {len(two.operators)} in the model's own export"),)
    if alike < _ALIKE:
        return Finding(
            "export", f"the graph of the export is another architecture's: {alike:.0%} of its operators are the model's.",
            "operator", "", facts, _AGAIN, certain=False,
        )  # fmt: skip
    unused = _unused(given, own, one, two)
    if unused is not None:
        return replace(unused, facts=(*facts, *((f"difference {number}", edit.text) for number, edit in enumerate(edits[:3], 1))))
    return _finding(edits, facts) if edits else None


def _inputs(given: Sequence[TensorSpec], own: Sequence[TensorSpec]) -> Finding | None:
    def listed(specs: Sequence[TensorSpec]) -> str:
        return ", ".join(f"{spec.name} {spec.dtype}{list(spec.shape)}" for spec in specs)

    facts = (("inputs of the export", listed(given)), ("inputs of the model's own export", listed(own)))
    if len(given) != len(own):
        cause = f"the export takes {len(given)} input{'s' * (len(given) != 1)}, the model's own export {len(own)}."
        return Finding("export", cause, "setting", "input_spec", facts, _AGAIN)
    if [spec.name for spec in given] != [spec.name for spec in own] and {s.name for s in given} == {s.name for s in own}:
        cause = f"the export takes its inputs in another order: {', '.join(spec.name or '' for spec in given)}."
        return Finding("export", cause, "setting", "input_spec", facts, "feed the inputs by name, or export with that order.")
    for one, two in zip(given, own):
        if one.dtype != two.dtype:
            cause = f"the export takes its input {one.name} as {one.dtype}, the model's own export as {two.dtype}."
            return Finding("export", cause, "setting", "input_spec", facts, _AGAIN)
        for axis, (left, right) in enumerate(zip(one.shape, two.shape)):
            if left is not None and left != right:
                what = f"batch size {left}" if axis == 0 else f"size {left} of dimension {axis}"
                cause = (
                    f"the export has the {what} of its input {one.name} baked in, "
                    f"where the model's own export takes {'any' if right is None else right}."
                )
                remedy = f"export with InputSpec({[None if a == axis else d for a, d in enumerate(one.shape)]}, ...)."
                return Finding("export", cause, "setting", "input_spec", facts, remedy)
    return None


_SIZE_ONLY = frozenset(
    ("shape", "shape64", "size", "numel", "full_like", "ones_like", "zeros_like", "empty_like", "fill_any_like", "fill_zeros_like")
)
"""Operators that look at the shape of what they take, and at none of its values."""


_BRANCHES = frozenset(("if", "while", "conditional_block", "select_input", "py_func", "run_program"))


def _unused(given: Program, own: Program, one: Plain, two: Plain) -> Finding | None:
    """An input whose values reach no output of one graph and those of the other, as a mask that is ignored."""
    if any(operator.kind in _BRANCHES for plain in (one, two) for operator in plain.operators):
        return None  # what is used within a branch is not followed
    used, wanted = _values_used(one), _values_used(two)
    names = {spec.name or "" for spec in given.inputs} & {spec.name or "" for spec in own.inputs}
    for name in sorted(names & (used ^ wanted)):
        user, other = ("the exported graph", "the model's own export")[:: 1 if name in wanted else -1]
        cause = f"{user} does not use the values of its input {name}, {other} does."
        return Finding("export", cause, "operator", name, (), _AGAIN)
    return None


def _values_used(plain: Plain) -> set[str]:
    waiting, seen, used = list(plain.outputs), set[int](), set[str]()
    while waiting:
        source = waiting.pop()
        if source.kind == "input":
            used.add(source.name)
        elif source.kind == "operator" and source.producer not in seen:
            seen.add(source.producer)
            operator = plain.operators[source.producer]
            if operator.kind not in _SIZE_ONLY:
                waiting.extend(operator.inputs)
    return used


def _outputs(one: Plain, two: Plain, given: Sequence[int], own: Sequence[int]) -> Finding | None:
    """Outputs in another order, other in number, or of another head."""
    layers = [[behind(plain, source) for source in plain.outputs] for plain in (one, two)]
    facts = tuple(
        (f"outputs of {whose}", ", ".join(f"{k}: behind {name}" if name else f"{k}" for k, name in enumerate(found)))
        for whose, found in zip(("the export", "the model's own export"), layers)
    )
    if len(given) != len(own):
        cause = f"the export has {len(given)} output{'s' * (len(given) != 1)}, the model's own export {len(own)}"
        longer, fewer = (layers[1], given) if len(own) > len(given) else (layers[0], own)
        values = own if len(own) > len(given) else given
        odd = [k for k, value in enumerate(values) if value not in fewer]
        if odd and len(odd) < len(values):
            named = ", ".join(f"output {k}{f' (behind `{longer[k]}`)' if longer[k] else ''}" for k in odd)
            cause += f": {named} {'is missing' if values is own else 'is one more'}"
        return Finding("export", cause + ".", "output", str(odd[0]) if odd else "", facts, _AGAIN)
    if Counter(given) == Counter(own):
        moved = [(k, own.index(value)) for k, value in enumerate(given) if value != own[k]]
        listed = ", ".join(f"output {k} of the export is output {j} of the model" for k, j in moved)
        return Finding("export", f"the outputs are in another order: {listed}.", "output", str(moved[0][0]), facts,
                       "reorder the outputs where the answer is read, or export again.")  # fmt: skip
    swapped = [
        k for k in range(len(given))
        if given[k] != own[k] and layers[0][k] != layers[1][k] and layers[0][k] and layers[1][k]
        and (layers[0][k] in layers[1] or not _reaches(two, layers[0][k]) or not _reaches(one, layers[1][k]))
    ]  # fmt: skip
    if swapped:
        k = swapped[0]
        cause = f"output {k} of the export comes from `{layers[0][k]}`, where the model's comes from `{layers[1][k]}`."
        return Finding("export", cause, "output", str(k), facts, "return the same head where the model is exported.")
    return None


def _reaches(plain: Plain, layer: str) -> bool:
    return any(layer_of(operator) == layer for operator in plain.operators)


# -- operators ---------------------------------------------------------------------------------------------------------


def _token(operator: Operator, *, attributes: bool = True) -> tuple[str, str, tuple[str, ...]]:
    taken = tuple(source.name for source in operator.inputs if source.kind == "parameter")
    return operator.kind, repr(operator.attributes) if attributes else "", taken


def _edits(one: Plain, two: Plain) -> tuple[list[Edit], float]:
    """Every difference in the order of the export's operators, and the share of operators that are alike.

    Operators that compute the same value in both are paired first, wherever they stand; the rest is aligned.
    """
    pairs = _of_equal_value(one, two)
    known = {x for x, _ in pairs}, {y for _, y in pairs}
    left = [x for x in range(len(one.operators)) if x not in known[0]]
    right = [y for y in range(len(two.operators)) if y not in known[1]]
    loose = []
    for tag, a, b, c, d in _aligned(one, left, two, right, attributes=True):
        if tag == "equal":
            pairs.extend(zip(left[a:b], right[c:d]))
        else:
            loose.append((left[a:b], right[c:d]))
    alike = len(pairs)
    edits: list[tuple[int, int, Edit]] = []
    for gained, lost in loose:
        for tag, i, j, k, n in _aligned(one, gained, two, lost, attributes=False):
            inserted, removed = gained[i:j], lost[k:n]
            if tag == "equal":
                alike += len(inserted)
                pairs.extend(zip(inserted, removed))
                edits.extend((x, 0, _changed(one, x, two.operators[y])) for x, y in zip(inserted, removed))
                continue
            inserted = [x for x in inserted if not identity(one.operators[x])]
            removed = [y for y in removed if not identity(two.operators[y])]
            if inserted and removed:
                edits.append((inserted[0], 0, _replaced(one, inserted, two, removed)))
                if len(inserted) == len(removed):
                    pairs.extend(zip(inserted, removed))
            elif inserted:
                edits.append((inserted[0], 0, _more(one, inserted)))
            elif removed:
                place = max((x for x, y in pairs if y < removed[0]), default=-1)
                edits.append((place, 1, _fewer(two, removed)))
    edits.extend(_rewired(one, two, pairs))
    total = len(one.operators) + len(two.operators)
    share = 2 * alike / max(1, total) if total - 2 * alike >= _FEW else 1.0
    return [edit for _, _, edit in sorted(edits, key=lambda item: item[:2])], share


_FEW = 6
"""Operators without a counterpart that any variant of a tiny net may have."""


def _of_equal_value(one: Plain, two: Plain) -> list[tuple[int, int]]:
    waiting: dict[object, list[int]] = {}
    for y, operator in enumerate(two.operators):
        waiting.setdefault((two.values[y], _token(operator)), []).append(y)
    pairs = []
    for x, operator in enumerate(one.operators):
        if found := waiting.get((one.values[x], _token(operator))):
            pairs.append((x, found.pop(0)))
    return pairs


def _aligned(
    one: Plain, left: Sequence[int], two: Plain, right: Sequence[int], *, attributes: bool
) -> list[tuple[str, int, int, int, int]]:
    tokens = [
        [_token(plain.operators[k], attributes=attributes) for k in numbers] for plain, numbers in ((one, left), (two, right))
    ]
    return list(SequenceMatcher(None, tokens[0], tokens[1], autojunk=False).get_opcodes())


def _where(plain: Plain, operator: Operator) -> str:
    if layer := layer_of(operator):
        return f" of `{layer}`"
    layer = next((found for source in operator.inputs if (found := behind(plain, source))), "")
    return f" behind `{layer}`" if layer else " before any layer"


def _named(operator: Operator) -> str:
    has = dict(operator.attributes)
    if operator.kind == "cast":
        return f"cast to {has.get('out_dtype', has.get('dtype', 'another dtype'))}"
    if operator.kind == "scale":
        return f"scale by {shown(has.get('scale', 1.0))}" + (f" plus {shown(has['bias'])}" if has.get("bias") else "")
    return f"{operator.kind} with {shown(has['constant'])}" if "constant" in has else operator.kind


def _changed(one: Plain, index: int, own: Operator) -> Edit:
    operator = one.operators[index]
    left, right = dict(operator.attributes), dict(own.attributes)
    names = [name for name in sorted({*left, *right}) if repr(left.get(name)) != repr(right.get(name))]
    parts = ", ".join(
        f"{name} is {shown(left.get(name, 'not there'))} in the export, {shown(right.get(name, 'not there'))} in the model's own export"
        for name in names[:3]
    )
    what = "changed"
    if turned := next((name for name in ("is_test", "use_global_stats") if name in names), ""):
        what = "trains" if left.get(turned) is False else "model trains"
    return Edit(what, f"{operator.kind}{_where(one, operator)}: {parts}", operator.kind, turned or names[0], operator.location)


def _listed(operators: Sequence[Operator]) -> str:
    names = [_named(operator) for operator in operators]
    head, tail = names[:3], len(names) - 3
    return (
        ", ".join(head[:-1]) + (f" and {head[-1]}" if len(head) > 1 else head[-1])
        if tail <= 0
        else f"{', '.join(head)} and {tail} more"
    )


def _replaced(one: Plain, inserted: Sequence[int], two: Plain, removed: Sequence[int]) -> Edit:
    left, right = [one.operators[x] for x in inserted], [two.operators[y] for y in removed]
    names, others = _listed(left), _listed(right)
    where = _where(one, left[0])
    if names == others:
        used = [", ".join(source.name for operator in side for source in operator.inputs if source.kind == "parameter")
                for side in (left, right)]  # fmt: skip
        names, others, where = f"{names} with {used[0] or 'no parameter'}", f"{others} with {used[1] or 'no parameter'}", ""
    return Edit("replaced", f"the export has {names}{where} where the model's own export has {others}", left[0].kind,
                location=left[0].location)  # fmt: skip


_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")


def _count(operators: Sequence[object]) -> str:
    number = len(operators)
    return f"{_NUMBERS[number] if number < len(_NUMBERS) else number} operator{'s' * (number != 1)}"


def _more(one: Plain, inserted: Sequence[int]) -> Edit:
    operators = [one.operators[x] for x in inserted]
    text = f"the export has {_count(operators)} more: {_listed(operators)}{_where(one, operators[0])}"
    training = any(("is_test", False) in operator.attributes for operator in operators)
    return Edit("trains" if training else "more", text, operators[0].kind, "is_test" if training else "", operators[0].location)


def _fewer(two: Plain, removed: Sequence[int]) -> Edit:
    operators = [two.operators[y] for y in removed]
    text = f"the export lacks {_count(operators)} of the model's own export: {_listed(operators)}{_where(two, operators[0])}"
    follower = before(two, removed[-1])
    return Edit("fewer", text + (f", before `{follower}`" if follower else ""), operators[0].kind, location=operators[0].location)


def _rewired(one: Plain, two: Plain, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int, Edit]]:
    """Aligned operators that take other inputs, or the same in another order; what an inserted operator explains is left out."""
    place = dict(pairs)
    found: list[tuple[int, int, Edit]] = []
    crossed: dict[str, str] = {}
    for x, y in sorted(pairs):
        if [_mapped(source, place) for source in one.operators[x].inputs] == list(two.operators[y].inputs):
            continue
        left = [_through(source, one.operators) for source in one.operators[x].inputs]
        right = [_through(source, two.operators) for source in two.operators[y].inputs]
        if any(source.kind == "operator" and source.producer not in place for source in left):
            continue
        mapped = [_mapped(source, place) for source in left]
        if mapped == right or any(s.kind == "operator" and s.producer not in place.values() for s in right):
            continue
        kind = one.operators[x].kind
        where = _where(one, one.operators[x])
        if sorted(mapped, key=repr) == sorted(right, key=repr):
            if sum(source.kind == "operator" for source in mapped) == len(mapped) and kind in (
                "add", "multiply", "elementwise_add", "elementwise_mul", "maximum", "minimum",
            ):  # fmt: skip
                continue
            text = f"{kind}{where} takes its inputs in another order than in the model's own export"
        else:
            k = next((k for k, (got, want) in enumerate(zip(mapped, right)) if got != want), len(left))
            if k >= len(left) or k >= len(right):
                text = f"{kind}{where} takes {len(left)} inputs in the export, {len(right)} in the model's own export"
            else:
                if left[k].kind == right[k].kind == "input":
                    crossed[right[k].name] = left[k].name
                text = (
                    f"{kind}{where} takes {_called(one, left[k])} in the export, {_called(two, right[k])} in the model's own export"
                )
        found.append((x, 1, Edit("rewired", text, kind, location=one.operators[x].location)))
    if len(crossed) > 1 and sorted(crossed) == sorted(crossed.values()) and found:
        names = " and ".join(f"`{name}`" for name in sorted(crossed))
        return [
            (found[0][0], 1, Edit("rewired", f"the inputs {names} of the network are swapped in the export", found[0][2].operator))
        ]
    return found


def _through(source: Source, operators: Sequence[Operator]) -> Source:
    while source.kind == "operator" and identity(operators[source.producer]):
        source = operators[source.producer].inputs[0]
    return source


def _mapped(source: Source, place: Mapping[int, int]) -> Source:
    return Source("operator", "", place.get(source.producer, -1), source.output) if source.kind == "operator" else source


def _called(plain: Plain, source: Source) -> str:
    if source.kind == "operator":
        operator = plain.operators[source.producer]
        return f"the output of {operator.kind}{_where(plain, operator)}"
    return f"the {'network input' if source.kind == 'input' else source.kind} `{source.name}`"


# -- the sentence ------------------------------------------------------------------------------------------------------


def _finding(edits: Sequence[Edit], facts: tuple[tuple[str, str], ...]) -> Finding:
    first = edits[0]
    cause = first.text
    if not cause.startswith("the "):  # a changed operator has its two values behind a colon; another one is a clause of its own
        cause = f"in the exported graph, {cause}" if first.what == "rewired" else f"the exported graph differs at {cause}"
    remedy = _AGAIN
    if first.operator == "softmax" and first.what in ("more", "fewer"):
        cause = f"softmax is {'missing from' if first.what == 'fewer' else 'applied once more in'} the export: {first.text}"
        remedy = "export the model with as many softmax as the model under test has."
    elif first.what == "trains":
        cause, remedy = f"the export was made in train mode: {first.text}", "call eval() on the layer before exporting."
    elif first.what == "model trains":
        cause = f"the model under test is in train mode: {first.text}"
        remedy = "make eval() of the model put every layer into evaluation."
    if len(edits) > 1:
        cause += f"; it is the first of {len(edits)} differences"
    for number, edit in enumerate(edits[1:4], 2):
        facts += ((f"difference {number}", edit.text),)
    if first.location:
        facts += (("line of code", first.location),)
    stage = "training" if first.what == "model trains" else "export"
    return Finding(stage, cause + ".", "operator", first.attribute or first.operator, facts, remedy)
