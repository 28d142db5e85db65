"""variants.py and the variants of option_table.py: labels, parameters, what a repo adds, and which device `auto` means."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_paddle_infer import variants
from pytest_paddle_infer.failures import OptionError
from pytest_paddle_infer.hooks import _of_constructor
from pytest_paddle_infer.option_table import PARAMETERS, VARIANTS, split_variant, variant_label
from pytest_paddle_infer.variants import ALL, AUTO, PRECISIONS, Choice, Variant, automatic, expand, find, read_own

PROPERTY = settings(max_examples=50, deadline=None, database=None)
HOOK = "pytest_paddle_infer_variants"


def setter(config: Any) -> None:
    """A repo's own function; nobody calls it here."""


def other_setter(config: Any) -> None:
    """Another one."""


def refused(*args: Any, **named: Any) -> str:
    """The sentence with which a `Variant` of these fields is refused."""
    with pytest.raises(OptionError) as caught:
        Variant(*args, **named)
    return str(caught.value)


# -- Variant -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a:b", "a,b", "a=b", "a[b", "a]b", "tab\there", "new\nline", "\u00a0", None, 3, ("a",)]
)
def test_a_name_that_an_id_or_a_label_could_not_hold_is_refused(name: Any) -> None:
    assert refused(name) == f"{name!r} is not a name for a variant: letters, digits, '-', '_' and '.'"


@pytest.mark.parametrize("name", ["a/b", "../a", "a*b", "a(b)", "'a'", "a|b"])
def test_a_name_is_refused_for_every_sign_that_the_refusal_does_not_allow(name: str) -> None:
    assert "is not a name for a variant" in refused(name)


@pytest.mark.parametrize("name", ["mine", "onednn-nobn", "v1.2", "under_score", "CPU", "7"])
def test_letters_digits_and_the_three_signs_make_a_name(name: str) -> None:
    assert Variant(name).label == name


@pytest.mark.parametrize("base", ["", "mkldnn", "onednn:threads=2", "auto", "all", "CPU", None, 3, ["cpu"]])
def test_a_base_that_is_not_a_built_in_variant_is_refused_with_those_that_are(base: Any) -> None:
    assert refused("mine", base=base) == f"variant mine: base={base!r} is not one of {', '.join(VARIANTS)}"


@pytest.mark.parametrize("configure", ["setter", 3, {"threads": 2}, ()])
def test_a_configure_that_cannot_be_called_is_refused(configure: Any) -> None:
    assert refused("mine", configure) == f"variant mine: configure={configure!r} is not a function of the paddle.inference.Config"


@pytest.mark.parametrize("precision", ["float16", "half", "FP16", "int4", 16, ["bf16"]])
def test_a_precision_that_no_rule_knows_is_refused_with_those_that_are(precision: Any) -> None:
    assert refused("mine", precision=precision) == (
        f"variant mine: precision={precision!r} is not one of fp32, tf32, fp16, bf16, int8"
    )


def test_the_label_is_the_name_with_its_parameters_in_their_order() -> None:
    assert Variant("mine").label == "mine"
    assert Variant("onednn", parameters={"threads": "4"}).label == "onednn:threads=4"
    assert Variant("onednn", parameters={"threads": "4", "cache": "0"}).label == "onednn:threads=4,cache=0"
    assert Variant("onednn", parameters={"cache": "0", "threads": "4"}).label == "onednn:cache=0,threads=4"


@pytest.mark.parametrize("name", VARIANTS)
def test_a_built_in_variant_computes_in_what_its_name_says(name: str) -> None:
    ending = name.rpartition("-")[2]
    wanted = ending if ending in ("fp16", "bf16", "int8") else "fp32"
    assert Variant(name, base=name).computes_in == wanted
    assert Variant("mine", setter, base=name).computes_in == wanted, "the base decides, not the name"
    assert (name in PRECISIONS) is (wanted != "fp32")


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16", "int8"])
def test_the_precision_that_is_stated_wins_over_that_of_the_base(precision: str) -> None:
    assert Variant("mine", base="onednn-bf16", precision=precision).computes_in == precision


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_on_the_gpu_where_its_base_is(name: str) -> None:
    on_gpu = {"gpu", "gpu-fp16", "gpu-bf16", "tensorrt", "tensorrt-fp16", "tensorrt-int8", "cinn"}
    assert Variant("mine", base=name).on_gpu is (name in on_gpu)


