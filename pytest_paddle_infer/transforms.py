"""Turn a picture into a model's input and a model's output into an answer: the default pre- and postprocess.

Called by `models` (the defaults of a `ModelSpec`), `samples`, the engines and by users' own factories.
Knows numpy and Pillow; knows neither pytest nor paddle. It is imported only when a test needs pixels.

The steps are those of the TIPC documents, 2.5 and 2.7 (Resize, CenterCrop, Normalize, ToCHW; flatten and argmax),
with the arithmetic of `paddle.vision.transforms`, so that a model trained with those sees the pixels that it was
trained on.
"""

from __future__ import annotations

import io
import os
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Union

import numpy as np
from PIL import Image, UnidentifiedImageError

from pytest_paddle_infer.failures import PaddleInferError, said_by_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

ImageSource = Union[str, "os.PathLike[str]", Image.Image]

_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "box", "lanczos", "hamming")
_STRAIGHT_ALPHA = {"La": "LA", "RGBa": "RGBA"}
# EXIF 2.3, tag 0x0112: how to turn the stored pixels upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Warning filters belong to the process, so two threads that change them must take turns. A worker may be forked
# meanwhile: the fork waits for the picture, so that the child is not born with a lock that nobody will release.
_filters_lock = threading.RLock()
os.register_at_fork(before=_filters_lock.acquire, after_in_parent=_filters_lock.release, after_in_child=_filters_lock.release)


class ImageError(PaddleInferError, ValueError):
    """A picture that cannot be used; the message is one sentence that names the picture and the remedy."""


class NoPictureError(PaddleInferError, TypeError):
    """Something else than a picture was given; the message is one sentence with the remedy."""


def load_image(path: str | os.PathLike[str]) -> Image.Image:
    """Return the first frame of an image file as it is stored: any mode, EXIF not applied, `.filename` the path.

    The file is closed on return. Raises ImageError for a file that is missing, empty, not an image, broken, truncated
    or larger than `PIL.Image.MAX_IMAGE_PIXELS` (known from the header, before any pixel is decoded).
    """
    with _pillow_in_order(str(path)):
        return _load(path)


def decode(source: ImageSource) -> Image.Image:
    """Return a picture as a new upright 8-bit RGB `PIL.Image.Image`.

    `source` is a path, or an image (left as it is). EXIF orientation is applied; of an animated file the first frame
    is taken, of an animated image the current one. 16-bit grey (modes I;16 and I, taken as 0..65535) keeps its high
    byte, as Pillow does for 16-bit colour, where `convert` alone would clip everything above 255 to white. Every
    other mode is what `convert("RGB")` gives (TIPC documents, 2.5): transparency is dropped, not blended.

    Raises ImageError for what `load_image` refuses, for float images (mode F has no fixed range) and for integer images
    beyond 16 bits; NoPictureError when `source` is no path and no image.
    """
    __tracebackhide__ = said_by_us
    if isinstance(source, Image.Image):
        size = f"{source.width}x{source.height}"
        name = str(getattr(source, "filename", "")) or f"the {source.mode} image of {size} pixels"
    elif isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
    else:
        raise NoPictureError(f"a picture is a path or a PIL.Image.Image, not {type(source).__name__}: convert it first.")
    with _pillow_in_order(name):
        if isinstance(source, Image.Image):
            _check_pixels(source.size, name)
            source.load()
            return _rgb(source, name)
        return _rgb(_load(source), name)


@contextmanager
def _pillow_in_order(name: str) -> Iterator[None]:
    """Run Pillow so that its result does not hang on the caller's warning filters, and every fault is an ImageError.

    Pillow warns about odd metadata (corrupt EXIF, palette transparency) that does not change a pixel here; under `-W
    error` the same picture would be refused. A decompression bomb is the opposite: a warning that must be a refusal.
    """
    with _filters_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except (ImageError, MemoryError):
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise _too_large(name) from error
        except UnidentifiedImageError as error:
            raise ImageError(
                f"{name} is not an image that Pillow can identify: check that the file is what its name says."
            ) from error
        # Decoders meet broken bytes with OSError, SyntaxError, struct.error, zlib.error, EOFError, IndexError, ...
        except Exception as error:
            detail = str(error).rstrip(".") or type(error).__name__
            raise ImageError(f"{name} is broken or truncated ({detail}): replace it with a whole copy.") from error


