"""The tables of options and marker keys in English and Chinese, for `reference.py`. The English is the code's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_paddle_infer.option_table import BY_ATTRIBUTE, MARKER_KEYS, OPTIONS, VARIANTS

CHINESE: Mapping[str, str] = {
    "Add the conformance items of this model: a registered name, package.module:factory, path/to/file.py:factory, "
    "a factory of paddle.vision.models, or a glob over known names. May be repeated.":
        "为该模型添加测试项：已注册的名字、package.module:factory、path/to/file.py:factory、paddle.vision.models 中的模型函数，"
        "或对已知名字的通配。可重复。",
    BY_ATTRIBUTE["variant"].help:
        f"预测引擎的配置：{'、'.join(VARIANTS)}，钩子 pytest_paddle_infer_variants 提供的配置，all，"
        "或 auto（本机与此 Paddle 有 GPU 时为 gpu，否则为 cpu）；参数写法如 onednn:threads=4。可重复。",
    "Skip a variant that was named and cannot run here, instead of failing it.": "点名的配置在本机不能运行时，跳过而不是失败。",
    "Run the inference engine of the checkpoints under this other Python, with the Paddle that is installed there; the fixture "
    "inference_engine, which is in this process, is refused.":
        "用另一个 Python（及其中安装的 Paddle）运行各核验点的预测引擎；fixture inference_engine 在本进程中，会被拒绝。",
    "Weights of the model (.pdparams); without them the model gets seeded random weights.":
        "模型权重（.pdparams）；不给则使用固定种子的随机权重。",
    "Samples: a file, a directory or a glob; without it the plugin draws four pictures.":
        "样本：文件、目录或通配；不给则由插件画四张图。",
    "Side of the input in pixels, or HEIGHTxWIDTH; the default preprocessing resizes the short side to 256/224 of it and "
    "crops the centre.": "输入边长（像素）或 高x宽；默认预处理把短边缩放到它的 256/224，再做中心裁剪。",
    "Samples that the engines are given at a time.": "每次送入引擎的样本数。",
    "Append softmax to the model: auto (to a classifier that does not end in one), yes or no.":
        "是否在模型末尾加 softmax：auto（分类模型且末尾没有时加）、yes、no。",
    "Seed of random weights.": "随机权重的种子。",
    "Math threads of each engine.": "每个引擎的数学库线程数。",
    "Time limit of each step of a worker process (export, load, one batch), in seconds.":
        "工作进程每一步（导出、加载、一个 batch）的时限，单位秒。",
    "Elementwise relative tolerance; replaces the default rule.": "逐元素相对误差；替代默认判据。",
    "Elementwise absolute tolerance; replaces the default rule.": "逐元素绝对误差；替代默认判据。",
    "Batches run before the timed ones.": "计时前的预热 batch 数。",
    "Timed passes over all samples; by default enough to time 10 batches, four where inputs have an open size, and 50 batches at most.":
        "对全部样本计时的遍数；默认取能凑满 10 个 batch 的遍数，输入有尺寸未定时至少四遍，最多计时 50 个 batch。",
    "Who writes the benchmark log: builtin, or auto_log for the package of that name.":
        "由谁写推理日志：builtin（内置），或 auto_log（同名的包）。",
    "Check the export in this directory (or with this path prefix), or in DIR/MODEL where DIR itself holds none, instead of exporting.":
        "不再导出，而是检查该目录下（或该路径前缀）已有的推理模型；DIR 本身没有推理模型时检查 DIR/MODEL。",
    "Leave a copy of each export in DIR/MODEL.": "把每个推理模型另存一份到 DIR/MODEL。",
    "Where the reprod_log files and the benchmark log go: DIR/MODEL/VARIANT.":
        "reprod_log 文件与推理日志的输出位置：DIR/MODEL/VARIANT。",
    "Where the evidence of each failed parity is kept: inputs, both outputs, the model, the configuration, the verdict, and a "
    "reproduce.py.": "每次 parity 失败的证据的存放位置：输入、两个引擎的输出、模型、配置、判定结果，以及 reproduce.py。",
    "Write a report of the run into this directory: report.html, report.json and summary.md. A run replaces the report of the run before.":
        "把本次运行的报告写入该目录：report.html、report.json、summary.md。新的运行会整体替换上一次的报告。",
    "Repeat the verdict of a folder of --paddle-artifacts, or of each folder in it. May be repeated; in the ini file it counts where "
    "no test is named.": "重做 --paddle-artifacts 某个文件夹（或其中每个文件夹）的判定。可重复；写在 ini 中时，只在没有点名测试时生效。",
    "Where exports are kept between runs.": "推理模型缓存的位置，多次运行共用。",
    "Size limit of the kept exports; the oldest used go first; 0 for none.": "缓存大小上限，最久未用的先删；0 表示不限。",
    "Export anew into pytest's temporary directory, and leave the kept exports alone.":
        "重新导出到 pytest 的临时目录，不动已有的缓存。",
    "After parity, plant faults in the model (channels swapped, a layer's weights off, ...) and report which of them "
    "the comparison catches.": "parity 之后，往模型里植入错误（通道反序、某一层权重有偏差等），并报告比较能抓住其中哪些。",
    "After a failure, do not look for its cause beyond what the comparison itself shows.":
        "失败之后，只看比较本身显示的东西，不去查找原因。",
    "Time limit of the search for the cause of one failure, in seconds.": "查找一次失败原因的时限，单位秒。",
    "Save this run's times as a performance baseline of this machine; a NAME that exists gets one more run.":
        "把本次运行的耗时存为这台机器的性能基线；NAME 已存在时追加一次运行。",
    "Compare this run's times with a baseline of this machine: slower than PERCENT (15%) allows is a failure, noise is not.":
        "与这台机器的性能基线比较：比 PERCENT（15%）允许的更慢即为失败，噪声不算。",
    "Where performance baselines are kept.": "性能基线的存放位置。",
    "name of the model, as for --paddle-model; default: every --paddle-model, else the one registered model":
        "模型名，写法同 --paddle-model；默认取所有 --paddle-model，否则取唯一注册的模型",
    "list of engine variants, as for --paddle-variant": "预测引擎配置的列表，写法同 --paddle-variant",
    "file, directory, glob, or a list of paths or values": "文件、目录、通配，或路径/取值的列表",
    "list with one shape, (shape, dtype[, name]), TensorSpec or InputSpec an input":
        "列表，每个输入一项：shape、(shape, dtype[, name])、TensorSpec 或 InputSpec",
    "samples that the engines are given at a time": "每次送入引擎的样本数",
    "append softmax: 'auto', 'yes', 'no', True or False": "加 softmax：'auto'、'yes'、'no'、True 或 False",
    "sample -> array or tuple of arrays, for both engines": "样本 -> 数组或数组元组，两个引擎共用",
    "the same for the training engine, where it is another program": "同上，训练引擎一侧是另一段程序时使用",
    "output of one sample -> answer, or (output, sample) -> answer, for both engines":
        "单个样本的输出 -> 结果，或（输出，样本）-> 结果，两个引擎共用",
    "elementwise relative tolerance": "逐元素相对误差",
    "elementwise absolute tolerance": "逐元素绝对误差",
    "list out of artifacts, parity, log; [] for none, where the test only uses the fixtures":
        "列表，取自 artifacts、parity、log；测试只用 fixture 时写 []，不运行核验点",
    "as many as that takes": "按需而定",
    "off": "关",
    ".paddle-perf in the rootdir": "rootdir 下的 .paddle-perf",
    "pytest's temporary directory": "pytest 的临时目录",
    "$XDG_CACHE_HOME/pytest-paddle-infer, or ~/.cache/pytest-paddle-infer":
        "$XDG_CACHE_HOME/pytest-paddle-infer，或 ~/.cache/pytest-paddle-infer",
}  # fmt: skip
"""English text of the code -> Chinese. A text that changed is missing here, so that its translation is looked at again."""


def tables(language: str) -> dict[str, str]:
    """Returns the Markdown tables by name, in "en" or "zh". Raises `KeyError` for a text without a translation."""

    def say(text: str) -> str:
        return CHINESE[text] if language == "zh" else text

    heads = {
        "en": (("option", "ini", "default", "meaning"), ("key", "meaning")),
        "zh": (("选项", "ini", "默认值", "含义"), ("键", "含义")),
    }[language]
    options = [
        (
            f"`{option.flag}{'=' + option.metavar if option.metavar else ''}`",
            f"`{option.key}`",
            (say(option.shown) if option.shown in CHINESE else option.shown) or "–",
            say(option.help),
        )
        for option in OPTIONS
    ]
    keys = [(f"`{key}`", say(meaning)) for key, meaning in MARKER_KEYS.items()]
    return {"options": table(heads[0], options), "marker": table(heads[1], keys)}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in lines)
