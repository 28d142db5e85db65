"""Makes the engine say what it seldom says, one fault at a time in one process, and prints the sentences as JSON."""

import json
import sys
import tempfile
import zlib  # noqa: F401 - before Paddle 2.6.2, or zlib.compress dies of SIGSEGV
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import paddle
from paddle import nn

from pytest_paddle_infer.engine import export as exporting
from pytest_paddle_infer.engine import probe
from pytest_paddle_infer.engine.inference import EngineSetup
from pytest_paddle_infer.engine.model import LoadedModel, load_model, load_weights
from pytest_paddle_infer.engine.reference import ReferenceService
from pytest_paddle_infer.engine.runtime import load_paddle
from pytest_paddle_infer.engine.teeth import TeethService
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.sampling import as_samples
from pytest_paddle_infer.variants import Variant

HERE = Path(tempfile.mkdtemp(dir=sys.argv[1]))
SAID = {}


class Net(nn.Layer):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 4, 3)
        self.norm = nn.BatchNorm2D(4)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(self.drop(self.norm(self.conv(x)).mean((2, 3))))


class Restless(Net):
    """Answers otherwise each time."""

    def forward(self, x):
        return super().forward(x) + paddle.rand([1])


class Napping(Net):
    """Drops values in eval mode too, and is back in it when forward ends."""

    def forward(self, x):
        self.drop.train()
        noise = self.drop(paddle.ones([64])) * paddle.arange(64.0)  # of four values two draws would often be the same
        self.drop.eval()
        return super().forward(x) + noise.sum()


class Awoken(Net):
    """The same, and stays in train mode."""

    def forward(self, x):
        self.drop.train()
        return super().forward(x)


class Wakeful(Net):
    """Its own eval() leaves dropout on."""

    def eval(self):
        super().eval()
        self.drop.training = True
        return self


class Broken(nn.Layer):
    def forward(self, x):
        raise ValueError()


class Bare(nn.Layer):
    """Calls no layer."""

    def forward(self, x):
        return x * 2


class Summed(nn.Layer):
    def forward(self, *xs):
        return sum(xs)


class Single(nn.Layer):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        return self.fc(x)


class Turning(nn.Layer):
    """Calls other layers when it is exported."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        return (self.one if paddle.in_dynamic_mode() else self.two)(x)


def say(name, act):
    try:
        SAID[name] = str(act())
    except Exception as error:
        SAID[name] = f"{type(error).__name__}: {error}"


def samples(shape=(3, 8, 8), count=2):
    return as_samples([np.random.RandomState(k).randn(1, *shape).astype("float32") for k in range(count)])


PICTURES = samples()
ROWS = samples((8,))


def made(kind, given=PICTURES, **changes):
    spec = ModelSpec(
        "net", **{"factory": kind, "softmax": "no", "input_spec": [(None, 3, 8, 8)], "preprocess": lambda x: x, **changes}
    )
    return load_model(spec, given, HERE, 1)


def refuse(*_):
    raise RuntimeError("")


# -- the model
say("no samples", lambda: made(Net, ()))
say("forward raises", lambda: made(Broken, weights=None, softmax="auto"))
say("factory raises", lambda: made(refuse))
say("factory of no layer", lambda: made(dict))
say("too many inputs", lambda: made(Net, input_spec=[(None, 3, 8, 8), (None, 2)]))
say("softmax of many inputs", lambda: made(Summed, softmax="yes", weights="factory", input_spec=[(None, 2)] * 9))

# -- weights
net = Net()
good = net.state_dict()
say("no weights", lambda: load_weights(net, HERE / "none.pdparams", "net"))
(HERE / "text.pdparams").write_text("no weights")
say("unreadable weights", lambda: load_weights(net, HERE / "text.pdparams", "net"))


def loaded(name, content):
    path = HERE / f"{name.replace(' ', '-')}.pdparams"
    paddle.save(content, str(path))
    say(name, lambda: load_weights(net, path, "net"))


loaded("no state_dict", [1, 2])
loaded("other keys", {**{key: value for key, value in good.items() if key != "fc.bias"}, "fc.other": good["fc.bias"]})
loaded("other shape", {**good, "fc.bias": paddle.zeros([7])})
loaded("other dtype", {**good, "fc.bias": good["fc.bias"].astype("float64")})
loaded("no key", dict.fromkeys("abc", good["fc.bias"]))
loaded("a prefix", {f"model.{key}": value for key, value in good.items()})
loaded("nested", {"state": {key: value.numpy() for key, value in good.items()}})

# -- the training side
stuck = made(Net)
stuck.layer.drop.train()
say("train mode", lambda: ReferenceService(stuck, PICTURES, 1).compute(str(HERE), 1, True))
awake = made(Wakeful, softmax="yes")
say("train mode below softmax", lambda: ReferenceService(awake, PICTURES, 1).compute(str(HERE), 1, True))
bare = LoadedModel(stuck.spec, Bare(), stuck.inputs, False, "")
bare.layer.train()
say("train mode itself", lambda: ReferenceService(bare, PICTURES, 1).compute(str(HERE), 1, True))
say("train mode within", lambda: ReferenceService(made(Napping), PICTURES, 1).compute(str(HERE), 1, True))
say("train mode from forward", lambda: ReferenceService(made(Awoken, softmax="yes"), PICTURES, 1).compute(str(HERE), 1, True))
say("restless", lambda: ReferenceService(made(Restless), PICTURES, 1).compute(str(HERE), 1, True))
say("one ulp", lambda: ReferenceService(made(Net), PICTURES, 1).compute(str(HERE), 1, False)["source"])

# -- planted faults
faults = [planted.fault for planted in TeethService(made(Net, softmax="yes"), PICTURES, 1).plant([(0, 2)])]
linear = made(lambda: nn.Linear(8, 3), ROWS, input_spec=[(None, 8)])
faults += [planted.fault for planted in TeethService(linear, ROWS, 1).plant([(0, 2)])]
SAID["planted"] = "; ".join(faults)

# -- exports that are not what was saved
exports = exporting.ExportService(made(Net))
check, verify = exporting.check_files, exporting.verify_parameters
exporting.check_files = lambda *_: "inference.json is empty (0 bytes)."
say("half an export", lambda: exports.export(str(HERE / "half")))
exporting.check_files = check
exporting.verify_parameters = lambda *_: SimpleNamespace(equal=False, sentence=lambda: "1 of 8 parameters differ.")
say("another export", lambda: exports.export(str(HERE / "another")))
exporting.verify_parameters = verify
exports.export(str(HERE / "good"))

# -- the probe network
INPUT = [np.random.RandomState(0).randn(2, 8).astype("float32")]


def probed(kind, seconds=60.0, export=HERE / "none", changed=None):
    model = made(kind, ROWS, weights="factory", input_spec=[(None, 8)])
    service = probe.ProbeService(ExportedModel(export), model, Variant("cpu", base="cpu"), EngineSetup(1))
    if changed:
        setattr(service, *changed)
    return service.locate(INPUT, [model.layer(paddle.to_tensor(INPUT[0])).numpy()], str(HERE), seconds).reason


say("no layers", lambda: probed(Bare))
say("other layers", lambda: probed(Turning))
say("no time", lambda: probed(Single, 0.0))
say("too few", lambda: probed(Single, changed=("_run", lambda *_: [])))
say("foreign export", lambda: probed(Single, export=HERE / "good"))

# -- the process
paddle.enable_static()
say("static", load_paddle)
paddle.disable_static()
print("SAID" + json.dumps(SAID))
