"""What a diagnosis should say of each fault: the stages that are right, and words that the right cause holds.

Two stages are right where the fault may be told either way: a size baked into an export shows in its files before it shows in a run.
Rows whose fault no comparison can see are not judged; neither are controls, which are not diagnosed.
"""

from __future__ import annotations

import re
from collections import Counter

CAUSES: dict[str, tuple[str, str]] = {
    # model definition
    "B1": ("export", "softmax is missing"),
    "B1r": ("export artifacts", "softmax is missing"),
    "B2": ("export", "softmax"),
    "B3r": ("training", "eval mode|asked twice"),
    "B3s": ("export", "train mode"),
    "B5": ("artifacts", "batch-norm statistics"),
    "B6": ("training", "random|dropout"),
    "B7": ("artifacts", "never loaded|initial|another run"),
    "B8": ("artifacts", "never loaded|initial|another run"),
    "B8m": ("training", r"module\."),
    "B9": ("training", r"fc\.bias"),
    "B10": ("export", "aux"),
    "B10o": ("export", "order|holds output"),
    "B10n": ("export artifacts", "aux|outputs"),
    # to_static
    "C2": ("training", "state"),
    "C2b": ("training export", "state|set_value"),
    "C3": ("artifacts export", "batch|shape"),
    "C3l": ("artifacts export", "batch|shape"),
    "C3h": ("export run load artifacts", "shape|size|reshape"),
    "C3r": ("export load run artifacts", "reshape|dimension|shape|parameters"),
    "C4": ("training", "random"),
    "C5": ("training", "random"),
    "C5p": ("training", "random"),
    "C6": ("export", r"add|in.place|between|forward"),
    "C6c": ("export", r"clip|in.place|between|forward"),
    "C6v": ("export", r"set_value|in.place|between|forward|view|assign"),
    "C13": ("export", "hangs"),
    "C14": ("export", "float|not_to_static|NotConverted|numpy|Tensor|tensor"),
    "C15": ("optimise", "pass|interp|oneDNN|onednn"),
    "C16": ("export", "label|input|feed"),
    "C17": ("export", "this|self|forward|argument"),
    "C18": ("export", ""),
    "C20": ("export artifacts", ""),
    "F8": ("export", "output"),
    "F15d": ("optimise", "pass|interp|oneDNN|onednn"),
    # what is in the graph and in no parameter
    "K1": ("export", r"scale|factor|times|1\.01"),
    "K1s": ("export", r"scale|factor|times|1\.0000"),
    "K1t": ("export", r"scale|factor|times|1\.0000"),
    "K1b": ("export", "add|constant|bias|offset|1e-05"),
    "K2": ("export", "gelu"),
    "K4": ("export", "leaky|slope|alpha"),
    "K4r": ("export", "relu6|clip"),
    "K4h": ("export", "swish"),
    "K7": ("export", "epsilon"),
    "K13": ("export", "float16"),
    "H10": ("export", "scale|factor|times|1000"),
    "H11": ("export", r"scale|factor|times|1\.0001"),
    "H14": ("export", "float64|dtype|cast"),
    "H15": ("export", r"off by|offset|add|shift|\+ ?1|scale|constant"),
    "H15d": ("export", "int32|dtype|cast"),
    "H18": ("export artifacts", "shape|unsqueeze"),
    "H9": ("export", "element|operator|add|set_value|scale"),
    "H9s": ("export", "element|operator|add|set_value|scale"),
    "H23": ("export", r"scale|factor|times|1\.0001"),
    "H21": ("export", r"sample|operator|scale|0\.1"),
    "H22": ("export", r"sample|operator|scale|0\.1"),
    "H22s": ("export", r"sample|operator|scale|0\.001"),
    "K3": ("export", "epsilon"),
    "K11": ("export", r"temperature|scale|1\.0001|divide"),
    "K12": ("export", "float16"),
    "K12b": ("export", "bfloat16"),
    "K5": ("export", "bilinear|nearest"),
    "H19": ("export", "transpos"),
    "H20": ("export", r"off by|offset|add|shift|\+ ?1|scale|constant"),
    "H24": ("export", "input|order"),
    "I1": ("export run", "batch|neighbour|mean"),
    "Q2": ("optimise", "pass|kernel|layer|scale"),
    # artifacts
    "D1": ("artifacts", "earlier|later|step|differ"),
    "D1s": ("artifacts", "earlier|later|step|differ"),
    "D2": ("artifacts", r"pdiparams"),
    "D2t": ("artifacts", "short"),
    "D2e": ("artifacts", "empty"),
    "D2m": ("artifacts", "bit|fc"),
    "D2l": ("artifacts", "bit|fc"),
    "D2h": ("artifacts", "pdiparams|damaged|header"),
    "D2j": ("artifacts", "behind"),
    "D3": ("artifacts", "no export|missing"),
    "D3p": ("artifacts", "missing"),
    "D4a": ("artifacts", "another|architecture|belongs"),
    "D4b": ("artifacts", "another run|never loaded|initial"),
    "D4w": ("artifacts", "pdparams"),
    "D5": ("artifacts load", "Paddle 3"),
    "D9": ("artifacts", "does not parse"),
    "D9g": ("artifacts", "does not parse"),
    "J4": ("artifacts", "differ"),
    "D10": ("artifacts", r"features\.3"),
    "D10s": ("artifacts", r"features\.3"),
    "D8": ("artifacts", r"swap|features\.[47]"),
    "F13b": ("artifacts", "bfloat16"),
    "F13i": ("artifacts", "int8|quanti|steps"),
    # the comparison
    "H1": ("training", "NaN|nan"),
    "H1b": ("training", "NaN|nan"),
    "H1c": ("training", "NaN|nan"),
    "H1i": ("artifacts", r"fc\.bias|fc"),
    "H1g": ("export", "nan|NaN"),
    "H1f": ("export", r"overflow|Inf|inf|3e\+38"),
    "H2": ("export", "gain|scale|factor|temperature|1000"),
    "H2d": ("preprocess", "std|standard|normalis"),
    "V1": ("comparison", "vacuous"),
    "V2": ("comparison", "vacuous"),
    "F27": ("training comparison", "sample"),
    "J8": ("training", "static mode"),
    "J1": ("preprocess", "SIGSEGV"),
    "J9": ("preprocess", "hang"),
    # preprocessing
    "E1": ("preprocess", "BGR|reverse order"),
    "E2": ("preprocess", "nearest"),
    "E2c": ("preprocess", "bicubic"),
    "E3": ("preprocess", "antialias"),
    "E3L": ("preprocess", "antialias"),
    "E4": ("preprocess", "square"),
    "E5": ("preprocess", "crop"),
    "E6": ("preprocess", "normalis"),
    "E6s": ("preprocess", r"0\.5"),
    "E6o": ("preprocess", "BGR|order|revers"),
    "E6r": ("preprocess", "mean|round"),
    "E7": ("preprocess", "255"),
    "E7t": ("preprocess", "255"),
    "E7d": ("preprocess", "256"),
    "E8d": ("preprocess", "float16"),
    "E9": ("preprocess", "reshape"),
    "E9n": ("preprocess", "NHWC|transpos"),
    "E9m": ("preprocess", "mirror"),
    "E9s": ("preprocess", "crop"),
    "E10": ("preprocess", "float64"),
    "E10u": ("preprocess", "uint8"),
    "E10i": ("preprocess", "int64"),
    "E11": ("preprocess", "EXIF|orientation"),
    "E12r": ("preprocess", "RGBA|alpha|mode|4|convert"),
    "E12g": ("preprocess", "grey|mode|convert|shape"),
    "E13": ("preprocess", "letterbox|aspect"),
    "E13s": ("preprocess", "letterbox|aspect"),
    "E13c": ("preprocess", "letterbox|aspect"),
    "E14": ("preprocess", "pads .*right.* around"),
    "E14c": ("preprocess", "pads around .*right"),
    "E15": ("preprocess", "pads with 0 .*114"),
    "E15m": ("preprocess", "pads with 128 .*114"),
    "E15b": ("preprocess", "before the normalisation .* after"),
    "E15a": ("preprocess", "after the normalisation .* before"),
    "E16": ("preprocess", "leaves out the padding"),
    "E16a": ("preprocess", "pads to"),
    "E17": ("preprocess", "align_corners"),
    "E17a": ("preprocess", "align_corners"),
    "E18": ("preprocess", "JPEG .*75"),
    "E18a": ("preprocess", "JPEG .*95"),
    "E19": ("preprocess", r"gamma of 2\.2"),
    "E19a": ("preprocess", r"leaves out the gamma of 0\.4"),
    "E19f": ("preprocess", r"gamma of 2\.2 .*before it resizes"),
    "E20": ("preprocess", r"reducing_gap=1\.0"),
    "E20d": ("preprocess", r"reducing_gap=2\.0"),
    "H25": ("postprocess", "transposed"),
    "H25p": ("postprocess", "swaps|reverse order"),
    "H26": ("postprocess", "gives 1 .*every time"),
    "F10w": ("preprocess", "48"),
    "E1g": ("preprocess comparison", "BGR|reverse order|vacuous"),
    "A2": ("preprocess comparison", "BGR|reshape|vacuous"),
    "A4": ("preprocess", "nowhere|No such"),
    "H5": ("preprocess", "BGR|reverse order"),
    "H5s": ("preprocess", "255"),
    "H5o": ("export", "epsilon"),
}
"""Case -> (right stages, regular expression that the first line of the right cause matches)."""

