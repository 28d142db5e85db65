"""Small real nets, with the slips that people make in them. Each fault is a class or a keyword, so that `to_static` can read its source."""

from __future__ import annotations

import random

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

CLASSES = 8
SIDE = 32


class Tiny(nn.Layer):
    """Three convolutions, float32[N, 3, H, W] -> float32[N, 8]. The keywords are what an export may have differently."""

    def __init__(self, softmax=1, dropout=0.0, norm=True, gain=1.0, temperature=1.0, width=16, half="", epsilon=1e-5):
        super().__init__()
        layers = []
        for inside, outside in ((3, 8), (8, width), (width, width)):
            layers.append(nn.Conv2D(inside, outside, 3, stride=2, padding=1))
            if norm:
                layers.append(nn.BatchNorm2D(outside, epsilon=epsilon))
            layers.append(nn.ReLU())
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2D(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(width, CLASSES)
        self.softmax, self.gain, self.temperature, self.half = softmax, gain, temperature, half

    def forward(self, x):
        x = self.features(x)
        if self.half != "":
            x = x.astype(self.half).astype("float32")
        x = self.fc(self.dropout(self.pool(x).flatten(1))) * self.gain / self.temperature
        for _ in range(self.softmax):
            x = F.softmax(x, axis=-1)
        return x


class NeverInEval(Tiny):
    """Its `eval()` does nothing: the reference runs in train mode."""

    def eval(self):
        self.train()
        return self


class ReadsTraining(Tiny):
    def forward(self, x):
        x = self.pool(self.features(x)).flatten(1)
        if self.training:
            x = x * 2.0
        return F.softmax(self.fc(x), axis=-1)


class TwoHeads(Tiny):
    """Returns the outputs that `heads` names, in that order."""

    def __init__(self, heads=("main", "aux")):
        super().__init__()
        self.aux = nn.Linear(16, CLASSES)
        self.heads = heads

    def forward(self, x):
        x = self.pool(self.features(x)).flatten(1)
        answers = {"main": F.softmax(self.fc(x)), "aux": F.softmax(self.aux(x)), "none": F.relu(x) * 0.0}
        return [answers[name] for name in self.heads]


class Map(nn.Layer):
    """A picture in, a map out: logits, class ids, or a mask for every pixel."""

    def __init__(self, answer="logits", shift=0, resize="nearest"):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2D(3, 16, 3, padding=1), nn.BatchNorm2D(16), nn.ReLU(), nn.Conv2D(16, 5, 3, padding=1))
        self.answer, self.shift, self.resize = answer, shift, resize

    def forward(self, x):
        x = self.body(x)
        if self.answer == "ids":
            return x.argmax(axis=1) + self.shift
        if self.answer == "mask":
            return x[:, 0] > x[:, 1]
        if self.answer == "enlarged":
            return F.interpolate(x, scale_factor=2, mode=self.resize)
        if self.answer == "transposed":
            return x.transpose([0, 1, 3, 2])
        return x


class EnlargesDynamically(nn.Layer):
    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2D(3, 8, 3, stride=2, padding=1), nn.Conv2D(8, 4, 3, padding=1)

    def forward(self, x):
        return self.up(F.interpolate(self.down(x), size=x.shape[2:], mode="bilinear"))


class DetectionHead(nn.Layer):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2D(3, 8, 3, stride=2, padding=1)
        self.deep = nn.Conv2D(8, 8, 3, stride=2, padding=1)
        self.head = nn.Conv2D(16, 1, 3, padding=1)

    def forward(self, x):
        one = F.hardswish(self.stem(x))
        two = F.upsample(F.hardswish(self.deep(one)), scale_factor=2, mode="nearest")
        return F.sigmoid(self.head(paddle.concat([one, two], axis=1)))


