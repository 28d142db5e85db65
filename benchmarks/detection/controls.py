"""Conformant cases: none of them may be failed or called vacuous. P* are hard honest ones."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import nets
import numpy as np
import paddle
import pictures
from cases import IMAGE, Collection, Setup, pictured, save, seeded, store, tensors, vectored, vectors, with_weights
from nets import Tiny, Vector

from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.sampling import as_samples

CONTROLS = Collection(False, ("cpu", "onednn"))
case = CONTROLS.case


def vision(name, weights="factory", softmax="no", side=64, count=3):
    """A factory of `paddle.vision` on small pictures; weights None: live."""

    def factory():
        return seeded(getattr(paddle.vision.models, name)) if weights == "factory" else getattr(paddle.vision.models, name)()

    spec = ModelSpec("net", factory=factory, weights=weights, softmax=softmax, input_spec=[(None, 3, side, side)],
                     preprocess=pictures.program(side=side, short=side + 8))  # fmt: skip
    return Setup(spec, as_samples(pictures.samples(count)))


def add(id, title, build, **more):
    case(id, title, **more)(build)


add("Z1", "trained tiny net with softmax", lambda place: pictured(place, Tiny))
add("Z1l", "trained tiny net, logits", lambda place: pictured(place, lambda: Tiny(softmax=0)))
add("Z2", "resnet18, plain random weights, softmax", lambda place: vision("resnet18", softmax="yes"))
add("Z3", "resnet18, plain random weights, logits", lambda place: vision("resnet18"))
add("Z4", "mobilenet_v3_small, plain random weights, logits of 1e-7", lambda place: vision("mobilenet_v3_small"))
add("Z5", "squeezenet1_0, plain random weights, logits", lambda place: vision("squeezenet1_0"))
add("Z6", "mobilenet_v1, plain random weights, logits of 1e-16", lambda place: vision("mobilenet_v1"))
add("L1", "mobilenet_v3_small, live", lambda place: vision("mobilenet_v3_small", None, "yes"))
add("L2", "squeezenet1_1, live", lambda place: vision("squeezenet1_1", None, "yes"))
add("L3", "shufflenet_v2_x0_25, live", lambda place: vision("shufflenet_v2_x0_25", None, "yes"))
add("L4", "resnet18, live logits", lambda place: vision("resnet18", None))
add("Z8", "tensor-dependent if and while", lambda place: vectored(nets.Branches))
add("Z10", "preprocessing returns an array that is not contiguous",
    lambda place: pictured(place, Tiny, program=pictures.program(contiguous=False)))  # fmt: skip
add("Z11", "20 samples", lambda place: pictured(place, Tiny, samples=pictures.samples(20)))
add("Z11b", "20 samples in batches of 3", lambda place: pictured(place, Tiny, samples=pictures.samples(20), batch_size=3))
add("Z12", "shared weights, a frozen layer, dropout", lambda place: vectored(nets.Shares))
add("F4", "two math threads", lambda place: pictured(place, Tiny), threads=2)
add("E9b", "preprocessing without a batch axis, and with one",
    lambda place: pictured(place, Tiny, training=pictures.program(batch=True)))  # fmt: skip


@case("Z13", "to_static() without full_graph, then jit.save")
def _(place):
    layer = with_weights(Tiny(), place.weights)
    spec = paddle.static.InputSpec([None, *IMAGE[1:]], "float32", name="x")
    paddle.jit.save(paddle.jit.to_static(layer, input_spec=[spec]), str(place.file("given/inference")))
    return pictured(place, Tiny, exported=place.file("given/inference"))


@case("Z14", "exported twice, the second one is used")
def _(place):
    for name in ("first", "second"):
        save(with_weights(Tiny(), place.weights), place.file(f"{name}/inference"), [IMAGE])
    return pictured(place, Tiny, exported=place.file("second/inference"))


def in_train_mode(place, make):
    weights = store(seeded(make), place.file("own.pdparams"))
    layer = with_weights(make(), weights)
    layer.train()
    return pictured(place, make, weights=weights, exported=save(layer, place.file("given/inference"), [IMAGE]))


add("B3", "exported in train mode: dropout and batch norm", lambda place: in_train_mode(place, lambda: Tiny(dropout=0.5)))
add("B3d", "exported in train mode: dropout alone", lambda place: in_train_mode(place, lambda: Tiny(dropout=0.5, norm=False)))
add("B4", "exported in train mode: batch norm alone", lambda place: in_train_mode(place, Tiny))
add("C1", ".numpy() in forward", lambda place: vectored(nets.ToNumpy))
add("C1f", "float(tensor) in forward", lambda place: vectored(nets.ToFloat))
add("C1i", "int(tensor) as a loop bound", lambda place: vectored(nets.LoopsToInt))
add("C3l", "a Python loop over the batch", lambda place: vectored(nets.LoopsOverBatch), on=(3,))
add("C3n", "x.shape[0] in arithmetic", lambda place: vectored(nets.BatchInArithmetic))
add("C3z", "ones([x.shape[0], 2])", lambda place: vectored(nets.OnesOfBatch))
add("C3r", "reshape with two unknown dimensions, no parameters",
    lambda place: vectored(nets.TwoUnknown, samples=tensors(3, 5), inputs=((None, 3, None),)), on=(3,))  # fmt: skip
add("C6a", "assignment to a slice", lambda place: vectored(nets.SliceAssigned))
add("C7", "a buffer that no state_dict holds", lambda place: vectored(nets.Buffered))
add("C8", "a post hook on the top layer", lambda place: vectored(lambda: nets.hooked("post")))
add("C8p", "a pre hook on the top layer", lambda place: vectored(lambda: nets.hooked("pre")))
add("C8s", "a post hook on a sublayer", lambda place: vectored(lambda: nets.hooked("sub")))
add("C8w", "weight norm", lambda place: vectored(lambda: nets.hooked("weight norm")))
add("C12", "a name of one branch only", lambda place: vectored(nets.OneBranch))
add("C18", "a name of the enclosing function", lambda place: vectored(nets.with_closure), on=(3,))
add("C20", "a model without parameters", lambda place: vectored(nets.Parameterless), on=(3,))


def moving(place):
    return vectored(nets.EnlargesDynamically, samples=tensors(3, 16, 24), inputs=((None, 3, None, None),))


add("F8", "returns y, y, x: an output twice, and an input", lambda place: vectored(nets.ReturnsItsInput), on=(2,))
add("C15", "F.interpolate to a dynamic size", moving, variants=("cpu",))


@case("D5", "an artifact of Paddle 2.6 in Paddle 3", on=(3,))
def _(place):
    here = Path(__file__).resolve().parents[2] / "tests" / "e2e"
    spec = ModelSpec("net", factory=f"{here}/repo/tiny.py:Tiny", kwargs={"channels": 6}, softmax="no", input_spec=[IMAGE],
                     weights=here / "data/paddle26/weights.pdparams", preprocess=pictures.program())  # fmt: skip
    return Setup(spec, as_samples(pictures.samples()), here / "data/paddle26/export/inference")


@case("D11", "a directory that is not ASCII")
def _(place):
    layer = with_weights(Tiny(), place.weights)
    return pictured(place, Tiny, exported=save(layer, place.file("导出 é/inference"), [IMAGE]))


@case("E11j", "two programs of the same arithmetic, in another order")
def _(place):
    return pictured(place, Tiny, training=pictures.program(), program=pictures.program(formula="folded"))


@case("E11u", "EXIF orientation respected by both sides")
def _(place):
    images = pictures.samples(4)
    for image in images:
        image.getexif()[0x0112] = 6
    return pictured(place, Tiny, samples=images, training=pictures.program(), program=pictures.program())


@case("E13q", "a letterbox and a stretch of square pictures")
def _(place):
    images = [image.crop((0, 0, min(image.size), min(image.size))) for image in pictures.samples(4)]
    stretch = pictures.program(order="resize", square=True, short=pictures.SIDE)
    return pictured(place, Tiny, samples=images, training=stretch, program=pictures.program(pad="centre", fill=114))


@case("E14l", "both sides letterbox, one in another order of arithmetic")
def _(place):
    letterbox = {"pad": "centre", "fill": 114}
    return pictured(place, Tiny, training=pictures.program(**letterbox), program=pictures.program(formula="folded", **letterbox))


@case("E16m", "both sides pad to a multiple of 32")
def _(place):
    program = pictures.program(pad="multiple")
    spec = ModelSpec("net", factory=Tiny, weights=place.weights, softmax="no", input_spec=[(None, 3, None, None)], preprocess=program,
                     training_preprocess=pictures.program(pad="multiple"))  # fmt: skip
    return Setup(spec, as_samples(pictures.samples(3)))


@case("F7n", "three inputs whose names are not in alphabetical order")
def _(place):
    inputs = [((None, 6), "float32", name) for name in ("zebra", "apple", "mango")]
    samples = as_samples([tuple(s.value for s in vectors(3, seed=i)) for i in range(4)])
    return vectored(nets.ThreeInputs, samples=samples, inputs=inputs)


# -- hard honest cases -------------------------------------------------------------------------------------------------


@case("P25", "batch norm behind a convolution cancels digits, in every engine")
def _(place):
    def make():
        net = nets.Cancels()
        net.eval()
        random = np.random.RandomState(0)
        with paddle.no_grad():
            y = net.conv(paddle.to_tensor((100 + 0.01 * random.randn(4, 3, 16, 16)).astype("float32"))).numpy()
        net.norm._mean.set_value(y.mean((0, 2, 3)))
        net.norm._variance.set_value(np.full(8, 1e-4, "float32"))
        return net

    return vectored(make, samples=tensors(3, 16, 16, shift=100.0, scale=0.01), inputs=((None, 3, 16, 16),))


def sharp(place, gain, softmax, **more):
    """The trained net with a last layer that is `gain` times as large."""
    layer = with_weights(Tiny(), place.weights)
    for parameter in layer.fc.parameters():
        parameter.set_value(parameter * gain)
    return pictured(place, lambda: Tiny(softmax=softmax), weights=store(layer, place.file("sharp.pdparams")), **more)


def two_heads(place, heads):
    weights = store(seeded(nets.TwoHeads), place.file("heads.pdparams"))
    return pictured(place, partial(nets.TwoHeads, heads=heads), weights=weights)


def maps(place, **how):
    weights = store(seeded(lambda: nets.Map(**how)), place.file("map.pdparams"))
    return pictured(place, lambda: nets.Map(**how), weights=weights, samples=pictures.samples(3))


add("P1", "softmax saturated by trained weights", lambda place: sharp(place, 500.0, 1))
add("P2", "logits of 1e9", lambda place: sharp(place, 3e8, 0))
add("P2v", "outputs of 1e9", lambda place: vectored(lambda: nets.Shaped(kind="large")))
add("P3", "outputs of 1e-12", lambda place: vectored(lambda: nets.Shaped(kind="small")))
add("P4", "one output zero by design beside a live one", lambda place: two_heads(place, ("main", "none")))
add("P5", "boxes of varying count", lambda place: vectored(nets.Boxes))
add("P6", "class ids as the only output", lambda place: vectored(lambda: nets.Shaped(kind="ids"), samples=vectors(12)))
add("P6m", "a map of class ids", lambda place: maps(place, answer="ids"))
add("P6b", "a map of bools", lambda place: maps(place, answer="mask"))
add("P6c", "large integers", lambda place: vectored(lambda: nets.Shaped(kind="counts")))
add("P7", "a batch size of one, fixed", lambda place: vectored(Vector, inputs=((1, 6),)))
add("P8", "a single sample", lambda place: pictured(place, Tiny, samples=pictures.samples(1)))
add("P8v", "a single vector", lambda place: vectored(Vector, samples=vectors(1)))
add("P8b", "a single sample, batch size 4", lambda place: pictured(place, Tiny, samples=pictures.samples(1), batch_size=4))
add("P9", "no float64: a float32 is made in forward", lambda place: vectored(nets.SingleOnly))
add("P9n", "float64 narrowed on the way", lambda place: vectored(nets.Narrow))
add("P10", "a segmentation map of logits", lambda place: maps(place))
add("P11", "one number for each sample", lambda place: vectored(lambda: nets.Shaped(kind="one")))
add("P12", "an embedding and a GRU", lambda place: words())
add("P13", "a transformer layer", lambda place: attends(), variants=("cpu",))
add("P14", "every answer is a tie", lambda place: vectored(nets.Strided))
add("P15", "a dict with nested and repeated outputs", lambda place: vectored(nets.ManyOutputs))
add("P16", "an own postprocess that answers labels", lambda place: pictured(place, Tiny, postprocess=label))
add("P16t", "an own postprocess with a threshold", lambda place: pictured(place, Tiny, postprocess=above_threshold))
add("P17", "a net whose last layer is all bias but for one class",
    lambda place: pictured(place, lambda: Tiny(temperature=20.0)))  # fmt: skip
add("P18", "layer norm with a small epsilon", lambda place: vectored(lambda: nets.Differently(kind="norm", epsilon=1e-6)))
add("P19", "gelu with erf", lambda place: vectored(lambda: nets.Differently(kind="gelu", approximate=False)))
add("P20", "a million outputs", lambda place: vectored(nets.Wide, inputs=((None, 8),), samples=vectors(3, 8)))
add("P21", "inputs of 1e4", lambda place: vectored(Vector, samples=scaled(1e4)))
add("P22", "inputs of 1e-6", lambda place: vectored(Vector, samples=scaled(1e-6)))
add("P23", "64 samples in batches of 7", lambda place: vectored(Vector, samples=vectors(64), batch_size=7))
add("P24", "two classes of samples, one answer each, saturated",
    lambda place: sharp(place, 500.0, 1, samples=pictures.samples(2)))  # fmt: skip


def scaled(factor):
    return as_samples([sample.value * np.float32(factor) for sample in vectors()])


def words():
    samples = as_samples([np.random.RandomState(i).randint(0, 32, (1, 12)) for i in range(4)])
    return vectored(nets.Words, samples=samples, inputs=(((None, 12), "int64", "ids"),))


def attends():
    return vectored(nets.Attends, samples=tensors(9, 16, count=4), inputs=((None, 9, 16),))


def label(output):
    return {"label": "abcdefgh"[int(output.argmax())], "score": float(output.max())}


def above_threshold(output):
    return [int(index) for index in np.flatnonzero(output[0] > 0.1)]
