"""Runs one case: by hand through both engines, for the rules, and through our checkpoints."""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import pkgutil
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import paddle
import rules
from cases import Case, Place

from pytest_paddle_infer import diagnosis, engine, judge, parity, reference  # noqa: F401
from pytest_paddle_infer.bench import RunOptions
from pytest_paddle_infer.conformance import Conformance
from pytest_paddle_infer.deployed.config import Request, make_config
from pytest_paddle_infer.engine.model import load_model
from pytest_paddle_infer.engine.processing import preprocess_of
from pytest_paddle_infer.failures import ConformanceFailure, PaddleInferError
from pytest_paddle_infer.sampling import as_samples

for room in (engine, judge, diagnosis):
    for module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
        importlib.import_module(module.name)  # now and not in every child: all cases run the same code


class Died(Exception):
    """A child process ended without an answer."""


def isolated(work, timeout, log=os.devnull):
    """Runs `work()` in a forked process of its own group and returns its value. Raises `Died` with the signal or "time limit"."""
    process = start(work, log)
    deadline = time.monotonic() + timeout
    while (answer := finished(process)) is None:
        if time.monotonic() > deadline:
            kill(process)
            raise Died(f"no end after {timeout:g} s")
        time.sleep(0.02)
    return answer[0]


def start(work, log=os.devnull):
    """Forks; `finished` tells when it is done."""
    read, write = os.pipe()
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pid = os.fork()
    if pid:
        os.close(write)
        os.set_blocking(read, False)
        return pid, read, bytearray()
    status = 1
    try:
        os.setpgid(0, 0)
        os.close(read)
        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        warnings.simplefilter("ignore")
        paddle.disable_signal_handler()
        try:
            answer = (True, work())
        except Exception as error:
            import traceback

            traceback.print_exc()
            answer = (False, f"{type(error).__name__}: {_line(error)}")
        with os.fdopen(write, "wb") as pipe:
            pickle.dump(answer, pipe)
        status = 0
    finally:
        os._exit(status)


def finished(process):
    """None while it runs, else a tuple of its answer. Raises `Died`."""
    pid, read, data = process
    try:
        while chunk := os.read(read, 1 << 20):
            data += chunk
    except BlockingIOError:
        return None
    os.close(read)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        raise Died(signal.Signals(os.WTERMSIG(status)).name)
    if not data:
        raise Died(f"exit status {os.WEXITSTATUS(status)}")
    ok, value = pickle.loads(bytes(data))
    if not ok:
        raise Died(value)
    return (value,)


def kill(process):
    pid, read, _ = process
    for end in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            end(pid, signal.SIGKILL)
    os.close(read)
    os.waitpid(pid, 0)


def _line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith(("---", "C++"))]
    return (lines or [""])[-1][:200]


# -- one case ----------------------------------------------------------------------------------------------------------


def run(case: Case, directory: Path, weights: Path) -> list[dict]:
    """Runs a case in every one of its variants; one row each."""
    directory.mkdir(parents=True)
    place = Place(directory, weights)
    setup = case.build(place)
    rows = []
    for variant in case.variants:
        begin = time.perf_counter()
        row = {"id": case.id, "variant": variant, "title": case.title, "fault": case.fault}
        try:
            arrays = isolated(lambda: by_hand(setup, variant, directory / f"by-hand-{variant}", case.threads), case.timeout,  # noqa: B023
                              str(directory / "by-hand.log"))  # fmt: skip
            row["loud"] = ""
            row["ulp"] = rules.change(*arrays[:2])
            row["rules"] = {name: bool(rule(*arrays)) for name, rule in rules.RULES.items()}
        except Died as death:
            row["loud"] = str(death)
            row["ulp"] = float("inf")
            row["rules"] = dict.fromkeys(rules.RULES, True)
        row["hand_seconds"] = time.perf_counter() - begin
        row |= ours(setup, variant, directory, case)
        row["seconds"] = time.perf_counter() - begin
        rows.append(row)
    return rows


