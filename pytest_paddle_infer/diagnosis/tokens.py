"""Why two preprocessing programs make different tokens of the same texts: other ids, special tokens, order, length or padding.

Called by `feeds`. Integers are compared exactly, and what is told holds for every sample. numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

import numpy as np

from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.diagnosis.renumbered import explain_ids, explain_unknown
from pytest_paddle_infer.diagnosis.steps import joined

Told = tuple[str, str]
Rows = Sequence[Array]
Tokens = tuple[int, ...]

TELLING = 4
"""Tokens that must agree where they could also differ, lest they agree by chance."""
_MULTIPLES = (128, 64, 32, 16, 8, 4)


@dataclass(frozen=True)
class Text:
    """One row without its padding. left, right: places of padding on either side; fill: the ids in them."""

    tokens: Tokens
    left: int
    right: int
    fill: frozenset[int]

    @property
    def length(self) -> int:
        """Of the row, padding and all."""
        return self.left + len(self.tokens) + self.right


def explain_tokens(training: Rows, inference: Rows, masks: tuple[Rows, Rows] | None = None) -> Told | None:
    """Returns (name of the step, what the inference preprocessing does) where one thing explains every row; else None.

    training, inference: int[L] of each sample. masks: 1 at tokens and 0 at padding, of both sides; without them zeros at either end of
    a row are padding.
    """
    one = _texts(training, masks[0] if masks else None)
    two = _texts(inference, masks[1] if masks else None)
    if one is None or two is None:
        return None
    exchanged = _ends_exchanged(one, two)
    if exchanged is not None:
        return exchanged
    told = explain_ids(training, inference)
    if told is not None:
        return told
    fills = frozenset().union(*(text.fill for text in (*one, *two)))
    if len(fills) > 1:
        return None
    found = [] if all(a.tokens == b.tokens for a, b in zip(one, two)) else [_contents(one, two)]
    if found == [None]:
        return explain_unknown(training, inference, fills)
    found += [_sides(one, two)] if _sides(one, two) else []
    if not found:
        found = [_lengths(one, two)]
    told_all = [each for each in found if each is not None]
    if not told_all:
        return None
    return joined(*dict.fromkeys(name for name, _ in told_all)), ", and it ".join(what for _, what in told_all)


def is_mask(rows: Rows, ids: Rows) -> bool:
    """True for zeros and ones, of the shape of `ids`, whose ones lie together in each row."""
    return all(row.shape == own.shape and _span(row) is not None for row, own in zip(rows, ids))


def _span(mask: Array) -> tuple[int, int] | None:
    """Where the ones of a mask lie; None for what is no mask."""
    ones = np.flatnonzero(mask == 1)
    if not len(ones) or np.count_nonzero(mask) != len(ones) or ones[-1] - ones[0] + 1 != len(ones):
        return None
    return int(ones[0]), int(ones[-1]) + 1


def _texts(rows: Rows, masks: Rows | None) -> list[Text] | None:
    texts = []
    for number, row in enumerate(rows):
        if masks is None:
            kept = np.flatnonzero(row)
            span = (int(kept[0]), int(kept[-1]) + 1) if len(kept) else None
        else:
            span = _span(masks[number]) if masks[number].shape == row.shape else None
        if span is None:
            return None
        start, stop = span
        fill = frozenset(row[:start].tolist()) | frozenset(row[stop:].tolist())
        texts.append(Text(tuple(row[start:stop].tolist()), start, len(row) - stop, fill))
    return texts


# -- the tokens --------------------------------------------------------------------------------------------------------

Made = Callable[[Tokens], Tokens]


def _ends_exchanged(one: Sequence[Text], two: Sequence[Text]) -> Told | None:
    ends = {(text.tokens[0], text.tokens[-1]) for text in one}
    first, last = next(iter(ends))
    if len(ends) > 1 or len(one) < 2 or first == last:
        return None
    for a, b in zip(one, two):
        if a.length != b.length or len(a.tokens) < 3 or b.tokens != (last, *a.tokens[1:-1], first):
            return None
    return "tokens", f"exchanges the first and the last token ({first} and {last})"


def _contents(one: Sequence[Text], two: Sequence[Text]) -> Told | None:
    training, inference = [text.tokens for text in one], [text.tokens for text in two]
    return (
        _framed(training, inference)
        or _cut(training, inference)
        or _end_lost(training, inference)
        or _left_out(training, inference)
        or _turned(training, inference)
    )


def _framed(training: Sequence[Tokens], inference: Sequence[Tokens]) -> Told | None:
    """A special token too few or too many, the same in every text."""
    for longer, shorter, what in (
        (training, inference, "leaves out the {0} token ({1})"),
        (inference, training, "adds the {0} token ({1}), which the training preprocessing does not"),
    ):
        firsts, lasts = {tokens[0] for tokens in longer}, {tokens[-1] for tokens in longer}
        for cut, ids, name in (
            (slice(1, None), [firsts], "first"),
            (slice(None, -1), [lasts], "last"),
            (slice(1, -1), [firsts, lasts], "first and the last"),
        ):
            if all(len(each) == 1 for each in ids) and _alike([tokens[cut] for tokens in longer], shorter, longer):
                return "tokens", what.format(name, " and ".join(str(next(iter(each))) for each in ids))
    return None


def _alike(made: Sequence[Tokens], wanted: Sequence[Tokens], source: Sequence[Tokens]) -> bool:
    """True where all that was made is what is wanted; the end of a text that both sides cut off may be another, of some texts.

    source: what it was made of.
    """
    most, full = max(map(len, wanted)), max(map(len, source))
    seen = 0
    for mine, theirs, own in zip(made, wanted, source):
        common = len(mine) if mine == theirs else min(len(mine), len(theirs)) - 2
        cut = len(theirs) == most and len(own) == full and common >= TELLING and mine[:common] == theirs[:common]
        if mine != theirs and not cut:
            return False
        seen += common
    return seen >= TELLING


def _cut(training: Sequence[Tokens], inference: Sequence[Tokens]) -> Told | None:
    """Long texts are cut off after a number of tokens by one side, and short ones are alike."""
    for longer, shorter, cuts in ((training, inference, True), (inference, training, False)):
        parted = [(a, b) for a, b in zip(longer, shorter) if a != b]
        most = len(parted[0][1])
        if any(len(b) != most or len(a) <= most for a, b in parted) or most < TELLING:
            continue
        if any(len(a) > most for a, b in zip(longer, shorter) if a == b):
            continue
        last = parted[0][0][-1]
        if all(b == a[:most] for a, b in parted):
            how = "cuts off texts after {0} tokens"
        elif all(b == (*a[: most - 1], last) for a, b in parted):
            how = f"cuts off texts after {{0}} tokens, the last of which is still {last}"
        elif all(b == a[-most:] for a, b in parted):
            how = "keeps the last {0} tokens of texts"
        else:
            continue
        other = max(map(len, longer))
        if cuts:
            return "truncation", f"{how.format(most)}, where the training preprocessing makes up to {other}"
        return "truncation", f"makes up to {other} tokens where the training preprocessing {how.format(most)}"
    return None


def _end_lost(training: Sequence[Tokens], inference: Sequence[Tokens]) -> Told | None:
    """Texts that are cut off end with a special token on one side alone."""
    most = max(map(len, training))
    parted = [(a, b) for a, b in zip(training, inference) if a != b]
    alike = [a for a, b in zip(training, inference) if a == b]
    if not alike or most < TELLING or any(len(a) != most or len(b) != most or a[:-1] != b[:-1] for a, b in parted):
        return None
    last = alike[0][-1]
    if all(a[-1] == last for a in training):
        return "truncation", f"does not end texts of {most} tokens with {last}, as it ends the others"
    if all(b[-1] == last for b in inference):
        return "truncation", f"ends texts of {most} tokens with {last}, which the training preprocessing cuts off"
    return None


def _left_out(training: Sequence[Tokens], inference: Sequence[Tokens]) -> Told | None:
    """Every token of one id is missing, as words that the vocabulary does not have."""
    missing = {token for tokens in training for token in tokens} - {token for tokens in inference for token in tokens}
    for token in sorted(missing):
        made = [tuple(each for each in tokens if each != token) for tokens in training]
        gone = sum(tokens.count(token) for tokens in training)
        behind = sum(len(left) - tokens.index(token) for tokens, left in zip(training, made) if token in tokens)
        if gone > 1 and behind >= TELLING and _alike(made, inference, training):
            return "tokens", f"leaves out the tokens that the training preprocessing writes as {token} ({gone} of them)"
    return None


def _turned(training: Sequence[Tokens], inference: Sequence[Tokens]) -> Told | None:
    for start, end, but in (
        (0, 0, ""),
        (1, 1, " but for the first and the last"),
        (1, 0, " but for the first"),
        (0, 1, " but for the last"),
    ):
        made = [(*a[:start], *a[start : len(a) - end][::-1], *a[len(a) - end :]) for a in training]
        if made == list(inference) and any(len(set(a[start : len(a) - end])) >= TELLING for a in training):
            return "tokens", f"feeds the tokens in reverse order{but}"
    return None


# -- the padding -------------------------------------------------------------------------------------------------------


def _sides(one: Sequence[Text], two: Sequence[Text]) -> Told | None:
    """Padding that lies at the other end of the rows."""
    ends = [(any(text.left for text in texts), any(text.right for text in texts)) for texts in (one, two)]
    if ends == [(False, True), (True, False)]:
        return "padding", "pads at the left where the training preprocessing pads at the right"
    if ends == [(True, False), (False, True)]:
        return "padding", "pads at the right where the training preprocessing pads at the left"
    return None


def _lengths(one: Sequence[Text], two: Sequence[Text]) -> Told | None:
    """The same tokens in rows of other lengths."""
    sides = {bool(text.left) - bool(text.right) for texts in (one, two) for text in texts} - {0}
    if len(sides) > 1 or all(a.length == b.length for a, b in zip(one, two)):
        return None
    own, fed = (_padded_to(texts) for texts in (one, two))
    if own is None or fed is None or own == fed:
        return None
    if not own:
        return "padding", f"pads texts to {fed}, which the training preprocessing does not pad"
    if not fed:
        return "padding", f"leaves out the padding to {own}"
    return "padding", f"pads texts to {fed} where the training preprocessing pads them to {own}"


def _padded_to(texts: Sequence[Text]) -> str | None:
    """What a side pads its rows to: "" where it pads none, None where no rule is seen."""
    if not any(text.left or text.right for text in texts):
        return ""
    lengths = {text.length for text in texts}
    if len(lengths) == 1:
        return f"{next(iter(lengths))} tokens"
    for multiple in _MULTIPLES:
        if all(text.length == -(-len(text.tokens) // multiple) * multiple for text in texts):
            return f"multiples of {multiple}"
    return None
