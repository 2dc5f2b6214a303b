"""Releases: what was published, to the letter, and which of it is live.

Owns releases (immutable: a manifest of source texts by digest), campaign and mail versions, the standing of campaigns,
and the one control row. Publishing moves a pointer; nothing published is ever changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import Instant
from app.store.base import At, Base, Id, RowId, upsert
from app.store.hot import Hot
from app.store.runs import RunRow


class SourceRow(Base):
    """A file's text, kept once whatever the number of releases that hold it."""

    __tablename__ = "source"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    text: Mapped[str] = mapped_column(Text)


class ReleaseRow(Base):
    __tablename__ = "release"

    id: Mapped[Id]
    digest: Mapped[str] = mapped_column(String(64))
    manifest: Mapped[str] = mapped_column(Text)
    """JSON: path → digest of its text."""
    author: Mapped[str] = mapped_column(String(200), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    git_commit: Mapped[str] = mapped_column(String(64), default="")
    at: Mapped[At]

    __table_args__ = (Index("ix_release_digest", "digest"),)


class CampaignVersionRow(Base):
    __tablename__ = "campaign_version"

    id: Mapped[Id]
    release_id: Mapped[int] = mapped_column(RowId, ForeignKey("release.id"))
    """The first release that holds this version: its sources compile to it."""
    campaign: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))

    __table_args__ = (Index("uq_campaign_version", "campaign", "digest", unique=True),)


class MailVersionRow(Base):
    __tablename__ = "mail_version"

    id: Mapped[Id]
    mail: Mapped[str] = mapped_column(String(200))
    locale: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64))
    is_service: Mapped[bool] = mapped_column(Boolean, default=False)
    compiled: Mapped[str] = mapped_column(Text)
    links: Mapped[str] = mapped_column(Text, default="[]")
    """JSON list of destinations by link number: {url, name, topic}."""
    at: Mapped[At]

    __table_args__ = (Index("uq_mail_version", "mail", "locale", "digest", unique=True),)


class LiveMailRow(Base):
    """Which version of a mail is live in a locale."""

    __tablename__ = "live_mail"

    mail: Mapped[str] = mapped_column(String(200), primary_key=True)
    locale: Mapped[str] = mapped_column(String(16), primary_key=True)
    version_id: Mapped[int] = mapped_column(RowId, ForeignKey("mail_version.id"))


class LiveRow(Base):
    """A campaign's standing: its live version, and what a command said about it."""

    __tablename__ = "live"

    campaign: Mapped[str] = mapped_column(String(64), primary_key=True)
    version_id: Mapped[int | None] = mapped_column(RowId, ForeignKey("campaign_version.id"))
    standing: Mapped[str | None] = mapped_column(String(16))
    """What a command says, over the file: paused, stopped; NULL: as the file says."""
    policy: Mapped[str] = mapped_column(String(32), default="keep_dates")
    since: Mapped[At]


class ControlRow(Base):
    """One row: the release that is live, the kill switch, the demo's clock."""

    __tablename__ = "control"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    release_id: Mapped[int | None] = mapped_column(RowId)
    is_killed: Mapped[bool] = mapped_column(Boolean, default=False)
    is_paused: Mapped[bool] = mapped_column(Boolean, default=False)
    demo_offset: Mapped[int] = mapped_column(BigInteger, default=0)
    demo_target: Mapped[int | None] = mapped_column(BigInteger)
    """Where the demo's time machine is walking to."""
    generation: Mapped[bytes] = mapped_column(LargeBinary(16))
    version: Mapped[int] = mapped_column(Integer, default=0)
    """Grows with every change of what is live, so that readers know when to load anew."""


# ── Reading what is live ─────────────────────────────────────────────────────────────────────────────────────────────

CONTROL = 1


@dataclass(frozen=True, slots=True)
class Control:
    """The control row as a value."""

    release_id: int | None
    version: int
    is_killed: bool
    is_paused: bool
    demo_offset: int


def control(session: Session) -> Control:
    """The control row; the blank one of a new database when there is none yet."""
    row = _CONTROL.first(session, id=CONTROL)
    if row is None:
        return Control(None, 0, is_killed=False, is_paused=False, demo_offset=0)
    release_id, version, is_killed, is_paused, demo_offset = row
    return Control(release_id, version, bool(is_killed), bool(is_paused), demo_offset)


_CONTROL = Hot("SELECT release_id, version, is_killed, is_paused, demo_offset FROM control WHERE id = :id")


def demo_target(session: Session) -> Instant | None:
    row = session.get(ControlRow, CONTROL, populate_existing=True)
    return row.demo_target if row else None


def set_demo_target(session: Session, target: Instant) -> None:
    session.get_one(ControlRow, CONTROL).demo_target = target


def set_demo_clock(session: Session, offset: int, *, is_there: bool) -> None:
    """Move the demo's clock forward, never back."""
    row = session.get_one(ControlRow, CONTROL)
    row.demo_offset = max(row.demo_offset, offset)
    row.demo_target = None if is_there else row.demo_target


