"""What an engineer writes by hand, in one process, for the work of `pytest --paddle-model=alexnet`: the yardstick of `alexnet.py`.

With `--tipc` it stops at what TIPC's Python inference guide prescribes: export, files and parameters, batch sizes, both engines on every
picture, comparison, reprod_log files, warm-up and timed batches, AutoLog's log. Without it, it also does what the plugin does beyond that:
logits brought to a spread of one, a float64 reference, and runs that must agree (asked twice, inside a batch, on a clone).
No workers, no checksums, no judge.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

warnings.filterwarnings("ignore")

import paddle  # noqa: E402
from paddle import inference, nn  # noqa: E402
from paddle.static import InputSpec  # noqa: E402
from paddle.vision import models  # noqa: E402
from reprod_log import ReprodDiffHelper, ReprodLogger  # noqa: E402

from pytest_paddle_infer.samples import drawn_samples  # noqa: E402

WARMUP, REPEATS, BATCHES = 2, 3, (1, 2, 5)
TRAINING_BATCHES = 4
MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
STD = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)


def preprocess(path: Path) -> np.ndarray:
    with path.open("rb") as stream:
        image = Image.open(stream).convert("RGB")
    width, height = image.size
    scale = 256 / min(width, height)
    image = image.resize((int(width * scale), int(height * scale)), Image.Resampling.BILINEAR)
    left, top = round((image.width - 224) / 2), round((image.height - 224) / 2)
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)))
    chw = np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32)
    return ((chw / 255 - MEAN) / STD)[np.newaxis]


def postprocess(output: np.ndarray) -> tuple[int, float]:
    flat = output.flatten()
    class_id = int(flat.argmax())
    return class_id, float(flat[class_id])


def make_model(name: str, pictures: list[Path] | None) -> nn.Layer:
    paddle.seed(0)
    net = getattr(models, name)()
    net.eval()
    if pictures:
        with paddle.no_grad():
            logits = net(paddle.to_tensor(np.concatenate([preprocess(picture) for picture in pictures]))).numpy()
        last = [layer for layer in net.sublayers() if isinstance(layer, nn.Linear)][-1]
        for parameter in (last.weight, last.bias):
            parameter.set_value(parameter.numpy() / np.float32((logits - logits.mean(axis=-1, keepdims=True)).std()))
    model = nn.Sequential(net, nn.Softmax())
    model.eval()
    return model


def train_run(model: nn.Layer, x: np.ndarray) -> np.ndarray:
    with paddle.no_grad():
        return model(paddle.to_tensor(x)).numpy()


class InferenceEngine:
    def __init__(self, prefix: Path, onednn: bool, threads: int = 1) -> None:
        graph = prefix.with_suffix(".json") if prefix.with_suffix(".json").exists() else prefix.with_suffix(".pdmodel")
        config = inference.Config(str(graph), str(prefix.with_suffix(".pdiparams")))
        config.disable_gpu()
        config.disable_glog_info()
        config.set_cpu_math_library_num_threads(threads)
        if graph.suffix == ".json":
            config.enable_new_executor()
        config.enable_memory_optim()
        config.switch_ir_optim(True)
        if onednn:
            config.enable_mkldnn()
        else:
            config.disable_mkldnn()
        self.config = config
        self.predictor = inference.create_predictor(config)
        self._take_handles()

    def use_clone(self) -> None:
        self.predictor = self.predictor.clone()
        self._take_handles()

    def _take_handles(self) -> None:
        self.input = self.predictor.get_input_handle(self.predictor.get_input_names()[0])
        self.output = self.predictor.get_output_handle(self.predictor.get_output_names()[0])

    def run(self, x: np.ndarray) -> np.ndarray:
        self.input.copy_from_cpu(x)
        self.predictor.run()
        return self.output.copy_to_cpu()


def check_artifacts(model: nn.Layer, prefix: Path) -> None:
    for suffix in (".json", ".pdiparams") if paddle.__version__ >= "3" else (".pdmodel", ".pdiparams", ".pdiparams.info"):
        path = prefix.with_suffix(suffix)
        if not path.is_file() or path.stat().st_size == 0:
            sys.exit(f"{path} is missing or empty")
    loaded = paddle.jit.load(str(prefix)).state_dict().values()  # sorted by Paddle's own names, under others
    own = sorted(model.state_dict().items(), key=lambda item: item[1].name)
    if len(loaded) != len(own):
        sys.exit(f"{len(loaded)} parameters were exported, the model has {len(own)}")
    for (name, mine), theirs in zip(own, loaded):
        if not np.array_equal(mine.numpy(), theirs.numpy()):
            sys.exit(f"parameter {name} differs")


def write_log(path: Path, model: str, engine: InferenceEngine, stages: np.ndarray, rss: float, samples: int) -> None:
    config = engine.config
    preprocess_ms, run_ms, postprocess_ms = 1000 * stages.mean(axis=0)
    lines = [
        "",
        "---------------------- Env info ----------------------",
        f" OS_version: {platform.system()} {platform.release()}",
        f" CUDA_version: {paddle.version.cuda()}",
        f" CUDNN_version: {paddle.version.cudnn()}",
        " drivier_version: None",
        "---------------------- Paddle info ----------------------",
        f" paddle_version: {paddle.__version__}",
        f" paddle_commit: {paddle.version.commit}",
        " log_api_version: 1.0",
        "----------------------- Conf info -----------------------",
        f" runtime_device: {'gpu' if config.use_gpu() else 'cpu'}",
        f" ir_optim: {config.ir_optim()}",
        " enable_memory_optim: True",
        f" enable_tensorrt: {config.tensorrt_engine_enabled()}",
        f" enable_mkldnn: {config.mkldnn_enabled()}",
        f" cpu_math_library_num_threads: {config.cpu_math_library_num_threads()}",
        "----------------------- Model info ----------------------",
        f" model_name: {model}",
        " precision: fp32",
        "----------------------- Data info -----------------------",
        " batch_size: 1",
        " input_shape: dynamic",
        f" data_num: {samples}",
        "----------------------- Perf info -----------------------",
        f" cpu_rss(MB): {rss:.4f}, gpu_rss(MB): None, gpu_util: None%",
        f" total time spent(s): {stages.sum():.4f}",
        f" preprocess_time(ms): {preprocess_ms:.4f}, inference_time(ms): {run_ms:.4f}, postprocess_time(ms): {postprocess_ms:.4f}",
    ]
    stamp = time.strftime("%Y/%m/%d %H:%M:%S")
    path.write_text("".join(f"[{stamp}] root INFO: {line}\n" for line in lines))


def make_reference(model: nn.Layer, inputs: list[np.ndarray], kept: Path) -> np.ndarray:
    """Outputs in float64, kept next to the export; the layer stays in float64."""
    if not kept.is_file():
        model.to(dtype="float64")
        np.save(kept, np.concatenate([train_run(model, x.astype(np.float64)) for x in inputs]))
    return np.load(kept)


def compare(
    trained: list[np.ndarray], engine: InferenceEngine, pictures: list[Path], directory: Path, reference: np.ndarray | None
) -> None:
    inferred = [engine.run(preprocess(picture)) for picture in pictures]
    training, inference_ = np.concatenate(trained), np.concatenate(inferred)
    scale = np.abs(training).max() if reference is None else np.abs(reference).max()
    limit = 1e-5 if reference is None else 4 * max(np.abs(training - reference).max() / scale, 4 * 2**-23)
    if np.abs((training if reference is None else reference) - inference_).max() > limit * scale:
        sys.exit("the engines differ")
    answers = [[postprocess(output) for output in outputs] for outputs in (trained, inferred)]
    if [class_id for class_id, _ in answers[0]] != [class_id for class_id, _ in answers[1]]:
        sys.exit("the engines disagree")
    for side, outputs, found in zip(("training", "inference"), (training, inference_), answers):
        logger = ReprodLogger()
        logger.add("class_id", np.array([class_id for class_id, _ in found]))
        logger.add("prob", np.array([prob for _, prob in found]))
        logger.add("output", outputs)
        logger.save(str(directory / f"output_{side}_engine.npy"))
    helper = ReprodDiffHelper()
    helper.compare_info(*(helper.load_info(str(directory / f"output_{side}_engine.npy")) for side in ("training", "inference")))
    helper.report(path=str(directory / "train_infer_diff.log"), diff_threshold=1e-5)


def check_invariance(engine: InferenceEngine, pictures: list[Path]) -> None:
    one, two = preprocess(pictures[0]), preprocess(pictures[1])
    alone = engine.run(one)
    found = [engine.run(one), engine.run(np.concatenate([one, two]))[:1], engine.run(one)]
    engine.use_clone()
    found.append(engine.run(one))
    if any(np.abs(output - alone).max() > 1e-5 * np.abs(alone).max() for output in found):
        sys.exit("the inference engine answers the same picture differently")


def benchmark(name: str, engine: InferenceEngine, pictures: list[Path], directory: Path) -> float:
    process, stages = psutil.Process(), []
    peak = 0
    for number in range(WARMUP + REPEATS * len(pictures)):
        clock = [time.perf_counter()]
        x = preprocess(pictures[number % len(pictures)])
        clock.append(time.perf_counter())
        output = engine.run(x)
        clock.append(time.perf_counter())
        postprocess(output)
        clock.append(time.perf_counter())
        if number >= WARMUP:
            stages.append(np.diff(clock))
        peak = max(peak, process.memory_info().rss)
    write_log(directory / "inference_benchmark.log", name, engine, np.array(stages), peak / 2**20, len(stages))
    return 1000 * float(np.array(stages)[:, 1].mean())


def run_bare(model: nn.Layer, prefix: Path, pictures: list[Path], variant: str) -> None:
    """The two bare engines: each preprocesses and runs every picture, nothing is compared or kept."""
    engine = InferenceEngine(prefix, variant == "onednn")
    for picture in pictures:
        postprocess(train_run(model, preprocess(picture)))
    for picture in pictures:
        postprocess(engine.run(preprocess(picture)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="alexnet")
    parser.add_argument("--variant", action="append", choices=("cpu", "onednn"))
    parser.add_argument("--export-dir", type=Path, required=True)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, help="directory of pictures; with it nothing but both engines run on each of them")
    parser.add_argument("--tipc", action="store_true", help="only what TIPC's guide prescribes")
    parser.add_argument("--warm", action="store_true", help="use the export of an earlier run if it is there")
    arguments = parser.parse_args()
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    variants = arguments.variant or ["cpu"]
    if arguments.pictures:
        pictures = sorted(arguments.pictures.iterdir())
    else:
        pictures = [sample.path for sample in drawn_samples(arguments.output_dir / "samples", 4) if sample.path is not None]
    paddle.base.core.set_num_threads(1)
    model = make_model(arguments.model, None if arguments.tipc else pictures[:4])
    prefix, kept = arguments.export_dir / "inference", arguments.export_dir / "reference.npy"
    if not arguments.warm or not prefix.with_suffix(".pdiparams").is_file():
        paddle.jit.save(model, str(prefix), input_spec=[InputSpec([None, 3, 224, 224], "float32", name="x")])
        kept.unlink(missing_ok=True)
    if arguments.pictures:
        run_bare(model, prefix, pictures, variants[0])
        return
    check_artifacts(model, prefix)
    inputs = [preprocess(picture) for picture in pictures]
    for size in BATCHES[:2]:
        train_run(model, np.repeat(inputs[0], size, axis=0))
    trained = [train_run(model, x) for x in inputs]
    clock = []
    for number in range(1 + TRAINING_BATCHES):
        x = preprocess(pictures[number % len(pictures)])
        begin = time.perf_counter()
        postprocess(train_run(model, x))
        clock.append(time.perf_counter() - begin)
    training_ms = 1000 * float(np.mean(clock[1:]))
    reference = None if arguments.tipc else make_reference(model, inputs, kept)
    for variant in variants:
        directory = arguments.output_dir / variant
        directory.mkdir(exist_ok=True)
        engine = InferenceEngine(prefix, variant == "onednn")
        if variant == variants[0]:
            for size in BATCHES:
                if engine.run(np.repeat(inputs[0], size, axis=0)).shape != (size, 1000):
                    sys.exit(f"a batch of {size} is not accepted")
        compare(trained, engine, pictures, directory, reference)
        if not arguments.tipc:
            check_invariance(engine, pictures)
        inference_ms = benchmark(arguments.model, engine, pictures, directory)
        print(f"{arguments.model} {variant}: ok, {inference_ms:.2f} ms a picture, training engine {training_ms:.2f} ms")


if __name__ == "__main__":
    main()