def by_hand(setup, variant, directory, threads):
    """What somebody writes who follows the documents: (training, inference, float64 or None), lists over samples of lists of outputs."""
    spec, samples = setup.spec, setup.samples
    if not samples:
        raise ValueError("no samples")
    made = None if setup.layer else load_model(spec, samples, Path.cwd(), threads)
    layer = setup.layer() if setup.layer else made.layer
    sides = [
        [_batched(program(sample.open()), spec) for sample in samples]
        for program in (preprocess_of(spec, training=True), preprocess_of(spec))
    ]
    training = [_forward(layer, arrays) for arrays in sides[0]]
    prefix = setup.exported
    names = [item.name for item in made.inputs] if made else ["x"]
    if prefix is None:
        prefix = directory / "inference"
        specs = [
            paddle.static.InputSpec([-1 if d is None else d for d in item.shape], item.dtype, name=name)
            for item, name in zip(spec.inputs, names)
        ]
        paddle.jit.save(layer, str(prefix), input_spec=specs)
    graph = next(
        (p for p in (prefix.with_suffix(".json"), prefix.with_suffix(".pdmodel")) if p.is_file()), prefix.with_suffix(".json")
    )
    predictor = paddle.inference.create_predictor(
        make_config(str(graph), str(prefix.with_suffix(".pdiparams")), Request(variant, variant, threads=threads))
    )
    order = predictor.get_input_names()
    inference = []
    for arrays in sides[1]:
        by_name = dict(zip(names, arrays)) if set(names) == set(order) else dict(zip(order, arrays))
        for name in order:
            predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(by_name[name]))
        predictor.run()
        inference.append([predictor.get_output_handle(name).copy_to_cpu() for name in predictor.get_output_names()])
    try:
        layer._to_impl(dtype="float64", floating_only=True, include_sublayers=True)
        reference = [_forward(layer, [_widened(array) for array in arrays]) for arrays in sides[0]]
    except Exception:
        reference = None
    return training, inference, reference


def _batched(value, spec):
    arrays = list(value) if isinstance(value, (tuple, list)) else [value]
    return [a[np.newaxis] if a.ndim == len(item.shape) - 1 else a for a, item in zip(arrays, spec.inputs)]


def _forward(layer, arrays):
    with paddle.no_grad():
        return [tensor.numpy() for tensor in _flat(layer(*(paddle.to_tensor(array) for array in arrays)))]


def _flat(value, found=None):
    """Tensors in the order of an export: dicts by sorted key, a tensor once."""
    found = [] if found is None else found
    if isinstance(value, (dict, list, tuple)):
        for child in [value[key] for key in sorted(value)] if isinstance(value, dict) else value:
            _flat(child, found)
    elif not any(value is known for known in found):
        found.append(value)
    return found


def _widened(array):
    return array.astype(np.float64) if array.dtype == np.float32 else array


def options(directory, case_timeout=60.0, threads=1, exported=None):
    return RunOptions(base=Path.cwd(), workdir=directory / "work", cache_dir=directory / "cache", threads=threads,
                      timeout=case_timeout, exported=exported, output_dir=directory / "output")  # fmt: skip


def ours(setup, variant, directory, case):
    """Runs artifacts and parity, as one test each, and says which of them is red and why."""
    (directory / "work").mkdir(exist_ok=True)
    conformance = Conformance(options(directory, case.timeout, case.threads, setup.exported))
    found = {"by": [], "said": [], "died": [], "findings": []}
    for name in ("artifacts", "parity"):
        try:
            if not setup.samples:
                as_samples(())
            if name == "artifacts":
                conformance.artifacts(setup.spec, setup.samples)
            else:
                found["figures"] = [str(o.excess)[:5] for o in conformance.parity(setup.spec, variant, setup.samples).outputs]
        except PaddleInferError as error:
            found["by"].append(kind_of(name, error))
            found["said"].append(f"{name}: {error}")
            red = getattr(error, "failure", None)
            placed = (red.stage, red.kind, red.name) if red is not None else ("", "", "")
            found["findings"].append((name, *placed, str(error)))
        except Exception as error:
            found["by"].append("our own fault")
            found["said"].append(f"{name}: {type(error).__name__}: {error}")
            found["findings"].append((name, "", "", "", str(error)))
    conformance.close()
    return found


def kind_of(checkpoint, error):
    """What of ours caught it: a checkpoint, a part of parity, or "loud" for errors that nobody can overlook."""
    if not isinstance(error, ConformanceFailure):
        return "loud"
    text = str(error)
    if any(label == "step" for label, _ in error.failure.facts):  # from a worker
        preflight = ("answers the same input differently", "weights are at fault", "not in eval mode")
        if any(word in text for word in preflight):
            return "preflight"
        return "artifacts" if "jit.save wrote" in text else "loud"
    if checkpoint == "parity":
        for word, kind in (("vacuous", "vacuous"), ("preprocessing", "preprocessing"), ("sample differently", "invariance")):
            if word in text:
                return kind
        return "outputs" if error.failure.figures else "artifacts"  # the files are read before both
    return checkpoint
