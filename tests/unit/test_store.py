"""store.py: hits, builds, damage, kill -9, eviction, and the sentences for what is not the store's fault."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_paddle_infer import store as store_module
from pytest_paddle_infer.store import Entry, Store, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

KEY = "0123456789abcdef"
OTHER = "fedcba9876543210"
HOUR = 3600
CONTENT = {"inference.pdmodel": b"model" * 40, "inference.pdiparams": bytes(range(256)) * 20, "sub/模型.json": b"{}"}
META = {"paddle": "3.3.1", "inputs": [["x", [-1, 3, 224, 224]]]}


def write_content(directory: Path) -> Mapping[str, Any]:
    for name, data in CONTENT.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return META


def must_not_build(directory: Path) -> Mapping[str, Any]:
    raise AssertionError(f"built in {directory}")


def sized(size: int) -> Callable[[Path], Mapping[str, Any]]:
    def build(directory: Path) -> Mapping[str, Any]:
        (directory / "file").write_bytes(b"x" * size)
        return {}

    return build


def age(root: Path, key: str, hours: float) -> None:
    then = time.time() - hours * HOUR
    os.utime(root / key, (then, then))


def leftovers(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "tmp").iterdir())


def content(entry: Entry) -> dict[str, bytes]:
    return {file.name: (entry.directory / file.name).read_bytes() for file in entry.files}


@contextmanager
def python(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process of its own, killed at the end; `store`, `root`, `KEY` and `say` are there for the script."""
    prelude = (
        "import os, sys, time; from pathlib import Path; from pytest_paddle_infer.store import Store, StoreError\n"
        f"root = Path(sys.argv[1]); store = Store(root); KEY = {KEY!r}\n"
        "def say(*words): os.write(1, (' '.join(map(str, words)) + '\\n').encode())\n"
    )
    path = os.pathsep.join([str(Path(store_module.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-c", prelude + script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


# Hits.


def test_a_hit_returns_the_first_build_and_does_not_build_again(tmp_path: Path) -> None:
    first = Store(tmp_path).get(KEY, write_content)
    again = Store(tmp_path).get(KEY, must_not_build)
    assert (first.built, first.rebuilt_because, again.built, again.rebuilt_because) == (True, None, False, None)
    assert content(first) == content(again) == CONTENT
    assert first.files == again.files
    assert first.meta == again.meta == META
    assert first.directory == again.directory == tmp_path / KEY
    assert {file.name: file.sha256 for file in again.files} == {
        name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()
    }
    assert leftovers(tmp_path) == []


def test_the_building_call_returns_the_meta_that_later_calls_will_read(tmp_path: Path) -> None:
    first = Store(tmp_path).get(KEY, lambda _: {"by number": {9: (1, 2), 10: float("inf")}})
    assert first.meta == Store(tmp_path).get(KEY, must_not_build).meta == {"by number": {"9": [1, 2], "10": float("inf")}}


def test_nothing_is_at_the_final_place_before_the_build_is_complete(tmp_path: Path) -> None:
    def build(directory: Path) -> Mapping[str, Any]:
        assert not (tmp_path / KEY).exists()
        assert directory.is_relative_to(tmp_path / "tmp")
        return write_content(directory)

    assert Store(tmp_path).get(KEY, build).built


def test_every_file_and_directory_is_on_disk_before_one_rename_shows_the_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[object] = []
    fsync, rename = os.fsync, Path.rename
    monkeypatch.setattr(os, "fsync", lambda number: events.append(os.fstat(number).st_ino) or fsync(number))
    monkeypatch.setattr(Path, "rename", lambda path, target: events.append(target) or rename(path, target))
    entry = Store(tmp_path).get(KEY, write_content)
    parts = [entry.directory, *entry.directory.rglob("*")]
    assert len(parts) == 6  # the entry, sub/, three files, the record
    at = events.index(entry.directory)
    assert set(events[:at]) == {part.stat().st_ino for part in parts}
    assert events[at - 1] == entry.directory.stat().st_ino
    assert events[at + 1 :] == [tmp_path.stat().st_ino]


def test_a_file_is_hashed_once_per_process_while_it_does_not_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    real = store_module.file_digest
    monkeypatch.setattr(store_module, "file_digest", lambda path, sync=False: hashed.append(path.name) or real(path, sync))
    store = Store(tmp_path)
    store.get(KEY, write_content)
    store.get(KEY, must_not_build)
    assert len(hashed) == len(CONTENT)
    Store(tmp_path).get(KEY, must_not_build)
    assert len(hashed) == 2 * len(CONTENT)


def test_a_relative_root_is_kept_when_the_working_directory_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(Path("cache"))
    store.get(KEY, write_content)
    monkeypatch.chdir("/")
    assert store.get(KEY, must_not_build).directory == tmp_path / "cache" / KEY


def test_a_path_with_spaces_and_non_latin_letters_works(tmp_path: Path) -> None:
    root = tmp_path / "Mon modèle 模型 %s {x} [a]"
    Store(root).get(KEY, write_content)
    assert content(Store(root).get(KEY, must_not_build)) == CONTENT


def test_an_entry_has_the_permissions_that_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        entry = Store(tmp_path / "root").get(KEY, write_content)
    finally:
        os.umask(before)
    paths = [entry.directory, entry.directory / "record.json", entry.directory / "inference.pdmodel", tmp_path / "root"]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o750, 0o640, 0o640, 0o750]


@pytest.mark.parametrize("key", ["", "0123456789abcde", "0123456789ABCDEF", "../../../../../etc", KEY + "\n", "0" * 65])
def test_a_key_that_is_not_16_to_64_hex_digits_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="does not match"):
        Store(tmp_path).get(key, must_not_build)


# Damage.


def flip_a_byte(entry: Path) -> None:
    path = entry / "inference.pdiparams"
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def edit_record(entry: Path, **changes: object) -> None:
    body = json.loads((entry / "record.json").read_text())
    (entry / "record.json").write_text(json.dumps({**body, **changes}))


def replace_by_link(entry: Path) -> None:
    (entry / "inference.pdmodel").rename(entry.parent / "elsewhere")
    (entry / "inference.pdmodel").symlink_to(entry.parent / "elsewhere")


def replace_by_file(entry: Path) -> None:
    entry.rename(entry.parent / "elsewhere")
    entry.write_text("not a directory")


def take_the_record_of_another_key(entry: Path) -> None:
    other = Store(entry.parent).get(OTHER, write_content)
    (entry / "record.json").write_bytes((other.directory / "record.json").read_bytes())


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated file": (
        lambda entry: os.truncate(entry / "inference.pdiparams", 5000),
        "inference.pdiparams: 5000 bytes, recorded 5120",
    ),
    "one bit, same size and mtime": (flip_a_byte, "inference.pdiparams: SHA-256 "),
    "file gone": (lambda entry: (entry / "sub/模型.json").unlink(), "sub/模型.json: missing"),
    "file too many": (lambda entry: (entry / "sub/extra").touch(), "sub/extra: not recorded"),
    "link instead of file": (replace_by_link, "inference.pdmodel: not a regular file"),
    "directory instead of file": (
        lambda entry: ((entry / "inference.pdmodel").unlink(), (entry / "inference.pdmodel").mkdir()),
        "inference.pdmodel: missing",
    ),
    "record gone": (lambda entry: (entry / "record.json").unlink(), "record.json: missing"),
    "record empty": (lambda entry: (entry / "record.json").write_text(""), "record.json: not readable as a record"),
    "record binary": (lambda entry: (entry / "record.json").write_bytes(b"\xff\0"), "record.json: not readable"),
    "record a list": (lambda entry: (entry / "record.json").write_text("[]"), "record.json: not readable"),
    "record of a later version": (
        lambda entry: edit_record(entry, format=99),
        "record.json: format 99, this version reads 1",
    ),
    "meta edited": (lambda entry: edit_record(entry, meta={}), "record.json: its text does not match its checksum"),
    "record of another key": (take_the_record_of_another_key, f"record.json: key '{OTHER}', expected '{KEY}'"),
    "file instead of entry": (replace_by_file, f"{KEY}: not a directory"),
    "empty entry": (lambda entry: (entry.rename(entry.parent / "elsewhere"), entry.mkdir()), "record.json: missing"),
}


