"""Bodies: what was sent to the letter, packed, for "view in browser" and for whoever asks what a person got.

Owns keeping and reading them; retention is a sweep of its own.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.store.hot import HotRows
from app.store.messages import BodyRow, MessageRow
from app.store.releases import MailVersionRow

Static: TypeAlias = tuple[tuple[str, ...], ...]
"""Texts that are the same in many bodies: those before the first fill, between two fills, behind the last."""
Swaps: TypeAlias = tuple[tuple[str, ...], tuple[bytes, ...]]
"""Stand-ins within fills, and what they stand for in UTF-8; an empty stand-in stands for nothing."""
NO_SWAPS: Final[Swaps] = ((), ())
NOTHING_STATIC: Final[Static] = ((), ())
_BY_TEMPLATE: Final = b"\x01"
"""Marks a body deflated with its template as the dictionary (RFC 1951); without a mark a whole zlib stream follows."""
_BY_PIECES: Final = b"\x02"
"""Marks a body that says which stretches of its template it is made of, and what stands between them."""
_WINDOW: Final = 32_768
_SHORT: Final = 12
"""Texts of fewer bytes are not worth pointing at."""
_LONGEST: Final = 3_000
"""What differs from the template by more bytes than this is better deflated."""


# ── Packing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def pack(static: Static, fills: Sequence[str], swaps: Swaps, version_id: int, template: str) -> bytes:
    """A body as it is kept. `static` are the texts around each fill, always the same object for the same texts.

    With `swaps` the fills are the same object for many bodies too, and hold stand-ins, each as many bytes long as what
    it stands for: those bodies differ in nothing else.
    """
    if not swaps[0]:
        return _packed(static, fills, version_id, template)
    known = _alike.get(id(fills))
    if known is None or known.version_id != version_id:
        known = _know_alike(Alike(static, fills, swaps), version_id, template)
    if known.parts:
        return known.filled(swaps[1])
    return _packed(NOTHING_STATIC, [_whole(Alike(static, fills, swaps))], version_id, template)


def _packed(static: Static, fills: Sequence[str], version_id: int, template: str) -> bytes:
    """A stretch of the template is (2 · length + 1, offset), a text (2 · length, its bytes), in bytes of UTF-8; the
    numbers are LEB128. Offsets behind the template count on in the longer texts written so far, so that what comes
    twice is written once.
    """
    known = _known.get(id(static))
    if known is None or known.version_id != version_id:
        known = _know(static, version_id, template)
    made = [b""] * (len(static) + len(fills))
    made[::2] = known.written
    made[1::2] = _texts(fills, known.end)
    packed = _BY_PIECES + b"".join(made)
    return packed if len(packed) <= _LONGEST else _deflated(_whole(Alike(static, fills)).encode(), version_id, template)


def _texts(fills: Sequence[str], end: int) -> list[bytes]:
    """Each text as it is written, the second time as a stretch of the first."""
    again: dict[str, bytes] = {}
    made = []
    for fill in fills:
        if written := again.get(fill):
            made.append(written)
            continue
        raw = fill.encode()
        size = len(raw)
        made.append(_number(size << 1) + raw)
        if size >= _SHORT:
            again[fill] = _number(size << 1 | 1) + _number(end)
            end += size
    return made


class Alike(NamedTuple):
    """A text as pack() takes it."""

    static: Static
    fills: Sequence[str]
    swaps: Swaps = NO_SWAPS


def _whole(text: Alike) -> str:
    pairs = zip(text.static, (*text.fills, ""), strict=True)
    whole = "".join([piece for run, fill in pairs for piece in (*run, fill)])
    stands, reals = text.swaps
    real = dict(zip(stands, reals, strict=True))
    return "".join([real[part].decode() if part in real else part for part in _cut(whole, stands)])


def _cut(whole: str, stands: Sequence[str]) -> list[str]:
    """A text in parts; every second one is a stand-in. In one go, for a name may look like another's stand-in."""
    found = "|".join(re.escape(stand) for stand in stands if stand)
    return re.split(f"({found})", whole) if found else [whole]


@dataclass(frozen=True, slots=True)
class _Known:
    """How static texts are written for one version, and the length of its template in bytes."""

    static: Static
    version_id: int
    written: tuple[bytes, ...]
    end: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """Bodies alike, packed: parts with gaps, and which value fills each gap. No parts when they cannot be kept so."""

    fills: Sequence[str]
    version_id: int
    parts: tuple[bytes, ...]
    order: tuple[int, ...]

    def filled(self, reals: Sequence[bytes]) -> bytes:
        made = list(self.parts)
        made[1::2] = [reals[number] for number in self.order]
        return b"".join(made)


_alike: dict[int, _Kept] = {}
"""By the identity of the fills, which lasts as long as the entry does."""


