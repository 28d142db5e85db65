"""samples.py: what is found, what is drawn, what is random, and the sentence for each thing that is none of them."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pytest_paddle_infer import samples as samples_module
from pytest_paddle_infer.failures import PaddleInferError
from pytest_paddle_infer.samples import Sample, SampleError, drawn_samples, find_samples, random_inputs
from pytest_paddle_infer.transforms import ImageError, decode, default_preprocess

SUFFIXES = ".bmp, .gif, .jfif, .jpeg, .jpg, .pgm, .png, .ppm, .tif, .tiff, .webp, .npy, .npz"

DIGESTS = [
    "63fb6e70ce322c35",
    "9fc67f3bec18079c",
    "b08939c54472d0ef",
    "6865c90d51299eae",
    "0ba519c191cbf3ee",
    "45886d813b4bacef",
    "816e52644d929994",
    "0ae503755174e0a4",
]
NORMALS = [-0.3625903007834078, -0.41597473919260336, 0.9548649367927948]
INTEGERS = [7, 6, 8, 0, 7]


@dataclass
class Spec:
    shape: tuple[int | None, ...]
    dtype: str
    name: str = "x"


def touch(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()


def names(found: tuple[Sample, ...]) -> list[str]:
    return [sample.name for sample in found]


class TestOpen:
    def test_a_value_is_returned_as_it_is(self) -> None:
        value = (np.zeros(3),)
        assert Sample("x", Path("nowhere.png"), value).open() is value

    def test_an_image_is_opened_as_it_is_stored(self, tmp_path: Path) -> None:
        path = tmp_path / "turned.jpg"
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("L", (40, 30), 128).save(path, exif=exif)
        image = Sample("x", path).open()
        assert (image.mode, image.size, image.filename) == ("L", (40, 30), str(path))
        assert decode(image).size == (30, 40)
        assert Sample("x", path).open() is not image

    def test_an_upper_case_suffix_is_an_image_too(self, tmp_path: Path) -> None:
        Image.new("L", (4, 3)).save(tmp_path / "A.PNG")
        assert Sample("x", tmp_path / "A.PNG").open().size == (4, 3)

    def test_the_later_frames_of_an_opened_image_can_still_be_read(self, tmp_path: Path) -> None:
        first, second = Image.new("RGB", (4, 3), "red"), Image.new("RGB", (4, 3), "blue")
        first.save(tmp_path / "two.tif", save_all=True, append_images=[second])
        image = Sample("x", tmp_path / "two.tif").open()
        image.seek(1)
        assert image.getpixel((0, 0)) == (0, 0, 255)

    def test_array_files_give_arrays(self, tmp_path: Path) -> None:
        array = np.arange(6, dtype=np.int16).reshape(2, 3)
        np.save(tmp_path / "a.npy", array)
        np.savez(tmp_path / "b.npz", ids=array, mask=array > 2)
        assert np.array_equal(Sample("a", tmp_path / "a.npy").open(), array)
        loaded = Sample("b", tmp_path / "b.npz").open()
        assert type(loaded) is dict
        assert list(loaded) == ["ids", "mask"]
        assert np.array_equal(loaded["mask"], array > 2)

    def test_a_broken_image_is_an_image_error(self, tmp_path: Path) -> None:
        touch(tmp_path, "empty.png")
        with pytest.raises(ImageError, match=r"empty\.png is an empty file"):
            Sample("x", tmp_path / "empty.png").open()

    @pytest.mark.parametrize("suffix", [".npy", ".npz"])
    def test_pickled_objects_are_never_loaded(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"objects{suffix}"
        objects = np.array([{"a": 1}, None], dtype=object)
        with path.open("wb") as stream:
            np.save(stream, objects, allow_pickle=True) if suffix == ".npy" else np.savez(stream, objects)
        with pytest.raises(SampleError) as caught:
            Sample("x", path).open()
        assert str(caught.value) == (
            f"{path} holds Python objects, which are not loaded because unpickling can run code: save plain arrays."
        )

    @pytest.mark.parametrize("suffix", [".npy", ".npz"])
    @pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps([1, 2])], ids=["empty", "text", "pickle"])
    def test_a_file_that_is_no_array_file_says_so(self, tmp_path: Path, content: bytes, suffix: str) -> None:
        path = tmp_path / f"odd{suffix}"
        path.write_bytes(content)
        with pytest.raises(SampleError) as caught:
            Sample("x", path).open()
        assert str(caught.value) == f"{path} is empty or no {suffix} file: save it again with numpy."

    def test_a_broken_array_file_is_one_sentence(self, tmp_path: Path) -> None:
        path = tmp_path / "odd.npz"
        path.write_bytes(b"PK\x03\x04 but no archive")
        with pytest.raises(SampleError) as caught:
            Sample("x", path).open()
        assert str(caught.value) == (f"{path} is not a whole .npz file (File is not a zip file): save it again with numpy.")

    @pytest.mark.parametrize("suffix", [".npy", ".npz"])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
    def test_a_truncated_array_file_is_refused(self, tmp_path: Path, suffix: str, share: float) -> None:
        path = tmp_path / f"cut{suffix}"
        save: Any = np.save if suffix == ".npy" else np.savez
        save(path, np.arange(1000))
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(SampleError, match=rf"cut\{suffix} is not a whole \{suffix} file \(.+\): save it again with numpy\.$"):
            Sample("x", path).open()

    def test_a_damaged_archive_member_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.npz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", b"\x93NUMPY\x01\x00garbage")
        with pytest.raises(SampleError, match=r"a\.npz is not a whole \.npz file"):
            Sample("x", path).open()

    def test_a_missing_array_file_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(SampleError) as caught:
            Sample("x", tmp_path / "a.npy").open()
        assert str(caught.value) == (
            f"{tmp_path / 'a.npy'} cannot be read (No such file or directory): check the path and its permissions."
        )

    def test_another_suffix_lists_those_that_count(self) -> None:
        with pytest.raises(SampleError) as caught:
            Sample("x", Path("notes.txt")).open()
        assert str(caught.value) == f"notes.txt is not a sample: its suffix is none of {SUFFIXES}."

    def test_a_sample_of_nothing_says_so(self) -> None:
        with pytest.raises(SampleError, match=r"^sample 'x' has neither a path nor a value: give it one\.$"):
            Sample("x").open()

    def test_a_sample_is_a_path_when_it_has_one(self) -> None:
        assert os.fspath(Sample("x", Path("a/b.png"))) == "a/b.png"
        with pytest.raises(TypeError, match=r"^sample 'x' lives in memory and has no path: use its open\(\)\.$"):
            os.fspath(Sample("x", value=1))

    def test_samples_with_arrays_compare_hash_and_print_shortly(self) -> None:
        one, two = Sample("x", value=np.zeros(3)), Sample("x", value=np.ones(3))
        assert one == two
        assert len({one, two}) == 1
        assert repr(one) == "Sample(name='x', path=None)"

    def test_a_sample_error_is_a_value_error_and_one_of_the_plugins(self) -> None:
        assert issubclass(SampleError, ValueError)
        assert issubclass(SampleError, PaddleInferError)


class TestFind:
    def test_a_file_is_one_sample(self, tmp_path: Path) -> None:
        touch(tmp_path, "a/b.JPG")
        assert find_samples("a/b.JPG", tmp_path) == (Sample("b.JPG", tmp_path / "a/b.JPG"),)
        assert find_samples(tmp_path / "a/b.JPG") == (Sample("b.JPG", tmp_path / "a/b.JPG"),)

    def test_a_directory_is_searched_recursively_in_natural_order(self, tmp_path: Path) -> None:
        touch(tmp_path, "img10.png", "img2.PNG", "Img1.jpeg", "n2/a.npy", "n10/a.npz", "n2/deep/er/a.webp")
        touch(tmp_path, "labels.txt", ".hidden.png", ".git/a.png", "n2/._a.png", "Makefile")
        found = find_samples(tmp_path)
        assert names(found) == ["Img1.jpeg", "img2.PNG", "img10.png", "n2/a.npy", "n2/deep/er/a.webp", "n10/a.npz"]
        assert all(sample.path == tmp_path / sample.name for sample in found)

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("val/*.png", ["1.png", "2.png"]),
            ("val/*", ["1.png", "2.png"]),
            ("val/**", ["1.png", "2.png", "c/3.png", "c/d/4.jpg"]),
            ("val/**/*.png", ["1.png", "2.png", "c/3.png"]),
            ("*/c/*.png", ["val/c/3.png"]),
            ("val/[!1].*", ["2.png"]),
        ],
    )
    def test_a_glob_finds_what_the_shell_would(self, tmp_path: Path, pattern: str, expected: list[str]) -> None:
        touch(tmp_path, "val/1.png", "val/2.png", "val/c/3.png", "val/c/d/4.jpg", "val/readme.txt", "val/.h.png")
        assert names(find_samples(pattern, tmp_path)) == expected

    def test_glob_characters_in_existing_names_are_literal(self, tmp_path: Path) -> None:
        touch(tmp_path, "run[1]/a[0].png", "run[1]/b.png", "run1/c.png")
        assert names(find_samples("run[1]", tmp_path)) == ["a[0].png", "b.png"]
        assert names(find_samples("run[1]/*.png", tmp_path)) == ["a[0].png", "b.png"]
        assert names(find_samples("run[1]/a[0].png", tmp_path)) == ["a[0].png"]

    def test_the_base_is_the_current_directory_and_paths_are_absolute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        touch(tmp_path, "val/a.png")
        monkeypatch.chdir(tmp_path)
        for pattern in ("val", "val/*.png", "val/a.png"):
            assert find_samples(pattern) == (Sample("a.png", tmp_path / "val/a.png"),)
        assert find_samples("val", Path()) == (Sample("a.png", tmp_path / "val/a.png"),)

    def test_the_home_directory_is_expanded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        touch(tmp_path, "a.png")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert names(find_samples("~/a.png")) == ["a.png"]

    def test_linked_directories_are_followed_and_loops_end(self, tmp_path: Path) -> None:
        touch(tmp_path, "store/a.png", "set/b.png")
        (tmp_path / "set" / "linked").symlink_to(tmp_path / "store")
        (tmp_path / "set" / "loop").symlink_to(tmp_path / "set")
        assert names(find_samples(tmp_path / "set")) == ["b.png", "linked/a.png"]

    def test_a_missing_path_says_what_may_be_named(self, tmp_path: Path) -> None:
        with pytest.raises(SampleError) as caught:
            find_samples("val", tmp_path)
        assert str(caught.value) == (
            f"{tmp_path / 'val'} does not exist: name a file, a directory or a glob of samples ({SUFFIXES})."
        )

    def test_a_directory_without_samples_lists_the_suffixes(self, tmp_path: Path) -> None:
        touch(tmp_path, "labels.txt")
        with pytest.raises(SampleError) as caught:
            find_samples(tmp_path)
        assert str(caught.value) == (f"no sample files in the directory {tmp_path}: a sample's suffix is one of {SUFFIXES}.")

    def test_a_glob_without_samples_lists_the_suffixes(self, tmp_path: Path) -> None:
        touch(tmp_path, "val/c/a.png", "val/labels.txt")
        with pytest.raises(SampleError) as caught:
            find_samples("val/*", tmp_path)
        assert str(caught.value) == (
            f"no sample files match {tmp_path / 'val/*'} (** crosses directories): a sample's suffix is one of {SUFFIXES}."
        )

    def test_a_file_of_another_kind_lists_the_suffixes(self, tmp_path: Path) -> None:
        touch(tmp_path, "labels.txt")
        with pytest.raises(SampleError) as caught:
            find_samples("labels.txt", tmp_path)
        assert str(caught.value) == f"{tmp_path / 'labels.txt'} is not a sample: its suffix is none of {SUFFIXES}."

    def test_finding_files_imports_neither_numpy_nor_pillow(self, tmp_path: Path) -> None:
        touch(tmp_path, "a.png")
        program = (
            f"import sys; from pytest_paddle_infer.samples import find_samples; find_samples({str(tmp_path)!r}); "
            "sys.exit(bool({'numpy', 'PIL', 'pytest', 'paddle'} & set(sys.modules)))"
        )
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


class TestDrawn:
    def test_the_pixels_are_the_same_on_every_machine(self, tmp_path: Path) -> None:
        digests = [hashlib.sha256(sample.open().tobytes()).hexdigest()[:16] for sample in drawn_samples(tmp_path, 8)]
        # A drawn pixel changed on purpose: raise samples._DRAWING and write the new digests.
        assert digests == DIGESTS

    def test_the_file_holds_the_pixels_that_were_drawn(self, tmp_path: Path) -> None:
        for index, sample in enumerate(drawn_samples(tmp_path, 3)):
            with Image.open(Path(sample)) as image:
                assert image.format == "PNG"
                assert image.mode == "RGB"
                assert np.array_equal(np.asarray(image), samples_module._draw(index))

    def test_float32_holds_every_partial_sum_of_the_texture_exactly(self) -> None:
        assert 128 + sum(levels for _, levels in samples_module._SCALES) < 2**9
        random = np.random.RandomState(0)
        scales = samples_module._SCALES
        rows = np.hstack([samples_module._tent(480, points) for points, _ in scales])
        columns = np.vstack([random.randint(-128, 128, (points, 300)) * levels / 2**11 * 16 for points, levels in scales])
        assert np.array_equal(rows @ columns.astype(np.float32), rows.astype(float) @ columns)

    def test_pictures_across_two_thousand_all_differ(self) -> None:
        seen = {hashlib.sha256(samples_module._draw(index).tobytes()).digest() for index in range(0, 2000, 40)}
        assert len(seen) == 50

    @pytest.mark.parametrize("index", range(16))
    def test_no_symmetry_constancy_or_grey_can_hide_a_fault(self, index: int) -> None:
        picture = samples_module._draw(index).astype(int)
        assert abs(picture - picture[:, ::-1]).mean() > 10
        assert abs(picture - picture[::-1]).mean() > 10
        assert abs(picture - picture[::-1, ::-1]).mean() > 10
        assert abs(picture - picture[..., ::-1]).mean() > 10
        for channel in range(3):
            assert picture[..., channel].std() > 20
            assert abs(picture[..., channel] - picture[..., (channel + 1) % 3]).mean() > 10
        blocks = picture[: len(picture) // 32 * 32, : picture.shape[1] // 32 * 32].reshape(len(picture) // 32, 32, -1, 32, 3)
        assert blocks.std((1, 3)).min() > 0

    def test_sizes_are_those_of_photographs_in_both_orientations_and_one_parts_programs_that_round(self, tmp_path: Path) -> None:
        sizes = [sample.open().size for sample in drawn_samples(tmp_path, 8)]
        assert sizes[:4] == [(640, 480), (500, 375), (480, 640), (721, 481)]
        assert len(set(sizes)) == 8

    @pytest.mark.parametrize("place", ["the size", "the crop"])
    def test_a_program_that_rounds_where_the_default_cuts_off_is_parted_from_it(self, tmp_path: Path, place: str) -> None:
        def deployed(image: Any) -> Any:
            part = round if place == "the size" else int
            image = image.resize([part(side * 256 / min(image.size)) for side in image.size], resample=2)
            left, top = ((side - 224) // 2 if place == "the crop" else round((side - 224) / 2) for side in image.size)
            pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
            means, deviations = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
            return ((pixels - means) / deviations).transpose(2, 0, 1)

        pictures = [sample.open() for sample in drawn_samples(tmp_path)]
        apart = [float(np.abs(default_preprocess(224)(picture) - deployed(picture)).max()) for picture in pictures]
        assert max(apart[:3]) < 1e-5 < 1e-2 < apart[3]

    def test_names_are_stable_and_a_longer_row_begins_with_the_shorter_one(self, tmp_path: Path) -> None:
        assert drawn_samples(tmp_path, 3)[:2] == drawn_samples(tmp_path, 2)
        assert names(drawn_samples(tmp_path)) == ["drawn-0000", "drawn-0001", "drawn-0002", "drawn-0003"]

    def test_an_existing_file_is_used_again(self, tmp_path: Path) -> None:
        (sample,) = drawn_samples(tmp_path, 1)
        before = Path(sample).stat()
        drawn_samples(tmp_path, 1)
        assert Path(sample).stat() == before

    def test_the_file_can_be_read_by_others(self, tmp_path: Path) -> None:
        (sample,) = drawn_samples(tmp_path / "new" / "directory", 1)
        (tmp_path / "plain").touch()
        assert Path(sample).stat().st_mode == (tmp_path / "plain").stat().st_mode

    def test_concurrent_callers_see_only_whole_files(self, tmp_path: Path) -> None:
        faults: list[BaseException] = []

        def draw() -> None:
            try:
                for sample in drawn_samples(tmp_path, 2):
                    sample.open()
            except BaseException as error:
                faults.append(error)

        threads = [threading.Thread(target=draw) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert faults == []
        assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn-v2-0000.png", "drawn-v2-0001.png"]

    def test_a_failed_write_leaves_nothing_behind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(self: Path, content: bytes) -> int:
            with self.open("wb") as stream:
                stream.write(content[:10])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            drawn_samples(tmp_path, 1)
        assert list(tmp_path.iterdir()) == []

    def test_no_pictures_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"^count must be at least 1, got 0\.$"):
            drawn_samples(tmp_path, 0)

    def test_four_pictures_take_no_noticeable_time(self, tmp_path: Path) -> None:
        best = float("inf")
        for attempt in range(3):
            start = time.perf_counter()
            drawn_samples(tmp_path / str(attempt))
            best = min(best, time.perf_counter() - start)
        assert best < 0.5  # about 0.03 s; a busy machine gets the rest


class TestRandom:
    def test_unknown_sizes_become_a_batch_of_one_and_sixteen(self) -> None:
        (sample,) = random_inputs([Spec((None, 3, None), "float32"), Spec((-1, -1), "int64"), Spec((8, 2), "bool")], 1)
        assert [array.shape for array in sample.value] == [(1, 3, 16), (1, 16), (8, 2)]
        assert [array.dtype for array in sample.open()] == [np.float32, np.int64, np.bool_]

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_floats_are_standard_normal(self, dtype: str) -> None:
        array = random_inputs([Spec((1, 20000), dtype)], 1)[0].value[0]
        assert array.dtype == dtype
        assert abs(array.astype(float).mean()) < 0.05
        assert abs(array.astype(float).std() - 1) < 0.05

    @pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8"])
    def test_integers_are_zero_to_nine(self, dtype: str) -> None:
        array = random_inputs([Spec((1, 2000), dtype)], 1)[0].value[0]
        assert array.dtype == dtype
        assert sorted(set(array.ravel().tolist())) == list(range(10))

    def test_bools_are_fair(self) -> None:
        assert 0.4 < random_inputs([Spec((1, 2000), "bool")], 1)[0].value[0].mean() < 0.6

    def test_a_scalar_input_is_an_array_of_rank_zero(self) -> None:
        array = random_inputs([Spec((), "float32")], 1)[0].value[0]
        assert isinstance(array, np.ndarray)
        assert array.shape == ()

    def test_samples_differ_and_repeat(self) -> None:
        spec = Spec((None, 5), "float32")
        one, again, other = (
            random_inputs([spec, spec]),
            random_inputs([spec, spec]),
            random_inputs([spec, spec], seed=1),
        )
        assert names(one) == ["random-0000", "random-0001", "random-0002", "random-0003"]
        assert all(np.array_equal(a.value, b.value) for a, b in zip(one, again))
        everything = [array.tobytes() for sample in one + other for array in sample.value]
        assert len(set(everything)) == len(everything) == 16
        assert np.array_equal(random_inputs([spec], count=1)[0].value[0], one[0].value[0])

    def test_the_values_are_the_same_with_every_numpy(self) -> None:
        values = random_inputs([Spec((1, 3), "float64"), Spec((1, 5), "int64")], 1)[0].value
        assert values[0][0] == pytest.approx(NORMALS, rel=1e-12)
        assert values[1][0].tolist() == INTEGERS

    @pytest.mark.parametrize("dtype", ["complex64", "bfloat16", "object", "str"])
    def test_a_dtype_without_random_values_is_refused(self, dtype: str) -> None:
        with pytest.raises(SampleError) as caught:
            random_inputs([Spec((1,), dtype, "ids")])
        assert str(caught.value) == (
            f"no random values are known for input 'ids' of dtype {dtype}: name sample files instead "
            "(a float, integer or bool dtype of numpy could be drawn)."
        )

    @pytest.mark.parametrize(("specs", "count"), [([], 4), ([Spec((1,), "float32")], 0)])
    def test_nothing_to_draw_is_refused(self, specs: list[Spec], count: int) -> None:
        sentence = f"random inputs need a count and specs of at least 1, got {count} and {len(specs)}."
        with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
            random_inputs(specs, count)
