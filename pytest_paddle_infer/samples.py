"""The inputs that a model is tested on: a user's files, pictures that we draw, random tensors.

Called by the collection, `conformance` and the fixtures. Knows neither pytest nor paddle; numpy and Pillow are imported
inside functions, so finding files costs nothing.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import struct
import uuid
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from pytest_paddle_infer.failures import PaddleInferError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np

    Pixels = np.ndarray[Any, np.dtype[np.uint8]]

IMAGE_SUFFIXES = (".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
ARRAY_SUFFIXES = (".npy", ".npz")
SAMPLE_SUFFIXES = IMAGE_SUFFIXES + ARRAY_SUFFIXES

# Part of the file name, so that a new drawing never meets an old file: raise it when a drawn pixel changes.
_DRAWING = 2
# (width, height) in pixels, about those of ordinary photographs; the short side suffices for inputs of up to 320 pixels. 721 x 481
# parts programs that round from those that cut off: of a short side of 256 the long one is 383.7, and a crop of 224 begins at 79.5.
_DRAWN_SIZES = ((640, 480), (500, 375), (480, 640), (721, 481), (375, 500), (600, 450), (533, 400), (400, 600))
# Scales of the texture, coarse to fine: lattice points along the height, and the amplitude in brightness levels.
_SCALES = ((2, 100), (4, 60), (9, 45), (22, 25), (60, 15))
_SHAPES = 7


class SampleError(PaddleInferError, ValueError):
    """Samples that cannot be found or read; the message is one sentence that names them and the remedy."""


class InputSpec(Protocol):
    """What `random_inputs` needs to know of a model's input: shape (None or -1: any), dtype name, name."""

    @property
    def shape(self) -> Sequence[int | None]: ...  # noqa: D102
    @property
    def dtype(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str | None: ...  # noqa: D102


def unnamed(number: int) -> str:
    """The name of a sample that has none of its own."""
    return f"sample-{number}"


def numbered(number: int, name: str) -> str:
    """Returns `sample 2 (cat.png)`, or `sample 2` where it has no name of its own."""
    return f"sample {number}" + ("" if name == unnamed(number) else f" ({name})")


@dataclass(frozen=True)
class Sample:
    """One input of the model under test: a file, or a value in memory (which wins). Equality ignores the value."""

    name: str
    path: Path | None = None
    value: Any = field(default=None, compare=False, repr=False)

    def open(self) -> Any:
        """Return the value, or a new object read from the file, which is closed on return.

        An image file gives a `PIL.Image.Image` as stored: not converted, EXIF not applied, `.filename` the path. A
        .npy file gives an ndarray, a .npz file a dict of them; neither is ever unpickled. Raises ImageError for a
        broken image, SampleError for a broken array file, another suffix, or a sample with neither path nor value.
        """
        if self.value is not None:
            return self.value
        if self.path is None:
            raise SampleError(f"sample {self.name!r} has neither a path nor a value: give it one.")
        suffix = self.path.suffix.lower()
        if suffix in IMAGE_SUFFIXES:
            from pytest_paddle_infer.transforms import load_image

            return load_image(self.path)
        if suffix in ARRAY_SUFFIXES:
            return _load_arrays(self.path)
        raise SampleError(f"{self.path} is not a sample: its suffix is none of {_listed(SAMPLE_SUFFIXES)}.")

    def __fspath__(self) -> str:
        """Return the path. Raises TypeError for a sample that has none."""
        if self.path is None:
            raise TypeError(f"sample {self.name!r} lives in memory and has no path: use its open().")
        return os.fspath(self.path)


def _listed(suffixes: Iterable[str]) -> str:
    return ", ".join(suffixes)


def _load_arrays(path: Path) -> Any:
    import numpy as np

    try:
        with path.open("rb") as stream:
            _check_beginning(stream, path)
            loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            with loaded:
                return {name: loaded[name] for name in loaded.files}
    except SampleError:
        raise
    except OSError as error:
        raise SampleError(f"{path} cannot be read ({error.strerror or error}): check the path and its permissions.") from error
    # Broken headers and archives raise ValueError, EOFError, BadZipFile, zlib.error, SyntaxError, MemoryError, ...
    except Exception as error:
        if "Object arrays cannot be loaded" in str(error):
            raise SampleError(
                f"{path} holds Python objects, which are not loaded because unpickling can run code: save plain arrays."
            ) from error
        detail = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise SampleError(f"{path} is not a whole {path.suffix.lower()} file ({detail}): save it again with numpy.") from error


def _check_beginning(stream: BinaryIO, path: Path) -> None:
    # Whatever begins otherwise numpy takes for a pickle, and says so at length: true, and no help.
    if not stream.read(6).startswith((b"\x93NUMPY", b"PK")):
        raise SampleError(f"{path} is empty or no {path.suffix.lower()} file: save it again with numpy.")
    stream.seek(0)


def find_samples(pattern: str | os.PathLike[str], base: Path | None = None) -> tuple[Sample, ...]:
    """Return the sample files that a path names, in natural order (img2 before img10).

    `pattern`, relative to `base` (default: the current directory), is a file, a directory (searched recursively) or a
    glob in which ** crosses directories. A path that exists is taken literally, even if it holds glob characters.
    Suffixes count in any case; hidden files do not count. Names are paths relative to the directory, or to the fixed
    part of the glob, and so are unique. Raises SampleError when there is no such file.
    """
    wanted = (Path.cwd() if base is None else base.absolute()) / Path(pattern).expanduser()
    if wanted.is_file():
        if not _is_sample(wanted):
            raise SampleError(f"{wanted} is not a sample: its suffix is none of {_listed(SAMPLE_SUFFIXES)}.")
        return (Sample(wanted.name, wanted),)
    if wanted.is_dir():
        root, files = wanted, _walk(wanted)
        problem = f"no sample files in the directory {wanted}"
    elif glob.has_magic(str(wanted)):
        root, files = _expand(wanted)
        problem = f"no sample files match {wanted} (** crosses directories)"
    else:
        raise SampleError(f"{wanted} does not exist: name a file, a directory or a glob of samples ({_listed(SAMPLE_SUFFIXES)}).")
    found = {file.relative_to(root).as_posix(): file for file in files if _is_sample(file)}
    names = sorted(found.items(), key=_natural)
    if not names:
        raise SampleError(f"{problem}: a sample's suffix is one of {_listed(SAMPLE_SUFFIXES)}.")
    return tuple(Sample(name, file) for name, file in names)


def _is_sample(file: Path) -> bool:
    return file.suffix.lower() in SAMPLE_SUFFIXES


def _walk(root: Path) -> Iterator[Path]:
    # Data sets are often linked together from elsewhere, so links are followed, but no directory is entered twice.
    seen = set()
    for directory, subdirectories, files in os.walk(root, followlinks=True):
        status = Path(directory).stat()
        if (status.st_dev, status.st_ino) in seen:
            subdirectories.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        # In order, so that of two links to one directory the same one is entered on every machine.
        subdirectories[:] = sorted(name for name in subdirectories if not name.startswith("."))
        yield from (Path(directory, name) for name in files if not name.startswith("."))


def _expand(pattern: Path) -> tuple[Path, Iterator[Path]]:
    # A leading part that exists is literal: a directory named run[1] is not a character class.
    root = next(parent for parent in pattern.parents if parent.is_dir())
    rest = str(pattern.relative_to(root))
    # Not Path.glob: what a trailing ** and **.jpg mean there depends on the Python version (they changed in 3.13).
    found = glob.iglob(os.path.join(glob.escape(str(root)), rest), recursive=True)
    return root, (Path(name) for name in found if Path(name).is_file())


def _natural(item: tuple[str, Path]) -> tuple[list[list[str | int]], str]:
    # re.split alternates text and digits, so equal positions always hold equal types.
    parts = [re.split(r"([0-9]+)", part.casefold()) for part in item[0].split("/")]
    return [[int(text) if index % 2 else text for index, text in enumerate(part)] for part in parts], item[0]


def drawn_samples(directory: Path, count: int = 4) -> tuple[Sample, ...]:
    """Return `count` pictures of our own, kept as lossless RGB PNG files in `directory` (created if need be).

    For users who name no images. The pictures have the sizes and the statistics of photographs (gradients, shapes,
    texture at several scales, grain), and none has a symmetry, a constant area or equal channels behind which a
    preprocessing fault could hide. Picture i has the same pixels on every machine. A file that
    exists is used again; a new one appears whole, so several processes may draw at once. Raises ValueError for a
    count below 1, OSError from the disk.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}.")
    directory.mkdir(parents=True, exist_ok=True)
    samples = []
    for index in range(count):
        path = directory / f"drawn-v{_DRAWING}-{index:04d}.png"
        if not path.exists():
            _write_whole(path, _png(_draw(index)))
        samples.append(Sample(f"drawn-{index:04d}", path))
    return tuple(samples)


def _write_whole(path: Path, content: bytes) -> None:
    # Not tempfile: its mode 0600 would lock a shared cache.
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _random_bytes(label: str, count: int) -> Pixels:
    """Return uint8[count], the same everywhere: SHAKE128 (FIPS 202) is a standard, a library's generator may change."""
    import numpy as np

    return np.frombuffer(hashlib.shake_128(label.encode()).digest(count), np.uint8)


def _draw(index: int) -> Pixels:
    """Return picture `index` as uint8[H, W, 3]."""
    import numpy as np

    width, height = _DRAWN_SIZES[index % len(_DRAWN_SIZES)]
    rows = [np.ones((height, 1), np.float32)]
    columns = [np.full((1, width * 3), 128, np.float32)]
    for points, levels in _SCALES:
        if points == 2:
            # The corners differ in every channel in another order: no mirror image and no two channels are alike.
            across = 2
            corners = np.array([-127, -45, 20, 127], np.float32)
            lattice = np.stack([np.roll(corners, index + channel) for channel in range(3)], 1).reshape(2, 2, 3)
        else:
            across = points * width // height + 1
            values = _random_bytes(f"texture {index} {points}", points * across * 3)
            lattice = values.reshape(points, across, 3).astype(np.float32) - 128
        rows.append(_tent(height, points))
        # [points, 3, across] x [across, width] -> [points, 3, width]
        stretched = (lattice.transpose(0, 2, 1) * np.float32(levels / 128)) @ _tent(width, across).T
        columns.append(stretched.transpose(0, 2, 1).reshape(points, width * 3))
    # Bilinear interpolation at every scale in one product. Every term is a multiple of 1/16 x 1/16 x 1/128 = 2^-15
    # and every partial sum is below 2^9 (128 + all levels), so float32's 24 bits hold it exactly: the pixels do not
    # depend on the BLAS, its threads or its order of summation.
    texture = np.hstack(rows) @ np.vstack(columns)
    pixels: Pixels = texture.clip(0, 252, out=texture).astype(np.uint8).reshape(height, width, 3)
    _draw_shapes(pixels, index)
    # One grain of 0 to 3 per pixel in all channels: nothing overflows, because texture and shapes end at 252.
    grain = _random_bytes(f"grain {index}", height * width) & 3
    pixels += np.repeat(grain, 3).reshape(pixels.shape)
    return pixels


def _tent(length: int, points: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return float32[length, points] in sixteenths: row i spreads 1 over the two lattice points next to pixel i."""
    import numpy as np

    pixel = np.arange(length)
    place = pixel * ((points - 1) * 16) // length
    left, share = place // 16, place % 16
    tent = np.zeros((length, points), np.float32)
    tent[pixel, left] = (16 - share) / 16
    tent[pixel, left + 1] = share / 16
    return tent


def _draw_shapes(pixels: Pixels, index: int) -> None:
    """Lay ellipses, bars, checks and wedges over the picture, in place, three quarters opaque."""
    import numpy as np

    height, width, _ = pixels.shape
    for number, numbers in enumerate(_random_bytes(f"shapes {index}", _SHAPES * 8).reshape(_SHAPES, 8).tolist()):
        middle_x, middle_y, size_x, size_y, *colour, detail = numbers
        radius_x = width * (40 + size_x // 2) // 1024
        radius_y = height * (40 + size_y // 2) // 1024
        left = (width - 2 * radius_x) * middle_x // 256
        top = (height - 2 * radius_y) * middle_y // 256
        y, x = np.ogrid[-radius_y:radius_y, -radius_x:radius_x]
        kind = (index + number) % 4
        if kind == 0:
            inside = (x * radius_y) ** 2 + (y * radius_x) ** 2 < (radius_x * radius_y) ** 2
        elif kind == 1:
            inside = (x + y * (detail % 3)) // (4 + detail % 13) % 2 == 0
        elif kind == 2:
            inside = (x // (8 + detail % 21) + y // (5 + detail % 17)) % 2 == 0
        else:
            inside = (x + radius_x) * radius_y > (y + radius_y) * radius_x
        window = pixels[top : top + 2 * radius_y, left : left + 2 * radius_x]
        paint = np.array([3 * (value // 4) for value in colour], np.uint8)
        np.copyto(window, (window >> 2) + paint, where=inside[..., None])


def _png(pixels: Pixels) -> bytes:
    """Return an 8-bit RGB PNG file (ISO/IEC 15948), uncompressed: twice as large, but read 6 times as fast."""
    import numpy as np

    height, width, _ = pixels.shape
    lines = np.zeros((height, 1 + width * 3), np.uint8)  # column 0 is the line's filter: 0, none
    lines[:, 1:] = pixels.reshape(height, width * 3)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def random_inputs(specs: Sequence[InputSpec], count: int = 4, seed: int = 0) -> tuple[Sample, ...]:
    """Return `count` samples whose value is a tuple of arrays, one per spec: for models whose inputs are not images.

    A first dimension that is unknown (None or -1) becomes 1, any other unknown one 16; known ones stay. Floats are
    standard normal, integers lie in [0, 10) so that they are valid in small embeddings, bools are fair. Deterministic
    in `seed` and the sample's number. Raises SampleError for a dtype that numpy cannot make, ValueError for a count
    below 1 or no specs.
    """
    import numpy as np

    if count < 1 or not specs:
        raise ValueError(f"random inputs need a count and specs of at least 1, got {count} and {len(specs)}.")
    samples = []
    for number in range(count):
        # RandomState, because numpy froze its streams (NEP 19); those of default_rng may change with a release.
        random = np.random.RandomState([seed, number])
        samples.append(Sample(f"random-{number:04d}", value=tuple(_random_array(spec, random) for spec in specs)))
    return tuple(samples)


def _random_array(spec: InputSpec, random: np.random.RandomState) -> np.ndarray[Any, np.dtype[Any]]:
    import numpy as np

    shape = tuple(size if size is not None and size >= 0 else 16 if axis else 1 for axis, size in enumerate(spec.shape))
    try:
        dtype = np.dtype(spec.dtype)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind == "f":
        return np.asarray(random.standard_normal(shape)).astype(dtype)
    if dtype.kind in "iu":
        return np.asarray(random.randint(0, 10, shape)).astype(dtype)
    if dtype.kind == "b":
        return np.asarray(random.randint(0, 2, shape)).astype(dtype)
    raise SampleError(
        f"no random values are known for input {spec.name!r} of dtype {spec.dtype}: name sample files instead "
        "(a float, integer or bool dtype of numpy could be drawn)."
    )
