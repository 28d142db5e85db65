"""models.py: descriptions; model_names.py and factories.py: names resolved without importing anything."""

from __future__ import annotations

import importlib.machinery
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_paddle_infer import model_names
from pytest_paddle_infer.factories import check_reference, load_factory
from pytest_paddle_infer.failures import ModelError
from pytest_paddle_infer.model_names import resolve, vision_factories
from pytest_paddle_infer.models import ModelSpec, TensorSpec, shapes_of_one_sample, softmax_choice

ZOO = ("alexnet", "mobilenet_v1", "mobilenet_v2", "resnet18", "vgg16")
# paddle.vision.models.__all__ of 2.6.2 and 3.3.1
NAMES_OF_PADDLE = [
    "ResNet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext50_64x4d",
    "resnext101_32x4d", "resnext101_64x4d", "resnext152_32x4d", "resnext152_64x4d", "wide_resnet50_2", "wide_resnet101_2", "VGG",
    "vgg11", "vgg13", "vgg16", "vgg19", "MobileNetV1", "mobilenet_v1", "MobileNetV2", "mobilenet_v2", "MobileNetV3Small",
    "MobileNetV3Large", "mobilenet_v3_small", "mobilenet_v3_large", "LeNet", "DenseNet", "densenet121", "densenet161",
    "densenet169", "densenet201", "densenet264", "AlexNet", "alexnet", "InceptionV3", "inception_v3", "SqueezeNet",
    "squeezenet1_0", "squeezenet1_1", "GoogLeNet", "googlenet", "ShuffleNetV2", "shufflenet_v2_x0_25", "shufflenet_v2_x0_33",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0", "shufflenet_v2_swish",
]  # fmt: skip


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of the user's, with modules that must not be imported."""
    monkeypatch.setattr(model_names, "vision_factories", lambda: ZOO)
    monkeypatch.setattr(sys, "path", [*sys.path])
    bomb = "raise AssertionError('imported')\n"
    for name in ("pkg_of_test", "pkg_of_test/sub"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(bomb)
    (tmp_path / "pkg_of_test/sub/nets.py").write_text(
        bomb + "def make(): ...\nmake_too = make\nclass Net: ...\nfrom x import given as named\n"
    )
    (tmp_path / "flat_of_test.py").write_text(bomb + "import torch\nif torch:\n    def inside(): ...\n")
    return tmp_path


# -- names -------------------------------------------------------------------------------------------------------------


def spec(name: str) -> ModelSpec:
    return ModelSpec(name, factory="nets:make")


def test_a_registered_model_comes_before_everything_else(base: Path) -> None:
    registered = {name: spec(name) for name in ("alexnet", "pkg_of_test.sub.nets:make", "we*rd")}
    for name in registered:
        assert resolve(name, registered, base) == [registered[name]]


def test_a_zoo_name_becomes_a_description_of_its_factory(base: Path) -> None:
    (found,) = resolve("resnet18", {}, base)
    assert (found.name, found.factory) == ("resnet18", "paddle.vision.models:resnet18")


def test_a_glob_takes_registered_and_zoo_names_once_registered_first(base: Path) -> None:
    registered = {name: spec(name) for name in ("mobilenet_mine", "mobilenet_v2")}
    assert [found.name for found in resolve("mobilenet*", registered, base)] == ["mobilenet_mine", "mobilenet_v2", "mobilenet_v1"]
    assert resolve("mobilenet*", registered, base)[1] is registered["mobilenet_v2"]
    assert [found.name for found in resolve("resnet[0-9]?", {}, base)] == ["resnet18"]


def test_a_glob_without_a_match_lists_the_known_names(base: Path) -> None:
    with pytest.raises(ModelError, match=r"no known model matches 'x\*'. Known models: mine, alexnet, mobilenet_v1"):
        resolve("x*", {"mine": spec("mine")}, base)


@pytest.mark.parametrize(
    ("typed", "near"), [("alexnt", "Did you mean 'alexnet'?"), ("mobilenet_v", "Did you mean 'mobilenet_v2' or 'mobilenet_v1'?")]
)
def test_an_unknown_name_has_near_matches_and_says_what_a_model_is(base: Path, typed: str, near: str) -> None:
    with pytest.raises(ModelError) as caught:
        resolve(typed, {}, base)
    text = str(caught.value)
    assert text.startswith(f"unknown model {typed!r}. {near} A model is a name from the pytest_paddle_infer_models hook")
    assert " hook (no conftest.py has one that gives any), " in text
    assert text.endswith("or one of: alexnet, mobilenet_v1, mobilenet_v2, resnet18, vgg16; `python -m pytest_paddle_infer models` "
                         "lists all of Paddle's.")  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (
            "lenet",
            "Paddle has no factory for its class LeNet: use a ModelSpec of factory='paddle.vision.models:LeNet' and input_spec",
        ),
        ("LeNet", "Paddle has no factory for its class LeNet: use a ModelSpec of"),
        ("resnet", "Did you mean 'resnet18'"),
        ("AlexNet", "Did you mean 'alexnet'?"),
    ],
)
def test_a_class_of_paddle_without_a_factory_is_named(base: Path, monkeypatch: pytest.MonkeyPatch, typed: str, hint: str) -> None:
    monkeypatch.setattr(model_names, "_vision_names", lambda: (*ZOO, "LeNet", "ResNet", "AlexNet"))
    with pytest.raises(ModelError) as caught:
        resolve(typed, {}, base)
    assert str(caught.value).startswith(f"unknown model {typed!r}. {hint}")


