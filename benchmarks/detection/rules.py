"""The checks that people use today, each in our own words; `True` means caught. Their sources are in README.md.

Every rule gets the same arrays: lists over samples of lists over outputs, from the training engine, the inference engine, and the
training engine in float64 (None where it cannot run so).
"""

from __future__ import annotations

import numpy as np

SINGLE = 2.0**-23


def practice(training, inference, reference):
    """TIPC, infer_python.md 2.7 with reprod_log: of the first sample class_id and prob, each |difference| <= 1e-5 in the mean.

    Where the first output is no row of scores its values are compared, likewise in the mean. NaN > 1e-5 is false, so NaN passes.
    """
    one, two = training[0][0], inference[0][0]
    if one.dtype.kind == "f" and one.ndim == 2 and one.shape[1] > 1:
        one, two = one.flatten(), two.flatten()
        pairs = [(one.argmax(), two.argmax()), (one[one.argmax()], two[two.argmax()])]
    else:
        if one.shape != two.shape:
            return True
        pairs = [(one, two)]
    with np.errstate(all="ignore"):
        differences = [np.abs(np.asarray(b, np.float64) - np.asarray(a, np.float64)).mean() for a, b in pairs if np.size(a)]
    return any(bool(difference > 1e-5) for difference in differences)


def allclose(training, inference, reference):
    """`numpy.allclose` with its defaults on all raw outputs of all samples."""
    return any(
        a.shape != b.shape or not np.allclose(b, a)
        for left, right in _samples(training, inference)
        for a, b in _outputs(left, right)
    )


def paddletest(training, inference, reference):
    """PaddleTest, `sig_fig_compare` of its inference tests with their delta of 1e-5.

    Flattened outputs; when any expected value exceeds 100, every value above 10 on both sides is first divided by a power of ten that
    depends on its own number of digits; an output that is NaN everywhere fails, a NaN among numbers does not.
    """
    for left, right in _samples(training, inference):
        for a, b in _outputs(left, right):
            wanted, found = (array.astype(np.float64).flatten() for array in (a, b))
            if wanted.size != found.size and 1 not in (wanted.size, found.size):
                return True  # numpy cannot broadcast them
            if found.size and np.isnan(found).all():
                return True
            with np.errstate(all="ignore"):
                if (np.abs(wanted) > 100).any():
                    wanted, found = _by_digits(wanted), _by_digits(found)
                if (np.abs(found - wanted) > 1e-5).any():
                    return True
    return False


def _by_digits(values):
    size = np.abs(values)
    with np.errstate(all="ignore"):
        digits = np.where(size >= 1, np.floor(np.log10(np.maximum(np.floor(size), 1))) + 1, 1)
    power = np.where(digits >= 3, digits - 2, digits - 1)
    return np.where(size > 10, values / 10.0**power, values)


def same(training, inference, reference):
    """PyTorch, `torch._dynamo.utils.same` with the tolerance of its benchmarks for float32 inference (1e-4).

    An output passes when it is close to the other engine's by 1e-4 (absolute and relative, elementwise), or else when the RMS of its
    error against float64 is at most 2 (below 1000 elements 3) times that of the other engine, plus 1e-5. Dtypes must be equal.
    """
    tolerance = 1e-4
    for number, (left, right) in enumerate(_samples(training, inference)):
        for index, (a, b) in enumerate(_outputs(left, right)):
            if a.dtype != b.dtype or a.shape != b.shape:
                return True
            with np.errstate(all="ignore"):
                one, two = (array.astype(np.float64 if a.dtype.kind != "c" else np.complex128) for array in (a, b))
                if np.allclose(two, one, rtol=tolerance, atol=tolerance):
                    continue
                exact = reference[number][index] if reference is not None else None
                if exact is None or exact.dtype != np.float64 or exact.shape != a.shape:
                    return True
                own, other = (float(np.sqrt(np.mean(np.square(exact - values)))) for values in (one, two))
                factor = 3.0 if a.size < 1000 or (a.ndim == 4 and a.shape[2:] == (1, 1)) else 2.0
                if not other <= factor * own + tolerance / 10:
                    return True
    return False


def _samples(training, inference):
    return list(zip(training, inference))


def _outputs(left, right):
    """Pairs of outputs; a number of outputs that differs stands out in every rule."""
    if len(left) != len(right):
        return [(np.zeros(2), np.full(3, 1e9))]
    return zip(left, right)


RULES = {"practice": practice, "allclose": allclose, "PaddleTest": paddletest, "same()": same}


def change(training, inference):
    """The largest difference of any output of any sample, in ulp (float32) of that output's largest value; inf for NaN or a shape."""
    worst = 0.0
    for left, right in _samples(training, inference):
        if len(left) != len(right):
            return float("inf")
        for a, b in zip(left, right):
            if a.shape != b.shape or a.dtype != b.dtype:
                return float("inf")
            if not a.size:
                continue
            if a.dtype.kind not in "fc":
                worst = worst if np.array_equal(a, b) else float("inf")
                continue
            with np.errstate(all="ignore"):
                apart = float(np.abs(b.astype(np.complex128) - a.astype(np.complex128)).max())
                scale = float(np.abs(a).max())
            if not np.isfinite(apart) or not np.isfinite(scale):
                return float("inf")
            if apart:
                worst = max(worst, apart / (2.0 ** np.floor(np.log2(scale)) * SINGLE) if scale else float("inf"))
    return worst
