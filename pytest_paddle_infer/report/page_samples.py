"""The samples in report.html: the pictures as the engines were fed them, and the answers side by side. Pure functions.

A sample stands there once for all variants of its model, because the training engine's side is the same for all of them.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_paddle_infer.details.files import Pictures
from pytest_paddle_infer.report import cells
from pytest_paddle_infer.report.markup import number, text
from pytest_paddle_infer.report.matrix import beyond
from pytest_paddle_infer.samples import unnamed

WORST = 12
"""Samples that are shown at once; the others are behind a line for each `GROUP`."""

GROUP = 50

ROOM = 12_000_000
"""Characters for the samples of a whole report, so that the page stays below 15 MB; pictures get what the text leaves."""

TEXT_SHARE = 0.6
"""Of the room: the most that text may take, so that there are pictures too."""

AllPictures = Mapping[str, Mapping[int, Pictures]]

Parity = Mapping[str, Any]
Sample = Mapping[str, Any]


@dataclass(frozen=True)
class Variant:
    """One column. name: the variant, or the test's id where two tests of one variant saw these samples."""

    name: str
    test: str
    samples: Mapping[int, Sample]


@dataclass(frozen=True)
class Seen:
    """The samples that some variants of one model saw. order: the indexes, worst first."""

    model: str
    variants: tuple[Variant, ...]
    order: tuple[int, ...]


