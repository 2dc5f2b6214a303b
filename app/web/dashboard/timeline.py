"""The timeline: all that happened to one person as one line of time, newest first, in words.

Owns how signups, consents, mails, clicks, visits, orders, moves and decisions are told. Must not fetch them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from app.actions.access import May
from app.core.instants import Instant
from app.store.events import EventRow
from app.store.messages import MessageRow
from app.store.permissions import ConsentRow
from app.store.reports import History
from app.store.runs import DecisionRow, StageChangeRow
from app.web.dashboard.flow import said_source
from app.web.dashboard.naming import mail_title, quoted
from app.web.dashboard.reasons import MESSAGE_STATES, VERDICT_REASONS, VERDICTS, Decided, reason, why_words
from app.web.dashboard.shell import shelved, stage_label, visitor
from app.web.dashboard.wording import figures, money, say, span, tongue


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `sort` picks the sign and the filter, `tone` the colour (good, warn, bad, or plain)."""

    at: Instant
    sort: str
    title: str
    details: tuple[str, ...] = ()
    tone: str = ""
    quote: str = ""
    message: int = 0
    campaign: str = ""
    points: int = 0
    verdict: str = ""
    stages: tuple[str, str] = ("", "")
    code: str = ""
    mail: str = ""
    """The key of the mail it is about."""


GROUPS: Mapping[str, frozenset[str]] = {
    "acts": frozenset({"signup", "confirm", "open", "click", "visit", "order", "reply", "event", "leave", "consent"}),
    "mails": frozenset({"mail", "open", "click"}),
    "stages": frozenset({"stage", "kind"}),
    "decisions": frozenset({"decision", "kind"}),
}
"""What each filter of the page lets through; without a filter everything is shown."""


def timeline(history: History, show: str = "") -> list[Entry]:
    """The entries of a history, newest first."""
    entries = [
        *(_event(row, history) for row in history.events if row.kind != "received"),
        *(_consent(row) for row in history.consents),
        *(entry for row in history.messages for entry in _message(row)),
        *(_change(row, history) for row in history.changes),
        *(entry for row in history.decisions for entry in _decision(row)),
    ]
    wanted = GROUPS.get(show)
    shown = (e for e in entries if (e.code not in _MURMUR if wanted is None else e.sort in wanted))
    return sorted(shown, key=_newest_first)


_MURMUR = frozenset({"entry_where", "entry_live", "waited"})
"""Decisions that repeat with every fact: told only to those who ask for decisions."""


_ORDER = ("stage", "order", "confirm", "signup", "consent", "click", "open", "visit", "mail", "kind", "decision")


def _newest_first(entry: Entry) -> tuple[int, int]:
    return -entry.at, _ORDER.index(entry.sort) if entry.sort in _ORDER else len(_ORDER)


# ── Facts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _event(row: EventRow, history: History) -> Entry:
    tell = _FACTS.get(row.kind, _other)
    sort, title, details = tell(row, history)
    points = history.points.get(row.fact_id, 0)
    why = _verdict(row)
    return Entry(
        at=row.at,
        sort=sort,
        title=title,
        details=tuple(filter(None, (*details, why))),
        tone=_tone(row),
        message=row.message_id or 0,
        points=points,
        verdict=row.verdict,
    )


_Told = tuple[str, str, tuple[str, ...]]


def _tone(row: EventRow) -> str:
    if row.kind in ("confirmed", "ordered", "replied", "referred"):
        return "good"
    if row.kind in ("unsubscribed", "complained", "bounced"):
        return "bad"
    return "faint" if row.verdict == "machine" else ""


def _verdict(row: EventRow) -> str:
    if not row.verdict:
        return ""
    who = say(VERDICTS.get(row.verdict, row.verdict))
    why = VERDICT_REASONS.get(row.verdict_reason)
    return say("by %(who)s: %(why)s", who=who, why=say(why)) if why else say("by %(who)s", who=who)


def _signed_up(row: EventRow, _: History) -> _Told:
    page = say("on %(page)s", page=row.path) if row.path else ""
    return "signup", say("Signed up through the box %(box)s", box=row.name), (page, _answers(row))


def _answers(row: EventRow) -> str:
    if not visitor().may(May.SEE_ADDRESSES):
        return ""
    plain = json.loads(row.payload or "{}")
    shown = {key: value for key, value in plain.items() if isinstance(value, str | int | float) and value != ""}
    return " · ".join(f"{attribute_label(key)}: {option_label(key, value)}" for key, value in shown.items())


def attribute_label(key: str) -> str:
    held = shelved()
    found = held.book.site.attributes.get(key) if held else None
    return (found.label.in_locale(tongue()) if found else "") or key


def option_label(key: str, value: object) -> str:
    held = shelved()
    found = held.book.site.attributes.get(key) if held else None
    options = dict(found.options) if found else {}
    return options[str(value)].in_locale(tongue()) if str(value) in options else str(value)


def _mail_of(row: EventRow, history: History) -> str:
    found = history.mails.get(row.message_id or 0)
    key = row.name or (found.mail_key if found else "")
    return quoted(key) if key else say("a mail")


def _opened(row: EventRow, history: History) -> _Told:
    return "open", say("Opened %(mail)s", mail=_mail_of(row, history)), ()


def _clicked(row: EventRow, history: History) -> _Told:
    link = say("link %(name)s", name=row.link) if row.link else ""
    return "click", say("Clicked in %(mail)s", mail=_mail_of(row, history)), (link, row.path)


