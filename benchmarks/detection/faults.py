"""Faults that are built into a model, an export or its files; ids are those of our catalogue of faults."""

from __future__ import annotations

import shutil
from dataclasses import replace

import nets
import numpy as np
import paddle
import pictures
from cases import (
    IMAGE,
    MAJOR,
    Collection,
    Setup,
    as_exported,
    pictured,
    save,
    seeded,
    store,
    tensors,
    vectored,
    vectors,
    with_weights,
)
from nets import Differently, Tiny, Vector
from PIL import Image

from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.sampling import as_samples

FAULTS = Collection(True, ("cpu",))
case = FAULTS.case


def given(place, make=Tiny, change=None, softmax=1, **more):
    """A trained `Tiny`, and a given export of the same weights made by another class or after a change."""
    layer = with_weights(make(), place.weights)
    if change is not None:
        change(layer)
    return pictured(place, Tiny, exported=save(layer, place.file("given/inference"), [IMAGE]), **more)


def scaled(name, factor):
    def change(layer):
        parameter = dict(layer.named_parameters())[name]
        parameter.set_value(parameter * factor)

    return change


# -- model definition --------------------------------------------------------------------------------------------------


@case("B1", "softmax missing in the export")
def _(place):
    return given(place, lambda: Tiny(softmax=0))


@case("B1r", "softmax missing, random squeezenet of 1000 classes")
def _(place):
    def bare():
        return seeded(paddle.vision.models.squeezenet1_1)

    def topped():
        return paddle.nn.Sequential(bare(), paddle.nn.Softmax())

    exported = save(bare(), place.file("given/inference"), [(None, 3, 64, 64)])
    spec = ModelSpec("net", factory=topped, weights="factory", softmax="no", input_spec=[(None, 3, 64, 64)],
                     preprocess=pictures.program(side=64, short=72))  # fmt: skip
    return Setup(spec, as_samples(pictures.samples(3)), exported)


@case("B2", "softmax applied twice in the export")
def _(place):
    return given(place, lambda: Tiny(softmax=2))


@case("B3r", "the reference runs in train mode")
def _(place):
    layer = with_weights(Tiny(dropout=0.5), place.weights)
    exported = save(layer, place.file("given/inference"), [IMAGE])
    return pictured(place, lambda: nets.NeverInEval(dropout=0.5), exported=exported)


@case("B3s", "exported in train mode, forward reads self.training")
def _(place):
    layer = with_weights(nets.ReadsTraining(), place.weights)
    layer.train()
    return pictured(place, nets.ReadsTraining, exported=save(layer, place.file("given/inference"), [IMAGE]))


@case("B5", "batch-norm statistics drift after the export")
def _(place):
    layer = with_weights(Tiny(), place.weights)
    exported = save(layer, place.file("given/inference"), [IMAGE])
    layer.train()
    layer(paddle.randn([8, 3, 32, 32]))
    return pictured(place, Tiny, exported=exported, weights=store(layer, place.file("drifted.pdparams")))


@case("B6", "F.dropout without training=self.training")
def _(place):
    return vectored(nets.AlwaysDropout)


@case("B7", "weights loaded, set_state_dict never called")
def _(place):
    exported = save(seeded(Tiny), place.file("given/inference"), [IMAGE])
    return pictured(place, Tiny, exported=exported)


@case("B8", "set_state_dict with keys 'module.*': the export is random")
def _(place):
    layer = seeded(Tiny)
    layer.set_state_dict({f"module.{k}": v for k, v in paddle.load(str(place.weights)).items()})
    return pictured(place, Tiny, exported=save(layer, place.file("given/inference"), [IMAGE]))


@case("B8m", "weights under test with keys 'module.*': both sides are random")
def _(place):
    path = place.file("module.pdparams")
    paddle.save({f"module.{k}": v for k, v in paddle.load(str(place.weights)).items()}, str(path))
    return pictured(place, Tiny, weights=path, layer=lambda: seeded(Tiny))