@pytest.mark.parametrize("same_store", [True, False], ids=["same store", "new store"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_noticed_named_and_repaired(tmp_path: Path, kind: str, same_store: bool) -> None:
    damage, reason = DAMAGE[kind]
    store = Store(tmp_path)
    before = store.get(KEY, write_content)
    assert store.verify(before) is None
    damage(tmp_path / KEY)
    if not same_store:
        store = Store(tmp_path)
    assert reason in str(store.verify(before))
    repaired = store.get(KEY, write_content)
    assert repaired.built
    assert reason in str(repaired.rebuilt_because)
    assert content(repaired) == CONTENT
    again = Store(tmp_path).get(KEY, must_not_build)
    assert (again.built, again.rebuilt_because) == (False, None)
    assert leftovers(tmp_path) == []


def test_verify_tells_an_entry_that_is_gone_or_was_rebuilt_otherwise(tmp_path: Path) -> None:
    store = Store(tmp_path)
    entry = store.get(KEY, write_content)
    (tmp_path / KEY).rename(tmp_path / "elsewhere")
    assert store.verify(entry) == f"{tmp_path / KEY}: gone"
    store.get(KEY, sized(3))
    assert store.verify(entry) == "record.json: rebuilt since, with other files"


def test_a_lack_of_file_descriptors_is_not_taken_for_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path).get(KEY, write_content)

    def refuse(path: Path, sync: bool = False) -> None:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    monkeypatch.setattr(store_module, "file_digest", refuse)
    with pytest.raises(StoreError, match=r"cannot read the export store .*: Too many open files"):
        Store(tmp_path).get(KEY, must_not_build)
    monkeypatch.undo()
    assert not Store(tmp_path).get(KEY, must_not_build).built


# Failing builds.


@pytest.mark.parametrize("error", [RuntimeError("no kernel"), KeyboardInterrupt(), OSError(errno.EIO, "I/O error")])
@pytest.mark.parametrize("damaged", [True, False], ids=["over a damaged entry", "from nothing"])
def test_a_failing_build_leaves_nothing_and_its_exception_arrives(tmp_path: Path, error: BaseException, damaged: bool) -> None:
    store = Store(tmp_path)
    if damaged:
        store.get(KEY, write_content)
        (tmp_path / KEY / "inference.pdmodel").unlink()

    def build(directory: Path) -> Mapping[str, Any]:
        write_content(directory)
        raise error

    with pytest.raises(type(error)) as caught:
        store.get(KEY, build)
    assert caught.value is error
    assert not (tmp_path / KEY).exists()
    assert leftovers(tmp_path) == []
    assert store.get(KEY, write_content).built


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda directory: {"x": object()}, TypeError, "not JSON serializable"),
        (lambda directory: (directory / "link").symlink_to("/etc/passwd") or {}, ValueError, "left link, which"),
        (lambda directory: (directory / "record.json").write_text("{}") and {}, ValueError, "left record.json, which"),
    ],
    ids=["meta that is not JSON", "symbolic link", "a record.json"],
)
def test_a_build_that_breaks_its_contract_is_an_error_and_leaves_nothing(
    tmp_path: Path, build: Callable[[Path], Mapping[str, Any]], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Store(tmp_path).get(KEY, build)
    assert not (tmp_path / KEY).exists()
    assert leftovers(tmp_path) == []


def test_a_build_may_ask_the_store_for_another_key(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def build(directory: Path) -> Mapping[str, Any]:
        store.get(OTHER, sized(1))
        assert directory.exists()
        return write_content(directory)

    assert content(store.get(KEY, build)) == CONTENT


# Several processes.


def test_four_processes_that_ask_at_once_build_once(tmp_path: Path) -> None:
    script = """
def build(directory):
    with (root / "builds").open("a") as stream: stream.write("x")
    time.sleep(0.3)
    (directory / "file").write_bytes(b"y" * 100000)
    return {"builder": os.getpid()}
say("ready")
while not (root / "go").exists(): time.sleep(0.001)
entry = store.get(KEY, build)
say(entry.built, entry.meta["builder"], len((entry.directory / "file").read_bytes()))
"""
    with python(script, tmp_path) as a, python(script, tmp_path) as b, python(script, tmp_path) as c, \
            python(script, tmp_path) as d:  # fmt: skip
        processes = [a, b, c, d]
        assert [line(process) for process in processes] == ["ready"] * 4
        (tmp_path / "go").touch()
        answers = [line(process).split() for process in processes]
    assert sorted(built for built, _, _ in answers) == ["False", "False", "False", "True"]
    assert len({builder for _, builder, _ in answers}) == 1
    assert {size for _, _, size in answers} == {"100000"}
    assert (tmp_path / "builds").read_text() == "x"


VICTIM = """
def build(directory):
    say("building")
    if os.fork() == 0:
        for number in range(20):
            try: (directory / f"worker{number}").write_text("w")
            except OSError: break
            time.sleep(0.005)
        os._exit(0)
    for number in range(4):
        (directory / f"file{number}").write_bytes(bytes([number]) * 50000)
        time.sleep(0.005)
    os.wait()
    for number in range(20): (directory / f"worker{number}").unlink()
    return {"n": 4}
store.get(KEY, build)
"""


def test_kill_9_at_any_moment_leaves_no_damage_no_lock_and_no_rubbish(tmp_path: Path) -> None:
    moments = random.Random(0)
    outcomes = []
    for _ in range(25):
        with python(VICTIM, tmp_path) as victim:
            assert line(victim) == "building"
            time.sleep(moments.uniform(0, 0.14))
            victim.send_signal(signal.SIGKILL)
        reader = Store(tmp_path)
        entry, damage = reader._look_up(KEY)
        assert damage is None
        outcomes.append(entry is not None)
        if entry is not None:
            reader._remove(entry.directory, KEY)
    assert outcomes.count(False) >= 5
    start = time.monotonic()
    final = Store(tmp_path, lock_timeout=5).get(KEY, write_content)
    assert time.monotonic() - start < 2
    assert final.rebuilt_because is None
    assert content(final) == CONTENT
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("start", ["fork()", "thread = threading.Thread(target=fork); thread.start(); thread.join()"])
def test_a_worker_that_outlives_its_killed_builder_does_not_keep_the_lock(tmp_path: Path, start: str) -> None:
    script = f"""
import threading, warnings
warnings.simplefilter("ignore")
def fork():
    child = os.fork()
    if child == 0:
        time.sleep(60); os._exit(0)
    say(child)
def build(directory):
    {start}
    time.sleep(60)
store.get(KEY, build)
"""
    with python(script, tmp_path) as builder:
        orphan = int(line(builder))
        try:
            builder.kill()
            builder.wait()
            os.kill(orphan, 0)
            assert content(Store(tmp_path, lock_timeout=3).get(KEY, write_content)) == CONTENT
        finally:
            os.kill(orphan, signal.SIGKILL)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("how", ["raise SystemExit", "return {}", "import gc; gc.collect(); raise KeyboardInterrupt"])
def test_a_forked_child_that_comes_back_out_of_build_unlocks_and_deletes_nothing(tmp_path: Path, how: str) -> None:
    script = f"""
parent = os.getpid()
def build(directory):
    (directory / "file").write_text("kept")
    child = os.fork()
    if child == 0:
        {how}
    os.waitpid(child, 0)
    say("child ended", (directory / "file").read_text())
    time.sleep(60)
    return {{}}
try:
    store.get(KEY, build)
except BaseException as error:
    if os.getpid() != parent:
        del error
        os._exit(0)
    raise
"""
    with python(script, tmp_path) as builder:
        assert line(builder) == "child ended kept"
        with pytest.raises(StoreError, match=rf"still being built by process {builder.pid} on .* after 0.2 s"):
            Store(tmp_path, lock_timeout=0.2).get(KEY, must_not_build)
        assert len(leftovers(tmp_path)) == 1


def test_the_temporary_directory_of_a_live_builder_stays(tmp_path: Path) -> None:
    script = """
def build(directory):
    say(directory)
    time.sleep(60)
store.get(KEY, build)
"""
    with python(script, tmp_path) as builder:
        directory = Path(line(builder))
        os.utime(directory, (0, 0))
        Store(tmp_path).get(OTHER, write_content)
        assert directory.is_dir()
        builder.kill()
        builder.wait()
        Store(tmp_path).get(OTHER, must_not_build)
        assert not directory.exists()


def test_what_another_host_left_goes_after_a_day(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.get(KEY, write_content)
    young, old = (tmp_path / "tmp" / f"{OTHER}.not-{socket.gethostname()}.77.{name}" for name in ("young", "old"))
    for path in (young, old):
        path.mkdir()
        (path / "file").write_text("x")
    os.utime(old, (time.time() - 25 * HOUR,) * 2)
    Store(tmp_path).get(KEY, must_not_build)
    assert leftovers(tmp_path) == [young.name]


# Eviction.


def test_the_oldest_used_entries_go_until_the_rest_fits(tmp_path: Path) -> None:
    keys = [f"{number:016x}" for number in range(4)]
    for key in keys:
        Store(tmp_path).get(key, sized(10_000))
    for key, hours in zip(keys, (3, 5, 2, 4)):
        age(tmp_path, key, hours)
    Store(tmp_path).get(keys[1], must_not_build)  # the oldest is used again
    Store(tmp_path, max_bytes=36_000).get(KEY, sized(10_000))
    assert [key for key in keys if (tmp_path / key).exists()] == [keys[1], keys[2]]
    assert (tmp_path / KEY).exists()
    assert leftovers(tmp_path) == []


def test_entries_in_use_and_the_one_just_built_are_not_evicted(tmp_path: Path) -> None:
    recent, mine, locked, old = (f"{number:016x}" for number in range(4))
    for key in (recent, mine, locked, old):
        Store(tmp_path).get(key, sized(10_000))
    store = Store(tmp_path, max_bytes=1)
    store.get(mine, must_not_build)
    for key in (mine, locked, old):
        age(tmp_path, key, 5)
    with Store(tmp_path)._locked(locked, timeout=0):
        entry = store.get(KEY, sized(10_000))
    assert {key for key in (recent, mine, locked, old) if (tmp_path / key).exists()} == {recent, mine, locked}
    assert store.verify(entry) is None


def test_a_hit_evicts_nothing(tmp_path: Path) -> None:
    for key in (KEY, OTHER):
        Store(tmp_path).get(key, sized(10_000))
        age(tmp_path, key, 5)
    Store(tmp_path, max_bytes=1).get(KEY, must_not_build)
    assert (tmp_path / OTHER).exists()


# What is not the store's fault.


@pytest.fixture
def writable_by_root_only() -> Iterator[Path]:
    """A directory that this process may not write to, also where the tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        user = os.geteuid()
        try:
            if user == 0:
                os.seteuid(65534)
            else:
                Path(name).chmod(0o555)
            yield Path(name)
        finally:
            os.seteuid(user)
            Path(name).chmod(0o755)


def test_an_unwritable_root_is_one_sentence_with_the_remedy(writable_by_root_only: Path) -> None:
    root = writable_by_root_only / "cache"
    with pytest.raises(StoreError) as caught:
        Store(root).get(KEY, must_not_build)
    assert str(caught.value) == (
        f"cannot write to the export store {root}: Permission denied; "
        "make it writable, or choose another directory with --paddle-cache-dir"
    )


def test_a_read_only_store_serves_its_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path).get(KEY, write_content)
    (tmp_path / "tmp" / f"{OTHER}.{store_module.HOST}.1.rest").mkdir()

    def refuse(path: Path, *args: object, **kwargs: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    for place, name in ((os, "utime"), (os, "mkdir"), (os, "rename"), (Path, "mkdir"), (Path, "rename")):
        monkeypatch.setattr(place, name, refuse)
    assert not Store(tmp_path).get(KEY, must_not_build).built
    with pytest.raises(StoreError, match=r"Read-only file system .*; make it writable, or choose another directory"):
        Store(tmp_path).get(OTHER, must_not_build)


@pytest.mark.parametrize("below", ["", "sub/cache"])
def test_a_root_that_is_a_file_is_one_sentence(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    root = tmp_path / "file" / below
    with pytest.raises(StoreError) as caught:
        Store(root).get(KEY, must_not_build)
    assert str(caught.value) == (
        f"cannot write to the export store {root}: Not a directory; choose another directory with --paddle-cache-dir"
    )
    assert (tmp_path / "file").read_text() == "mine"


def test_a_disk_that_fills_up_during_the_build_is_one_sentence(tmp_path: Path) -> None:
    def build(directory: Path) -> Mapping[str, Any]:
        write_content(directory)
        with (directory / "inference.pdmodel").open("rb") as stream:
            raise OSError(errno.ENOSPC, "No space left on device", stream.name)

    with pytest.raises(StoreError, match=r"No space left on device \(.*pdmodel\); free some space, or choose another"):
        Store(tmp_path).get(KEY, build)
    assert not (tmp_path / KEY).exists()
    assert leftovers(tmp_path) == []


def test_a_disk_that_fills_up_at_fsync_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError) as caught:
        Store(tmp_path).get(KEY, write_content)
    assert str(caught.value) == (
        f"cannot write to the export store {tmp_path}: No space left on device; "
        "free some space, or choose another directory with --paddle-cache-dir"
    )
    assert not (tmp_path / KEY).exists()
    assert leftovers(tmp_path) == []


def test_a_builder_that_takes_too_long_is_named(tmp_path: Path) -> None:
    with Store(tmp_path)._locked(KEY, timeout=0):
        with pytest.raises(StoreError) as caught:
            Store(tmp_path, lock_timeout=0.1).get(KEY, must_not_build)
        (tmp_path / "tmp" / f"{KEY}.ci-7.4711.abcd").mkdir()
        with pytest.raises(StoreError, match="by process 4711 on ci-7 after"):
            Store(tmp_path, lock_timeout=0.1).get(KEY, must_not_build)
    assert str(caught.value) == (
        f"export {KEY} in {tmp_path} was still being built by another process after 0.1 s: wait for that process or "
        "end it, or choose another directory with --paddle-cache-dir"
    )
