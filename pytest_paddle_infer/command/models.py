"""`models`: the names that `--paddle-model` knows by itself. Those of a repository's hook are known to pytest only."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence

from pytest_paddle_infer.command.columns import folded, table
from pytest_paddle_infer.failures import ModelError
from pytest_paddle_infer.model_names import paddle_installed, vision_factories
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.near import near_names

SIZES: Mapping[str, float] = {
    "alexnet": 244.4, "mobilenet_v1": 17.1, "mobilenet_v2": 14.3, "mobilenet_v3_small": 10.4, "mobilenet_v3_large": 22.2,
    "shufflenet_v2_x0_25": 2.7, "shufflenet_v2_x0_33": 2.9, "shufflenet_v2_x0_5": 5.8, "shufflenet_v2_x1_0": 9.4,
    "shufflenet_v2_x1_5": 14.4, "shufflenet_v2_x2_0": 29.9, "shufflenet_v2_swish": 9.4, "squeezenet1_0": 5.1, "squeezenet1_1": 5.0,
    "googlenet": 46.2, "inception_v3": 95.8, "resnet18": 46.9, "resnet34": 87.4, "resnet50": 102.6, "resnet101": 179.0,
    "resnet152": 241.9, "wide_resnet50_2": 276.0, "wide_resnet101_2": 508.4, "resnext50_32x4d": 100.6, "resnext50_64x4d": 181.3,
    "resnext101_32x4d": 177.6, "resnext101_64x4d": 335.0, "resnext152_32x4d": 241.1, "resnext152_64x4d": 461.6,
    "densenet121": 32.7, "densenet161": 116.2, "densenet169": 57.9, "densenet201": 81.7, "densenet264": 135.9,
    "vgg11": 531.5, "vgg13": 532.2, "vgg16": 553.5, "vgg19": 574.7,
}  # fmt: skip
"""MB of the export, measured on 3.3.1 (2.6.2 writes up to 0.2 MB less); a factory that is newer has none."""


LISTS = "`pytest --paddle-model='?'`"


def chosen(pattern: str | None) -> Sequence[str]:
    """The known names, or those that a name or glob means. Raises `ModelError` with near matches for one that means none."""
    known = vision_factories()
    if pattern is None:
        return known
    found = fnmatch.filter(known, pattern)
    if not found and known:
        near = near_names(pattern, known)
        hint = f" Did you mean {near}?" if near else " `models` alone lists all of these."
        raise ModelError(f"no factory of paddle.vision.models is called {pattern!r}.{hint} Models of a conftest.py are known to pytest "
                         f"only: {LISTS} lists them.")  # fmt: skip
    return found


def lines(names: Sequence[str]) -> list[str]:
    """The table of the zoo, and how else a model can be named. Empty where Paddle is missing: then `missing` says so."""
    rows = [(name, f"{SIZES[name]:.1f}".rjust(5) if name in SIZES else "    -", _side(name)) for name in names]
    return [
        *table(("model", "   MB", "input"), rows),
        "",
        *folded("MB: size of the export. Each is a factory of paddle.vision.models, and gets seeded random weights "
        "without --paddle-weights."),
        *folded("Also: package.module:factory, path/to/file.py:factory, and the names that the "
        f"pytest_paddle_infer_models hook of a conftest.py gives; {LISTS} lists those too."),
    ]  # fmt: skip


def _side(name: str) -> str:
    side = ModelSpec(name, factory=f"paddle.vision.models:{name}").size
    return f"3 x {side} x {side}"


def known_here() -> bool:
    """False where Paddle is missing, whose zoo it is."""
    return paddle_installed() and bool(vision_factories())
