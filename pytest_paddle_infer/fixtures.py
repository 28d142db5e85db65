"""The fixtures. Heavy rooms are imported in their bodies: declaring a fixture imports neither Paddle nor numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_paddle_infer.session import SELECTED, SESSION

if TYPE_CHECKING:
    from pytest_paddle_infer.checkpoints import Checkpoints
    from pytest_paddle_infer.conformance import Conformance
    from pytest_paddle_infer.engine.inference import InferenceEngine
    from pytest_paddle_infer.engine.training import TrainingEngine
    from pytest_paddle_infer.exports import ExportedModel
    from pytest_paddle_infer.models import ModelSpec
    from pytest_paddle_infer.samples import Sample


@pytest.fixture
def paddle_model(request: pytest.FixtureRequest) -> ModelSpec:
    """The model under test, with marker, options and ini file merged in."""
    spec = getattr(request, "param", None)
    return spec if spec is not None else request.node.stash[SELECTED].spec  # type: ignore[no-any-return]


@pytest.fixture
def paddle_variant(request: pytest.FixtureRequest) -> str:
    """The name of the engine variant, with its parameters: `"onednn:threads=4"`."""
    choice = getattr(request, "param", None)
    return (choice if choice is not None else request.node.stash[SELECTED].variant).label  # type: ignore[no-any-return]


@pytest.fixture
def sample_images(
    paddle_model: ModelSpec, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Sequence[Sample]:
    """The samples: those of `--paddle-images`, the marker or the `ModelSpec`, else pictures drawn by the plugin.

    Override it to return a list of paths, `PIL.Image`s, arrays, or whatever the model's preprocess takes.
    """
    from pytest_paddle_infer.checkpoints import workdir_of
    from pytest_paddle_infer.failures import PaddleInferError
    from pytest_paddle_infer.plain import plain_fail
    from pytest_paddle_infer.report.text import plain
    from pytest_paddle_infer.sampling import samples_of

    try:
        return samples_of(paddle_model, workdir_of(request.config, tmp_path_factory), request.config.rootpath)
    except (PaddleInferError, ValueError) as error:
        raise plain_fail(plain(f"{paddle_model.name}: {error}"), request.node.nodeid) from None  # said once


@pytest.fixture(scope="session")
def _paddle_conformance(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conformance]:
    """The one `Conformance` of this process; its workers end with the session."""
    from pytest_paddle_infer.checkpoints import place_of, run_options, workdir_of
    from pytest_paddle_infer.conformance import Conformance

    state, config = request.config.stash[SESSION], request.config
    options = run_options(state.settings, workdir_of(config, tmp_path_factory), state.variants, place_of(config))
    conformance = Conformance(options, state.progress)
    yield conformance
    conformance.close()


@pytest.fixture
def exported_model(
    request: pytest.FixtureRequest, paddle_model: ModelSpec, sample_images: Sequence[Any], _paddle_conformance: Conformance
) -> ExportedModel:
    """The export of the model under test: `os.fspath()` is its directory; `.model_file`, `.params_file`, `.prefix`.

    Override it to return the directory of an export that the repo's own script made; the checkpoints then judge that one.
    """
    from pytest_paddle_infer.checkpoints import plain_failure
    from pytest_paddle_infer.sampling import as_samples

    with plain_failure(request.node):
        return _paddle_conformance.export(paddle_model, as_samples(sample_images))


@pytest.fixture
def training_engine(
    request: pytest.FixtureRequest, paddle_model: ModelSpec, sample_images: Sequence[Any], _paddle_conformance: Conformance
) -> TrainingEngine:
    """The dygraph model, in this process: `preprocess(image)`, `run(x)`, `postprocess(output)`, `predict(image)`.

    `run` gives an array, or a list of arrays for several outputs, those of a dict sorted by key. `predict` is all three in turn; it needs
    an own `postprocess`, or a classifier's scores, and is an error for any other model.
    """
    from pytest_paddle_infer.checkpoints import plain_failure
    from pytest_paddle_infer.sampling import as_samples

    with plain_failure(request.node):
        return _paddle_conformance.training_engine(paddle_model, as_samples(sample_images))


@pytest.fixture
def inference_engine(
    request: pytest.FixtureRequest,
    paddle_model: ModelSpec,
    paddle_variant: str,
    exported_model: Any,
    sample_images: Sequence[Any],
    _paddle_conformance: Conformance,
) -> Iterator[InferenceEngine]:
    """The Paddle Inference predictor of the export, in this process, with the same four methods.

    It is of this Python's Paddle: with `--paddle-python` the test fails, or is skipped with `--paddle-allow-missing`.
    Environment variables and Paddle's flags that a variant's own function sets are put back after the test.
    """
    from pytest_paddle_infer.checkpoints import given_export, plain_failure, refuse_other_python, skip_if_optional
    from pytest_paddle_infer.failures import UnavailableError
    from pytest_paddle_infer.sampling import as_samples

    with plain_failure(request.node), _paddle_conformance.settings_kept():
        refuse_other_python(request, paddle_model, paddle_variant)
        try:
            samples, export = as_samples(sample_images), given_export(exported_model)
            yield _paddle_conformance.inference_engine(paddle_model, paddle_variant, export, samples)
        except UnavailableError as error:
            skip_if_optional(request, error)
            raise


@pytest.fixture
def paddle_checkpoints(request: pytest.FixtureRequest, _paddle_conformance: Conformance) -> Checkpoints:
    """Runs the checkpoints: `.artifacts(paddle_model)`, `.parity(paddle_model, paddle_variant)`, `.log(...)`."""
    from pytest_paddle_infer.checkpoints import Checkpoints

    return Checkpoints(request, _paddle_conformance)
