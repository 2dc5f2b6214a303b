"""What one reading gathers: problems, and what must be looked at again once every file is known.

Owns the values that shapes report into. Must not judge: names are compared in files/names, conditions by the core.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from app.core.conditions import Condition, ConditionSite
from app.core.problem import Problem
from app.core.site import Site
from app.core.text import Place
from app.files.nodes import Span


class Kind(StrEnum):
    """What a name in a file stands for."""

    MAIL = "mail"
    TEAM_MAIL = "team mail"
    BOX = "box"
    OFFER = "offer"
    SURVEY = "survey"
    CAMPAIGN = "campaign"
    FRAGMENT = "fragment"
    PERSON = "person"
    TOPIC = "topic"
    EVENT = "event"
    ATTRIBUTE = "attribute"
    STAGE = "stage"
    KIND = "kind"
    WEBHOOK = "webhook"
    PRIORITY = "priority"
    LOCALE = "locale"


@dataclass(frozen=True, slots=True)
class Reference:
    """A name of something declared elsewhere, and where it was written."""

    kind: Kind
    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class Asked:
    """A condition, and where it stands."""

    condition: Condition
    site: ConditionSite
    place: Place


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text for people: the locales it was written in, with their places."""

    locales: tuple[str, ...]
    places: tuple[Place, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Allowed:
    """`allow: [{finding: code, because: …, until: …}]`: which finding is silenced, from line to line of one file."""

    finding: str
    because: str
    until: str
    place: Place
    first_line: int
    last_line: int


class UnreadableError(Exception):
    """A value that could not be read. Its problem is already reported; whoever can go on without it, does."""


@dataclass(slots=True)
class Reading:
    """One file being read."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    conditions: list[Asked] = field(default_factory=list)
    texts: list[Spoken] = field(default_factory=list)
    allowed: list[Allowed] = field(default_factory=list)
    site: Site | None = None
    """The site as far as it could be read: its zone and defaults complete what a campaign leaves open."""

    def place(self, span: Span) -> Place:
        return Place(self.file, span.line, span.column)

    def report(
        self, code: str, span: Span, message: str, fix: str, severity: Literal["error", "warning"] = "error"
    ) -> None:
        self.problems.append(Problem(code, self.file, span.line, span.column, message, fix, severity))

    def refused(self, code: str, span: Span, message: str, fix: str) -> UnreadableError:
        """Report, and give up on this value by raising what this returns."""
        self.report(code, span, message, fix)
        return UnreadableError()

    def refer(self, kind: Kind, name: str, span: Span) -> None:
        self.references.append(Reference(kind, name, self.place(span)))
