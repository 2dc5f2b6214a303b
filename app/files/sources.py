"""Which files belong to a site, what each one is, and the mails that exist.

Owns names of files and folders. Must not read what stands in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final

CAMPAIGNS: Final = "campaigns"
MAILS: Final = "email_templates"
_READ: Final = (".yaml", ".yml", ".md", ".html", ".mjml")
_MAIL: Final = re.compile(r"(?P<key>[^.]+)(?:\.(?P<locale>[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*))?\.(?:md|html|mjml)")


class FileKind(StrEnum):
    """What a file is; the value is its first key."""

    SITE = "site"
    LADDER = "stages"
    BOX = "box"
    OFFER = "offer"
    SURVEY = "survey"
    FRAGMENT = "fragment"
    PERSON = "person"
    CONTENT = "content"
    CAMPAIGN = "campaign"
    SCENARIO = "scenario"


FOLDERS: Final[Mapping[str, FileKind]] = {
    "boxes": FileKind.BOX,
    "offers": FileKind.OFFER,
    "surveys": FileKind.SURVEY,
    "fragments": FileKind.FRAGMENT,
    "people": FileKind.PERSON,
    "content": FileKind.CONTENT,
}


@dataclass(frozen=True, slots=True)
class Source:
    """One YAML file: its path (with /, from the root), what its place says it is, and the key its name gives it."""

    path: str
    kind: FileKind
    key: str


def load(folder: Path) -> Mapping[str, str]:
    """The texts of all files of a site, by path from `folder`. A byte that is no UTF-8 becomes a lone surrogate.

    Hidden files and folders are left out. Raises OSError when a file cannot be read.
    """
    found: dict[str, str] = {}
    for top in (CAMPAIGNS, MAILS):
        for path in sorted((folder / top).rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.suffix in _READ and path.is_file() and "/." not in f"/{name}":
                found[name] = path.read_bytes().decode("utf-8", "surrogateescape")
    return found


def yaml_sources(paths: Mapping[str, str]) -> Iterator[Source]:
    """The files of the campaign language, in order of path."""
    for path in sorted(paths):
        parts = PurePosixPath(path).parts
        if parts[0] == CAMPAIGNS and path.endswith(".yaml") and len(parts) > 1:
            yield Source(path, _kind(path, parts), _stem(parts[-1]))


def _kind(path: str, parts: tuple[str, ...]) -> FileKind:
    if path.endswith(".test.yaml"):
        return FileKind.SCENARIO
    if len(parts) == 2 and parts[1] == "site.yaml":
        return FileKind.SITE
    if len(parts) == 2 and parts[1] == "ladder.yaml":
        return FileKind.LADDER
    return FOLDERS.get(parts[1], FileKind.CAMPAIGN) if len(parts) == 3 else FileKind.CAMPAIGN


def _stem(name: str) -> str:
    return name.removesuffix(".yaml").removesuffix(".test")


def mails_of(paths: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
    """Mail key → locale → path, for every mail template; layouts are no mails."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(paths):
        inside = path.removeprefix(f"{MAILS}/")
        match = _MAIL.fullmatch(inside)
        if path != inside and match and not inside.startswith("layouts/"):
            found.setdefault(match["key"], {})[match["locale"] or ""] = path
    return MappingProxyType({key: MappingProxyType(locales) for key, locales in found.items()})
