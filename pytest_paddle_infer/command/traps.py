"""What Paddle does and its users do not expect: measured on 2.6.2 and 3.3.1, one line each, with what to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_paddle_infer.command.installed import Installed
from pytest_paddle_infer.distributions import WHEELS


def _always(installed: Installed) -> bool:
    return True


def _without_avx512(installed: Installed) -> bool:
    return "x86" in installed.machine.architecture and "avx512f" not in installed.machine.instructions.split()


@dataclass(frozen=True)
class Trap:
    """what: a sentence without its full stop. remedy: what to do, likewise. majors: of Paddle. when: whether it concerns this machine."""

    what: str
    remedy: str
    majors: tuple[int, ...] = (2, 3)
    when: Callable[[Installed], bool] = _always


TRAPS: tuple[Trap, ...] = (
    Trap("a deployed program that sets nothing runs with oneDNN",
         "test the variant onednn too, or call config.disable_mkldnn()"),
    Trap("a GPU, bf16, int8 and ONNX Runtime are accepted and ignored where this build or machine lacks them",
         "read the setting back, such as config.use_gpu(); test_parity proves what ran"),
    Trap("a .pdiparams that is cut short by some bytes, or is of another model, loads without an error",
         "check what you deploy with --paddle-exported=DIR"),
    Trap("paddle.jit.save succeeds on a full disk and leaves cut parameters",
         "check what you deploy with --paddle-exported=DIR"),
    Trap("to_static drops in-place methods whose result is not used, such as x.add_(1)",
         "write x = x + 1"),
    Trap("one predictor in two threads gives wrong answers",
         "give each thread a predictor.clone()", (3,)),
    Trap("one predictor in two threads gives wrong answers, dies or hangs",
         "give each thread a predictor.clone()", (2,)),
    Trap("switch_ir_optim(False) changes nothing for a .json graph",
         "call config.set_optimization_level(0)", (3,)),
    Trap("enable_memory_optim() without enable_new_executor() is an error of create_predictor",
         "call config.enable_new_executor() first", (3,)),
    Trap("pass_builder().delete_pass() has no effect on a .json graph",
         "call config.delete_pass()", (3,)),
    Trap("oneDNN refuses a .json graph with F.interpolate",
         'call config.delete_pass("onednn_placement_pass"), deploy with the variant cpu: config.disable_mkldnn(), or deploy the .pdmodel '
         "that Paddle 2 exported, which it runs", (3,)),
    Trap("create_predictor refuses a model that returns an input as an output, unchanged or through an operation that is taken out "
         "(x * 1.0)",
         "return paddle.assign(x)", (3,)),
    Trap("set_model_buffer() with a .json graph ends the process in a segmentation fault",
         "give Config the files", (3,)),
    Trap("paddle.jit.load does not read the .pdmodel of Paddle 2, though Paddle Inference does",
         "export again to load it for training", (3,)),
    Trap("the .json graph of Paddle 3 ends the process in a segmentation fault",
         "export with this Paddle, or deploy with Paddle 3", (2,)),
    Trap("enable_new_executor() and disable_mkldnn() together throw delete_pass() away",
         "leave enable_new_executor() out", (2,)),
    Trap("oneDNN's self_attention_fuse_pass makes AVX512 code, and this processor has none: models with self-attention end in SIGILL",
         'call config.delete_pass("self_attention_fuse_pass")', (2,), _without_avx512),
    Trap("PNG pictures cannot be read (codec configuration error), and writing one ends in a segmentation fault, where paddle is "
         "imported before zlib and Pillow: it brings a zlib of its own",
         "import PIL.Image before paddle", (2,)),
    Trap("predictor.run([tensor]) ends the process in a segmentation fault",
         "feed by get_input_handle(name).copy_from_cpu(array)", (2,)),
    Trap("Config(directory, prefix) is an error",
         "give Config the two files", (2,)),
)  # fmt: skip
"""Told by the major version: what was seen on 2.6.2 and on 3.3.1 counts for Paddle 2 and Paddle 3."""

MEASURED = {2: "2.6.2", 3: "3.3.1"}
"""Where the traps of a major version were seen."""


def _release(version: str) -> tuple[str, ...]:
    """As ("3", "0", "0") of 3.0.0rc1, 3.0.0-rc1 and 3.0.0.post118; () of what is no release, and of 0.0.0, a development build."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return match.groups() if match and match[0] != "0.0.0" else ()


def of_this(installed: Installed) -> Sequence[Trap]:
    """Those of the installed Paddle: first what the installation itself brings about, then what the version does."""
    return (
        *_of_the_installation(installed),
        *(trap for trap in TRAPS if installed.paddle_major in trap.majors and trap.when(installed)),
    )


def _of_the_installation(installed: Installed) -> list[Trap]:
    found = []
    if len(installed.wheels) > 1:
        both = " and ".join(f"{name} {version}" for name, version in installed.wheels.items())
        found.append(Trap(
            f"{both} are both installed, and overwrite each other's files",
            f"pip uninstall {' '.join(installed.wheels)}, then install one",
        ))  # fmt: skip
    if installed.paddle and not installed.wheels:
        found.append(Trap(
            f"`import paddle` takes {installed.folder}, and neither of the wheels {' and '.join(WHEELS)} is installed",
            "make sure that it is the Paddle that you mean",
        ))  # fmt: skip
    for name, version in installed.wheels.items():
        if len(installed.wheels) == 1 and _release(version) != _release(installed.paddle) != ():
            found.append(Trap(
                f"`import paddle` takes Paddle {installed.paddle} from {installed.folder}, and {name} {version} is installed",
                f"pip uninstall {name}, then install it again",
            ))  # fmt: skip
    numpy = installed.packages.get("numpy", "")
    if installed.paddle_major == 2 and numpy.partition(".")[0].isdigit() and int(numpy.partition(".")[0]) >= 2:
        found.append(Trap(
            f"Paddle {installed.paddle} was made for numpy 1, and numpy {numpy} is installed: it may work, and nobody tests it",
            "pip install 'numpy<2'",
        ))  # fmt: skip
    return found
