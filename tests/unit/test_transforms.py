"""transforms.py: every mode becomes the right pixels, every bad picture one sentence, every answer one class."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from pytest_paddle_infer import transforms
from pytest_paddle_infer.failures import PaddleInferError
from pytest_paddle_infer.transforms import (
    CenterCrop,
    Compose,
    ImageError,
    NoPictureError,
    Normalize,
    Prediction,
    Resize,
    ToCHW,
    decode,
    default_preprocess,
    discarded,
    load_image,
    top1,
    top_k,
)

if TYPE_CHECKING:
    from pathlib import Path


def colour(width: int = 40, height: int = 30) -> Image.Image:
    pixels = np.random.RandomState(0).randint(0, 256, (height, width, 3)).astype(np.uint8)
    return Image.fromarray(pixels)


def sixteen_bit(dtype: str) -> np.ndarray[Any, Any]:
    return (np.arange(30 * 40).reshape(30, 40) * 54).astype(dtype)  # 0..64746


def pixels(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image)


def upright(stored: np.ndarray[Any, Any], orientation: int) -> np.ndarray[Any, Any]:
    """EXIF 2.3, 0x0112: where the stored row 0 and column 0 belong."""
    turned = np.moveaxis(stored, 0, 1) if orientation > 4 else stored
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return turned[rows, columns]


def png_header(width: int, height: int) -> bytes:
    """A PNG file that promises width x height pixels and holds none of them."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (header, data, b"IEND")
    )


