"""What users of the plugin allure-pytest get on a test's result: what each checkpoint measured, and the logs that it left.

`checkpoints.py` calls it while the test runs, and only where `--alluredir` is given: then `allure_commons` is there.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from pytest_paddle_infer.report.figures import PREFIX

TEXT = "text/plain"

DIFFERENCE = "train_infer_diff.log"


def attach(title: str, properties: Sequence[tuple[str, object]]) -> None:
    """Attaches to the running test: a checkpoint's properties as lines of text, the comparison of its outputs, and its benchmark log.

    Files that are not there are left out. Where evidence was kept is one of the lines.
    """
    told = [(str(name)[len(PREFIX) :], str(value)) for name, value in properties]
    hook = importlib.import_module("allure_commons").plugin_manager.hook
    text = "\n".join(f"{name}: {value}" for name, value in told)
    hook.attach_data(body=text, name=f"paddle {title}", attachment_type=TEXT, extension="txt")
    for name, value in told:
        path = Path(value, DIFFERENCE) if name == "directory" else Path(value)
        if name in ("directory", "log_file") and path.is_file():
            hook.attach_file(source=str(path), name=path.name, attachment_type=TEXT, extension="txt")
