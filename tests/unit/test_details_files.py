"""What a checkpoint leaves for the report: its folder, its pictures, its times, and how the printing process reads them back."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from report_content import properties
from report_details import latency, parity, sample

from pytest_paddle_infer.details import keeping
from pytest_paddle_infer.details.files import DETAILS, DetailsError, Pictures, read, write
from pytest_paddle_infer.details.latency import MOST, latency_of, thinned
from pytest_paddle_infer.details.pictures import LARGEST, picture_of, to_png
from pytest_paddle_infer.failures import ConformanceFailure, Failure, WorkerFailure
from pytest_paddle_infer.log_check import _carrying
from pytest_paddle_infer.report import details
from pytest_paddle_infer.report.details import Copies, read_details

# -- the folder --------------------------------------------------------------------------------------------------------


def test_a_folder_is_read_back(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "a", "net/x-onednn:threads=4", {"latency": {"batches": 1}}, {3: (b"one", b"two"), 12: (b"three", None)}
    )
    assert folder.parent == tmp_path / "a"
    found = read(folder)
    assert found.parts == {"latency": {"batches": 1}}
    assert found.pictures == {3: (b"one", b"two"), 12: (b"three", None)}


def test_two_checkpoints_of_one_name_have_two_folders(tmp_path: Path) -> None:
    assert write(tmp_path, "net-cpu", {}) != write(tmp_path, "net-cpu", {})


@pytest.mark.parametrize("damage", ["gone", "cut", "list", "format", "bytes", "deep"])
def test_what_is_missing_or_damaged_is_one_sentence(tmp_path: Path, damage: str) -> None:
    folder = write(tmp_path, "net-cpu", {"parity": {}})
    path = folder / DETAILS
    content = {
        "cut": path.read_bytes()[:-3],
        "list": b"[]",
        "format": b'{"format": 2}',
        "bytes": b"\xff\xfe",
        "deep": b"[" * 200_000,
    }
    path.unlink() if damage == "gone" else path.write_bytes(content[damage])
    with pytest.raises(DetailsError, match=r"is not there|cannot be read"):
        read(folder)


def test_parts_of_another_kind_are_left_out(tmp_path: Path) -> None:
    assert read(write(tmp_path, "net-cpu", {"parity": [], "layers": [1], "more": {}})).parts == {"layers": [1]}


# -- what a test left --------------------------------------------------------------------------------------------------


def named(*folders: object, **facts: str) -> Any:
    return properties("net", "cpu", *(("details", str(folder)) for folder in folders), **facts)


JUDGED, TIMED = parity([sample(0, 1e-7)]), latency(3.0, 4)


def test_parity_and_log_of_one_test_are_joined(tmp_path: Path) -> None:
    judged = write(tmp_path, "net-cpu", {"parity": JUDGED, "layers": []}, {0: (b"png", None)})
    log = write(tmp_path, "net-cpu", {"latency": TIMED})
    left = read_details(named(judged, log))
    assert left.details == {"parity": JUDGED, "latency": TIMED, "layers": []}
    assert left.pictures == {0: Pictures(b"png", None)}
    assert left.notes == ()


def test_a_test_without_details_has_none() -> None:
    assert read_details(named()) == details.Left()


def test_a_test_of_two_variants_by_hand_has_none(tmp_path: Path) -> None:
    folder = write(tmp_path, "net-cpu", {"latency": {}})
    assert read_details((*named(folder), ("paddle_infer.variant", "onednn"))).details is None


def test_a_folder_that_is_gone_costs_a_note_and_the_other_is_shown(tmp_path: Path) -> None:
    left = read_details(named(tmp_path / "gone", write(tmp_path, "net-cpu", {"latency": TIMED})))
    assert left.notes == (f"details of this test were not kept for the report: {tmp_path / 'gone'} is not there",)
    assert left.details == {"parity": None, "latency": TIMED, "layers": None}


@pytest.mark.parametrize(
    "odd", [{"parity": {"samples": [{}], "outputs": []}}, {"latency": {**TIMED, "batches": "4"}}, {"layers": [1]}]
)
def test_details_of_another_shape_cost_a_note_and_the_other_folder_is_shown(tmp_path: Path, odd: dict[str, Any]) -> None:
    folder = write(tmp_path, "net-cpu", odd, {0: (b"png", None)})
    left = read_details(named(folder, write(tmp_path, "net-cpu", {"latency": TIMED})))
    said = f"{folder / DETAILS} cannot be read ({next(iter(odd))} is of another shape)"
    assert left.notes == (f"details of this test were not kept for the report: {said}",)
    assert left.details == {"parity": None, "latency": TIMED, "layers": None}
    assert left.pictures == {}


def test_why_nothing_was_kept_is_a_note() -> None:
    left = read_details(named("nothing: [Errno 28] No space left on device"))
    assert left.details is None
    assert left.notes == ("details of this test were not kept for the report: [Errno 28] No space left on device",)


# -- copies ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def output(tmp_path: Path) -> Path:
    directory = tmp_path / "output" / "net" / "cpu"
    directory.mkdir(parents=True)
    for name in (*details.REPROD_FILES, "inference_benchmark.log", "mine.txt"):
        (directory / name).write_text(name)
    return directory


def test_the_files_of_the_procedure_are_copied_and_no_others(output: Path) -> None:
    copies = Copies("0123456789abcdef")
    assert copies.outputs(str(output)) == ("files-0123456789abcdef/net/cpu", ())
    assert copies.log(str(output / "inference_benchmark.log")) == ("files-0123456789abcdef/net/cpu/inference_benchmark.log", ())
    names = (*details.REPROD_FILES, "inference_benchmark.log")
    assert copies.contents == {f"net/cpu/{name}": name.encode() for name in names}
    assert copies.outputs(str(output)) == ("files-0123456789abcdef/net/cpu", ()), "a second test of the same files"
    assert (copies.outputs(None), copies.log(None)) == ((None, ()), (None, ()))


def test_a_missing_file_costs_a_note(output: Path) -> None:
    (output / "train_infer_diff.log").unlink()
    place, notes = Copies("0").outputs(str(output))
    assert (place, notes) == ("files-0/net/cpu", (f"{output / 'train_infer_diff.log'} was not copied: it is not there",))
    place, notes = Copies("0").outputs(str(output / "none"))
    assert (place, len(notes)) == (None, 3)
    assert Copies("0").log(str(output / "none.log"))[0] is None


def test_a_file_that_cannot_be_read_costs_a_note(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    path = output / "inference_benchmark.log"
    assert Copies("0").log(str(path)) == (None, (f"{path} was not copied: Permission denied",))


def test_a_large_file_is_not_copied_and_said_so(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(details, "LARGEST", 2 * 2**20)
    monkeypatch.setattr(details, "MOST", 3 * 2**20)
    (output / "output_training_engine.npy").write_bytes(b"x" * 3 * 2**20)
    (output / "inference_benchmark.log").write_bytes(b"x" * 2 * 2**20)
    (output.parent / "x.log").write_bytes(b"x" * 2 * 2**20)
    copies = Copies("0")
    place, notes = copies.outputs(str(output))
    assert place == "files-0/net/cpu"
    assert notes == (f"{output / 'output_training_engine.npy'} was not copied: it has 3 MB, more than 2 MB",)
    assert copies.log(str(output / "inference_benchmark.log"))[0] is not None
    assert copies.log(str(output.parent / "x.log")) == (
        None,
        (f"{output.parent / 'x.log'} was not copied: it has 2 MB, more than what is left of 3 MB for all files",),
    )


def test_files_of_two_directories_of_one_name_do_not_mix(output: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "net" / "cpu"
    other.mkdir(parents=True)
    (other / "train_infer_diff.log").write_text("other")
    copies = Copies("0")
    copies.outputs(str(output))
    assert copies.outputs(str(other))[0] == "files-0/net/cpu-2"
    assert copies.contents["net/cpu-2/train_infer_diff.log"] == b"other"


# -- pictures ----------------------------------------------------------------------------------------------------------


def opened(file: bytes) -> Any:
    image = Image.open(io.BytesIO(file))
    return image.mode, image.size, np.asarray(image)


@pytest.mark.parametrize(
    ("shape", "dtype", "shown"),
    [
        ((1, 3, 4, 6), "float32", (4, 6, 3)),
        ((1, 1, 4, 6), "float16", (4, 6)),
        ((1, 4, 6, 3), "uint8", (4, 6, 3)),
        ((1, 4, 6, 1), "float32", (4, 6)),
        ((1, 4, 6, 5), "float32", None),
        ((2, 3, 4, 6), "float32", None),
        ((1, 3, 4, 6), "int64", None),
        ((1, 3, 0, 6), "float32", None),
        ((1, 8), "float32", None),
    ],
)
def test_tensors_that_are_pictures_are_known_by_their_shape(shape: Any, dtype: str, shown: Any) -> None:
    found = picture_of([np.zeros((1, 7), np.float32), np.zeros(shape, dtype)])
    assert (None if found is None else found.shape) == shown


def test_channels_stay_in_their_order() -> None:
    tensor = np.zeros((1, 3, 2, 2), np.float32)
    tensor[0, 2] = 1.0
    for given in (tensor, tensor.transpose(0, 2, 3, 1)):
        picture = picture_of([given])
        assert picture is not None
        mode, size, pixels = opened(to_png([picture])[0])
        assert (mode, size, pixels[0, 0].tolist()) == ("RGB", (2, 2), [0, 0, 255])


def test_both_sides_are_scaled_together_so_that_another_scale_shows() -> None:
    one = np.array([[-1.0, 1.0]], np.float32)
    files = to_png([one, one * 2])
    assert [opened(file)[2].tolist() for file in files] == [[[64, 191]], [[0, 255]]]
    assert opened(to_png([one])[0])[2].tolist() == [[0, 255]]


def test_what_is_no_number_and_a_plain_picture_are_drawn_too() -> None:
    assert opened(to_png([np.array([[np.nan, 0.0, 1.0, np.inf, -np.inf]], np.float32)])[0])[2].tolist() == [[0, 0, 255, 0, 0]]
    assert opened(to_png([np.full((2, 2), np.nan, np.float32)])[0])[2].tolist() == [[0, 0], [0, 0]]
    assert opened(to_png([np.full((2, 2), 3.0, np.float32)])[0])[2].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("values", "dtype", "middle"),
    [
        ([-3e38, 0.0, 3e38], "float32", 128),
        ([-1.7e308, 0.0, 1.7e308], "float64", 128),
        ([0.0, 5e299, 1e300], "float64", 128),
        ([0.0, 0.0, 1e-45], "float32", 0),
        ([-6e4, 0.0, 6e4], "float16", 128),
    ],
)
def test_the_largest_and_smallest_numbers_are_drawn_without_a_warning(values: list[float], dtype: str, middle: int) -> None:
    assert opened(to_png([np.array([values], dtype)])[0])[2].tolist() == [[0, middle, 255]]


@pytest.mark.parametrize(
    ("shape", "size"), [((192, 96), (48, 96)), ((32, 1024), (96, 3)), ((1, 2000), (96, 1)), ((96, 10), (10, 96))]
)
def test_large_pictures_are_made_smaller(shape: tuple[int, int], size: tuple[int, int]) -> None:
    assert opened(to_png([np.random.RandomState(0).rand(*shape).astype(np.float32)])[0])[1] == size
    assert max(size) <= LARGEST


# -- times -------------------------------------------------------------------------------------------------------------


def timings(*seconds: float, shapes: tuple[str, ...] = ()) -> Any:
    return SimpleNamespace(
        run=seconds, preprocess=tuple(each * 2 for each in seconds), postprocess=tuple(each / 2 for each in seconds), shapes=shapes
    )


def test_times_are_milliseconds_in_their_order() -> None:
    assert latency_of(timings(0.002, 0.001), timings(0.0034567891), 4) == {
        "batch_size": 4, "batches": 2, "inference_ms": [2.0, 1.0], "training_ms": [3.4568], "preprocess_ms": [4.0, 2.0],
        "postprocess_ms": [1.0, 0.5],
    }  # fmt: skip


def test_where_shapes_vary_each_time_has_its_own() -> None:
    made = latency_of(timings(0.002, 0.001, shapes=("1x9", "1x4")), timings(0.003, shapes=("1x9",)), 1)
    assert (made["inference_shapes"], made["training_shapes"]) == (["1x9", "1x4"], ["1x9"])
    assert "inference_shapes" not in latency_of(timings(0.002, shapes=("1x9",)), timings(0.003, shapes=("1x9",)), 1)
    many = tuple(float(number) for number in np.random.RandomState(0).permutation(np.arange(1, 3001)))
    made = latency_of(timings(*many, shapes=tuple(f"1x{number:.0f}" for number in many)), timings(0.003, shapes=("1x9",)), 1)
    assert [f"1x{time / 1000:.0f}" for time in made["inference_ms"]] == made["inference_shapes"]


def test_of_many_times_evenly_spaced_order_statistics_are_kept() -> None:
    seconds = np.random.RandomState(0).permutation(np.arange(1, 2999)) / 1000.0
    kept = thinned(seconds.tolist())
    assert len(kept) == MOST
    assert (kept[0], kept[-1]) == (1.0, 2998.0)
    assert kept == sorted(kept)  # type: ignore[type-var]
    assert set(np.diff(np.array(kept, float))) == {3.0}


# -- asking the workers ------------------------------------------------------------------------------------------------


class Worker:
    """Answers with a picture; dies of sample `dies_at`."""

    def __init__(self, value: float, dies_at: int = -1) -> None:
        self.name, self.alive, self.value, self.dies_at, self.asked = "worker", True, value, dies_at, list[int]()

    def submit(self, step: str, method: str, start: int, stop: int, timeout: float) -> None:
        if start == self.dies_at:
            self.alive = False
            raise WorkerFailure(step, "signal", "died")
        self.asked.append(start)


class Records:
    """Samples 0 to 3; sample 1 was fed otherwise."""

    seconds = 1.0

    def __len__(self) -> int:
        return 4

    def chosen(self) -> list[int]:
        return [0, 1, 2, 3]

    def fed_alike(self, index: int) -> bool:
        return index != 1

    def parts(self, samples: Any, outputs: Any, pictured: Any) -> Any:
        return {"pictured": sorted(pictured)}


def left(tmp_path: Path, *workers: Worker, shape: tuple[int, ...] = (1, 3, 2, 2)) -> tuple[str, Any]:
    bench: Any = SimpleNamespace(
        options=SimpleNamespace(timeout=5.0, workdir=tmp_path), samples=(),
        end=lambda worker: [np.full(shape, worker.value, np.float32)],
    )  # fmt: skip
    seen: Any = SimpleNamespace(records=Records(), run=SimpleNamespace(outputs=()), workers=workers, layers=())
    folder = keeping.keep_parity(bench, SimpleNamespace(name="net"), "cpu", seen)  # type: ignore[arg-type]
    return folder, read(Path(folder)) if Path(folder).is_absolute() else None


def test_one_side_is_asked_where_both_were_fed_alike(tmp_path: Path) -> None:
    workers = Worker(0.0), Worker(1.0)
    _, found = left(tmp_path, *workers)
    assert found.parts["parity"] == {"pictured": [0, 1, 2, 3]}
    assert [index for index, pair in found.pictures.items() if pair[1] is not None] == [1]
    assert [worker.asked for worker in workers] == [[0, 1, 2, 3], [1]]


def test_a_picture_that_cannot_be_drawn_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_paddle_infer.details import pictures

    def refuse(shown: Any) -> Any:
        if len(shown) == 2:  # of sample 1
            raise MemoryError("no room")
        return to_png(shown)

    monkeypatch.setattr(pictures, "to_png", refuse)
    folder, found = left(tmp_path, Worker(0.0), Worker(1.0))
    assert found is not None, folder
    assert found.parts["parity"] == {"pictured": [0, 2, 3]}


def test_a_dead_worker_costs_the_pictures_and_nothing_else(tmp_path: Path) -> None:
    dead = Worker(0.0)
    dead.alive = False
    for workers in [(Worker(0.0), dead), (dead, Worker(0.0)), (), (Worker(0.0, dies_at=0), Worker(0.0))]:
        assert left(tmp_path, *workers)[1].parts == {"parity": {"pictured": []}}
    assert left(tmp_path, Worker(0.0), Worker(0.0, dies_at=1))[1].parts == {"parity": {"pictured": [0]}}


def test_samples_that_are_no_pictures_are_asked_for_once(tmp_path: Path) -> None:
    workers = Worker(0.0), Worker(0.0)
    assert left(tmp_path, *workers, shape=(1, 8))[1].pictures == {}
    assert workers[0].asked == [0]


def test_no_time_no_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "SECONDS", 0.0)
    monkeypatch.setattr(keeping, "SHARE", 0.0)
    assert left(tmp_path, Worker(0.0), Worker(0.0))[1].pictures == {}


def test_what_goes_wrong_is_said_and_never_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "details").write_text("in the way")
    assert left(tmp_path, Worker(0.0), Worker(0.0))[0].startswith("nothing: [Errno 17]")
    monkeypatch.setattr(Records, "parts", lambda *_: json.loads("{"))
    assert left(tmp_path, Worker(0.0), Worker(0.0))[0].startswith("nothing: JSONDecodeError: ")


def test_a_failed_log_names_the_folder_of_its_times_too() -> None:
    with pytest.raises(ConformanceFailure) as caught, _carrying("/kept/net-cpu"):
        raise ConformanceFailure(Failure("off.", remedy="do this.")) from OSError("why")
    assert caught.value.failure == Failure("off.", remedy="do this.", details="/kept/net-cpu")
    assert isinstance(caught.value.__cause__, OSError)