def _load(path: str | os.PathLike[str]) -> Image.Image:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror or error}): check the path and its permissions.") from error
    if not content:
        raise ImageError(f"{path} is an empty file: replace it with a whole copy.")
    if content.startswith(b"version https://git-lfs."):
        raise ImageError(f"{path} is a Git LFS pointer and not the picture itself: run `git lfs pull`.")
    # From memory: no file stays open, and the frames and metadata that Pillow reads late can still be read.
    # Image.open knows the size from the header: a bomb ends here.
    image = Image.open(io.BytesIO(content))
    image.load()
    image.filename = str(path)
    return image


def _check_pixels(size: tuple[int, int], name: str) -> None:
    if Image.MAX_IMAGE_PIXELS is not None and size[0] * size[1] > Image.MAX_IMAGE_PIXELS:
        raise _too_large(name)


def _too_large(name: str) -> ImageError:
    return ImageError(
        f"{name} has more pixels than Pillow's limit of {Image.MAX_IMAGE_PIXELS}: scale it down, or raise "
        "PIL.Image.MAX_IMAGE_PIXELS if you trust the file."
    )


def _rgb(image: Image.Image, name: str) -> Image.Image:
    orientation = _orientation(image)
    if image.mode == "F":
        raise ImageError(f"{name} is a float image (mode F), whose range is unknown: convert it to 8 bits first.")
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = _high_byte(image, name)
    try:
        # Not every Pillow has a direct way from premultiplied alpha to RGB.
        image = image.convert(_STRAIGHT_ALPHA.get(image.mode, image.mode)).convert("RGB")
    except ValueError as error:
        raise ImageError(f"{name} has mode {image.mode}, which Pillow cannot turn into RGB: convert it first.") from error
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _orientation(image: Image.Image) -> int | None:
    # Pillow turns a TIFF upright while it loads it, and 9.5 leaves the tag as it was.
    if image.format == "TIFF":
        return None
    # A picture whose EXIF block cannot be parsed still has all its pixels; every viewer shows it as stored.
    try:
        orientation = image.getexif().get(0x0112)
    except Exception:
        return None
    return orientation if isinstance(orientation, int) else None


def _high_byte(image: Image.Image, name: str) -> Image.Image:
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 0xFFFF:
        raise ImageError(f"{name} holds integers from {low} to {high}, beyond 16 bits: convert it to 8 bits first.")
    return Image.fromarray((values >> 8).astype(np.uint8))


def _pair(size: int | tuple[int, int], what: str) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ValueError(f"{what} must be at least 1 pixel high and wide, got {size!r}.")
    return int(height), int(width)


