"""Exports on disk: content-addressed, atomic, locked. `conformance.py` calls it; it knows neither pytest nor paddle.

Layout::

    <root>/<key>/                               an entry: the files of one export, and record.json
    <root>/tmp/<key>.<host>.<pid>.<random>/     being built, or on its way out
    <root>/locks/<key>.lock                     empty; stays for ever, because removing a lock file is a race

Three rules carry the rest:

- Whoever builds, replaces or evicts `<key>` holds the flock of `<key>`, and the kernel drops it when the process dies,
  kill -9 included. So what lies under `tmp/` for a key whose lock can be taken belongs to nobody, and goes. If another
  host made it, whose flocks may be invisible here, it must be a day old as well.
- An entry appears by one rename, after its files, its record and its directories were fsynced.
- A reader takes no lock: it sets the directory's mtime (the last use) and checks the record. Files that it holds open
  outlive a removal, as POSIX has it, and eviction spares what was used within `IN_USE_SECONDS`, so `max_bytes` is a
  target and not a limit. A read-only store still serves its entries.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from pytest_paddle_infer.failures import PaddleInferError
from pytest_paddle_infer.files import HELD, file_digest, file_lock, fsync_directory, scan
from pytest_paddle_infer.store_place import RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


FORMAT = 1
IN_USE_SECONDS = 3600.0
FOREIGN_SECONDS = 86400.0
HOST = re.sub(r"[^A-Za-z0-9_-]", "-", platform.node()) or "-"

_KEY = re.compile(r"[0-9a-f]{16,64}")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class StoreError(PaddleInferError, RuntimeError):
    """The store cannot do its work for a reason that lies outside it. The text is one sentence with the remedy."""


@dataclass(frozen=True)
class FileRecord:
    """One file of an entry: POSIX path relative to the entry's directory, size in bytes, SHA-256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Entry:
    """An export on disk, as it was when `Store.get` checked it.

    `meta` is what `build` returned, after a round trip through JSON. `built`: this call ran `build`. `rebuilt_because`:
    the damage that made it do so, such as "inference.pdiparams: 219580 bytes, recorded 219644"; None on a first build.
    """

    directory: Path
    key: str
    files: tuple[FileRecord, ...]
    meta: Mapping[str, Any]
    built: bool
    rebuilt_because: str | None


@dataclass(frozen=True)
class _Record:
    files: tuple[FileRecord, ...]
    meta: Mapping[str, Any]


class _DamagedError(Exception):
    """The text says what is wrong with an entry."""


