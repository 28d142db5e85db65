"""What this machine is: what kernels are chosen by, and what their speed depends on. No numpy and no paddle; anyone may call it."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

KERNEL_VARIABLES = ("FLAGS_", "ONEDNN_", "DNNL_", "MKL_", "OMP_", "KMP_", "GOMP_", "OPENBLAS_")

INSTRUCTION_SETS = re.compile(r"(?:s?sse|avx|amx|fma|f16c|bmi|asimd|neon|sve|sme[2bfi]|bf16|i8mm|fphp|vsx|rvv)\w*")
"""Names of the processor's flags that kernels are chosen by. The other flags are left out: a newer Linux lists more of them on the
same processor. Plain `sme` too: on x86 it is the encryption of memory."""

_CPUINFO = Path("/proc/cpuinfo")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def processor() -> str:
    """SHA-256 of what the kernels are chosen by: the processor's model and instruction sets, and the libraries' variables."""
    told = [line for line in _first_processor() if not line.startswith(("cpu MHz", "bogomips"))]
    told += sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith(KERNEL_VARIABLES))
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


@dataclass(frozen=True)
class Machine:
    """What times depend on that no option sets: two machines with the same facts are one machine for a baseline.

    cores: processors that this process may use, which is fewer under an affinity mask or a container's quota, and may be a
    fraction. instructions: sorted instruction sets, separated by blanks. gpu: name of the GPU, "" for none.
    Threads are an option and belong to the workload; Paddle's version is what people compare, and is recorded with each run.
    """

    processor: str
    instructions: str
    cores: float
    architecture: str
    gpu: str = ""

    @property
    def name(self) -> str:
        """Short name, good for a directory: `amd-epyc-2c-1a2b3c4d`; the last word is a hash of all the facts."""
        facts = "\n".join((self.processor, self.instructions, f"{self.cores:g}", self.architecture, self.gpu))
        words = re.sub(r"\((?:r|tm)\)|\b(?:cpu|processor)\b", " ", f"{self.processor} {self.gpu}".lower())
        short = re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:40].strip("-")
        return f"{short or 'unknown'}-{self.cores:g}c-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"

    @property
    def description(self) -> str:
        """For people: `AMD EPYC, x86_64, 2 cores`."""
        cores = "1 core" if self.cores == 1 else f"{self.cores:g} cores"
        return ", ".join(part for part in (self.processor, self.architecture, cores, self.gpu) if part)


def this_machine(gpu: str = "") -> Machine:
    """Returns the facts of this machine; gpu: the name of the GPU that the engines use, if any."""
    told = {}
    for line in _first_processor():
        key, colon, value = line.partition(":")
        if colon:
            told[key.strip().lower()] = value.strip()
    flags = (told.get("flags") or told.get("features") or told.get("isa") or "").lower().split()
    parts = [told[key] for key in ("cpu implementer", "cpu variant", "cpu part") if key in told]
    model = told.get("model name") or ("arm " + " ".join(parts) if parts else "") or platform.processor() or platform.machine()
    instructions = sorted({flag for flag in flags if INSTRUCTION_SETS.fullmatch(flag)})
    return Machine(model, " ".join(instructions), _cores(), platform.machine(), gpu)


def _first_processor() -> list[str]:
    try:
        return _CPUINFO.read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0].splitlines()
    except OSError:
        return [platform.processor()]


def _cores() -> float:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text(encoding="ascii").split()
        return min(float(count), round(int(quota) / int(period), 2))
    except (OSError, ValueError, ZeroDivisionError):  # no container, no limit ("max 100000"), or the older cgroups
        return float(count)