def test_the_name_alone_puts_nothing_on_the_gpu() -> None:
    assert not Variant("gpu-of-mine").on_gpu
    assert Variant("gpu-of-mine-fp16").computes_in == "fp32"


def test_a_choice_is_required_unless_it_is_said_to_be_optional() -> None:
    assert not Choice("cpu").optional


# -- labels and parameters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("cpu", "cpu", {}),
        (" cpu ", "cpu", {}),
        ("onednn:threads=4", "onednn", {"threads": "4"}),
        ("onednn : threads = 4 , cache = 10", "onednn", {"threads": "4", "cache": "10"}),
        ("tensorrt:workspace=2G,shapes=auto", "tensorrt", {"workspace": "2G", "shapes": "auto"}),
    ],
)
def test_a_label_is_cut_into_name_and_parameters(text: str, name: str, parameters: dict[str, str]) -> None:
    assert split_variant(text) == (name, parameters)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ":",
        ":threads=2",
        "onednn:",
        "onednn:threads",
        "onednn:threads=",
        "onednn:=2",
        "onednn:threads=2,",
        "onednn:,threads=2",
    ],
)
def test_a_label_that_is_cut_off_is_refused_with_the_form_it_has(text: str) -> None:
    with pytest.raises(OptionError, match=r" is not a variant; write NAME or NAME:KEY=VALUE,KEY=VALUE$"):
        split_variant(text)


def test_a_parameter_that_is_given_twice_is_refused_and_none_of_its_values_dropped() -> None:
    with pytest.raises(OptionError, match="threads"):
        split_variant("onednn:threads=1,threads=2")


@PROPERTY
@given(
    st.sampled_from(VARIANTS),
    st.dictionaries(st.sampled_from(["threads", "cache", "device"]), st.integers(0, 9).map(str), max_size=3),
)
def test_a_label_that_was_printed_is_read_as_the_same_variant(name: str, parameters: dict[str, str]) -> None:
    label = Variant(name, base=name, parameters=parameters).label
    assert split_variant(label) == (name, parameters)
    assert variant_label(label) == label
    assert variant_label(label.replace(",", " , ").replace("=", " = ").replace(":", " : ")) == label


def test_every_built_in_variant_has_parameters_and_only_they_have() -> None:
    assert tuple(PARAMETERS) == VARIANTS
    assert all(PARAMETERS[name] for name in VARIANTS)


