"""The place of a database file: whether it lies where locks mean what they say.

Owns one question about the disk. Must not open databases.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL

_NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.s3fs", "davfs")


class UnfitPlaceError(ValueError):
    """The file lies on a network file system, where SQLite's locks and ours would not hold."""


def file_of(url: URL) -> Path | None:
    """The file behind an SQLite address; None for PostgreSQL and for a database in memory."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def refuse_network(file: Path) -> None:
    """Raises UnfitPlaceError when the file would lie on a network file system."""
    kind = _filesystem(file.parent.resolve())
    if kind.startswith(_NETWORK):
        raise UnfitPlaceError(
            f"{file.name} lies on a network file system ({kind}); SQLite needs a local disk, or use PostgreSQL"
        )


def _filesystem(folder: Path) -> str:
    """The kind of file system a folder is on; empty where the system does not tell."""
    try:
        table = Path("/proc/self/mountinfo").read_text("utf-8", "replace")
    except OSError:
        return ""
    return kind_in(table, folder)


def kind_in(table: str, folder: Path) -> str:
    """The kind of the innermost mount that holds a folder, by a table as in /proc/self/mountinfo (see proc(5))."""
    innermost, kind = "", ""
    for line in table.splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4].replace("\\040", " ")
        if folder.is_relative_to(point) and len(point) >= len(innermost):
            innermost, kind = point, right.split()[0]
    return kind