def _resized(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Return (width, height) once the short side is `short_side`, truncated as paddle.vision and torchvision do."""
    width, height = size
    if width <= height:
        return short_side, int(short_side * height / width)
    return int(short_side * width / height), short_side


@dataclass(frozen=True)
class Resize:
    """Scale the short side to `size` pixels, the long side to `int(size * long / short)`; never copy what fits.

    `interpolation` is one of nearest, bilinear, bicubic, box, lanczos, hamming: Pillow's filters, which antialias when
    they shrink (OpenCV's do not). Raises ValueError for another name or a size below 1.
    """

    size: int
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        _pair(self.size, "Resize")
        if self.interpolation not in _INTERPOLATIONS:
            raise ValueError(f"unknown interpolation {self.interpolation!r}: use one of {', '.join(_INTERPOLATIONS)}.")

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the scaled image, of the same mode."""
        size = _resized(image.size, self.size)
        return image if size == image.size else image.resize(size, Image.Resampling[self.interpolation.upper()])


@dataclass(frozen=True)
class CenterCrop:
    """Cut `size` (one number, or height and width) out of the middle, with paddle.vision's rounding of odd margins."""

    size: int | tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _pair(self.size, "CenterCrop"))

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the middle of the image. Raises ImageError for an image smaller than the crop; nothing is padded."""
        height, width = _pair(self.size, "CenterCrop")
        if image.height < height or image.width < width:
            raise ImageError(
                f"an image of {image.width}x{image.height} pixels (width x height) is smaller than the crop of "
                f"{width}x{height}: resize it to a larger short side first."
            )
        top = round((image.height - height) / 2)
        left = round((image.width - width) / 2)
        return image.crop((left, top, left + width, top + height))


@dataclass(frozen=True)
class Normalize:
    """Scale 8-bit channels to [0, 1], then `(x - mean) / std` per channel, all in float32. Default: ImageNet's RGB."""

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(map(float, self.mean)))
        object.__setattr__(self, "std", tuple(map(float, self.std)))
        if len(self.mean) != len(self.std) or not self.mean:
            raise ValueError(f"mean and std need one value per channel each, got {len(self.mean)} and {len(self.std)}.")
        if not all(value > 0 for value in self.std):
            raise ValueError(f"std must be positive, got {self.std}.")

    def __call__(self, image: Image.Image) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return float32[H, W, C]. Raises ImageError when the image is not 8-bit or has another number of channels."""
        pixels = np.asarray(image)
        channels = pixels[..., None] if pixels.ndim == 2 else pixels
        if pixels.dtype != np.uint8 or channels.shape[2] != len(self.mean):
            raise ImageError(f"an image of mode {image.mode} does not fit {len(self.mean)} channel means: decode() it first.")
        # Planar memory behind an [H, W, C] shape: contiguous arithmetic is several times faster than 3-element rows,
        # and ToCHW then has nothing left to copy.
        planes = np.empty((channels.shape[2], *channels.shape[:2]), np.float32)
        for plane, channel, mean, std in zip(planes, np.moveaxis(channels, 2, 0), self.mean, self.std):
            plane[...] = channel
            plane /= np.float32(255)
            plane -= np.float32(mean)
            plane /= np.float32(std)
        return np.moveaxis(planes, 0, 2)


@dataclass(frozen=True)
class ToCHW:
    """Move the channel axis to the front."""

    def __call__(self, array: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[Any]]:
        """Return [C, H, W], C-contiguous, from [H, W, C]; the dtype stays. Raises ValueError for another rank."""
        if array.ndim != 3:
            raise ValueError(f"ToCHW needs an array of shape [H, W, C], got shape {list(array.shape)}.")
        return np.ascontiguousarray(np.moveaxis(array, 2, 0))


@dataclass(frozen=True)
class Compose:
    """Apply transforms one after the other."""

    transforms: tuple[Callable[[Any], Any], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", tuple(self.transforms))

    def __call__(self, value: Any) -> Any:
        """Return what the last transform returns."""
        for transform in self.transforms:
            value = transform(value)
        return value


@dataclass(frozen=True)
class ImagePreprocess:
    """The default preprocess: decode, Resize, CenterCrop, Normalize, ToCHW, batch axis. Hashable and picklable.

    `image_size` is (height, width) of the model's input in pixels, `resize` the short side before the crop.
    """

    image_size: tuple[int, int]
    resize: int
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def __post_init__(self) -> None:
        # A bad value is reported where it was written, not at the first picture.
        _ = self.transforms

    @property
    def transforms(self) -> Compose:
        """The steps between `decode` and the batch axis, for whoever wants to look at one of them."""
        return Compose(
            (
                Resize(self.resize, self.interpolation),
                CenterCrop(self.image_size),
                Normalize(self.mean, self.std),
                ToCHW(),
            )
        )

    def __call__(self, source: ImageSource) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return float32[1, 3, H, W], C-contiguous. Raises ImageError and NoPictureError as `decode` and `CenterCrop` do."""
        __tracebackhide__ = said_by_us
        batch: np.ndarray[Any, np.dtype[np.float32]] = self.transforms(decode(source))[None]
        return batch


