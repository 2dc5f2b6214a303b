"""The shelf: the book of what is live, read from the published release and kept until something is published.

Owns the way from stored sources to a `Book`. Readers ask at each batch; one number in the control row says whether
what they hold is still current. Must not read campaign files from the disk: only what was published counts.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from app.core.asking import kinds_asked
from app.core.book import Book, MailKnown, Resumption, Standing
from app.core.campaign import Campaign
from app.core.conditions.view import Rules
from app.core.facts import FactKind
from app.core.site import Ladder, ScoringRule, Site
from app.core.workspace import Workspace
from app.files.reader import read
from app.store import releases
from app.store.releases import Control


@dataclass(frozen=True, slots=True)
class Shelved:
    """The live release, ready to decide by."""

    book: Book
    workspace: Workspace
    kinds: frozenset[FactKind]
    release_id: int
    scoring: Mapping[str, ScoringRule]
    version: int


class Shelf:
    """Holds the book of one process. Safe to share between threads."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._held: Shelved | None = None
        self._older: dict[tuple[str, str], Campaign] = {}
        self._lock = threading.Lock()

    def look(self, session: Session, control: Control | None = None) -> Shelved | None:
        """The live book; None when nothing was published yet. Whoever has read the control row hands it in."""
        control = control or releases.control(session)
        held = self._held
        if held is not None and held.version == control.version:
            return held
        with self._lock:
            self._held = self._load(session, control.release_id, control.version, control.is_paused)
            return self._held

    def _load(self, session: Session, release_id: int | None, version: int, is_paused: bool) -> Shelved | None:
        if release_id is None:
            return None
        workspace = workspace_of(releases.sources_of(session, release_id))
        live = {row.campaign: row for row in releases.live(session)}
        book = book_of(workspace, self._secret, releases.digest_of(session, release_id))
        book = replace(
            book,
            older=self._older_versions(session, workspace),
            standings={key: Standing(row.standing) for key, row in live.items() if row.standing},
            since={key: row.since for key, row in live.items()},
            mails={key: MailKnown(key, is_service) for key, is_service in releases.service_mails(session).items()},
            is_paused=is_paused,
            policies={key: Resumption(row.policy) for key, row in live.items() if row.policy},
        )
        scoring = {rule.key: rule for rule in book.ladder.engagement}
        return Shelved(book, workspace, kinds_asked(book), release_id, scoring, version)

    def _older_versions(self, session: Session, workspace: Workspace) -> Mapping[tuple[str, str], Campaign]:
        """Versions that some run still follows, each read from the release that first held it."""
        current = {(key, campaign.digest) for key, campaign in workspace.campaigns.items()}
        for key, digest in releases.versions_followed(session):
            if (key, digest) not in current and (key, digest) not in self._older:
                found = self._version(session, key, digest)
                if found:
                    self._older[key, digest] = found
        return dict(self._older)

    @staticmethod
    def _version(session: Session, key: str, digest: str) -> Campaign | None:
        release_id = releases.release_of(session, key, digest)
        if release_id is None:
            return None
        return workspace_of(releases.sources_of(session, release_id)).campaigns.get(key)


def workspace_of(sources: Mapping[str, str]) -> Workspace:
    """A published release read again. It was free of errors when it was published."""
    workspace, problems = read(sources)
    if workspace is None:
        raise ValueError(f"the published release cannot be read: {problems[0] if problems else 'no reason given'}")
    return workspace


def book_of(workspace: Workspace, secret: bytes, digest: str = "") -> Book:
    """The book a workspace makes, with every campaign as its file says."""
    ladder, site = workspace.ladder, workspace.site
    return Book(
        site=site,
        ladder=ladder,
        rules=rules_of(site, ladder, secret),
        campaigns=workspace.campaigns,
        digest=digest,
        ladder_digest=ladder_digest(ladder),
        offers=workspace.offers,
    )


def rules_of(site: Site, ladder: Ladder, secret: bytes) -> Rules:
    return Rules(
        stages=tuple(stage.key for stage in ladder.stages),
        kinds=ladder.kinds,
        segments=ladder.segments,
        rises={stage.key: stage.rise for stage in ladder.stages if stage.rise},
        falls={stage.key: stage.fall for stage in ladder.stages if stage.fall},
        half_life=ladder.half_life,
        secret=secret,
        timezone=site.timezone,
    )


def ladder_digest(ladder: Ladder) -> str:
    """Changes when a rule of the ladder changes, not when a label or a comment does."""
    rules = [(stage.key, stage.rise, stage.fall) for stage in ladder.stages]
    plain = (rules, ladder.kinds, ladder.half_life, ladder.engagement, ladder.fit, sorted(ladder.segments.items()))
    return hashlib.sha256(repr(plain).encode()).hexdigest()[:16]
