"""One file of a journal: framed, checksummed records, written at known places in space that is already ours.

Owns the bytes: the frame, the torn tail, the reserved room.
Must not know what a record means.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAGIC: Final = b"parvar journal 1\n"
FRAME: Final = struct.Struct("<II")  # length of the payload, CRC-32 of the payload; length 0 is the end
_CHUNK: Final = 256 * 1024
_MAX_RECORD: Final = 1024 * 1024


class JournalFull(Exception):
    """The journal could not be written (disk full, device gone): nothing more may leave this house."""


class JournalFile:
    """A file open for appending by one process. Not thread-safe: its owner holds a lock. Raises JournalFull."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = len(MAGIC)
        self._allocated = 0
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as fault:
            raise _full(fault) from fault
        try:
            self._make_room(_CHUNK)
            os.pwrite(self._handle, MAGIC, 0)
        except OSError as fault:
            self.discard()
            raise _full(fault) from fault

    def append(self, payload: bytes, reserve: int) -> int:
        """Write one record and return the file's size behind it; `reserve` bytes stay free for what must follow it."""
        frame = FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        try:
            if self.size + len(frame) + reserve > self._allocated:
                self._make_room(len(frame) + reserve)
            if os.pwrite(self._handle, frame, self.size) != len(frame):
                raise OSError("written in part")
        except OSError as fault:
            with suppress(OSError):
                os.pwrite(self._handle, bytes(len(frame)), self.size)
            raise _full(fault) from fault
        self.size += len(frame)
        return self.size

    def sync(self) -> None:
        try:
            os.fdatasync(self._handle)
        except OSError as fault:
            raise _full(fault) from fault

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def discard(self) -> None:
        """Close and delete."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _make_room(self, wanted: int) -> None:
        while self.size + wanted > self._allocated:
            _allocate(self._handle, self._allocated, _CHUNK)
            self._allocated += _CHUNK


def _full(fault: OSError) -> JournalFull:
    return JournalFull(f"the journal cannot be written: {fault.strerror or fault}")


def _allocate(handle: int, start: int, length: int) -> None:
    """Real blocks, not a promise: a full disk is met here, before a mail, and never after one."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, start, length)
    else:
        os.pwrite(handle, bytes(length), start)


@dataclass(slots=True)
class ReadBack:
    """The records of one file up to the first that is not whole. `is_torn`: bytes that are no record stand behind them.

    A single torn record at the very end is what a crash leaves; `has_more` says that other bytes follow even behind
    that.
    """

    records: list[bytes]
    is_torn: bool = False
    has_more: bool = False


def read_file(path: Path) -> ReadBack:
    """Read a journal file of a dead process. Never raises on its content; OSError when it cannot be read."""
    content = path.read_bytes()
    if not content.startswith(MAGIC):
        return ReadBack([], is_torn=bool(content.strip(b"\0")), has_more=len(content.strip(b"\0")) > len(MAGIC))
    back = ReadBack([])
    for start, payload in _frames(content):
        if payload is None:
            back.is_torn = True
            back.has_more = bool(content[_end_of_torn(content, start) :].strip(b"\0"))
        else:
            back.records.append(payload)
    return back


def _frames(content: bytes) -> Iterator[tuple[int, bytes | None]]:
    """Each record with its place; None for the one that is not whole, which ends the reading."""
    at = len(MAGIC)
    while at + FRAME.size <= len(content):
        length, checksum = FRAME.unpack_from(content, at)
        payload = content[at + FRAME.size : at + FRAME.size + length]
        if not length:
            if content[at:].strip(b"\0"):
                yield at, None
            return
        if length > _MAX_RECORD or len(payload) < length or zlib.crc32(payload) != checksum:
            yield at, None
            return
        yield at, payload
        at += FRAME.size + length


def _end_of_torn(content: bytes, start: int) -> int:
    length, _ = FRAME.unpack_from(content, start)
    return start + FRAME.size + int(length) if 0 < length <= _MAX_RECORD else start + FRAME.size
