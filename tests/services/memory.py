"""Memory limits of the kernel: a group of processes that is killed when it needs more than it may have.

Needs the right to make control groups (root, or a container that lets its groups be written).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


class Group:
    """One control group, of either version."""

    def __init__(self, folder: Path, limit: str, usage: str) -> None:
        self._folder, self._limit, self._usage = folder, limit, usage

    def hold(self, process: int, more: int) -> None:
        """From now on this process is killed when it needs more than what it has plus so many bytes."""
        (self._folder / "cgroup.procs").write_text(str(process))
        (self._folder / self._limit).write_text(str(max(int((self._folder / self._usage).read_text()), 0) + more))


@contextlib.contextmanager
def group() -> Iterator[Group | None]:
    """A group of its own; None where none can be made."""
    made = next((found for found in map(_make, _KINDS) if found), None)
    try:
        yield made[0] if made else None
    finally:
        if made:
            with contextlib.suppress(OSError):
                made[1].rmdir()


_KINDS = (
    (_ROOT / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    (_ROOT, "memory.max", "memory.current"),
)


def _make(kind: tuple[Path, str, str]) -> tuple[Group, Path] | None:
    folder, limit, usage = kind[0] / f"parvar-test-{os.getpid()}", kind[1], kind[2]
    try:
        folder.mkdir()
    except OSError:
        return None
    if (folder / limit).exists():
        return Group(folder, limit, usage), folder
    folder.rmdir()
    return None
