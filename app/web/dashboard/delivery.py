"""Deliverability: what waits and where, what failed and why, what nobody knows, and the switches.

Owns the page and what is decided about uncertain mails; app.actions does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.actions import measure, resolve
from app.actions.access import May
from app.actions.progress import progress
from app.core.instants import Instant
from app.store import ledgers, measures, people, permissions
from app.store.measures import Answer
from app.web.dashboard.shell import back, need, notify, visitor
from app.web.dashboard.wording import say, span
from app.web.parts import Parts

PAGE = 50
SUPPRESSED = {
    "hard_bounce": "The address does not exist",
    "hard": "The address does not exist",
    "complaint": "Marked a mail as spam",
    "unsubscribed": "Unsubscribed",
    "erased": "Erased",
    "manual": "Put here by hand",
}


def register(blueprint: Blueprint, parts: Parts) -> None:
    @blueprint.get("/delivery")
    def delivery() -> ResponseReturnValue:
        world = parts.world
        with world.transaction("read") as session:
            found = {
                "lanes": measures.lanes(session),
                "answers": _by_relay(measures.newest_attempts(session)),
                "uncertain": measures.troubled(session, "uncertain", 0, PAGE),
                "parked": measures.troubled(session, "parked", 0, PAGE),
                "people": [(row.public_id.hex(), row.address, row.error) for row in people.parked(session, 20)],
                "suppressions": permissions.suppression_counts(session),
                "newest": measures.newest_suppressions(session, 12),
                "beats": ledgers.heartbeats(session),
            }
        health = measure.health(world)
        return render_template(
            "dashboard/delivery.html",
            health=health,
            progress=progress(world),
            wall=world.wall(),
            reasons=SUPPRESSED,
            ago=_ago(world.wall()),
            **found,
        )

    @blueprint.post("/delivery/uncertain")
    def resolve_uncertain() -> ResponseReturnValue:
        need(May.RESOLVE)
        ids = [int(each) for each in request.form.getlist("message") if each.isdigit()][:PAGE]
        match request.form.get("what", ""):
            case "resend":
                number = resolve.send_again(parts.world, visitor(), ids)
                notify(say("%(n)s mails leave again, under the same Message-ID.", n=number))
            case "sent":
                number = resolve.take_as_sent(parts.world, visitor(), ids)
                notify(say("%(n)s mails are taken as sent.", n=number))
            case _:
                abort(400)
        return back(url_for("dashboard.delivery"))


def _ago(wall: Instant) -> Callable[[Instant], str]:
    """Ages by the machine's clock, which the demo's time machine does not move."""
    return lambda at: span(max(0, wall - at))


def _by_relay(answers: Sequence[Answer]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for answer in answers:
        found.setdefault(answer.relay, {})[answer.outcome] = answer.number
    return found
