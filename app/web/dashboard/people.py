"""People: the list of subscribers, found by address, name, stage, kind, tag, segment or campaign.

Owns the list and its questions. Must not change anybody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app.actions.access import May
from app.core.engagement import score
from app.core.subscriber import Subscriber
from app.store import reports
from app.store.reports import Listed, Wanted
from app.web.dashboard.shell import now, shelved, visitor
from app.web.dashboard.wording import say
from app.web.parts import Parts

PAGE = 50
STATES = ("pending", "active", "unsubscribed", "paused")


@dataclass(frozen=True, slots=True)
class Row:
    """One person as the list shows them."""

    listed: Listed
    key: str
    title: str
    score: float


def register(blueprint: Blueprint, parts: Parts) -> None:
    @blueprint.get("/people")
    def people() -> ResponseReturnValue:
        wanted = wanted_of()
        before = request.args.get("before", type=int)
        with parts.world.transaction("read") as session:
            found = reports.people(session, wanted, before, PAGE + 1)
            count = reports.count_people(session, wanted)
        more = found[PAGE - 1].id if len(found) > PAGE else None
        return render_template(
            "dashboard/people.html",
            rows=[row_of(each) for each in found[:PAGE]],
            count=count,
            cap=reports.COUNT_CAP,
            more=more,
            wanted=wanted,
            is_first=before is None,
            stages=stages(),
            kinds=kinds(),
            states=STATES,
        )


def wanted_of() -> Wanted:
    """What the address of the page asks for. Who may not see addresses cannot search by them either."""
    asked = {name: request.args.get(name, "").strip()[:200] for name in ASKED}
    wanted = Wanted(
        text=asked["text"],
        stage=asked["stage"],
        kind=asked["kind"],
        state=asked["state"],
        tag=asked["tag"],
        segment=asked["segment"],
        campaign=asked["campaign"],
        step=asked["step"],
    )
    return wanted if visitor().may(May.SEE_ADDRESSES) else replace(wanted, text="")


ASKED = ("text", "stage", "kind", "state", "tag", "segment", "campaign", "step")
"""Questions of the page's address."""


def row_of(listed: Listed) -> Row:
    return Row(listed, listed.public_id.hex(), title_of(listed), score_of(listed))


def title_of(listed: Listed) -> str:
    """What a person is called on pages: the address, or for those who may not see it a short number."""
    if visitor().may(May.SEE_ADDRESSES):
        return listed.address
    return say("Person %(number)s", number=listed.public_id.hex()[:6])


def score_of(listed: Listed) -> float:
    held = shelved()
    if held is None or not listed.weight:
        return 0.0
    person = Subscriber(
        id=listed.id,
        public_id=listed.public_id,
        stage=listed.stage,
        stage_since=0,
        furthest_stage=listed.stage,
        created_at=0,
        weight=listed.weight,
        landmark=listed.landmark,
    )
    return score(person, now(), held.book.ladder.half_life)


def stages() -> list[str]:
    held = shelved()
    return [stage.key for stage in held.book.ladder.stages] if held else []


def kinds() -> list[str]:
    held = shelved()
    return [key for key, _ in held.book.ladder.kinds] if held else []
