"""Exports made by a repo's own script are judged against the model. Each fault names its cause, each control is green.

The planted faults go through --paddle-exported, one run each; the rest share one run, in which a user's suite runs the
checkpoints and overrides the fixture `exported_model`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sessions import Session, assert_green, assert_red, run_shared

Check = Callable[..., Session]
DATA = Path(__file__).parent / "data"

ARTIFACTS = "::test_artifacts"
PARITY = "::test_parity[cpu]"
LOG = "::test_log[cpu]"
LOGITS = "--paddle-softmax=no"

SUITE = """
from pathlib import Path

import pytest

KINDS = sorted(Path(__file__).parent.joinpath("kinds").iterdir())
each_kind = pytest.mark.parametrize("kind", KINDS, ids=[path.name for path in KINDS])


@pytest.fixture
def exported_model(kind):
    return kind


@each_kind
def test_artifacts(kind, paddle_checkpoints, paddle_model):
    paddle_checkpoints.artifacts(paddle_model)


@each_kind
def test_parity(kind, paddle_checkpoints, paddle_model, paddle_variant):
    paddle_checkpoints.parity(paddle_model, paddle_variant)


@each_kind
def test_log(kind, paddle_checkpoints, paddle_model, paddle_variant):
    paddle_checkpoints.log(paddle_model, paddle_variant)
"""

CONFTEST = """
from pathlib import Path

HERE = Path(__file__).parent


def pytest_paddle_infer_models(config):
    from pytest_paddle_infer import ModelSpec

    return [ModelSpec("tiny", factory=f"{HERE}/tiny.py:tiny", weights=HERE / "tiny.pdparams", image_size=32, softmax="no")]
