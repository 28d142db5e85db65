"""The training side's answers and their float64 reference: from the store, else made now; shared by all variants of a model."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from pytest_paddle_infer.bench import Bench, RunOptions
from pytest_paddle_infer.failures import OptionError
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.progress import Progress
from pytest_paddle_infer.store import Store

if TYPE_CHECKING:
    from pytest_paddle_infer.reference import Reference


class References:
    """Makes and keeps references. `key` gives the store's key of a model's export."""

    def __init__(self, options: RunOptions, store: Store, progress: Progress, key: Callable[[Bench], str]) -> None:
        self._options, self._store, self._progress, self._key = options, store, progress, key

    def of(self, bench: Bench, spec: ModelSpec) -> Reference:
        """The training side's answers with their float64 reference: from the store, else made now; shared by all variants."""
        from pytest_paddle_infer.engine.reference import REFERENCE_FORMAT, REFERENCE_SAMPLES
        from pytest_paddle_infer.reference import read_reference

        size, total = spec.batch_size or 1, len(bench.samples)

        def find() -> Reference:
            self._progress.step(spec.name, "float64 reference")
            training = bench.training()
            starts = range(0, min(REFERENCE_SAMPLES, total), size)
            digests = bench.call(training, "preprocess", "digests", [(start, min(start + size, total)) for start in starts])
            parts = [self._key(bench), f"reference {REFERENCE_FORMAT} {size} {self._options.threads} {total == 1}", *digests]
            directory = self.directory(bench)

            def build(target: Path) -> Mapping[str, Any]:
                meta = bench.finish_reference(directory, size)
                shutil.copyfile(directory / "reference.npz", target / "reference.npz")
                return meta

            entry = self._store.get(hashlib.sha256(" ".join(parts).encode()).hexdigest(), build)
            bench.drop_reference()
            reference = read_reference(entry.directory, entry.meta)
            if not entry.built and not self._still_true(bench, reference):
                # what the model computes changed without a trace in the key, such as a value that its factory reads from a file
                reference = read_reference(directory, bench.finish_reference(directory, size))
            shutil.rmtree(directory, ignore_errors=True)
            return reference

        return bench.once(("reference", size), find)

    def known(self, bench: Bench, spec: ModelSpec) -> Reference | None:
        """The reference where it is there already."""
        found: Reference | None = bench.known(("reference", spec.batch_size or 1))
        return found

    def steadier(self, bench: Bench, spec: ModelSpec, reference: Reference) -> Reference | None:
        """The reference with the floors of several draws of rounding; None where it has them, or where they cannot be drawn.

        Float64 shows one rounding error a sample and element. In a deep net they hang together, so that the largest of four samples is
        the largest of four draws, and a right engine's own draw may be four times that.
        """
        from pytest_paddle_infer.engine.observed import digest_of
        from pytest_paddle_infer.engine.reference import REFERENCE_FORMAT
        from pytest_paddle_infer.reference import read_reference

        if reference.moved or reference.source != "float64":
            return None
        size = spec.batch_size or 1

        def find() -> Reference | None:
            self._progress.step(spec.name, "reference moved by one ulp")
            parts = [self._key(bench), f"moved {REFERENCE_FORMAT} {size} {self._options.threads}"]
            parts += [part for batch in reference.batches for part in (batch.inputs, digest_of(batch.training))]
            entry = self._store.get(
                hashlib.sha256(" ".join(parts).encode()).hexdigest(), lambda directory: bench.moved_reference(directory, size)
            )
            found = read_reference(entry.directory, entry.meta)
            return found if found.moved else None

        found: Reference | None = bench.once(("steadier", size), find)
        return found

    def in_precision(self, bench: Bench, spec: ModelSpec, precision: str) -> Reference:
        """The reference with the floors of what a variant computes in. Raises `OptionError` for int8, which needs a tolerance."""
        from pytest_paddle_infer.engine.observed import digest_of
        from pytest_paddle_infer.engine.reference import REFERENCE_FORMAT, CoarseService
        from pytest_paddle_infer.reference import with_coarse_floors

        reference = self.of(bench, spec)
        if precision == "fp32" or (spec.rtol is not None and spec.atol is not None):
            return reference
        if precision == "int8":
            if spec.rtol is not None or spec.atol is not None:
                return reference
            raise OptionError("int8 has no rounding rule, because its error is that of the quantisation scales; give rtol or atol.")

        def find() -> Reference:
            self._progress.step(spec.name, f"reference in {precision}")
            batches = [(batch.start, batch.stop) for batch in reference.batches]
            model, samples, threads = bench.model, bench.samples, self._options.threads
            parts = [self._key(bench), f"coarse {REFERENCE_FORMAT} {precision} {threads} {batches}"]
            # with the answers of today: what the model computes may change without a trace in its key
            parts += [part for batch in reference.batches for part in (batch.inputs, digest_of(batch.training))]

            def build(directory: Path) -> Mapping[str, Any]:
                worker = bench.worker("training engine", lambda: CoarseService(model, samples, threads))
                try:
                    facts: Mapping[str, Any] = bench.call(
                        worker, f"round to {precision}", "compute", str(directory), batches, precision, parts=len(batches)
                    )
                finally:
                    worker.close()
                return facts

            entry = self._store.get(hashlib.sha256(" ".join(parts).encode()).hexdigest(), build)
            return with_coarse_floors(reference, entry.directory, precision)

        return bench.once(("coarse", precision, spec.batch_size), find)

    def _still_true(self, bench: Bench, reference: Reference) -> bool:
        """Runs the first batch and compares bits with a kept reference."""
        kept = reference.batches[0]
        live = bench.call(bench.training(), "run the first batch", "outputs", kept.start, kept.stop)
        return len(live) == len(kept.training) and all(
            one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()
            for one, two in zip(live, kept.training)
        )

    def directory(self, bench: Bench) -> Path:
        """Where a reference of this model is being made."""
        return self._options.workdir / f"reference-{os.getpid()}-{id(bench)}"
