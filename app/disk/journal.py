"""The delivery journal: what a worker was about to let go, and what became of it, written down before and after.

Owns the records, the window of power loss and their reading back after a crash. Keys are (message, claim number).
Must not know SMTP or the database: outcomes are short words, replies are text.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Final, Self, TypeAlias

from app.disk.folder import Owner, sync_folder
from app.disk.journal_file import JournalFile, JournalFull, read_file

__all__ = [
    "Account",
    "Doubtful",
    "Finished",
    "Journal",
    "JournalFull",
    "JournalSettings",
    "Key",
    "Untouched",
    "accounts",
]

Key: TypeAlias = tuple[int, int]

_OPENED: Final = 9
_ALLOWED: Final = 1
_BEGUN: Final = 2
_ENDED: Final = 3
_RECORDED: Final = 4
_PAIR: Final = struct.Struct("<qq")
_BEGIN: Final = struct.Struct("<BqqH")
_END: Final = struct.Struct("<BqqqB")
_MAX_WORD: Final = 32
_MAX_REPLY: Final = 500
_ROOM_PER_END: Final = 64 + _MAX_WORD + _MAX_REPLY
_STRICT_BELOW: Final = 3
_LEAST_STRIDE: Final = 16


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """`window`: how many messages per connection a power cut may leave uncertain; below 3 each is synced by itself.

    `connections`: how many send at once. `file_bytes`: when to begin a new file.
    """

    window: int = 16
    connections: int = 4
    file_bytes: int = 8 * 1024 * 1024


class Journal:
    """One worker's journal for one incarnation; several threads may use it. A file of an earlier life is never
    appended to.

    For each message: `allow` (in groups), `begin` before the final dot, `end` after the reply, `recorded` after the
    commit.
    """

    def __init__(self, folder: Path, owner: Owner, boot: str, settings: JournalSettings | None = None) -> None:
        self._folder = folder
        self._owner = owner
        self._header = bytes((_OPENED,)) + f"{owner.node} {owner.incarnation} {boot or '-'}".encode("ascii")
        self._settings = settings or JournalSettings()
        self._lock = threading.Lock()
        self._sync_lock = threading.Lock()  # taken before _lock, never after
        self._open: dict[Key, bytes] = {}  # not recorded yet: the newest record, empty while only allowed
        self._going: dict[Key, int] = {}  # allowed or begun, and not ended: durable when synced up to there
        self._synced = 0
        self._syncer: _Syncer | None = None
        self._fault = ""
        self._number = 0
        self._file = self._new_file()
        self._file.sync()
        sync_folder(folder)  # or a power cut takes the whole file, and nobody knows whose claims these were

    @property
    def is_strict(self) -> bool:
        return self._settings.window < _STRICT_BELOW

    @property
    def stride(self) -> int:
        """How many are best allowed at once: so many that the disk is seldom asked, so few that it is ahead of them."""
        return max(_LEAST_STRIDE, self._settings.window * self._settings.connections // 4)

    @property
    def fault(self) -> str:
        """Why nothing more can be written, or empty."""
        return self._fault

    @property
    def open_count(self) -> int:
        """How many messages are allowed, begun or ended without being recorded."""
        with self._lock:
            return len(self._open)

    def allow(self, keys: Sequence[Key]) -> int:
        """Write down that these may begin; returns how many of them, from the front, now may (at least one).

        It is made durable while they are written; the first to begin waits for that, if it still has to. Ask again for
        the rest when those are through. Allowed and not ended are never more than the window times the connections;
        since a reader stops at the first torn record, whoever sees this list sees every end before it.
        Raises JournalFull.
        """
        if self.is_strict or not keys:
            return len(keys)
        with self._lock:
            room = self._settings.window * self._settings.connections - len(self._going)
            chosen = keys[: max(room, 1)]
            mark = self._append(_pairs(_ALLOWED, chosen), 1)
            for key in chosen:
                self._open.setdefault(key, b"")
            self._going.update(dict.fromkeys(chosen, mark))
            syncer = self._syncer = self._syncer or _Syncer(self._sync)
        syncer.want(mark)
        return len(chosen)

    def begin(self, key: Key, connection: int) -> None:
        """Written before the bytes that hold the final dot. Raises JournalFull: then those bytes must not leave."""
        record = _BEGIN.pack(_BEGUN, *key, connection)
        with self._lock:
            mark = self._append(record, 2)
            self._open[key] = record
            mark = self._going.setdefault(key, mark)
        if mark > self._synced:
            self._sync(mark)

    def end(self, key: Key, outcome: str, reply: str, at: int) -> None:
        """Written after the reply: the outcome as one short word, the reply's text, the instant (µs). Its room
        was kept.
        """
        word = outcome.encode("ascii")[:_MAX_WORD]
        record = _END.pack(_ENDED, *key, at, len(word)) + word + reply.encode("utf-8", "replace")[:_MAX_REPLY]
        with self._lock:
            self._append(record, 0)
            self._open[key] = record
            self._going.pop(key, None)

    def recorded(self, keys: Sequence[Key]) -> None:
        """The database has committed these: they need no memory here. Begins a new file when this one has
        grown long.
        """
        if not keys:
            return
        with self._lock:
            for key in keys:
                self._open.pop(key, None)
                self._going.pop(key, None)
            is_long = self._append(_pairs(_RECORDED, keys), 1) > self._settings.file_bytes
        if is_long:
            self._rotate()

    def close(self) -> None:
        """Make everything durable; the file goes when nothing in it is open."""
        if self._syncer:
            self._syncer.end()
        with self._sync_lock, self._lock:
            if self._open or self._fault:
                if not self._fault:
                    self._file.sync()
                self._file.close()
            else:
                self._file.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, record: bytes, ends_to_come: int) -> int:
        """Lock is held. Room stays for the ends of all that is going and of `ends_to_come` more."""
        if self._fault:
            raise JournalFull(self._fault)
        reserve = _ROOM_PER_END * (len(self._going) + ends_to_come) if ends_to_come else 0
        try:
            return self._file.append(record, reserve)
        except JournalFull as full:
            self._fault = str(full)
            raise

    def _sync(self, mark: int) -> None:
        """Group commit: one fdatasync serves every record that was written before it began."""
        with self._sync_lock:
            if self._synced >= mark:
                return
            with self._lock:
                file, upto = self._file, self._file.size
            try:
                file.sync()
            except JournalFull as full:
                self._fault = str(full)
                raise
            self._synced = upto

    def _new_file(self) -> JournalFile:
        self._number += 1
        file = JournalFile(self._folder / f"journal-{self._owner.incarnation:010d}-{self._number:06d}")
        file.append(self._header, 0)
        return file

    def _rotate(self) -> None:
        """Carry what is open into a new file, make that durable, and only then drop the old one."""
        with self._sync_lock, self._lock:
            old = self._file
            try:
                new = self._new_file()
                reserve = _ROOM_PER_END * (len(self._going) + 1)
                new.append(_pairs(_ALLOWED, tuple(self._open)), reserve)
                for record in filter(None, self._open.values()):
                    new.append(record, reserve)
                new.sync()
                sync_folder(self._folder)
            except JournalFull as full:
                self._fault = str(full)
                raise
            self._file, self._synced = new, new.size
            self._going = dict.fromkeys(self._going, 0)
            old.discard()


class _Syncer:
    """A thread that makes durable what was written, while others go on. What it cannot do, the next writer is told."""

    def __init__(self, sync: Callable[[int], None]) -> None:
        self._sync = sync
        self._wanted: SimpleQueue[int] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def want(self, mark: int) -> None:
        self._wanted.put(mark)

    def end(self) -> None:
        """Nothing is wanted any more."""
        self._wanted.put(_NOTHING)
        self._thread.join()

    def _run(self) -> None:
        while (mark := self._wanted.get()) != _NOTHING:
            with suppress(JournalFull):
                self._sync(mark)


_NOTHING: Final = -1


def _pairs(kind: int, keys: Iterable[Key]) -> bytes:
    return bytes((kind,)) + b"".join([_PAIR.pack(*key) for key in keys])


# ---------------------------------------------------------------- after a crash


@dataclass(frozen=True, slots=True)
class Finished:
    """Its reply came and is not known to be in the database: write it there (naming owner and claim), then
    forget it.
    """

    key: Key
    outcome: str
    reply: str
    at: int


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Its final dot may have left and no reply is known: uncertain."""

    key: Key
    connection: int