class TestDecode:
    @pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"])
    def test_every_eight_bit_mode_becomes_what_pillow_converts_it_to(self, mode: str) -> None:
        via = {"PA": "P", "La": "LA", "RGBa": "RGBA"}.get(mode, "RGB")
        image = colour().convert(via).convert(mode)
        assert image.mode == mode
        decoded = decode(image)
        assert decoded.mode == "RGB"
        assert np.array_equal(pixels(decoded), pixels(image.convert({"La": "LA", "RGBa": "RGBA"}.get(mode, mode)).convert("RGB")))

    def test_a_mode_that_pillow_cannot_convert_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(self: Image.Image, mode: str) -> Image.Image:
            raise ValueError("conversion not supported")

        image = colour().convert("HSV")
        monkeypatch.setattr(Image.Image, "convert", refuse)
        sentence = "the HSV image of 40x30 pixels has mode HSV, which Pillow cannot turn into RGB: convert it first."
        with pytest.raises(ImageError, match=f"^{re.escape(sentence)}$"):
            decode(image)

    @pytest.mark.parametrize("suffix", ["bmp", "gif", "jpg", "png", "ppm", "tif", "webp"])
    def test_a_path_decodes_like_pillow_whatever_its_type(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"picture.{suffix}"
        colour().save(path)
        with Image.open(path) as expected:
            assert np.array_equal(pixels(decode(path)), pixels(expected.convert("RGB")))
        assert np.array_equal(pixels(decode(str(path))), pixels(decode(path)))

    def test_transparency_is_dropped_and_not_blended(self) -> None:
        image = colour()
        image.putalpha(0)
        assert np.array_equal(pixels(decode(image)), pixels(colour()))

    def test_a_palette_with_transparency_does_not_warn(self, tmp_path: Path) -> None:
        image = colour().convert("P")
        image.save(tmp_path / "p.png", transparency=bytes(range(256)))
        with Image.open(tmp_path / "p.png") as reopened, pytest.warns(UserWarning, match="Transparency"):
            reopened.convert("RGB")  # else this test proves nothing
        assert np.array_equal(pixels(decode(tmp_path / "p.png")), pixels(image.convert("RGB")))

    @pytest.mark.parametrize("dtype", ["<u2", "<i4"])
    def test_sixteen_bit_grey_is_scaled_and_not_clipped(self, dtype: str) -> None:
        values = sixteen_bit(dtype)
        decoded = decode(Image.fromarray(values))
        assert np.array_equal(pixels(decoded), np.repeat((values // 256)[..., None], 3, axis=2))

    @pytest.mark.parametrize("suffix", ["png", "tif"])
    def test_a_sixteen_bit_file_is_scaled_and_not_clipped(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"deep.{suffix}"
        Image.fromarray(sixteen_bit("<u2")).save(path)
        assert np.array_equal(pixels(decode(path))[..., 0], sixteen_bit("<u2") // 256)

    def test_big_endian_sixteen_bit_grey_is_scaled_too(self) -> None:
        values = sixteen_bit(">u2")
        image = Image.frombytes("I;16B", (40, 30), values.tobytes())
        assert np.array_equal(pixels(decode(image))[..., 0], values // 256)

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
    def test_exif_orientation_is_applied(self, tmp_path: Path, suffix: str, orientation: int) -> None:
        path, stored = tmp_path / f"turned.{suffix}", tmp_path / f"stored.{suffix}"
        exif = Image.Exif()
        exif[0x0112] = orientation
        colour().save(path, exif=exif)
        colour().save(stored)
        with Image.open(stored) as image:
            expected = upright(pixels(image), orientation)
        assert np.array_equal(pixels(decode(path)), expected)
        assert np.array_equal(pixels(decode(load_image(path))), expected)
        with Image.open(path) as image:
            assert np.array_equal(pixels(decode(image)), expected)

    def test_a_tiff_of_several_pages_is_turned_once(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        colour().save(tmp_path / "pages.tif", exif=exif, save_all=True, append_images=[colour()])
        assert np.array_equal(pixels(decode(tmp_path / "pages.tif")), upright(pixels(colour()), 6))

    @pytest.mark.parametrize("orientation", [0, 9, 65535])
    def test_an_orientation_that_exif_does_not_define_is_ignored(self, tmp_path: Path, orientation: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        colour().save(tmp_path / "odd.png", exif=exif)
        assert np.array_equal(pixels(decode(tmp_path / "odd.png")), pixels(colour()))

    @pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01", b"Exif\0\0II*\0"])
    def test_a_broken_exif_block_neither_warns_nor_refuses_the_picture(self, tmp_path: Path, exif: bytes) -> None:
        colour().save(tmp_path / "odd.png", exif=exif)
        assert np.array_equal(pixels(decode(tmp_path / "odd.png")), pixels(colour()))

    @pytest.mark.parametrize("suffix", ["gif", "png", "tif", "webp"])
    def test_the_first_frame_of_an_animation_is_taken(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"animated.{suffix}"
        red, blue = Image.new("RGB", (20, 10), "red"), Image.new("RGB", (20, 10), "blue")
        red.save(path, save_all=True, append_images=[blue], lossless=True)
        assert decode(path).getpixel((3, 3)) == (255, 0, 0)

    def test_the_callers_image_is_left_alone(self) -> None:
        image = colour().convert("P")
        image.info["transparency"] = bytes(256)
        before = image.tobytes()
        decode(image)
        assert (image.mode, image.tobytes(), image.info["transparency"]) == ("P", before, bytes(256))
        rgb = colour()
        assert decode(rgb) is not rgb

    def test_the_callers_warning_filters_survive_two_threads(self) -> None:
        before = list(warnings.filters)
        entered, leave = threading.Event(), threading.Event()

        def second() -> None:
            with transforms._pillow_in_order("second"):
                entered.set()
                leave.wait(5)

        thread = threading.Thread(target=second)
        with transforms._pillow_in_order("first"):
            thread.start()
            entered.wait(0.2)  # in vain, unless both change the filters at once
        leave.set()
        thread.join()
        assert warnings.filters == before

    def test_a_child_forked_while_another_thread_decodes_can_decode(self, tmp_path: Path) -> None:
        colour().save(tmp_path / "picture.png")
        program = f"""if True:
            import os, sys, threading, signal
            from pytest_paddle_infer import transforms
            entered = threading.Event()
            def slow():
                with transforms._pillow_in_order("x"):
                    entered.set()
                    threading.Event().wait(0.3)
            threading.Thread(target=slow).start()
            entered.wait()
            child = os.fork()
            if child == 0:
                signal.alarm(5)
                transforms.decode({str(tmp_path / "picture.png")!r})
                os._exit(7)
            sys.exit(os.WEXITSTATUS(os.waitpid(child, 0)[1]))
        """
        # Without -W error: Python 3.12 warns about every fork with threads, and that is not the point here.
        assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == 7


class TestBadPictures:
    @pytest.mark.parametrize(
        ("name", "content", "sentence"),
        [
            ("empty.png", b"", "{path} is an empty file: replace it with a whole copy."),
            (
                "text.jpg",
                b"hello, world",
                "{path} is not an image that Pillow can identify: check that the file is what its name says.",
            ),
            (
                "lfs.jpg",
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
                "{path} is a Git LFS pointer and not the picture itself: run `git lfs pull`.",
            ),
        ],
    )
    def test_a_file_without_a_picture_is_one_sentence(self, tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ImageError) as caught:
            decode(path)
        assert str(caught.value) == sentence.format(path=path)

    def test_an_image_error_is_a_value_error_and_one_of_the_plugins(self) -> None:
        assert issubclass(ImageError, ValueError)
        assert issubclass(ImageError, PaddleInferError)

    @pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
    @pytest.mark.parametrize("suffix", ["bmp", "gif", "jpg", "png", "tif", "webp"])
    def test_a_truncated_file_is_refused(self, tmp_path: Path, suffix: str, share: float) -> None:
        path = tmp_path / f"cut.{suffix}"
        colour(200, 200).save(path)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ImageError, match=rf"^{re.escape(str(path))} is .*: (replace|check) .*\.$") as caught:
            decode(path)
        assert "\n" not in str(caught.value)

    def test_damaged_bytes_name_the_cause_and_the_remedy(self, tmp_path: Path) -> None:
        path = tmp_path / "damaged.png"
        path.write_bytes(png_header(40, 30))
        with pytest.raises(ImageError) as caught:
            decode(path)
        assert str(caught.value) == (
            f"{path} is broken or truncated (image file is truncated (0 bytes not processed)): replace it with a whole copy."
        )

    def test_no_damage_of_a_single_byte_escapes_as_another_error(self, tmp_path: Path) -> None:
        random = np.random.RandomState(0)
        for suffix in ("png", "jpg", "gif", "tif", "webp", "bmp"):
            buffer = io.BytesIO()
            colour().save(buffer, {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix))
            for place in random.randint(0, min(200, len(buffer.getvalue())), 40):
                content = bytearray(buffer.getvalue())
                content[place] ^= 0xFF
                path = tmp_path / f"damaged.{suffix}"
                path.write_bytes(content)
                try:
                    assert decode(path).mode == "RGB"
                except ImageError as error:
                    assert str(path) in str(error)  # noqa: PT017

    def test_a_missing_file_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError) as caught:
            decode(tmp_path / "none.png")
        assert str(caught.value) == (
            f"{tmp_path / 'none.png'} cannot be read (No such file or directory): check the path and its permissions."
        )

    def test_a_directory_is_not_a_picture(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match=r"cannot be read \(Is a directory\): check the path"):
            decode(tmp_path)

    @pytest.mark.parametrize("limit", [1000, 400])  # 1200 pixels: where Pillow warns, and where it raises
    @pytest.mark.parametrize("action", ["error", "always"])
    def test_an_oversized_file_is_refused_without_pillows_warning(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, action: Any
    ) -> None:
        path = tmp_path / "big.png"
        colour().save(path)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter(action)
            with pytest.raises(ImageError) as caught:
                decode(path)
        assert seen == []
        assert str(caught.value) == (
            f"{path} has more pixels than Pillow's limit of {limit}: scale it down, or raise "
            "PIL.Image.MAX_IMAGE_PIXELS if you trust the file."
        )

    def test_the_size_is_checked_before_a_pixel_is_decoded(self, tmp_path: Path) -> None:
        path = tmp_path / "bomb.png"
        path.write_bytes(png_header(15000, 10000))
        with pytest.raises(ImageError, match="has more pixels than Pillow's limit of 89478485"):
            decode(path)

    def test_an_oversized_image_in_memory_is_refused_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        image = colour()
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1199)
        with pytest.raises(ImageError, match="the RGB image of 40x30 pixels has more pixels than Pillow's limit of 1199"):
            decode(image)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1200)
        assert decode(image).size == (40, 30)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
        assert decode(image).size == (40, 30)

    def test_a_float_image_is_refused(self) -> None:
        with pytest.raises(ImageError) as caught:
            decode(colour().convert("F"))
        assert str(caught.value) == (
            "the F image of 40x30 pixels is a float image (mode F), whose range is unknown: convert it to 8 bits first."
        )

    @pytest.mark.parametrize("value", [-1, 65536])
    def test_integers_beyond_sixteen_bits_are_refused(self, value: int) -> None:
        low, high = min(value, 0), max(value, 0)
        values = np.zeros((30, 40), np.int32)
        values[3, 4] = value
        with pytest.raises(ImageError) as caught:
            decode(Image.fromarray(values))
        assert str(caught.value) == (
            f"the I image of 40x30 pixels holds integers from {low} to {high}, beyond 16 bits: convert it to 8 bits first."
        )

    def test_an_array_is_no_picture(self) -> None:
        with pytest.raises(TypeError) as caught:
            decode(np.zeros((3, 4, 3), np.uint8))  # type: ignore[arg-type]
        assert str(caught.value) == "a picture is a path or a PIL.Image.Image, not ndarray: convert it first."

    def test_what_is_no_picture_shows_the_line_that_gave_it_and_none_of_ours(self) -> None:
        with pytest.raises(NoPictureError) as caught:
            default_preprocess(224)(np.zeros((3, 4, 3), np.uint8))  # type: ignore[arg-type]
        shown = str(caught.getrepr(tbfilter=True))
        assert "default_preprocess(224)(np.zeros" in shown
        assert "transforms.py:" not in shown.replace("test_transforms.py", "")


class TestSteps:
    @pytest.mark.parametrize(
        ("size", "short", "expected"),
        [
            ((640, 480), 256, (341, 256)),
            ((480, 640), 256, (256, 341)),
            ((667, 500), 256, (341, 256)),  # 341.504
            ((500, 667), 256, (256, 341)),
            ((256, 300), 256, (256, 300)),
            ((100, 100), 256, (256, 256)),
            ((3, 1000), 256, (256, 85333)),
            ((1000, 999), 224, (224, 224)),
        ],
    )
    def test_the_short_side_is_scaled_and_the_long_side_truncated(
        self, size: tuple[int, int], short: int, expected: tuple[int, int]
    ) -> None:
        assert Resize(short)(Image.new("L", size)).size == expected

    def test_bilinear_resize_is_an_antialiased_triangle_filter(self) -> None:
        image = colour(80, 60)
        source = pixels(image).astype(float)

        def matrix(old: int, new: int) -> np.ndarray[Any, Any]:
            scale = max(old / new, 1.0)
            centres = (np.arange(new) + 0.5) * old / new
            weights = np.maximum(0, 1 - abs(np.arange(old) + 0.5 - centres[:, None]) / scale)
            return np.asarray(weights / weights.sum(1, keepdims=True))

        expected = np.einsum("yh,xw,hwc->yxc", matrix(60, 24), matrix(80, 32), source)
        assert abs(pixels(Resize(24)(image)) - expected).max() <= 1.01  # two passes, each rounded to 8 bits

    def test_nearest_resize_copies_pixels(self) -> None:
        image = colour(81, 60)
        assert np.array_equal(pixels(Resize(20, "nearest")(image)), pixels(image)[1::3, 1::3])

    def test_interpolations_differ(self) -> None:
        results = {Resize(20, name)(colour()).tobytes() for name in ("nearest", "bilinear", "bicubic", "box", "lanczos", "hamming")}
        assert len(results) == 6

    def test_an_unknown_interpolation_lists_the_known_ones(self) -> None:
        with pytest.raises(ValueError, match=r"^unknown interpolation 'cubic': use one of nearest, bilinear, bicubic, "):
            Resize(224, "cubic")

    @pytest.mark.parametrize("size", [0, -3])
    def test_a_size_below_one_pixel_is_refused_when_it_is_written(self, size: int) -> None:
        with pytest.raises(ValueError, match=r"^Resize must be at least 1 pixel high and wide, got"):
            Resize(size)
        with pytest.raises(ValueError, match=r"^CenterCrop must be at least 1 pixel high and wide, got"):
            CenterCrop((4, size))
        with pytest.raises(ValueError, match=r"^image_size must be at least 1 pixel high and wide, got"):
            default_preprocess(size)
        with pytest.raises(ValueError, match=r"^Resize must be at least 1 pixel"):
            default_preprocess(224, resize=size)

    @pytest.mark.parametrize(
        ("size", "top", "left"),
        # (30 - 7) / 2 = 11.5 -> 12 and (40 - 7) / 2 = 16.5 -> 16: round half to even, as paddle.vision's int(round())
        [(10, 10, 15), ((10, 20), 10, 10), ((30, 40), 0, 0), (7, 12, 16), ((29, 39), 0, 0), ((27, 37), 2, 2)],
    )
    def test_the_crop_is_central(self, size: int | tuple[int, int], top: int, left: int) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        expected = pixels(colour())[top : top + height, left : left + width]
        assert np.array_equal(pixels(CenterCrop(size)(colour())), expected)

    @pytest.mark.parametrize("size", [(31, 40), (30, 41), (100, 100)])
    def test_a_crop_larger_than_the_image_is_refused(self, size: tuple[int, int]) -> None:
        with pytest.raises(ImageError) as caught:
            CenterCrop(size)(colour())
        assert str(caught.value) == (
            f"an image of 40x30 pixels (width x height) is smaller than the crop of {size[1]}x{size[0]}: "
            "resize it to a larger short side first."
        )

    def test_normalize_is_the_textbook_formula_in_float32(self) -> None:
        mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
        expected = (pixels(colour()).astype(np.float32) / np.float32(255) - mean) / std
        result = Normalize()(colour())
        assert result.dtype == np.float32
        assert result.shape == (30, 40, 3)
        assert np.array_equal(result, expected)

    def test_normalize_takes_one_channel_when_it_has_one_mean(self) -> None:
        grey = colour().convert("L")
        result = Normalize([0.5], [0.25])(grey)  # type: ignore[arg-type]
        assert np.array_equal(result[..., 0], (pixels(grey).astype(np.float32) / 255 - 0.5) / 0.25)

    @pytest.mark.parametrize("mode", ["L", "RGBA", "F", "1"])
    def test_normalize_refuses_what_is_not_decoded(self, mode: str) -> None:
        with pytest.raises(ImageError) as caught:
            Normalize()(colour().convert(mode))
        assert str(caught.value) == f"an image of mode {mode} does not fit 3 channel means: decode() it first."

    @pytest.mark.parametrize(
        ("mean", "std", "sentence"),
        [
            ((0.5,), (0.5, 0.5), "mean and std need one value per channel each, got 1 and 2."),
            ((), (), "mean and std need one value per channel each, got 0 and 0."),
            ((0.5,), (0.0,), "std must be positive, got (0.0,)."),
            ((0.5,), (float("nan"),), "std must be positive, got (nan,)."),
        ],
    )
    def test_a_bad_mean_or_std_is_refused_when_it_is_written(self, mean: Any, std: Any, sentence: str) -> None:
        with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
            Normalize(mean, std)

    def test_channels_move_to_the_front(self) -> None:
        array = np.arange(24).reshape(2, 3, 4)
        result = ToCHW()(array)
        assert np.array_equal(result, array.transpose(2, 0, 1))
        assert result.flags.c_contiguous
        with pytest.raises(ValueError, match=re.escape("ToCHW needs an array of shape [H, W, C], got shape [2, 3].")):
            ToCHW()(np.zeros((2, 3)))

    def test_compose_applies_transforms_in_order(self) -> None:
        assert Compose([lambda x: x + 1, lambda x: x * 10])(1) == 20  # type: ignore[arg-type]
        assert Compose(())(1) == 1


class TestPreprocess:
    def test_the_default_is_the_imagenet_pipeline(self, tmp_path: Path) -> None:
        path = tmp_path / "picture.png"
        image = colour(400, 300)
        image.save(path)
        square = image.resize((341, 256), Image.Resampling.BILINEAR).crop((58, 16, 282, 240))
        mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
        expected = ((pixels(square).astype(np.float32) / np.float32(255) - mean) / std).transpose(2, 0, 1)[None]
        for source in (image, path, str(path)):
            result = default_preprocess()(source)
            assert result.shape == (1, 3, 224, 224)
            assert result.dtype == np.float32
            assert result.flags.c_contiguous
            assert np.array_equal(result, expected)

    def test_a_user_may_write_to_the_result(self) -> None:
        result = default_preprocess(8)(colour())
        result[:] = 0

    @pytest.mark.parametrize(
        ("image_size", "resize", "expected"),
        [(224, None, 256), (299, None, 342), ((64, 32), None, 73), (224, 224, 224), (384, 400, 400)],
    )
    def test_the_short_side_keeps_imagenets_ratio_unless_it_is_given(
        self, image_size: Any, resize: int | None, expected: int
    ) -> None:
        assert default_preprocess(image_size, resize).resize == expected

    def test_image_size_is_height_before_width(self) -> None:
        assert default_preprocess((32, 48))(colour(100, 100)).shape == (1, 3, 32, 48)

    def test_it_pickles_compares_and_shows_its_numbers(self) -> None:
        preprocess = default_preprocess((32, 48))
        assert pickle.loads(pickle.dumps(preprocess)) == preprocess
        assert {preprocess: 1}[default_preprocess((32, 48))] == 1
        assert repr(preprocess).startswith("ImagePreprocess(image_size=(32, 48), resize=55, interpolation='bilinear', mean=")

    def test_the_step_that_a_small_resize_breaks_says_so(self) -> None:
        with pytest.raises(ImageError, match="smaller than the crop of 64x64: resize it to a larger short side first"):
            default_preprocess(64, resize=32)(colour())

    @pytest.mark.parametrize(
        ("size", "image_size", "resize", "expected"),
        [
            ((224, 224), 224, 224, 0.0),
            ((256, 256), 224, 256, 1 - (224 / 256) ** 2),
            ((640, 480), 224, None, 1 - 224 * 224 / (341 * 256)),
            ((2000, 100), 100, 100, 0.95),
            ((100, 100), (50, 100), 100, 0.5),
            ((100, 100), 200, 100, 0.0),
        ],
    )
    def test_discarded_is_the_area_that_the_crop_leaves_out(
        self, size: Any, image_size: Any, resize: int | None, expected: float
    ) -> None:
        assert discarded(size, image_size, resize) == pytest.approx(expected)


class TestAnswer:
    def test_the_best_class_is_argmax_and_its_score(self) -> None:
        scores = np.random.RandomState(1).rand(1000).astype(np.float32)
        for output in (scores, scores[None], scores[None, :, None, None], scores.tolist()):
            answer = top1(output)
            assert answer == Prediction(int(scores.argmax()), float(np.asarray(output).max()))
            assert [type(part) for part in answer] == [int, float]

    def test_top_k_is_descending_and_starts_with_top1(self) -> None:
        scores = np.random.RandomState(1).rand(1, 100)
        best = top_k(scores)
        assert best == [Prediction(int(i), float(scores[0, i])) for i in np.argsort(-scores[0])[:5]]
        assert best[0] == top1(scores)

    @pytest.mark.parametrize("dtype", ["float16", "float32", "int64", "uint8"])
    def test_ties_go_to_the_lower_class(self, dtype: str) -> None:
        scores = np.array([0, 2, 1, 2, 0, 2, 1], dtype)
        assert [p.class_id for p in top_k(scores, 7)] == [1, 3, 5, 2, 6, 0, 4]
        assert top1(scores).class_id == 1

    def test_bools_are_scores(self) -> None:
        assert [p.class_id for p in top_k([False, True, True], 3)] == [1, 2, 0]

    def test_a_nan_is_on_top_where_it_is_seen(self) -> None:
        scores = np.array([0.1, np.nan, 0.9, np.nan, np.inf])
        assert [p.class_id for p in top_k(scores, 5)] == [1, 3, 4, 2, 0]
        assert top1(scores).class_id == 1
        assert np.isnan(top1(scores).prob)

    def test_fewer_classes_than_k_give_fewer_predictions(self) -> None:
        assert len(top_k([0.3, 0.7], 5)) == 2

    @pytest.mark.parametrize(
        ("output", "sentence"),
        [
            (np.zeros((4, 8)), "the output of shape [4, 8] holds 4 samples: postprocess one row at a time."),
            (np.zeros((4, 1)), "the output of shape [4, 1] holds 4 samples: postprocess one row at a time."),
            (np.zeros((1, 0)), "the output of shape [1, 0] holds no class scores: expected shape [C] or [1, C]."),
            (np.float32(1), "the output of shape [] holds no class scores: expected shape [C] or [1, C]."),
            (
                np.zeros((1, 3, 8, 8)),
                (
                    "the output of shape [1, 3, 8, 8] is not one score per class: expected shape [C] or [1, C], "
                    "or give the model its own postprocess."
                ),
            ),
            (["cat"], "the output has dtype <U3, but class scores are real numbers: pass the scores."),
        ],
    )
    def test_an_output_that_is_not_one_samples_scores_is_refused(self, output: Any, sentence: str) -> None:
        for postprocess in (top1, top_k):
            with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
                postprocess(output)

    def test_k_below_one_is_refused(self) -> None:
        with pytest.raises(ValueError, match=re.escape("top-k needs k of at least 1, got 0.")):
            top_k([1.0], 0)


def test_the_module_knows_neither_pytest_nor_paddle() -> None:
    program = "import sys; import pytest_paddle_infer.transforms; sys.exit(bool({'pytest', 'paddle'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_no_file_descriptor_stays_open(tmp_path: Path) -> None:
    colour().save(tmp_path / "good.jpg")
    (tmp_path / "bad.png").write_bytes(png_header(40, 30))
    before = len(os.listdir("/proc/self/fd"))
    kept = []
    for _ in range(5):
        kept.append(load_image(tmp_path / "good.jpg"))
        kept.append(transforms.decode(tmp_path / "good.jpg"))
        with pytest.raises(ImageError):
            decode(tmp_path / "bad.png")
    assert len(os.listdir("/proc/self/fd")) == before
