"""Deliverability: what waits and where, what rests and why, what was stopped, what nobody knows, and the switches.

Owns the page, and what is decided there about uncertain mails and about what a breaker stopped; app.actions does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.actions import commands, measure, resolve
from app.actions.access import May
from app.actions.breakers import Stopped, lasting
from app.actions.commands import Command, Desk
from app.actions.measure import Health
from app.actions.progress import LaneProgress, Progress, progress
from app.core.instants import MINUTE, Instant, Span
from app.store import ledgers, measures, people, permissions, waiting
from app.store.measures import Answer
from app.web.dashboard.shell import back, campaign_title, need, notify, visitor
from app.web.dashboard.wording import percent, say, say_count, span
from app.web.parts import Parts
from app.world import World

PAGE = 50
_RelayLine: TypeAlias = tuple[str, str, str, list[tuple[str, int]]]
SUPPRESSED = {
    "hard_bounce": "The address does not exist",
    "hard": "The address does not exist",
    "soft_bounces": "Full or out of reach for weeks",
    "complaint": "Marked a mail as spam",
    "unsubscribed": "Unsubscribed",
    "erased": "Erased",
    "manual": "Put here by hand",
}
EVIDENCE = {
    "complaints": "%(n)s of %(sent)s mails were marked as spam.",
    "hard_bounces": "%(n)s of %(sent)s mails went to addresses that do not exist.",
    "unsubscribes": "%(n)s people unsubscribed after %(sent)s mails.",
    "blocks": "Mail servers refused %(n)s of %(sent)s mails because of us.",
}
OUTCOMES = {
    "sent": "sent",
    "refused": "refused",
    "waiting": "put off",
    "uncertain": "uncertain",
    "resend": "sent again",
}
LANES = {"default": "Everybody else", "other": "Everybody else", "service": "Service mail", "iran": "Iranian providers"}
ROLES = {"worker": "Worker", "web": "Web"}


def register(blueprint: Blueprint, parts: Parts) -> None:
    @blueprint.get("/delivery")
    def delivery() -> ResponseReturnValue:
        return render_template("dashboard/delivery.html", **_page(parts.world))

    @blueprint.post("/delivery/uncertain")
    def resolve_uncertain() -> ResponseReturnValue:
        need(May.RESOLVE)
        _resolve(parts, [int(each) for each in request.form.getlist("message") if each.isdigit()][:PAGE])
        return back(url_for("dashboard.delivery"))

    @blueprint.post("/delivery/resume")
    def resume_stopped() -> ResponseReturnValue:
        need(May.STEER)
        if request.form.get("sure") == "yes":
            _let_go_on(Desk(parts.world, parts.shelf, visitor()), request.form.get("campaign", ""))
        else:
            notify(say("Tick the box to say that you mean it."), "bad")
        return back(url_for("dashboard.delivery"))


def _resolve(parts: Parts, ids: Sequence[int]) -> None:
    match request.form.get("what", ""):
        case "resend":
            sent = resolve.send_again(parts.world, visitor(), ids)
            one = "%(n)s mail leaves again, under the same Message-ID."
            notify(say_count(one, "%(n)s mails leave again, under the same Message-ID.", sent))
        case "sent":
            settled = resolve.take_as_sent(parts.world, visitor(), ids)
            notify(say_count("%(n)s mail is taken as sent.", "%(n)s mails are taken as sent.", settled))
        case _:
            abort(400)


def _let_go_on(desk: Desk, campaign: str) -> None:
    if not campaign:
        commands.pause_all(desk, is_paused=False)
        notify(say("All campaigns go on."))
    elif commands.give(desk, campaign, Command.RESUME):
        notify(say("“%(campaign)s” goes on.", campaign=campaign_title(campaign)))
    else:
        abort(404)


def _page(world: World) -> dict[str, Any]:
    """Everything the page shows."""
    told, health, stops, wall = progress(world), measure.health(world), lasting(world), world.wall()
    with world.transaction("read") as session:
        answers = _by_relay(measures.newest_attempts(session))
        troubled = {state: measures.troubled(session, state, 0, PAGE) for state in ("uncertain", "parked")}
        failing = [(row.public_id.hex(), row.address, row.error) for row in people.parked(session, 20)]
        suppressions = permissions.suppression_counts(session)
        beats = ledgers.heartbeats(session)
    return {
        "health": health,
        "progress": told,
        "left": _left(told, health),
        "lanes": _lanes(world, told),
        "relays": _relays(told, answers),
        "at_work": {relay.name for relay in told.relays},
        "stops": stops,
        "is_all_stopped": any(not each.evidence.campaign for each in stops),
        "people": failing,
        "suppressions": suppressions,
        "beats": beats,
        "wall": wall,
        "ago": _ago(wall),
        **troubled,
        **_WORDS,
    }


# ── How it goes ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _left(told: Progress, health: Health) -> str:
    """When what may leave today will have left."""
    if not told.workers:
        return "–"
    if told.left is None or (told.left and (health.is_killed or health.is_paused)):
        return say("nothing moves")
    return _roughly(told.left) if told.left else say("nothing left")


def _roughly(value: Span) -> str:
    """The two largest units, minutes rounded up: 2 h 17 min."""
    value = -(-value // MINUTE) * MINUTE if value >= MINUTE else value
    whole = span(value)
    rest = value % (60 * MINUTE) // MINUTE
    return f"{whole} {span(rest * MINUTE)}" if 60 * MINUTE <= value < 48 * 60 * MINUTE and rest else whole


def _lanes(world: World, told: Progress) -> Sequence[LaneProgress]:
    """The lanes there is something to say of; without a worker the queue is counted here."""
    if told.workers:
        return [lane for lane in told.lanes if lane.has_news]
    with world.transaction("read") as session:
        queued = waiting.queue(session, world.now())
    return [LaneProgress(one.lane, one.due, one.later, one.deferred, one.oldest) for one in queued]


def _stands(lane: LaneProgress) -> list[tuple[str, str, str]]:
    """How a lane stands, as badges with their tone, and the words of the provider that go with the first."""
    found = []
    if lane.rests_for:
        found.append((say("rests for %(span)s", span=_roughly(lane.rests_for)), "warn", lane.why))
    if lane.per_minute:
        why = "" if lane.rests_for else lane.why
        found.append((say("at most %(n)s a minute", n=lane.per_minute), "warn" if why else "", why))
    if (warm := lane.allowance) is not None and warm.level < 0:
        found.append((say("warm-up stopped by complaints"), "bad", ""))
    elif warm is not None:
        figures = {"used": warm.used, "cap": warm.cap, "day": warm.level + 1}
        found.append((say("warm-up step %(day)s: %(used)s of %(cap)s today", **figures), "", ""))
    return found


def _relays(told: Progress, answers: Mapping[str, Mapping[str, int]]) -> list[_RelayLine]:
    """(name, how it stands in words, why it rests, outcomes of the newest attempts) of each relay."""
    stands = {relay.name: relay for relay in told.relays}
    found = []
    for name in sorted((stands.keys() | answers.keys()) - {""}):
        relay = stands.get(name)
        rests = say("rests for %(span)s", span=_roughly(relay.rests_for)) if relay and relay.rests_for else ""
        found.append((name, rests, relay.why if relay and rests else "", _ended(answers.get(name, {}))))
    return found


def _ended(outcomes: Mapping[str, int]) -> list[tuple[str, int]]:
    """What went well first."""
    order = {outcome: place for place, outcome in enumerate(OUTCOMES)}
    return sorted(outcomes.items(), key=lambda one: order.get(one[0], len(order)))


def _evidence(stopped: Stopped) -> str:
    """What a breaker saw, in two sentences."""
    found = stopped.evidence
    words = say(EVIDENCE[found.what], n=found.number, sent=found.sent) if found.what in EVIDENCE else found.what
    allowed = say("That is %(share)s; at most %(most)s is allowed.", **_shares(found.share, found.most))
    return f"{words} {allowed}"


_WORDS = {
    "evidence": _evidence,
    "stands": _stands,
    "names": LANES,
    "roles": ROLES,
    "outcomes": OUTCOMES,
    "reasons": SUPPRESSED,
}


def _shares(share: float, most: float) -> dict[str, str]:
    return {"share": _percent(share), "most": _percent(most)}


def _percent(share: float) -> str:
    """Two places where there is anything in them."""
    return percent(share, 2 if round(share * 100, 2) % 1 else 0)


def _ago(wall: Instant) -> Callable[[Instant], str]:
    """Ages by the machine's clock, which the demo's time machine does not move."""
    return lambda at: span(max(0, wall - at))


def _by_relay(answers: Sequence[Answer]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for answer in answers:
        found.setdefault(answer.relay, {})[answer.outcome] = answer.number
    return found