class Cancels(nn.Layer):
    """Its batch norm subtracts a mean of about 100 and divides by 0.01: folding it into the convolution loses digits."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2D(3, 8, 3, padding=1, bias_attr=False), nn.BatchNorm2D(8), nn.Linear(8, 10)

    def forward(self, x):
        x = self.norm(self.conv(x))
        return self.fc(x.mean(axis=[2, 3]))


# -- small linear nets: float32[N, 6] -> float32[N, 4] -----------------------------------------------------------------


class Vector(nn.Layer):
    """Two linear layers; a subclass spoils one step. The keywords are what an export may have differently."""

    def __init__(self, **differently):
        super().__init__()
        self.one, self.two = nn.Linear(6, 16), nn.Linear(16, 4)
        self.differently = differently
        for name, value in differently.items():
            setattr(self, name, value)

    def forward(self, x):
        return self.two(F.relu(self.one(x)))


class Counts(Vector):
    def forward(self, x):
        self.n = getattr(self, "n", 0) + 1
        return self.two(F.relu(self.one(x))) * (1.0 + 0.05 * self.n)


class CountsInBuffer(Vector):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", paddle.zeros([1]))

    def forward(self, x):
        self.count.set_value(self.count + 1.0)
        return self.two(F.relu(self.one(x))) * (1.0 + 0.05 * self.count)


class Noisy(Vector):
    def forward(self, x):
        return self.two(F.relu(self.one(x))) + 0.02 * paddle.rand([1])


class NoisyNumpy(Vector):
    def forward(self, x):
        return self.two(F.relu(self.one(x))) * (1.0 + float(np.random.rand()))


class NoisyPython(Vector):
    def forward(self, x):
        return self.two(F.relu(self.one(x))) + random.random()


class AlwaysDropout(Vector):
    def forward(self, x):
        return self.two(F.dropout(F.relu(self.one(x)), 0.3))


class AddsInPlace(Vector):
    def forward(self, x):
        y = self.two(F.relu(self.one(x)))
        y.add_(paddle.ones([1]))
        return y


class ClipsInPlace(Vector):
    def forward(self, x):
        y = self.one(x)
        y.clip_(0.0, 0.5)
        return self.two(y)


class WritesThroughView(Vector):
    def forward(self, x):
        y = self.one(x)
        first = y[:, :8]
        first.scale_(3.0)
        return self.two(paddle.concat([first, y[:, 8:]], axis=1) + y)


class UsesBatch(Vector):
    """Answers as `Vector` does while it is asked for a single sample; in a batch an answer depends on its neighbours."""

    def forward(self, x):
        y = F.relu(self.one(x))
        return self.two(y.max(axis=0, keepdim=True) + 0.0 * y)


class LoopsOverBatch(Vector):
    def forward(self, x):
        rows = []
        for i in range(x.shape[0]):
            rows.append(self.two(F.relu(self.one(x[i : i + 1]))))
        return paddle.concat(rows, axis=0)


class Appends(Vector):
    def forward(self, x):
        found = [self.one(x)]
        if x.sum() > 0:
            found.append(self.one(x * 2.0))
        return self.two(sum(found))


class NotConverted(Vector):
    def __init__(self):
        super().__init__()
        self.pick = paddle.jit.not_to_static(lambda value: 2.0 if float(value.sum()) > 0 else 1.0)

    def forward(self, x):
        return self.two(F.relu(self.one(x))) * self.pick(x)


class Unused(Vector):
    def forward(self, x, label):
        return self.two(F.relu(self.one(x)))


class NamesItThis(Vector):
    def forward(this, x):
        return this.two(F.relu(this.one(x)))


class Parameterless(nn.Layer):
    def forward(self, x):
        return F.softmax(x * 2.0 + 1.0, axis=-1)


class ReturnsItsInput(Vector):
    def forward(self, x):
        y = self.two(F.relu(self.one(x)))
        return y, y, x


class BakedShape(nn.Layer):
    """Builds a table from Python's view of the width."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 4, 3, padding=1)

    def forward(self, x):
        y = self.conv(x)
        return y + paddle.arange(x.shape[3], dtype="float32") * 0.01


def with_closure():
    """A class whose forward uses a name that is local to this function."""
    import paddle.nn.functional as FF

    class Closed(Vector):
        def forward(self, x):
            return self.two(FF.relu(self.one(x)))

    return Closed()