@case("B9", "one key of the weights is missing")
def _(place):
    state = paddle.load(str(place.weights))
    del state["fc.bias"]
    path = place.file("part.pdparams")
    paddle.save(state, str(path))

    def by_hand():
        return with_weights(seeded(Tiny), path)

    return pictured(place, Tiny, weights=path, layer=by_hand)


@case("B10", "the export answers with its auxiliary head")
def _(place):
    layer = seeded(nets.TwoHeads)
    weights = store(layer, place.file("heads.pdparams"))
    other = with_weights(nets.TwoHeads(heads=("aux",)), weights)
    return pictured(place, lambda: nets.TwoHeads(heads=("main",)), weights=weights,
                    exported=save(other, place.file("given/inference"), [IMAGE]))  # fmt: skip


@case("B10o", "two heads in another order")
def _(place):
    weights = store(seeded(nets.TwoHeads), place.file("heads.pdparams"))
    other = with_weights(nets.TwoHeads(heads=("aux", "main")), weights)
    return pictured(place, nets.TwoHeads, weights=weights, exported=save(other, place.file("given/inference"), [IMAGE]))


@case("B10n", "one of two heads is missing")
def _(place):
    weights = store(seeded(nets.TwoHeads), place.file("heads.pdparams"))
    other = with_weights(nets.TwoHeads(heads=("main",)), weights)
    return pictured(place, nets.TwoHeads, weights=weights, exported=save(other, place.file("given/inference"), [IMAGE]))


# -- to_static ---------------------------------------------------------------------------------------------------------


@case("C2", "a Python counter in forward")
def _(place):
    return vectored(nets.Counts)


@case("C2b", "a counter in a buffer")
def _(place):
    return vectored(nets.CountsInBuffer)


@case("C3", "batch size baked in: InputSpec([1, ...]) where any is asked for")
def _(place):
    exported = save(seeded(Vector), place.file("given/inference"), [(1, 6)])
    return vectored(Vector, exported=exported)


@case("C3l", "a Python loop over a batch of 2", on=(2,))
def _(place):
    exported = save(seeded(nets.LoopsOverBatch), place.file("given/inference"), [(2, 6)])
    return vectored(nets.LoopsOverBatch, exported=exported)


@case("C3h", "spatial size baked in, fed another")
def _(place):
    exported = save(seeded(nets.BakedShape), place.file("given/inference"), [(None, 3, 16, 16)])
    samples = tensors(3, 16, 24)
    return vectored(nets.BakedShape, exported=exported, samples=samples, inputs=((None, 3, None, None),))


@case("C3r", "a model without parameters, reshape with two unknown dimensions", on=(2,))
def _(place):
    return vectored(nets.TwoUnknown, samples=tensors(3, 5), inputs=((None, 3, None),))


@case("C4", "paddle.rand in forward")
def _(place):
    return vectored(nets.Noisy)


@case("C5", "numpy random in forward")
def _(place):
    return vectored(nets.NoisyNumpy)


@case("C5p", "Python's random in forward")
def _(place):
    return vectored(nets.NoisyPython)


@case("C6", "add_() whose result is ignored is dropped")
def _(place):
    return vectored(nets.AddsInPlace)


@case("C6c", "clip_() whose result is ignored is dropped")
def _(place):
    return vectored(nets.ClipsInPlace)


@case("C6v", "a write through a view is dropped")
def _(place):
    return vectored(nets.WritesThroughView)


@case("C13", "a list appended inside a tensor-if: to_static never returns", timeout=8)
def _(place):
    return vectored(nets.Appends)


@case("C14", "float() of a tensor in a not_to_static helper")
def _(place):
    return vectored(nets.NotConverted)


@case("C15", "F.interpolate to a dynamic size, oneDNN", on=(3,), variants=("onednn",))
def _(place):
    samples = tensors(3, 16, 24)
    return vectored(nets.EnlargesDynamically, samples=samples, inputs=((None, 3, None, None),))


