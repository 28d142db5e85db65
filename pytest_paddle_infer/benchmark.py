"""The log checkpoint's measuring: memory while the engine runs, the AutoLog record, and whether the record is true."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_paddle_infer.logs.autolog import AutoLog, AutoLogError, parse_autolog
from pytest_paddle_infer.logs.autolog_check import problems

if TYPE_CHECKING:
    from pytest_paddle_infer.engine.model import LoadedModel
    from pytest_paddle_infer.engine.observed import LoadFacts, Timings

MIB = 1024 * 1024


class Memory:
    """The largest resident memory seen of a process, sampled from outside while it works, and what it takes of a GPU."""

    def __init__(self) -> None:
        self.peak = 0
        self.gpu_mb: float | None = None
        self.gpu_percent: float | None = None
        self._asked = 0.0

    def sample(self, pid: int) -> None:
        """Looks once; a process that just ended changes nothing."""
        import psutil

        try:
            self.peak = max(self.peak, psutil.Process(pid).memory_info().rss)
        except psutil.Error:
            return

    def watch(self, facts: LoadFacts) -> None:
        """Looks at the engine's process, and now and then at its GPU, while it works."""
        self.sample(facts.pid)
        if facts.effective.device == "gpu" and time.monotonic() - self._asked >= 0.5:
            self._asked = time.monotonic()
            self._sample_gpu(facts)

    def _sample_gpu(self, facts: LoadFacts) -> None:
        """Asks the driver what the process takes of a GPU, and how busy the GPU is; the most of each counts."""
        rows = _nvidia_smi("--query-compute-apps=pid,used_memory").splitlines()
        used = [
            float(memory)
            for pid, memory in (row.split(",") for row in rows if row.count(",") == 1)
            if pid.strip() == str(facts.pid)
        ]
        self.gpu_mb = max([*used, *([self.gpu_mb] if self.gpu_mb is not None else [])], default=None)
        busy = _nvidia_smi("--query-gpu=utilization.gpu", f"--id={facts.gpu}").strip()
        if busy.replace(".", "", 1).isdigit():
            self.gpu_percent = max(self.gpu_percent or 0.0, float(busy))


def make_log(model: LoadedModel, precision: str, facts: LoadFacts, timings: Timings, batch_size: int, memory: Memory) -> AutoLog:
    """Returns the record of one benchmark: configuration as read back from the engine, mean times of a batch."""
    build, effective = facts.versions, facts.effective
    stages = (timings.preprocess, timings.run, timings.postprocess)
    batches = len(timings.run)
    means = [1000 * sum(stage) / batches for stage in stages]
    shapes = [",".join(map(str, spec.shape)) for spec in model.inputs]
    fixed = all(dim is not None for spec in model.inputs for dim in spec.shape)
    return AutoLog(
        os_version=_os_version(),
        cuda_version=build["cuda"],
        cudnn_version=build["cudnn"],
        driver_version=_driver_version(),
        paddle_version=build["paddle_version"],
        paddle_commit=build["paddle_commit"],
        log_api_version="1.0",
        runtime_device=effective.device,
        ir_optim=effective.ir_optim,
        enable_memory_optim=effective.memory_optim,
        enable_tensorrt=effective.tensorrt,
        enable_mkldnn=effective.mkldnn,
        cpu_math_library_num_threads=effective.threads,
        model_name=model.spec.name,
        precision=precision,
        batch_size=batch_size,
        input_shape=" ".join(shapes) if fixed else "dynamic",
        data_num=timings.samples,
        cpu_rss_mb=memory.peak / MIB,
        gpu_rss_mb=memory.gpu_mb,
        gpu_util=memory.gpu_percent,
        total_time_s=sum(sum(stage) for stage in stages),
        preprocess_time_ms=means[0],
        inference_time_ms=means[1],
        postprocess_time_ms=means[2],
    )


def write_log(path: Path, log: AutoLog) -> None:
    """Writes the record in AutoLog's format; the file is whole or absent."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(log.to_text(), encoding="utf-8")
    part.replace(path)


def check_log(path: Path, facts: LoadFacts, timings: Timings, *, own: bool) -> tuple[AutoLog | None, list[str]]:
    """Reads the log back from the file and returns it with everything in it that is not true of the run.

    own: written by this plugin; AutoLog itself counts passes, warm-ups included, says memory optimisation is on whatever is set,
    and times on its own clock, so less can be held against it.
    """
    try:
        log = parse_autolog(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, AutoLogError) as error:
        return None, [f"{path.name}: {error}"]
    effective = facts.effective
    expected: dict[str, object] = {
        "ir_optim": effective.ir_optim,
        "enable_tensorrt": effective.tensorrt,
        "enable_mkldnn": effective.mkldnn,
        "cpu_math_library_num_threads": effective.threads,
    }
    if not own:
        return log, problems(log, device=effective.device, warmup=None, expected=expected)
    expected["enable_memory_optim"] = effective.memory_optim
    found = problems(log, device=effective.device, num_samples=timings.samples, data_num_counts="samples", expected=expected)
    spent = log.total_time_s or 0.0
    if spent > timings.total * 1.01 + 0.001:
        found.append(f"total time spent(s) is {spent:.4f}, expected at most the {timings.total:.4f} s that the run took.")
    return log, found


def _os_version() -> str:
    """ "Debian GNU/Linux 12", as AutoLog prints it."""
    release = Path("/etc/os-release")
    if release.is_file():
        pairs = (line.partition("=") for line in release.read_text(encoding="utf-8").splitlines())
        values = {key: value.strip().strip("\"'") for key, _, value in pairs}
        if values.get("NAME"):
            return f"{values['NAME']} {values.get('VERSION_ID', '')}".strip()
    return f"{platform.system()} {platform.release()}"


def _driver_version() -> str | None:
    """The NVIDIA driver's version, None without one."""
    return _nvidia_smi("--query-gpu=driver_version").split("\n", 1)[0].strip() or None


def gpu_name(facts: LoadFacts) -> str:
    """What the driver calls the GPU of an engine; empty for one on the CPU."""
    return "" if facts.effective.device != "gpu" else _nvidia_smi("--query-gpu=name", f"--id={facts.gpu}").strip()


def _nvidia_smi(*query: str) -> str:
    """What the driver's tool answers, as lines of values without units; empty without it."""
    if shutil.which("nvidia-smi") is None:
        return ""
    try:
        answer = subprocess.run(
            ["nvidia-smi", *query, "--format=csv,noheader,nounits"],
            capture_output=True, text=True, timeout=20, check=True, env=dict(os.environ, LC_ALL="C"),
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout
