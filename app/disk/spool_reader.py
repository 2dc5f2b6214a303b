"""Reading the spool back: facts and positions, so that ingest can be exactly once.

Owns what counts as a whole record, a torn one and a finished segment. Positions come from and go to the store.
Must not write into a segment, nor delete one before the caller says that its facts are committed.
"""

import fcntl
import mmap
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from app.core.instants import Instant
from app.disk.spool import HEAD, LONGEST_BODY, MARK, PREFIX, SUFFIX, UNBORN, Fact, sync_folder

_NAME: Final = re.compile(r"[0-9a-f]{16}-[0-9]{8}\.spool")


class Stored(NamedTuple):
    """A fact and the offset just behind it: the position to remember once the fact is committed."""

    fact: Fact
    end: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Facts to commit together with the positions; then delete the finished segments, and only then their positions."""

    facts: tuple[Fact, ...]
    positions: tuple[tuple[str, int], ...]
    finished: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.facts or self.finished)


class SpoolReader:
    """The reading side, for the one process that holds the node's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sweep(self) -> None:
        """Remove segments that died before birth. Only while no web process runs, before they are started."""
        for path in self._folder.glob(f"*{UNBORN}"):
            path.unlink(missing_ok=True)

    def segments(self) -> tuple[str, ...]:
        """Names of all segments: those nobody writes any more first."""
        names = sorted(path.name for path in self._folder.glob(f"*{SUFFIX}") if _NAME.fullmatch(path.name))
        return tuple(sorted(names, key=lambda name: not self.is_sealed(name)))

    def is_sealed(self, segment: str) -> bool:
        """True when its writer let go of it or died: a lock on the file says so, also after kill -9."""
        fd = os.open(self._path(segment), os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True

    def read(self, segment: str, offset: int = 0) -> Iterator[Stored]:
        """Whole records from `offset` on. A torn one ends a live segment; in a sealed one it is stepped over."""
        sealed = self.is_sealed(segment)
        yield from _records(self._path(segment), offset, sealed)

    def take(self, positions: Mapping[str, int], limit: int = 1_000) -> Batch:
        """The next facts behind `positions` (offset by segment name; missing means 0), at most `limit` of them."""
        facts: list[Fact] = []
        moved: dict[str, int] = {}
        finished: list[str] = []
        for name in self.segments():
            sealed = self.is_sealed(name)  # asked before reading: what is read afterwards is then all there is
            for fact, end in _records(self._path(name), positions.get(name, 0), sealed):
                if len(facts) == limit:
                    return Batch(tuple(facts), tuple(moved.items()), tuple(finished))
                facts.append(fact)
                moved[name] = end
            if sealed:
                finished.append(name)
        return Batch(tuple(facts), tuple(moved.items()), tuple(finished))

    def oldest_at(self, positions: Mapping[str, int]) -> Instant | None:
        """When the oldest fact not yet taken happened, to the order inside each segment; None when all are taken."""
        firsts = (next(self.read(name, positions.get(name, 0)), None) for name in self.segments())
        return min((first.fact.at for first in firsts if first is not None), default=None)

    def delete(self, segment: str) -> None:
        """Remove a segment whose facts are committed. Deleting it again is nothing."""
        self._path(segment).unlink(missing_ok=True)
        sync_folder(self._folder)

    def _path(self, segment: str) -> Path:
        if not _NAME.fullmatch(segment):
            raise ValueError(f"{segment[:80]!r} is not the name of a segment")
        return self._folder / segment


def _records(path: Path, offset: int, sealed: bool) -> Iterator[Stored]:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size <= offset:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            while (start := _start(data, offset, sealed)) >= 0:
                stored = _record(data, start)
                if stored is not None:
                    yield stored
                    offset = stored.end
                elif sealed:
                    offset = start + 1
                else:
                    return


def _start(data: mmap.mmap, offset: int, sealed: bool) -> int:
    """Where the next record may begin: exactly here in a live segment, at the next mark in a sealed one."""
    if data[offset : offset + len(MARK)] == MARK:
        return offset
    return data.find(MARK, offset) if sealed else -1


def _record(data: mmap.mmap, start: int) -> Stored | None:
    """The record that begins at `start`, or None when it is not whole."""
    body = start + HEAD.size
    if body > len(data):
        return None
    _, length, checksum = HEAD.unpack_from(data, start)
    payload = data[body : body + length] if length <= PREFIX.size + LONGEST_BODY else b""
    if len(payload) < max(length, PREFIX.size) or zlib.crc32(payload) != checksum:
        return None
    kind, at, fact_id = PREFIX.unpack_from(payload)
    return Stored(Fact(kind, at, fact_id, payload[PREFIX.size :]), body + length)
