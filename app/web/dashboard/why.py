"""Why: the box that explains a mail or a campaign to somebody's page: ordered checks, one stopper, what comes next.

Owns the choice of subjects and the words around the answer. app.actions.explain finds it; nothing is guessed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from app.actions.explain import NotKnown, Question, explain
from app.core.explaining import Check, Explanation, Mark, Projected, Topic, Verdict, detail
from app.core.explaining.value import Receipt
from app.core.instants import Instant
from app.core.text import Place
from app.store.messages import MessageRow
from app.web.dashboard.flow import entry_words, said_source
from app.web.dashboard.naming import mail_title, quoted, step_words
from app.web.dashboard.shell import campaign_title, clock, shelved, stage_label
from app.web.dashboard.wording import figures, is_persian, say, tongue
from app.web.parts import Parts

TOPICS: Mapping[str, str] = {
    "entered": "Entry",
    "goal": "Goal",
    "while": "Condition to stay",
    "stage": "Stage",
    "branch": "Branch",
    "pause": "Pause",
    "place": "Step",
    "permission": "Permission",
    "holdout": "Held out",
    "limit": "Limits",
    "freshness": "Freshness",
    "hand_over": "Handing over",
}
ACTS: Mapping[str, str] = {
    "ordered": "an order",
    "clicked": "a click",
    "opened": "an opening",
    "replied": "a reply",
    "visited": "a visit",
    "event": "an event",
    "answered": "an answer",
    "confirmed": "the confirmation",
}
SIGNS = {Mark.OK: "✓", Mark.NO: "✗"}


@dataclass(frozen=True, slots=True)
class Line:
    """One check as the page shows it."""

    sign: str
    tone: str
    topic: str
    words: str
    at: Instant | None
    place: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the box says: a headline, the checks in order, when it is looked at again."""

    headline: str
    lines: tuple[Line, ...] = ()
    unreached: tuple[str, ...] = ()
    """What was not asked any more, because an earlier check said no."""
    again: str = ""


@dataclass(frozen=True, slots=True)
class Coming:
    """One mail that will leave unless something changes; queued ones have their place already."""

    at: Instant
    mail: str
    campaign: str
    is_queued: bool


def subjects() -> list[tuple[str, str, list[tuple[str, str]]]]:
    """(campaign, title, its mails with their titles), for the box's choice."""
    held = shelved()
    campaigns = held.book.campaigns.values() if held else ()
    return [(c.key, campaign_title(c.key), [(m, mail_title(m)) for m in _mails(c.own_mails)]) for c in campaigns]


def _mails(own: frozenset[str] | tuple[str, ...]) -> list[str]:
    return sorted(own)


def asked(parts: Parts, person: bytes, subject: str) -> tuple[Answer | None, tuple[Projected, ...], Receipt | None]:
    """The answer about a subject, if one was chosen; what comes in the next weeks; why this stage."""
    whole = explain(parts.world, parts.shelf, Question(person))
    if isinstance(whole, NotKnown):
        return None, (), None
    if not subject:
        return None, whole.projected, whole.receipt
    told = explain(parts.world, parts.shelf, Question(person, subject[:200]))
    if isinstance(told, NotKnown):
        return (
            Answer(say("No campaign and no mail of one is called %(name)s.", name=subject)),
            whole.projected,
            whole.receipt,
        )
    return answer(told), whole.projected, whole.receipt


def answer(told: Explanation) -> Answer:
    lines = tuple(_line(told, check) for check in told.checks if check.mark is not Mark.UNREACHED)
    unreached = tuple(say(TOPICS[check.topic.value]) for check in told.checks if check.mark is Mark.UNREACHED)
    return Answer(_headline(told), lines, unreached, _again(told) if lines else "")


def _headline(told: Explanation) -> str:
    is_campaign = told.subject == told.campaign
    what = _quoted(campaign_title(told.subject)) if is_campaign else quoted(told.subject)
    when = clock().when(told.at)
    match told.verdict:
        case Verdict.GOT:
            return say("%(mail)s was sent, %(when)s.", mail=what, when=when)
        case Verdict.COMES:
            return say("%(mail)s leaves %(when)s, unless something changes.", mail=what, when=when)
        case Verdict.OPEN:
            return say("%(mail)s was not sent. Time alone does not bring it.", mail=what)
        case Verdict.NEVER:
            return say("%(mail)s does not come in this run.", mail=what)
        case Verdict.STANDS:
            return say("Is in %(campaign)s.", campaign=what)
        case Verdict.OVER:
            return say("Is out of %(campaign)s since %(when)s.", campaign=what, when=when)
        case Verdict.OUTSIDE:
            return say("Never entered %(campaign)s.", campaign=_quoted(campaign_title(told.campaign or told.subject)))