@dataclass(frozen=True, slots=True)
class Untouched:
    """Allowed, and certainly not begun: may be queued again."""

    key: Key


Known: TypeAlias = Finished | Doubtful | Untouched


@dataclass(slots=True)
class Account:
    """What a dead incarnation left behind. A claimed message of that owner that is not in `known` never began, if
    `is_whole`.

    When not `is_whole` the file is damaged beyond what a crash does: what it does not name is uncertain too.
    """

    owner: Owner
    known: dict[Key, Known]
    is_whole: bool
    paths: tuple[Path, ...] = field(repr=False)

    def forget(self) -> None:
        """Delete the files: everything known has been settled in the database."""
        for path in self.paths:
            path.unlink(missing_ok=True)


def accounts(folder: Path, boot: str, *, but: int | None = None) -> tuple[Account, ...]:
    """Every earlier life's account, oldest first; `but` leaves out the incarnation that is alive. Needs the folder's
    lock.

    `boot` is this boot's identity: after another boot what was only in memory is gone, so the allowed count as begun.
    """
    lives: dict[int, list[Path]] = {}
    for path in sorted(folder.glob("journal-*-*")):
        number = path.name.split("-")[1]
        if number.isdigit() and int(number) != but:
            lives.setdefault(int(number), []).append(path)
    return tuple(_account(incarnation, tuple(paths), boot) for incarnation, paths in lives.items())


