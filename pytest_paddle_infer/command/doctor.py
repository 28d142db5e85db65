"""`doctor`: what is installed, which variants can run and why not the others, traps of this Paddle, the store, and what is in the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_paddle_infer import __version__
from pytest_paddle_infer.command import installed as installation
from pytest_paddle_infer.command import stored as storage
from pytest_paddle_infer.command.ask import BUILD
from pytest_paddle_infer.command.asking import Answer, ask_all
from pytest_paddle_infer.command.columns import bullets, folded, pairs
from pytest_paddle_infer.command.installed import OPTIONAL, REQUIRED, Installed
from pytest_paddle_infer.command.stored import Stored
from pytest_paddle_infer.command.traps import MEASURED, of_this
from pytest_paddle_infer.command.variants import NEEDS, available, reasons, rows_as_data, told
from pytest_paddle_infer.engine.runtime import INSTALL_HINT
from pytest_paddle_infer.option_table import BY_ATTRIBUTE

FORMAT = 1
"""Of the JSON text; raised when a key changes its meaning or goes."""

OLDEST = (2, 6)
"""The oldest Paddle that this plugin runs with."""

NEWEST_PYTHON = (3, 13)
"""The newest Python that PyPI has a wheel of Paddle for (3.3.1; for 2.6.2 it is 3.12)."""


@dataclass(frozen=True)
class Problem:
    """Something without whose remedy no checkpoint can run. Both are sentences without their full stop."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Examination:
    """Everything that doctor looked at. answers: empty where Paddle is missing."""

    installed: Installed
    stored: Stored
    answers: Mapping[str, Answer] = field(default_factory=dict)

    @property
    def build(self) -> Mapping[str, Any] | None:
        """What Paddle said of itself, if it could."""
        answer = self.answers.get(BUILD)
        return None if answer is None or answer.trouble else answer.value

    @property
    def answered(self) -> Mapping[str, Answer]:
        """Of the variants; empty where Paddle could not be asked."""
        return self.answers if self.build is not None else {}


def examine(place: Path, ask: Callable[[], Mapping[str, Answer]] = ask_all) -> Examination:
    """Looks at everything. place: of the store. Paddle is asked in a process of its own, if there is one."""
    here = installation.look()
    return Examination(here, storage.look(place), ask() if here.folder else {})


def problems(seen: Examination) -> list[Problem]:
    """What makes runs impossible."""
    here, found = seen.installed, []
    if not here.forks:
        found.append(Problem("this platform has no os.fork(), in which the engines run", "use Linux, WSL or a container"))
    found += [Problem(text, f"pip install --upgrade {text.split()[0]}") for text in here.unmet]
    if not here.folder:
        newest = ".".join(map(str, NEWEST_PYTHON))
        too_new = here.python[:2] > NEWEST_PYTHON
        remedy = f"use Python {newest} or older: PyPI has no wheel of Paddle for {here.python_text}" if too_new else INSTALL_HINT
        found.append(Problem("Paddle is not installed", remedy))
    elif seen.build is None:
        found.append(
            Problem(f"importing Paddle fails: {seen.answers[BUILD].trouble}", _after_failed_import(here, seen.answers[BUILD]))
        )
    elif _version(seen.build["paddle_version"]) < OLDEST:
        found.append(Problem(f"Paddle {seen.build['paddle_version']} is not supported", "install 2.6.2 or a release of Paddle 3"))
    if seen.stored.trouble:
        flag = BY_ATTRIBUTE["cache_dir"].flag
        found.append(
            Problem(f"no export can be kept: {seen.stored.trouble}", f"make it writable, or name another directory with {flag}")
        )
    return found


def _after_failed_import(here: Installed, answer: Answer) -> str:
    if len(here.wheels) > 1:
        return f"pip uninstall {' '.join(here.wheels)}, then install one"
    if "setuptools" in answer.trouble or "distutils" in answer.trouble:
        return "pip install setuptools"
    return f"run `{Path(here.executable).name} -c 'import paddle'`, and install Paddle again"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def lines(seen: Examination) -> list[str]:
    """The whole text."""
    here, stops = seen.installed, problems(seen)
    shown = [f"pytest-paddle-infer {__version__}", "", "installed", *pairs(_installed(seen))]
    shown += ["", "machine", *pairs(_machine(seen))]
    shown += ["", "variants"]
    if seen.answered:
        runs = (f"{name} ({NEEDS[name]})" if name in NEEDS else name for name in available(seen.answered))
        shown += pairs([("can run", ", ".join(runs) or "none")])
        refused = reasons(seen.answered)
        shown += ["  cannot run", *(f"  {line}" for line in told(refused))] if refused else []
    else:
        shown += ["  not known without Paddle"]
    traps = of_this(here)
    if traps:
        measured = MEASURED.get(here.paddle_major, "")
        shown += ["", f"traps of what is installed (measured on Paddle {measured})" if measured else "traps of what is installed"]
        shown += bullets(f"{trap.what}: {trap.remedy}." for trap in traps)
    shown += ["", "export store", *pairs(_stored(seen.stored)), ""]
    if not stops:
        return [*shown, "Nothing stands in the way of `pytest --paddle-model=NAME`."]
    shown += [f"{len(stops)} problem{'s' * (len(stops) > 1)} in the way"]
    return [
        *shown,
        *(line for stop in stops for line in (*folded(f"- {stop.what}.", 2, 2), *folded(f"to do: {stop.remedy}.", 4, 7))),
    ]


