"""Details of tests, as a run leaves them in report.json, and pictures: a green run, a red one, and one of many samples."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PIL import Image, ImageDraw
from report_content import content, failed, passed, properties

from pytest_paddle_infer.details.files import Pictures
from pytest_paddle_infer.report.results import Result

Made = tuple[dict[str, Any], dict[str, dict[int, Pictures]]]
"""Content and pictures, as `to_html` takes them."""

FLOOR, LIMIT = 6.1e-07, 2.44e-06

TIMED = {
    "preprocess_ms": "1.9", "postprocess_ms": "0.11", "p99_ms": "14", "spread_ms": "0.6", "batches": "50", "batch_size": "1",
    "first_ms": "31", "load_s": "0.25", "memory_mb": "512",
}  # fmt: skip

LAYERS = [*(f"features.{block}.{part}" for block in range(9) for part in ("conv", "norm", "act")), "avgpool", "classifier"]


def details(**kept: Any) -> dict[str, Any]:
    """What `tests[i]["details"]` is."""
    return {"parity": None, "latency": None, "layers": None, **kept}


def answer(chance: random.Random, best: int, score: float) -> dict[str, Any]:
    """The five best classes."""
    scores = [score, *sorted((chance.uniform(0, (1 - score) / 2) for _ in range(4)), reverse=True)]
    classes = [best, *chance.sample([number for number in range(1000) if number != best], 4)]
    return {"top": [{"class_id": each, "score": value} for each, value in zip(classes, scores)], "margin": scores[0] - scores[1]}


def sample(index: int, error: float | None, seed: int = 0, **more: Any) -> dict[str, Any]:
    """One of `parity.samples`. The training engine's answer depends on index and seed alone."""
    chance = random.Random(f"{index} {seed}")
    trained = answer(chance, chance.randrange(1000), chance.uniform(0.4, 0.9))
    return {
        "index": index, "name": f"picture-{index:04d}.png", "input": "equal", "output": "logits", "error_relative": error,
        "limit_relative": LIMIT, "limits": None if error is None else error / LIMIT, "agreement": "agrees", "training": trained,
        "inference": trained, "answer_texts": None, "pictured": True, **more,
    }  # fmt: skip


def wrong(index: int, error: float, **more: Any) -> dict[str, Any]:
    """A sample that gets another answer."""
    return sample(
        index, error, **{"agreement": "differs", "inference": answer(random.Random(f"wrong {index}"), 7 + index % 50, 0.31), **more}
    )


def parity(samples: list[dict[str, Any]], factor: float = 1.0) -> dict[str, Any]:
    """`details.parity`; the errors of the magnitudes are `factor` floors."""
    worst = max((one["error_relative"] or 0.0 for one in samples), default=None)
    bins = [
        {
            "from_relative": 10 ** (-6 + step / 4), "to_relative": 10 ** (-5.75 + step / 4), "elements": 40 * (step + 1),
            "median_error_relative": factor * FLOOR * 10 ** ((step - 23) / 14) / 4,
            "largest_error_relative": factor * FLOOR * 10 ** ((step - 23) / 18),
        }
        for step in range(24)
    ]  # fmt: skip
    output = {
        "name": "logits", "error_relative": worst, "limit_relative": LIMIT, "noise_floor_relative": FLOOR, "magnitudes": bins,
    }  # fmt: skip
    return {"outputs": [output], "samples_compared": len(samples), "samples": samples}


def latency(middle: float, batches: int = 50, seed: int = 0) -> dict[str, Any]:
    """`details.latency` around a median of so many ms."""
    chance = random.Random(seed)

    def values(ms: float) -> list[float]:
        return sorted(
            ms * (1 + abs(chance.gauss(0, 0.05)) + (chance.random() < 0.03) * chance.random()) for _ in range(min(batches, 1000))
        )

    return {
        "batch_size": 1, "batches": batches, "inference_ms": values(middle), "training_ms": values(20.0), "preprocess_ms": values(1.9),
        "postprocess_ms": values(0.11),
    }  # fmt: skip


def layers(first: int) -> list[dict[str, Any]]:
    """`details.layers`: from number `first` on they differ."""
    found = []
    for index, name in enumerate(LAYERS):
        grown = 1e-2 * 1.1 ** (index - first)
        found.append(
            {
                "name": name, "kind": name.rpartition(".")[2].replace("conv", "Conv2D").replace("norm", "BatchNorm2D"),
                "input_relative": 0.0 if index == 0 else grown / 1.1 if index > first else 2e-7,
                "output_relative": grown if index >= first else 3e-7,
                "state": "differs" if index >= first else "agrees",
            }
        )  # fmt: skip
    found[5].update(input_relative=None, output_relative=None, state="unmatched")
    return found