@pytest.mark.parametrize(
    ("label", "parameters"),
    [
        ("cpu", {}),
        ("cpu:threads=1", {"threads": "1"}),
        ("cpu-noopt:threads=2", {"threads": "2"}),
        ("onnxruntime:threads=2", {"threads": "2"}),
        ("openvino:threads=2", {"threads": "2"}),
        ("onednn:cache=0", {"cache": "0"}),
        ("onednn-bf16:threads=4,cache=10", {"threads": "4", "cache": "10"}),
        ("gpu:device=1,memory=100,tf32=off", {"device": "1", "memory": "100", "tf32": "off"}),
        ("gpu-fp16:device=0", {"device": "0"}),
        ("cinn:memory=1", {"memory": "1"}),
        (
            "tensorrt-int8:workspace=512M,min_subgraph=3,shapes=dynamic",
            {"workspace": "512M", "min_subgraph": "3", "shapes": "dynamic"},
        ),
    ],
)
def test_a_label_of_a_built_in_variant_is_found_with_its_parameters(label: str, parameters: dict[str, str]) -> None:
    found = find(label, {})
    assert (found.name, found.base, found.configure, found.parameters) == (label.partition(":")[0], found.name, None, parameters)
    assert found.label == label


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ("cpu:cache=1", "'cpu:cache=1': cpu has the parameters threads, not 'cache'"),
        ("onednn:device=0", "'onednn:device=0': onednn has the parameters threads, cache, not 'device'"),
        ("gpu-fp16:tf32=on", "'gpu-fp16:tf32=on': gpu-fp16 has the parameters device, memory, not 'tf32'"),
        ("cpu:threads=0", "'cpu:threads=0': threads: '0' is not a whole number from 1"),
        ("cpu:threads=2.5", "'cpu:threads=2.5': threads: '2.5' is not a whole number from 1"),
        ("onednn:cache=-1", "'onednn:cache=-1': cache: '-1' is not a whole number from 0"),
        ("gpu:device=-1", "'gpu:device=-1': device: '-1' is not a whole number from 0"),
        ("gpu:memory=0", "'gpu:memory=0': memory: '0' is not a whole number from 1"),
        ("gpu:tf32=true", "'gpu:tf32=true': tf32: 'true' is not one of on, off"),
        ("tensorrt:shapes=any", "'tensorrt:shapes=any': shapes: 'any' is not one of auto, static, dynamic"),
        (
            "tensorrt:workspace=much",
            "'tensorrt:workspace=much': workspace: 'much' is not a size; write 500M, 20G, or 0 for no limit",
        ),
        ("tensorrt:min_subgraph=0", "'tensorrt:min_subgraph=0': min_subgraph: '0' is not a whole number from 1"),
        ("mine:cache=1", "'mine:cache=1': mine has the parameters threads, not 'cache'"),
        ("fast:threads=x", "'fast:threads=x': threads: 'x' is not a whole number from 1"),
    ],
)
def test_a_parameter_that_a_variant_does_not_take_is_refused_with_those_that_it_does(label: str, sentence: str) -> None:
    with pytest.raises(OptionError) as caught:
        find(label, {"mine": Variant("mine", setter), "fast": Variant("fast", setter, base="onednn")})
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("label", "near"),
    [
        ("onedn", " (did you mean 'onednn' or 'onednn-int8' or 'onednn-bf16'?)"),
        ("your:threads=2", " (did you mean 'yours'?)"),
        ("mkldnn", ""),
        ("CPU", ""),
    ],
)
def test_an_unknown_variant_is_refused_with_the_nearest_and_all_that_there_are(label: str, near: str) -> None:
    name = label.partition(":")[0]
    with pytest.raises(OptionError) as caught:
        find(label, {"yours": Variant("yours", setter)})
    assert str(caught.value) == f"{name!r} is not a variant{near}; choose from {', '.join(VARIANTS)}, yours, auto, all"


def test_an_own_variant_takes_the_parameters_of_its_base_and_keeps_what_it_is() -> None:
    own = {"fast": Variant("fast", setter, base="onednn", precision="bf16")}
    assert find("fast", own) == own["fast"]
    assert find("fast:threads=2,cache=3", own) == Variant("fast", setter, "onednn", "bf16", {"threads": "2", "cache": "3"})
    assert own["fast"].parameters == {}, "the registered one stays as it was"


def test_parameters_that_an_own_variant_was_registered_with_are_not_dropped() -> None:
    own = {"fast": Variant("fast", setter, base="onednn", parameters={"threads": "2"})}
    assert find("fast", own).parameters == {"threads": "2"}


# -- read_own ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "returned",
    [
        [Variant("a", setter), Variant("b", other_setter)],
        (Variant("a", setter), Variant("b", other_setter)),
        {"a": setter, "b": other_setter},
        [("a", setter), ("b", other_setter)],
        [Variant("a", setter), ("b", other_setter)],
        {"a": setter, "b": other_setter}.items(),
    ],
    ids=["list", "tuple", "dict", "pairs", "mixed", "items"],
)
def test_a_list_a_tuple_a_dict_and_pairs_of_names_and_functions_say_the_same(returned: Any) -> None:
    assert read_own([returned], HOOK) == {"a": Variant("a", setter), "b": Variant("b", other_setter)}


