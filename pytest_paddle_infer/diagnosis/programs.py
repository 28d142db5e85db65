"""Two preprocessing programs that were both found out: the steps in which they differ, in the order in which a program takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from PIL import Image

from pytest_paddle_infer.diagnosis.geometry import CORNERED, IN_FLOATS, Geometry, Size
from pytest_paddle_infer.diagnosis.layouts import GREY
from pytest_paddle_infer.diagnosis.normalisation import NEARLY, difference, difference_turned, plainly
from pytest_paddle_infer.diagnosis.padding import Padding
from pytest_paddle_infer.diagnosis.pictures import GREYED
from pytest_paddle_infer.diagnosis.pipelines import Identified, keeps, sources

Step = tuple[str, str]

OF_MODE = " (a picture of mode "
"""What is added to what is told of a conversion."""


def steps_apart(training: Identified, inference: Identified, images: Sequence[Image.Image]) -> list[Step]:
    """Returns (name of the step, what the inference preprocessing does otherwise), the first step of the programs first.

    images: the pictures that both were found with.
    """
    return list(_steps_apart(training, inference, images))


def _steps_apart(training: Identified, inference: Identified, images: Sequence[Image.Image]) -> Iterator[Step]:
    one, two = training.pipeline, inference.pipeline
    if one.upright and not two.upright:
        yield "exif", "ignores the EXIF orientation"
    elif two.upright and not one.upright:
        yield "exif", "applies the EXIF orientation, which the training preprocessing ignores"
    if one.conversion != two.conversion == GREYED:
        yield "mode", GREY
    elif one.conversion != two.conversion:
        yield "mode", f"{two.conversion} where the training preprocessing {one.conversion}{OF_MODE}{images[0].mode})"
    yield from _geometry(one.geometry, two.geometry, (sources(images, one), sources(images, two)))
    if training.padding is not None and inference.padding is not None and inference.padding.differs(training.padding):
        yield "padding", _filled(training.padding, inference.padding)
    if keeps(one, images) or keeps(two, images):
        pass  # who resizes nothing has no filter
    elif two.interpolation == one.interpolation + IN_FLOATS:
        yield "interpolation", "does not round the resized pixels to whole values, which the training preprocessing does"
    elif one.interpolation == two.interpolation + IN_FLOATS:
        yield "interpolation", "rounds the resized pixels to whole values, which the training preprocessing does not"
    elif one.interpolation != two.interpolation:
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
    # what is only near may hold a step that is no line, such as a gamma: the line that is nearest to it is no mean and std of anybody
    exact = training.fit.exact and inference.fit.exact
    slack = 1.0 if exact else NEARLY
    own = training.normalisation
    if not training.fit.exact and not own.named and not plainly(*own.line()):
        return None  # mean and std that nobody has written are no more than the nearest line
    told = difference if training.reversed == inference.reversed else difference_turned
    return told(training.normalisation, inference.fit.slopes, inference.fit.offsets, solve=exact, slack=slack)


def moved(found: Step, one: Identified | None, images: Sequence[Image.Image]) -> Step:
    """What is shifted, where the training program is known to crop nothing."""
    if one is None or not all(map(one.pipeline.geometry.shows_all, sources(images, one.pipeline))):
        return found
    return found[0], found[1].replace("shifts the crop by", "shifts the picture by")


def _filled(one: Padding, two: Padding) -> str:
    if one.after == two.after:
        return f"pads with {two} where the training preprocessing pads with {one}"
    return (
        f"pads with {two.value} {'after' if two.after else 'before'} the normalisation where the training preprocessing pads with "
        f"{one.value} {'after' if one.after else 'before'} it"
    )


def _filter(interpolation: str) -> str:
    return interpolation + (" as OpenCV does" if interpolation.endswith("without antialias") else "")


KEPT = "keeps the size of the picture"

_DONE = {
    "both sides": "resizes to {size}",
    "long side": "resizes the long side to {size}",
    "cover": "crops to the shape of {out} before resizing (as ImageOps.fit does)",
    "short side": "resizes the short side to {size}",
    "crop first": "crops before resizing ({whole})",
    "crop only": "crops without resizing",
    "letterbox": "keeps the aspect and pads to {out} (letterbox)",
    "resize and pad": "resizes to {size} and pads to {out}",
    "pad only": "pads to {out} without resizing",
}


def _geometry(one: Geometry, two: Geometry, sources: tuple[Sequence[Size], Sequence[Size]]) -> Iterator[Step]:
    """sources: the sizes of the pictures as each side resizes them."""
    if one == two:
        return
    if one.out != two.out:
        yield _other_sides(one, two, sources)
        return
    if one.style != two.style:
        name = "crop" if {"crop first", "cover"} & {one.style, two.style} else "resize"
        yield name, _otherwise(one, two, sources)
    elif one.style != "crop first" and (one.short, one.exact) != (two.short, two.exact):
        yield "resize", _otherwise(one, two, sources)
    elif (one.first, one.short, one.exact, one.fit, one.longest) != (two.first, two.short, two.exact, two.fit, two.longest):
        yield "resize", f"makes other sizes: {two} (training: {one})"
    elif one.pad != two.pad:
        yield "padding", f"pads {two.pad} where the training preprocessing pads {one.pad}"
    elif one.shift != two.shift:
        x, y = two.shift[0] - one.shift[0], two.shift[1] - one.shift[1]
        moved = max(abs(x), abs(y))
        name, what = ("padding", "picture within the padding") if two.pad else ("crop", "crop")
        yield name, f"shifts the {what} by {'a pixel' if moved == 1 else f'{moved} pixels'} ({x:+d} to the right, {y:+d} down)"
    elif one.long != two.long:
        how, why, which = _rounding(two.long), _rounding(one.long), "other" if two.fit else "long"
        yield "resize", f"finds the {which} side of the resized picture by {how}, the training preprocessing by {why}"
    elif CORNERED in (one.offset, two.offset) and one.offset != two.offset:
        where, other = ("at the left top corner" if each.offset == CORNERED else "the centre" for each in (two, one))
        yield "crop", f"crops {where} where the training preprocessing crops {other}"
    elif one.offset != two.offset:
        name, what = ("padding", "padding") if two.pad else ("crop", "crop")
        how, why = (_odd(each, sizes) for each, sizes in zip((two, one), reversed(sources)))
        yield name, f"rounds odd margins of the {what} {how} where the training preprocessing rounds them {why}"


def _other_sides(one: Geometry, two: Geometry, sources: tuple[Sequence[Size], Sequence[Size]]) -> Step:
    """What makes tensors of two shapes: padding or the crop alone, where both sides resize the picture to the same size."""
    fed = f"feeds {_size(two)} where the training preprocessing feeds {_size(one)}"
    placed = [each.place(sizes[0]) for each, sizes in zip((one, two), sources)]
    if placed[0] is None or placed[1] is None:
        return "shape", fed
    if (placed[0].size, placed[0].box) != (placed[1].size, placed[1].box):
        kept = all(map(one.keeps, sources[0])) or all(map(two.keeps, sources[1]))
        return ("resize", _otherwise(one, two, sources)) if kept else ("shape", fed)
    if not (one.pad or two.pad):
        return "crop", f"crops to {_size(two)} where the training preprocessing crops to {_size(one)}"
    if not two.pad:
        return "padding", f"leaves out the padding to {_size(one)}"
    if not one.pad:
        return "padding", f"pads to {_size(two)}, where the training preprocessing feeds {_size(one)}"
    return "padding", f"pads to {_size(two)} where the training preprocessing pads to {_size(one)}"


def _otherwise(one: Geometry, two: Geometry, sources: tuple[Sequence[Size], Sequence[Size]]) -> str:
    done, trained = (_done(each, sizes) for each, sizes in zip((two, one), reversed(sources)))
    return f"{done} where the training preprocessing {trained}"


def _done(geometry: Geometry, sources: Sequence[Size]) -> str:
    """What a program does. Only pictures of other shapes than its result say that their shape does not matter to it."""
    if sources and all(map(geometry.keeps, sources)):
        return KEPT
    short = str(geometry.short or geometry.longest)
    if geometry.exact is not None:
        width, height = geometry.exact
        short = f"{'a square of ' if width == height else ''}{height}x{width}"
    done = _DONE[geometry.style].format(size=short, whole=geometry, out=_size(geometry))
    if geometry.style == "resize and pad" and all(geometry.keeps_the_aspect(source) for source in sources):
        return f"resizes the long side to {max(geometry.exact or geometry.out)} and pads to {_size(geometry)}"
    any_shape = geometry.style == "both sides" and not all(geometry.keeps_the_aspect(source) for source in sources)
    return f"{done} whatever the picture's shape" if any_shape else done


def _rounding(how: str) -> str:
    return {"floor": "cutting off", "ceil": "rounding up"}.get(how, "rounding")


def _odd(geometry: Geometry, sources: Sequence[Size]) -> str:
    """How half a pixel of a margin is rounded; the most usual of the ways that make the same of all pictures."""
    for how, told in _ODD.items():
        other = replace(geometry, offset=how)
        if all(other.place(source) == geometry.place(source) for source in sources):
            return told
    return _ODD["round"]


_ODD = {"floor": "down", "ceil": "up", "round": "to the even number"}


def _size(geometry: Geometry) -> str:
    return f"{geometry.out[1]}x{geometry.out[0]}"
