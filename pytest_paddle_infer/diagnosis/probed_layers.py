"""Finds the first layer that a probe network, which returns what every layer puts out, computes otherwise than the training layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pytest_paddle_infer.diagnosis.divergence import compared_layers
from pytest_paddle_infer.diagnosis.layers import GROWTH, LayerFinding, LayerSearch, as_share
from pytest_paddle_infer.diagnosis.traces import Array, Trace, distance, is_plain

PROBED = 1e-5
"""How far a float32 variant may lie from a layer, as a share of its largest value. Measured over whole networks: oneDNN lies up to 2.3e-6
away, 4.3e-6 at vgg19; with live batch norms it grows to 1e-4 at resnet50, slowly (see `GROWTH`)."""


def search_probe(
    trace: Trace,
    probed: Mapping[int, Array],
    limit: float = PROBED,
    floors: Mapping[int, float] | None = None,
) -> LayerSearch:
    """Compares what a probe network put out with the training run. probed: position in `trace.tensors` -> the variant's array.

    The first call in order whose output lies further away than `limit` and than `GROWTH` times its inputs is at fault. floors: how far
    the training layer's own tensors lie from their float64 values, where that is known; `GROWTH` floors are allowed then.
    """
    apart = {tensor: distance(array, trace.tensors[tensor]) for tensor, array in probed.items()}
    apart.update(dict.fromkeys(trace.inputs, 0.0))
    scrambled: set[int] = set()
    for tensor, array in probed.items():
        if apart[tensor] > limit and (in_order := _permuted(array, trace.tensors[tensor])) <= limit:
            apart[tensor] = in_order
            scrambled.add(tensor)
    agree, last = 0.0, None
    unmatched: list[str] = []

    def beyond(tensors: Sequence[int], given: float) -> list[int]:
        return [
            tensor for tensor in tensors
            if apart.get(tensor, 0.0) > max(limit, GROWTH * (floors or {}).get(tensor, 0.0), GROWTH * given)
        ]  # fmt: skip

    def result(finding: LayerFinding | None, reason: str = "") -> LayerSearch:
        culprit = None if finding is None else finding.layer
        compared = compared_layers(trace, apart, lambda call: bool(beyond(call.outputs, agree)), culprit)
        return LayerSearch(finding, len(trace.calls), agree, tuple(dict.fromkeys(unmatched)), reason, compared)

    def forget(tensors: Sequence[int], index: int) -> None:
        """Drops those that are wrong although a layer that is fed with them answers right: what was fetched is not what was computed."""
        for tensor in tensors:
            fed = [call for call in trace.calls[index:] if tensor in call.inputs and tensor not in call.outputs]
            outputs = [output for call in fed for output in call.outputs if output in apart]
            if any(not is_plain(trace.tensors[output]) and not beyond([output], agree) for output in outputs):
                del apart[tensor]
                unmatched.append(trace.calls[index].name)

    for index, call in enumerate(trace.calls):
        forget(beyond(call.inputs, agree), index)
        forget(beyond(call.outputs, agree), index)
        if beyond(call.inputs, agree):  # no layer made it, or that layer would have been named
            return result(LayerFinding(None, last, call, agree, verified=True))
        if not any(tensor in apart for tensor in call.outputs):
            unmatched.append(call.name)
            continue
        given = max((apart[tensor] for tensor in call.inputs if tensor in apart), default=0.0)
        worst = max(beyond(call.outputs, given), key=lambda tensor: apart[tensor], default=None)
        if worst is not None:
            return result(LayerFinding(call, last, None, given, apart[worst], (), verified=not scrambled.intersection(call.inputs)))
        unmatched += [call.name] if scrambled.intersection(call.outputs) else []
        agree, last = max([agree, *(apart[tensor] for tensor in call.outputs if tensor in apart)]), call
    if beyond(trace.outputs, agree):
        return result(LayerFinding(None, last, None, agree, verified=True))
    return result(None, f"with every layer's output fetched, all {len(trace.calls)} calls of layers agree to {as_share(agree)}.")


def _permuted(array: Array, wanted: Array) -> float:
    """Distance of the sorted values: oneDNN may hand out a tensor in its own order of memory (NHWC under a shape of NCHW)."""
    if array.shape != wanted.shape or array.ndim < 2 or array.dtype.kind != "f":
        return float("inf")
    return distance(np.sort(array, axis=None), np.sort(wanted, axis=None))
