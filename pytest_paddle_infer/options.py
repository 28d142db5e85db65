"""Command line, ini file and marker -> one frozen `Settings`; every usage error about them is worded here.

Each option exists as `--paddle-NAME` and as ini value `paddle_NAME`. The command line wins over the marker, the marker over
the `ModelSpec`, that over the ini file, and that over the default.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_paddle_infer.failures import ModelError, OptionError
from pytest_paddle_infer.model_values import READERS, read_value
from pytest_paddle_infer.models import ModelSpec, Size, TensorSpec, softmax_choice
from pytest_paddle_infer.near import nearest
from pytest_paddle_infer.option_table import (
    CHECKPOINTS,
    MARKER,
    MARKER_KEYS,
    OPTIONS,
    Comparison,
    Option,
    variant_label,
)
from pytest_paddle_infer.store_place import no_place

NOT_REPEATED = ("model", "variant", "perf_save", "replay", "report", "artifacts", "output_dir", "export_dir", "cache_size")
"""Options without a part in what another run sees, or that its command names itself. A failed run is no baseline either, and one test
run again must not replace the report of them all; where files go, and how many are kept, changes no verdict."""


@dataclass(frozen=True)
class Settings:
    """The options of one run. `given` holds the attributes set on the command line, `from_ini` those of the ini file."""

    model: tuple[str, ...]
    variant: tuple[str, ...]
    weights: str | None
    images: str | None
    image_size: Size | None
    batch_size: int
    softmax: str
    seed: int
    threads: int
    timeout: float
    rtol: float | None
    atol: float | None
    warmup: int
    repeats: int | None
    autolog: str
    exported: str | None
    export_dir: str | None
    output_dir: str | None
    artifacts: str | None
    report: str | None
    replay: tuple[str, ...]
    cache_dir: str | None
    cache_size: int
    no_cache: bool
    teeth: bool
    no_diagnosis: bool
    diagnosis_time: float
    allow_missing: bool
    python: str | None
    perf_save: str | None
    perf_compare: Comparison | None
    perf_dir: str
    base: Path
    given: frozenset[str]
    from_ini: frozenset[str]

    @property
    def models_on_command_line(self) -> tuple[str, ...]:
        """Only the command line adds items; the ini file merely says which model is meant."""
        return self.model if "model" in self.given else ()

    def command_line(self) -> list[str]:
        """The options that another run needs to see the same again."""
        words = []
        for option in OPTIONS:
            if option.attribute not in self.given or option.attribute in NOT_REPEATED:
                continue
            if option.is_switch:
                words.append(option.flag)
            else:
                value = getattr(self, option.attribute)
                text = "x".join(map(str, value)) if type(value) is tuple else str(value)
                words.append(f"{option.flag}={text[:-2] if isinstance(value, float) and text.endswith('.0') else text}")
        return words


def read_settings(config: pytest.Config) -> Settings:
    """Merges command line, ini file and defaults. Raises `OptionError` for a bad ini value."""
    values: dict[str, Any] = {}
    given: set[str] = set()
    from_ini: set[str] = set()
    for option in OPTIONS:
        value = config.getoption(option.key)
        if value is not None:
            given.add(option.attribute)
        else:
            value = _ini_value(config, option)
            if value is None:
                value = option.default
            else:
                from_ini.add(option.attribute)
        values[option.attribute] = tuple(dict.fromkeys(value)) if option.many else value
    for name in (
        "weights",
        "images",
        "exported",
        "export_dir",
        "output_dir",
        "artifacts",
        "report",
        "cache_dir",
        "perf_dir",
        "python",
        "replay",
    ):
        if values[name] is not None:  # a path on the command line is the caller's, any other is the project's
            root = config.invocation_params.dir if name in given else config.rootpath
            paths = [_full_path(root, path) for path in (values[name] if name == "replay" else [values[name]])]
            values[name] = tuple(paths) if name == "replay" else paths[0]
    if values["autolog"] == "auto_log" and "autolog" in given and importlib.util.find_spec("auto_log") is None:
        from pytest_paddle_infer.logs.autolog import INSTALL

        raise OptionError(f"--paddle-autolog: {INSTALL}")
    return Settings(**values, base=config.invocation_params.dir, given=frozenset(given), from_ini=frozenset(from_ini))


def _full_path(root: Path, path: str) -> str:
    """The path as messages and commands show it: absolute and without `..`, where that does not lead out of a linked directory."""
    full = str(root / Path(path).expanduser())
    short = os.path.normpath(full)
    return short if os.path.realpath(short) == os.path.realpath(full) else full


def _ini_value(config: pytest.Config, option: Option) -> Any:
    raw = config.getini(option.key)
    if raw in ("", [], None):
        return None
    try:
        return [option.read(item) for item in raw] if option.many else option.read(raw)
    except OptionError as error:
        raise OptionError(f"ini value {option.key}: {error}.") from None


# -- the marker --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """What one test asks for, after the marker was merged: variants, checkpoints, and overrides of the `ModelSpec`.

    named: the variants were named for this test, on the command line or in the marker, and not by the ini file or by default.
    """

    model: str | None
    variants: tuple[str, ...]
    checkpoints: tuple[str, ...]
    overrides: Mapping[str, Any]
    named: bool = True


def read_marker(marker: pytest.Mark | None, settings: Settings) -> Request:
    """Validates the marker's arguments. Raises `OptionError` that names the valid keys or values."""
    values = {} if marker is None else dict(marker.kwargs)
    if marker is not None and marker.args:
        raise OptionError(f"@pytest.mark.{MARKER} takes keywords only, such as model={marker.args[0]!r}.")
    wrong = sorted(set(values) - set(MARKER_KEYS))
    if wrong:
        raise OptionError(
            f"@pytest.mark.{MARKER}: unknown key {', '.join(map(repr, wrong))}{_meant(wrong, list(MARKER_KEYS))}; the keys are "
            f"{', '.join(MARKER_KEYS)}."
        )
    named = "variants" in values or "variant" not in settings.from_ini
    try:
        model = values.pop("model", None)
        if model is not None and not isinstance(model, str):
            raise OptionError(f"model={model!r} is not a name")
        variants = _labels(values.pop("variants")) if "variants" in values else settings.variant
        checkpoints = _names("checkpoints", values.pop("checkpoints", CHECKPOINTS), CHECKPOINTS)
        for name in READERS:
            if values.get(name) is not None:
                values[name] = read_value(name, values[name])
        values["softmax"] = softmax_choice(values.get("softmax"))
        if values.get("input_spec") is not None:
            if not isinstance(values["input_spec"], (list, tuple)):
                raise OptionError(f"input_spec={values['input_spec']!r} is not a list with one entry an input")
            values["input_spec"] = tuple(TensorSpec.of(entry) for entry in values["input_spec"])
    except (OptionError, ModelError, TypeError) as error:
        raise OptionError(f"@pytest.mark.{MARKER}: {str(error).rstrip('.')}.") from None
    if "variant" in settings.given:
        variants, named = settings.variant, True
    return Request(model, variants, checkpoints, {k: v for k, v in values.items() if v is not None}, named)