def test_an_iterator_is_read_too() -> None:
    assert list(read_own([(Variant(name) for name in "ab")], HOOK)) == ["a", "b"]


@pytest.mark.parametrize("nothing", [None, [], (), {}])
def test_an_implementation_may_return_nothing(nothing: Any) -> None:
    assert read_own([nothing], HOOK) == {}
    assert list(read_own([nothing, [Variant("a")]], HOOK)) == ["a"]


def test_implementations_add_up_in_their_order() -> None:
    assert list(read_own([[Variant("b")], {"a": setter}, [Variant("c")]], HOOK)) == ["b", "a", "c"]


def test_one_variant_without_a_list_is_refused() -> None:
    with pytest.raises(OptionError, match=rf"^{HOOK} returned Variant\(name='a'.*\); return a list of Variant\.$"):
        read_own([Variant("a")], HOOK)


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        (["a"], "'a'"),
        ("ab", "'a'"),
        ([None], "None"),
        ([3], "3"),
        ([setter], repr(setter)),
        ([("a", setter, "cpu")], repr(("a", setter, "cpu"))),
    ],
    ids=["names", "text", "None", "number", "function", "triple"],
)
def test_entries_that_are_no_variants_are_refused(returned: Any, shown: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_own([returned], HOOK)
    assert str(caught.value) == f"{HOOK} returned {shown}; return a list of Variant, or a dict of names and functions."


@pytest.mark.parametrize("returned", [3, True, setter], ids=["number", "true", "function"])
def test_what_cannot_be_gone_through_is_refused_as_an_option_is(returned: Any) -> None:
    with pytest.raises(OptionError, match=f"^{HOOK} returned .*; return a list of Variant"):
        read_own([returned], HOOK)


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        ({"a": 3}, "variant a: configure=3 is not a function of the paddle.inference.Config"),
        ([("a", 3)], "variant a: configure=3 is not a function of the paddle.inference.Config"),
        ({"a b": setter}, "'a b' is not a name for a variant: letters, digits, '-', '_' and '.'"),
        ({3: setter}, "3 is not a name for a variant: letters, digits, '-', '_' and '.'"),
    ],
)
def test_a_dict_or_a_pair_is_checked_like_a_variant(returned: Any, sentence: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_own([returned], HOOK)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("name", [*VARIANTS, ALL, AUTO])
def test_a_name_that_is_built_in_cannot_be_given_again(name: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_own([[Variant(name, setter)]], HOOK)
    assert str(caught.value) == f"{HOOK}: {name!r} is the name of a built-in variant."


@pytest.mark.parametrize(
    "returned", [[[Variant("a"), Variant("a")]], [[Variant("a")], {"a": setter}], [[("a", setter), ("a", setter)]]]
)
def test_two_variants_of_one_name_are_refused_from_one_implementation_or_two(returned: Any) -> None:
    with pytest.raises(OptionError) as caught:
        read_own(returned, HOOK)
    assert str(caught.value) == f"{HOOK} returned two variants named 'a'."


# -- expand ------------------------------------------------------------------------------------------------------------


def test_all_is_every_built_in_variant_and_every_own_one() -> None:
    own = read_own([{"a": setter, "b": setter}], HOOK)
    assert expand(ALL, own) == [*VARIANTS, "a", "b"]
    assert expand(ALL, {}) == list(VARIANTS)


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_auto_is_the_device(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setattr(variants, "automatic", lambda: device)
    assert expand(AUTO, {}) == [device]


def test_any_other_label_stands_for_itself_if_it_is_known() -> None:
    assert expand("onednn:threads=4", {}) == ["onednn:threads=4"]
    assert expand("a", {"a": Variant("a")}) == ["a"]
    with pytest.raises(OptionError, match=r"^'a' is not a variant; choose from cpu, "):
        expand("a", {})


@pytest.mark.parametrize("name", [ALL, AUTO])
def test_names_that_stand_for_others_take_no_parameters_and_the_refusal_does_not_offer_them(name: str) -> None:
    with pytest.raises(OptionError) as caught:
        expand(f"{name}:threads=2", {})
    assert f"{name!r} is not a variant; choose from" not in str(caught.value), "it names as valid what it refuses"


# -- automatic ---------------------------------------------------------------------------------------------------------


VERSION = """# This file is generated by setup.py
full_version     = '3.3.1'
cuda_version     = '{cuda}'
cudnn_version    = 'False'
raise RuntimeError("nobody may import this")
"""


class Machine:
    """A machine with a Paddle of some kind that would not survive an import, and with GPUs or none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self._monkeypatch, self._path = monkeypatch, tmp_path
        monkeypatch.delitem(sys.modules, "paddle", raising=False)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        self.devices(True)

    def paddle(self, version: str | None) -> None:
        """Installs a package of that name; None for one without the file that says what it was built with."""
        package = self._path / "paddle"
        (package / "version").mkdir(parents=True)
        (package / "__init__.py").write_text("raise RuntimeError('nobody may import this')")
        if version is not None:
            (package / "version" / "__init__.py").write_text(version, encoding="utf-8")
        self._monkeypatch.syspath_prepend(self._path)

    def devices(self, there: bool) -> None:
        """Plugs GPUs in or takes them out."""

        def glob(path: Path, pattern: str) -> list[Path]:
            assert (path, pattern) == (Path("/dev"), "nvidia[0-9]*")
            return [Path("/dev/nvidia0")] if there else []

        self._monkeypatch.setattr(Path, "glob", glob)
        self._monkeypatch.setattr(Path, "exists", lambda path: False)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    return Machine(monkeypatch, tmp_path)


@pytest.mark.parametrize(("cuda", "device"), [("11.8", "gpu"), ("12.9", "gpu"), ("False", "cpu"), ("", "cpu")])
def test_auto_is_the_gpu_of_a_build_that_says_which_cuda_it_has(machine: Machine, cuda: str, device: str) -> None:
    machine.paddle(VERSION.format(cuda=cuda))
    assert automatic() == device
    assert "paddle" not in sys.modules


@pytest.mark.parametrize("version", [None, "", "full_version = '3.3.1'\n", "# cuda_version = '11.8'\n"])
def test_auto_is_the_cpu_of_a_build_that_does_not_say(machine: Machine, version: str | None) -> None:
    machine.paddle(version)
    assert automatic() == "cpu"


def test_auto_is_the_cpu_where_paddle_is_not_installed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert automatic() == "cpu"


@pytest.mark.parametrize(
    ("visible", "device"),
    [
        ("", "cpu"),
        (" ", "cpu"),
        ("-1", "cpu"),
        (" -1", "cpu"),
        ("-1,0", "cpu"),
        ("0", "gpu"),
        ("1,0", "gpu"),
        ("0,-1", "gpu"),
        ("GPU-8932f937", "gpu"),
    ],
)
def test_auto_heeds_which_gpus_this_process_may_see(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, visible: str, device: str
) -> None:
    machine.paddle(VERSION.format(cuda="11.8"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert automatic() == device


def test_auto_is_the_cpu_where_no_gpu_is_plugged_in_whatever_may_be_seen(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.paddle(VERSION.format(cuda="11.8"))
    machine.devices(False)
    assert automatic() == "cpu"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert automatic() == "cpu"


def test_auto_knows_the_gpu_of_a_windows_subsystem(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.paddle(VERSION.format(cuda="11.8"))
    machine.devices(False)
    monkeypatch.setattr(Path, "exists", lambda path: path == Path("/dev/dxg"))
    assert automatic() == "gpu"


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        ("Variant.__init__() missing 1 required positional argument: 'name'", True),
        ("__init__() missing 1 required positional argument: 'name'", True),  # Python 3.9
        ("Other.__init__() missing 1 required positional argument: 'name'", False),
        ("setter() takes 0 positional arguments but 1 was given", False),
    ],
)
def test_a_wrong_argument_of_a_variant_is_told_from_other_errors_of_the_hook(said: str, ours: bool) -> None:
    assert _of_constructor(TypeError(said), Variant) is ours
