"""Entries: who enters which campaign, once per key, and why somebody did not.

Owns entry by box, event, change, date, broadcast, by a step, and the candidates whose `where` failed for now.
Must not walk the steps of the run it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from app.core.book import Standing
from app.core.campaign import Again, ByBox, Campaign, Entry, Once, Send
from app.core.conditions import evaluate
from app.core.conditions.view import Scope, View
from app.core.consent import may_be_mailed
from app.core.experiment import is_held_out
from app.core.facts import NO_FIELDS, Fact, FactKind, Fields, RunKey
from app.core.instants import MINUTE, Instant
from app.core.nurture.dates import due_round
from app.core.nurture.desk import Desk
from app.core.person import Candidate, Code, MessageState, PastRun, Person, Run, RunResult, RunState

CANDIDATE_FOR = 30 * MINUTE
"""So long a failed `where` of a box or event entry is asked again when a new fact arrives."""

_EVENTS = {
    FactKind.ORDERED: "order",
    FactKind.REFUNDED: "refund",
    FactKind.REFERRED: "referral",
    FactKind.REPLIED: "reply",
    FactKind.VISITED: "visit",
    FactKind.ANSWERED: "answer",
}
_FOR_BOXES = frozenset({FactKind.SIGNED_UP, FactKind.CONFIRMED})
_OPEN_FOR_ENTRY = {Standing.LIVE, Standing.PAUSED}


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody might enter: which campaign by which entry, under which key, when it arose, with which event."""

    campaign: Campaign
    again: Again
    key: str
    at: Instant
    event: Fields = field(default_factory=lambda: NO_FIELDS)
    where: Entry | None = None
    """The entry whose `where` is asked; None asks nothing."""


# ── Which wishes there are ───────────────────────────────────────────────────────────────────────────────────────────


def enter_by_facts(desk: Desk, news: tuple[Fact, ...]) -> None:
    """Box and event entries for new facts, then the candidates a new fact gives another chance."""
    loud = tuple(fact for fact in news if not fact.is_quiet and fact.is_human)
    waiting = _candidates(desk)
    for fact in loud:
        for number, wish in wishes_of(desk, fact):
            if not try_to_enter(desk, wish):
                _remember(desk, wish, number)
    if loud:
        _ask_candidates(desk, waiting)


def enter_by_date(desk: Desk) -> None:
    """Yearly days and broadcasts whose instant has come since this person was last looked at."""
    for each in desk.index.by_date:
        campaign, entry = each.campaign, each.entry
        found = due_round(desk, campaign, entry)
        if found:
            rule = entry.rule
            who_holds = not isinstance(rule, Once) or rule.who is None or desk.holds(rule.who)
            if who_holds:
                try_to_enter(desk, Wish(campaign, entry.again, found.key, found.at, where=entry))


def enter_by_change(desk: Desk, before: Person, is_quiet: bool) -> None:
    """`when` entries: the condition was not true when last looked at, and is now. Quiet causes enter nobody."""
    if is_quiet:
        return
    looked_at = before.subscriber.looked_at
    then = None if looked_at is None else View(before.subscriber, before.facts, looked_at, desk.book.rules)
    for each in desk.index.by_change:
        if not desk.holds(each.when):
            continue
        was_true = then is not None and evaluate(each.when, then) is True
        if not was_true and each.campaign.key not in desk.started:
            try_to_enter(desk, Wish(each.campaign, each.entry.again, "", desk.now, where=each.entry))


def enter_from_step(desk: Desk, run: Run, key: str) -> bool:
    """A `start` or `hand_over` step: the other campaign's own rule of re-entry holds."""
    campaign = desk.book.campaigns.get(key)
    if campaign is None:
        return False
    again = campaign.entries[0].again if campaign.entries else Again()
    entered = try_to_enter(desk, Wish(campaign, again, "", desk.now, run.event))
    if entered:
        desk.started.add(key)
    return entered


def wishes_of(desk: Desk, fact: Fact) -> Iterator[tuple[int, Wish]]:
    """The entries a fact asks for: (number of the entry in its campaign, wish)."""
    if fact.kind in _FOR_BOXES:
        for each in desk.index.by_box:
            rule, entry = each.entry.rule, each.entry
            if isinstance(rule, ByBox) and _completes(desk, fact, rule.box):
                yield each.number, Wish(each.campaign, entry.again, "", fact.at, fact.fields, entry)
        return
    event = fact.name if fact.kind is FactKind.EVENT else _EVENTS.get(fact.kind, "")
    for each in desk.index.by_event.get(event, ()):
        again = each.entry.again
        key = str(fact.fields.get(again.each, "")) if again.each else ""
        yield each.number, Wish(each.campaign, again, key, fact.at, fact.fields, each.entry)


def _completes(desk: Desk, fact: Fact, box: str) -> bool:
    """A box is completed by signing up when mail is allowed already, else by the confirmation that follows."""
    if fact.kind is FactKind.SIGNED_UP:
        return fact.name == box and may_be_mailed(desk.subscriber) and not _confirms_later(desk, fact)
    if fact.kind is not FactKind.CONFIRMED:
        return False
    return any(signup.name == box and signup.at <= fact.at for signup in desk.facts.of(FactKind.SIGNED_UP))


def _confirms_later(desk: Desk, signup: Fact) -> bool:
    """The signup and its confirmation came in one batch: the confirmation is the one that enters."""
    return any(fact.at >= signup.at for fact in desk.facts.of(FactKind.CONFIRMED))