def _labels(value: Any) -> tuple[str, ...]:
    labels = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (list, tuple)) else ()
    if not labels or not all(isinstance(label, str) for label in labels):
        raise OptionError(f"variants={value!r} is not a list of names, as for --paddle-variant")
    return tuple(dict.fromkeys(variant_label(label) for label in labels))


def _names(key: str, value: Any, valid: Sequence[str]) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (list, tuple)) else ()
    if (not names and value not in ([], ())) or any(name not in valid for name in names):
        raise OptionError(f"{key}={value!r}{_meant(names, valid)}: choose from {', '.join(valid)}; [] is none of them")
    return tuple(dict.fromkeys(names))


def merge(spec: ModelSpec, request: Request, settings: Settings) -> ModelSpec:
    """Returns `spec` as this test means it: command line > marker > spec > ini > default."""
    values: dict[str, Any] = dict(request.overrides)
    for name in ("weights", "images", "image_size", "batch_size", "softmax", "seed", "rtol", "atol"):
        if name in settings.given or (name not in values and getattr(spec, name) is None):
            values[name] = getattr(settings, name)
    if {"rtol", "atol"} & settings.given:  # a tolerance on the command line replaces the other one too
        values.update(rtol=settings.rtol, atol=settings.atol)
    if "image_size" in settings.given and "input_spec" not in request.overrides and spec.preprocess is None:
        values["input_spec"] = None  # an own preprocess makes the size that it makes, and its input_spec says which
    try:
        return replace(spec, **values)
    except ModelError as error:
        raise OptionError(str(error)) from None


