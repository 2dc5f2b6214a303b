"""Releases: what was published, to the letter, and which of it is live.

Owns releases (immutable: a manifest of source texts by digest), campaign and mail versions, the standing of campaigns,
and the one control row. Publishing moves a pointer; nothing published is ever changed.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import At, Base, Id, RowId


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
    generation: Mapped[bytes] = mapped_column(LargeBinary(16))
    version: Mapped[int] = mapped_column(Integer, default=0)
    """Grows with every change of what is live, so that readers know when to load anew."""
