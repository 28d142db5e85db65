"""Why two preprocessing programs make different tokens of the same texts: other ids, special tokens, order, length or padding.

Called by `feeds`. Integers are compared exactly, and what is told holds for every sample. numpy only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

import numpy as np

from pytest_paddle_infer.diagnosis.finding import Array, Deadline
from pytest_paddle_infer.diagnosis.renumbered import explain_ids, explain_unknown
from pytest_paddle_infer.diagnosis.steps import joined

Told = tuple[str, str]
Rows = Sequence[Array]
Tokens = tuple[int, ...]

TELLING = 4
"""Tokens that must agree where they could also differ, lest they agree by chance."""
_MOST_LEFT_OUT = 20
"""Ids that are tried for tokens left out, the most frequent first."""
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


def explain_tokens(
    training: Rows, inference: Rows, masks: tuple[Rows, Rows] | None = None, deadline: Deadline | None = None
) -> Told | None:
    """Returns (name of the step, what the inference preprocessing does) where one thing explains every row; else None.

    training, inference: int[L] of each sample. masks: 1 at tokens and 0 at padding, of both sides; without them zeros at either end of
    a row are padding. deadline: after which no more ids are tried for tokens left out.
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
    found = [] if all(a.tokens == b.tokens for a, b in zip(one, two)) else [_contents(one, two, deadline)]
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


def _contents(one: Sequence[Text], two: Sequence[Text], deadline: Deadline | None) -> Told | None:
    training, inference = [text.tokens for text in one], [text.tokens for text in two]
    return (
        _framed(training, inference)
        or _cut(training, inference)
        or _end_lost(training, inference)
        or _left_out(training, inference, deadline)
        or _turned(training, inference)
    )


def _framed(training: Sequence[Tokens], inference: Sequence[Tokens]) -> Told | None:
    """A special token too few or too many, the same in every text."""
    for longer, shorter, what in (
        (training, inference, "leaves out the {0} token ({1})"),
        (inference, training, "adds the {0} token ({1}), which the training preprocessing does not"),
    ):
        firsts, lasts = {tokens[0] for tokens in longer}, {tokens[-1] for tokens in longer}
        full = max(map(len, longer))
        for cut, ids, name in (
            (slice(1, None), [firsts], "first"),
            (slice(None, -1), [lasts], "last"),
            (slice(1, -1), [firsts, lasts], "first and the last"),
        ):
            if any(len(each) > 1 for each in ids):
                continue
            made = [_alike(own, own[cut], theirs, full, ends=cut.stop is None) for own, theirs in zip(longer, shorter)]
            seen = [each for each in made if each is not None]
            # of texts that both sides cut off the last place tells nothing: one text must show that the token is gone
            shown = name != "last" or any(own[cut] == theirs for own, theirs in zip(longer, shorter))
            if len(seen) == len(longer) and sum(seen) >= TELLING and shown:
                return "tokens", what.format(name, " and ".join(str(next(iter(each))) for each in ids))
    return None


def _alike(own: Tokens, made: Tokens, wanted: Tokens, full: int, ends: bool = True) -> int | None:
    """How many of the tokens made of a text are as wanted; None where they are not.

    In a text that both sides cut off further words take the free places. full: tokens of such a text. ends: its last token may be
    kept behind those words.
    """
    if made == wanted:
        return len(made)
    if len(own) != full or not len(made) < len(wanted) <= full or len(made) <= TELLING:
        return None
    if ends and made[-1] == wanted[-1] and made[:-1] == wanted[: len(made) - 1]:
        return len(made) - 1
    return len(made) if made == wanted[: len(made)] and (ends or own[-1] != wanted[-1]) else None


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


def _left_out(training: Sequence[Tokens], inference: Sequence[Tokens], deadline: Deadline | None) -> Told | None:
    """Every token of one id is missing, as words that the vocabulary does not have."""
    kept = {token for tokens in inference for token in tokens}
    counts = Counter(token for tokens in training for token in tokens)
    missing = sorted((-times, token) for token, times in counts.items() if times > 1 and token not in kept)
    full = max(map(len, training))
    for times, token in missing[:_MOST_LEFT_OUT]:
        if deadline is not None and deadline.over():
            return None
        behind = _behind(token, training, inference, full)
        if behind is not None and behind >= TELLING:
            return "tokens", f"leaves out the tokens that the training preprocessing writes as {token} ({-times} of them)"
    return None


def _behind(token: int, training: Sequence[Tokens], inference: Sequence[Tokens], full: int) -> int | None:
    """How many tokens have moved up, of all texts, as one id left out makes them; None where a text is not made so."""
    moved = 0
    for own, theirs in zip(training, inference):
        if not len(own) - own.count(token) <= len(theirs) <= len(own):
            return None
        same = _alike(own, tuple(each for each in own if each != token), theirs, full)
        if same is None:
            return None
        moved += max(0, same - own.index(token)) if token in own else 0
    return moved


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
