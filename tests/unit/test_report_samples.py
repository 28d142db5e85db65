"""The samples in the page: the worst first, each once, beside its pictures, and never more than a browser can open."""

from __future__ import annotations

import re
from typing import Any

from page_reader import Page
from report_content import content, passed
from report_details import LIMIT, details, green, noisy, parity, picture, red, sample, with_details, wrong

from pytest_paddle_infer.details.files import Pictures
from pytest_paddle_infer.report.page import to_html
from pytest_paddle_infer.report.page_samples import GROUP, WORST

CPU, ONEDNN = "paddle-model/net::test_parity[cpu]", "paddle-model/net::test_parity[onednn]"


def made(*samples: dict[str, Any], pictures: dict[int, Pictures] | None = None, **others: list[dict[str, Any]]) -> str:
    """The page of a parity in `cpu`, and of others by their variant."""
    kept = {variant: details(parity=parity(found)) for variant, found in {"cpu": list(samples), **others}.items()}
    found = content(*(passed(f"test_parity[{variant}]", variant=variant) for variant in kept))
    return to_html(with_details(found, {f"test_parity[{name}]": each for name, each in kept.items()}), {CPU: pictures or {}})


def names(text: str) -> list[str]:
    return re.findall(r"<caption><span>(.*?)</span>", text)


def test_answers_that_differ_come_first_and_then_the_largest_errors() -> None:
    text = made(sample(0, 1e-9), sample(1, LIMIT), wrong(2, 1e-8), sample(3, None), sample(4, 1e-8, input="differs"))
    assert [int(name[8:12]) for name in names(text)] == [2, 4, 3, 1, 0]


def test_variants_stand_side_by_side_in_one_place() -> None:
    text = made(sample(0, 1e-7), sample(1, 2e-7), onednn=[wrong(0, 1e-3), sample(1, 1e-7)])
    assert len(names(text)) == 2
    assert names(text)[0] == "picture-0000.png", "wrong in one of them"
    assert "net, 2 samples" in Page(text).text
    heads = re.findall(r'<th scope="col">(.*?)</th>', text[text.index('class="samples') :])
    assert heads[:3] == ["training", "cpu", "onednn"]


def test_variants_that_saw_other_samples_stand_apart() -> None:
    text = made(sample(0, 1e-7), onednn=[sample(0, 1e-7), sample(1, 1e-7)])
    assert len(names(text)) == 3
    page = Page(text)
    assert f"net, sample of {CPU}" in page.text
    assert f"net, 2 samples of {ONEDNN}" in page.text


def test_two_tests_of_one_variant_are_told_apart_by_their_ids() -> None:
    kept = details(parity=parity([sample(0, 1e-7)]))
    one, two = passed("test_parity[cpu]"), passed("test_mine[cpu]")
    text = to_html(with_details(content(one, two), {"test_parity[cpu]": kept, "test_mine[cpu]": kept}))
    assert '<th scope="col">paddle-model/net::test_mine[cpu]</th>' in text
    assert len(names(text)) == 1


def test_one_sample_shows_both_answers_the_margin_and_the_error() -> None:
    text = made(wrong(3, LIMIT / 4, training={"top": [{"class_id": 281, "score": 0.75}], "margin": 0.5}))
    words = Page(text[text.index("<ol class") : text.index("</ol>") + 5]).text
    for said in ("picture-0003.png", "281 0.75", "10 0.31", "margin 0.5", "✗ differs", "✓ equal", "error / limit 0.25"):
        assert said in words
    assert '<b class="off">10</b>' in text, "not the class of the training engine"
    assert "<b>281</b>" in text
    assert 'style="width:25%"' in text


def test_an_error_above_the_limit_fills_the_bar() -> None:
    text = made(sample(0, 40 * LIMIT), sample(1, None), sample(2, 123456 * LIMIT))
    assert "123,456" in text
    assert text.count('class="bar over"><i style="width:100%"') == 3
    assert "infinite" in text


def test_an_output_of_another_shape_has_no_error_and_is_the_worst() -> None:
    text = made(sample(0, 2 * LIMIT), sample(1, None, limit_relative=None))
    words = Page(text[text.index("<ol class") : text.index("</ol>") + 5]).text
    assert words.index("picture-0001.png") < words.index("picture-0000.png")
    assert "error / limit infinite" in words


def test_integers_that_differ_are_not_equal() -> None:
    text = made(sample(0, None, limit_relative=0.0), sample(1, None, limit_relative=0.0))
    assert "error / limit not equal" in Page(text[text.index("<ol class") : text.index("</ol>") + 5]).text


def test_models_without_classes_have_errors_and_no_classes() -> None:
    text = made(sample(0, 1e-7, training=None, inference=None, agreement=None, limits=None, limit_relative=None))
    words = Page(text[text.index("<ol class") : text.index("</ol>") + 5]).text
    assert words == "picture-0000.png sample 0 training cpu answer – input ✓ equal error / limit 1e-07"