class Store:
    """The exports under `root`, shared by any number of processes and threads.

    `max_bytes`: what all entries together should take; None never evicts. `lock_timeout`: the longest wait in seconds
    for another process that builds the same key.
    """

    def __init__(self, root: Path, max_bytes: int | None = None, lock_timeout: float = 900.0) -> None:
        self.root = Path(root).absolute()
        self.max_bytes = max_bytes
        self.lock_timeout = lock_timeout
        self._used: set[str] = set()
        self._digests: dict[tuple[str, int, int, int, int], str] = {}
        self._swept = False

    def get(self, key: str, build: Callable[[Path], Mapping[str, Any]], wait: float | None = None) -> Entry:
        """Return the entry of `key`, whole and checked; `build(directory)` fills an empty directory if there is none.

        `build` writes regular files (subdirectories are allowed, `record.json` is taken) and returns a JSON-able
        mapping. What it raises propagates and leaves nothing behind; a full disk becomes a `StoreError`. `wait`: seconds that another
        process may be waited for, where they are fewer than those of the store.

        Raises `ValueError` for a key that does not match `[0-9a-f]{16,64}`, and `StoreError`.
        """
        if _KEY.fullmatch(key) is None:
            raise ValueError(f"store key {key!r} does not match {_KEY.pattern}")
        entry, _ = self._look_up(key)
        if entry is None or not self._swept:
            self._swept = True
            self._sweep()
        if entry is None:
            with self._locked(key, self.lock_timeout if wait is None else min(wait, self.lock_timeout)):
                entry, damage = self._look_up(key)
                if entry is None:
                    entry = self._build(key, build, damage)
            if entry.built and self.max_bytes is not None:
                self._evict(self.max_bytes, keep=key)
        self._used.add(key)
        return entry

    def verify(self, entry: Entry) -> str | None:
        """Return why `entry` is not on disk as it was returned, such as "inference.pdmodel: missing", or None."""
        try:
            record = self._check(entry.directory, entry.key)
        except _DamagedError as damage:
            return str(damage)
        except FileNotFoundError as gone:
            return f"{gone.filename}: gone"
        return None if record.files == entry.files else f"{RECORD}: rebuilt since, with other files"

    # Reading: no lock.

    def _look_up(self, key: str) -> tuple[Entry | None, str | None]:
        directory = self.root / key
        try:
            with suppress(PermissionError):
                # First, so that an eviction that has not yet judged this entry's age spares it. EROFS is no
                # PermissionError, hence the OSError below.
                os.utime(directory)
        except (FileNotFoundError, NotADirectoryError):
            return None, None
        except OSError as error:
            if error.errno != errno.EROFS:
                raise self._sentence("read", error) from error
        try:
            record = self._check(directory, key)
        except _DamagedError as damage:
            return None, str(damage)
        except FileNotFoundError:
            return None, None
        return Entry(directory, key, record.files, record.meta, built=False, rebuilt_because=None), None

    def _check(self, directory: Path, key: str) -> _Record:
        """Raise _DamagedError, or FileNotFoundError where files go away meanwhile. Only proof of damage is damage:
        a lack of permission or of file descriptors must not cost a good entry."""
        try:
            record = _read_record(directory, key)
            present = dict(scan(directory))
            recorded = {file.name for file in record.files}
            for name in sorted(present.keys() - recorded - {RECORD}):
                raise _DamagedError(f"{name}: not recorded")
            for file in record.files:
                if file.name not in present:
                    raise _DamagedError(f"{file.name}: missing")
                status = present[file.name]
                if not stat.S_ISREG(status.st_mode):
                    raise _DamagedError(f"{file.name}: not a regular file")
                if status.st_size != file.size:
                    raise _DamagedError(f"{file.name}: {status.st_size} bytes, recorded {file.size}")
            for file in record.files:
                digest = self._digest(directory / file.name, present[file.name])
                if digest != file.sha256:
                    raise _DamagedError(f"{file.name}: SHA-256 {digest[:12]}..., recorded {file.sha256[:12]}...")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._sentence("read", error) from error
        return record

    def _digest(self, path: Path, status: os.stat_result) -> str:
        known = self._digests.get(_identity(path, status))
        if known is None:
            try:
                known, status = file_digest(path)
            except OSError as error:
                if error.errno == errno.EIO:
                    raise _DamagedError(f"{path.name}: {error.strerror}") from error
                raise
            self._digests[_identity(path, status)] = known
        return known

    # Writing: under the key's lock.

    def _build(self, key: str, build: Callable[[Path], Mapping[str, Any]], damage: str | None) -> Entry:
        owner = os.getpid()
        directory = self.root / key
        with self._explained():
            self._sweep_key(key)
            if os.path.lexists(directory):
                self._remove(directory, key)
            temporary = self._new_temporary(key)
            temporary.mkdir()
        try:
            try:
                meta = build(temporary)
            except OSError as error:
                if error.errno in _FULL:
                    raise self._sentence("write to", error) from error
                raise
            if os.getpid() != owner:
                raise StoreError("the build of an export returned in a forked child; the child must end in os._exit()")
            with self._explained():
                record = self._seal(temporary, directory, key, meta)
                try:
                    temporary.rename(directory)
                except OSError:
                    # Another host, whose flock we do not see, was first.
                    entry, _ = self._look_up(key)
                    if entry is None:
                        raise
                    return entry
                fsync_directory(self.root)
        finally:
            # A child that `build` forked and that unwinds through here owns nothing.
            if os.getpid() == owner:
                shutil.rmtree(temporary, ignore_errors=True)
        return Entry(directory, key, record.files, record.meta, built=True, rebuilt_because=damage)

    def _seal(self, temporary: Path, directory: Path, key: str, meta: Mapping[str, Any]) -> _Record:
        files = []
        for name, status in scan(temporary):
            if name == RECORD or not stat.S_ISREG(status.st_mode):
                raise ValueError(f"the build of export {key} left {name}, which no entry may hold: regular files only")
            digest, status = file_digest(temporary / name, sync=True)
            self._digests[_identity(directory / name, status)] = digest
            files.append(FileRecord(name, status.st_size, digest))
        # Round trip first: {9: .., 10: ..} sorts otherwise once its keys are strings, and the checksum would not match.
        meta = json.loads(json.dumps(dict(meta)))
        body = {"format": FORMAT, "key": key, "files": [asdict(file) for file in files], "meta": meta}
        text = json.dumps({**body, "checksum": _checksum(body)}, indent=1)
        with (temporary / RECORD).open("x", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        for place, _, _ in os.walk(temporary, topdown=False):
            fsync_directory(Path(place))
        return _Record(tuple(files), meta)

    def _remove(self, path: Path, key: str) -> None:
        """Rename `path` away, so that no reader and no orphaned writer finds half of it, then delete it."""
        trash = self._new_temporary(key)
        path.rename(trash)
        if trash.is_dir() and not trash.is_symlink():
            shutil.rmtree(trash, ignore_errors=True)
        else:
            trash.unlink()

    def _new_temporary(self, key: str) -> Path:
        # Not tempfile.mkdtemp: its mode 0700 would be that of the entry, whatever the umask.
        return self._temporary / f"{key}.{HOST}.{os.getpid()}.{secrets.token_hex(4)}"

    @property
    def _temporary(self) -> Path:
        return self.root / "tmp"

    def _sweep(self) -> None:
        """Remove what killed processes left under tmp/. What cannot be removed now is left for a later call."""
        with suppress(OSError):
            for key in sorted({path.name.partition(".")[0] for path in self._temporary.iterdir()}):
                with suppress(OSError, StoreError), self._locked(key, timeout=0):
                    self._sweep_key(key)

    def _sweep_key(self, key: str) -> None:
        for path in sorted(self._temporary.glob(f"{key}.*")):
            with suppress(OSError):
                ours = path.name.split(".")[1] == HOST
                if ours or time.time() - path.lstat().st_mtime > FOREIGN_SECONDS:
                    self._remove(path, key)

    def _evict(self, limit: int, keep: str) -> None:
        """Remove the least recently used entries until the rest fits `limit`, sparing those in use and `keep`."""
        found = []
        with suppress(OSError):
            for directory in self.root.iterdir():
                if _KEY.fullmatch(directory.name):
                    with suppress(OSError):
                        size = sum(status.st_size for _, status in scan(directory))
                        found.append((directory.stat().st_mtime_ns, directory.name, size))
        total = sum(size for _, _, size in found)
        for used, key, size in sorted(found):
            if total <= limit:
                return
            if key == keep or key in self._used or time.time() - used / 1e9 < IN_USE_SECONDS:
                continue
            directory = self.root / key
            with suppress(OSError, StoreError), self._locked(key, timeout=0):
                if directory.stat().st_mtime_ns == used:
                    self._remove(directory, key)
                    total -= size

    # Locks and words.

    @contextmanager
    def _locked(self, key: str, timeout: float) -> Iterator[None]:
        owner = os.getpid()
        with self._explained():
            for directory in (self.root / "locks", self._temporary):
                directory.mkdir(parents=True, exist_ok=True)
            lock = file_lock(self.root / "locks" / f"{key}.lock")
            HELD.add(lock)
            try:
                lock.acquire(timeout=timeout)
            except Timeout as error:
                HELD.discard(lock)
                raise StoreError(self._busy(key, timeout)) from error
            except BaseException:
                HELD.discard(lock)
                raise
        try:
            yield
        finally:
            # In a forked child there is nothing to release, and LOCK_UN would release the parent's lock.
            if os.getpid() == owner:
                HELD.discard(lock)
                lock.release()

    def _busy(self, key: str, timeout: float) -> str:
        builders = [path.name.split(".") for path in sorted(self._temporary.glob(f"{key}.*.*.*"))]
        who = ", ".join(f"process {pid} on {host}" for _, host, pid, _ in builders) or "another process"
        return (
            f"export {key} in {self.root} was still being built by {who} after {timeout:g} s: wait for that process or "
            "end it, or choose another directory with --paddle-cache-dir"
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._sentence("write to", error) from error
        except NotImplementedError as error:  # filelock 3.12 to 3.20 where flock is missing
            raise self._sentence("write to", OSError(errno.ENOSYS, str(error))) from error

    def _sentence(self, doing: str, error: OSError) -> StoreError:
        where = "" if error.filename is None or str(error.filename) == str(self.root) else f" ({error.filename})"
        remedy = "choose another directory with --paddle-cache-dir"
        if error.errno in _FULL:
            remedy = f"free some space, or {remedy}"
        elif error.errno in _FORBIDDEN:
            remedy = f"make it writable, or {remedy}"
        elif error.errno in (errno.EEXIST, errno.ENOTDIR):
            where = ""  # the path in the way is the root or above it, never the one that the call named
        return StoreError(f"cannot {doing} the export store {self.root}: {error.strerror or error}{where}; {remedy}")


def _read_record(directory: Path, key: str) -> _Record:
    try:
        body = json.loads((directory / RECORD).read_bytes())
        if body["format"] != FORMAT:
            raise _DamagedError(f"{RECORD}: format {body['format']!r}, this version reads {FORMAT}")
        if body.pop("checksum") != _checksum(body):
            raise _DamagedError(f"{RECORD}: its text does not match its checksum")
        if body["key"] != key:
            raise _DamagedError(f"{RECORD}: key {body['key']!r}, expected {key!r}")
        return _Record(tuple(FileRecord(**file) for file in body["files"]), body["meta"])
    except FileNotFoundError:
        raise _DamagedError(f"{RECORD}: missing" if directory.is_dir() else f"{directory}: gone") from None
    except NotADirectoryError:
        raise _DamagedError(f"{directory}: not a directory") from None
    except (ValueError, KeyError, TypeError, AttributeError, IsADirectoryError, RecursionError):
        raise _DamagedError(f"{RECORD}: not readable as a record") from None


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _identity(path: Path, status: os.stat_result) -> tuple[str, int, int, int, int]:
    # With ctime, which no one can set back: a restored mtime does not hide a change.
    return str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
