"""diagnosis/feeds.py, tokens.py, renumbered.py: texts, masks and several inputs, each fault named where it explains every sample alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import numpy as np
import pytest

from pytest_paddle_infer.diagnosis.feeds import Feed, explain_feeds
from pytest_paddle_infer.diagnosis.finding import Array, Deadline, Finding
from pytest_paddle_infer.diagnosis.steps import _REMEDIES

PAD, UNK, CLS, SEP = 0, 1, 2, 3
NAMES = ("input_ids", "attention_mask")
WORDS = [
    [10, 11, 12, 13, 1, 14, 10],
    [15],
    [20 + n % 17 for n in range(40)],
    [11, 1, 16, 12, 17],
    [18, 12, 11, 10, 19, 13, 1, 15, 14],
]
"""The words of five texts; of the third there are too many."""

Encoded = tuple[list[int], list[int]]
Encode = Callable[[list[int]], Encoded]


def encode(
    words: list[int],
    *,
    most: int = 32,
    multiple: int = 8,
    length: int = 0,
    first: int | None = CLS,
    last: int | None = SEP,
    left: bool = False,
    pad: int = PAD,
    keep_last: bool = True,
) -> Encoded:
    """Ids and mask of one text."""
    ids = [first] if first is not None else []
    ids += words[: most - len(ids) - (last is not None and keep_last)]
    ids += [last] if last is not None and len(ids) < most else []
    return padded(ids, multiple=multiple, length=length, left=left, pad=pad)


def padded(ids: list[int], *, multiple: int = 8, length: int = 0, left: bool = False, pad: int = PAD) -> Encoded:
    free = (length or -(-len(ids) // multiple) * multiple) - len(ids)
    mask = [1] * len(ids)
    return ([pad] * free + ids, [0] * free + mask) if left else (ids + [pad] * free, mask + [0] * free)


def fed(encoder: Encode, texts: Sequence[list[int]] = WORDS) -> list[list[Array]]:
    return [[np.array([row], np.int64) for row in encoder(list(words))] for words in texts]


def told(
    inference: Sequence[list[Array]], training: Sequence[list[Array]] | None = None, names: Sequence[str] = NAMES
) -> Finding | None:
    own = fed(encode) if training is None else training
    return explain_feeds(names, [Feed(number, one, two) for number, (one, two) in enumerate(zip(own, inference))])


def said(found: Finding | None) -> str:
    return "" if found is None else found.cause.removeprefix("the inference preprocessing ").rstrip(".")


def turned(words: list[int]) -> Encoded:
    ids, mask = encode(words)
    count = sum(mask)
    return ids[:1] + ids[1 : count - 1][::-1] + ids[count - 1 :], mask


def renumbered(change: Callable[[int], int]) -> Encode:
    def made(words: list[int]) -> Encoded:
        ids, mask = encode(words)
        return [change(each) for each in ids], mask

    return made


def vocabulary(token: int) -> int:
    return token if token < 4 else 4 + (token * 7) % 101


TOKENS: dict[str, tuple[Encode, str]] = {
    "left for right": (lambda w: encode(w, left=True), "pads at the left where the training preprocessing pads at the right"),
    "multiples": (
        lambda w: encode(w, multiple=16),
        "pads texts to multiples of 16 where the training preprocessing pads them to multiples of 8",
    ),
    "fixed length": (
        lambda w: encode(w, length=40),
        "pads texts to 40 tokens where the training preprocessing pads them to multiples of 8",
    ),
    "no padding": (lambda w: encode(w, multiple=1), "leaves out the padding to multiples of 8"),
    "left and longer": (
        lambda w: encode(w, left=True, length=32),
        "pads at the left where the training preprocessing pads at the right",
    ),
    "no first": (lambda w: encode(w, first=None), "leaves out the first token (2)"),
    "no last": (lambda w: encode(w, last=None), "leaves out the last token (3)"),
    "neither": (lambda w: encode(w, first=None, last=None), "leaves out the first and the last token (2 and 3)"),
    "one more first": (lambda w: encode([CLS, *w]), "adds the first token (2), which the training preprocessing does not"),
    "cut after 24": (
        lambda w: encode(w, most=24),
        "cuts off texts after 24 tokens, the last of which is still 3, where the training preprocessing makes up to 32",
    ),
    "cut after 36": (
        lambda w: encode(w, most=36),
        "makes up to 36 tokens where the training preprocessing cuts off texts after 32 tokens, the last of which is still 3",
    ),
    "end lost": (lambda w: encode(w, keep_last=False), "does not end texts of 32 tokens with 3, as it ends the others"),
    "without unknown": (
        lambda w: encode([each for each in w if each != UNK]),
        "leaves out the tokens that the training preprocessing writes as 1 (3 of them)",
    ),
    "reverse": (turned, "feeds the tokens in reverse order but for the first and the last"),
    "exchanged ends": (lambda w: encode(w, first=SEP, last=CLS), "exchanges the first and the last token (2 and 3)"),
    "shifted": (renumbered(lambda token: token + 1), "shifts its integers by +1"),
    "shifted but 0": (renumbered(lambda token: token + bool(token)), "shifts its integers by +1 but for zeros"),
    "shifted words": (
        renumbered(lambda token: token + (token > SEP)),
        "shifts its integers by +1 from 10 on, not those up to 3",
    ),
    "shifted but 12 and 20": (
        renumbered(lambda token: token if token in (12, 20) else token + 30),
        "shifts its integers by +30 but for 12, 20",
    ),
    "another pad": (
        lambda w: encode(w, pad=SEP),
        "writes 3 where the training preprocessing writes 0 (18 places, everywhere)",
    ),
    "another unknown": (
        renumbered(lambda token: 100 if token == UNK else token),
        "writes 100 where the training preprocessing writes 1 (3 places, everywhere)",
    ),
    "exchanged ids": (renumbered(lambda token: {10: 11, 11: 10}.get(token, token)), "exchanges 10 and 11 wherever they stand"),
    "vocabulary": (
        renumbered(vocabulary),
        "writes other integers, as of another vocabulary: 74 for 10, 81 for 11, 88 for 12; each of 26 always becomes the same other",
    ),
    "unknown words": (
        lambda w: encode([UNK if number and each in (12, 16, 19, 13) else each for number, each in enumerate(w)]),
        "writes 1 for 7 tokens that have ids of their own in the training preprocessing",
    ),
}


@pytest.mark.parametrize("fault", TOKENS)
def test_what_is_done_to_tokens_is_named(fault: str) -> None:
    encoder, words = TOKENS[fault]
    found = told(fed(encoder))
    assert said(found) == words
    assert found is not None
    assert found.remedy.rstrip(".") == _REMEDIES[found.name].rstrip(".")
    assert not [label for label, _ in found.facts if label == "also"], "the mask lies as the tokens do"


@pytest.mark.parametrize("fault", TOKENS)
def test_what_holds_for_all_tokens_but_one_is_not_told(fault: str) -> None:
    inference = fed(TOKENS[fault][0])
    ids, mask = inference[4]
    middle = int(np.flatnonzero(mask[0])[4])
    ids[0, middle], other = 25 if fault == "unknown words" else ids[0, middle + 1], ids[0, middle]
    assert ids[0, middle] != other, "or nothing was changed"
    assert told(inference) is None


SHOWN_BY_SOME = ("multiples", "cut after 36", "end lost", "cut after 24", "unknown words")
"""Faults that only some texts show, so that a text that does not is no sign against them."""


@pytest.mark.parametrize("fault", [name for name in TOKENS if name not in SHOWN_BY_SOME])
def test_a_sample_that_is_done_right_refutes_what_the_others_show(fault: str) -> None:
    inference = fed(TOKENS[fault][0])
    inference[4] = fed(encode)[4]
    assert inference[4][0].tolist() != fed(TOKENS[fault][0])[4][0].tolist(), "this text shows nothing of it"
    assert told(inference) is None


@pytest.mark.parametrize("seed", range(20))
def test_texts_that_have_nothing_to_do_with_each_other_are_not_explained(seed: int) -> None:
    random = np.random.RandomState(seed)
    others = [random.randint(4, 40, 1 + random.randint(12)).tolist() for _ in WORDS]
    assert told(fed(encode, others)) is None


@pytest.mark.parametrize(
    ("training", "inference", "words"),
    [
        ({"left": True}, {}, "pads at the right where the training preprocessing pads at the left"),
        ({"multiple": 1}, {"multiple": 4}, "pads texts to multiples of 4, which the training preprocessing does not pad"),
        (
            {"keep_last": False},
            {},
            "ends texts of 32 tokens with 3, which the training preprocessing cuts off",
        ),
        (
            {},
            {"most": 24, "keep_last": False},
            "cuts off texts after 24 tokens, where the training preprocessing makes up to 32",
        ),
        ({"first": None}, {}, "adds the first token (2), which the training preprocessing does not"),
        ({"last": None}, {}, "adds the last token (3), which the training preprocessing does not"),
        (
            {"most": 24},
            {"left": True},
            "makes up to 32 tokens where the training preprocessing cuts off texts after 24 tokens, the last of which is still 3, "
            "and it pads at the left where the training preprocessing pads at the right",
        ),
    ],
)
def test_either_side_may_be_the_one_that_does_it(training: dict[str, Any], inference: dict[str, Any], words: str) -> None:
    found = told(fed(lambda w: encode(w, **inference)), fed(lambda w: encode(w, **training)))
    assert said(found) == words


def test_the_end_of_a_text_may_be_what_is_kept() -> None:
    found = told(fed(lambda w: padded(encode(w, multiple=1)[0][-24:])))
    assert said(found) == "keeps the last 24 tokens of texts, where the training preprocessing makes up to 32"


@pytest.mark.parametrize(("one", "two"), [((8, 24), (8, 32)), ((3, 3), (3, 4))])
def test_rows_whose_lengths_follow_no_rule_are_left_alone(one: tuple[int, int], two: tuple[int, int]) -> None:
    def rows(lengths: tuple[int, int]) -> list[list[Array]]:
        return [[np.array([padded([2, 7, 3], length=length)[side]]) for side in (0, 1)] for length in lengths]

    assert told(rows(two), rows(one)) is None


def test_a_mask_of_floats_says_where_the_padding_is_too() -> None:
    def floats(encoder: Encode) -> list[list[Array]]:
        return [[ids, mask.astype(np.float32)] for ids, mask in fed(encoder)]

    for fault in ("left for right", "no first", "cut after 24"):
        found = told(floats(TOKENS[fault][0]), floats(encode))
        assert said(found) == TOKENS[fault][1]
        assert found is not None
        assert found.facts == ()


def test_without_a_mask_zeros_at_the_ends_are_the_padding() -> None:
    def ids(encoder: Encode) -> list[list[Array]]:
        return [each[:1] for each in fed(encoder)]

    for fault in ("left for right", "multiples", "no first", "cut after 24", "reverse"):
        encoder, words = TOKENS[fault]
        assert said(told(ids(encoder), ids(encode), NAMES[:1])) == words


def test_rows_of_a_batch_are_texts_too() -> None:
    def batch(encoder: Encode) -> list[list[Array]]:
        rows = [encoder(words) for words in WORDS]
        return [[np.array([row[side] for row in rows]) for side in (0, 1)]]

    right, left = batch(lambda w: encode(w, length=32)), batch(lambda w: encode(w, length=32, left=True))
    assert said(told(left, right)) == TOKENS["left for right"][1]
    left[0][0][1] = right[0][0][1]
    assert told(left, right) is None


def test_other_inputs_of_the_same_tokens_are_explained_with_them_and_what_is_not_is_a_fact() -> None:
    def with_types(encoder: Encode, fault: bool) -> list[list[Array]]:
        return [[*each, np.full((1, 2), n + fault, np.float32)] for n, each in enumerate(fed(encoder))]

    names = (*NAMES, "size")
    cut = TOKENS["cut after 24"]
    found = told(with_types(cut[0], fault=True), with_types(encode, fault=False), names)
    assert said(found) == cut[1]
    assert found is not None
    assert dict(found.facts)["also"] == "input size differs too"
    more, fewer = ([[*each, each[2] * 2] for each in with_types(*side)] for side in ((cut[0], True), (encode, False)))
    found = told(more, fewer, (*names, "scale"))
    assert found is not None
    assert dict(found.facts)["also"] == "inputs size and scale differ too"
    found = told(with_types(cut[0], fault=False), with_types(encode, fault=False), names)
    assert found is not None
    assert found.facts == ()


def test_padding_that_moves_without_its_mask_is_told_with_the_mask_that_stays() -> None:
    left = fed(lambda w: (encode(w, left=True)[0], encode(w)[1]))
    found = told(left)
    assert said(found) == TOKENS["left for right"][1]
    assert found is not None
    assert ("input", "input_ids") in found.facts


ALIKE = [[2, 10, 11, 12, 13, 3], [2, 14, 3], [2, 15, 16, 17, 3]]
"""Texts that both sides write alike, beside those of a near miss."""


@pytest.mark.parametrize(
    ("training", "inference"),
    [
        ([[2, 10, 3]], [[10, 3]]),
        ([[2, 10, 3], [2, 11, 12, 13, 3]], [[10, 3], [11, 12, 20, 21, 3]]),
        ([[2, 10, 3], [2, 11, 12, 13]], [[2, 10, 3], [2, 11, 12]]),
        ([*ALIKE, [2, 20, 21, 22, 23, 3]], [*ALIKE, [2, 20, 21, 22]]),
        ([*ALIKE, [2, 20, 21, 22, 23, 3]], [*ALIKE, [2, 20, 22, 23, 3]]),
        ([*ALIKE, [2, 21, 22, 23, 24, 25, 26, 3]], [*ALIKE, [2, 22, 23, 24, 25, 26, 3]]),
        ([*ALIKE, [2, 10, 21, 21, 3]], [*ALIKE, [2, 10, 3]]),
        ([[2, 10, 3], [2, 3]], [[2, 10, 9], [2, 3]]),
        ([[10, 11, 12, 13, 14, 15, 16, 17, 10]], [[20, 11, 22, 13, 24, 15, 26, 17, 20]]),
        ([[2, 14, 3], [2, 20, 21, 3]], [[2, 14, 3], [2, 21, 20, 3]]),
        ([[2, 10, 11, 3]], [[3, 10, 11, 2]]),
        ([[2, 10, 11, 3]] * 2, [[3, 11, 10, 2], [3, 10, 11, 2]]),
        ([*ALIKE, [2, 20, 21, 3]], [*ALIKE, [2, 20, 22, 3]]),
        ([[30, 31, 32, 33, 34, 35]], [[20, 25, 21, 29, 22, 28]]),
        ([*ALIKE, [2, 20, 30, 20, 30, 3]], [*ALIKE, [2, 21, 31, 21, 31, 3]]),
        ([[2, 20, 21, 22, 23, 24, 25, 3], *ALIKE], [[2, 20, 0, 0, 0, 24, 25, 3], *ALIKE]),
        ([[2, 20, 21, 22, 23, 24, 25, 3], *ALIKE], [[2, 20, 1, 1, 23, 24, 25, 3], *ALIKE]),
        ([[2, 20, 21, 22, 23, 24, 3], [2, 25, 3]], [[2, 20, 21, 22, 23, 24, 9], [2, 25, 8]]),
    ],
    ids=[
        "no first of two", "no first, another text", "cut after three", "a longer text is not cut", "one token left out",
        "one of many left out",
        "two left out at the end", "end of two", "as many not shifted", "two tokens turned", "ends of one text", "ends, turned once",
        "one place",
        "each id once",
        "two ids moved", "padding for tokens", "two unknown tokens", "two ends",
    ],
)  # fmt: skip
def test_what_may_be_chance_is_not_told(training: list[list[int]], inference: list[list[int]]) -> None:
    one, two = (fed(lambda ids: padded(ids), texts) for texts in (training, inference))
    assert told(two, one) is None


def words_of(count: int = 8, length: int = 10) -> list[list[int]]:
    return np.random.RandomState(3).randint(1000, 30000, (count, length)).tolist()


def rows(texts: Sequence[list[int]]) -> list[list[Array]]:
    return [[np.array([each])] for each in texts]


@pytest.mark.parametrize("place", [-2, -3, -4])
def test_a_last_token_that_is_still_there_is_not_left_out(place: int) -> None:
    one = [[101, *each, 102] for each in words_of()]
    two = [[*each[:place], 7000 + number, *each[place + 1 :]] for number, each in enumerate(one)]
    assert told(rows(two), rows(one), NAMES[:1]) is None
    assert told(rows(one), rows(two), NAMES[:1]) is None


def test_other_ends_of_texts_that_are_all_cut_off_do_not_show_what_is_left_out() -> None:
    one = [[101, *each, 102] for each in words_of()]
    two = [[*each[:-1], 7000 + number] for number, each in enumerate(one)]
    assert told(rows(two), rows(one), NAMES[:1]) is None
    one, two = [*one, [101, 5, 6, 102]], [*two, [101, 5, 6, 0]]
    assert said(told(rows(two), rows(one), NAMES[:1])) == "leaves out the last token (102)"
    assert told(rows([one[0], *two[1:]]), rows(one), NAMES[:1]) is None, "the first text still has it"


def test_one_id_before_the_last_that_became_others_is_not_left_out() -> None:
    one = [[101, *each, 77, 102] for each in words_of()]
    two = [[*each[:-2], 7000 + number, 102] for number, each in enumerate(one)]
    assert told(rows(two), rows(one), NAMES[:1]) is None


def test_a_row_of_many_ids_is_looked_at_in_no_time() -> None:
    asked: list[int] = []

    def clock() -> float:
        asked.append(1)
        return 0.0

    one = np.random.RandomState(0).permutation(20_000) // 2 + 10  # each id twice
    two = np.where(one % 2 == 0, one, 1)
    two[:2] = 7, 9
    assert explain_feeds(["ids"], [Feed(0, [one[None]], [two[None]])], Deadline(1, clock)) is None
    assert len(asked) == 22, "of thousands of ids that are missing the 20 most frequent are tried"


def test_no_tokens_are_looked_for_after_the_deadline_or_in_more_than_a_million_integers() -> None:
    encoder, words = TOKENS["without unknown"]
    feeds = [Feed(number, one, two) for number, (one, two) in enumerate(zip(fed(encode), fed(encoder)))]
    times = iter([0.0, 0.0, 2.0])  # it runs out between the first look and the ids that may be left out
    assert explain_feeds(NAMES, feeds, Deadline(1, lambda: next(times, 2.0))) is None
    assert explain_feeds(NAMES, feeds, Deadline(0)) is None
    assert said(explain_feeds(NAMES, feeds, Deadline(60))) == words
    size = 500_000
    assert said(told([[np.tile([3, 4, 6, 7], size // 4)[None]]], [[np.tile([3, 4, 5, 7], size // 4)[None]]], NAMES[:1]))
    assert told([[np.tile([3, 4, 6, 7], size // 4 + 1)[None]]], [[np.tile([3, 4, 5, 7], size // 4 + 1)[None]]], NAMES[:1]) is None


def test_padding_elsewhere_and_of_another_id_is_more_than_one_thing() -> None:
    assert told(fed(lambda w: encode(w, left=True, pad=9))) is None
    assert told(fed(lambda w: encode(w, left=len(w) > 5, multiple=16))) is None


def test_a_mask_that_has_nothing_to_do_with_the_ids_is_not_explained_by_them() -> None:
    changed = TOKENS["another unknown"]
    found = told([[ids, np.maximum(mask, np.roll(mask, 1, axis=1))] for ids, mask in fed(changed[0])])
    assert said(found) == changed[1]
    assert found is not None
    assert dict(found.facts)["also"] == "input attention_mask differs too"


# -- masks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.int64, np.float32])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            lambda mask: 1 - mask,
            "inverts the input attention_mask: it feeds 1 where the training preprocessing feeds 0, and 0 for 1",
        ),
        (
            lambda mask: mask * 0 + 1,
            "feeds nothing but 1 for the input attention_mask, where the training preprocessing feeds 0 at 18 of 80 places",
        ),
        (
            lambda mask: mask * 0,
            "feeds nothing but 0 for the input attention_mask, where the training preprocessing feeds 1 at 62 of 80 places",
        ),
    ],
    ids=["inverted", "ones", "zeros"],
)
def test_what_is_done_to_a_mask_is_named(fault: Any, words: str, kind: Any) -> None:
    training = [[ids, mask.astype(kind)] for ids, mask in fed(encode)]
    inference = [[ids, fault(mask)] for ids, mask in training]
    found = told(inference, training)
    assert said(found) == words
    assert found is not None
    assert (found.name, found.facts) == ("mask", ())
    inference[2][1] = inference[2][1].copy()
    inference[2][1][0, 5] = 1 - inference[2][1][0, 5]
    assert told(inference, training) is None, "one place is another"


def test_a_mask_that_is_the_same_everywhere_on_both_sides_says_nothing() -> None:
    training = [[ids, mask * 0 + 1] for ids, mask in fed(encode)]
    assert told([[ids, 1 - mask] for ids, mask in training], training) is None


# -- several inputs ----------------------------------------------------------------------------------------------------


def pairs(dtype: Any = np.float32, count: int = 2) -> list[list[Array]]:
    random = np.random.RandomState(5)
    return [[(random.normal(0, 1, (1, 3, 6, 6)) * 50).astype(dtype) for _ in range(count)] for _ in range(3)]


SIDES = ("anchor", "other", "third")


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int64])
@pytest.mark.parametrize(
    ("order", "words"),
    [
        ((1, 0, 2), "swaps the inputs anchor and other"),
        ((0, 2, 1), "swaps the inputs other and third"),
        ((1, 2, 0), "gives the inputs in another order: anchor gets other, other gets third, third gets anchor"),
        ((0, 0, 2), "gives anchor twice: input other gets it as well"),
        ((2, 1, 2), "gives third twice: input anchor gets it as well"),
    ],
)
def test_inputs_that_are_taken_for_one_another_are_named(order: Sequence[int], words: str, dtype: Any) -> None:
    training = pairs(dtype, 3)
    inference = [[each[place].copy() for place in order] for each in training]
    assert said(told(inference, training, SIDES)) == words
    inference[1][0][0, 0, 0, 0] += 1
    assert told(inference, training, SIDES) is None


def test_a_sample_whose_inputs_are_right_refutes_that_they_are_swapped() -> None:
    training = pairs()
    inference = [[b, a] for a, b in training[:2]] + [training[2]]
    assert told(inference, training, SIDES[:2]) is None


def test_ids_and_mask_can_be_swapped_and_a_constant_input_is_not_given_twice() -> None:
    assert said(told([[mask, ids] for ids, mask in fed(encode)])) == "swaps the inputs input_ids and attention_mask"
    training = [[ids, ids * 0 + 7] for ids, _ in fed(encode)]
    assert told([[mask, mask] for _, mask in training], training) is None


def test_inputs_that_agree_or_that_are_no_integers_are_left_to_others() -> None:
    assert told(fed(encode)) is None
    one, two = pairs(), pairs()
    two[0][0][0, 0, 0, 0] += 1
    assert told(two, one, SIDES[:2]) is None


def test_arrays_without_elements_are_no_error() -> None:
    five, none, empty = np.arange(5)[None], np.zeros((1, 0), np.int64), np.zeros((0, 5), np.int64)
    twice = told([[five, five], [none, none]], [[five, five + 9], [none, none]], NAMES)
    assert said(twice) == "gives input_ids twice: input attention_mask gets it as well"
    assert told([[none]], [[five]], NAMES[:1]) is None
    assert told([[empty[:, :4]]], [[empty]], NAMES[:1]) is None
