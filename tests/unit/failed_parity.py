"""A failed parity to keep, as the tests of folders and of replays start from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pytest_paddle_infer.deployed.calls import told
from pytest_paddle_infer.deployed.config import Effective, Request
from pytest_paddle_infer.deployed.proof import Evidence
from pytest_paddle_infer.diagnosis.finding import Finding
from pytest_paddle_infer.evidence.record import FailedParity, judged
from pytest_paddle_infer.failures import Failure
from pytest_paddle_infer.judge.closeness import Noise
from pytest_paddle_infer.judge.noise import Floor

FLOOR = Floor(1e-6, 5e-7, "float64", 1.0)
EXACT = np.linspace(-1, 1, 10).reshape(2, 5)
TRAINED = EXACT.astype(np.float32)
OFF = TRAINED.copy()
OFF[1, 4] += 1e-3
CALLS = (told("disable_mkldnn", (), {}), told("delete_pass", ("conv_bn_fuse_pass",), {}, own=True))
EVIDENCE = Evidence(Effective("cpu", True, True, False, False, 1), True, passes=("inplace_pass",), configuration=CALLS)
REQUEST = Request("onednn:threads=2", "onednn", parameters={"threads": "2"}, threads=2)
FAILURE = Failure("tiny, onednn:threads=2: a cause.", (("weights", "tiny.pdparams"), ("output", "off by 1e-3")), "do this.")


def failed(**changes: Any) -> FailedParity:
    whole = FailedParity(
        "tiny", "onednn:threads=2", FAILURE, REQUEST, ("x",), [np.ones((2, 3, 4, 4), np.float32)], None, [TRAINED], [OFF], [EXACT],
        4, ("a.png", "b.png"), ("",), (Noise(FLOOR),), judged(("",), (Noise(FLOOR),), [TRAINED], [OFF], [EXACT], 4, 2), EVIDENCE,
        versions={"paddle_version": "3.3.1"}, finding=Finding("optimise", "A cause.", "pass", "conv_bn_fuse_pass"),
    )  # fmt: skip
    return replace(whole, **changes)
