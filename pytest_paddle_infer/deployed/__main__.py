"""Serves one predictor over a pipe: `python .../deployed READ_FD WRITE_FD`. Run by path, under any Python that has numpy and Paddle."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def _as_package() -> None:
    """Makes the folder importable under a name of its own: the plugin around it need not be there, and must not be seen."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != here]
    spec = importlib.util.spec_from_file_location(
        "paddle_infer_deployed", here / "__init__.py", submodule_search_locations=[str(here)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["paddle_infer_deployed"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    _as_package()
    from paddle_infer_deployed.serve import serve  # type: ignore[import-not-found, unused-ignore]

    serve(int(sys.argv[1]), int(sys.argv[2]))
