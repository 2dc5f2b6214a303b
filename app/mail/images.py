"""Pictures that lie beside the mails: named by their content, measured, or carried inside the mail.

Owns reading sizes from picture headers and rewriting `src`. It must not read the disk or store files: bytes are handed
in, and the publish step says which are to be hosted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import PurePosixPath

from app.core.problem import Problem
from app.mail.compiled import Attachment, HostedImage
from app.mail.document import Document, Tag
from app.mail.link_table import escaped_url_holes
from app.mail.pieces import Kind, Piece

_TYPES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
_ELSEWHERE = ("http://", "https://", "//", "cid:", "data:")
_SOURCES = ("src", "background")
HEAVY = 300_000


def no_file(_: str) -> bytes | None:
    """A site without pictures."""
    return None


@dataclass(frozen=True, slots=True)
class Size:
    width: int
    height: int


@dataclass(slots=True)
class Pictures:
    """The pictures met while one mail is published."""

    files: Callable[[str], bytes | None]
    file: str
    hosted: list[HostedImage] = field(default_factory=list)
    embedded: list[Attachment] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def place_images(document: Document, pictures: Pictures) -> None:
    """Point every local picture to its public name or its part of the mail, with width and height."""
    for at, node in enumerate(document.nodes):
        if isinstance(node, Tag):
            for name in _SOURCES:
                value = node.get(name)
                if value is not None:
                    node = _placed(node, name, value.strip(), (document, pictures))
            document.nodes[at] = node


def _placed(tag: Tag, name: str, value: str, target: tuple[Document, Pictures]) -> Tag:
    document, pictures = target
    if document.holes_in(value):
        return tag.put(name, escaped_url_holes(value, document))
    if not value or value.lower().startswith(_ELSEWHERE):
        return tag.put(name, _verbatim(value, tag, document))
    path = _local(value)
    data = pictures.files(path)
    if data is None:
        pictures.problems.append(
            _problem(
                tag,
                "image-missing",
                f"there is no picture `{path}`",
                "put it beside the mails or write its https address",
            )
        )
        return tag
    return _pointed(tag, name, path, data, target)


def _verbatim(value: str, tag: Tag, document: Document) -> str:
    return document.add(Piece(Kind.DATA, value.replace('"', "&quot;"), tag.file, tag.line, tag.column))


def _local(value: str) -> str:
    return str(PurePosixPath(value.lstrip("/")))


def _pointed(tag: Tag, name: str, path: str, data: bytes, target: tuple[Document, Pictures]) -> Tag:
    document, pictures = target
    size, scale = read_size(data), 1
    sharp = pictures.files(sharp_path(path))
    if sharp is not None and read_size(sharp) is not None:
        data, size, scale = sharp, read_size(sharp), 2
    if size is None:
        pictures.problems.append(
            _problem(
                tag, "image-format", f"`{path}` is not a PNG, JPEG, GIF or WebP picture", "save it as one of these"
            )
        )
        return tag
    if len(data) > HEAVY:
        note = f"`{path}` weighs {len(data) // 1000} KB"
        pictures.problems.append(_problem(tag, "image-heavy", note, "make it smaller than 300 KB", "warning"))
    tag = _sized(tag, Size(size.width // scale, size.height // scale)) if tag.name == "img" else tag
    public = public_name(path, data)
    if tag.get("data-embed") is not None:
        return _embedded(tag.without("data-embed").put(name, f"cid:{public}"), public, data, pictures)
    image = HostedImage(sharp_path(path) if scale == 2 else path, public, size.width, size.height)
    if image not in pictures.hosted:
        pictures.hosted.append(image)
    hole = document.add(Piece(Kind.EXPRESSION, "_images", tag.file, tag.line, tag.column))
    return tag.put(name, f"{hole}/{public}")


def _embedded(tag: Tag, public: str, data: bytes, pictures: Pictures) -> Tag:
    part = Attachment(public, _TYPES[public.rpartition(".")[2]], data, content_id=public)
    if part not in pictures.embedded:
        pictures.embedded.append(part)
    return tag


def _sized(tag: Tag, size: Size) -> Tag:
    """Width and height, so that nothing jumps while pictures load; one given by the author sets the other."""
    width, height = tag.get("width"), tag.get("height")
    if width is None and height is None:
        return tag.put("width", str(size.width)).put("height", str(size.height))
    if width is not None and width.isdigit() and height is None and size.width:
        return tag.put("height", str(round(size.height * int(width) / size.width)))
    return tag


def _problem(tag: Tag, code: str, message: str, fix: str, severity: str = "error") -> Problem:
    return Problem(code, tag.file, tag.line, tag.column, message, fix, "warning" if severity == "warning" else "error")


def sharp_path(path: str) -> str:
    """The name of the double-size variant: `crate.jpg` → `crate@2x.jpg`."""
    stem, dot, ending = path.rpartition(".")
    return f"{stem}@2x{dot}{ending}" if dot else f"{path}@2x"


def public_name(path: str, data: bytes) -> str:
    """The content's hash with the ending of the real format: changed content gets a new name, so caches may keep it."""
    return f"{blake2b(data, digest_size=12).hexdigest()}.{_ending(data) or path.rpartition('.')[2].lower()}"


def _ending(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"\xff\xd8"):
        return "jpg"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def read_size(data: bytes) -> Size | None:
    """Width and height in pixels from the header; None for anything but PNG, GIF, JPEG and WebP."""
    readers = {"png": _png, "gif": _gif, "jpg": _jpeg, "webp": _webp}
    reader = readers.get(_ending(data))
    size = reader(data) if reader else None
    return size if size and size.width and size.height else None


def _png(data: bytes) -> Size | None:
    if len(data) < 24 or data[12:16] != b"IHDR":
        return None
    return Size(int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))


def _gif(data: bytes) -> Size | None:
    return Size(int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")) if len(data) >= 10 else None


def _jpeg(data: bytes) -> Size | None:
    """Walk the segments to the first frame header (ITU T.81 annex B)."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return Size(int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big"))
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _webp(data: bytes) -> Size | None:
    if len(data) < 30:
        return None
    match data[12:16]:
        case b"VP8 ":
            return Size(int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF)
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case b"VP8X":
            return Size(int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1)
        case _:
            return None
