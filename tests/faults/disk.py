"""What of a folder the disk holds for certain: kept beside it, as of each sync, by the process that writes there.

A file's content counts from the return of its own fsync or fdatasync, a name from that of its folder's. Whatever else
was written is only in memory, and `tests.faults.blackout` takes it away. Installed before any production code is
imported. Writes that sync themselves (O_SYNC, O_DSYNC) are unknown here and refused loudly.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

_SYNCING = getattr(os, "O_SYNC", 0) | getattr(os, "O_DSYNC", 0)
_WAL_INDEX = 16, 32
"""Where the index of a write-ahead log says how many frames are committed, and which salts they carry."""


class HasFileno(Protocol):
    def fileno(self) -> int: ...


class Shadow:
    """The durable state of one folder tree: `contents/<inode>`, `names/<folder>`, and `held/<inode>`, a second name of
    each file that was ever durable, so that its number is never given away.
    """

    def __init__(self, place: Path) -> None:
        self.contents, self.names, self.held = place / "contents", place / "names", place / "held"

    def empty(self) -> None:
        for folder in (self.contents, self.names, self.held):
            folder.mkdir(parents=True, exist_ok=True)
            for file in folder.iterdir():
                file.unlink()

    def content(self, inode: int) -> bytes:
        """What was synced of a file; nothing when it never was."""
        file = self.contents / str(inode)
        return file.read_bytes() if file.exists() else b""

    def latest(self, inode: int) -> bytes:
        """What was written of a file, synced or not, however its name fared."""
        return (self.held / str(inode)).read_bytes()

    def listing(self, folder: str) -> dict[str, int]:
        """Name → inode of the files, 0 for folders; nothing when the folder itself was never synced."""
        file = self.names / _flat(folder)
        return dict(json.loads(file.read_text())) if file.exists() else {}

    def put(self, file: Path, content: bytes) -> None:
        """Whole or not at all, whenever this process dies."""
        draft = file.with_name(file.name + ".part")
        draft.write_bytes(content)
        draft.rename(file)

    def hold(self, name: Path, inode: int) -> None:
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.link(name, self.held / str(inode))

    def put_listing(self, folder: str, found: dict[str, int]) -> None:
        self.put(self.names / _flat(folder), json.dumps(found).encode())


def _flat(folder: str) -> str:
    return "in+" + folder.replace("/", "+")


def list_folder(place: Path) -> dict[str, int]:
    """Name → inode of its files, 0 for folders."""
    with os.scandir(place) as entries:
        return {each.name: 0 if each.is_dir() else each.inode() for each in entries}


class Disk:
    """Watches one folder tree. What lies there at the start is durable. `lies_after`: of a journal, only so many syncs
    are kept, as by a disk that says yes and does nothing.
    """

    def __init__(self, root: Path, shadow: Shadow, lies_after: int | None = None) -> None:
        self._root = root.resolve()
        self._shadow = shadow
        self._lies_after = lies_after
        self._lock = threading.Lock()
        self._journal_syncs = 0
        shadow.empty()
        for place, _, files in os.walk(self._root):
            self._keep_folder(Path(place))
            for name in files:
                self._keep_file(Path(place) / name)

    def install(self) -> None:
        for name in ("fsync", "fdatasync"):
            setattr(os, name, self._watched(getattr(os, name)))
        setattr(os, "open", _without_syncing(os.open))  # noqa: B010 - as above

    def _watched(self, real: Callable[[int], None]) -> Callable[[int | HasFileno], None]:
        def sync(handle: int | HasFileno) -> None:
            number = handle if isinstance(handle, int) else handle.fileno()
            with self._lock, self._kept(number):
                real(number)

        return sync

    @contextlib.contextmanager
    def _kept(self, handle: int) -> Iterator[None]:
        """What was there when the sync began is durable once it has returned."""
        place = Path(f"/proc/self/fd/{handle}").readlink()
        is_ours = place.is_relative_to(self._root) and not self._is_lied_about(place)
        if is_ours and stat.S_ISDIR(os.fstat(handle).st_mode):
            found = list_folder(place)
            yield
            self._put_folder(place, found)
        elif is_ours:
            content = Path(f"/proc/self/fd/{handle}").read_bytes()
            yield
            self._put_file(place, os.fstat(handle).st_ino, content)
        else:
            yield

    def _is_lied_about(self, place: Path) -> bool:
        if not place.name.startswith("journal-") or self._lies_after is None:
            return False
        self._journal_syncs += 1
        return self._journal_syncs > self._lies_after

    def _keep_folder(self, place: Path) -> None:
        self._put_folder(place, list_folder(place))

    def _put_folder(self, place: Path, found: dict[str, int]) -> None:
        for name, inode in found.items():
            if inode:
                self._shadow.hold(place / name, inode)
        self._shadow.put_listing(str(place.relative_to(self._root)), found)

    def _keep_file(self, place: Path) -> None:
        self._put_file(place, place.stat().st_ino, place.read_bytes())

    def _put_file(self, name: Path, inode: int, content: bytes) -> None:
        self._shadow.hold(name, inode)
        self._shadow.put(self._shadow.contents / str(inode), content)


def _without_syncing(real: Callable[..., int]) -> Callable[..., int]:
    def opened(path: str, flags: int, *more: int, **named: int) -> int:
        if flags & _SYNCING:
            raise NotImplementedError("the disk of the fault tests knows no writes that sync themselves: teach it")
        return real(path, flags, *more, **named)

    return opened


def watch(url: str, folder: Path) -> None:
    """Keep beside a worker's folder what is durable of it. From the environment: SHADOW, the place for that; LIES, how
    many syncs of a journal its disk keeps before it lies.
    """
    shadow, lies = Path(os.environ["SHADOW"]), os.environ.get("LIES")
    Disk(folder, Shadow(shadow), None if lies is None else int(lies)).install()
    if url.startswith("sqlite"):
        note_commits(Path(url.removeprefix("sqlite:///")), shadow / "commits")


def note_commits(database: Path, note: Path) -> None:
    """Write down, behind each commit on SQLite and before its turn is over, what the write-ahead log now holds for
    certain: its salts and the number of its frames. With synchronous=FULL a commit returns after its sync.
    """
    from app.store.gate import Gate

    passed, index = Gate.passed, Path(f"{database}-shm")
    handle = os.open(note, os.O_WRONLY | os.O_CREAT, 0o600)

    @contextlib.contextmanager
    def noted(gate: Gate) -> Iterator[None]:
        with passed(gate):
            yield
            if index.exists():
                with index.open("rb") as file:
                    head = file.read(48)
                frames, salts = _WAL_INDEX
                os.pwrite(handle, head[salts : salts + 8] + head[frames : frames + 4], 0)

    setattr(Gate, "passed", noted)  # noqa: B010 - a method cannot be assigned to