def test_an_unknown_name_lists_a_few_models_and_the_command_that_lists_all(base: Path) -> None:
    for own, last in ((0, "vgg16"), (40, "net39, ..."), (60, "net49, ...")):
        registered = {f"net{number}": spec(f"net{number}") for number in range(own)}
        for pattern in ("zzzz", "z*"):
            with pytest.raises(ModelError) as caught:
                resolve(pattern, registered, base)
            assert f"{last}; `python -m pytest_paddle_infer models` lists" in str(caught.value), "all of the repo's own, up to 50"


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_told_as_such(base: Path, name: str) -> None:
    with pytest.raises(ModelError, match=r"^the name is empty; write that of a model, such as alexnet\.$"):
        resolve(name, {}, base)


def test_a_file_without_a_factory_says_what_to_add(base: Path) -> None:
    with pytest.raises(
        ModelError, match=r"^'shapes/net\.py' is a file; add the factory that it defines: shapes/net\.py:FACTORY\.$"
    ):
        resolve("shapes/net.py", {}, base)


def test_where_a_hook_gives_models_nothing_is_said_of_a_missing_one(base: Path) -> None:
    with pytest.raises(ModelError, match=r"pytest_paddle_infer_models hook, package\.module:factory"):
        resolve("zzzz", {"mine": spec("mine")}, base)


def test_a_name_like_nothing_has_no_near_match(base: Path) -> None:
    with pytest.raises(ModelError, match=r"unknown model 'zzzz'\. A model is"):
        resolve("zzzz", {}, base)


@pytest.mark.parametrize(
    "reference",
    [
        "pkg_of_test.sub.nets:make", "pkg_of_test.sub.nets:make_too", "pkg_of_test.sub.nets:Net", "pkg_of_test.sub.nets:named",
        "pkg_of_test/sub/nets.py:make", "flat_of_test:inside", "flat_of_test.py:inside",
    ],
)  # fmt: skip
def test_a_reference_that_can_exist_is_accepted_and_nothing_is_imported(base: Path, reference: str) -> None:
    before = set(sys.modules)
    (found,) = resolve(reference, {}, base)
    assert (found.name, found.factory) == (reference, reference)
    assert not [name for name in set(sys.modules) - before if "of_test" in name]


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("no_such_pkg.nets:make", "there is no module 'no_such_pkg.nets' on sys.path or in {base}."),
        ("pkg_of_test.none:make", "there is no module 'pkg_of_test.none' on sys.path or in {base}."),
        ("pkg_of_test.sub.nets.deeper:make", "there is no module"),
        ("flat_of_test.sub:make", "there is no module"),
        ("none.py:make", "there is no file {base}/none.py."),
        ("pkg_of_test:make", "defines no 'make' at its top level."),
        ("flat_of_test.py:outside", "{base}/flat_of_test.py defines no 'outside' at its top level."),
        ("flat_of_test:", "write package.module:factory or path/to/file.py:factory."),
        (":make", "write package.module:factory or path/to/file.py:factory."),
        ("flat_of_test:a-b", "write package.module:factory or path/to/file.py:factory."),
    ],
)
def test_a_reference_that_cannot_exist_is_refused_in_one_sentence(base: Path, reference: str, sentence: str) -> None:
    with pytest.raises(ModelError) as caught:
        resolve(reference, {}, base)
    assert repr(reference) in str(caught.value)
    assert sentence.format(base=base) in str(caught.value)


