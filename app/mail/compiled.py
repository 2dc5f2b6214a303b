"""A mail ready to be sent to anybody: everything that does not depend on the reader is done.

Owns the value the publish step makes, the store keeps and the message step uses, and its plain form. It must not
render.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TypeAlias

from app.core.problem import Problem
from app.mail.link_table import Link

Plain: TypeAlias = "str | int | bool | None | list[Plain] | dict[str, Plain]"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with a mail. `data` is its content; `content_id` is set for pictures shown in the text."""

    name: str
    media_type: str
    data: bytes
    content_id: str = ""
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HostedImage:
    """A local picture under its public name (its content's hash), and how it is shown."""

    path: str
    public_name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class CompiledMail:
    """One version of one mail in one locale. `digest` names the content: same digest, same mail.

    `html`, `text`, `subject` and `subjects` are templates. `is_inlined` is false when the structure depends on the
    reader, so that styles are written for each one. `findings` are not part of the stored form.
    """

    key: str
    locale: str
    subject: str
    html: str
    text: str
    subjects: tuple[tuple[str, str], ...] = ()
    links: tuple[Link, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    images: tuple[HostedImage, ...] = ()
    names: tuple[str, ...] = ()
    topic: str = ""
    is_service: bool = False
    is_inlined: bool = True
    is_base64: bool = False
    digest: str = ""
    findings: tuple[Problem, ...] = field(default=(), compare=False)

    @property
    def link_names(self) -> tuple[str, ...]:
        return tuple(sorted({link.name for link in self.links if link.name}))

    def to_plain(self) -> dict[str, Plain]:
        """Texts, numbers, lists and mappings only: fit for JSON."""
        return {
            "version": VERSION,
            "key": self.key,
            "locale": self.locale,
            "subject": self.subject,
            "subjects": [list(pair) for pair in self.subjects],
            "html": self.html,
            "text": self.text,
            "links": [
                {"number": link.number, "url": link.url, "name": link.name, "topic": link.topic} for link in self.links
            ],
            "attachments": [_attachment_to_plain(item) for item in self.attachments],
            "images": [[item.path, item.public_name, item.width, item.height] for item in self.images],
            "names": list(self.names),
            "topic": self.topic,
            "is_service": self.is_service,
            "is_inlined": self.is_inlined,
            "is_base64": self.is_base64,
            "digest": self.digest,
        }

    def sealed(self) -> CompiledMail:
        """The same mail under the digest of its content."""
        plain = {name: value for name, value in self.to_plain().items() if name != "digest"}
        text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return replace(self, digest=blake2b(text.encode(), digest_size=16).hexdigest())


@dataclass(frozen=True, slots=True)
class Refused:
    """A mail that cannot be published, and why."""

    problems: tuple[Problem, ...]


def from_plain(plain: Mapping[str, Plain]) -> CompiledMail:
    """Read the stored form back. Raises ValueError for a form this version does not know."""
    if plain.get("version") != VERSION:
        raise ValueError(f"a compiled mail of version {plain.get('version')!r} cannot be read")
    return CompiledMail(
        key=str(plain["key"]),
        locale=str(plain["locale"]),
        subject=str(plain["subject"]),
        html=str(plain["html"]),
        text=str(plain["text"]),
        subjects=tuple((str(row[0]), str(row[1])) for row in map(_row, _list(plain["subjects"]))),
        links=tuple(_link(_mapping(item)) for item in _list(plain["links"])),
        attachments=tuple(_attachment(_mapping(item)) for item in _list(plain["attachments"])),
        images=tuple(_image(_row(item)) for item in _list(plain["images"])),
        names=tuple(map(str, _list(plain["names"]))),
        topic=str(plain["topic"]),
        is_service=bool(plain["is_service"]),
        is_inlined=bool(plain["is_inlined"]),
        is_base64=bool(plain["is_base64"]),
        digest=str(plain["digest"]),
    )


def _list(value: Plain) -> list[Plain]:
    if not isinstance(value, list):
        raise ValueError("a list was expected in a compiled mail")
    return value


_row = _list


def _mapping(value: Plain) -> dict[str, Plain]:
    if not isinstance(value, dict):
        raise ValueError("a mapping was expected in a compiled mail")
    return value


def _link(plain: dict[str, Plain]) -> Link:
    url = plain["url"]
    return Link(int(str(plain["number"])), None if url is None else str(url), str(plain["name"]), str(plain["topic"]))


def _image(row: list[Plain]) -> HostedImage:
    return HostedImage(str(row[0]), str(row[1]), int(str(row[2])), int(str(row[3])))


def _attachment_to_plain(item: Attachment) -> dict[str, Plain]:
    return {
        "name": item.name,
        "media_type": item.media_type,
        "data": b64encode(item.data).decode("ascii"),
        "content_id": item.content_id,
        "parameters": [list(pair) for pair in item.parameters],
    }


def _attachment(plain: dict[str, Plain]) -> Attachment:
    pairs = tuple((str(row[0]), str(row[1])) for row in map(_row, _list(plain["parameters"])))
    return Attachment(
        str(plain["name"]), str(plain["media_type"]), b64decode(str(plain["data"])), str(plain["content_id"]), pairs
    )
