"""Since when the conditions inside `held_for` have held.

Owns the computation of timers: set to the instant the condition became true, not to the look that noticed it.
Must not store them. Late looks are made good by walking through the facts and changes in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from app.core.conditions.change import earliest, next_change_of
from app.core.conditions.condition import Condition
from app.core.conditions.evaluate import Question, last_signal, question_of
from app.core.conditions.needs import Names, names_of, walk
from app.core.conditions.tree import HeldFor, IdleFor, Name, Node
from app.core.conditions.view import EVER, View
from app.core.facts import FactLog
from app.core.instants import Instant
from app.core.replacing import replace
from app.core.subscriber import NO_KIND

_MOST_LOOKS: Final = 1_000


def timers(condition: Condition, view: View, not_before: Instant | None = None) -> Mapping[str, Instant | None]:
    """For every condition inside `held_for`, by digest: since when it has held, or None when it does not hold now.

    `view.subscriber.timers` holds what is known so far. A timer not known yet begins no earlier than `not_before`:
    the later of the instant the rule went live and of the last look, where the caller has it (else first sight).
    Stored state shows no past: whoever brings facts that change it asks twice at the instant of the first of them,
    with the state before and with the state after; so a lapse in between is not overlooked.
    """
    earlier = replace(view, scope=EVER)
    return {held.digest: _since(held, earlier, not_before) for held in _held(condition)}


@dataclass(frozen=True, slots=True)
class _Held:
    """One condition inside `held_for`; `is_stored` when more than facts decides it: then its past is not all known."""

    digest: str
    part: Node
    ask: Question
    names: Names
    is_stored: bool
    asks_stage: bool
    asks_signal: bool


@lru_cache(maxsize=1024)
def _held(condition: Condition) -> tuple[_Held, ...]:
    found = {node.digest: node.part for node in walk(condition.tree) if isinstance(node, HeldFor)}
    return tuple(_described(digest, part) for digest, part in found.items())


def _described(digest: str, part: Node) -> _Held:
    names, nodes = names_of(part), tuple(walk(part))
    return _Held(
        digest,
        part,
        question_of(part),
        names,
        is_stored=bool(names.names - {Name.STAGE} or names.attributes or names.tags or names.segments),
        asks_stage=names.uses_stage,
        asks_signal=any(isinstance(node, IdleFor) for node in nodes),
    )


def _since(held: _Held, view: View, not_before: Instant | None) -> Instant | None:
    if held.ask(view) is not True:
        return None
    known = view.subscriber.timers.get(held.digest)
    floor = view.subscriber.created_at if not_before is None else not_before
    start = min(max(_settled_at(held, view), floor if known is None else known), view.now)
    since = _true_since(held, view, start)
    return known if since == start and known is not None else since


def _settled_at(held: _Held, view: View) -> Instant:
    """From here to now the stored state did not change; facts alone can be asked for any instant."""
    moments = [0]
    if held.is_stored:
        moments.extend(facts[-1].at for kind in held.names.kinds if (facts := view.facts.of(kind)))
    if held.asks_stage:
        moments.append(view.subscriber.stage_since)
    if held.asks_signal:
        moments.append(last_signal(view))
    return min(max(moments), view.now)


def _true_since(held: _Held, view: View, start: Instant) -> Instant:
    """The beginning of the stretch up to now in which the condition is true; `start` when it holds throughout."""
    at, since = start, None
    arrivals = sorted({fact.at for fact in view.facts.after(start)})
    for _ in range(_MOST_LOOKS):
        earlier = _as_of(held, view, at)
        is_true = held.ask(earlier) is True
        since = None if not is_true else at if since is None else since
        arrival = next((moment for moment in arrivals if moment > at), None)
        following = earliest((next_change_of(held.part, earlier), arrival))
        if following is None or following > view.now:
            return view.now if since is None else since
        at = following
    return view.now


def _as_of(held: _Held, view: View, instant: Instant) -> View:
    """The person at an earlier instant, as far as facts and rules tell; what is only stored stands as it does now."""
    if next(view.facts.after(instant), None) is not None:
        view = replace(view, facts=FactLog(fact for fact in view.facts if fact.at <= instant))
    earlier = replace(view, now=instant)
    person = earlier.subscriber
    if held.names.uses_kind:
        kinds = (kind for kind, rule in earlier.rules.kinds if rule.ask(earlier) is True)
        person = replace(person, kind=next(kinds, NO_KIND))
    if held.names.segments:
        person = replace(person, segments=_segments(held, earlier))
    return replace(earlier, subscriber=person)


def _segments(held: _Held, earlier: View) -> Mapping[str, Instant]:
    rules, known = earlier.rules.segments, earlier.subscriber.segments
    asked = {key: rules[key] for key in held.names.segments if key in rules}
    return {key: known.get(key, 0) for key, rule in asked.items() if rule.ask(earlier) is True}