def samples(content: Mapping[str, Any], pictures: AllPictures) -> Iterator[str]:
    """Returns the section's lines; none where no sample was compared."""
    found = _seen(content["tests"])
    for number_of, seen in enumerate(found, 1):
        title = f"{seen.model}, {'sample' if len(seen.order) == 1 else f'{len(seen.order)} samples'}"
        if len([one for one in found if one.model == seen.model]) > 1:
            title += f" of {', '.join(variant.test for variant in seen.variants)}"
        yield f'<h3 id="samples-{number_of}">{text(title)}</h3>'
        yield from _of_one(seen, pictures, ROOM // len(found))


def _seen(tests: Sequence[Mapping[str, Any]]) -> list[Seen]:
    """Tests of one model that saw samples of the same names belong together; those with a sample that fails come first."""
    together: dict[Any, list[Mapping[str, Any]]] = {}
    for test in tests:
        parity = (test.get("details") or {}).get("parity")
        if parity and parity["samples"]:
            names = tuple((sample["index"], sample["name"]) for sample in parity["samples"])
            together.setdefault((test["model"] or test["id"], names), []).append(test)
    found = [_together(model, mine) for (model, _), mine in together.items()]
    return sorted(found, key=lambda seen: not any(_fails(variant.samples[seen.order[0]]) for variant in seen.variants))


def _together(model: str, tests: Sequence[Mapping[str, Any]]) -> Seen:
    times = Counter(test["variant"] for test in tests)
    variants = tuple(
        Variant(
            test["variant"] if test["variant"] and times[test["variant"]] == 1 else test["id"],
            test["id"],
            {sample["index"]: sample for sample in test["details"]["parity"]["samples"]},
        )
        for test in tests
    )
    indexes = sorted(variants[0].samples, key=lambda index: (*_badness([each.samples[index] for each in variants]), index))
    return Seen(model, variants, tuple(indexes))


def _badness(found: Sequence[Sample]) -> tuple[float, float]:
    """Sorts the worst first: answers that differ, then the distance from the limit."""
    differs = any(sample["agreement"] == "differs" or sample["input"] == "differs" for sample in found)
    return -float(differs), -max(_limits(sample) for sample in found)


def _fails(sample: Sample) -> bool:
    return sample["agreement"] == "differs" or sample["input"] == "differs" or _limits(sample) > 1


def _limits(sample: Sample) -> float:
    """Error over limit; one that is not finite is the worst, and so is that of an output of another shape, which has neither."""
    if sample["limits"] is not None:
        return float(sample["limits"])
    return math.inf if sample["error_relative"] is None and sample["output"] else 0.0


# -- what there is room for --------------------------------------------------------------------------------------------


def _of_one(seen: Seen, pictures: AllPictures, room: int) -> Iterator[str]:
    cards, drawn, offered = _within(seen, pictures, room)
    yield f'<p class="faint">{text(_said(seen, len(cards), drawn, offered))}</p>'
    kind = "samples broad" if len(seen.variants) > 1 else "samples"
    yield f'<ol class="{kind}">{"".join(cards[:WORST])}</ol>'
    for start in range(WORST, len(cards), GROUP):
        end = min(start + GROUP, len(cards))
        told = _range([_worst_of(seen, index) for index in seen.order[start:end]])
        hidden = f'<span class="hidden">, {text(seen.model)}</span>'
        yield f"<details><summary>Samples {start + 1} to {end} of {len(cards)}: {told}{hidden}</summary>"
        yield f'<ol class="{kind}" start="{start + 1}">{"".join(cards[start:end])}</ol></details>'


def _within(seen: Seen, pictures: AllPictures, room: int) -> tuple[list[str], int, int]:
    """Returns as many samples as there is room for, worst first, how many of them have pictures, and how many could have had."""
    bodies: list[str] = []
    used = 0
    for index in seen.order:
        body = _answers(seen, index)
        if bodies and used + len(body) > TEXT_SHARE * room:
            break
        used += len(body)
        bodies.append(body)
    cards = []
    drawn = offered = 0
    full = False
    for index, body in zip(seen.order, bodies):
        shown = _pictures(seen, index, pictures)
        offered += bool(shown)
        full = full or used + len(shown) > room
        drawn += bool(shown) and not full
        used += 0 if full else len(shown)
        cards.append(f"<li>{'' if full else shown}{body}</li>")
    return cards, drawn, offered


def _said(seen: Seen, shown: int, drawn: int, offered: int) -> str:
    order = "those whose answers or inputs differ first, then by how near they are to their limit"
    said = f"In this order: {order}." if len(seen.order) > 1 else ""
    if shown < len(seen.order):
        said += f" There is room for the first {shown} of {len(seen.order)}; all are in report.json, in details.parity.samples."
    if drawn < offered:
        said += f" Pictures of the first {drawn}: more would make this page too large."
    elif 0 < drawn < shown:
        said += f" Pictures were kept of {drawn}."
    return said.strip()


def _worst_of(seen: Seen, index: int) -> Sample:
    return max((variant.samples[index] for variant in seen.variants), key=_limits)


def _range(samples: Sequence[Sample]) -> str:
    high, low = max(samples, key=_limits), min(samples, key=_limits)
    return f"error / limit {_times(high)}" + (f" to {_times(low)}" if _limits(low) != _limits(high) else "")


def _times(sample: Sample) -> str:
    limits = _limits(sample)
    return beyond(sample["limit_relative"]) if math.isinf(limits) else cells.times(limits)


# -- one sample --------------------------------------------------------------------------------------------------------


def _pictures(seen: Seen, index: int, pictures: AllPictures) -> str:
    """Each distinct picture once, with the engines that were fed it."""
    found = {variant.name: pictures.get(variant.test, {}).get(index) for variant in seen.variants}
    trained = next((each.training for each in found.values() if each is not None), None)
    if trained is None:
        return ""
    fed: dict[bytes, list[str]] = {trained: ["training"]}
    for variant in seen.variants:
        kept = found[variant.name]
        alike = variant.samples[index]["input"] in ("equal", "rounding")  # whose rounding may change the level of a pixel
        if kept is not None and kept.inference is not None and not alike:
            fed.setdefault(kept.inference, []).append(variant.name)
        elif kept is not None or alike:
            fed[trained].append(variant.name)
    name = text(seen.variants[0].samples[index]["name"])
    shown = []
    for data, engines in fed.items():
        everyone = len(engines) == len(seen.variants) + 1
        whom = ("both engines" if len(engines) == 2 else "all engines") if everyone else _and(engines)
        source = b64encode(data).decode("ascii")
        shown.append(
            f'<figure><img src="data:image/png;base64,{source}" alt="{name}, as fed to {text(whom)}" decoding="async">'
            f"<figcaption>fed to {text(whom)}</figcaption></figure>"
        )
    return f'<div class="fed">{"".join(shown)}</div>'


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _answers(seen: Seen, index: int) -> str:
    """The name, and a column for each engine: its best classes, the margin, and what was compared."""
    each = [variant.samples[index] for variant in seen.variants]
    training = next((sample["training"] for sample in each if sample["training"]), None)
    answers = [training, *(sample["inference"] for sample in each)]
    depth = max((len(answer["top"]) for answer in answers if answer), default=0)
    rows = [
        (f'<abbr title="answer {place + 1} by score">{place + 1}</abbr>', [_class(answer, training, place) for answer in answers])
        for place in range(depth)
    ]
    if any(answer and answer["margin"] is not None for answer in answers):
        rows.append(("margin", [number(answer["margin"]) if answer else cells.NONE for answer in answers]))
    texts = [sample["answer_texts"] for sample in each]
    trained = next((found["training"] for found in texts if found), "")
    agreements = [_agreement(sample["agreement"]) for sample in each]
    beside = _fits_beside([trained, *(found["inference"] for found in texts if found)], len(each))
    made = [_shown(found["inference"]) + cell if found and beside else cell for found, cell in zip(texts, agreements)]
    rows.append(("answer", [_shown(trained) if trained and beside else "", *made]))
    rows.append(("input", ["", *(_input(sample["input"]) for sample in each)]))
    rows.append(("error / limit", ["", *(_error(sample) for sample in each)]))
    filled = "".join(f'<tr><th scope="row">{label}</th>{"".join(f"<td>{cell}</td>" for cell in row)}</tr>' for label, row in rows)
    if trained and not beside:
        filled += _below(seen, index, trained)
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in ("training", *(variant.name for variant in seen.variants)))
    name = text(each[0]["name"])
    place = "" if each[0]["name"] == unnamed(index) else f' <span class="faint">sample {index}</span>'
    caption = f"<caption><span>{name}</span>{place}</caption>"
    body = f"<table>{caption}<thead><tr><td></td>{head}</tr></thead><tbody>{filled}</tbody></table>"
    if len(answers) > 4:
        return f'<div class="wide" role="region" tabindex="0" aria-label="Answers to {name}, sample {index}">{body}</div>'
    return body