NONE = "none named"


def judged(row):
    """Adds to a row of a caught fault: the stage that was named, whether it is right, and "right", "not found" or "wrong" for the cause.

    Where both checkpoints are red the parity's diagnosis counts; a wrong stage in either is a wrong accusation.
    """
    stages, words = CAUSES[row["id"]]
    told = row["findings"]
    _, stage, kind, name, title = told[-1]
    cause = title.partition(": ")[2] or title
    right = stage in stages.split() or (not stage and "training" in stages)  # a usage error of the session has no stage
    row["stage"], row["stage_right"] = stage or NONE, right
    row["cause"] = "right" if re.search(words, f"{cause} {name}") and right else "not found" if not kind else "wrong"
    row["accused"] = row["cause"] == "wrong" or any(other and other not in stages.split() for _, other, *_ in told)


def print_confusion(rows):
    """Prints which stage was named for faults of which stage, and the shares that the bars are about."""
    caught = [row for row in rows if row["fault"] and "broken" not in row and row["by"]]
    for row in caught:
        judged(row)
    if not caught:
        return
    table = Counter((CAUSES[row["id"]][0].split()[0], row["stage"]) for row in caught)
    wanted = [
        stage for stage in dict.fromkeys(value[0].split()[0] for value in CAUSES.values()) if any(w == stage for w, _ in table)
    ]
    named = sorted({stage for _, stage in table}, key=lambda stage: (stage == NONE, stage))
    print("\nDiagnosis: rows are where the fault is, columns where it was said to be\n")
    print("| | " + " | ".join(named) + " |\n|" + "---|" * (len(named) + 1))
    for stage in wanted:
        print(f"| {stage} | " + " | ".join(str(table[stage, other] or "") for other in named) + " |")
    count = len(caught)
    print()
    for what, number, bar in (
        ("right stage", sum(row["stage_right"] for row in caught), ">= 95 %"),
        ("right cause", sum(row["cause"] == "right" for row in caught), ">= 85 %"),
        ("wrong accusations", sum(row["accused"] for row in caught), "<= 2 %"),
    ):
        print(f"{what}: {number} of {count}, {100 * number / count:.1f} % (bar {bar})")
    for row in caught:
        if not row["stage_right"] or row["cause"] != "right" or row["accused"]:
            marks = ", ".join(mark for mark, on in (("WRONG STAGE", not row["stage_right"]), (f"cause {row['cause']}", True)) if on)
            print(f"- {row['id']} {row['variant']} [{marks}] {' || '.join(': '.join(map(str, told)) for told in row['findings'])}")
