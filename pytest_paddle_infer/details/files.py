"""The folder in which one checkpoint leaves its details, for the process that writes the report. No numpy: that process may lack it.

DETAILS is JSON and comes last, so that a folder that has it is whole: `{"format": 1, PART: ...}` with the parts of the report's `details`.
INDEX-training.png is the picture of a sample, INDEX-inference.png beside it what the other engine was fed, where that differs.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pytest_paddle_infer.failures import PaddleInferError
from pytest_paddle_infer.perf import as_filename

DETAILS = "details.json"

FORMAT = 1

PARTS: Mapping[str, type] = {"parity": dict, "latency": dict, "layers": list}


class Pictures(NamedTuple):
    """PNG files of one sample, of at most 96 x 96 pixels: what each engine was fed. inference: None where that is the very same tensor."""

    training: bytes
    inference: bytes | None


class DetailsError(PaddleInferError, ValueError):
    """A folder that is missing or damaged; the sentence names it."""


@dataclass(frozen=True)
class Details:
    """What a checkpoint left."""

    parts: Mapping[str, Any]
    pictures: Mapping[int, Pictures]


def write(root: Path, name: str, parts: Mapping[str, Any], pictures: Mapping[int, Pictures] | None = None) -> Path:
    """Makes a folder below `root` and returns it. name: the model and the variant, for people. Raises `OSError`."""
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{as_filename(name)}-", dir=root))
    for index, pair in (pictures or {}).items():
        for side, file in zip(("training", "inference"), pair):
            if file is not None:
                (folder / f"{index}-{side}.png").write_bytes(file)
    text = json.dumps({"format": FORMAT, **parts}, allow_nan=False)
    part = folder / f"{DETAILS}.part"
    part.write_text(text, encoding="utf-8", errors="backslashreplace")
    part.replace(folder / DETAILS)
    return folder


def read(folder: Path) -> Details:
    """Returns what is there. Raises `DetailsError`."""
    try:
        told = json.loads((folder / DETAILS).read_text(encoding="utf-8"))
        pictures = {}
        for path in folder.glob("*-training.png"):
            other = folder / path.name.replace("training", "inference")
            fed = Pictures(path.read_bytes(), other.read_bytes() if other.is_file() else None)
            pictures[int(path.name.partition("-")[0])] = fed
    except FileNotFoundError:
        raise DetailsError(f"{folder} is not there") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DetailsError(f"{folder / DETAILS} cannot be read ({error})") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise DetailsError(f"{folder / DETAILS} cannot be read (it is of another format)")
    return Details({name: told[name] for name, kind in PARTS.items() if isinstance(told.get(name), kind)}, pictures)
