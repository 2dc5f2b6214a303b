"""Explanations in English: a headline, the checks in columns, when it is looked at again, the future, the score.

Owns English wording. Must not decide which check stands where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from app.core.conditions import Condition, parse, sentence
from app.core.explaining.dates import Dates
from app.core.explaining.value import Check, Explanation, Mark, Receipt, Topic, Verdict
from app.core.person import Code
from app.core.text import Place

_SIGNS = {Mark.OK: "✓", Mark.NO: "✗", Mark.UNREACHED: "·"}
_TOPICS = {Topic.HAND_OVER: "hand-over", Topic.PLACE: "step"}
WAKES = {
    "ordered": "orders",
    "clicked": "clicks",
    "opened": "opens a mail",
    "replied": "replies",
    "visited": "visits",
    "event": "does what the campaign asks about",
    "answered": "answers",
    "confirmed": "confirms",
}


def lines(told: Explanation, dates: Dates) -> list[str]:
    """The explanation, line by line, for a terminal."""
    found = [_headline(told, dates)]
    why = _why(told, dates)
    found += [f"Why: {why}"] if why else []
    found += _columns(told, dates)
    found += [_again(told, dates)] if told.checks else []
    found += list(_standing(told))
    found += list(_future(told, dates))
    if told.receipt:
        found += list(_receipt(told.receipt, dates))
    return found


def _headline(told: Explanation, dates: Dates) -> str:
    name, subject = told.who.name or told.who.address, told.subject
    at, place = dates.english(told.at), _zone(told)
    match told.verdict:
        case Verdict.GOT:
            return f"{name} got {subject}, {at} ({place})."
        case Verdict.COMES:
            return f"{name} has not got {subject} yet. It leaves {at} ({place}) unless something changes."
        case Verdict.OPEN:
            return f"{name} has not got {subject}. Time alone does not bring it."
        case Verdict.NEVER:
            return f"{name} does not get {subject} in this run."
        case Verdict.STANDS:
            return f"{name} is in {subject or _campaigns(told)}."
        case Verdict.OVER:
            return f"{name} is out of {subject} since {at} ({place})."
        case Verdict.OUTSIDE:
            return f"{name} never entered {told.campaign or subject}."


def _campaigns(told: Explanation) -> str:
    number = len(told.standing)
    return f"{number} campaigns" if number != 1 else "1 campaign"


def _zone(told: Explanation) -> str:
    return told.who.zone.rpartition("/")[2].replace("_", " ")


def _why(told: Explanation, dates: Dates) -> str:
    stopper = told.stopper
    if stopper is None:
        return ""
    if stopper.topic is Topic.LIMIT and "taken_by" in stopper.seen:
        return f"another marketing mail, {stopper.seen['taken_by']}, has the place under the limit."
    said = detail(stopper, dates)
    return f"{said}." if said else ""


# ── The checks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _columns(told: Explanation, dates: Dates) -> list[str]:
    rows = [
        (
            f"  {_SIGNS[check.mark]} {_TOPICS.get(check.topic, check.topic.value):<13}",
            dates.english(check.at) if check.at is not None else "",
            "not reached" if check.mark is Mark.UNREACHED else detail(check, dates),
            at_line(check.place),
        )
        for check in told.checks
    ]
    when = max((len(row[1]) for row in rows), default=0)
    what = max((len(row[2]) for row in rows if row[3]), default=0)
    return [f"{a} {b:<{when}}   {c:<{what}}   {d}".rstrip() for a, b, c, d in rows]


def at_line(place: Place) -> str:
    """`ebook-welcome.yaml:20`; nothing for nowhere."""
    return f"{place.file.rpartition('/')[2]}:{place.line}" if place.line else ""


def detail(check: Check, dates: Dates) -> str:
    """What a check saw, in a few words."""
    told = _DETAILS.get((check.topic, check.code)) or _DETAILS.get((check.topic, ""))
    return told(check.seen, dates) if told else check.code.replace("_", " ")


_Seen = Mapping[str, str | int | float | bool | None]
_Words = Callable[[_Seen, Dates], str]


def _fixed(text: str) -> _Words:
    return lambda _seen, _dates: text


def _limited(seen: _Seen, dates: Dates) -> str:
    because = str(seen.get("because") or "limits on contact").replace("limit ", "")
    taken = f", taken by {seen['taken_by']}, {_at(seen, 'taken_at', dates)}" if "taken_by" in seen else ""
    until = f"; place at {_at(seen, 'slot_at', dates)}" if seen.get("slot_at") else ""
    return f"{because}{taken}{until}"


def _at(seen: _Seen, name: str, dates: Dates) -> str:
    value = seen.get(name)
    return dates.english(value) if isinstance(value, int) else "–"


def _said(seen: _Seen, dates: Dates) -> str:
    source = str(seen.get("condition", ""))
    found = parse(source)
    return sentence(found, "en", dates.labels) if isinstance(found, Condition) else source


def _waits(seen: _Seen, dates: Dates) -> str:
    return f"stands at “{seen.get('step', '')}” until {_at(seen, 'until_at', dates)}"


def _branch(seen: _Seen, dates: Dates) -> str:
    taken, wanted = seen.get("branch"), seen.get("wanted")
    about = f"“{_said(seen, dates)}”" if seen.get("condition") else str(seen.get("step"))
    return f"{about}: {taken}" if taken == wanted else f"{about}: went {taken}, the mail stands under {wanted}"


def _ended(text: str) -> _Words:
    return lambda seen, _dates: text.format(campaign=seen.get("campaign", ""), lost=seen.get("lost", ""))


_DETAILS: Mapping[tuple[Topic, str], _Words] = {
    (Topic.ENTERED, Code.ENTERED): lambda seen, _: f"{seen.get('by') or 'by a step of another campaign'}",
    (Topic.ENTERED, "nothing_entered"): lambda seen, _: (
        f"nothing that enters has happened ({seen.get('by') or 'start'})"
    ),
    (Topic.ENTERED, Code.ENTRY_AGAIN): _fixed("was here before, and may not enter again yet"),
    (Topic.ENTERED, Code.ENTRY_WHERE): _fixed("the entry's own condition was not true"),
    (Topic.ENTERED, Code.ENTRY_GOAL): _fixed("the goal was reached before she could enter"),
    (Topic.ENTERED, Code.ENTRY_NO_SEQUENCE): _fixed("the campaign has nothing for her stage"),
    (Topic.ENTERED, Code.ENTRY_CLOSED): _fixed("the campaign took no entries then"),
    (Topic.ENTERED, Code.ENTRY_NOT_ALLOWED): _fixed("she may not be mailed"),
    (Topic.GOAL, Code.GOAL): lambda seen, d: f"reached: {_said(seen, d)}",
    (Topic.GOAL, ""): lambda seen, d: f"not reached: {_said(seen, d)}",
    (Topic.WHILE, Code.WHILE): lambda seen, d: f"no longer holds: {_said(seen, d)}",
    (Topic.WHILE, ""): lambda seen, d: f"holds: {_said(seen, d)}",
    (Topic.STAGE, "other_sequence"): lambda seen, _: (
        f"in the mails for {seen['sequence']}, it belongs to {seen['wanted']}"
    ),
    (Topic.STAGE, Code.NO_SEQUENCE): lambda seen, _: f"nothing here for the stage {seen.get('stage', '')}",
    (Topic.STAGE, Code.HANDED_OVER): _ended("handed over to {campaign}"),
    (Topic.STAGE, Code.SUPERSEDED): _ended("a new entry took the place of this run"),
    (Topic.STAGE, Code.RESTARTED): _ended("a new entry began the run anew"),
    (Topic.STAGE, Code.LISTENED): _ended("nothing happened for as long as the campaign listens"),
    (Topic.STAGE, Code.REMOVED): _ended("the step she stood at was removed ({lost})"),
    (Topic.STAGE, Code.ENDED): _ended("the run ended"),
    (Topic.STAGE, Code.VERSION): _ended("a new version ended the run"),
    (Topic.STAGE, Code.TOO_MANY_MOVES): _ended("the run goes in a circle and was set aside"),
    (Topic.STAGE, ""): lambda seen, _: str(seen.get("sequence", "")),
    (Topic.STAGE, Code.ENTERED): lambda seen, _: str(seen.get("sequence", "")),
    (Topic.STAGE, Code.SEQUENCE): lambda seen, _: str(seen.get("sequence", "")),
    (Topic.BRANCH, "undecided"): _fixed("not decided yet"),
    (Topic.BRANCH, ""): _branch,
    (Topic.PAUSE, Code.PAUSED_EXCLUSIVE): lambda seen, _: f"{seen.get('holder', 'another campaign')} goes first",
    (Topic.PAUSE, Code.PAUSED_CAMPAIGN): _fixed("the campaign is paused"),
    (Topic.PAUSE, Code.PAUSED_SITE): _fixed("all sending is paused"),
    (Topic.PAUSE, Code.PAUSED_PERSON): _fixed("she asked for a pause"),
    (Topic.PAUSE, Code.DORMANT): _fixed("marketing rests until she acts"),
    (Topic.PAUSE, ""): _fixed("none"),
    (Topic.PLACE, Code.WAITS): _waits,
    (Topic.PLACE, Code.RESTS): _fixed("rests at the end of the sequence and listens"),
    (Topic.PLACE, Code.STREAM_DRY): _fixed("no article is left for her"),
    (Topic.PLACE, "under_way"): _fixed("under way"),
    (Topic.PLACE, Code.QUEUED): lambda seen, _: f"waits for {seen.get('mail', seen.get('step', ''))} to leave",
    (Topic.PLACE, ""): _fixed("reached"),
    (Topic.PERMISSION, Code.UNSUBSCRIBED): _fixed("she unsubscribed"),
    (Topic.PERMISSION, Code.SUPPRESSED): _fixed("her address takes no mail any more"),
    (Topic.PERMISSION, Code.NOT_CONFIRMED): _fixed("she has not confirmed her address"),
    (Topic.PERMISSION, ""): _fixed("given"),
    (Topic.HOLDOUT, Code.GHOST): _fixed("she is in the holdout: decided, never mailed"),
    (Topic.HOLDOUT, ""): _fixed("not held out"),
    (Topic.LIMIT, Code.DELAYED): _limited,
    (Topic.LIMIT, Code.DISPLACED): _limited,
    (Topic.LIMIT, Code.SKIPPED_LIMIT): _fixed("no place within the longest delay, so it was skipped"),
    (Topic.LIMIT, ""): _fixed("room for it"),
    (Topic.FRESHNESS, Code.SKIPPED_STALE): lambda seen, d: f"wanted {_at(seen, 'wanted_at', d)}, too late by now",
    (Topic.FRESHNESS, ""): _fixed("fresh"),
    (Topic.HAND_OVER, Code.SENT): _fixed("handed over"),
    (Topic.HAND_OVER, Code.REFUSED): _fixed("refused by her mail server"),
    (Topic.HAND_OVER, Code.SKIPPED): lambda seen, _: f"skipped {seen.get('because', '')}".rstrip(),
    (Topic.HAND_OVER, Code.WITHDRAWN): lambda seen, _: f"taken back ({seen.get('because', '')})",
    (Topic.HAND_OVER, "on_its_way"): lambda seen, d: f"queued for {_at(seen, 'slot_at', d)}",
}
for _code in (Code.BRANCH, Code.CAME_TRUE, Code.ALREADY_TRUE, Code.LIMIT_REACHED):
    _DETAILS = {**_DETAILS, (Topic.BRANCH, _code): _branch}

# ── What comes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _again(told: Explanation, dates: Dates) -> str:
    acts = ", ".join([*(WAKES[kind] for kind in told.wakes if kind in WAKES), "pauses"]) + " or leaves"
    when = f"Looked at again {dates.english(told.looks_at)}" if told.looks_at else "Not looked at by time"
    return f"{when}, or at once when she {acts}."


_PLAIN = {"waiting": ("waits", "queued"), "resting": ("rests",), "active": ("active",)}
"""Reasons that say no more than the state."""


def _standing(told: Explanation) -> Iterator[str]:
    for campaign, state, reason in told.standing:
        more = f" ({reason.replace('_', ' ')})" if reason and reason not in _PLAIN.get(state, ()) else ""
        yield f"  {campaign:<22} {state}{more}"


def _future(told: Explanation, dates: Dates) -> Iterator[str]:
    if told.projected:
        yield "If nothing changes:"
    for mail in told.projected:
        yield f"  {dates.english(mail.at)}   {mail.mail}{f'   {mail.campaign}' if mail.campaign else ''}"


def _receipt(receipt: Receipt, dates: Dates) -> Iterator[str]:
    yield f"Stage {receipt.stage} since {dates.english(receipt.since)}   {at_line(receipt.place)}".rstrip()
    if receipt.rule:
        way, _, rung = receipt.rule.partition(":")
        then = f", score {receipt.score_then:.0f} then" if receipt.score_then is not None else ""
        yield f"  {'rose' if way == 'rise' else 'fell'} by the rule of {rung}: {receipt.condition}{then}"
    yield f"  score {receipt.score:.1f}"
    for line in receipt.lines:
        yield f"    {dates.english(line.at)}   {line.points:+d}   {line.left:.1f} left   {line.rule}"
