"""Files that several processes share: their digests, listings and locks. Any room may call it; it knows neither pytest nor paddle."""

from __future__ import annotations

import errno
import hashlib
import inspect
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filelock import BaseFileLock

_CHUNK = 1 << 20


def scan(directory: Path, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Yield (name, lstat) of everything below `directory` that is not a directory, sorted."""
    with os.scandir(directory) as listing:
        items = sorted(listing, key=lambda item: item.name)
    for item in items:
        if item.is_dir(follow_symlinks=False):
            yield from scan(Path(item.path), f"{prefix}{item.name}/")
        else:
            yield prefix + item.name, item.stat(follow_symlinks=False)


def file_digest(path: Path, sync: bool = False) -> tuple[str, os.stat_result]:
    """Return SHA-256 in hex and the status from before reading, so that a write meanwhile shows in the next status.

    sync: write it to the disk as well. Raises `OSError`.
    """
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as stream, ThreadPoolExecutor(1) as disk:
        status = os.fstat(stream.fileno())
        flushed = disk.submit(os.fsync, stream.fileno()) if sync else None  # the disk works while we hash: a third of the time
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
        if flushed is not None:
            flushed.result()
    return digest.hexdigest(), status


def fsync_directory(directory: Path) -> None:
    """Writes a directory's entries to the disk. Raises `OSError`."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # file systems that cannot sync a directory say so
            raise
    finally:
        os.close(descriptor)


def file_lock(path: Path) -> BaseFileLock:
    """A lock on a file, which the kernel drops when the process dies. Whoever takes it notes it in `HELD`."""
    # thread_local (filelock 3.11) off: a fork in any thread must find the descriptor. fallback_to_soft (4) off: a soft
    # lock outlives kill -9.
    accepted = inspect.signature(FileLock).parameters
    options: dict[str, Any] = {name: False for name in ("thread_local", "fallback_to_soft") if name in accepted}
    return FileLock(str(path), **options)


# Module state, because at-fork hooks are per process and for ever: the locks that this process holds or waits for.
HELD: set[BaseFileLock] = set()


def _forget_locks_in_child() -> None:
    """Close the descriptors of inherited locks, without LOCK_UN.

    `build` forks workers. A flock belongs to the open file description that parent and child share: while the child
    has it open, the lock outlives the parent's kill -9; and LOCK_UN in the child, which filelock 3 does when the lock
    object dies, takes the lock from the living parent. filelock 4 closes inherited descriptors itself and has forgotten
    them by now, since it registered first. Forks made by native code that never exec stay out of reach.
    """
    for lock in HELD:
        holder = getattr(lock, "_context", lock)
        name = "_lock_file_fd" if holder is lock else "lock_file_fd"
        descriptor = getattr(holder, name, None)
        if descriptor is not None:
            setattr(holder, name, None)
            with suppress(OSError):
                os.close(descriptor)
    HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks_in_child)
