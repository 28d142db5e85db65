"""Shows what pytest-paddle-infer kept, with numpy and paddle alone. Exit status 1: it differs or raises; 0: not; 2: nothing is told."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import paddle.inference

HERE = Path(__file__).resolve().parent
MODEL = HERE / ("model/inference.json" if (HERE / "model/inference.json").is_file() else "model/inference.pdmodel")
KEPT, TOLD = (json.loads((HERE / name).read_text("utf-8")) for name in ("verdict.json", "configuration.json"))


def arrays(name: str, kind: str = "output") -> dict[int, Any]:
    kept = np.load(HERE / name) if (HERE / name).is_file() else {}  # never a pickle
    return {int(key.partition(".")[0].rpartition("_")[2]): kept[key] for key in kept if key.rpartition("_")[0] == kind}


def compare(ours: Any, trained: Any, exact: Any, told: Any) -> tuple[float, float, float]:  # how many limits, difference, its limit
    worst, count = (0.0, 0.0, 0.0), len(told["limits"])
    if ours.shape != trained.shape or ours.dtype != trained.dtype or not (np.isfinite(ours).all() and np.isfinite(trained).all()):
        return np.inf, np.nan, 0.0
    if ours.dtype.kind not in "fc" and not told["rule"].get("integers"):
        return np.inf if (ours != trained).any() else 0.0, float((ours != trained).sum()), 0.0
    for row, limit in enumerate(told["limits"] if ours.size else []):  # each sample has its own scale
        mine, base = (s if count < 2 else np.split(s, count)[row] for s in (ours, exact if limit["float64"] else trained))
        apart = np.abs(np.subtract(mine, base, dtype=complex if ours.dtype.kind == "c" else float)).ravel()
        allowed = float(limit["maximum"]) + float(told["rule"].get("rtol", 0)) * np.abs(base).ravel()
        far = np.divide(apart, allowed, out=np.where(apart == 0, 0, np.inf), where=allowed > 0)
        at, rms = int(far.argmax()), np.sqrt(np.mean(apart**2)) / float(limit["rms"]) if apart.any() else 0.0
        worst = max(worst, (max(float(far[at]), float(rms)), *(float(each[at]) / limit["scale"] for each in (apart, allowed))))
    return worst


then, now, own = KEPT["versions"].get("paddle_version") or "?", paddle.__version__, ("enable_memory_optim", "enable_new_executor")
print(f"kept for: {KEPT['cause']}", f"Paddle {then} then, {now} now", sep="\n")
print(f"figures of the kept samples alone, from number {KEPT['samples']['first']} on:", *KEPT["samples"]["names"][:8], flush=True)
if (gone := ", ".join(name for name in KEPT["files"] if not (HERE / name).is_file())) or (MODEL.suffix, now[0]) == (".json", "2"):
    print(f"missing here: {gone}." if gone else "a .json graph is Paddle 3's; Paddle 2 dies of SIGSEGV when it loads one.")
    raise SystemExit(2)
trained, exact, fed, lost = arrays("training.npz"), arrays("reference.npz"), arrays("inputs.npz", "input"), TOLD["not_repeatable"]
config, names = paddle.inference.Config(str(MODEL), str(MODEL.with_suffix(".pdiparams"))), [item["name"] for item in KEPT["inputs"]]
for line in (call["line"] for call in TOLD["calls"] if call["line"] and (then[0] == now[0] or call["call"] not in own)):
    try:
        print((eval(line, {**vars(paddle.inference), "config": config}), line)[1])
    except (AttributeError, TypeError) as error:
        lost.append(f"{line}: {error}")
config.disable_glog_info()
print(*(f"left out: {line}" for line in lost), "over its largest value: difference     limit   x limit", sep="\n", flush=True)
for number, name in enumerate((predictor := paddle.inference.create_predictor(config)).get_input_names()):
    predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(fed[names.index(name) if name in names else number]))
differs = (predictor.run(), bool(trained) and len(predictor.get_output_names()) != len(trained))[1]
for (number, left), told, name in zip(trained.items(), KEPT["outputs"], predictor.get_output_names()):
    differs |= (far := compare(ours := predictor.get_output_handle(name).copy_to_cpu(), left, exact.get(number), told))[0] > 1
    of = f"{far[1]:>10.3g}{far[2]:>10.2g}{far[0]:>10.3g}" if ours.shape == left.shape else f" {ours.shape} for {left.shape}"
    print(f"output {told['name'] or number!s:<17}{of}{'  DIFFERS' * (far[0] > 1)}")
why = "what failed is not in these outputs" if KEPT["shows"] == "nothing" else "something was left out" if lost else ""
print("it differs." if differs else f"{why}, so this run tells nothing." if why else "it runs, and nothing differs.")
raise SystemExit(1 if differs else 2 * bool(why))