def begin(session: Session, generation: bytes) -> bool:
    """Lay the control row of a new database; False when it is there already.

    `generation` is 16 random bytes that name this database for good: a node that knows another one does not send.
    """
    statement = upsert(session, ControlRow).on_conflict_do_nothing().returning(ControlRow.id)
    values = {"is_killed": False, "is_paused": False, "demo_offset": 0, "version": 0}
    return session.scalar(statement.values(id=CONTROL, generation=generation, **values)) is not None


def generation(session: Session) -> bytes | None:
    """The name of this database, None before `begin`."""
    return session.scalar(select(ControlRow.generation).filter_by(id=CONTROL))


def sources_of(session: Session, release_id: int) -> dict[str, str]:
    """Every file of a release: path → text."""
    manifest: dict[str, str] = json.loads(session.scalars(select(ReleaseRow.manifest).filter_by(id=release_id)).one())
    rows = session.execute(select(SourceRow.digest, SourceRow.text).where(SourceRow.digest.in_(manifest.values())))
    texts = {row.digest: row.text for row in rows}
    return {path: texts[digest] for path, digest in manifest.items()}


def digest_of(session: Session, release_id: int) -> str:
    return session.scalars(select(ReleaseRow.digest).filter_by(id=release_id)).one()


def live(session: Session) -> Sequence[LiveRow]:
    return session.scalars(select(LiveRow).execution_options(populate_existing=True)).all()


def service_mails(session: Session) -> dict[str, bool]:
    """Mail → whether it is a service mail in its live version."""
    query = select(MailVersionRow.mail, MailVersionRow.is_service).join(
        LiveMailRow, LiveMailRow.version_id == MailVersionRow.id
    )
    return {row.mail: row.is_service for row in session.execute(query)}


def versions_followed(session: Session) -> Sequence[tuple[str, str]]:
    """(campaign, digest) of every version some live run follows."""
    query = select(RunRow.campaign, RunRow.version).where(RunRow.state != "ended").distinct()
    return [(campaign, digest) for campaign, digest in session.execute(query)]


def release_of(session: Session, campaign: str, digest: str) -> int | None:
    query = select(CampaignVersionRow.release_id).filter_by(campaign=campaign, digest=digest)
    return session.scalars(query).one_or_none()


# ── Publishing ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class NewMail:
    """One mail of a release in one locale; `links` are {number, url, name, topic}."""

    mail: str
    locale: str
    digest: str
    compiled: str
    links: str
    is_service: bool


@dataclass(frozen=True, slots=True)
class NewRelease:
    """Everything that is published at once."""

    digest: str
    sources: Mapping[str, str]
    campaigns: Mapping[str, str]
    """campaign → digest of its meaning"""
    mails: Sequence[NewMail]
    author: str = ""
    note: str = ""
    git_commit: str = ""


def publish(session: Session, new: NewRelease, at: Instant) -> int:
    """Keep a release and make it live, in the caller's one transaction. Returns its id."""
    manifest = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in new.sources.items()}
    _keep_sources(session, {manifest[path]: text for path, text in new.sources.items()})
    release = ReleaseRow(
        digest=new.digest,
        manifest=json.dumps(manifest, ensure_ascii=False, sort_keys=True),
        author=new.author,
        note=new.note,
        git_commit=new.git_commit,
        at=at,
    )
    session.add(release)
    session.flush()
    for campaign, digest in sorted(new.campaigns.items()):
        _make_campaign_live(session, release.id, campaign, digest, at)
    _make_mails_live(session, new.mails, at)
    row = session.get(ControlRow, CONTROL)
    if row is None:
        raise LookupError("the database has no control row; run the migrations first")
    row.release_id = release.id
    row.version += 1
    return release.id


def _keep_sources(session: Session, texts: Mapping[str, str]) -> None:
    known = set(session.scalars(select(SourceRow.digest).where(SourceRow.digest.in_(texts))))
    session.add_all(SourceRow(digest=digest, text=text) for digest, text in texts.items() if digest not in known)


def _make_campaign_live(session: Session, release_id: int, campaign: str, digest: str, at: Instant) -> None:
    version = session.scalars(select(CampaignVersionRow).filter_by(campaign=campaign, digest=digest)).one_or_none()
    if version is None:
        version = CampaignVersionRow(release_id=release_id, campaign=campaign, digest=digest)
        session.add(version)
        session.flush()
    row = session.get(LiveRow, campaign)
    if row is None:
        session.add(LiveRow(campaign=campaign, version_id=version.id, since=at))
    else:
        row.version_id = version.id


def _make_mails_live(session: Session, mails: Sequence[NewMail], at: Instant) -> None:
    for new in mails:
        found = select(MailVersionRow).filter_by(mail=new.mail, locale=new.locale, digest=new.digest)
        version = session.scalars(found).one_or_none()
        if version is None:
            version = MailVersionRow(
                mail=new.mail,
                locale=new.locale,
                digest=new.digest,
                compiled=new.compiled,
                links=new.links,
                is_service=new.is_service,
                at=at,
            )
            session.add(version)
            session.flush()
        row = session.get(LiveMailRow, (new.mail, new.locale))
        if row is None:
            session.add(LiveMailRow(mail=new.mail, locale=new.locale, version_id=version.id))
        else:
            row.version_id = version.id
