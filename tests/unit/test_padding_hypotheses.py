"""diagnosis/padding.py and the padded programs: how either side pads is named, and padding that changes nothing accuses nobody."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from test_input_hypotheses import MEAN, STD, photograph, prepared, said

from pytest_paddle_infer.diagnosis.candidates import _padded
from pytest_paddle_infer.diagnosis.finding import Array, Finding
from pytest_paddle_infer.diagnosis.geometry import _FITTED, AROUND, CORNER, Geometry
from pytest_paddle_infer.diagnosis.inputs import describe_inputs, explain_input
from pytest_paddle_infer.diagnosis.padding import Padding, even, framed, padded_with
from pytest_paddle_infer.diagnosis.pictures import DEFAULT
from pytest_paddle_infer.diagnosis.pipelines import Pipeline
from pytest_paddle_infer.diagnosis.programs import _DONE, _geometry
from pytest_paddle_infer.diagnosis.search import identify

LANDSCAPE, PORTRAIT, BOTH = [(90, 60)], [(50, 80)], [(90, 60), (50, 80)]
NEARLY = [(66, 60)]
"""Two pixels on each side are padded: as little as a crop may be shifted by."""
SHAPES = {"landscape": LANDSCAPE, "portrait": PORTRAIT, "both": BOTH, "nearly square": NEARLY}


def letterboxed(
    image: Image.Image, *, size: tuple[int, int] = (48, 48), centred: bool = True, value: Any = 114, after: bool = False,
    enlarge: bool = True, rounded: Any = round, how: Any = Image.Resampling.BILINEAR, bgr: bool = False, mean: Any = MEAN,
    std: Any = STD, scale: float = 1 / 255, mirror: bool = False,
) -> Array:  # fmt: skip
    """float32[1, 3, *size]: resized to fit size (width, height), then padded, as YOLO and PaddleOCR write it."""
    ratio = min(whole / part for whole, part in zip(size, image.size))
    ratio = ratio if enlarge else min(1.0, ratio)
    width, height = (rounded(part * ratio) for part in image.size)
    pixels = np.asarray(image.resize((width, height), how)) if (width, height) != image.size else np.asarray(image)
    pixels = pixels[..., ::-1] if bgr else pixels
    left, top = ((whole - part) // 2 if centred else 0 for whole, part in zip(size, (width, height)))
    free = ((top, size[1] - height - top), (left, size[0] - width - left))
    made = np.stack([np.pad(plane, free, constant_values=value) for plane in np.moveaxis(pixels, 2, 0)], axis=2)
    made = made[:, ::-1] if mirror else made
    values = (made.astype(np.float32) * np.float32(scale) - np.float32(mean)) / np.float32(std)
    if after:
        values[~np.pad(np.ones((height, width), bool), free)] = 0
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None], dtype=np.float32)


def stretched(image: Image.Image, size: tuple[int, int] = (48, 48), **how: Any) -> Array:
    return letterboxed(image.resize(size, Image.Resampling.BILINEAR), size=size, **how)


def cropped(image: Image.Image) -> Array:
    return prepared(image, side=48, short=55)


def strided(padded: bool = True, **how: Any) -> Any:
    """The short side resized to 44, then padded at the right and at the bottom to multiples of 32."""

    def program(image: Image.Image) -> Array:
        size = tuple(round(side * 44 / min(image.size)) for side in image.size)
        whole = tuple(-(-side // 32) * 32 for side in size) if padded else size
        resized = image.resize((size[0], size[1]), Image.Resampling.BILINEAR)
        return letterboxed(resized, size=(whole[0], whole[1]), centred=False, enlarge=False, **{"value": 0, **how})

    return program


def pictures_of(sizes: list[tuple[int, int]]) -> list[Image.Image]:
    return [photograph(*size, seed=index) for index, size in enumerate(sizes)]


def compared(training: Any, inference: Any, sizes: list[tuple[int, int]], with_pictures: bool = True) -> Finding | None:
    images = pictures_of(sizes)
    one, two = (np.concatenate([side(image) for image in images]) for side in (training, inference))
    return explain_input(one, two, images if with_pictures else (), seconds=60)


def made(**how: Any) -> Any:
    return lambda image: letterboxed(image, **how)


LETTERBOX = "keeps the aspect and pads to 48x48 (letterbox)"
STRETCH = "resizes to a square of 48x48 whatever the picture's shape"
CROP = "resizes the short side to 55"
BGR = "feeds the channels in reverse order (BGR for RGB)"
WHERE = "where the training preprocessing"
BARE = {"mean": (0,) * 3, "std": (1,) * 3}
NEAREST = Image.Resampling.NEAREST
CASES: dict[str, tuple[Any, Any, str, str]] = {
    "letterbox for stretch": (stretched, made(), "resize", f"{LETTERBOX} {WHERE} {STRETCH}"),
    "stretch for letterbox": (made(), stretched, "resize", f"{STRETCH} {WHERE} {LETTERBOX}"),
    "corner for stretch": (stretched, made(centred=False, value=0), "resize", f"{LETTERBOX} {WHERE} {STRETCH}"),
    "stretch for corner, 0 after": (made(centred=False, after=True), stretched, "resize", f"{STRETCH} {WHERE} {LETTERBOX}"),
    "letterbox for crop": (cropped, made(), "resize", f"{LETTERBOX} {WHERE} {CROP}"),
    "crop for letterbox": (made(), cropped, "resize", f"{CROP} {WHERE} {LETTERBOX}"),
    "corner for centre": (made(), made(centred=False), "padding", f"pads {CORNER} {WHERE} pads {AROUND}"),
    "centre for corner": (made(centred=False), made(), "padding", f"pads {AROUND} {WHERE} pads {CORNER}"),
    "0 for 114": (made(), made(value=0), "padding", f"pads with 0 {WHERE} pads with 114"),
    "128 for 114": (made(), made(value=128), "padding", f"pads with 128 {WHERE} pads with 114"),
    "114 for 0": (made(centred=False, value=0), made(centred=False), "padding", f"pads with 114 {WHERE} pads with 0"),
    "before for after": (made(after=True), made(value=0), "padding", f"pads with 0 before the normalisation {WHERE} pads with 0 after it"),
    "after for before": (made(), made(after=True), "padding", f"pads with 0 after the normalisation {WHERE} pads with 114 before it"),
    "place and value": (made(), made(centred=False, value=0), "padding", f"pads {CORNER} {WHERE} pads {AROUND}, and pads with 0 {WHERE} "
                        "pads with 114"),
    "nearest": (made(), made(how=NEAREST), "interpolation", f"resizes with nearest {WHERE} resizes with bilinear"),
    "value and BGR": (made(), made(value=0, bgr=True), "padding", f"pads with 0 {WHERE} pads with 114, and {BGR}"),
    "value and no scale": (made(), made(value=0, scale=1.0), "padding", f"pads with 0 {WHERE} pads with 114, and leaves out the division "
                           "by 255"),
    "no normalisation, 0 after on both": (made(after=True), made(after=True, **BARE), "normalisation", "leaves out the normalisation (mean "
                                          "and std)"),
    "no normalisation, 114 on both": (made(), made(**BARE), "normalisation", "leaves out the normalisation (mean and std)"),
    "BGR": (made(), made(bgr=True), "channel order", BGR),
    "mirror": (made(centred=False), made(centred=False, mirror=True), "mirror", "mirrors the picture left to right"),
    "multiple left out": (strided(), strided(False), "padding", "leaves out the padding to {padded} at the right and at the bottom, "
                          "multiples of 32"),
    "multiple added": (strided(False), strided(after=True), "padding", "pads to {padded} at the right and at the bottom, multiples of 32, "
                       "where the training preprocessing feeds {bare}"),
    "multiple left out and BGR": (strided(), strided(False, bgr=True), "padding", f"leaves out the padding to {{padded}}, and {BGR}"),
    "multiple added and BGR": (strided(False), strided(bgr=True), "padding", "pads to {padded}, where the training preprocessing feeds "
                               f"{{bare}}, and {BGR}"),
    "multiple, 0 after": (strided(), strided(after=True), "padding", f"pads with 0 after the normalisation {WHERE} pads with 0 before it"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "shape"),
    # pictures of two shapes are no batch where each is padded to multiples of its own
    [(case, shape) for case in CASES for shape in SHAPES if shape != "both" or "multiple" not in case],
)
def test_what_pads_otherwise_is_named(case: str, shape: str) -> None:
    training, inference, name, sentence = CASES[case]
    padded, bare = {"landscape": ("64x96", "44x66"), "nearly square": ("64x64", "44x48")}.get(shape, ("96x64", "70x44"))
    found = compared(training, inference, SHAPES[shape])
    assert said(found) == sentence.format(padded=padded, bare=bare)
    assert found is not None
    assert (found.name, found.certain) == (name, True)


@pytest.mark.parametrize(
    ("training", "inference", "sentence"),
    [
        (made(), made(value=0), "pads so that (-2.118, -2.036, -1.804) is fed where the training preprocessing feeds (-0.1657, "
         "-0.03992, 0.1825)"),
        (made(), made(centred=False), "pads elsewhere, or shifts the crop: the picture lies up to 9 pixels further left"),
        (made(centred=False), made(), "pads elsewhere, or shifts the crop: the picture lies up to 9 pixels further right"),
        (made(), stretched, ""),
    ],
)  # fmt: skip
def test_without_the_pictures_only_what_the_tensors_tell_is_said(training: Any, inference: Any, sentence: str) -> None:
    assert said(compared(training, inference, BOTH, with_pictures=False)) == sentence


@pytest.mark.parametrize("sizes", [LANDSCAPE, PORTRAIT])
def test_padding_to_a_multiple_needs_no_picture(sizes: list[tuple[int, int]]) -> None:
    text = said(compared(strided(), strided(False), sizes, with_pictures=False))
    assert text.startswith("leaves out the padding to ")
    assert text.endswith(" at the right and at the bottom, multiples of 32")
    size = made(size=(100, 100), enlarge=False)
    assert said(compared(size, lambda image: letterboxed(image, size=image.size), sizes, with_pictures=False)) == (
        "leaves out the padding to 100x100 around the picture"
    )


@pytest.mark.parametrize(
    ("margins", "where"),
    [
        (((0, 0), (0, 30)), "at the right"), (((0, 0), (30, 0)), "at the left"), (((20, 0), (0, 0)), "at the top"),
        (((0, 20), (0, 0)), "at the bottom"), (((0, 0), (15, 15)), "at the left and at the right"),
        (((20, 0), (30, 0)), "at the left and at the top"), (((20, 0), (0, 30)), "at the right and at the top"),
        (((10, 10), (15, 15)), "around the picture"),
    ],
)  # fmt: skip
def test_where_one_side_pads_is_told(margins: tuple[tuple[int, int], tuple[int, int]], where: str) -> None:
    picture = np.random.RandomState(0).uniform(-1, 1, (2, 3, 40, 50)).astype(np.float32)
    padded = np.pad(picture, ((0, 0), (0, 0), *margins))
    size = f"{padded.shape[2]}x{padded.shape[3]}"
    assert said(explain_input(picture, padded)) == f"pads to {size} {where}, where the training preprocessing feeds 40x50"
    assert said(explain_input(padded, picture)) == f"leaves out the padding to {size} {where}"


# -- nobody is accused of padding --------------------------------------------------------------------------------------


def test_a_letterbox_of_a_square_picture_is_a_stretch() -> None:
    for inference in (stretched, made(value=0), made(centred=False), made(after=True)):
        assert compared(made(), inference, [(60, 60)]) is None


def test_a_square_picture_in_front_does_not_hide_the_letterbox() -> None:
    sizes = [(60, 60), (90, 60)]
    assert said(compared(made(), stretched, sizes)) == f"{STRETCH} {WHERE} {LETTERBOX}"
    assert said(compared(stretched, made(), sizes)) == f"{LETTERBOX} {WHERE} {STRETCH}"


def test_what_is_no_padding_is_not_called_so() -> None:
    images = pictures_of(BOTH)
    one = np.concatenate([letterboxed(image) for image in images])
    noise = np.random.default_rng(1).normal(0, 1, one.shape).astype(np.float32)
    torn = one.copy()
    torn[:, :, :8, :] += 0.1 * noise[:, :, :8, :]
    for wrong in (noise, torn, one + 0.3 * noise):
        assert explain_input(one, wrong, images) is None
        assert explain_input(one, wrong) is None
    facts = dict(describe_inputs(one, torn, images))
    assert facts["training"] == (
        "resize to fit 48x48, pad to 48x48 around the picture with 114 (bilinear), x / 255, ImageNet's statistics"
    )
    assert facts["inference"] == "none of the programs that were tried makes this tensor of the picture"


def page(width: int, height: int, margin: int) -> Image.Image:
    """Dark marks on white paper, whose even margin looks like padding."""
    made = np.full((height, width, 3), 255, np.uint8)
    random = np.random.default_rng([width, height])
    for _ in range(40):
        x, y = random.integers(margin, width - margin - 6), random.integers(margin, height - margin - 4)
        made[y : y + random.integers(1, 4), x : x + random.integers(2, 6)] = random.integers(0, 120, 3)
    return Image.fromarray(made)


def of_pages(training: Any, inference: Any, pages: list[Image.Image], with_pictures: bool = True) -> str:
    one, two = (np.concatenate([side(image) for image in pages]) for side in (training, inference))
    return said(explain_input(one, two, pages if with_pictures else (), seconds=60))


def test_the_margin_of_a_page_is_not_taken_for_padding() -> None:
    pages = [page(90, 60, 16), page(60, 80, 16)]
    assert of_pages(stretched, lambda image: stretched(image, bgr=True), pages) == BGR
    nearest = of_pages(stretched, lambda image: letterboxed(image.resize((48, 48), NEAREST)), pages)
    assert nearest == f"resizes with nearest {WHERE} resizes with bilinear"
    assert of_pages(made(value=255), stretched, pages) == f"{STRETCH} {WHERE} {LETTERBOX}"
    assert of_pages(stretched, made(value=255), pages) == f"{LETTERBOX} {WHERE} {STRETCH}"
    assert of_pages(made(value=255), made(), pages) == f"pads with 114 {WHERE} pads with 255"


def test_a_crop_within_the_margin_of_a_page_is_a_crop_where_the_page_is_there() -> None:
    def whole(image: Image.Image, shift: int = 0) -> Array:
        return prepared(image, side=48, short=50, shift=shift)

    pages = [page(60, 60, 18)]
    assert framed(whole(pages[0])[0]) != (0, 0, 48, 48)
    shifted = of_pages(whole, lambda image: whole(image, 1), pages)
    assert shifted == "shifts the crop by a pixel (+1 to the right, +0 down)"
    blind = of_pages(whole, lambda image: whole(image, 1), pages, with_pictures=False)
    assert blind == "pads elsewhere, or shifts the crop: the picture lies a pixel further left"


def test_an_even_margin_that_is_missing_is_told_by_the_page() -> None:
    pages = [page(60, 80, 18)]

    def padded(image: Image.Image) -> Array:
        return letterboxed(image, size=(96, 96), value=255, centred=False, enlarge=False)

    def bare(image: Image.Image) -> Array:
        return letterboxed(image, size=image.size)

    assert of_pages(padded, bare, pages) == "leaves out the padding to 96x96"
    assert of_pages(padded, bare, pages, with_pictures=False) == (
        "pads or crops an even margin otherwise: it feeds 80x60, the training preprocessing 96x96"
    )
    small = [page(60, 60, 18)]
    assert of_pages(lambda image: prepared(image, side=48, short=60), lambda image: prepared(image, side=52, short=60), small) == (
        "crops to 52x52 where the training preprocessing crops to 48x48"
    )


# -- rules, words and pieces -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "fit"), [((30, 20), "without enlarging, "), ((90, 60), "")])
def test_a_small_picture_tells_whether_it_is_enlarged(size: tuple[int, int], fit: str) -> None:
    text = said(compared(made(), made(enlarge=False), [size]))
    assert text == (
        "makes other sizes: resize to fit 48x48 without enlarging, pad to 48x48 around the picture (training: resize to fit 48x48, pad to "
        "48x48 around the picture)"
        if fit
        else ""
    )


def test_the_rounding_of_the_side_that_does_not_fit_is_named() -> None:
    assert said(compared(made(), made(rounded=int), [(91, 60)])) == (
        "finds the other side of the resized picture by cutting off, the training preprocessing by rounding"
    )


@pytest.mark.parametrize("width", [80, 400])
def test_a_line_of_text_is_resized_to_its_height_and_padded_at_the_right(width: int) -> None:
    """PaddleOCR's `resize_norm_img`: the width is rounded up, and no more than what is fed."""
    images = [photograph(width, 31), photograph(61, 29)]

    def line(image: Image.Image, value: float) -> Array:
        wide = min(160, -(-24 * image.width // image.height))
        pixels = np.asarray(image.resize((wide, 24), Image.Resampling.BILINEAR), np.float32) / 255
        made = np.full((1, 3, 24, 160), value, np.float32)
        made[0, :, :, :wide] = (pixels.transpose(2, 0, 1) - 0.5) / 0.5
        return made

    after, before = (np.concatenate([line(image, value) for image in images]) for value in (0.0, -1.0))
    found = explain_input(after, before, images, seconds=60)
    assert said(found) == f"pads with 0 before the normalisation {WHERE} pads with 0 after it"
    assert found is not None
    rule = "height 24, 160 wide at most" if width == 400 else "fit 24x160"
    assert found.facts[0][1] == (
        f"resize to {rule}, pad to 24x160 at the right and at the bottom with 0 after the normalisation (bilinear), x / 255, "
        "mean and std of 0.5 (x / 127.5 - 1)"
    )


def test_an_exif_orientation_beside_a_letterbox_is_named() -> None:
    stored = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph(90, 60).save(stored, "png", exif=exif)
    image = Image.open(stored)
    upright, ignored = letterboxed(ImageOps.exif_transpose(image)), letterboxed(image)
    assert said(explain_input(upright, ignored, [image])) == "ignores the EXIF orientation"


def test_a_grey_letterbox_is_found_in_its_one_channel() -> None:
    image = photograph(90, 60).convert("L")
    pixels = np.asarray(image.resize((48, 32), Image.Resampling.BILINEAR), np.float32)
    one, two = (np.pad(pixels, ((8, 8), (0, 0)), constant_values=value)[None, None] / np.float32(255) for value in (114, 0))
    assert said(explain_input(one, two, [image])) == f"pads with 0 {WHERE} pads with 114"


def test_a_mirrored_letterbox_is_found_where_it_is_padded_at_the_left() -> None:
    images = pictures_of(BOTH)
    one, two = (
        np.concatenate([letterboxed(image, centred=False, mirror=mirror, how=how) for image in images])
        for mirror, how in ((False, Image.Resampling.BILINEAR), (True, NEAREST))
    )
    found = identify(two, images, Pipeline(DEFAULT, True, Geometry((48, 48), fit="inside", long="round", pad=CORNER), "nearest"))
    assert found is not None
    assert found.pipeline.mirrored
    assert found.padding is not None
    assert str(found.padding) == "114"
    assert identify(one, images) is not None


@pytest.mark.parametrize("corners", [True, False])
@pytest.mark.parametrize(("sizes", "side"), [(BOTH, 48), ([(30, 20)], 96), ([(640, 480)], 224)])
def test_align_corners_is_told_from_the_usual_bilinear(sizes: list[tuple[int, int]], side: int, corners: bool) -> None:
    def resized(image: Image.Image, aligned: bool) -> Array:
        """By the formula of `paddle.nn.functional.interpolate`."""
        pixels = np.asarray(image, np.float64)
        for axis, whole in enumerate(pixels.shape[:2]):
            at = np.arange(side) * (whole - 1) / (side - 1) if aligned else (np.arange(side) + 0.5) * whole / side - 0.5
            at = np.clip(at, 0, whole - 1)
            low = np.minimum(at.astype(int), whole - 2)
            share = np.reshape(at - low, (-1, 1, 1) if axis == 0 else (1, -1, 1))
            pixels = np.take(pixels, low, axis) * (1 - share) + np.take(pixels, low + 1, axis) * share
        return (pixels.transpose(2, 0, 1)[None] / 255).astype(np.float32)

    images = pictures_of(sizes)
    one, two = (np.concatenate([resized(image, aligned) for image in images]) for aligned in (not corners, corners))
    words = ["bilinear without antialias as OpenCV does", "bilinear with align_corners"]
    found = explain_input(one, two, images, seconds=60)
    assert said(found) == f"resizes with {words[corners]} {WHERE} resizes with {words[not corners]}"
    assert found is not None
    assert found.certain


@pytest.mark.parametrize(
    ("training", "inference", "sentence"),
    [
        (Geometry((48, 48), exact=(40, 30), pad=CORNER), Geometry((48, 48), fit="inside", pad=CORNER), "keeps the aspect and pads to 48x48 "
         "(letterbox) where the training preprocessing resizes to 30x40 and pads to 48x48"),
        (Geometry((48, 48), pad=AROUND), Geometry((48, 48), exact=(40, 30), pad=AROUND), "resizes to 30x40 and pads to 48x48 where the "
         "training preprocessing pads to 48x48 without resizing"),
        (Geometry((48, 48), fit="inside", pad=AROUND), Geometry((48, 48), fit="inside", pad=AROUND, shift=(0, 1)), "shifts the picture "
         "within the padding by a pixel (+0 to the right, +1 down)"),
        (Geometry((48, 48), fit="inside", pad=AROUND), Geometry((48, 48), fit="inside", pad=AROUND, offset="ceil"), "rounds odd margins of "
         "the padding up where the training preprocessing rounds them down"),
        (Geometry((48, 48), fit="inside", pad=CORNER, long="round"), Geometry((48, 48), fit="inside", pad=CORNER, long="ceil"), "finds the "
         "other side of the resized picture by rounding up, the training preprocessing by rounding"),
    ],
)  # fmt: skip
def test_each_way_to_pad_has_its_words(training: Geometry, inference: Geometry, sentence: str) -> None:
    assert inference.style in _DONE
    assert [what for _, what in _geometry(training, inference, ([(60, 47)], [(60, 47)]))] == [sentence]


def test_two_paddings_of_the_same_picture_are_told_by_their_sizes() -> None:
    one, two = (Geometry((side, side), pad=CORNER) for side in (96, 128))
    assert list(_geometry(one, two, ([(60, 80)], [(60, 80)]))) == [
        ("padding", "pads to 128x128 where the training preprocessing pads to 96x96")
    ]


@pytest.mark.parametrize("fit", _FITTED)
def test_each_rule_that_keeps_the_aspect_is_shown(fit: str) -> None:
    assert f"{Geometry((48, 40), fit=fit, pad=CORNER)}" == (
        f"{_FITTED[fit].format(height=40, width=48)}, pad to 40x48 at the right and at the bottom"
    )


def test_a_shifted_picture_is_shown_as_such() -> None:
    own = Geometry((48, 48), fit="inside", pad=AROUND, shift=(1, 0))
    assert str(own) == "resize to fit 48x48, pad to 48x48 around the picture, the picture shifted by 1, 0"


def test_a_picture_that_is_too_large_to_be_padded_has_no_place() -> None:
    assert Geometry((48, 48), pad=CORNER).place((60, 20)) is None
    assert Geometry((48, 48), exact=(48, 40), pad=CORNER, shift=(1, 0)).place((60, 20)) is None


def test_the_colour_of_padding_is_told_in_levels_and_in_the_order_of_the_picture() -> None:
    slopes, offsets = 1 / (255 * np.array(STD)), -np.array(MEAN) / STD
    fed = (slopes * np.array([10.0, 20, 30]) + offsets)[:, None, None] * np.ones((3, 2, 2))
    colour = padded_with([fed], slopes, offsets, (2, 1, 0))
    assert str(colour) == "(30, 20, 10)"
    zeros = padded_with([np.zeros((3, 2, 2))], slopes, offsets, (0, 1, 2))
    assert zeros is not None
    assert str(zeros) == "0 after the normalisation"
    assert padded_with([fed, fed + 0.01], slopes, offsets, (0, 1, 2)) is None
    assert not even([fed, fed + 0.01])
    assert str(Padding((0.0,), (0.0,))) == "0"


def test_paddings_that_the_fit_cannot_tell_apart_are_the_same() -> None:
    assert not Padding((0.4,), (102.0,)).differs(Padding((0.4,), (102.4,)))
    assert Padding((0.4,), (102.0,)).differs(Padding((0.4,), (103.0,)))
    assert not Padding((0.0,), (124.0,)).differs(Padding((0.0,), (0.0,)))
    assert not Padding((0.0, 0.0), (1.0, 2.0)).differs(Padding((0.4,), (102.0,)))


def test_a_tensor_of_one_colour_is_all_picture() -> None:
    assert framed(np.zeros((3, 4, 6))) == (0, 0, 6, 4)
    assert even([])


def test_a_picture_whose_padding_fills_every_corner_is_found_by_its_middle() -> None:
    images = [photograph(60, 48)]
    one, two = (letterboxed(images[0], size=(160, 160), value=value, enlarge=False) for value in (114, 0))
    assert said(explain_input(one, two, images, seconds=60)) == f"pads with 0 {WHERE} pads with 114"


def test_no_program_that_pads_is_tried_where_nothing_is_of_one_colour() -> None:
    images = pictures_of(BOTH)
    padded, bare = (np.concatenate([side(image) for image in images]) for side in (letterboxed, stretched))
    assert next(_padded(padded, images), None)
    assert next(_padded(bare, images), None) is None


def test_pictures_that_are_padded_with_two_colours_are_of_no_program() -> None:
    images = pictures_of(BOTH)
    one = identify(np.concatenate([letterboxed(image) for image in images]), images)
    assert one is not None
    two = np.concatenate([letterboxed(image, value=value) for image, value in zip(images, (114, 0))])
    assert identify(two, images, seconds=60) is None
    assert identify(two, images, one.pipeline, seconds=60) is None