@case("C16", "an input that no output needs")
def _(place):
    samples = as_samples([(a.value, a.value[:, :1].astype("int64")) for a in vectors()])
    return vectored(nets.Unused, samples=samples, inputs=((None, 6), ((None, 1), "int64", "label")))


@case("C17", "forward(this, x)")
def _(place):
    return vectored(nets.NamesItThis)


@case("C18", "a name of the enclosing function in forward", on=(2,))
def _(place):
    return vectored(nets.with_closure)


@case("C20", "a model without parameters", on=(2,))
def _(place):
    return vectored(nets.Parameterless)


@case("F8", "returns y, y, x: an output that is an input", on=(3,))
def _(place):
    return vectored(nets.ReturnsItsInput)


@case("F15d", "a DB head with upsample, oneDNN", on=(3,), variants=("onednn",))
def _(place):
    samples = tensors(3, 32, 32)
    return vectored(nets.DetectionHead, samples=samples, inputs=((None, 3, 32, 32),))


# -- what is in the graph and in no parameter --------------------------------------------------------------------------


def graph(id, title, one, two, **more):
    """An export whose graph differs, with the same parameters."""

    @case(id, title, variants=("cpu", "onednn"))
    def _(place):
        return as_exported(place, one, two, **more)


graph("K1", "a gain baked into the graph is off by 1e-2", lambda: Differently(gain=1.0), lambda: Differently(gain=1.01))
graph("K1s", "a gain baked into the graph is off by 1e-5", lambda: Differently(gain=1.0), lambda: Differently(gain=1.00001))
graph("K1t", "a gain baked into the graph is off by 4e-6", lambda: Differently(gain=1.0), lambda: Differently(gain=1.000004))
graph("K1b", "a constant of 1e-5 is added", lambda: Differently(bias=0.0), lambda: Differently(bias=1e-5))
graph("K2", "gelu with tanh for gelu with erf",
      lambda: Differently(kind="gelu", approximate=False), lambda: Differently(kind="gelu", approximate=True))  # fmt: skip
graph("K4", "leaky_relu slope 0.1 for 0.01",
      lambda: Differently(kind="leaky", slope=0.01), lambda: Differently(kind="leaky", slope=0.1))  # fmt: skip
graph("K4r", "relu6 for relu, inputs that seldom reach 6", lambda: Differently(), lambda: Differently(kind="relu6"),
      samples=vectors(shift=6.0))  # fmt: skip
graph("K4h", "hardswish for swish", lambda: Differently(kind="swish"), lambda: Differently(kind="hardswish"))
graph("K7", "layer norm epsilon 1e-5 for 1e-6",
      lambda: Differently(kind="norm", epsilon=1e-6), lambda: Differently(kind="norm", epsilon=1e-5))  # fmt: skip
graph("K13", "outputs through float16", lambda: nets.Shaped(), lambda: nets.Shaped(kind="half"))
graph("H10", "answers ten times as large", lambda: Differently(gain=100.0), lambda: Differently(gain=1000.0))
graph(
    "H11", "one output a millionth off by 1e-4 beside a right one", lambda: nets.TwoOutputs(), lambda: nets.TwoOutputs(gain=1.0001)
)
graph("H14", "float64 for float32 outputs", lambda: nets.Shaped(), lambda: nets.Shaped(kind="double"))
graph("H15", "class ids off by one", lambda: nets.Shaped(kind="counts"), lambda: nets.Shaped(kind="counts", shift=1))
graph("H15d", "int32 for int64", lambda: nets.Shaped(kind="ids"), lambda: nets.Shaped(kind="ids32"))
graph("H18", "outputs [N, 1, 4] for [N, 4]", lambda: nets.Shaped(), lambda: nets.Shaped(kind="unsqueezed"))
graph("H9", "one output in a million off by 0.5", lambda: nets.Wide(), lambda: nets.Wide(step=0.5), inputs=((None, 8),),
      samples=vectors(3, 8))  # fmt: skip
graph("H9s", "one output in a million off by 1e-4", lambda: nets.Wide(), lambda: nets.Wide(step=1e-4), inputs=((None, 8),),
      samples=vectors(3, 8))  # fmt: skip
