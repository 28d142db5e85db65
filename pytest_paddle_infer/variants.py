"""Variants as data: names, parameters, what each computes in. Known without Paddle; `deployed/` gives them their meaning."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, NamedTuple

from pytest_paddle_infer.failures import OptionError
from pytest_paddle_infer.option_table import PARAMETERS, VARIANTS, split_variant

ALL, AUTO = "all", "auto"
"""Names that stand for others: every known variant, and the device that this build and machine have."""

PRECISIONS: Mapping[str, str] = {
    "onednn-bf16": "bf16",
    "onednn-int8": "int8",
    "gpu-fp16": "fp16",
    "gpu-bf16": "bf16",
    "tensorrt-fp16": "fp16",
    "tensorrt-int8": "int8",
}
"""What a built-in variant computes in, where it is not fp32."""


@dataclass(frozen=True)
class Variant:
    """A configuration of the inference engine, for the hook `pytest_paddle_infer_variants`.

    name: as `--paddle-variant` calls it.
    configure: receives the `paddle.inference.Config` after the settings of `base`.
    base: the built-in variant that it starts from.
    precision: "fp32", "fp16", "bf16", "int8" or "tf32", which decides how far it may round; by default that of `base`.
    parameters: those behind the colon of `--paddle-variant=NAME:KEY=VALUE`, which must be parameters of `base`.

    Raises `OptionError` for a value that cannot be meant.
    """

    name: str
    configure: Callable[[Any], Any] | None = None
    base: str = "cpu"
    precision: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or re.fullmatch(r"[A-Za-z0-9_.-]+", self.name) is None:
            raise OptionError(f"{self.name!r} is not a name for a variant: letters, digits, '-', '_' and '.'")
        if self.base not in VARIANTS:
            raise OptionError(f"variant {self.name}: base={self.base!r} is not one of {', '.join(VARIANTS)}")
        if self.configure is not None and not callable(self.configure):
            raise OptionError(f"variant {self.name}: configure={self.configure!r} is not a function of the paddle.inference.Config")
        if self.precision and self.precision not in (known := ("fp32", "tf32", "fp16", "bf16", "int8")):
            raise OptionError(f"variant {self.name}: precision={self.precision!r} is not one of {', '.join(known)}")

    @property
    def label(self) -> str:
        """The name with its parameters, as ids and reports show it: `onednn:threads=4`."""
        return self.name + (":" + ",".join(f"{k}={v}" for k, v in self.parameters.items()) if self.parameters else "")

    @property
    def computes_in(self) -> str:
        """The precision."""
        return self.precision or PRECISIONS.get(self.base, "fp32")

    @property
    def on_gpu(self) -> bool:
        """True when its base runs on a GPU, so that its process must be started afresh: CUDA does not survive a fork."""
        return self.base.startswith(("gpu", "tensorrt", "cinn"))


class Choice(NamedTuple):
    """A variant of one run. optional: chosen by `all` or the ini file, so that where it cannot run it is skipped, and not failed."""

    label: str
    optional: bool = False


def find(label: str, own: Mapping[str, Variant]) -> Variant:
    """Returns the variant of a label. Raises `OptionError` that names the valid names or parameters."""
    name, parameters = split_variant(label)
    if name in (AUTO, ALL):
        raise OptionError(
            f"{label!r}: {name} stands for other variants and takes no parameters; name the variant that they are for"
        )
    variant = own.get(name) or (Variant(name, base=name) if name in VARIANTS else None)
    if variant is None:
        from pytest_paddle_infer.near import nearest

        known = (*VARIANTS, *own, AUTO, ALL)
        raise OptionError(f"{name!r} is not a variant{nearest(name, known)}; choose from {', '.join(known)}")
    parameters = {**variant.parameters, **parameters}
    allowed = PARAMETERS[variant.base]
    for key, value in parameters.items():
        if key not in allowed:
            raise OptionError(f"{label!r}: {name} has the parameters {', '.join(allowed)}, not {key!r}")
        try:
            allowed[key](value)
        except OptionError as error:
            raise OptionError(f"{label!r}: {key}: {error}") from None
    return replace(variant, parameters=parameters)


def read_own(returned: Any, hook: str) -> dict[str, Variant]:
    """Reads what implementations of the hook returned, by name. Raises `OptionError`."""
    found: dict[str, Variant] = {}
    for given in returned:
        entries = [Variant(name, function) for name, function in given.items()] if isinstance(given, Mapping) else given or ()
        if isinstance(entries, Variant):
            raise OptionError(f"{hook} returned {entries!r}; return a list of Variant.")
        if not isinstance(entries, Iterable):
            raise OptionError(f"{hook} returned {entries!r}; return a list of Variant, or a dict of names and functions.")
        for entry in entries:
            variant = Variant(*entry) if isinstance(entry, tuple) and len(entry) == 2 else entry
            if not isinstance(variant, Variant):
                raise OptionError(f"{hook} returned {entry!r}; return a list of Variant, or a dict of names and functions.")
            if variant.name in (*VARIANTS, ALL, AUTO):
                raise OptionError(f"{hook}: {variant.name!r} is the name of a built-in variant.")
            if variant.name in found:
                raise OptionError(f"{hook} returned two variants named {variant.name!r}.")
            found[variant.name] = variant
    return found


def expand(label: str, own: Mapping[str, Variant]) -> list[str]:
    """Returns the labels that a label stands for. Raises `OptionError` for one that is not known."""
    if label == ALL:
        return [*VARIANTS, *own]
    if label == AUTO:
        return [automatic()]
    return [find(label, own).label]


def automatic() -> str:
    """`gpu` where this build of Paddle and this machine have one, else `cpu`; told without importing Paddle, which takes seconds."""
    return "gpu" if _built_with_cuda() and _sees_a_gpu() else "cpu"


def _built_with_cuda() -> bool:
    from importlib.util import find_spec

    spec = find_spec("paddle")
    for place in (spec.submodule_search_locations if spec else None) or ():
        path = Path(place) / "version" / "__init__.py"
        if path.is_file():
            match = re.search(r"^cuda_version\s*=\s*'([^']*)'", path.read_text(encoding="utf-8"), re.MULTILINE)
            return match is not None and match[1] not in ("", "False")
    return False


def _sees_a_gpu() -> bool:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and (not visible.strip() or visible.strip().startswith("-1")):
        return False
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()
