"""A keep: texts made with effort, kept by the digest of what they were made of. Safe to delete at any time.

Owns one folder and writing into it so that a reader never sees half a text. Must not know what the texts mean.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


class Keep:
    """A folder of texts by key. A folder that cannot be written to keeps nothing, and nothing breaks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> str | None:
        try:
            return self._path(key).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def put(self, key: str, text: str) -> None:
        path = self._path(key)
        draft = path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(text, "utf-8")
            draft.replace(path)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key[2:]}.json"


def key_of(parts: Iterable[str]) -> str:
    """The key of a text made of these parts."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(f"{len(part)}\0{part}".encode("utf-8", "surrogateescape"))
    return hasher.hexdigest()


def stamp_of(folder: Path, pattern: str = "*", but: tuple[str, ...] = ()) -> str:
    """Changes when a file below a folder is another one: name, size and time of each, but for some endings."""
    files = (path for path in sorted(folder.rglob(pattern)) if path.is_file() and path.suffix not in but)
    found = ((path, path.stat()) for path in files)
    return "\n".join(f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in found)


def cache_folder() -> Path:
    """Where programs keep what they can make again: PARVAR_CACHE, else the user's cache folder (XDG)."""
    own = os.environ.get("PARVAR_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "parvar"
