"""Networks: whose proxy a request came through, which configured list it is on, and its keyed hash.

Owns reading lists of networks, hot reload, X-Forwarded-For, and the rule that no address goes further than here.
Must not know what a list means: its file name is its label, the verdicts know the labels.
"""

import socket
import threading
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from app.core.instants import SECOND, Instant

_LOOK_EVERY: Final = 5 * SECOND
_MAPPED: Final = bytes(10) + b"\xff\xff"


class Span(NamedTuple):
    """A network as its first and last number: 32 bits, or the upper 64 of IPv6 (nobody owns less than a /64)."""

    six: bool
    first: int
    last: int


def parse_network(text: str) -> Span:
    """`192.0.2.0/24`, `2001:db8::/32` or one address. Raises ValueError for anything else."""
    address, _, bits = text.partition("/")
    six = ":" in address
    try:
        packed = socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, address)
        length = int(bits) if bits else len(packed) * 8
    except (OSError, ValueError):
        raise ValueError(f"{text[:60]!r} is not a network") from None
    if not 0 <= length <= len(packed) * 8:
        raise ValueError(f"{text[:60]!r} has no such prefix length")
    width = 64 if six else 32
    free = (1 << max(width - length, 0)) - 1
    number = int.from_bytes(packed[:8], "big")
    return Span(six, number & ~free, number | free)


class NetworkTable:
    """A set of networks asked by address: two sorted rows of bounds, a few bytes for each network."""

    def __init__(self, spans: Iterable[Span]) -> None:
        rows: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
        for six, first, last in spans:
            rows[six].append((first, last))
        self._four, self._six = (_merged(sorted(spans)) for spans in rows)

    def __contains__(self, packed: bytes) -> bool:
        starts, ends = self._four if len(packed) == 4 else self._six
        number = int.from_bytes(packed[:8], "big")
        place = bisect_right(starts, number) - 1
        return place >= 0 and number <= ends[place]

    def __bool__(self) -> bool:
        return bool(self._four[0] or self._six[0])


def _merged(spans: list[tuple[int, int]]) -> tuple["array[int]", "array[int]"]:
    starts, ends = array("Q"), array("Q")
    for first, last in spans:
        if ends and first <= ends[-1] + 1:
            ends[-1] = max(ends[-1], last)
        else:
            starts.append(first)
            ends.append(last)
    return starts, ends


class NetworkLists:
    """The lists of one folder: `<label>.txt` or `.csv`, a network first on each line, `#` begins a remark.

    Changed files are read again within seconds, beside the requests, never inside one. A faulty line is left
    out and named in `faults` as `file:line`.
    """

    def __init__(self, folder: Path, wall: Callable[[], Instant]) -> None:
        self._folder, self._wall = folder, wall
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self._tables: tuple[tuple[str, NetworkTable], ...] = ()
        self._look_at = wall() + _LOOK_EVERY
        self.faults: tuple[str, ...] = ()
        self.refresh()

    def label(self, packed: bytes) -> str:
        """The first list, by name, that holds this address; '' when none does."""
        if self._wall() >= self._look_at:
            self._look_at = self._wall() + _LOOK_EVERY
            threading.Thread(target=self.refresh, name="networks", daemon=True).start()
        for label, table in self._tables:
            if packed in table:
                return label
        return ""

    def refresh(self) -> None:
        """Read the lists if a file came, went or changed."""
        paths = sorted(path for path in self._folder.glob("*.*") if path.suffix in (".txt", ".csv"))
        faults: list[str] = []
        try:
            seen = tuple((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in paths)
            if seen == self._seen:
                return
            self._tables = tuple((path.stem, NetworkTable(_spans(path, faults))) for path in paths)
        except OSError as fault:  # a file that went while we read: the old tables serve until the next look
            self.faults = (str(fault),)
        else:
            self._seen, self.faults = seen, tuple(faults)


def _spans(path: Path, faults: list[str]) -> Iterable[Span]:
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), start=1):
        text = line.partition("#")[0].partition(",")[0].strip()
        try:
            if text:
                yield parse_network(text)
        except ValueError as fault:
            faults.append(f"{path.name}:{number}: {fault}")


class Caller(NamedTuple):
    """What is kept of where a request came from: both '' when the address is unknown."""

    network: str
    label: str


NOWHERE: Final = Caller("", "")


class Networks:
    """From a request's addresses to a `Caller`. `secret` keys the hash; only `trusted` proxies may speak for others."""

    def __init__(self, secret: bytes, trusted: Iterable[str], lists: NetworkLists | None = None) -> None:
        key = blake2b(secret, digest_size=32, person=b"parvar network").digest()
        self._base = blake2b(key=key, digest_size=8)
        self._trusted = NetworkTable(map(parse_network, trusted))
        self.believes = bool(self._trusted)
        """Whether any proxy may speak for others: else the forwarded header need not be looked at."""
        self._lists = lists

    def caller(self, remote: str, forwarded: str) -> Caller:
        """`remote` is the peer's address, `forwarded` the X-Forwarded-For header or ''."""
        packed = self.client(remote, forwarded)
        if packed is None:
            return NOWHERE
        return Caller(self._hash(packed), "" if self._lists is None else self._lists.label(packed))

    def client(self, remote: str, forwarded: str) -> bytes | None:
        """The nearest address that is not one of our proxies, reading the header from its trustworthy end."""
        client = pack(remote)
        for hop in reversed(forwarded.split(",")) if forwarded else ():
            if client is None or client not in self._trusted:
                break
            client = pack(hop) or client
        return client

    def _hash(self, packed: bytes) -> str:
        hasher = self._base.copy()
        hasher.update(packed[:3] if len(packed) == 4 else packed[:6])
        return hasher.hexdigest()


def pack(text: str) -> bytes | None:
    """4 or 16 bytes of an address, also with a port, brackets or a zone; IPv4 in IPv6 is IPv4; else None."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text)
        packed = socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):
        return None
    return packed[12:] if packed.startswith(_MAPPED) else packed
