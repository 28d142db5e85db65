"""options.py and option_table.py without a pytest session: readers, marker, merging, and the command line of a failure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_paddle_infer.failures import OptionError
from pytest_paddle_infer.models import ModelSpec, TensorSpec
from pytest_paddle_infer.option_table import (
    CHECKPOINTS,
    MARKER_KEYS,
    OPTIONS,
    Comparison,
    baseline_name,
    boolean,
    byte_size,
    comparison,
    image_size,
    one_of,
    positive,
    tolerance,
    whole,
)
from pytest_paddle_infer.options import Request, Settings, check_paths, merge, read_marker, read_settings

HERE = Path("/here")
ROOT = Path("/root-dir")


class Config:
    """What `read_settings` needs of a `pytest.Config`."""

    rootpath = ROOT

    class invocation_params:
        dir = HERE

    def __init__(self, given: dict[str, Any], ini: dict[str, Any]) -> None:
        self._given, self._ini = given, ini

    def getoption(self, key: str) -> Any:
        return self._given.get(key)

    def getini(self, key: str) -> Any:
        return self._ini.get(key)


def settings(given: dict[str, Any] | None = None, ini: dict[str, Any] | None = None) -> Settings:
    def keyed(values: dict[str, Any] | None) -> dict[str, Any]:
        return {f"paddle_{name}": value for name, value in (values or {}).items()}

    return read_settings(Config(keyed(given), keyed(ini)))  # type: ignore[arg-type]


def mark(*args: Any, **kwargs: Any) -> pytest.Mark:
    return pytest.mark.paddle_infer_parity.with_args(*args, **kwargs).mark if args or kwargs else pytest.mark.x.mark


NOTHING = Request(None, ("auto",), CHECKPOINTS, {})
SPEC = ModelSpec("mine", factory="nets:make")


# -- readers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (whole(1), "12", 12),
        (whole(0), "0", 0),
        (positive, "2.5", 2.5),
        (tolerance, "0", 0.0),
        (tolerance, "1e-5", 1e-5),
        (one_of("a", "b"), "b", "b"),
        (image_size, "224", 224),
        (image_size, "480x640", (480, 640)),
        (byte_size, "0", 0),
        (byte_size, "7", 7),
        (byte_size, "2k", 2048),
        (byte_size, "500M", 500 << 20),
        (byte_size, "20G", 20 << 30),
        (byte_size, "1 TiB", 1 << 40),
        (boolean, "Yes", True),
        (boolean, "off", False),
        (baseline_name, "v1.2_main-3", "v1.2_main-3"),
        (comparison, "main", Comparison("main", 0.15)),
        (comparison, "main:7.5%", Comparison("main", 0.075)),
        (comparison, "1:0%", Comparison("1", 0.0)),
    ],
)
def test_a_good_value_is_read(read: Any, text: str, value: Any) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (whole(1), "0"),
        (whole(0), "-1"),
        (whole(0), "1.0"),
        (whole(0), ""),
        (positive, "0"),
        (positive, "nan"),
        (tolerance, "-1e-9"),
        (tolerance, "inf"),
        (tolerance, "small"),
        (one_of("a", "b"), "c"),
        (image_size, "224x"),
        (image_size, "0x0"),
        (image_size, "224X224"),
        (image_size, "999999"),
        (byte_size, "G"),
        (byte_size, "-1"),
        (byte_size, "1.5G"),
        (byte_size, "1P"),
        (boolean, "maybe"),
        *(
            (baseline_name, name)
            for name in ("", ".", "..", "../x", "/x", "a/b", "-x", ".x", "a:b", "a b", "\u00e9", "x" * 101, "a\n")
        ),
        *((comparison, text) for text in ("", "..:5%", "a/b", "main:", "main:15", "main:0.15", "main:%", "main:-5%", "main:nan%")),
    ],
)
def test_a_bad_value_is_an_option_error_that_repeats_it(read: Any, text: str) -> None:
    with pytest.raises(OptionError) as caught:
        read(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_choice_that_is_not_one_names_them_all() -> None:
    with pytest.raises(OptionError, match="'c' is not one of a, b"):
        one_of("a", "b")("c")


# -- the table ---------------------------------------------------------------------------------------------------------


def test_every_option_starts_with_paddle_and_has_its_ini_twin() -> None:
    for option in OPTIONS:
        assert option.flag.startswith("--paddle-")
        assert option.key == option.flag[2:].replace("-", "_")
        assert option.help.endswith(".")
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)


def test_settings_have_a_field_for_every_option() -> None:
    made = settings()
    for option in OPTIONS:
        default = str(ROOT / option.default) if option.name == "perf-dir" else option.default
        assert getattr(made, option.attribute) == default


def test_variants_of_the_table_are_those_of_the_engine() -> None:
    from pytest_paddle_infer.deployed.builds import CHECKS
    from pytest_paddle_infer.deployed.config import SETTERS
    from pytest_paddle_infer.option_table import PARAMETERS, VARIANTS

    assert tuple(CHECKS) == tuple(SETTERS) == tuple(PARAMETERS) == VARIANTS


def test_checkpoint_names_are_those_of_the_checks() -> None:
    from pytest_paddle_infer import checks

    assert [name for name in vars(checks) if name.startswith("test_")] == [f"test_{name}" for name in CHECKPOINTS]


# -- read_settings -----------------------------------------------------------------------------------------------------


def test_command_line_then_ini_then_default() -> None:
    made = settings({"threads": 4}, {"threads": "2", "seed": "9"})
    assert (made.threads, made.seed, made.batch_size) == (4, 9, 1)
    assert made.given == {"threads"}
    assert made.from_ini == {"seed"}


@pytest.mark.parametrize("name", ["weights", "images", "exported", "export_dir", "output_dir", "cache_dir", "perf_dir"])
def test_paths_start_where_they_were_written(name: str) -> None:
    assert getattr(settings({name: "a/b"}), name) == str(HERE / "a/b")
    assert getattr(settings(ini={name: "a/b"}), name) == str(ROOT / "a/b")
    assert getattr(settings(ini={name: "/a/b"}), name) == "/a/b"
    assert getattr(settings({name: "~/b"}), name) == str(Path.home() / "b")


def test_only_the_command_line_adds_items() -> None:
    assert settings({"model": ["a", "a", "b"]}).models_on_command_line == ("a", "b")
    ini = settings(ini={"model": ["a"]})
    assert ini.model == ("a",)
    assert ini.models_on_command_line == ()


def test_a_bad_ini_value_names_its_key_and_the_valid_values() -> None:
    with pytest.raises(
        OptionError, match=r"ini value paddle_variant: 'gpu9:' is not a variant; write NAME or NAME:KEY=VALUE,KEY=VALUE\.$"
    ):
        settings(ini={"variant": ["cpu", "gpu9:"]})


@pytest.mark.parametrize("empty", [None, "", []])
def test_an_empty_ini_value_is_none(empty: Any) -> None:
    assert settings(ini={"threads": empty}).threads == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, []),
        ({"model": ["a"], "variant": ["onednn"], "perf_save": "x", "report": "rep"}, []),
        ({"no_diagnosis": True, "no_cache": True}, ["--paddle-no-cache", "--paddle-no-diagnosis"]),
        ({"image_size": (480, 640), "seed": 3}, ["--paddle-image-size=480x640", "--paddle-seed=3"]),
        ({"timeout": 300.0}, ["--paddle-timeout=300"]),
        ({"timeout": 0.123456789}, ["--paddle-timeout=0.123456789"]),
        ({"rtol": 1e-20, "atol": 0.0}, ["--paddle-rtol=1e-20", "--paddle-atol=0"]),
        ({"weights": "w.pdparams"}, ["--paddle-weights=/here/w.pdparams"]),
        ({"weights": "../up/./w.pdparams"}, ["--paddle-weights=/up/w.pdparams"]),
        ({"cache_size": 500 << 20, "artifacts": "kept", "output_dir": "out", "export_dir": "exp", "report": "rep"}, []),
        ({"perf_compare": Comparison("main", 0.075), "perf_save": "x"}, ["--paddle-perf-compare=main:7.5%"]),
        ({"perf_compare": Comparison("main")}, ["--paddle-perf-compare=main:15%"]),
    ],
)
def test_the_command_line_of_a_run_reads_back_as_the_same_settings(given: dict[str, Any], words: list[str]) -> None:
    made = settings(given)
    assert made.command_line() == words
    readers = {option.flag: option for option in OPTIONS}
    for word in words:
        flag, _, text = word.partition("=")
        option = readers[flag]
        assert option.is_switch or option.read(text) == getattr(made, option.attribute)
        assert not option.is_switch or getattr(made, option.attribute) is True


def test_a_path_keeps_what_leads_out_of_a_linked_directory(tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "away")
    assert settings({"weights": f"{tmp_path}/link/../w.pdparams"}).weights == f"{tmp_path}/link/../w.pdparams", "far/w.pdparams"
    assert settings({"weights": f"{tmp_path}/far/../w.pdparams"}).weights == f"{tmp_path}/w.pdparams"


def test_the_ini_files_values_are_not_repeated_on_the_command_line() -> None:
    assert settings(ini={"threads": "2"}).command_line() == []


# -- check_paths -------------------------------------------------------------------------------------------------------


def test_a_baseline_that_nobody_saved_names_those_that_are_there(tmp_path: Path) -> None:
    made = settings({"perf_compare": Comparison("mian"), "perf_dir": str(tmp_path)})
    with pytest.raises(OptionError) as caught:
        check_paths(made, used=False)
    assert str(caught.value) == (
        f"--paddle-perf-compare: there are no baselines in {tmp_path}; make one with --paddle-perf-save=mian."
    )
    for name in ("v1", "main"):
        (tmp_path / "some-machine" / name).mkdir(parents=True)
        (tmp_path / "some-machine" / name / "net--cpu.json").touch()
    with pytest.raises(OptionError, match=r"there is no baseline 'mian' in .*; the baselines are main, v1\.$"):
        check_paths(made, used=False)
    check_paths(settings({"perf_compare": Comparison("main"), "perf_dir": str(tmp_path)}), used=False)


def test_a_directory_of_baselines_that_is_a_file_is_an_option_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match=r"^--paddle-perf-compare: the baselines in .*choose another .* --paddle-perf-dir\.$"):
        check_paths(settings({"perf_compare": Comparison("main"), "perf_dir": str(tmp_path / "file")}), used=False)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"autolog": "auto_log", "perf_save": "new"},
            "--paddle-autolog=auto_log times on its own clock; leave it out where baselines are",
        ),
        (
            {"exported": "here", "export_dir": "there"},
            "--paddle-export-dir copies what the plugin exports; with --paddle-exported it",
        ),
    ],
)
def test_options_that_contradict_each_other_are_an_option_error(tmp_path: Path, given: dict[str, Any], sentence: str) -> None:
    made = replace(settings(), **{name: str(tmp_path) if "export" in name else value for name, value in given.items()})
    with pytest.raises(OptionError) as caught:
        check_paths(made, used=False)
    assert str(caught.value).startswith(sentence)


# -- read_marker -------------------------------------------------------------------------------------------------------


def test_no_marker_asks_for_everything_the_settings_say() -> None:
    assert read_marker(None, settings({"variant": ["onednn"]})) == Request(None, ("onednn",), CHECKPOINTS, {})


def test_a_marker_names_model_variants_checkpoints_and_overrides() -> None:
    made = read_marker(mark(model="m", variants=["cpu", "cpu"], checkpoints=("log",), batch_size=2, softmax=True), settings())
    assert made == Request("m", ("cpu",), ("log",), {"batch_size": 2, "softmax": "yes"})


def test_the_command_lines_variants_win_over_the_markers_but_the_ini_files_do_not() -> None:
    assert read_marker(mark(variants=["cpu"]), settings({"variant": ["onednn"]})).variants == ("onednn",)
    assert read_marker(mark(variants=["cpu"]), settings(ini={"variant": ["onednn"]})).variants == ("cpu",)


def test_input_specs_are_read() -> None:
    made = read_marker(mark(input_spec=[[None, 8], ([2], "int64", "n")]), settings())
    assert made.overrides["input_spec"] == (TensorSpec((None, 8)), TensorSpec((2,), "int64", "n"))


@pytest.mark.parametrize("key", MARKER_KEYS)
def test_none_means_not_given_for_every_key_but_the_lists(key: str) -> None:
    if key in ("variants", "checkpoints"):
        with pytest.raises(OptionError, match=f"{key}=None(: choose from| is not a list of names)"):
            read_marker(mark(**{key: None}), settings())
    else:
        assert read_marker(mark(**{key: None}), settings()) == NOTHING


def test_an_unknown_key_lists_the_right_ones() -> None:
    with pytest.raises(OptionError) as caught:
        read_marker(mark(tolerance=1, model="m"), settings())
    assert str(caught.value) == f"@pytest.mark.paddle_infer_parity: unknown key 'tolerance'; the keys are {', '.join(MARKER_KEYS)}."


# -- merge -------------------------------------------------------------------------------------------------------------

LAYERED = [
    ("batch_size", 5, 4, 3, "2", 1),
    ("softmax", "no", "yes", "no", "yes", "auto"),
    ("rtol", 0.5, 0.25, 0.125, "0.0625", None),
    ("atol", 0.5, 0.25, 0.125, "0.0625", None),
    ("weights", "/cli", "/mark", "/spec", "/ini", None),
    ("images", "/cli", "/mark", "/spec", "/ini", None),
    ("seed", 5, 4, 3, "2", 0),
    ("image_size", 5, 4, 3, "2", None),
]


@pytest.mark.parametrize(("name", "line", "mark_", "spec", "ini", "default"), LAYERED, ids=[layer[0] for layer in LAYERED])
def test_command_line_marker_spec_ini_default(name: str, line: Any, mark_: Any, spec: Any, ini: str, default: Any) -> None:
    request = Request(None, ("cpu",), CHECKPOINTS, {name: mark_})
    described = ModelSpec("mine", factory="nets:make", **{name: spec})
    read_ini = type(spec)(ini)
    for expected, base, asked, made in (
        (line, described, request, settings({name: line}, {name: ini})),
        (mark_, described, request, settings(ini={name: ini})),
        (spec, described, NOTHING, settings(ini={name: ini})),
        (read_ini, SPEC, NOTHING, settings(ini={name: ini})),
        (default, SPEC, NOTHING, settings()),
    ):
        assert getattr(merge(base, asked, made), name) == expected


def test_a_tolerance_on_the_command_line_replaces_both() -> None:
    described = ModelSpec("mine", factory="nets:make", rtol=0.1, atol=0.1)
    merged = merge(described, NOTHING, settings({"atol": 0.5}))
    assert (merged.rtol, merged.atol) == (None, 0.5)


def test_an_image_size_on_the_command_line_replaces_the_models_input_spec_but_not_the_markers() -> None:
    described = ModelSpec("mine", factory="nets:make", input_spec=[[None, 3, 32, 32]])
    assert merge(described, NOTHING, settings({"image_size": 64})).inputs == (TensorSpec((None, 3, 64, 64)),)
    asked = Request(None, ("cpu",), CHECKPOINTS, {"input_spec": (TensorSpec((None, 3, 16, 16)),)})
    assert merge(described, asked, settings({"image_size": 64})).inputs == (TensorSpec((None, 3, 16, 16)),)


def test_what_is_not_merged_stays() -> None:
    described = ModelSpec("mine", factory="nets:make", kwargs={"n": 1}, preprocess=len)
    merged = merge(described, NOTHING, settings())
    assert (merged.name, merged.kwargs, merged.preprocess) == ("mine", {"n": 1}, len)


def test_a_merge_that_cannot_be_meant_is_an_option_error() -> None:
    with pytest.raises(OptionError, match="preprocess 5 is not callable"):
        merge(SPEC, Request(None, ("cpu",), CHECKPOINTS, {"preprocess": 5}), settings())