def test_both_answers_of_an_own_postprocess_are_shown() -> None:
    said = {"training": "{'label': '<cat>'}", "inference": "{'label': 'dog'}"}
    own: dict[str, Any] = {"training": None, "inference": None, "agreement": "differs", "answer_texts": said}
    text = made(sample(0, 1e-7, **own), onednn=[sample(0, 1e-7, training=None, inference=None)])
    words = Page(text[text.index("<ol class") : text.index("</ol>") + 5]).text
    assert "answer {'label': '<cat>'} {'label': 'dog'} ✗ differs ✓ agrees input" in words


def test_long_answers_get_rows_and_only_those_that_do_not_agree() -> None:
    long = "[" + ", ".join(f"{{'x': {number}.0}}" for number in range(8)) + "]"
    own: dict[str, Any] = {"training": None, "inference": None}
    told = {"training": long, "inference": long + " or so"}
    alike = sample(0, 1e-7, **own, agreement="agrees", answer_texts=told)
    text = made(alike, onednn=[sample(0, 1e-7, **own, agreement="differs", answer_texts={"training": long, "inference": "[]"})])
    words = Page(text[text.index("<ol class") : text.index("</ol>") + 5]).text
    assert "answer ✓ agrees ✗ differs input" in words
    assert words.endswith(f"training {long} onednn []")
    assert text.count('<td colspan="3">') == 2
    assert " or so" not in words


def test_a_picture_that_all_engines_were_fed_is_there_once() -> None:
    found, pictures = green(3)
    text = to_html(found, pictures)
    assert text.count("<img ") == 3
    assert 'alt="picture-0000.png, as fed to all engines"' in text
    assert 'as fed to both engines"' in to_html(*green(1, ("cpu",)))


def test_another_picture_is_shown_beside_the_training_engines() -> None:
    text = to_html(*red(2))
    assert text.count("<img ") == 4
    assert 'alt="picture-0000.png, as fed to training and onednn"' in text
    assert 'alt="picture-0000.png, as fed to cpu"' in text


def test_rounding_that_moves_the_level_of_a_pixel_is_no_other_picture() -> None:
    kept = {0: Pictures(picture(0), picture(1))}
    assert made(sample(0, 1e-7, input="rounding"), pictures=kept).count("<img ") == 1
    assert made(sample(0, 1e-7, input="differs"), pictures=kept).count("<img ") == 2


def test_a_variant_without_a_picture_of_its_own_was_fed_the_same_where_its_input_is_equal() -> None:
    kept = {0: Pictures(picture(0), None), 1: Pictures(picture(1), None)}
    text = made(sample(0, 1e-7), sample(1, 1e-7), onednn=[sample(0, 1e-7), sample(1, 1e-7, input="differs")], pictures=kept)
    assert 'alt="picture-0000.png, as fed to all engines"' in text
    assert 'alt="picture-0001.png, as fed to training and cpu"' in text


def test_models_with_a_sample_that_fails_come_first() -> None:
    found = content(passed(), passed(model="other"))
    kept = {"net": [sample(0, 1e-7)], "other": [sample(0, 3 * LIMIT)]}
    for test in found["tests"]:
        test["details"] = details(parity=parity(kept[test["model"]]))
    text = Page(to_html(found)).text
    assert text.index("other, sample") < text.index("net, sample")


def test_the_first_are_open_and_the_others_behind_lines_that_say_what_is_there() -> None:
    count = WORST + GROUP + 8
    text = made(*(sample(index, LIMIT / (index + 1)) for index in range(count)))
    assert len(names(text)) == count
    summaries = re.findall(r"<summary>(Samples .*?)<", text)
    assert summaries == [
        f"Samples 13 to 62 of {count}: error / limit 0.0769 to 0.0161",
        f"Samples 63 to {count} of {count}: error / limit 0.0159 to 0.0143",
    ]
    assert "<details><summary>Samples" not in made(*(sample(index, 1e-7) for index in range(WORST)))


def test_two_thousand_samples_in_three_variants_fit_and_what_is_left_out_is_said() -> None:
    found, _ = green(2000)
    pictures = {index: Pictures(noisy(index), None) for index in range(2000)}
    text = to_html(found, {test["id"]: pictures for test in found["tests"]})
    assert len(text.encode()) < 15e6
    assert len(names(text)) == 2000
    shown = text.count("<img ")
    assert 100 < shown < 2000
    assert f"Pictures of the first {shown}: more would make this page too large." in text


def test_more_samples_than_fit_are_counted_and_the_worst_are_there() -> None:
    variants = tuple(f"variant-{number}" for number in range(9))
    found, _ = green(3000, variants)
    text = to_html(found)
    assert len(text.encode()) < 15e6
    shown = len(names(text))
    assert 1000 < shown < 3000
    assert f"There is room for the first {shown} of 3000; all are in report.json, in details.parity.samples." in text


def test_kept_pictures_of_some_are_said_to_be_of_some() -> None:
    text = made(*(sample(index, 1e-7) for index in range(4)), pictures={0: Pictures(picture(0), None)})
    assert "Pictures were kept of 1." in text


def test_a_table_too_wide_for_its_place_scrolls_by_keys() -> None:
    text = to_html(*green(2, ("a", "b", "c", "d", "e")))
    regions = Page(text).having("class", "wide")
    assert [(region["tabindex"], region["aria-label"]) for region in regions] == [
        ("0", f"Answers to picture-000{index}.png, sample {index}") for index in (0, 1)
    ]