def _installed(seen: Examination) -> list[tuple[str, str]]:
    here = seen.installed
    rows = [("Python", f"{'.'.join(map(str, here.python))}, {here.executable}"), ("system", here.system), ("Paddle", _paddle(seen))]
    rows += [(name, here.packages.get(name) or "not installed") for name in REQUIRED]
    uses = {
        "pytest-xdist": "only for several processes", "auto_log": "only for --paddle-autolog=auto_log",
        "pygal": "only for the charts of --paddle-report",
    }  # fmt: skip
    return [*rows, *((name, here.packages.get(name) or f"not installed; needed {uses[name]}") for name in OPTIONAL)]


def _paddle(seen: Examination) -> str:
    here, build = seen.installed, seen.build
    if not here.folder:
        return "not installed"
    wheels = ", ".join(f"{name} {version}" for name, version in here.wheels.items()) or "no wheel of pip"
    if build is None:
        return f"{here.paddle or 'of an unknown version'} ({wheels}); it cannot be imported"
    kind = "CPU build"
    if build["with_cuda"]:
        kind = f"GPU build for CUDA {build['cuda']}, cuDNN {build['cudnn']}"
    onednn = "with" if build["with_onednn"] else "without"
    return f"{build['paddle_version']} ({wheels}), commit {build['paddle_commit'][:7]}, {kind}, {onednn} oneDNN"


FEATURES = (
    ("AVX2", ("avx2",)),
    ("AVX512", ("avx512f",)),
    ("VNNI", ("avx512_vnni", "avx_vnni")),
    ("bf16", ("avx512_bf16", "amx_bf16")),
)
"""What oneDNN asks of an x86 processor, and the flags that say so."""


def _machine(seen: Examination) -> list[tuple[str, str]]:
    machine = seen.installed.machine
    flags = set(machine.instructions.split())
    if "x86" in machine.architecture or "AMD64" in machine.architecture:
        have = [name for name, wanted in FEATURES if flags & set(wanted)]
        lack = [name for name, wanted in FEATURES if not flags & set(wanted)]
        features = ", ".join(have) + (" and no " if have and lack else "no " if lack else "") + ", ".join(lack)
    else:
        features = ", ".join(sorted(flags)) or "not known"
    rows = [("processor", machine.description), ("features", features)]
    if seen.build is None:
        return [*rows, ("GPUs", "not known without Paddle")]
    return [*rows, ("GPUs", ", ".join(seen.build["gpus"]) or "none that Paddle sees")]


def _stored(stored: Stored) -> list[tuple[str, str]]:
    limit = BY_ATTRIBUTE["cache_size"].shown
    rows = [("place", str(stored.place))]
    if not stored.exists:
        return [*rows, ("holds", "nothing yet: it is made by the first run")]
    of = f" ({', '.join(stored.models[:8])}{', ...' * (len(stored.models) > 8)})" if stored.models else ""
    count = f"{stored.exports} export{'s' * (stored.exports != 1)}{of}"
    also = f", {stored.others} other entr{'ies' if stored.others > 1 else 'y'} (references and the like)" if stored.others else ""
    return [
        *rows,
        ("holds", f"{count}{also}"),
        ("size", f"{stored.bytes / 1e6:.1f} MB; the limit is {limit} unless --paddle-cache-size says more"),
    ]


def as_data(seen: Examination) -> dict[str, Any]:
    """For `--json`; docs/how-to/ask-what-is-here.md names the keys."""
    here, build, stored, stops = seen.installed, seen.build, seen.stored, problems(seen)
    return {
        "format": FORMAT,
        "ok": not stops,
        "problems": [_sentences(stop.what, stop.remedy) for stop in stops],
        "plugin": __version__,
        "python": {"version": ".".join(map(str, here.python)), "executable": here.executable, "system": here.system},
        "packages": {name: here.packages.get(name) or None for name in (*REQUIRED, *OPTIONAL)},
        "paddle": {
            "wheels": dict(here.wheels),
            "version": (build["paddle_version"] if build else here.paddle) or None,
            "commit": (build["paddle_commit"] if build else here.commit) or None,
            "folder": here.folder or None,
            "cuda": build["cuda"] if build and build["with_cuda"] else None,
            "onednn": build["with_onednn"] if build else None,
            "gpus": list(build["gpus"]) if build else [],
        },
        "machine": {
            "processor": here.machine.processor,
            "architecture": here.machine.architecture,
            "cores": here.machine.cores,
            "instructions": here.machine.instructions.split(),
        },
        "variants": rows_as_data(seen.answered),
        "traps": [_sentences(trap.what, trap.remedy) for trap in of_this(here)],
        "store": {
            "place": str(stored.place),
            "exists": stored.exists,
            "bytes": stored.bytes,
            "exports": stored.exports,
            "others": stored.others,
            "models": list(stored.models),
        },
    }


def _sentences(what: str, remedy: str) -> dict[str, str]:
    return {"what": what, "remedy": remedy}