def default_preprocess(image_size: int | tuple[int, int] = 224, resize: int | None = None) -> ImagePreprocess:
    """Return the preprocess of an ImageNet classifier: `source -> float32[1, 3, H, W]`.

    `image_size` is one number or (height, width). `resize` is the short side before the crop; by default the crop keeps
    ImageNet's 224 of 256. Raises ValueError for a size below 1.
    """
    height, width = _pair(image_size, "image_size")
    return ImagePreprocess((height, width), round(max(height, width) * 256 / 224) if resize is None else resize)


def discarded(size: tuple[int, int], image_size: int | tuple[int, int] = 224, resize: int | None = None) -> float:
    """Return the fraction, in [0, 1), of a decoded sample's area that Resize and CenterCrop throw away.

    `size` is (width, height) as in `PIL.Image.size`; the others are those of `default_preprocess`. A model that needs
    the whole picture, such as OCR, must know (TIPC documents, 2.5). A crop larger than the image throws nothing away.
    """
    preprocess = default_preprocess(image_size, resize)
    width, height = _resized(size, preprocess.resize)
    crop_height, crop_width = preprocess.image_size
    return 1 - min(crop_height, height) * min(crop_width, width) / (width * height)


class Prediction(NamedTuple):
    """One class and its score: the answer of a classifier."""

    class_id: int
    prob: float


def top_k(output: Any, k: int = 5) -> list[Prediction]:
    """Return the k best classes of one sample, best first, from scores [C], [1, C] or [1, C, 1, 1] of any real dtype.

    Equal scores are ordered by class id, so two engines that tie give the same answer. A NaN ranks
    above every number, as in `numpy.argmax`: a broken output must show in the answer instead of hiding behind a
    plausible one. Fewer than k classes give fewer predictions. Raises ValueError as `top1` does, and for k below 1.
    """
    if k < 1:
        raise ValueError(f"top-k needs k of at least 1, got {k}.")
    scores = _scores_of_one_sample(output)
    # A stable ascending sort puts NaN last; sorting the reversed array and reversing the order back makes NaN first
    # and leaves ties in order of class id, for unsigned and bool scores too, which cannot be negated.
    order = scores.size - 1 - np.argsort(scores[::-1], kind="stable")[::-1]
    return [Prediction(int(class_id), float(scores[class_id])) for class_id in order[:k]]


def top1(output: Any) -> Prediction:
    """Return the best class and its score: the default postprocess, `flatten` and `argmax` of the TIPC documents, 2.7.

    Takes what `top_k` takes. Raises ValueError for more than one sample, where flatten().argmax() would return a
    class id beyond the number of classes, and for an output that is empty or not one score per class.
    """
    scores = _scores_of_one_sample(output)
    class_id = int(scores.argmax())
    return Prediction(class_id, float(scores[class_id]))


def _scores_of_one_sample(output: Any) -> np.ndarray[Any, np.dtype[Any]]:
    scores = np.asarray(output)
    shape = list(scores.shape)
    if scores.dtype.kind not in "fiub":
        raise ValueError(f"the output has dtype {scores.dtype}, but class scores are real numbers: pass the scores.")
    if scores.ndim > 1 and shape[0] > 1:
        raise ValueError(f"the output of shape {shape} holds {shape[0]} samples: postprocess one row at a time.")
    if scores.size == 0 or scores.ndim == 0:
        raise ValueError(f"the output of shape {shape} holds no class scores: expected shape [C] or [1, C].")
    if scores.ndim > 1 and scores.size != shape[1]:
        raise ValueError(
            f"the output of shape {shape} is not one score per class: expected shape [C] or [1, C], or give the "
            "model its own postprocess."
        )
    return scores.ravel()