LONGEST_BESIDE = 48
"""Characters of an answer that stands in a column of its own, next to one other."""


def _fits_beside(answers: Sequence[str], variants: int) -> bool:
    """False for answers that columns would tear to pieces; they get rows, and only those that do not agree with the first."""
    return max(map(len, answers), default=0) * variants <= LONGEST_BESIDE


def _below(seen: Seen, index: int, trained: str) -> str:
    """Rows of the training engine's answer, and of each that does not agree with it."""
    answered = [("training", trained)]
    for variant in seen.variants:
        sample = variant.samples[index]
        if sample["answer_texts"] and sample["agreement"] != "agrees":
            answered.append((variant.name, sample["answer_texts"]["inference"]))
    width = 1 + len(seen.variants)
    rows = (f'<tr><th scope="row">{text(who)}</th><td colspan="{width}">{_shown(answer)}</td></tr>' for who, answer in answered)
    return "".join(rows)


def _shown(answer: str) -> str:
    """What an own postprocess returned, on lines of its own."""
    return f'<div class="answered">{text(answer)}</div>'


def _class(answer: Mapping[str, Any] | None, training: Mapping[str, Any] | None, place: int) -> str:
    if not answer or place >= len(answer["top"]):
        return cells.NONE
    found = answer["top"][place]
    other = training["top"][place]["class_id"] if training and place < len(training["top"]) else found["class_id"]
    mark = ' class="off"' if found["class_id"] != other else ""
    return f"<b{mark}>{found['class_id']}</b> {number(found['score'])}"


def _agreement(found: str | None) -> str:
    signs = {"agrees": ("passed", "✓ agrees"), "tie": ("skipped", "≈ near tie"), "differs": ("failed", "✗ differs")}
    return _sign(found, signs)


def _input(found: str | None) -> str:
    signs = {"equal": ("passed", "✓ equal"), "rounding": ("passed", "✓ rounding"), "differs": ("failed", "✗ differs")}
    return _sign(found, signs)


def _sign(found: str | None, signs: Mapping[str, tuple[str, str]]) -> str:
    if found not in signs:
        return cells.NONE
    kind, said = signs[found or ""]
    return f'<span class="{kind}">{said}</span>'


def _error(sample: Sample) -> str:
    """The error in limits, as a bar that is full at the limit, and the two numbers behind it."""
    limits = _limits(sample)
    if sample["limits"] is None and not math.isinf(limits):
        return number(sample["error_relative"])
    share = min(100.0, 100 * limits)
    kind = "over" if limits > 1 else "under"
    title = f"{number(sample['error_relative'])} of {number(sample['limit_relative'])}, output {sample['output']}"
    return f'<span title="{text(title)}">{_times(sample)}<span class="bar {kind}"><i style="width:{share:.3g}%"></i></span></span>'
