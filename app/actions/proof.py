"""Proof: a mail out of the files, before anything is published, as somebody made up would read it on some day.

Owns finding the mail and its reader among the files, and saying why there is nothing to show. Needs no database.
Must not change or send anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from app.actions.compose import Chosen
from app.actions.inspect import Inspection
from app.actions.sampling import Reader, sampled
from app.actions.shelf import Shelved, book_of
from app.core.asking import kinds_asked
from app.core.instants import Instant
from app.core.problem import Problem
from app.core.scenario import Person
from app.core.workspace import Workspace
from app.links import Key, Links
from app.mail.compiled import CompiledMail
from app.mail.headers import UnsendableAddress
from app.mail.message import Message, RenderFault
from app.settings import Settings
from app.store.engine import open_database
from app.world import World

CLIPPED_AT = 102 * 1024
"""Bytes of HTML after which Gmail cuts a mail off and hides the rest behind a link."""
BASE_URL = "https://parvar.example"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which mail, for whom ("": the first who reads that language), in which locale ("": hers), to which address."""

    mail: str
    person: str = ""
    locale: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """The mail as it would leave, and what is to be said about it."""

    mail: str
    locale: str
    reader: str
    message: Message
    sent_from: str
    findings: tuple[Problem, ...]
    pictures: Mapping[str, bytes]

    @property
    def size(self) -> int:
        """Bytes of the HTML part, which is what clients cut by."""
        return len(self.message.html.encode())

    @property
    def is_clipped(self) -> bool:
        return self.size > CLIPPED_AT


@dataclass(frozen=True, slots=True)
class NoProof:
    """Why there is nothing to show."""

    reason: str
    findings: tuple[Problem, ...] = ()


def proof(world: World, inspection: Inspection, wanted: Wanted) -> Proof | NoProof:
    """Write the mail at the world's `now`."""
    workspace = inspection.workspace
    if workspace is None:
        return NoProof("the files cannot be read", inspection.errors)
    person = _person(workspace, wanted)
    if person is None:
        known = ", ".join(sorted(workspace.people)) or "nobody"
        return NoProof(f"there is nobody called '{wanted.person}'; people/ has: {known}")
    mail = mail_for(inspection, wanted.mail, wanted.locale, person.locale)
    findings = _findings(inspection, workspace, wanted.mail, mail)
    if mail is None:
        return NoProof(_missing(workspace, wanted), findings)
    try:
        made = sampled(world, shelved_of(world, workspace), Chosen(0, mail), reader_of(person), wanted.address)
    except (RenderFault, UnsendableAddress) as fault:
        return NoProof(str(fault), findings)
    return Proof(mail.key, mail.locale, person.key, made.message, made.sent_from, findings, inspection.pictures)


def mail_for(inspection: Inspection, key: str, wanted: str, usual: str) -> CompiledMail | None:
    """The mail in the locale that is wanted ("": the reader's usual one, else any of the site's).

    None when it is not written, or has faults: its twin in another language is not what was asked for.
    """
    workspace = inspection.workspace
    paths, locales = (workspace.mails.get(key, {}), workspace.site.locales) if workspace else ({}, ())
    candidates = (wanted, *(() if wanted else (usual, *locales)), "")
    locale = next((each for each in candidates if each in paths), "")
    return inspection.mails.get((key, locale))


def _missing(workspace: Workspace, wanted: Wanted) -> str:
    """Why a mail cannot be shown: a name nobody knows, a language it lacks, or faults of its own."""
    paths = workspace.mails.get(wanted.mail)
    if paths is None:
        near = get_close_matches(wanted.mail, sorted(workspace.mails), 1, 0.5)
        return f"there is no mail '{wanted.mail}'" + (f"; did you mean {near[0]}?" if near else "")
    if wanted.locale and wanted.locale not in paths:
        return f"'{wanted.mail}' is there in {', '.join(sorted(paths))} only"
    return f"'{wanted.mail}' cannot be compiled"


def _findings(inspection: Inspection, workspace: Workspace, key: str, mail: CompiledMail | None) -> tuple[Problem, ...]:
    paths = workspace.mails.get(key, {})
    shown = set(paths.values()) if mail is None else {paths.get(mail.locale, "")}
    return tuple(
        problem for problem in inspection.problems if problem.file in shown or (mail is None and problem.is_error)
    )


def _person(workspace: Workspace, wanted: Wanted) -> Person | None:
    if wanted.person:
        return workspace.people.get(wanted.person)
    people = [workspace.people[key] for key in sorted(workspace.people)]
    alike = [each for each in people if not wanted.locale or each.locale == wanted.locale]
    return next(iter((*alike, *people)), Person("somebody", "alice@example.com"))


def shelved_of(world: World, workspace: Workspace) -> Shelved:
    """The files as if they were live."""
    book = book_of(workspace, world.secret)
    return Shelved(book, workspace, kinds_asked(book), 0, {}, 0)


def reader_of(person: Person) -> Reader:
    """Somebody made up, as a reader."""
    return Reader(
        person.key,
        person.address,
        person.locale,
        person.timezone,
        person.stage,
        person.kind,
        person.attributes,
    )


def draft_world(at: Instant) -> World:
    """A world for proofs only: the clock stands still, links are signed with a key nobody uses."""
    secret = b"proofs are of no consequence 000"
    return World(
        settings=Settings("sqlite://", "x" * 32, BASE_URL, Path("/nonexistent"), bounce_domain="bounce.parvar.example"),
        database=open_database("sqlite://"),
        links=Links((Key(1, secret),), BASE_URL, BASE_URL),
        now=lambda: at,
        wall=lambda: at,
        new_id=lambda: bytes(16),
        monotonic=lambda: 0.0,
        secret=secret,
    )
