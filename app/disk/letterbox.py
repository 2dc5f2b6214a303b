"""The letterbox: mails handed in by a program on this machine, kept as files until somebody has acted upon them.

Owns the folder and its durability: what `drop` has returned for survives a pulled plug. The same mail dropped twice is
one file. Must not read what a mail says.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_NEW, _TMP, _ASIDE = "new", "tmp", "aside"


@dataclass(frozen=True, slots=True)
class Dropped:
    """One mail: whom its envelope names, and its bytes."""

    path: Path
    envelope_to: str
    raw: bytes


class Letterbox:
    """One folder with `new` (waiting), `tmp` (being written) and `aside` (nobody could make anything of them)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def drop(self, raw: bytes, envelope_to: str = "") -> None:
        """Keep a mail durably. Raises OSError, and then it is not kept."""
        content = envelope_to.encode("utf-8", "replace").replace(b"\n", b" ") + b"\n" + raw
        name = hashlib.sha256(content).hexdigest()[:40]
        for part in (_NEW, _TMP):
            (self._folder / part).mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._folder / _TMP / f"{name}.{os.getpid()}"
        try:
            _write(draft, content)
            draft.replace(self._folder / _NEW / name)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
        _sync_folder(self._folder / _NEW)

    def waiting(self, limit: int = 100) -> list[Dropped]:
        """The mails that wait, oldest first. One that cannot be read just now is left for the next time."""
        found = []
        for path in sorted(self._paths(), key=_age)[:limit]:
            with suppress(OSError):
                envelope_to, _, raw = path.read_bytes().partition(b"\n")
                found.append(Dropped(path, envelope_to.decode("utf-8", "replace"), raw))
        return found

    def forget(self, dropped: Dropped) -> None:
        """It was acted upon."""
        dropped.path.unlink(missing_ok=True)

    def set_aside(self, dropped: Dropped) -> None:
        """Keep it for somebody to look at, out of the way."""
        (self._folder / _ASIDE).mkdir(exist_ok=True, mode=0o700)
        dropped.path.replace(self._folder / _ASIDE / dropped.path.name)

    def _paths(self) -> list[Path]:
        with suppress(FileNotFoundError):
            return list((self._folder / _NEW).iterdir())
        return []


def _age(path: Path) -> tuple[int, str]:
    try:
        return path.stat().st_mtime_ns, path.name
    except OSError:
        return 0, path.name


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
