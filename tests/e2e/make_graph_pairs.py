"""Makes DIR/NAME/{own,given}/inference.* for pairs of tiny nets that differ in one thing, and DIR/NAME/names.json of the first.

python make_graph_pairs.py DIR
"""

import json
import sys
from pathlib import Path

import paddle
import paddle.nn.functional as F
from paddle import nn


class Net(nn.Layer):
    """float32[N, 6] -> float32[N, 4]; the keywords are what one of two exports has differently."""

    def __init__(self, kind="relu", **has):
        super().__init__()
        self.one, self.two, self.aux = nn.Linear(6, 16), nn.Linear(16, 4), nn.Linear(16, 4)
        self.norm = nn.LayerNorm(16, epsilon=has.get("epsilon", 1e-5))
        self.kind, self.has = kind, has

    def forward(self, x):
        y = self.norm(self.one(x))
        if self.kind == "gelu":
            y = F.gelu(y, approximate=self.has["approximate"])
        elif self.kind == "leaky":
            y = F.leaky_relu(y, self.has["slope"])
        elif self.kind == "relu6":
            y = F.relu6(y)
        else:
            y = F.relu(y)
        if self.has.get("half", False):
            y = y.astype("float16").astype("float32")
        z = y.max(axis=0, keepdim=True) + 0.0 * y if self.has.get("batch", False) else y
        if self.has.get("heads") == "swapped":
            return self.aux(z), self.two(z)
        if self.has.get("heads") == "both":
            return self.two(z), self.aux(z)
        if self.has.get("heads") == "aux":
            return self.aux(z)
        y = self.two(z) * self.has.get("gain", 1.0)
        if self.has.get("added", False):
            y = y + paddle.ones([1])
        if "minus" in self.has:
            y = y - self.aux(z) if self.has["minus"] else self.aux(z) - y
        for _ in range(self.has.get("softmax", 0)):
            y = F.softmax(y, axis=-1)
        return y


class Two(nn.Layer):
    """Two inputs, which the export may take the other way round."""

    def __init__(self, swapped=False):
        super().__init__()
        self.one, self.two, self.swapped = nn.Linear(6, 4), nn.Linear(6, 4), swapped

    def forward(self, left, right):
        if self.swapped:
            return self.one(right) + F.relu(self.two(left))
        return self.one(left) + F.relu(self.two(right))


class Reordered(Net):
    """`Net(heads="both")` whose second head is computed first: the same answers."""

    def forward(self, x):
        y = F.relu(self.norm(self.one(x)))
        other = self.aux(y)
        return self.two(y), other


PAIRS = {
    "same": (Net, Net),
    "reordered": (lambda: Net(heads="both"), Reordered),
    "gelu": (lambda: Net("gelu", approximate=False), lambda: Net("gelu", approximate=True)),
    "leaky": (lambda: Net("leaky", slope=0.01), lambda: Net("leaky", slope=0.1)),
    "relu6": (Net, lambda: Net("relu6")),
    "epsilon": (lambda: Net(epsilon=1e-6), Net),
    "half": (Net, lambda: Net(half=True)),
    "softmax missing": (lambda: Net(softmax=1), Net),
    "softmax twice": (lambda: Net(softmax=1), lambda: Net(softmax=2)),
    "gain": (Net, lambda: Net(gain=1.01)),
    "small gain": (Net, lambda: Net(gain=1.000004)),
    "in place dropped": (lambda: Net(added=True), Net),
    "minus": (lambda: Net(minus=True), lambda: Net(minus=False)),
    "heads swapped": (lambda: Net(heads="both"), lambda: Net(heads="swapped")),
    "other head": (Net, lambda: Net(heads="aux")),
    "head missing": (lambda: Net(heads="both"), Net),
    "neighbours": (Net, lambda: Net(batch=True)),
    "inputs swapped": (Two, lambda: Two(swapped=True)),
    "batch baked": (Net, Net),
}


def main(directory):
    for name, (own, given) in PAIRS.items():
        two = own in (Two,)
        layers = []
        for side, make in (("own", own), ("given", given)):
            paddle.seed(3)
            layer = make()
            layer.eval()
            layers.append(layer)
            batch = 1 if (name, side) == ("batch baked", "given") else None
            specs = [paddle.static.InputSpec([batch, 6], "float32", name=x) for x in (("left", "right") if two else ("x",))]
            place = Path(directory) / name / side
            paddle.jit.save(layer, str(place / "inference"), input_spec=specs)
            names = {parameter.name: structured for structured, parameter in layer.named_parameters()}
            (place / "names.json").write_text(json.dumps(names))


main(sys.argv[1])