@pytest.mark.parametrize("text", ["from x import *\n", "def __getattr__(name): ...\n", "def broken(:\n"])
def test_a_file_that_may_define_anything_is_left_to_its_import(base: Path, text: str) -> None:
    (base / "open_of_test.py").write_text(text)
    check_reference("open_of_test.py:make", base)


def test_an_absolute_file_is_found_whatever_the_base(base: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_reference(f"{base}/flat_of_test.py:inside", tmp_path_factory.mktemp("elsewhere"))


def test_every_factory_of_paddle_is_read_from_its_file_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Paddle the file is written here, as both versions have it; with Paddle it is Paddle's own."""
    if importlib.machinery.PathFinder.find_spec("paddle") is None:
        models_dir = tmp_path / "paddle/vision/models"
        models_dir.mkdir(parents=True)
        for package in ("paddle", "paddle/vision"):
            (tmp_path / package / "__init__.py").write_text("raise AssertionError('imported')\n")
        (models_dir / "__init__.py").write_text(f"from .lenet import LeNet\n__all__ = {NAMES_OF_PADDLE!r}\n")
        monkeypatch.syspath_prepend(tmp_path)
    vision_factories.cache_clear()
    try:
        assert sorted(vision_factories()) == sorted(name for name in NAMES_OF_PADDLE if name.islower())
        assert len(vision_factories()) == 38
    finally:
        vision_factories.cache_clear()


def test_without_paddle_there_are_no_factories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_names, "source_of", lambda module: None)
    vision_factories.cache_clear()
    assert vision_factories() == ()
    vision_factories.cache_clear()


# -- load_factory ------------------------------------------------------------------------------------------------------


def write(base: Path, text: str) -> str:
    name = f"loaded_of_test_{len(list(base.iterdir()))}.py"
    (base / name).write_text(text)
    return name


def test_a_callable_is_its_own_factory(base: Path) -> None:
    assert load_factory(ModelSpec("mine", factory=len), base) is len


def test_a_file_is_loaded_once_and_its_neighbours_are_importable(base: Path) -> None:
    (base / "neighbour_of_test.py").write_text("value = 7\n")
    name = write(base, "import neighbour_of_test\ndef make(): return neighbour_of_test.value\n")
    described = ModelSpec("mine", factory=f"{name}:make")
    assert load_factory(described, base)() == 7
    assert load_factory(described, base) is load_factory(described, base)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 / 0\n", "importing it raised ZeroDivisionError: division by zero"),
        ("def broken(:\n", "importing it raised SyntaxError"),
        ("make = 5\n", "'make' is not a callable of"),
        ("other = 5\n", "'make' is not a callable of"),
        ("def maker(): pass\nmakes = 5\nmake = 5\n", "'make' is not a callable of FILE (did you mean 'maker'?)."),
        ("def _make(): pass\nmake = 5\n", "'make' is not a callable of FILE."),
    ],
)
def test_a_factory_that_cannot_be_loaded_is_refused_with_the_reason(base: Path, text: str, sentence: str) -> None:
    name = write(base, text)
    for _ in range(2):  # a failed import leaves nothing half-made behind
        with pytest.raises(ModelError) as caught:
            load_factory(ModelSpec("mine", factory=f"{name}:make"), base)
        assert f"'{name}:make': {sentence.replace('FILE', name)}" in str(caught.value)
        told = f"name it as package.module:factory or path/to/file.py:factory, as it is found from {base}."
        other = f"name a function or class of {name} that returns the layer in factory=."
        assert caught.value.remedy == (told if "importing" in sentence else other)