# ── Candidates ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _candidates(desk: Desk) -> list[Candidate]:
    desk.candidates = [candidate for candidate in desk.candidates if candidate.until >= desk.now]
    return list(desk.candidates)


def _remember(desk: Desk, wish: Wish, number: int) -> None:
    if desk.decisions and desk.decisions[-1].code is Code.ENTRY_WHERE:
        until = wish.at + CANDIDATE_FOR
        desk.candidates.append(Candidate(wish.campaign.key, number, wish.key, until, wish.event))


def _ask_candidates(desk: Desk, waiting: list[Candidate]) -> None:
    for candidate in waiting:
        campaign = desk.book.campaigns.get(candidate.campaign)
        if campaign is None or candidate.entry >= len(campaign.entries):
            continue
        entry = campaign.entries[candidate.entry]
        wish = Wish(campaign, entry.again, candidate.key, desk.now, candidate.event, entry)
        if try_to_enter(desk, wish):
            desk.candidates.remove(candidate)


# ── One wish ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def try_to_enter(desk: Desk, wish: Wish) -> bool:
    """Enter, or write down why not."""
    live = _live(desk, wish)
    if live and _restarts(desk, wish, live):
        desk.end(live, RunResult.SUPERSEDED, Code.RESTARTED)
        live = None
        refused = _refused_by_state(desk, wish)
    else:
        refused = _refused(desk, wish, live)
    if refused:
        desk.note(refused, None, "", campaign=wish.campaign.key, key=wish.key)
        return False
    if live:
        desk.end(live, RunResult.SUPERSEDED, Code.SUPERSEDED)
    _begin(desk, wish)
    return True


def _live(desk: Desk, wish: Wish) -> Run | None:
    mine = (run for run in desk.runs.values() if run.key.campaign == wish.campaign.key and run.key.key == wish.key)
    return next((run for run in mine if run.is_live), None)


def _restarts(desk: Desk, wish: Wish, live: Run) -> bool:
    """`restart: true` begins a keyed run anew as long as its first mail has not left."""
    left = {MessageState.SENT, MessageState.UNCERTAIN, MessageState.CLAIMED}
    return wish.again.restart and not any(message.state in left for message in desk.messages_of(live.key))


def _refused(desk: Desk, wish: Wish, live: Run | None) -> Code | None:
    return _refused_again(desk, wish, live) or _refused_by_state(desk, wish)


def _refused_again(desk: Desk, wish: Wish, live: Run | None) -> Code | None:
    if live and (wish.again.each or live.state is not RunState.RESTING):
        return Code.ENTRY_LIVE
    earlier = [past for past in desk.past if past.key.campaign == wish.campaign.key and past.key.key == wish.key]
    if live:
        earlier.append(PastRun(live.key, desk.now, live.rested_at))
    if not earlier:
        return None
    if wish.again.after is None:
        return Code.ENTRY_AGAIN
    last = max(past.rested_at if past.rested_at is not None else past.ended_at for past in earlier)
    return Code.ENTRY_AGAIN if wish.at < last + wish.again.after else None


def _refused_by_state(desk: Desk, wish: Wish) -> Code | None:
    campaign = wish.campaign
    if desk.index.standing(campaign.key) not in _OPEN_FOR_ENTRY or not _is_open(wish):
        return Code.ENTRY_CLOSED
    if not may_be_mailed(desk.subscriber) and not _asked_for_service(desk, wish):
        return Code.ENTRY_NOT_ALLOWED
    scope = Scope(wish.at, RunKey(campaign.key, wish.key), campaign.own_mails, wish.event)
    where = wish.where.where if wish.where else None
    if where and not desk.holds(where, Scope(None, scope.run, frozenset(), wish.event)):
        return Code.ENTRY_WHERE
    if campaign.goal and desk.holds(campaign.goal, scope):
        return Code.ENTRY_GOAL
    return None if campaign.sequence_for(desk.subscriber.stage) else Code.ENTRY_NO_SEQUENCE


def _is_open(wish: Wish) -> bool:
    entry = wish.where
    if entry is None:
        return True
    begun = entry.from_at is None or wish.at >= entry.from_at
    return begun and (entry.until_at is None or wish.at < entry.until_at)


def _asked_for_service(desk: Desk, wish: Wish) -> bool:
    """After leaving, an order or request of one's own may still begin a campaign that has service mail to send."""
    left_at = desk.subscriber.unsubscribed_at
    is_newer = left_at is not None and wish.at > left_at and not desk.subscriber.is_suppressed
    sends = (step for step in wish.campaign.steps() if isinstance(step, Send))
    return is_newer and any(desk.book.is_service(step.mail) for step in sends)


def _begin(desk: Desk, wish: Wish) -> None:
    campaign = wish.campaign
    sequence = campaign.sequence_for(desk.subscriber.stage) or ""
    is_ghost = is_held_out(desk.book.rules.secret, campaign.key, desk.subscriber.public_id, campaign.holdout)
    run = Run(
        key=RunKey(campaign.key, wish.key, _next_turn(desk, wish)),
        version=campaign.digest,
        entered_at=wish.at,
        is_ghost=is_ghost,
        sequence=sequence,
        began_at=wish.at,
        rank=campaign.rank,
        event=wish.event,
    )
    desk.put(run)
    desk.note(Code.ENTERED, run, "", sequence=sequence, is_ghost=run.is_ghost, entered_at=wish.at)


def _next_turn(desk: Desk, wish: Wish) -> int:
    keys = [past.key for past in desk.past] + list(desk.runs)
    turns = (key.turn for key in keys if key.campaign == wish.campaign.key and key.key == wish.key)
    return max(turns, default=0) + 1