graph("H23", "boxes of varying count, 1e-4 off", lambda: nets.Boxes(), lambda: nets.Boxes(gain=1.0001))


def rare(count, at):
    found = [sample.value.copy() for sample in vectors(count)]
    found[at][0, 2] = 60.0
    return as_samples(found)


graph(
    "H21",
    "only the last of four samples is wrong",
    lambda: nets.Rarely(step=0.0),
    lambda: nets.Rarely(step=0.1),
    samples=rare(4, 3),
)
graph(
    "H22",
    "only the last of 20 samples is wrong",
    lambda: nets.Rarely(step=0.0),
    lambda: nets.Rarely(step=0.1),
    samples=rare(20, 19),
)
graph("H22s", "only the last of 20 samples is wrong, by 1e-3", lambda: nets.Rarely(step=0.0), lambda: nets.Rarely(step=1e-3),
      samples=rare(20, 19))  # fmt: skip


@case("K3", "batch-norm epsilon 1e-3 for 1e-5")
def _(place):
    return given(place, lambda: Tiny(epsilon=1e-3))


@case("K11", "a temperature of 1.0001 in the export")
def _(place):
    return given(place, lambda: Tiny(temperature=1.0001))


@case("K12", "features through float16 in the export")
def _(place):
    return given(place, lambda: Tiny(half="float16"))


@case("K12b", "features through bfloat16 in the export")
def _(place):
    return given(place, lambda: Tiny(half="bfloat16"))


@case("K5", "bilinear for nearest interpolation")
def _(place):
    return maps(place, dict(answer="enlarged", resize="nearest"), dict(answer="enlarged", resize="bilinear"))  # noqa: C408


@case("H19", "a square map transposed")
def _(place):
    return maps(place, {}, dict(answer="transposed"))  # noqa: C408


@case("H20", "a map of class ids off by one")
def _(place):
    return maps(place, dict(answer="ids"), dict(answer="ids", shift=1))  # noqa: C408


def maps(place, one, two, **more):
    weights = store(seeded(lambda: nets.Map(**one)), place.file("map.pdparams"))
    other = with_weights(nets.Map(**two), weights)
    return pictured(place, lambda: nets.Map(**one), weights=weights, exported=save(other, place.file("given/inference"), [IMAGE]),
                    samples=pictures.samples(3), **more)  # fmt: skip


@case("H24", "the inputs of three are fed in another order")
def _(place):
    inputs = [((None, 6), "float32", name) for name in ("zebra", "apple", "mango")]
    layer = seeded(nets.ThreeInputs)
    other = seeded(lambda: nets.ThreeInputs(swapped=True))
    other.set_state_dict(layer.state_dict())
    exported = save(other, place.file("given/inference"), inputs)
    samples = as_samples([tuple(s.value for s in vectors(3, seed=i)) for i in range(4)])
    return vectored(nets.ThreeInputs, samples=samples, inputs=inputs, exported=exported)


graph("I1", "in the export an answer depends on its neighbours in the batch", nets.Vector, nets.UsesBatch)


@case("Q2", "oneDNN of 3.3.1 loses the first of two factors behind a linear layer", on=(3,), variants=("onednn",))
def _(place):
    return pictured(place, lambda: Tiny(softmax=0, gain=500.0))


# -- artifacts ---------------------------------------------------------------------------------------------------------


def stale(id, title, rate):
    @case(id, title)
    def _(place):
        layer = with_weights(Tiny(), place.weights)
        exported = save(layer, place.file("given/inference"), [IMAGE])
        optimizer = paddle.optimizer.SGD(rate, parameters=layer.parameters())
        x = paddle.to_tensor(np.stack([pictures.prepare(picture) for picture in pictures.samples()]))
        (layer(x) ** 2).mean().backward()
        optimizer.step()
        return pictured(place, Tiny, exported=exported, weights=store(layer, place.file("later.pdparams")))


