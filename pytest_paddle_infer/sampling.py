"""Which samples a model is run on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_paddle_infer.cutting import behind_a_word
from pytest_paddle_infer.failures import PaddleInferError
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.samples import Sample, SampleError, drawn_samples, find_samples, random_inputs, unnamed

LONG = 80
"""Characters that are shown of a text that was taken for a path."""

DRAWN = 4
"""Pictures drawn when nobody gives any."""


def samples_of(spec: ModelSpec, workdir: Path, root: Path) -> tuple[Sample, ...]:
    """Returns the samples of `spec.images`; without it drawn pictures, or random inputs for a model that takes no pictures.

    Relative paths start at `root`. Raises `SampleError` in one sentence.
    """
    if spec.images is None:
        if spec.uses_images:
            return _drawn(workdir)
        return random_inputs(spec.inputs, DRAWN, spec.seed or 0)
    if isinstance(spec.images, (str, os.PathLike)):
        return find_samples(root / spec.images)
    return as_samples(spec.images)


@lru_cache(maxsize=8)
def _drawn(workdir: Path) -> tuple[Sample, ...]:
    return drawn_samples(workdir / "samples", DRAWN)


def as_samples(values: Iterable[Any]) -> tuple[Sample, ...]:
    """Returns `values` as samples: paths are opened when they are needed, anything else is given to preprocess as it is."""
    if not isinstance(values, Iterable) or isinstance(values, (str, bytes, Mapping)):
        raise SampleError(
            f"the samples are {_kind(values)}, not a list: images, or the fixture sample_images, gives one, even of one sample."
        )
    samples = tuple(_as_sample(index, value) for index, value in enumerate(values))
    if not samples:
        raise SampleError("there are no samples: images (or the sample_images fixture) gave none, so nothing would be compared.")
    return samples


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _as_sample(index: int, value: Any) -> Sample:
    if isinstance(value, Sample):
        return value
    if isinstance(value, (str, os.PathLike)):
        path = Path(value)
        if os.path.isfile(path):  # of a text that is too long for a name `Path.is_file` raises
            return Sample(path.name, path)
        if not isinstance(value, str):
            raise SampleError(f"there is no sample {path}.")
        shown = behind_a_word(value, LONG)
        raise SampleError(
            f"there is no file {shown!r}: a text among the samples is a path. Samples that are text themselves are given as a dict, a "
            "tuple or another object that preprocess takes."
        )
    return Sample(_name_of(value) or unnamed(index), None, value)


def _name_of(value: Any) -> str:
    """The names of the files that a sample consists of; "" where it has none."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else (value,)
    found = []
    for part in parts:
        path = getattr(part, "filename", "") or (part if isinstance(part, (str, os.PathLike)) and os.path.isfile(part) else "")
        found += [os.path.basename(path)] if isinstance(path, (str, os.PathLike)) and os.fspath(path) else []
    return ", ".join(found)


def sample_notes(spec: ModelSpec, samples: Sequence[Sample]) -> tuple[str, ...]:
    """Says what these samples cannot show, or what the default preprocessing throws away of them."""
    return (*crop_notes(spec, samples), *_poor(spec, samples))


def _poor(spec: ModelSpec, samples: Sequence[Sample]) -> tuple[str, ...]:
    """Pictures of one colour hide faults of layout and crop; grey ones hide swapped channels of a model that takes three."""
    if not spec.uses_images:
        return ()
    plain, grey = True, _takes_colours(spec)
    for sample in samples[:LOOKED_INTO]:
        one_colour, colourless = _colours(sample)
        plain, grey = plain and one_colour, grey and colourless
        if not plain and not grey:
            return ()
    if plain:
        return (
            "every sample is of one colour: faults of layout, crop and colour order hardly show; use textured, coloured pictures",
        )
    return ("every sample is grey: swapped colour channels cannot show; add coloured pictures",)


LOOKED_INTO = 16
"""Samples that are looked into for that; mostly the first one ends it."""


def _takes_colours(spec: ModelSpec) -> bool:
    return spec.input_spec is None or any(3 in item.shape[1:2] + item.shape[3:] for item in spec.inputs if len(item.shape) == 4)


def _colours(sample: Sample) -> tuple[bool, bool]:
    """(is of one colour, is grey); neither for what is no picture, or none that can be read."""
    from PIL import Image

    from pytest_paddle_infer.transforms import decode

    try:
        value = sample.open()
        if not isinstance(value, Image.Image):
            return False, False
        bands = decode(value).split()
    except (PaddleInferError, OSError, ValueError):
        return False, False
    ranges = [band.getextrema() for band in bands]
    return all(low == high for low, high in ranges), all(band.tobytes() == bands[0].tobytes() for band in bands[1:])


def crop_notes(spec: ModelSpec, samples: Sequence[Sample]) -> tuple[str, ...]:
    """Says when the default crop throws away more than half of a picture: for text lines and the like that is the content."""
    if spec.preprocess is not None or not spec.uses_images:
        return ()
    from pytest_paddle_infer.transforms import discarded

    for sample in samples[:LOOKED_AT]:
        size = _picture_size(sample)
        if size is not None and (lost := discarded(size, spec.size)) > 0.5:
            return (
                f"the centre crop throws away {100 * lost:.0f} % of sample {sample.name} ({size[0]}x{size[1]}); for OCR-like inputs "
                "(text lines, panoramas) give ModelSpec(preprocess=...) that keeps the whole picture",
            )
    return ()


LOOKED_AT = 100
"""Samples whose sizes are looked at for that."""


def _picture_size(sample: Sample) -> tuple[int, int] | None:
    """(width, height) from the file's header; None where the sample is no picture."""
    if sample.path is None:
        size: tuple[int, int] | None = getattr(sample.value, "size", None) if hasattr(sample.value, "getbands") else None
        return size
    from PIL import Image

    try:
        with Image.open(sample.path) as image:
            width, height = image.size
            return width, height
    except (OSError, ValueError, Image.DecompressionBombError, Warning):
        return None