class Differently(Vector):
    """Not in a parameter but in the graph: what a keyword bakes in."""

    def forward(self, x):
        y = self.one(x)
        kind = self.differently.get("kind", "relu")
        if kind == "gelu":
            y = F.gelu(y, approximate=self.differently["approximate"])
        elif kind == "leaky":
            y = F.leaky_relu(y, self.differently["slope"])
        elif kind == "relu6":
            y = F.relu6(y)
        elif kind == "norm":
            y = F.layer_norm(y, [16], epsilon=self.differently["epsilon"])
        elif kind == "hardswish":
            y = F.hardswish(y)
        elif kind == "swish":
            y = F.swish(y)
        else:
            y = F.relu(y)
        y = self.two(y)
        if "bias" in self.differently:
            return y + self.differently["bias"]
        return y * self.differently.get("gain", 1.0)  # one factor: oneDNN of 3.3.1 loses the first of two (Q2)


class Rarely(Vector):
    """Answers otherwise when the input has a large value: most samples do not show it."""

    def forward(self, x):
        y = self.two(F.relu(self.one(x)))
        return y + self.differently.get("step", 0.0) * (x.max(axis=1, keepdim=True) > 50.0).astype("float32")


class Wide(nn.Layer):
    """Eight inputs, a million outputs; one of them is off by `step`."""

    def __init__(self, step=0.0, size=1000):
        super().__init__()
        self.fc = nn.Linear(8, size)
        self.step = step

    def forward(self, x):
        y = F.tanh(self.fc(x))
        y = y.unsqueeze(1) * y.unsqueeze(2)
        if self.step != 0.0:
            row = paddle.concat([y[:, 500:501, :700], y[:, 500:501, 700:701] + self.step, y[:, 500:501, 701:]], axis=2)
            y = paddle.concat([y[:, :500], row, y[:, 501:]], axis=1)
        return y


class TwoOutputs(Vector):
    def forward(self, x):
        y = F.relu(self.one(x))
        return self.two(y), y * self.differently.get("gain", 1.0)


class Shaped(Vector):
    """The same numbers with another shape or dtype."""

    def forward(self, x):
        y = self.two(F.relu(self.one(x)))
        kind = self.differently.get("kind", "")
        if kind == "unsqueezed":
            return y.unsqueeze(1)
        if kind == "double":
            return y.astype("float64")
        if kind == "half":
            return y.astype("float16").astype("float32")
        if kind == "ids":
            return y.argmax(axis=1)
        if kind == "ids32":
            return y.argmax(axis=1).astype("int32")
        if kind == "counts":
            return (y * 1000.0).floor().astype("int64") * 100000 + self.differently.get("shift", 0)
        if kind == "one":
            return y[:, :1]
        if kind == "small":
            return y * 1e-12
        if kind == "large":
            return y * 1e9
        if kind == "zero":
            return y * 0.0
        return y


class DeadEnd(Vector):
    """Its last layer's weights are zero: it answers its bias, whatever it is asked."""

    def __init__(self, **differently):
        super().__init__(**differently)
        self.two.weight.set_value(paddle.zeros([16, 4]))

    def forward(self, x):
        return self.two(F.gelu(self.one(x), approximate=self.differently.get("approximate", False)))


class Boxes(Vector):
    """As many rows as the input has positive numbers: boxes of varying count."""

    def forward(self, x):
        score = F.sigmoid(self.one(x)).reshape([-1, 2])
        kept = paddle.nonzero(score[:, 0] > 0.5).flatten()
        return paddle.gather(score, kept) * self.differently.get("gain", 1.0)


class ToNumpy(Vector):
    def forward(self, x):
        return self.two(F.relu(self.one(x))) / (1.0 + x.numpy().max())


class ToFloat(Vector):
    def forward(self, x):
        return self.two(F.relu(self.one(x))) * float(x.max())


class LoopsToInt(Vector):
    def forward(self, x):
        y = self.one(x)
        for _ in range(int(x.sum().abs()) + 1):
            y = y * 0.9
        return self.two(y)


class Branches(Vector):
    def forward(self, x):
        y = self.one(x)
        if y.mean() > 0:  # noqa: SIM108
            y = y * 2.0
        else:
            y = y - 1.0
        i = paddle.zeros([1])
        while i < 3:
            y = F.relu(y) + 0.1
            i = i + 1
        return self.two(y)


class OneBranch(Vector):
    def forward(self, x):
        if x.mean() > 0:
            y = self.one(x) * 2.0
        else:
            y = self.one(x)
            z = y * 0.5
            y = z + y
        return self.two(y)


