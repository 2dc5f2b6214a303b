"""The ladder: which stage, kind and segments a person has, by the rules of the file and her facts.

Owns rise, fall and their hysteresis, kinds, segments, and the timers of `held_for`.
Must not enter anybody anywhere: campaigns watch the stage, the ladder does not know them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.core.book import Book
from app.core.conditions import Condition, evaluate, timers
from app.core.conditions.tree import Name
from app.core.conditions.view import View
from app.core.engagement import earns, score
from app.core.facts import Fact, FactKind, FactLog
from app.core.index import index_of
from app.core.instants import DAY, Instant
from app.core.person import StageChange
from app.core.replacing import replace, swift
from app.core.site import Ladder, Stage
from app.core.subscriber import NO_KIND, Subscriber


@swift
@dataclass(frozen=True, slots=True)
class Climbed:
    """The subscriber after the rules were asked, and the change of stage if there was one."""

    subscriber: Subscriber
    change: StageChange | None = None


def climb(book: Book, subscriber: Subscriber, facts: FactLog, news: tuple[Fact, ...], now: Instant) -> Climbed:
    """Ask timers, stage, kind and segments, in this order, at one instant."""
    subscriber = _timed(book, subscriber, facts, now)
    climbed = _moved(book, subscriber, facts, news, now)
    subscriber = _labelled(book, climbed.subscriber, facts, now)
    if subscriber.ladder_digest != book.ladder_digest:
        subscriber = replace(subscriber, ladder_digest=book.ladder_digest)
    return Climbed(subscriber, climbed.change)


def earliest_of(instants: Iterable[Instant | None]) -> Instant | None:
    first: Instant | None = None
    for at in instants:
        if at is not None and (first is None or at < first):
            first = at
    return first


# ── Timers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _timed(book: Book, subscriber: Subscriber, facts: FactLog, now: Instant) -> Subscriber:
    timed = index_of(book).timed
    if not timed:
        return subscriber
    known = dict(subscriber.timers)
    not_before = _since_last_look(book, subscriber, now)
    for condition in timed:
        for digest, since in timers(condition, View(subscriber, facts, now, book.rules), not_before).items():
            if since is None:
                known.pop(digest, None)
            else:
                known[digest] = since
    return subscriber if known == subscriber.timers else replace(subscriber, timers=known)


def _since_last_look(book: Book, subscriber: Subscriber, now: Instant) -> Instant:
    """A look that comes late makes good what it missed; a rule that is new counts from now."""
    is_new = subscriber.ladder_digest != book.ladder_digest or subscriber.looked_at is None
    return now if is_new or subscriber.looked_at is None else subscriber.looked_at


# ── Stage ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _moved(book: Book, subscriber: Subscriber, facts: FactLog, news: tuple[Fact, ...], now: Instant) -> Climbed:
    view = View(subscriber, facts, now, book.rules)
    ladder = book.ladder
    index = max(0, ladder.index(subscriber.stage))
    for rung in reversed(ladder.stages[index + 1 :]):
        if _rises(ladder, rung, view):
            return _to(book, view, rung.key, f"rise:{rung.key}", news)
    current = ladder.stages[index]
    if index and _falls(current, view):
        return _to(book, view, ladder.stages[index - 1].key, f"fall:{current.key}", news)
    return Climbed(subscriber if subscriber.stage == current.key else replace(subscriber, stage=current.key))


def _rises(ladder: Ladder, rung: Stage, view: View) -> bool:
    """A rung is entered while `rise` holds and its own `fall` does not, after a fall only upon a fact it names."""
    if rung.rise is None or not _may_be_asked_again(ladder, rung.key, rung.rise, view):
        return False
    return evaluate(rung.rise, view) is True and (rung.fall is None or evaluate(rung.fall, view) is not True)


def _may_be_asked_again(ladder: Ladder, stage: str, rise: Condition, view: View) -> bool:
    """After a fall a rise waits for a newer fact that it names: an order, that event, or one that earns points."""
    fell_at = view.subscriber.fell_from.get(stage)
    if fell_at is None:
        return True
    return any(_is_named(ladder, rise, fact) for fact in view.facts.after(fell_at))


def _is_named(ladder: Ladder, rise: Condition, fact: Fact) -> bool:
    names = rise.names()
    if names.uses_score and any(rule.points > 0 and earns(rule, fact) for rule in ladder.engagement):
        return True
    if fact.kind is FactKind.ORDERED and names.names & {Name.ORDERS, Name.REVENUE}:
        return True
    return any(need.kind is fact.kind and need.what in ("", fact.name) for need in rise.needs())


def _falls(current: Stage, view: View) -> bool:
    """One rung per decision, and at most one fall in 24 hours."""
    if current.fall is None:
        return False
    last = max(view.subscriber.fell_from.values(), default=None)
    return (last is None or view.now - last >= DAY) and evaluate(current.fall, view) is True


def _to(book: Book, view: View, stage: str, rule: str, news: tuple[Fact, ...]) -> Climbed:
    before, now = view.subscriber, view.now
    ladder = book.ladder
    furthest = max(before.furthest_stage, stage, key=ladder.index)
    after = replace(before, stage=stage, stage_since=now, furthest_stage=furthest, fell_from=_falls_kept(view, rule))
    cause = news[-1].id if news else None
    return Climbed(after, StageChange(now, before.stage, stage, rule, cause, score(before, now, ladder.half_life)))


def _falls_kept(view: View, rule: str) -> Mapping[str, Instant]:
    way, _, rung = rule.partition(":")
    kept = {stage: at for stage, at in view.subscriber.fell_from.items() if stage != rung}
    return {**kept, rung: view.now} if way == "fall" else kept


# ── Kind, fit and segments ───────────────────────────────────────────────────────────────────────────────────────────


def _labelled(book: Book, subscriber: Subscriber, facts: FactLog, now: Instant) -> Subscriber:
    view = View(subscriber, facts, now, book.rules)
    kind = next((key for key, condition in book.ladder.kinds if evaluate(condition, view) is True), NO_KIND)
    fit = sum(rule.points for rule in book.ladder.fit if evaluate(rule.when, view) is True)
    if kind != subscriber.kind or fit != subscriber.fit:
        subscriber = replace(subscriber, kind=kind, fit=fit)
    if book.ladder.segments and subscriber is not view.subscriber:
        view = View(subscriber, facts, now, book.rules)
    segments = _segments(book, view)
    return subscriber if segments == subscriber.segments else replace(subscriber, segments=segments)


def _segments(book: Book, view: View) -> Mapping[str, Instant]:
    inside = (key for key, condition in book.ladder.segments.items() if evaluate(condition, view) is True)
    return {key: view.subscriber.segments.get(key, view.now) for key in inside}
