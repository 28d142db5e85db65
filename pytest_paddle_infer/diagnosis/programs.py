"""Two preprocessing programs that were both found out: the steps in which they differ, in the order in which a program takes them."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from pytest_paddle_infer.diagnosis.geometry import Geometry
from pytest_paddle_infer.diagnosis.normalisation import difference
from pytest_paddle_infer.diagnosis.pipelines import Identified

Step = tuple[str, str]


def steps_apart(training: Identified, inference: Identified, image: Image.Image) -> list[Step]:
    """Returns (name of the step, what the inference preprocessing does otherwise), the first step of the programs first."""
    return list(_steps_apart(training, inference, image))


def _steps_apart(training: Identified, inference: Identified, image: Image.Image) -> Iterator[Step]:
    one, two = training.pipeline, inference.pipeline
    if one.upright and not two.upright:
        yield "exif", "ignores the EXIF orientation"
    elif two.upright and not one.upright:
        yield "exif", "applies the EXIF orientation, which the training preprocessing ignores"
    if one.conversion != two.conversion:
        mode = f"a picture of mode {image.mode}"
        yield "mode", f"{two.conversion} where the training preprocessing {one.conversion} ({mode})"
    yield from _geometry(one.geometry, two.geometry)
    if one.interpolation != two.interpolation:
        yield (
            "interpolation",
            f"resizes with {_filter(two.interpolation)} where the training preprocessing resizes with {_filter(one.interpolation)}",
        )
    if one.mirrored != two.mirrored:
        yield "mirror", "mirrors the picture left to right"
    if inference.reversed and not training.reversed:
        yield "channel order", "feeds the channels in reverse order (BGR for RGB)"
    elif training.reversed and not inference.reversed:
        yield "channel order", "feeds the channels in reverse order (RGB for BGR)"
    found = values_apart(training, inference)
    if found is not None and found[0]:
        yield found


def values_apart(training: Identified, inference: Identified) -> Step | None:
    """How scale and normalisation differ: ("", "") where they do not."""
    if len(training.fit.slopes) != len(inference.fit.slopes):
        return None
    slack = 1.0 if training.fit.exact and inference.fit.exact else 8.0
    return difference(training.normalisation, inference.fit.slopes, inference.fit.offsets, solve=True, slack=slack)


def _filter(interpolation: str) -> str:
    return interpolation + (" as OpenCV does" if interpolation.endswith("without antialias") else "")


_DONE = {
    "both sides": "resizes to {size} whatever the picture's shape",
    "short side": "resizes the short side to {size}",
    "crop first": "crops before resizing ({whole})",
    "crop only": "crops without resizing",
}


def _geometry(one: Geometry, two: Geometry) -> Iterator[Step]:
    if one == two:
        return
    if one.out != two.out:
        yield "shape", f"feeds {_size(two)} where the training preprocessing feeds {_size(one)}"
        return
    if one.style != two.style:
        name = "crop" if "crop first" in (one.style, two.style) else "resize"
        yield name, f"{_done(two)} where the training preprocessing {_done(one)}"
    elif one.style != "crop first" and (one.short, one.exact) != (two.short, two.exact):
        yield "resize", f"{_done(two)} where the training preprocessing {_done(one)}"
    elif (one.first, one.short, one.exact) != (two.first, two.short, two.exact):
        yield "resize", f"makes other sizes: {two} (training: {one})"
    elif one.shift != two.shift:
        x, y = two.shift[0] - one.shift[0], two.shift[1] - one.shift[1]
        moved = max(abs(x), abs(y))
        yield "crop", f"shifts the crop by {'a pixel' if moved == 1 else f'{moved} pixels'} ({x:+d} to the right, {y:+d} down)"
    elif one.long != two.long:
        how, why = _rounding(two.long), _rounding(one.long)
        yield "resize", f"finds the long side of the resized picture by {how}, the training preprocessing by {why}"
    elif one.offset != two.offset:
        yield "crop", "rounds the margins of the crop otherwise, which shifts it by a pixel"


def _done(geometry: Geometry) -> str:
    short = str(geometry.short)
    if geometry.exact is not None:
        width, height = geometry.exact
        short = f"{'a square of ' if width == height else ''}{height}x{width}"
    return _DONE[geometry.style].format(size=short, whole=geometry)


def _rounding(how: str) -> str:
    return "cutting off" if how == "floor" else "rounding"


def _size(geometry: Geometry) -> str:
    return f"{geometry.out[1]}x{geometry.out[0]}"