def picture(index: int, size: int = 96, swapped: bool = False) -> bytes:
    """A drawn PNG, every one another; the same with red and blue swapped."""
    chance = random.Random(index)
    image = Image.linear_gradient("L").resize((size, size)).convert("RGB")
    tint = Image.new("RGB", image.size, tuple(chance.randrange(40, 255) for _ in range(3)))
    image = Image.blend(image, tint, 0.5)
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, r = chance.randrange(size), chance.randrange(size), chance.randrange(4, size // 3)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(chance.randrange(256) for _ in range(3)))
    if swapped:
        red, green, blue = image.split()
        image = Image.merge("RGB", (blue, green, red))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def noisy(index: int, size: int = 96) -> bytes:
    """A PNG that does not become smaller: the worst case for the page's size."""
    stream = io.BytesIO()
    Image.frombytes("RGB", (size, size), random.Random(index).randbytes(3 * size * size)).save(stream, "PNG")
    return stream.getvalue()


def _log(variant: str, ms: float) -> Result:
    facts = {**TIMED, "inference_ms": f"{ms:.4g}", "p50_ms": f"{ms:.4g}", "training_p50_ms": "20.4", "training_ms": "20.4"}
    told = properties("net", variant, **facts, log_file=f"/reports/today/files/net/{variant}/inference_benchmark.log")
    return Result(f"paddle-model/net::test_log[{variant}]", "passed", 1.5, told, compared=True)


def _artifacts() -> Result:
    told = properties(
        "net",
        "",
        weights="random weights, seed 0",
        artifact_bytes="4900000",
        parameters="140",
        files="inference.json inference.pdiparams",
    )
    return Result("paddle-model/net::test_artifacts", "passed", 0.7, told, compared=True)


def _judged(found: list[dict[str, Any]]) -> dict[str, str]:
    worst = max(one["error_relative"] for one in found)
    agreed = sum(one["agreement"] == "agrees" for one in found)
    return {
        "output_error": f"{worst:.3g}", "output_limit": f"{LIMIT:.3g}", "output_limits": f"{worst / LIMIT:.4g}",
        "noise_floor": f"{FLOOR:.3g}", "answers": f"{agreed}/{len(found)}", "samples": str(len(found)), "weights": "random weights, seed 0",
    }  # fmt: skip


def errors(count: int, factor: float, seed: int) -> list[float]:
    """Errors of samples, around `factor` floors."""
    chance = random.Random(seed)
    return [factor * FLOOR * 10 ** chance.uniform(-0.35, 0.15) for _ in range(count)]


def with_details(found: dict[str, Any], kept: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The content with the details of each test by the end of its id; null for the others."""
    for test in found["tests"]:
        test["details"] = kept.get(test["id"].partition("::")[2])
    return found


def green(count: int = 16, variants: tuple[str, ...] = ("cpu", "onednn", "cpu-noopt")) -> Made:
    """Content and pictures of a run in which everything holds; `cpu` is equal to the last bit."""
    samples = {
        variant: [sample(index, 0.0 if not place else error) for index, error in enumerate(errors(count, 0.6 + 0.3 * place, place))]
        for place, variant in enumerate(variants)
    }
    speeds = {variant: (18.0, 7.5, 21.0, 6.0, 30.0, 12.0)[place % 6] for place, variant in enumerate(variants)}
    results = [_artifacts(), *(_log(variant, ms) for variant, ms in speeds.items())]
    results += [passed(f"test_parity[{variant}]", variant=variant, **_judged(found)) for variant, found in samples.items()]
    kept = {
        f"test_parity[{variant}]": details(parity=parity(found, 0.5 + place))
        for place, (variant, found) in enumerate(samples.items())
    }
    kept |= {f"test_log[{variant}]": details(latency=latency(ms, seed=int(ms))) for variant, ms in speeds.items()}
    drawn = {index: Pictures(picture(index), None) for index in range(min(count, 64))}
    pictures = {f"paddle-model/net::test_parity[{variant}]": drawn for variant in variants}
    return with_details(content(*results), kept), pictures


def red(count: int = 16) -> Made:
    """Content and pictures of a run in which the deployed preprocessing swaps the channels in `cpu`, and a layer differs in `onednn`."""
    swapped = [
        (wrong if index % 3 else sample)(index, math.exp(-index / 5) * 0.02, input="differs") for index in range(count)
    ]  # fmt: skip
    off = [sample(index, 3 * LIMIT * (1 + index / 40), agreement="tie" if index == 3 else "agrees") for index in range(count)]
    facts = [
        ("weights", "random weights, seed 0"), ("stage", "preprocess"), ("input", f"{count} of {count} samples differ"),
        ("output", "logits: 998 of 1000 elements differ, by at most 0.02 of the largest value; the limit is 2.4e-06"),
        ("files", "/reports/today/files/net/cpu"), ("kept", "/reports/today/kept/net-cpu"),
    ]  # fmt: skip
    cause = "net, cpu: the inference preprocessing feeds the channels in reverse order (BGR for RGB)."
    told = tuple(("paddle_infer." + name, value) for name, value in _judged(swapped).items())
    printed = "\n".join((cause, "", *(f"  {label}: {value}" for label, value in facts)))
    one = failed(cause, *facts, text=printed)
    one = replace(one, properties=one.properties + told)
    cause = "net, onednn: starts inside features.4.conv (Conv2D): its input agrees to 2e-07, its output differs by 0.01."
    two = Result(
        "paddle-model/net::test_parity[onednn]", "failed", 6.3,
        properties("net", "onednn", ("failed", "parity"), ("fact", "stage: optimise"), cause=cause, **_judged(off)), True, cause, cause,
        again="pytest 'paddle-model/net::test_parity[onednn]'",
    )  # fmt: skip
    kept = {
        "test_parity[cpu]": details(parity=parity(swapped, 5e4)), "test_parity[onednn]": details(parity=parity(off, 12), layers=layers(12)),
        "test_log[cpu]": details(latency=latency(18.0)), "test_log[onednn]": details(latency=latency(7.5)),
    }  # fmt: skip
    pictures = {
        one.id: {index: Pictures(picture(index), picture(index, swapped=True)) for index in range(count)},
        two.id: {index: Pictures(picture(index), None) for index in range(count)},
    }
    return with_details(content(_artifacts(), one, two, _log("cpu", 18.0), _log("onednn", 7.5), exit_status=1), kept), pictures
