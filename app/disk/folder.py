"""A node's folder: a name that lasts, a start counter, and a lock held for life.

Owns the identity of a worker on disk. Who gets the lock knows that the last owner is dead.
Must not be put on a network file system: `flock` there does not mean what it says.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_LOCK: Final = "lock"
_NODE: Final = "node"
_NODE_TEXT: Final = re.compile(r"^([0-9a-f]{32}) (\d{1,18})\n$")
_NETWORK: Final = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.s3fs", "davfs")


class FolderUnfit(Exception):
    """The folder cannot serve: not writable, on a network file system, or its identity cannot be read."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who claims messages: the folder's lasting name and how often it has been started."""

    node: str
    incarnation: int

    def __str__(self) -> str:
        return f"{self.node}:{self.incarnation}"


class NodeFolder:
    """A held folder. The lock belongs to the open file: a forked child shares it, so fork before you hold."""

    def __init__(self, path: Path, owner: Owner, lock: int) -> None:
        self.path = path
        self.owner = owner
        self._lock = lock

    def release(self) -> None:
        """Give the folder up; a second call does nothing."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def hold_folder(path: Path, new_id: Callable[[], bytes]) -> NodeFolder | None:
    """Take the folder and start a new incarnation; None while another process holds it. Raises FolderUnfit.

    `new_id` gives 16 random bytes, used for the name when the folder is new.
    """
    lock = _lock(path)
    if lock is None:
        return None
    try:
        return NodeFolder(path, _next_incarnation(path, new_id), lock)
    except BaseException:
        os.close(lock)
        raise


def visit_folder(path: Path) -> NodeFolder | None:
    """Take a dead worker's folder to settle it, as its last incarnation; None while it lives or was never held."""
    if not (path / _NODE).is_file():
        return None
    lock = _lock(path)
    if lock is None:
        return None
    owner = read_owner(path)
    if owner is None:
        os.close(lock)
        raise FolderUnfit(f"{path.name}: the node file cannot be read")
    return NodeFolder(path, owner, lock)


def read_owner(path: Path) -> Owner | None:
    """Who held the folder last, without taking it; None when nobody did or it cannot be read."""
    try:
        found = _NODE_TEXT.match((path / _NODE).read_text("ascii"))
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return Owner(found.group(1), int(found.group(2))) if found else None


def _lock(path: Path) -> int | None:
    if kind := network_filesystem(path):
        raise FolderUnfit(f"{path.name}: a {kind} file system cannot hold locks; use a local disk")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as fault:
        raise FolderUnfit(f"{path.name}: {fault.strerror}") from fault
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _next_incarnation(path: Path, new_id: Callable[[], bytes]) -> Owner:
    last = read_owner(path)
    if last is None and (path / _NODE).exists():
        raise FolderUnfit(f"{path.name}: the node file cannot be read; restore it, or move the folder away")
    owner = Owner(last.node, last.incarnation + 1) if last else Owner(new_id().hex(), 1)
    write_durably(path / _NODE, f"{owner.node} {owner.incarnation}\n".encode("ascii"))
    if last is None:
        sync_folder(path.parent)
    return owner


def write_durably(place: Path, content: bytes) -> None:
    """Replace a file so that after a power cut it holds either the old or the new content, whole."""
    draft = place.with_name(f".{place.name}.part")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    draft.replace(place)
    sync_folder(place.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def boot_identity() -> str:
    """A text that changes with every boot of the machine, empty where the system does not tell."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""


def network_filesystem(path: Path) -> str:
    """The kind of network file system the path lies on, or empty for a local one (also where the system does
    not tell).
    """
    try:
        table = Path("/proc/self/mountinfo").read_text("utf-8", "replace")
    except OSError:
        return ""
    wanted, best = path.resolve(), ("", "")
    for line in table.splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4].replace("\\040", " ")
        if wanted.is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, right.split()[0])
    return best[1] if best[1].startswith(_NETWORK) else ""