stale("D1", "stale export: one optimiser step later, lr 1e-5", 1e-5)
stale("D1s", "stale export: one optimiser step later, lr 1e-2", 1e-2)


def damaged(id, title, damage, **more):
    """A given export whose files were damaged."""

    @case(id, title, **more)
    def _(place):
        setup = given(place)
        damage(place, setup.exported.with_suffix(".pdiparams"), setup.exported)
        return setup


def cut(size):
    def damage(place, params, prefix):
        content = params.read_bytes()
        params.write_bytes(content[: size(len(content))])

    return damage


def flip(at, mask):
    def damage(place, params, prefix):
        content = bytearray(params.read_bytes())
        content[at] ^= mask
        params.write_bytes(bytes(content))

    return damage


def other_net(make):
    def damage(place, params, prefix):
        other = save(seeded(make, 5), place.file("other/inference"), [IMAGE])
        shutil.copy(other.with_suffix(".pdiparams"), params)

    return damage


def half_graph(place, params, prefix):
    path = prefix.with_suffix(".json" if MAJOR >= 3 else ".pdmodel")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garbage_graph(place, params, prefix):
    prefix.with_suffix(".json" if MAJOR >= 3 else ".pdmodel").write_bytes(b"this is no model at all, but some text\n" * 50)


def torn(place, params, prefix):
    other = save(seeded(Tiny, 5), place.file("other/inference"), [IMAGE])
    one, two = params.read_bytes(), other.with_suffix(".pdiparams").read_bytes()
    params.write_bytes(one[: len(one) // 2] + two[len(one) // 2 :])


def of_paddle_3(place, params, prefix):
    prefix.with_suffix(".pdmodel").unlink()
    prefix.with_suffix(".json").write_text('{"base_code":{"magic":"pir","trainable":true,"version":1},"program":{"regions":[]}}')


damaged("D2", ".pdiparams cut in half", cut(lambda size: size // 2))
damaged("D2t", ".pdiparams 64 bytes short", cut(lambda size: size - 64))
damaged("D2e", ".pdiparams empty", cut(lambda size: 0))
damaged("D2m", "one mantissa bit flipped", flip(-8, 0x40))
damaged("D2l", "the lowest mantissa bit flipped", flip(-8, 0x01))
damaged("D2h", "the header of .pdiparams damaged", flip(16, 0xFF))
damaged("D2j", "junk behind the last parameter", lambda place, params, prefix: params.write_bytes(params.read_bytes() + b"junk"))
damaged("D3", "no such export", lambda place, params, prefix: [path.unlink() for path in params.parent.iterdir()])
damaged("D3p", ".pdiparams missing", lambda place, params, prefix: params.unlink())
damaged("D4a", "parameters of a wider net", other_net(lambda: Tiny(width=24)))
damaged("D4b", "parameters of another run", other_net(Tiny))
damaged("D4w", "a .pdparams for .pdiparams", lambda place, params, prefix: shutil.copy(place.weights, params))
damaged("D5", "an artifact of Paddle 3 in Paddle 2", of_paddle_3, on=(2,))
damaged("D9", "half a graph file", half_graph)
damaged("D9g", "text for a graph file", garbage_graph)
damaged("J4", "two exporters on one prefix: half of each's parameters", torn)


@case("D10", "weights of one layer off by 1e-3")
def _(place):
    return given(place, change=scaled("features.3.weight", 1.001))


@case("D10s", "weights of one layer off by 1e-6")
def _(place):
    return given(place, change=scaled("features.3.weight", 1.000001))


@case("D8", "two parameters of one shape swapped")
def _(place):
    def swap(layer):
        named = dict(layer.named_parameters())
        one, two = named["features.4.weight"], named["features.7.weight"]
        kept = one.clone()
        one.set_value(two)
        two.set_value(kept)

    return given(place, change=swap)


@case("F13b", "weights rounded to bfloat16")
def _(place):
    def round_all(layer):
        for parameter in layer.parameters():
            parameter.set_value(parameter.astype("bfloat16").astype("float32"))

    return given(place, change=round_all)


@case("F13i", "weights rounded to int8 steps")
def _(place):
    def round_all(layer):
        for parameter in layer.parameters():
            step = float(parameter.abs().max()) / 127
            if parameter.ndim > 1 and step:
                parameter.set_value((parameter / step).round() * step)

    return given(place, change=round_all)


# -- the comparison ----------------------------------------------------------------------------------------------------


def poisoned(layer, value=float("nan")):
    bias = layer.fc.bias.numpy()
    bias[2] = value
    layer.fc.bias.set_value(bias)
    return layer


@case("H1", "both engines answer NaN (softmax)", variants=("onednn",))
def _(place):
    weights = store(poisoned(with_weights(Tiny(), place.weights)), place.file("nan.pdparams"))
    return pictured(place, Tiny, weights=weights)


@case("H1b", "a NaN logit swallowed by softmax")
def _(place):
    weights = store(poisoned(with_weights(Tiny(), place.weights)), place.file("nan.pdparams"))
    return pictured(place, Tiny, weights=weights)


@case("H1c", "both engines answer NaN (logits)")
def _(place):
    weights = store(poisoned(with_weights(Tiny(), place.weights)), place.file("nan.pdparams"))
    return pictured(place, lambda: Tiny(softmax=0), weights=weights)


@case("H1i", "NaN from the inference engine only")
def _(place):
    return given(place, change=poisoned)


@case("H1g", "NaN in the graph of the export only, all of it")
def _(place):
    return as_exported(place, lambda: Differently(gain=1.0), lambda: Differently(gain=float("nan")))


@case("H1f", "Inf from the inference engine only: overflow")
def _(place):
    return as_exported(place, lambda: Differently(gain=1.0), lambda: Differently(gain=3e38),
                       samples=as_samples([sample.value * 100 for sample in vectors()]))  # fmt: skip


@case("H2", "saturated softmax from trained weights, another gain in the export")
def _(place):
    other = with_weights(Tiny(gain=1000.0), place.weights)
    return pictured(place, lambda: Tiny(gain=500.0), exported=save(other, place.file("given/inference"), [IMAGE]))


@case("H2d", "saturated softmax, another standard deviation in preprocessing")
def _(place):
    return pictured(place, lambda: Tiny(gain=500.0), training=pictures.program(),
                    program=pictures.program(std=[1.05 * value for value in pictures.STD]))  # fmt: skip


@case("V1", "zero weights in the last layer hide gelu with tanh: nothing can be seen")
def _(place):
    return as_exported(place, nets.DeadEnd, lambda: nets.DeadEnd(approximate=True))


@case("V2", "the same sample four times, a rare branch of the export differs")
def _(place):
    one = vectors(1)[0].value
    return as_exported(place, lambda: nets.Rarely(step=0.0), lambda: nets.Rarely(step=0.1), samples=as_samples([one] * 4))


@case("F27", "no samples at all")
def _(place):
    return replace(pictured(place, Tiny), samples=())


@case("J8", "static mode left on by another test")
def _(place):
    setup = pictured(place, Tiny)
    paddle.enable_static()
    return setup


@case("J1", "SIGSEGV in the training side's preprocessing")
def _(place):
    return pictured(place, Tiny, program=crash)


def crash(image):
    import ctypes

    return ctypes.string_at(0)


@case("J9", "preprocessing hangs", timeout=8)
def _(place):
    return pictured(place, Tiny, program=hang)


def hang(image):
    import time

    time.sleep(1000)


# -- preprocessing -----------------------------------------------------------------------------------------------------


def slip(id, title, *, samples=None, make=Tiny, **slips):
    """The deployed preprocessing has a slip, the training engine's has none."""

    @case(id, title)
    def _(place):
        found = pictures.samples() if samples is None else samples()
        return pictured(place, make, samples=found, training=pictures.program(), program=pictures.program(**slips))


def turned():
    images = pictures.samples(4)
    for image in images:
        image.getexif()[0x0112] = 6
    return images


def moded(mode):
    return lambda: [image.convert(mode) for image in pictures.samples(4)]


def black():
    return [Image.new("RGB", image.size) for image in pictures.samples(4)]


GREY = dict(mean=(0.5,) * 3, std=(0.5,) * 3)  # noqa: C408
slip("E1", "BGR for RGB", channels="BGR")
slip("E2", "nearest for bilinear", resize=Image.Resampling.NEAREST)
slip("E2c", "bicubic for bilinear", resize=Image.Resampling.BICUBIC)
slip("E3", "bilinear without antialias (cv2)", antialias=False)
slip("E3L", "bilinear without antialias, large photos", antialias=False, samples=lambda: pictures.samples(4, factor=8))
slip("E4", "resize to a square", square=True)
slip("E5", "crop before resize", order="crop, resize, crop")
slip("E6", "no normalisation", mean=(0,) * 3, std=(1,) * 3)
slip("E6s", "0.5 for ImageNet's statistics", **GREY)
slip("E6o", "mean and std in BGR order", mean=pictures.MEAN[::-1], std=pictures.STD[::-1])
slip("E6r", "mean rounded to two digits", mean=(0.48, 0.46, 0.41))
slip("E7", "no division by 255", scale=1.0)
slip("E7t", "division by 255 twice", scale=1 / 255**2)
slip("E7d", "division by 256", scale=1 / 256)
slip("E8d", "through float16", through="float16")
slip("E9", "reshape for transpose", layout="reshape")
slip("E9n", "NHWC for NCHW", layout="none")
slip("E9m", "mirrored", mirror=True)
slip("E9s", "crop shifted by a pixel", shift=1)
slip("E10", "float64 fed", dtype="float64")
slip("E10u", "uint8 fed", dtype="uint8")
slip("E10i", "int64 fed", dtype="int64")
slip("E11", "EXIF orientation ignored", exif=False, samples=turned)
slip("E12r", "RGBA not converted", convert=False, samples=moded("RGBA"))
slip("E12g", "grey not converted", convert=False, samples=moded("L"))
slip("F10w", "48x48 fed for 32x32", side=48, short=54)


def fitted(id, title, training, inference, *, samples=None, inputs=(IMAGE,)):
    """Two programs that pad or stretch: what they do, by the keywords of each."""

    @case(id, title)
    def _(place):
        found = pictures.samples() if samples is None else samples()
        spec = ModelSpec("net", factory=Tiny, weights=place.weights, softmax="no", input_spec=list(inputs),
                         preprocess=pictures.program(**inference), training_preprocess=pictures.program(**training))  # fmt: skip
        return Setup(spec, as_samples(found))


STRETCH = {"order": "resize", "square": True, "short": pictures.SIDE}
YOLO, OCR = {"pad": "centre", "fill": 114}, {"pad": "corner", "after": True}
OBLONG = [(None, 3, None, None)]
fitted("E13", "a letterbox for a stretch", STRETCH, YOLO)
fitted("E13s", "a stretch for a letterbox", YOLO, STRETCH)
fitted("E13c", "a crop for a letterbox", YOLO, {})
fitted("E14", "padded at the right and bottom for around", YOLO, {**YOLO, "pad": "corner"})
fitted("E14c", "padded around for at the right and bottom", {"pad": "corner"}, {"pad": "centre"})
fitted("E15", "padded with 0 for 114", YOLO, {"pad": "centre"})
fitted("E15m", "padded with 128 for 114", YOLO, {**YOLO, "fill": 128})
fitted("E15b", "padded with 0 before the normalisation for after it", OCR, {"pad": "corner"})
fitted("E15a", "padded with 0 after the normalisation for before it", {"pad": "corner"}, OCR)
fitted(
    "E16",
    "no padding to a multiple of 32",
    {"pad": "multiple"},
    {"pad": "bare"},
    samples=lambda: pictures.samples(1),
    inputs=OBLONG,
)
fitted(
    "E16a", "padding to a multiple of 32", {"pad": "bare"}, {"pad": "multiple"}, samples=lambda: pictures.samples(1), inputs=OBLONG
)
fitted("E17", "align_corners", STRETCH, {"aligned": True})
fitted("E17a", "align_corners left out", {"aligned": True}, {**STRETCH, "order": "resize", "antialias": False})
fitted("E18", "a JPEG on the way", {}, {"jpeg": 75}, samples=lambda: pictures.samples(4, factor=4))
fitted("E18a", "a JPEG on the way left out", {"jpeg": 95}, {}, samples=lambda: pictures.samples(4, factor=4))
slip("E19", "a gamma of 2.2", gamma=2.2)
fitted("E19a", "a gamma of 0.4 left out", {"gamma": 0.4}, {})
slip("E19f", "a gamma of 2.2 before the resize", gamma_first=2.2)
slip("E20", "reducing_gap=1.0", gap=1.0, samples=lambda: pictures.samples(4, factor=8))
slip("E20d", "reducing_gap=2.0, as thumbnail has it", gap=2.0, samples=lambda: pictures.samples(4, factor=8))


@case("H25", "postprocessing reads a square heat map by columns")
def _(place):
    return answered(place, heat, lambda output: heat(output).T)


@case("H25p", "points (x, y) of heat maps read as (y, x)")
def _(place):
    return answered(place, point, lambda output: point(output)[::-1])


@case("H26", "a decision that is always 1")
def _(place):
    return answered(place, lambda output: int(output.ravel()[0] > output.ravel()[1]), lambda output: 1)


def heat(output):
    return np.outer(output.ravel()[:6], np.arange(1, 7)[::-1] ** 2)


def point(output):
    return [int(at) for at in np.unravel_index(int(np.argmax(output)), (2, 4))]


def answered(place, training, inference):
    """Raw outputs that agree behind two postprocessing programs."""
    return pictured(place, Tiny, training_postprocess=training, postprocess=inference)


@case("E1g", "BGR for RGB, hidden by grey pictures")
def _(place):
    return pictured(place, Tiny, samples=pictures.samples(4, grey=True), training=pictures.program(**GREY),
                    program=pictures.program(channels="BGR", **GREY))  # fmt: skip


@case("A2", "BGR and reshape, hidden by black pictures")
def _(place):
    return pictured(place, Tiny, samples=black(), training=pictures.program(**GREY),
                    program=pictures.program(channels="BGR", layout="reshape", **GREY))  # fmt: skip


@case("A4", "the picture does not exist")
def _(place):
    return pictured(place, Tiny, program=missing)


def missing(image):
    return pictures.prepare(Image.open("/nowhere/at/all.png"))


def dead(name, image, **slips):
    def build(place):
        spec = ModelSpec("net", factory=lambda: seeded(getattr(paddle.vision.models, name)), weights="factory", softmax="yes",
                         input_spec=[(None, 3, 64, 64)], training_preprocess=pictures.program(side=64, short=72),
                         preprocess=pictures.program(side=64, short=72, **slips))  # fmt: skip
        return Setup(spec, as_samples(pictures.samples(4)))

    return build


case("H5", "BGR for RGB, dead random mobilenet_v3_small")(dead("mobilenet_v3_small", 64, channels="BGR"))
case("H5s", "no division by 255, random squeezenet1_0")(dead("squeezenet1_0", 64, scale=1.0))


@case("H5o", "another epsilon in every batch norm, dead random mobilenet_v1 without softmax")
def _(place):
    def make():
        return seeded(paddle.vision.models.mobilenet_v1)

    layer = make()
    for sub in layer.sublayers():
        if hasattr(sub, "_epsilon"):
            sub._epsilon = 1e-3
    exported = save(layer, place.file("given/inference"), [(None, 3, 64, 64)])
    spec = ModelSpec("net", factory=make, weights="factory", softmax="no", input_spec=[(None, 3, 64, 64)],
                     preprocess=pictures.program(side=64, short=72))  # fmt: skip
    return Setup(spec, as_samples(pictures.samples(4)), exported)
