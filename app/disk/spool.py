"""The spool: facts from the web, durable before the reply, in append-only segments of this node's folder.

Owns the record format, the group flush and the rotation of segments; one `Spool` for each web process.
Must not know what a fact means, nor the database; reading back is spool_reader's, positions are the store's.
"""

import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NamedTuple, TypeAlias

from app.core.instants import Instant

ID_BYTES: Final = 16
LONGEST_BODY: Final = 60_000
BATCH: Final = 1_000
SEGMENT_BYTES: Final = 4 * 1024 * 1024
SUFFIX: Final = ".spool"
UNBORN: Final = ".new"

# A mark no UTF-8 text can hold, so that a torn record's text is never taken for a record.
MARK: Final = b"\xff\xfePV"
HEAD: Final = struct.Struct(">4sII")  # mark, length of the payload, its CRC-32
PREFIX: Final = struct.Struct(">BQ16s")  # kind, instant, fact id

_PAUSE_AFTER_FAULT: Final = 0.1  # seconds: at most ten new segments a second while a disk is full
_flush: Final = getattr(os, "fdatasync", os.fsync)


class FactKind(IntEnum):
    """What a spooled fact is about. Numbers are for ever: old segments carry them."""

    OPEN = 1
    CLICK = 2
    VISIT = 3
    BOX = 4
    EVENT = 5
    PURCHASE = 6


class Fact(NamedTuple):
    """One fact: kind (0 to 255), instant and id (16 bytes) drawn once when it is made, body in UTF-8."""

    kind: int
    at: Instant
    id: bytes
    body: bytes


class SpoolError(Exception):
    """The fact is not known to be durable: the disk failed, is full or too slow, or the spool is closed."""


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Bytes of a segment, entries of one flush, and the seconds one caller waits for its flush."""

    segment_bytes: int = SEGMENT_BYTES
    batch: int = BATCH
    patience: float = 1.0


Tell: TypeAlias = Callable[[SpoolError | None], None]

_USUAL: Final = SpoolLimits()


class _Waiting:
    """One caller's records, and the lock it waits on. A caller that gave up harms nobody: releasing needs no reader."""

    __slots__ = ("data", "done", "error")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def finish(self, error: BaseException | None) -> None:
        self.error = error
        self.done.release()


class _Told:
    """Records whose caller does not wait but is told, in the writer's thread."""

    __slots__ = ("data", "tell")

    def __init__(self, data: bytes, tell: Tell) -> None:
        self.data = data
        self.tell = tell

    def finish(self, error: BaseException | None) -> None:
        with suppress(Exception):  # its event loop may be closed by now: one dead caller never stops the writer
            self.tell(None if error is None else SpoolError(str(error)))


_Entry: TypeAlias = _Waiting | _Told


