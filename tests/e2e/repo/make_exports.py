"""The repo's own export script, with every slip that such scripts have: weights and exports/KIND/inference.* next to it.

The nets are made after others in one process, so that every export has shifted layer counters (`conv2d_7` for `conv2d_0`).
"""

import json
import shutil
import sys
from pathlib import Path

import paddle
from paddle import nn
from tiny import ReadsTraining, Tiny, TwoHeads, TwoHeadsSwapped

HERE = Path(__file__).parent
IMAGE = paddle.static.InputSpec([None, 3, 32, 32], "float32", name="x")


def trained(layer, seed):
    """Weights as training leaves them: no two alike, and batch-norm statistics that were moved."""
    paddle.seed(seed)
    for parameter in layer.parameters():
        parameter.set_value(paddle.randn(parameter.shape) * 0.4 + (parameter if parameter.ndim == 1 else 0))
    layer.train()
    for _ in range(3):
        layer(paddle.randn([4, 3, 32, 32]))
    layer.eval()
    return layer


def with_weights_of(layer, name):
    layer.set_state_dict(paddle.load(str(HERE / f"{name}.pdparams")))
    layer.eval()
    return layer


def save(layer, kind, spec=IMAGE):
    paddle.jit.save(layer, str(HERE / "exports" / kind / "inference"), input_spec=[spec])


paddle.save(trained(Tiny(), 1).state_dict(), str(HERE / "tiny.pdparams"))
paddle.save(trained(ReadsTraining(), 2).state_dict(), str(HERE / "reads_training.pdparams"))
paddle.save(trained(TwoHeads(), 3).state_dict(), str(HERE / "two_heads.pdparams"))
tiny = with_weights_of(Tiny(), "tiny")

save(tiny, "good")
shutil.copytree(HERE / "exports/good", HERE / "exports/good_of_another_name")
for path in list((HERE / "exports/good_of_another_name").iterdir()):
    path.rename(path.with_name(path.name.replace("inference", "tiny_v2")))

moved = with_weights_of(Tiny(), "tiny")
moved.fc.weight.set_value(moved.fc.weight * 1.001)
save(moved, "one_layer_changed")

drifted = with_weights_of(Tiny(), "tiny")
drifted.train()
drifted(paddle.randn([4, 3, 32, 32]))
drifted.eval()
save(drifted, "statistics_changed")

save(trained(Tiny(), 9), "another_run")
save(trained(Tiny(12), 9), "wider_net")

forgetful = with_weights_of(Tiny(), "tiny")
forgetful.train()
save(forgetful, "eval_forgotten")

mode = with_weights_of(ReadsTraining(), "reads_training")
save(mode, "reads_training")
mode.train()
save(mode, "reads_training_in_train_mode")

save(nn.Sequential(with_weights_of(Tiny(), "tiny"), nn.Softmax()), "tipc_softmax")
save(tiny, "batch_of_one", paddle.static.InputSpec([1, 3, 32, 32], "float32", name="x"))
save(tiny, "larger_input", paddle.static.InputSpec([None, 3, 48, 48], "float32", name="x"))
save(tiny, "other_name", paddle.static.InputSpec([None, 3, 32, 32], "float32", name="image"))
save(with_weights_of(TwoHeads(), "two_heads"), "two_heads")
save(with_weights_of(TwoHeadsSwapped(), "two_heads"), "two_heads_swapped")

infected = paddle.load(str(HERE / "tiny.pdparams"))
bias = infected["fc.bias"].numpy()
bias[3] = float("nan")
infected["fc.bias"] = paddle.to_tensor(bias)
paddle.save(infected, str(HERE / "nan.pdparams"))

json.dump({"paddle": paddle.__version__}, sys.stdout)