class BatchInArithmetic(Vector):
    def forward(self, x):
        return self.two(F.relu(self.one(x))) / x.shape[0] * x.shape[0]


class OnesOfBatch(Vector):
    def forward(self, x):
        return self.two(F.relu(self.one(paddle.concat([x[:, :4], paddle.ones([x.shape[0], 2])], axis=1))))


class TwoUnknown(nn.Layer):
    def forward(self, x):
        b, c = x.shape[0], x.shape[1]
        return F.softmax(x.reshape([b, c, -1]).mean(axis=2), axis=-1)


class SliceAssigned(Vector):
    def forward(self, x):
        y = self.one(x)
        y[:, 0:2] = 0.0
        return self.two(y)


class Buffered(Vector):
    """A buffer that no state_dict holds, changed after the constructor."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", paddle.ones([1]), persistable=False)
        self.scale.set_value(paddle.full([1], 3.0))

    def forward(self, x):
        return self.two(F.relu(self.one(x))) * self.scale


def hooked(kind):
    """A net with a hook on the top layer or on a sublayer, or with weight norm."""
    net = Vector()
    if kind == "post":
        net.register_forward_post_hook(lambda layer, inputs, output: F.normalize(output, axis=-1))
    elif kind == "pre":
        net.register_forward_pre_hook(lambda layer, inputs: (inputs[0] * 0.5,))
    elif kind == "sub":
        net.one.register_forward_post_hook(lambda layer, inputs, output: F.normalize(output, axis=-1))
    elif kind == "weight norm":
        nn.utils.weight_norm(net.one)
    return net


class Shares(nn.Layer):
    """The same layer twice, a frozen one, and dropout."""

    def __init__(self):
        super().__init__()
        self.one, self.shared, self.two = nn.Linear(6, 16), nn.Linear(16, 16), nn.Linear(16, 4)
        self.dropout = nn.Dropout(0.5)
        for parameter in self.one.parameters():
            parameter.stop_gradient = True

    def forward(self, x):
        return self.two(self.dropout(F.relu(self.shared(F.relu(self.shared(self.one(x)))))))


class ThreeInputs(nn.Layer):
    def __init__(self, swapped=False):
        super().__init__()
        self.one, self.two, self.three = nn.Linear(6, 4), nn.Linear(6, 4), nn.Linear(6, 4)
        self.swapped = swapped

    def forward(self, zebra, apple, mango):
        if self.swapped:
            return self.one(apple) + F.relu(self.two(zebra)) * self.three(mango)
        return self.one(zebra) + F.relu(self.two(apple)) * self.three(mango)


class SingleOnly(Vector):
    """Makes a float32 in forward, so that it cannot be run in float64."""

    def forward(self, x):
        return self.two(F.relu(paddle.matmul(x.astype("float32"), self.one.weight.astype("float32"))).astype(self.two.weight.dtype))


class Narrow(Vector):
    """Casts to float32 on the way and back: runs in float64, but with the rounding of float32."""

    def forward(self, x):
        y = F.relu(self.one(x))
        return self.two(y.astype("float32").astype(self.two.weight.dtype))


class Words(nn.Layer):
    """int64[N, T] -> a sentence's scores: embedding, GRU, linear."""

    def __init__(self):
        super().__init__()
        self.embedding, self.gru, self.fc = nn.Embedding(32, 16), nn.GRU(16, 16), nn.Linear(16, 4)

    def forward(self, ids):
        y, _ = self.gru(self.embedding(ids))
        return self.fc(y), y


class Attends(nn.Layer):
    """float32[N, T, 16] through a transformer layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.1)
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        return self.fc(self.layer(x)).mean(axis=1)


class Strided(Vector):
    """Two classes share one column of weights: every answer is a tie."""

    def forward(self, x):
        y = self.two(F.relu(self.one(x)))
        return paddle.concat([y[:, :1], y[:, :1] + 1e-8 * y[:, 1:2], y[:, 2:] - 100.0], axis=1)


class ManyOutputs(Vector):
    """A dict with a nested list and one tensor twice."""

    def forward(self, x):
        y = F.relu(self.one(x))
        z = self.two(y)
        return {"b": z, "a": [y, z * 2.0 + 1.0], "c": z}