class Spool:
    """The writing side. Open it after the process has forked; `incarnation` is 16 bytes never used before.

    `fault` is None, or why the newest flush failed: health shows it, a flush that works clears it.
    """

    def __init__(self, folder: Path, incarnation: bytes, limits: SpoolLimits = _USUAL) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = incarnation.hex()[:16]
        self._limits = limits
        self.patience = limits.patience
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()
        self._segment: _Segment | None = None
        self._number = 0
        self._closed = threading.Event()
        self.fault: str | None = None
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def append(self, *facts: Fact) -> None:
        """Returns when the facts are on the disk, all in one flush. Raises SpoolError when that is not known."""
        self.put(b"".join(map(encode, facts)))

    def put(self, records: bytes) -> None:
        """The same for records that `encode` or `seal` made."""
        if self._closed.is_set():
            raise SpoolError("the spool is closed")
        entry = _Waiting(records)
        self._queue.put(entry)
        if not entry.done.acquire(timeout=self._limits.patience):
            raise SpoolError("the disk did not answer in time")
        if entry.error is not None:
            raise SpoolError(str(entry.error)) from entry.error

    def submit(self, records: bytes, tell: Tell) -> None:
        """The same without waiting: `tell` is called in another thread when they are on the disk, or are not."""
        if self._closed.is_set():
            raise SpoolError("the spool is closed")
        self._queue.put(_Told(records, tell))

    def close(self) -> None:
        """Flush what was handed in, refuse the rest, let go of the segment."""
        if not self._closed.is_set():
            self._closed.set()
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                self._write(b"".join([entry.data for entry in batch]))
            except Exception as error:  # noqa: BLE001 - whatever it is, the waiters must hear it and the writer must live
                self.fault = str(error)
                self._answer(batch, error)
                self._abandon()
            else:
                self.fault = None
                self._answer(batch, None)
        self._refuse_the_rest()
        if self._segment is not None:
            self._segment.close()

    def _next_batch(self) -> list[_Entry]:
        """At least one entry, at most a batch; empty once the spool is closed and drained up to the closing."""
        queue = self._queue
        first = queue.get()
        if first is None:
            return []
        batch = [first]
        while len(batch) < self._limits.batch and not queue.empty():
            entry = queue.get()
            if entry is None:
                queue.put(None)
                break
            batch.append(entry)
        return batch

    def _write(self, data: bytes) -> None:
        segment = self._segment
        if segment is None or (segment.end and segment.end + len(data) > self._limits.segment_bytes):
            segment = self._rotate()
        segment.append(data)

    def _rotate(self) -> "_Segment":
        old, self._segment = self._segment, None
        if old is not None:
            old.close()
        self._number += 1
        self._segment = _Segment(self._folder / f"{self._name}-{self._number:08}{SUFFIX}", self._limits.segment_bytes)
        return self._segment

    def _abandon(self) -> None:
        """Never write again behind a failed write: after a failed flush nobody knows what the file holds."""
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()
            if segment.end == 0:
                segment.path.unlink(missing_ok=True)
        self._closed.wait(_PAUSE_AFTER_FAULT)

    def _answer(self, batch: Sequence[_Entry], error: BaseException | None) -> None:
        for entry in batch:
            entry.finish(error)

    def _refuse_the_rest(self) -> None:
        while not self._queue.empty():
            late = self._queue.get()
            if late is not None:
                self._answer([late], SpoolError("the spool is closed"))


class _Segment:
    """One file, locked while its writer lives: whoever gets the lock knows that nothing will be added.

    It is filled with zeros first: overwriting needs no new file size, which makes each flush about a third cheaper.
    It gets its name only when locked and durable, so a reader never meets a segment it might take for abandoned.
    """

    __slots__ = ("_fd", "end", "path")

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.end = 0
        unborn = path.with_suffix(UNBORN)
        self._fd = os.open(unborn, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._fill(size)
            unborn.rename(path)
            sync_folder(path.parent)
        except BaseException:
            os.close(self._fd)
            unborn.unlink(missing_ok=True)
            raise

    def _fill(self, size: int) -> None:
        try:
            _write_all(self._fd, bytes(size), 0)
        except OSError:  # no room for a whole segment: grow by use, there may be room for a few facts yet
            os.ftruncate(self._fd, 0)
        os.fsync(self._fd)

    def append(self, data: bytes) -> None:
        _write_all(self._fd, data, self.end)
        _flush(self._fd)
        self.end += len(data)

    def close(self) -> None:
        os.close(self._fd)


def encode(fact: Fact) -> bytes:
    """The record: mark, length, checksum, payload. Raises ValueError for a body that is too long or holds 0xFF."""
    if len(fact.body) > LONGEST_BODY or b"\xff" in fact.body:
        raise ValueError("a spooled fact's body is UTF-8 text of at most 60,000 bytes")
    return seal(fact.kind, fact.at, fact.id, fact.body)


def seal(kind: int, at: Instant, fact_id: bytes, body: bytes) -> bytes:
    """The record of a fact whose body is known to be short UTF-8."""
    payload = PREFIX.pack(kind, at, fact_id) + body
    return HEAD.pack(MARK, len(payload), zlib.crc32(payload)) + payload


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest, offset = rest[written:], offset + written