def _account(incarnation: int, paths: tuple[Path, ...], boot: str) -> Account:
    reading = _Reading()
    for path in paths:
        back = read_file(path)
        for record in back.records:
            reading.take(record)
        is_same_boot = bool(boot) and reading.boot == boot
        reading.is_damaged |= back.has_more and is_same_boot
    owner = Owner(reading.node, incarnation)
    return Account(owner, reading.known(bool(boot) and reading.boot == boot), not reading.is_damaged, paths)


class _Reading:
    """Folds the records of one life into what is known of each message."""

    def __init__(self) -> None:
        self.node = ""
        self.boot = ""
        self.is_damaged = False
        self._state: dict[Key, Known] = {}

    def take(self, record: bytes) -> None:
        try:
            self._fold(record)
        except (struct.error, UnicodeDecodeError, ValueError):
            self.is_damaged = True

    def _fold(self, record: bytes) -> None:
        kind = record[0]
        if kind == _OPENED:
            self.node, _, self.boot = record[1:].decode("ascii").split(" ")
        elif kind == _ALLOWED:
            for key in _PAIR.iter_unpack(record[1:]):
                self._state.setdefault(key, Untouched(key))
        elif kind == _BEGUN:
            _, message, claim, connection = _BEGIN.unpack(record)
            self._state[message, claim] = Doubtful((message, claim), connection)
        elif kind == _ENDED:
            self._end(record)
        elif kind == _RECORDED:
            for key in _PAIR.iter_unpack(record[1:]):
                self._state.pop(key, None)
        else:
            raise ValueError("an unknown kind of record")

    def _end(self, record: bytes) -> None:
        _, message, claim, at, length = _END.unpack_from(record)
        word = record[_END.size : _END.size + length].decode("ascii")
        reply = record[_END.size + length :].decode("utf-8", "replace")
        self._state[message, claim] = Finished((message, claim), word, reply, at)

    def known(self, is_same_boot: bool) -> dict[Key, Known]:
        if is_same_boot:
            return self._state
        return {key: Doubtful(key, 0) if isinstance(what, Untouched) else what for key, what in self._state.items()}