def _meant(given: Iterable[Any], valid: Sequence[str]) -> str:
    """Which valid name the first wrong one may stand for, as `nearest` has it."""
    return next(filter(None, (nearest(str(each), valid) for each in given if each not in valid)), "")


def origin(settings: Settings, name: str) -> str:
    """How a message names an option: as it was given. name: the attribute."""
    return f"ini value paddle_{name}" if name in settings.from_ini else f"--paddle-{name.replace('_', '-')}"


def check_paths(settings: Settings, *, used: bool) -> None:
    """Raises `OptionError` for paths and baselines that do not exist, or places that cannot be written.

    used: this run has a model. Without one, weights and exports of the ini file are not looked at: they only describe.
    """
    if settings.autolog == "auto_log" and (settings.perf_save or settings.perf_compare):
        raise OptionError("--paddle-autolog=auto_log times on its own clock; leave it out where baselines are saved or compared.")
    if settings.python is not None and not (Path(settings.python).is_file() and os.access(settings.python, os.X_OK)):
        raise OptionError(
            f"{origin(settings, 'python')}: {settings.python} is not a program; give the python of another environment."
        )
    places = ["artifacts", "output_dir", "export_dir"]  # the report's is looked at where it is written
    if settings.cache_dir is not None and not settings.no_cache and not Path(settings.cache_dir).is_dir():
        places.append("cache_dir")  # one that is there may be read-only: it serves its entries
    places += ["perf_dir"] if settings.perf_save else []  # what is only read says itself that it has no baseline
    for name in places:
        place = getattr(settings, name)
        if place is not None and (problem := no_place(Path(place))):
            raise OptionError(f"{origin(settings, name)}: {problem}")
    for name in ("weights", "exported"):
        path = getattr(settings, name)
        if path is None or (not used and name in settings.from_ini):
            continue
        if name == "weights" and not Path(path).is_file():
            raise OptionError(f"{origin(settings, name)}: there is no file {path}.")
        if name == "exported" and not Path(path).is_dir():  # what a directory holds is the artifacts checkpoint's to say
            from pytest_paddle_infer.exports import ExportError, locate

            try:
                locate(path)
            except ExportError as error:
                raise OptionError(f"{origin(settings, name)}: {error}") from None
    if settings.exported is not None and settings.export_dir is not None:
        raise OptionError(
            "--paddle-export-dir copies what the plugin exports; with --paddle-exported it exports nothing: leave one out."
        )
    if settings.images is not None:
        from pytest_paddle_infer.samples import SampleError, find_samples

        try:
            find_samples(settings.images)
        except SampleError as error:
            raise OptionError(f"{origin(settings, 'images')}: {error}") from None
    if settings.perf_compare is not None:
        from pytest_paddle_infer.perf import PerfError, known_names, unknown_name

        directory = Path(settings.perf_dir)
        try:
            names = known_names(directory)
        except PerfError as error:
            raise OptionError(f"{origin(settings, 'perf_compare')}: {error}.") from None
        if settings.perf_compare.name not in names:
            told = unknown_name(settings.perf_compare.name, names, directory)
            raise OptionError(f"{origin(settings, 'perf_compare')}: {told}")


def check_one_model(settings: Settings, names: Sequence[str]) -> None:
    """Raises `OptionError` for weights or an export of one model where tests of several are left to run. names: of those models.

    A directory that is no export itself may hold one for each model.
    """
    for name in ("weights", "exported") if len(names) > 1 else ():
        path = getattr(settings, name)
        if path is None:
            continue
        if name == "exported":
            from pytest_paddle_infer.exports import names_one

            if not names_one(path):
                continue
        option = "" if name in settings.from_ini else f" --paddle-{name}=..."
        each = (
            "weights= in each ModelSpec"
            if name == "weights"
            else "a directory that holds one for each, as --paddle-export-dir leaves it"
        )
        raise OptionError(
            f"{origin(settings, name)} belongs to one model, and {len(names)} are chosen: {', '.join(names)}. Select one, as with "
            f"pytest {shlex.quote(f'paddle-model/{names[0]}')}{option}, or with -k; or give {each}."
        )
