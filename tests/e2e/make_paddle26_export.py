"""Makes data/paddle26: weights of the tiny net and its export by Paddle 2.6.2. Run once, with 2.6.2; the files are committed.

cd tests/e2e && /path/to/paddle-2.6.2/bin/python make_paddle26_export.py
"""

import sys
import traceback
from pathlib import Path

import paddle

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "repo"))

from tiny import Tiny  # noqa: E402

assert paddle.__version__.startswith("2."), f"this is Paddle {paddle.__version__}; the export must come from 2.6.2"
paddle.seed(26)
layer = Tiny(channels=6)
layer.train()
layer(paddle.randn([4, 3, 32, 32]))
layer.eval()
target = HERE / "data" / "paddle26"
target.mkdir(parents=True, exist_ok=True)
paddle.save(layer.state_dict(), str(target / "weights.pdparams"))
traceback.extract_stack = lambda *_, **__: []  # each operator would carry the call stack, and with it the paths of this machine
paddle.jit.save(
    layer, str(target / "export" / "inference"), input_spec=[paddle.static.InputSpec([None, 3, 32, 32], "float32", name="x")]
)
print(sum(path.stat().st_size for path in target.rglob("*.pd*")), "bytes in", target)