def _visited(row: EventRow, _: History) -> _Told:
    return "visit", say("Visited %(page)s", page=row.path or "/"), ()


def _ordered(row: EventRow, _: History) -> _Told:
    held = shelved()
    return "order", say("Ordered for %(amount)s", amount=money(row.value, held.book.site if held else None)), ()


def _refunded(row: EventRow, _: History) -> _Told:
    held = shelved()
    return "order", say("Got %(amount)s back", amount=money(row.value, held.book.site if held else None)), ()


def _declared(row: EventRow, _: History) -> _Told:
    return "event", say("Event %(name)s", name=row.name), (_answers(row),)


def _plain(sort: str, text: str) -> Callable[[EventRow, History], _Told]:
    return lambda _row, _history: (sort, say(text), ())


def _other(row: EventRow, _: History) -> _Told:
    return "event", row.kind, (row.name,)


def _changed(row: EventRow, _: History) -> _Told:
    key = row.name.partition(":")[2]
    return "event", say("Told us more"), (_answers(row) or (attribute_label(key) if key else row.name),)


_FACTS: Mapping[str, Callable[[EventRow, History], _Told]] = {
    "signed_up": _signed_up,
    "confirmed": _plain("confirm", "Confirmed the address"),
    "opened": _opened,
    "clicked": _clicked,
    "visited": _visited,
    "ordered": _ordered,
    "refunded": _refunded,
    "event": _declared,
    "changed": _changed,
    "replied": _plain("reply", "Answered a mail"),
    "referred": _plain("event", "A friend who was invited confirmed"),
    "unsubscribed": _plain("leave", "Unsubscribed"),
    "complained": _plain("leave", "Marked a mail as spam"),
    "bounced": _plain("leave", "A mail came back"),
    "paused": _plain("leave", "Asked for a pause"),
    "resumed": _plain("leave", "Ended the pause"),
}

# ── The rest ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_ANSWERS = {
    "asked": "Was asked for consent",
    "given": "Gave consent",
    "confirmed": "Confirmed the consent",
    "refused": "Refused consent",
    "withdrawn": "Withdrew consent",
}


def _consent(row: ConsentRow) -> Entry:
    about = {"mail": say("to mail"), "tracking": say("to tracking")}.get(row.kind, row.kind)
    title = f"{say(_ANSWERS.get(row.answer, row.answer))} ({about})"
    place = " · ".join(filter(None, (row.page, row.network if visitor().may(May.SEE_ADDRESSES) else "")))
    return Entry(row.at, "consent", title, tuple(filter(None, (place,))), quote=row.wording)


def _message(row: MessageRow) -> Iterator[Entry]:
    """What left, or will not; what still waits is told above the timeline."""
    if row.state in ("queued", "waiting", "claimed"):
        return
    at = row.settled_at or row.created_at
    tones = {"sent": "", "refused": "bad", "uncertain": "warn", "parked": "bad"}
    late = row.settled_at - row.wanted_at if row.settled_at else 0
    is_told = row.recipient and visitor().may(May.SEE_ADDRESSES)
    to = say("to %(who)s", who=row.recipient) if is_told else ""
    why = "" if row.state == "sent" else " · ".join(filter(None, (why_words(row.reason), row.reply)))
    yield Entry(
        at=at,
        sort="mail",
        title=f"{say(MESSAGE_STATES[row.state])}: {mail_title(row.mail_key)}",
        details=tuple(filter(None, (to, why, _lateness(late)))),
        tone=tones.get(row.state, "faint"),
        message=row.id if row.state in ("sent", "uncertain") else 0,
        campaign=row.campaign,
        mail=row.mail_key,
    )


def _lateness(late: int) -> str:
    return say("%(span)s after it was wanted", span=span(late)) if late > 60_000_000 else ""


def _change(row: StageChangeRow, history: History) -> Entry:
    way, _, rung = row.rule.partition(":")
    cause = next((_event(event, history).title for event in history.events if event.fact_id == row.cause), "")
    is_rise = way == "rise"
    title = say("Rose to %(stage)s", stage=stage_label(row.after)) if is_rise else ""
    title = title or say("Fell to %(stage)s", stage=stage_label(row.after))
    score = say("score %(n)s", n=figures(f"{row.score:.0f}"))
    rule = _rule(rung, is_rise)
    because = say("cause: %(cause)s", cause=cause) if cause else say("cause: time passed")
    details = tuple(filter(None, (because, rule, score)))
    return Entry(row.at, "stage", title, details, "good" if is_rise else "warn", stages=(row.before, row.after))


def _rule(rung: str, is_rise: bool) -> str:
    held = shelved()
    stage = next((s for s in held.book.ladder.stages if s.key == rung), None) if held else None
    rule = (stage.rise if is_rise else stage.fall) if stage else None
    return say("rule: %(rule)s", rule=said_source(rule.source)) if rule else ""


_TOLD_ELSEWHERE = frozenset({"stage", "sent"})


def _decision(row: DecisionRow) -> Iterator[Entry]:
    if row.code in _TOLD_ELSEWHERE:
        return
    decided = Decided(row.code, row.campaign, row.step, json.loads(row.seen))
    sort = "kind" if row.code == "kind" else "decision"
    yield Entry(row.at, sort, reason(decided), campaign=row.campaign, code=row.code, tone="faint")


__all__ = ["GROUPS", "Entry", "attribute_label", "option_label", "timeline"]
