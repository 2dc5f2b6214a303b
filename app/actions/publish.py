"""Publish: makes a checked set of files the one that is live, as an immutable release, in one transaction.

Owns what a release consists of and what its publication wakes. Must not read files: it is given an inspection.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from app.actions.inspect import Inspection
from app.actions.shelf import Shelf
from app.core.problem import Problem
from app.mail.compiled import CompiledMail
from app.store import pictures, releases, waking
from app.store.releases import NewMail, NewRelease
from app.store.waking import Concerned
from app.world import World


@dataclass(frozen=True, slots=True)
class Authorship:
    """Who publishes, with which words, from which commit."""

    author: str = ""
    note: str = ""
    git_commit: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    release_id: int
    digest: str
    is_new: bool
    """False when exactly this was live already."""


@dataclass(frozen=True, slots=True)
class NotPublished:
    """The files have errors; nothing was changed."""

    problems: tuple[Problem, ...]


def digest_of(inspection: Inspection) -> str:
    """Names the files to the letter, and with the mails the pictures and attachments they carry."""
    hasher = hashlib.sha256()
    for path, text in sorted(inspection.sources.items()):
        hasher.update(f"{path}\0{len(text)}\0{text}".encode("utf-8", "surrogateescape"))
    for _, mail in sorted(inspection.mails.items()):
        hasher.update(mail.digest.encode())
    return hasher.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class MovedOn:
    """What is live, or a command about it, changed since the plan was made; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a plan knows: the version of the control row it was made at, and whom it concerns (None: everybody)."""

    version: int
    campaigns: frozenset[str] | None = None


def apply(world: World, inspection: Inspection, by: Authorship, shelf: Shelf | None = None) -> Published | NotPublished:
    """Publish. Nobody enters a campaign by it; people already under way are looked at once under the new rules."""
    done = apply_within(world, inspection, by, None, shelf)
    if isinstance(done, MovedOn):
        raise TypeError("without a plan nothing can have moved on")
    return done


def apply_within(
    world: World, inspection: Inspection, by: Authorship, scope: Scope | None, shelf: Shelf | None = None
) -> Published | NotPublished | MovedOn:
    """Publish what a plan was made of.

    One transaction moves the pointer and writes down whom to wake; waking follows in small steps, which the worker
    goes on with after a crash. So at any point either the old release is live for everybody, or the new one is.
    """
    if inspection.workspace is None or inspection.errors:
        return NotPublished(inspection.errors or inspection.problems)
    digest = digest_of(inspection)
    now = world.now()
    with world.transaction("write") as session:
        releases.begin(session, world.new_id())
        control = releases.control(session)
        if scope is not None and control.version != scope.version:
            return MovedOn()
        if control.release_id is not None and releases.digest_of(session, control.release_id) == digest:
            return Published(control.release_id, digest, is_new=False)
        release_id = releases.publish(session, _release(inspection, digest, by), now)
        pictures.keep(session, inspection.pictures, now)
        waking.begin(session, _concerned(scope), now)
    wake_concerned(world, shelf or Shelf(world.secret))
    return Published(release_id, digest, is_new=True)


def _concerned(scope: Scope | None) -> Concerned:
    if scope is None or scope.campaigns is None:
        return Concerned(is_everybody=True)
    return Concerned(scope.campaigns)


def wake_concerned(world: World, shelf: Shelf) -> int:
    """Wake all whom publications and commands concern, a stretch of people at a time. Returns how many were woken."""
    total = 0
    while (woken := _wake_stretch(world, shelf)) is not None:
        total += woken
        world.rest()
    return total


def _wake_stretch(world: World, shelf: Shelf) -> int | None:
    with world.transaction("read") as session:
        shelved = shelf.look(session) if waking.is_under_way(session) else None
    if shelved is None:
        return None
    with world.transaction("write") as session:
        return waking.wake_some(session, shelved.book, world.now())


def _release(inspection: Inspection, digest: str, by: Authorship) -> NewRelease:
    campaigns = inspection.workspace.campaigns if inspection.workspace else {}
    return NewRelease(
        digest=digest,
        sources=inspection.sources,
        campaigns={key: campaign.digest for key, campaign in campaigns.items()},
        mails=[_mail(mail) for _, mail in sorted(inspection.mails.items())],
        author=by.author,
        note=by.note,
        git_commit=by.git_commit,
    )


def _mail(mail: CompiledMail) -> NewMail:
    plain = json.dumps(mail.to_plain(), ensure_ascii=False, sort_keys=True)
    links = json.dumps(mail.to_plain()["links"], ensure_ascii=False)
    return NewMail(mail.key, mail.locale, mail.digest, plain, links, mail.is_service)