def _quoted(text: str) -> str:
    return f"«{text}»" if is_persian() else f"“{text}”"


_TONES = {Mark.OK: "good", Mark.NO: "bad"}


def _line(told: Explanation, check: Check) -> Line:
    words = detail(told, _named(told, check), tongue())
    topic = say(TOPICS[check.topic.value])
    return Line(SIGNS[check.mark], _TONES[check.mark], topic, words, check.at, place_of(check.place))


def _named(told: Explanation, check: Check) -> Check:
    """The same check with names people know in place of keys."""
    seen = dict(check.seen)
    if check.topic is Topic.STAGE:
        seen.update({key: _sequence(str(seen[key])) for key in ("sequence", "wanted", "stage") if seen.get(key)})
    for key in ("taken_by", "mail"):
        if seen.get(key):
            seen[key] = mail_title(str(seen[key]))
    if seen.get("step") and check.topic in (Topic.PLACE, Topic.BRANCH):
        seen["step"] = step_words(told.campaign, str(seen["step"]))
    if check.topic is Topic.ENTERED and check.code == "nothing_entered":
        seen["by"] = seen["by_fa"] = _ways_in(told.campaign)
    for key in ("holder", "campaign"):
        if seen.get(key):
            seen[key] = campaign_title(str(seen[key]))
    return replace(check, seen=seen)


def _ways_in(key: str) -> str:
    """What enters a campaign, as its page says it."""
    held = shelved()
    found = held.book.campaigns.get(key) if held else None
    words = [entry_words(entry) for entry in found.entries] if found else []
    return ("؛ " if is_persian() else "; ").join(words) or say("by other campaigns only")


def _sequence(key: str) -> str:
    return say("every stage") if key == "any" else say("after the goal") if key == "on_goal" else stage_label(key)


def place_of(place: Place) -> str:
    return f"{place.file.rpartition('/')[2]}:{place.line}" if place.line else ""


def _again(told: Explanation) -> str:
    acts = [say(ACTS[kind]) for kind in told.wakes if kind in ACTS]
    joined = ("، " if is_persian() else ", ").join([*acts, say("a pause or a farewell")])
    if told.looks_at is None:
        return say("Looked at again only at %(acts)s.", acts=joined)
    return say("Looked at again %(when)s, or at once at %(acts)s.", when=clock().when(told.looks_at), acts=joined)


# ── What comes, and why this stage ───────────────────────────────────────────────────────────────────────────────────


def coming(waiting: list[MessageRow], projected: tuple[Projected, ...]) -> list[Coming]:
    """What waits in the queue and what follows if nothing changes, soonest first, each mail once."""
    queued = [Coming(row.due_at, row.mail_key, row.campaign, is_queued=True) for row in waiting]
    known = {(each.mail, each.campaign) for each in queued}
    ahead = [Coming(p.at, p.mail, p.campaign, is_queued=False) for p in projected if (p.mail, p.campaign) not in known]
    return sorted([*queued, *ahead], key=lambda each: each.at)


def receipt_words(receipt: Receipt | None) -> Iterator[str]:
    """Why this stage, in a sentence or two."""
    if receipt is None or not receipt.rule:
        return
    way, _, rung = receipt.rule.partition(":")
    rule = said_source(receipt.condition) if receipt.condition else "–"
    if way == "rise":
        yield say("Rose here by the rule of %(stage)s: %(rule)s", stage=stage_label(rung), rule=rule)
    else:
        yield say("Fell here by the rule of %(stage)s: %(rule)s", stage=stage_label(rung), rule=rule)
    if receipt.score_then is not None:
        then, now = figures(f"{receipt.score_then:.0f}"), figures(f"{receipt.score:.0f}")
        yield say("The score was %(then)s then, and is %(now)s now.", then=then, now=now)
