"""The plugin's own exports of models: from the store, else made now, in a process of their own."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

from pytest_paddle_infer.bench import Bench, RunOptions
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.factories import load_factory
from pytest_paddle_infer.failures import WorkerFailure
from pytest_paddle_infer.perf import as_filename
from pytest_paddle_infer.progress import Progress
from pytest_paddle_infer.store import Entry, Store


class KeptExports:
    """Makes and keeps exports. reference: where the reference of a model is being made, see `References.directory`."""

    def __init__(self, options: RunOptions, store: Store, progress: Progress, reference: Callable[[Bench], Path]) -> None:
        self._options, self._store, self._progress, self._reference = options, store, progress, reference
        self._died: dict[str, str] = {}

    def key(self, bench: Bench) -> str:
        """What the export of a model is kept under."""
        from pytest_paddle_infer.engine.identity import export_key

        return bench.once("key", lambda: export_key(bench.model, load_factory(bench.spec, self._options.base)))

    def of(self, bench: Bench) -> ExportedModel:
        """The export of the model, copied to `--paddle-export-dir` where that is given."""
        export = ExportedModel(self.entry(bench).directory)
        if self._options.export_dir is not None:
            _copy(export, self._options.export_dir / as_filename(bench.spec.name))
        return export

    def soon(self, bench: Bench, seconds: float) -> ExportedModel:
        """The export of the model, as the diagnosis of another one needs it. Raises `WorkerFailure` when it takes longer to make."""
        return ExportedModel(self.entry(bench, seconds).directory)

    def entry(self, bench: Bench, seconds: float | None = None) -> Entry:
        """The store's entry of the model's export, made now if need be. seconds: it may take, where nothing else waits for it."""

        def build(directory: Path) -> Mapping[str, Any]:
            if seconds is None:  # a second core has nothing to do
                bench.begin_reference(self._reference(bench), bench.spec.batch_size or 1)
            self._progress.step(bench.spec.name, "export")
            return {**self._made(bench, directory, seconds), "model": bench.spec.name}

        self._progress.step(bench.spec.name, "look for a kept export")
        return bench.once("entry", lambda: self._store.get(self.key(bench), build, wait=seconds))

    def entry_of(self, bench: Bench, export: ExportedModel) -> Entry | None:
        """The store's entry behind an export; None for one from elsewhere."""
        entry = None if export.given else self.entry(bench)
        return entry if entry is not None and entry.directory == export.directory else None

    def notes(self, bench: Bench, export: ExportedModel) -> tuple[str, ...]:
        """What is worth telling of an export of ours: that it was damaged, or that making it failed at first."""
        entry = self.entry_of(bench, export)
        if entry is None:
            return ()
        damage, died = entry.rebuilt_because, self._died.get(self.key(bench), "")
        return (
            *((f"the kept export was damaged and was made anew ({damage})",) if damage else ()),
            *((f"the export was made at the second try: at the first {died}",) if died else ()),
        )

    def _made(self, bench: Bench, directory: Path, seconds: float | None) -> Mapping[str, Any]:
        """Exports into a directory and returns what is to be kept with it.

        An export that dies of a fault of native code is tried once more: 3.3.1 was seen to die of SIGSEGV at a right model whose next
        export went well. What is made then is looked at as any other.
        """
        try:
            return self._exported(bench, directory, seconds)
        except WorkerFailure as failure:
            if failure.kind != "signal" or "SIGKILL" in failure.detail:  # of which the system was the cause, or somebody
                raise
            self._died[self.key(bench)] = failure.detail
        for path in directory.iterdir():
            path.unlink()
        return self._exported(bench, directory, seconds)

    def _exported(self, bench: Bench, directory: Path, seconds: float | None) -> Mapping[str, Any]:
        from pytest_paddle_infer.engine.export import ExportService

        model = bench.model
        worker = bench.worker("export", lambda: ExportService(model))
        try:
            timeout = self._options.timeout if seconds is None else min(self._options.timeout, seconds)
            worker.submit("export: to_static and jit.save", "export", str(directory), timeout=timeout)
            facts: Mapping[str, Any] = bench.end(worker)
            return facts
        finally:
            worker.close()


def _copy(export: ExportedModel, target: Path) -> None:
    """Copies an export next to its target first, so that the target is whole or absent, whoever else copies it too."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for path in export.files:
            shutil.copy2(path, part / path.name)
        shutil.rmtree(target, ignore_errors=True)
        part.chmod(0o755)
        with contextlib.suppress(OSError):  # another xdist worker put the same files there a moment ago
            part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