# -- TensorSpec --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (TensorSpec((1,), "int8", "a"), TensorSpec((1,), "int8", "a")),
        ([None, 3, 224, 224], TensorSpec((None, 3, 224, 224))),
        ((-1, 3), TensorSpec((None, 3))),
        (([None, 8], "int64"), TensorSpec((None, 8), "int64")),
        (([None, 8], "int64", "ids"), TensorSpec((None, 8), "int64", "ids")),
        (((2,), "paddle.float32"), TensorSpec((2,), "float32")),
        (SimpleNamespace(shape=(-1, 4), dtype="VarType.FP32", name="x"), TensorSpec((None, 4), "float32", "x")),
        (SimpleNamespace(shape=(-1, 4), dtype=SimpleNamespace(name="BF16")), TensorSpec((None, 4), "bfloat16")),
        (((4,), type("int64", (), {})), TensorSpec((4,), "int64")),
        (TensorSpec((-1, 4)), TensorSpec((None, 4))),
        (SimpleNamespace(shape=(None, 4), dtype="paddle.int64"), TensorSpec((None, 4), "int64", None)),
    ],
)
def test_an_input_may_be_written_in_several_ways(value: Any, read: TensorSpec) -> None:
    assert TensorSpec.of(value) == read


@pytest.mark.parametrize("value",
    [
        None, 5, "x", [], (), [None, "x"], [[1], "int64", "a", "b"], {"shape": [1]}, [1.5, 2], [True, 3], [None, 0], [-2, 3],
        ([1.5], "int64"), ([1], "int64", 5), TensorSpec(("x",)),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_something_else_is_refused_with_examples(value: Any) -> None:
    with pytest.raises(ModelError, match=r"is not an input; write a shape such as \[None, 3, 224, 224\]"):
        TensorSpec.of(value)


# -- ModelSpec ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "'' is not a name"),
        ({"name": "a::b"}, "'a::b' is not a name"),
        ({"name": "a[b]"}, "is not a name"),
        ({"name": 5}, "5 is not a name"),
        ({"factory": "nets"}, "factory 'nets' is neither a callable nor 'package.module:factory'"),
        ({"factory": None}, "factory None is neither"),
        ({"preprocess": "f"}, "preprocess 'f' is not callable"),
        ({"training_preprocess": 1}, "training_preprocess 1 is not callable"),
        ({"postprocess": 1}, "postprocess 1 is not callable"),
        ({"input_spec": []}, "input_spec must be a list with one entry an input"),
        ({"input_spec": "x"}, "input_spec must be a list with one entry an input"),
        ({"input_spec": [None, 3, 8, 8]}, "is one shape; put it in a list: [[None, 3, 8, 8]]"),
        (
            {"input_spec": ([None, 8], "int64")},
            "input_spec ([None, 8], 'int64') is one input; put it in a list: [([None, 8], 'int64')]",
        ),
        ({"input_spec": [["x"]]}, "is not an input"),
        ({"softmax": "maybe"}, "softmax: 'maybe' is not one of auto, yes, no"),
        ({"input_spec": [([None, 3], "floatx")]}, "input_spec: dtype 'floatx' is not one of bool, int8, uint8, int16"),
        ({"input_spec": [TensorSpec((None, 3), "floatx")]}, "input_spec: dtype 'floatx' is not one of bool"),
        ({"input_spec": [([None, 3], 5)]}, "input_spec: dtype 5 is not one of bool"),
        ({"batch_size": 0}, "batch_size: '0' is not a whole number from 1"),
        ({"batch_size": 1.5}, "batch_size: '1.5' is not a whole number from 1"),
        ({"batch_size": True}, "batch_size: 'True' is not a whole number from 1"),
        *(
            ({"image_size": size}, f"image_size: {size!r} is not a size in pixels; write 224 or (480, 640), height and width")
            for size in ("big", (64,), (64, 64, 3), (64, 0), (64, True), 64.5, 0, -3, True)
        ),
        ({"seed": "a"}, "seed: 'a' is not a whole number from 0"),
        ({"seed": -1}, "seed: '-1' is not a whole number from 0"),
        ({"kwargs": 3}, "kwargs: 3 is not a dict of the factory's arguments; write kwargs={'num_classes': 10}"),
        ({"kwargs": {3: 4}}, "kwargs: {3: 4} is not a dict of the factory's arguments"),
        ({"kwargs": None}, "kwargs: None is not a dict"),
        ({"rtol": "a"}, "rtol: 'a' is not a finite number from 0"),
        ({"rtol": -1}, "rtol: '-1' is not a finite number from 0"),
        ({"rtol": float("nan")}, "rtol: 'nan' is not a finite number from 0"),
        ({"atol": True}, "atol: 'True' is not a finite number from 0"),
        ({"atol": {"": 1e-3, "logits": float("inf")}}, "atol['logits']: 'inf' is not a finite number from 0"),
        ({"weights": 3}, "weights: 3 is not a file; write the path of a .pdparams file, 'factory', or None for random weights"),
        ({"weights": ""}, "weights: '' is not a file"),
        ({"images": 5}, "images 5 is neither a path nor a list of samples"),
        ({"images": iter([])}, "is neither a path nor a list of samples"),
    ],
)
def test_a_description_that_cannot_be_meant_is_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelError) as caught:
        ModelSpec(**{"name": "mine", "factory": "nets:make", **fields})
    assert sentence in str(caught.value)
    assert str(caught.value).count("ModelSpec") == 1
    assert str(caught.value).rstrip(".") + "." == str(caught.value)


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"image_size": "64"}, 64),
        ({"image_size": "64x96"}, (64, 96)),
        ({"image_size": [64, 96]}, (64, 96)),
        ({"seed": "7"}, 7),
        ({"batch_size": "2"}, 2),
        ({"rtol": "1e-3"}, 1e-3),
        ({"atol": {0: 1}}, {"0": 1.0}),
    ],
)
def test_a_value_is_read_as_the_option_of_its_name_reads_it(fields: dict[str, Any], read: Any) -> None:
    made = ModelSpec(**{"name": "mine", "factory": "nets:make", **fields})
    assert getattr(made, *fields) == read


