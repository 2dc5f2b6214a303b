"""Crowd: a search as a value: what a list of people was asked for, kept so that a later change means the same people.

Owns the questions of the list and turning them into one for the store. Must not change anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from sqlalchemy.orm import Session

from app.actions import searching
from app.actions.shelf import Shelved
from app.core.conditions import Condition
from app.core.instants import Instant
from app.core.site import AttributeType
from app.store import segments
from app.store.reports import Wanted


@dataclass(frozen=True, slots=True)
class Crowd:
    """Empty fields do not restrict. `field` and `value` ask for an attribute, `condition` is a written one."""

    text: str = ""
    stage: str = ""
    kind: str = ""
    state: str = ""
    tag: str = ""
    segment: str = ""
    campaign: str = ""
    step: str = ""
    field: str = ""
    value: str = ""
    condition: str = ""

    @property
    def is_everybody(self) -> bool:
        return self == Crowd()

    def plain(self) -> dict[str, str]:
        """Its questions that are asked, by name."""
        return {name: getattr(self, name) for name in NAMES if getattr(self, name)}

    def without_text(self) -> Crowd:
        """For those who may not know addresses, and so may not search by them or by answers either."""
        return replace(self, text="", field="", value="")


NAMES = tuple(each.name for each in fields(Crowd))


def crowd_of(asked: Mapping[str, object]) -> Crowd:
    """From the questions of an address, or from what was kept."""
    return Crowd(**{name: str(asked.get(name) or "").strip()[:2_000] for name in NAMES})


def wanted(session: Session, shelved: Shelved | None, crowd: Crowd, now: Instant) -> Wanted | str:
    """What the store is asked; or why the written condition cannot be asked of everybody."""
    plain = Wanted(
        text=crowd.text,
        stage=crowd.stage,
        kind=crowd.kind,
        state=crowd.state,
        tag=crowd.tag,
        segment=crowd.segment,
        campaign=crowd.campaign,
        step=crowd.step,
        attribute=(crowd.field, crowd.value) if crowd.field and crowd.value else ("", ""),
        is_in_list=_is_list(shelved, crowd.field),
    )
    if not crowd.condition:
        return plain
    if shelved is None:
        return "nothing is published yet"
    read = searching.read(shelved, crowd.condition)
    if not isinstance(read, Condition):
        return "; ".join(problem.message for problem in read)
    try:
        return replace(plain, matches=segments.where(read, segments.asking(session, now, shelved.book.rules)))
    except segments.NotInSqlError as refused:
        return str(refused)


def _is_list(shelved: Shelved | None, key: str) -> bool:
    found = shelved.book.site.attributes.get(key) if shelved else None
    return found is not None and found.type in (AttributeType.CHOICES, AttributeType.LIST)