def _know_alike(text: Alike, version_id: int, template: str) -> _Kept:
    """How such bodies are packed, tried on the first of them: a number may look like a stand-in by chance."""
    packed = _packed(text.static, text.fills, version_id, template)
    stands, reals = [_latin(stand) for stand in text.swaps[0]], text.swaps[1]
    parts = _cut(packed.decode("latin-1"), stands)
    numbers = {stand: number for number, stand in enumerate(stands)}
    order = tuple(numbers[part] for part in parts[1::2])
    made = _Kept(text.fills, version_id, tuple(part.encode("latin-1") for part in parts), order)
    filled = made.filled(reals)
    is_deflated = not packed.startswith(_BY_PIECES)
    if is_deflated or unpack(filled, template) != _whole(text):
        made = _Kept(text.fills, version_id, (), ())
    if len(_alike) >= _KEPT:
        _alike.clear()
    _alike[id(text.fills)] = made
    return made


def _latin(text: str) -> str:
    return text.encode().decode("latin-1")


_KEPT: Final = 512
_known: dict[int, _Known] = {}
"""By identity, which lasts as long as the entry does."""


def _know(static: Static, version_id: int, template: str) -> _Known:
    whole = template.encode()
    written = tuple(b"".join([_stretch(piece.encode(), whole) for piece in run]) for run in static)
    if len(_known) >= _KEPT:
        _known.clear()
    known = _known[id(static)] = _Known(static, version_id, written, len(whole))
    return known


def _stretch(raw: bytes, whole: bytes) -> bytes:
    """A static text as a stretch of the template; its first bytes may be others, such as the number of a link.

    What is not found is cut into texts too short to count as written.
    """
    for skipped in range(_SHORT):
        if len(raw) - skipped >= _SHORT and (offset := whole.find(raw[skipped:])) >= 0:
            text = _number(skipped << 1) + raw[:skipped] if skipped else b""
            return text + _number((len(raw) - skipped) << 1 | 1) + _number(offset)
    parts = [raw[at : at + _SHORT - 1] for at in range(0, len(raw), _SHORT - 1)]
    return b"".join([_number(len(part) << 1) + part for part in parts])


def _number(value: int) -> bytes:
    """LEB128: seven bits a byte, the lowest first."""
    return _BYTES[value] if value < 128 else _BYTES[value & 127 | 128] + _number(value >> 7)


_BYTES: Final = tuple(bytes((value,)) for value in range(256))


def _deflated(html: bytes, version_id: int, template: str) -> bytes:
    packer = _primed(version_id, template).copy()
    return _BY_TEMPLATE + packer.compress(html) + packer.flush()


@lru_cache(maxsize=256)
def _primed(_version_id: int, template: str) -> zlib._Compress:
    dictionary = template.encode()[-_WINDOW:]
    return zlib.compressobj(1, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, dictionary)


# ── Unpacking ────────────────────────────────────────────────────────────────────────────────────────────────────────


def unpack(blob: bytes, template: str) -> str:
    """The body again, whichever way it was packed."""
    if blob.startswith(_BY_PIECES):
        return b"".join(_pieces(blob, template.encode())).decode()
    if not blob.startswith(_BY_TEMPLATE):
        return zlib.decompress(blob).decode()
    unpacker = zlib.decompressobj(-15, zdict=template.encode()[-_WINDOW:])
    return (unpacker.decompress(blob[1:]) + unpacker.flush()).decode()


def _pieces(blob: bytes, window: bytes) -> Iterator[bytes]:
    at = len(_BY_PIECES)
    while at < len(blob):
        size, at = _read(blob, at)
        length = size >> 1
        if size & 1:
            offset, at = _read(blob, at)
            yield window[offset : offset + length]
        else:
            raw = blob[at : at + length]
            window += raw if length >= _SHORT else b""
            at += length
            yield raw


def _read(blob: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while True:
        byte = blob[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def keep(session: Session, bodies: Mapping[int, bytes], at: Instant) -> None:
    """Keep packed bodies by message id; one kept already stays as it is."""
    if bodies:
        _KEEP.rows(session, [(message_id, blob, at) for message_id, blob in sorted(bodies.items())])


_KEEP = HotRows(
    {"message_id": "bigint", "blob": "bytea", "at": "bigint"},
    "INSERT INTO body (message_id, blob, at) SELECT * FROM news WHERE true ON CONFLICT (message_id) DO NOTHING",
)


def html_of(session: Session, message_id: int) -> str | None:
    """The HTML that was sent, or None when it is not kept (any more)."""
    query = (
        select(BodyRow.blob, MailVersionRow.compiled)
        .join(MessageRow, MessageRow.id == BodyRow.message_id)
        .outerjoin(MailVersionRow, MailVersionRow.id == MessageRow.mail_version_id)
        .where(BodyRow.message_id == message_id)
    )
    row = session.execute(query).one_or_none()
    return None if row is None else unpack(row.blob, json.loads(row.compiled or "{}").get("html", ""))


def forget(session: Session, before: Instant, limit: int = 1_000) -> int:
    """Delete bodies older than an instant, a batch at a time."""
    ids = session.scalars(select(BodyRow.message_id).where(BodyRow.at < before).limit(limit)).all()
    if ids:
        session.execute(delete(BodyRow).where(BodyRow.message_id.in_(ids)))
    return len(ids)
