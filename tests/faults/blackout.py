"""The lights go out: what was not synced of a worker's folder and of SQLite's log is gone, or reached the disk in part.

The worker of `House` must have run with the shadow of its folder (`tests.faults.disk`) and must be dead. Afterwards the
folder is what the next boot would find there.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import struct
from dataclasses import dataclass
from pathlib import Path

from tests.faults.disk import Shadow, list_folder

PAGE, SECTOR = 4096, 512
_WAL_HEAD, _FRAME_HEAD = 32, 24


@dataclass(frozen=True, slots=True)
class Blackout:
    """`reorders`: an arbitrary part of what was written and not synced did reach the disk, page by page, name by name;
    without, none of it.
    """

    chance: random.Random
    reorders: bool

    def fall_on(self, root: Path, shadow: Shadow) -> None:
        """Leave of a folder tree what the disk held."""
        grave = root.with_name(f"{root.name}.gone")
        shutil.rmtree(grave, ignore_errors=True)
        root.rename(grave)
        self._lay(root, grave, "", shadow)

    def _lay(self, root: Path, grave: Path, folder: str, shadow: Shadow) -> None:
        (root / folder).mkdir()
        written = list_folder(grave / folder) if (grave / folder).is_dir() else {}
        for name, inode in self._names(shadow.listing(folder or "."), written).items():
            inside = f"{folder}/{name}" if folder else name
            if inode:
                (root / inside).write_bytes(self._content(grave / inside, inode, shadow))
            else:
                self._lay(root, grave, inside, shadow)

    def _names(self, durable: dict[str, int], written: dict[str, int]) -> dict[str, int]:
        if not self.reorders:
            return durable
        both = {name: self._either(durable.get(name), written.get(name)) for name in durable | written}
        return {name: inode for name, inode in both.items() if inode is not None}

    def _either(self, old: int | None, new: int | None) -> int | None:
        return old if old == new or self.chance.random() < 0.5 else new

    def _content(self, place: Path, inode: int, shadow: Shadow) -> bytes:
        old = shadow.content(inode)
        if not self.reorders:
            return old
        is_same = place.exists() and place.stat().st_ino == inode
        return self._mixed(old, place.read_bytes() if is_same else shadow.latest(inode))

    def _mixed(self, old: bytes, new: bytes) -> bytes:
        """Each page as it was synced or as it was written; the size is another matter."""
        size = len(self.chance.choice((old, new)))
        old, new = old.ljust(size, b"\0"), new.ljust(size, b"\0")
        pages = range(0, size, PAGE)
        return b"".join(self.chance.choice((old, new))[at : min(at + PAGE, size)] for at in pages)

    # ── SQLite ──

    def fall_on_sqlite(self, database: Path, note: Path) -> None:
        """Tear what the log holds behind the last commit that returned. Nobody may have the database open.

        When nothing is there, a transaction that would put every mail back into the queue was just being written: were
        a single frame of it believed, mails would leave twice.
        """
        log = Path(f"{database}-wal")
        written = log.read_bytes() if log.exists() else b""
        known = durable_size(written, note.read_bytes() if note.exists() else b"")
        if len(written) <= known or written[known + 8 : known + 16] != written[16:24]:
            written, known = _with_one_more(database, written[:known])
            self._tear(log, written, known, most=len(written) - 1)
        else:
            self._tear(log, written, known, most=len(written))
        Path(f"{database}-shm").unlink(missing_ok=True)

    def _tear(self, log: Path, written: bytes, known: int, most: int) -> None:
        """Nothing behind what is known; or a part of it, in which sectors may be missing."""
        end = self.chance.randrange(known, most + 1) if self.reorders else known
        torn = bytearray(written[:end])
        for at in range(known, end, SECTOR):
            if self.chance.random() < 0.2:
                torn[at : min(at + SECTOR, end)] = bytes(min(SECTOR, end - at))
        log.write_bytes(torn)


def durable_size(log: bytes, note: bytes) -> int:
    """Bytes of a write-ahead log that were synced: header and noted frames, none when the log was begun anew since."""
    if len(log) < _WAL_HEAD or log[16:24] != note[:8]:
        return 0
    (page,) = struct.unpack_from(">I", log, 8)
    (frames,) = struct.unpack("=I", note[8:12])
    return _WAL_HEAD + int(frames) * (_FRAME_HEAD + int(page))


def _with_one_more(database: Path, log: bytes) -> tuple[bytes, int]:
    """The log as it would be with one more transaction, made in a copy, and where that begins."""
    copy = database.with_name("copy.db")
    shutil.copyfile(database, copy)
    Path(f"{copy}-wal").write_bytes(log)
    connection = sqlite3.connect(copy, isolation_level=None)
    try:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE message SET state = 'queued', owner = NULL, lease_until = NULL")
        longer = Path(f"{copy}-wal").read_bytes()
    finally:
        connection.close()
    return longer, len(log)