@pytest.mark.parametrize("images", ["pictures", Path("pictures"), ["a.png"], ()])
def test_images_may_be_a_path_or_a_sequence(images: Any) -> None:
    assert ModelSpec("mine", factory="nets:make", images=images).images == images


@pytest.mark.parametrize(("value", "read"), [(None, None), (True, "yes"), (False, "no"), ("auto", "auto"), ("yes", "yes")])
def test_softmax_may_be_a_word_or_a_bool(value: Any, read: Any) -> None:
    assert softmax_choice(value) == read
    assert ModelSpec("mine", factory="nets:make", softmax=value).softmax == read


@pytest.mark.parametrize(
    ("fields", "size", "shapes", "pictures"),
    [
        ({}, 224, [(None, 3, 224, 224)], True),
        ({"name": "inception_v3"}, 299, [(None, 3, 299, 299)], True),
        ({"image_size": 96}, 96, [(None, 3, 96, 96)], True),
        ({"image_size": (64, 96)}, (64, 96), [(None, 3, 64, 96)], True),
        ({"input_spec": [[None, 3, 32, 48]]}, (32, 48), [(None, 3, 32, 48)], True),
        ({"input_spec": [[None, 3, None, None]]}, 224, [(None, 3, None, None)], True),
        ({"input_spec": [[None, 1, 28, 28]]}, 224, [(None, 1, 28, 28)], False),
        ({"input_spec": [([None, 3, 8, 8], "uint8")]}, 224, [(None, 3, 8, 8)], False),
        ({"input_spec": [[None, 8], [2]]}, 224, [(None, 8), (2,)], False),
        ({"input_spec": [[None, 1, 28, 28]], "preprocess": len}, 224, [(None, 1, 28, 28)], True),
    ],
)
def test_size_inputs_and_samples_follow_from_what_is_given(fields: dict[str, Any], size: Any, shapes: Any, pictures: bool) -> None:
    made = ModelSpec(**{"name": "mine", "factory": "nets:make", **fields})
    assert made.size == size
    assert [item.shape for item in made.inputs] == shapes
    assert made.uses_images is pictures


def test_identity_tells_models_apart_but_not_tolerances_or_batch_sizes() -> None:
    one = spec("mine")
    for fields in ({"rtol": 1.0}, {"atol": 1.0}, {"batch_size": 3}):
        assert ModelSpec("mine", factory="nets:make", **fields).identity == one.identity  # type: ignore[arg-type]
    for fields in ({"seed": 1}, {"softmax": "no"}, {"kwargs": {"n": 1}}, {"weights": "w"}, {"image_size": 8}, {"preprocess": len}):
        assert ModelSpec("mine", factory="nets:make", **fields).identity != one.identity  # type: ignore[arg-type]
    hash(one.identity)


def test_what_one_sample_is_fed_as_names_open_dimensions() -> None:
    inputs = [TensorSpec.of(shape) for shape in ([None, 3, None, 64], ([None, None], "int64"), ([None, 2], "int64"), [None])]
    assert shapes_of_one_sample(inputs) == "float32 3x?x64 and int64 of any length and int64 2 and float32 scalar"