"""


def flip_a_bit(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.fixture
def given(made_repo: Path, shared_directory: Path, graph_name: str) -> Session:
    """Every damaged or foreign export, and a good one, through the three checks in one run."""

    def make() -> Session:
        repo = shared_directory / "given-exports"
        shutil.copytree(made_repo, repo)
        (repo / "conftest.py").write_text(CONFTEST)
        (repo / "test_given.py").write_text(SUITE)
        exports, kinds, params = repo / "exports", repo / "kinds", "inference.pdiparams"
        wider = (exports / "wider_net" / params).read_bytes()
        checkpoint = (repo / "tiny.pdparams").read_bytes()
        damages: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
            "good": (params, lambda content: content),
            "params_empty": (params, lambda content: b""),
            "params_header_bit": (params, lambda content: flip_a_bit(content, 0)),
            "params_trailing_bytes": (params, lambda content: content + b"12345"),
            "params_of_another_net": (params, lambda content: wider),
            "params_are_a_checkpoint": (params, lambda content: checkpoint),
            "graph_empty": (graph_name, lambda content: b""),
            "graph_half": (graph_name, lambda content: content[: len(content) // 2]),
            "graph_missing": (graph_name, lambda content: content),
        }
        for name, (file, change) in damages.items():
            shutil.copytree(exports / "good", kinds / name)
            path = kinds / name / file
            path.write_bytes(change(path.read_bytes()))
        (kinds / "graph_missing" / graph_name).unlink()
        for name in ("batch_of_one", "larger_input", "other_name"):
            shutil.copytree(exports / name, kinds / name)
        (kinds / "nothing").mkdir()
        (kinds / "nothing" / "model.onnx").touch()
        (kinds / "of_paddle_3").mkdir()
        shutil.copy(exports / "good" / params, kinds / "of_paddle_3")
        program = '{"base_code": {"magic": "pir", "trainable": false, "version": 1}, "program": {}}'
        (kinds / "of_paddle_3" / "inference.json").write_text(program)
        return run_shared(shared_directory, repo, "test_given.py")

    return Session.shared(shared_directory, "given-exports", make)


def assert_all_red(session: Session, *sentences: str, kind: str = "") -> None:
    """A file that cannot be read fails every checkpoint with the same cause: none of them judges what Paddle made of it."""
    if kind:
        tails = [f"test_artifacts[tiny-{kind}]", f"test_parity[tiny-cpu-{kind}]", f"test_log[tiny-cpu-{kind}]"]
    else:
        tails = [ARTIFACTS, PARITY, LOG]
    for tail in tails:
        assert_red(session, tail, *sentences)


@pytest.fixture
def damaged(repo: Path, check_export: Check) -> Callable[[str, Callable[[bytes], bytes | None]], Session]:
    """Runs the checkpoints on a good export of which one file was rewritten; None deletes it."""

    def run(name: str, change: Callable[[bytes], bytes | None]) -> Session:
        path = repo / "exports" / "good" / name
        content = change(path.read_bytes())
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        return check_export("good", LOGITS)

    return run


# -- the controls ------------------------------------------------------------------------------------------------------


def test_an_export_of_another_process_with_shifted_layer_names_is_green(check_export: Check) -> None:
    session = check_export("good", LOGITS, "--paddle-variant=cpu", "--paddle-variant=onednn")
    assert_green(session, 5)


def test_an_export_under_another_file_name_is_found_by_its_path_prefix(check_export: Check) -> None:
    assert_green(check_export("good_of_another_name/tiny_v2", LOGITS), 3)


def test_an_export_of_the_kind_that_tipc_prescribes_is_green(check_export: Check) -> None:
    session = check_export("tipc_softmax", "--paddle-teeth")
    assert_green(session, 3)
    assert re.search(r"caught +softmax left out", session.output), session.output


def test_a_forgotten_eval_with_built_in_dropout_and_batch_norm_is_green(check_export: Check) -> None:
    assert_green(check_export("eval_forgotten", LOGITS), 3)


def test_a_forward_that_reads_self_training_is_green_when_exported_in_eval(check_export: Check) -> None:
    assert_green(check_export("reads_training", LOGITS, model="reads_training"), 3)


def test_an_export_of_paddle_2_6_2_is_green_on_this_paddle(repo: Path, run_session: Check) -> None:
    shutil.copytree(DATA / "paddle26", repo / "paddle26")
    (repo / "narrow.py").write_text("from tiny import Tiny\n\n\ndef narrow():\n    return Tiny(channels=6)\n")
    session = run_session(
        repo, "--paddle-model=narrow.py:narrow", "--paddle-image-size=32", LOGITS, "--paddle-weights=paddle26/weights.pdparams",
        "--paddle-exported=paddle26/export", "--paddle-variant=cpu", "--paddle-variant=onednn",
    )  # fmt: skip
    assert_green(session, 5)


# -- other weights -----------------------------------------------------------------------------------------------------


def test_weights_changed_after_the_export_are_named(check_export: Check) -> None:
    session = check_export("one_layer_changed", LOGITS)
    for tail in (ARTIFACTS, PARITY):
        case = assert_red(session, tail, r"fc\.weight in the export is 1\.001 times the model's")
        assert "1 of 13 parameters differ" in case.text
        assert "640 of 640 elements" in case.text
        assert "export again from the weights under test" in case.text


def test_batch_norm_statistics_changed_after_the_export_are_told_from_weights(check_export: Check) -> None:
    session = check_export("statistics_changed", LOGITS)
    for tail in (ARTIFACTS, PARITY):
        assert_red(session, tail, "only batch-norm statistics differ", "ran in train mode after it was exported")


def test_the_parameters_of_another_run_are_called_that(check_export: Check) -> None:
    session = check_export("another_run", LOGITS)
    for tail in (ARTIFACTS, PARITY):
        assert_red(session, tail, "13 of 13 parameters differ", "another run's weights")


def test_an_export_of_another_architecture_is_called_that(check_export: Check) -> None:
    session = check_export("wider_net", LOGITS)
    for tail in (ARTIFACTS, PARITY):
        assert_red(session, tail, "another architecture")


def test_a_forward_that_reads_self_training_exported_in_train_mode_is_found(check_export: Check) -> None:
    session = check_export("reads_training_in_train_mode", LOGITS, model="reads_training")
    case = assert_red(session, PARITY, "the export was made in train mode")
    assert re.search("the export has .* operators more: .*mean", " ".join(case.text.split())), case.text
    assert "eval()" in case.text
    assert session[ARTIFACTS].outcome == "passed", "its parameters are the model's"


# -- other graphs ------------------------------------------------------------------------------------------------------


def test_a_batch_dimension_fixed_to_one_is_named_with_the_remedy(given: Session) -> None:
    case = assert_red(given, "test_artifacts[tiny-batch_of_one]", r"\[1, 3, 32, 32\]", "use None for the batch dimension")
    assert "input_spec=[InputSpec([None, 3, 32, 32], 'float32', 'x')]" in " ".join(case.text.split())


def test_an_export_for_another_input_size_is_named(given: Session) -> None:
    assert_red(given, "test_artifacts[tiny-larger_input]", r"\[None, 3, 48, 48\]", r"\[None, 3, 32, 32\]")


def test_an_input_of_another_name_is_named(given: Session) -> None:
    assert_red(given, "test_artifacts[tiny-other_name]", "inputs are image; asked for were x")


def test_swapped_outputs_are_called_that(check_export: Check) -> None:
    session = check_export("two_heads_swapped", LOGITS, model="two_heads")
    assert_red(
        session,
        PARITY,
        "the outputs of the inference engine are in another order: ",
        "output 0 holds output 1",
        "output 1 holds output 0",
    )


def test_two_outputs_in_their_order_are_green(check_export: Check) -> None:
    assert_green(check_export("two_heads", LOGITS, model="two_heads"), 3)


def test_a_softmax_that_the_export_lacks_is_named(check_export: Check) -> None:
    case = assert_red(check_export("good"), PARITY, "softmax is missing from the exported model")
    assert re.search("softmax='?no'?", case.text), "who deploys logits on purpose must read how to say so"


def test_a_softmax_that_only_the_export_has_is_named(check_export: Check) -> None:
    assert_red(check_export("tipc_softmax", LOGITS), PARITY, "softmax is applied once more in the exported model")


# -- damaged files -----------------------------------------------------------------------------------------------------


def test_a_good_export_among_the_damaged_ones_is_green(given: Session) -> None:
    for tail in ("test_artifacts[tiny-good]", "test_parity[tiny-cpu-good]", "test_log[tiny-cpu-good]"):
        assert given[tail].outcome == "passed", given.output


def test_a_deleted_pdiparams_is_missed(damaged: Check) -> None:
    assert_all_red(damaged("inference.pdiparams", lambda content: None), r"inference\.pdiparams is missing")


def test_a_pdiparams_cut_by_a_thousandth_is_called_short(damaged: Check) -> None:
    session = damaged("inference.pdiparams", lambda content: content[: -max(1, len(content) // 1000)])
    assert_all_red(session, r"inference\.pdiparams is at least \d+ bytes short")


def test_one_flipped_bit_in_a_weight_is_found_in_its_parameter(damaged: Check) -> None:
    # near the end lie the last parameter's values; the lowest byte of a float32 is mantissa
    session = damaged("inference.pdiparams", lambda content: flip_a_bit(content, len(content) - 12))
    case = assert_red(session, ARTIFACTS, r"one bit of \w+\.\w+\[.*\] is flipped")
    assert re.search(r"\s1 of \d+ elements differ", case.text)
    assert session[LOG].outcome == "passed", "the fault is in the numbers, not in the run"


def test_a_model_file_of_garbage_does_not_parse(graph_name: str, damaged: Check) -> None:
    session = damaged(graph_name, lambda content: b"this is no program " * 40)
    assert_all_red(session, f"{graph_name} is not a Paddle . program", "does not parse")


def test_an_empty_model_file_is_called_empty(graph_name: str, given: Session) -> None:
    assert_all_red(given, graph_name, "0 bytes", kind="graph_empty")


def test_half_a_model_file_does_not_parse(graph_name: str, given: Session) -> None:
    assert_all_red(given, f"{graph_name} is not a Paddle . program", kind="graph_half")


def test_a_missing_model_file_is_missed(graph_name: str, given: Session) -> None:
    assert_all_red(given, f"{graph_name} is missing", kind="graph_missing")


def test_an_empty_pdiparams_is_called_empty(given: Session) -> None:
    assert_all_red(given, r"inference\.pdiparams is empty", kind="params_empty")


def test_one_flipped_bit_in_a_header_is_found(given: Session) -> None:
    assert_all_red(given, r"inference\.pdiparams is damaged at byte 0", kind="params_header_bit")


def test_bytes_behind_the_last_parameter_are_counted(given: Session) -> None:
    assert_all_red(given, "5 bytes behind its last parameter", kind="params_trailing_bytes")


def test_the_pdiparams_of_another_net_are_called_that(given: Session) -> None:
    assert_all_red(given, "belongs to another graph", kind="params_of_another_net")


def test_a_pdparams_in_place_of_pdiparams_is_called_a_training_checkpoint(given: Session) -> None:
    assert_all_red(given, r"training checkpoint \(a \.pdparams pickle\)", kind="params_are_a_checkpoint")


def test_an_empty_directory_in_place_of_an_export_is_described(given: Session) -> None:
    assert_all_red(given, "no export", r"it holds model\.onnx", kind="nothing")


def test_an_export_of_paddle_3_is_refused_by_paddle_2_before_it_dies_of_it(paddle_version: str, given: Session) -> None:
    if paddle_version.startswith("2."):
        assert_all_red(given, "was written by Paddle 3", "SIGSEGV", kind="of_paddle_3")
    else:  # this stub of one has no program in it
        assert_all_red(given, r"inference\.json is not a Paddle 3 program", kind="of_paddle_3")
