"""Preview: any mail, live or as it lies in the files, as anybody would read it at any time. Nothing is sent.

Owns finding the mail and its reader, and what is to be said about it. It is written by the hand that writes real ones;
what a step would give is a sample. Must not change anything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

from sqlalchemy.orm import Session

from app.actions.compose import Chosen, MailShelf
from app.actions.folder import folder_of
from app.actions.inspect import Inspection, inspect
from app.actions.proof import CLIPPED_AT, mail_for, reader_of, shelved_of
from app.actions.sampling import Reader, sampled
from app.actions.shelf import Shelf, Shelved
from app.core.calendar import parse_date
from app.core.facts import Fields
from app.core.instants import Instant, to_datetime
from app.core.problem import Problem
from app.core.site import AttributeType, Site
from app.core.windows import Clock, at_local, zone_of
from app.core.workspace import Workspace
from app.disk.keep import stamp_of
from app.files.sources import load
from app.mail.compiled import CompiledMail
from app.mail.headers import UnsendableAddress
from app.mail.message import RenderFault
from app.store import people, releases, signups
from app.store.stories import lately
from app.world import World

Loading: TypeAlias = Callable[[], Mapping[str, str]]

_KEPT = 64
_STORY = 12
_NEEDS_FILES = frozenset({"image-missing", "attachment-missing"})
"""Findings that say nothing of a release whose pictures lie elsewhere by now."""


@dataclass(frozen=True, slots=True)
class LinkShown:
    number: int
    name: str
    url: str
    topic: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What the reader would get; `error` says why it cannot be written."""

    mail: str
    locale: str
    locales: tuple[str, ...]
    reader: str
    subject: str = ""
    text: str = ""
    html: str = ""
    data: bytes = b""
    """The message as it would leave, headers and all."""
    links: tuple[LinkShown, ...] = ()
    findings: tuple[Problem, ...] = ()
    samples: tuple[str, ...] = ()
    """What of it is made up: offer, code, event, story, survey."""
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """Pictures that are not hosted yet, by public name."""
    people: tuple[str, ...] = ()
    """The made-up people of the site, by key."""
    sent_from: str = ""
    sent_to: str = ""
    """The envelope."""
    error: str = ""
    is_known: bool = True
    """False when the address or key named belongs to nobody."""

    @property
    def size(self) -> int:
        """Bytes of the HTML part, which is what Gmail cuts by."""
        return len(self.html.encode())

    @property
    def is_clipped(self) -> bool:
        return self.size > CLIPPED_AT

    @property
    def stamp(self) -> str:
        """Changes when anything that is shown does."""
        shown = (self.subject, self.html, self.text, self.error, *map(str, self.findings))
        return blake2b("\0".join(shown).encode("utf-8", "replace"), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Wish:
    """Which mail, in which locale ("": the reader's), for whom, at which time (None: now).

    `who` is a subscriber's address, the key of somebody made up, or "" for anybody. `is_draft`: as it lies in the
    files of this server. `to`: a copy for this address.
    """

    mail: str
    locale: str = ""
    who: str = ""
    at: Instant | None = None
    is_draft: bool = False
    to: str = ""


class Inspections:
    """What was found in files and releases, so that looking again at what has not changed costs nothing."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Inspection] = {}
        self._lock = threading.Lock()

    def of_folder(self, world: World, folder: Path, mail: str) -> Inspection:
        """The files as they lie now."""
        stamp = "".join(stamp_of(folder / name) for name in ("campaigns", "email_templates"))
        return self._look(world, (stamp, mail), lambda: load(folder), folder)

    def of_release(self, world: World, sources: Mapping[str, str], version: int, mail: str) -> Inspection:
        return self._look(world, (f"release {version}", mail), lambda: sources, folder_of(world.settings))

    def _look(self, world: World, key: tuple[str, str], load_them: Loading, folder: Path | None) -> Inspection:
        with self._lock:
            found = self._known.pop(key, None)
            if found is None:
                found = inspect(load_them(), to_datetime(world.wall()).date(), folder, only=key[1])
            self._known[key] = found
            while len(self._known) > _KEPT:
                del self._known[next(iter(self._known))]
            return found


@dataclass(frozen=True, slots=True)
class Desk:
    """What previews are made at: one per process."""

    world: World
    shelf: Shelf
    mails: MailShelf = field(default_factory=MailShelf)
    inspections: Inspections = field(default_factory=Inspections)


def has_draft(world: World) -> bool:
    """Whether the files of the site lie on this server."""
    return folder_of(world.settings) is not None


def previewed(desk: Desk, wish: Wish) -> Preview | None:
    """A mail as its reader would get it; None for an unknown one, and for a draft where no files lie."""
    world = desk.world if wish.at is None else replace(desk.world, now=lambda: wish.at or 0)
    return _draft(desk, world, wish) if wish.is_draft else _live(desk, world, wish)


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything a mail is written with."""

    world: World
    shelved: Shelved
    chosen: Chosen
    reader: Reader
    wish: Wish

    def preview(self, findings: tuple[Problem, ...], pictures: Mapping[str, bytes]) -> Preview:
        mail, workspace = self.chosen.mail, self.shelved.workspace
        links = tuple(LinkShown(each.number, each.name or "", each.url or "", each.topic or "") for each in mail.links)
        known = Preview(mail.key, mail.locale, workspace.site.locales, self.reader.name, links=links)
        known = replace(
            known,
            findings=findings,
            pictures=pictures,
            people=tuple(sorted(workspace.people)),
            is_known=not self.wish.who or self.reader.name == self.wish.who,
        )
        try:
            made = sampled(self.world, self.shelved, self.chosen, self.reader, self.wish.to)
        except (RenderFault, UnsendableAddress) as fault:
            return replace(known, subject=mail.subject, error=str(fault))
        said = made.message
        told = replace(known, subject=said.subject, text=said.text, html=said.html)
        return replace(told, data=said.data, samples=made.marks, sent_from=made.sent_from, sent_to=said.envelope_to)


def _live(desk: Desk, world: World, wish: Wish) -> Preview | None:
    with world.transaction("read") as session:
        shelved = desk.shelf.look(session)
        if shelved is None:
            return None
        reader = _reader(session, shelved.workspace, wish)
        chosen = desk.mails.choose(session, shelved, wish.mail, wish.locale or reader.locale)
        sources = releases.sources_of(session, shelved.release_id)
    if chosen is None:
        return None
    inspection = desk.inspections.of_release(world, sources, shelved.version, wish.mail)
    gone = _NEEDS_FILES if folder_of(world.settings) is None else frozenset()
    found = tuple(each for each in _findings(inspection, chosen.mail) if each.code not in gone)
    return _Case(world, shelved, chosen, reader, wish).preview(found, {})


def _draft(desk: Desk, world: World, wish: Wish) -> Preview | None:
    folder = folder_of(world.settings)
    if folder is None:
        return None
    inspection = desk.inspections.of_folder(world, folder, wish.mail)
    workspace = inspection.workspace
    if workspace is None:
        is_there = any(path.startswith(f"email_templates/{wish.mail}.") for path in inspection.sources)
        return _unwritten(wish, "the files cannot be read", inspection.errors) if is_there else None
    if wish.mail not in workspace.mails:
        return None
    with world.transaction("read") as session:
        reader = _reader(session, workspace, wish)
    mail = mail_for(inspection, wish.mail, wish.locale, reader.locale)
    if mail is None:
        paths = set(workspace.mails[wish.mail].values())
        found = tuple(each for each in inspection.problems if each.file in paths)
        return replace(_unwritten(wish, "it cannot be compiled", found), locales=workspace.site.locales)
    case = _Case(world, shelved_of(world, workspace), Chosen(0, mail), reader, wish)
    return case.preview(_findings(inspection, mail), inspection.pictures)


def _unwritten(wish: Wish, why: str, findings: tuple[Problem, ...]) -> Preview:
    return Preview(wish.mail, wish.locale, (), "", error=why, findings=findings)


def _findings(inspection: Inspection, mail: CompiledMail) -> tuple[Problem, ...]:
    paths = inspection.workspace.mails.get(mail.key, {}) if inspection.workspace else {}
    path = paths.get(mail.locale, "")
    return tuple(each for each in inspection.problems if each.file == path)


# ── When ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def moment(text: str, timezone: str, usual: str) -> Instant:
    """A day, or a day and a time (2026-11-22, 1405-09-01, 2026-11-22T09:30), on the reader's clock; days begin at ten.

    Raises ValueError.
    """
    day, _, clock = text.strip().replace(" ", "T").partition("T")
    hour, _, minute = (clock or "10:00").partition(":")
    return at_local(parse_date(day), Clock(int(hour), int(minute[:2] or 0)), zone_of(timezone, usual))


# ── Readers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _reader(session: Session, workspace: Workspace, wish: Wish) -> Reader:
    row = people.find(session, wish.who.strip().casefold()) if "@" in wish.who else None
    if row is not None:
        story = lately(session, row.id, _STORY)
        values = signups.attributes(session, row.id)
        return Reader(wish.who, row.address, row.locale, row.tz, row.stage, row.kind, values, story)
    person = workspace.people.get(wish.who)
    return reader_of(person) if person else _anybody(workspace.site, wish.locale)


def _anybody(site: Site, locale: str) -> Reader:
    locale = locale or site.locales[0]
    return Reader("alice@example.com", "alice@example.com", locale, site.timezone, attributes=_made_up(site, locale))


def _made_up(site: Site, locale: str) -> Fields:
    """A value of the right sort for every declared attribute."""
    name = "سارا" if locale.startswith("fa") else "Alice"
    values = {AttributeType.NUMBER: 3, AttributeType.MONEY: 5_000_000, AttributeType.BOOL: True}
    return {
        key: name
        if key in ("first_name", "name")
        else next((option for option, _ in attribute.options), values.get(attribute.type, ""))
        for key, attribute in site.attributes.items()
    }
