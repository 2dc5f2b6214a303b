"""The steps of a sequence: what each may say, and what it becomes.

Owns the form of every step. Steps leave here without ids and fragments without their steps: both need the campaign.
"""

from __future__ import annotations

from app.core.calendar import format_date, parse_date
from app.core.campaign import (
    AddScore,
    AddTag,
    AnswerCase,
    Arm,
    Ask,
    CallWebhook,
    Choose,
    Dormant,
    End,
    ForCondition,
    ForDate,
    ForDay,
    ForDays,
    ForSpan,
    HandOver,
    If,
    IfPast,
    Notify,
    Option,
    RemoveTag,
    Send,
    SetAttributes,
    Split,
    Start,
    Step,
    Steps,
    Use,
    Wait,
    WaitRule,
    walk,
)
from app.core.conditions import ConditionSite
from app.core.text import Text
from app.core.windows import parse_weekday
from app.files.forms import ByKey, Field, Form, Record, maybe, needed, usual
from app.files.language.notes import ALLOW, NOTE, VALUE, keep_allowed
from app.files.nodes import Node, Span
from app.files.reading import Kind, Reading
from app.files.scalars import (
    ATTRIBUTE,
    CAMPAIGN,
    CLOCK,
    DURATION,
    EMAIL,
    FRAGMENT,
    KEY,
    MAIL,
    MAIL_PATTERN,
    OFFER,
    SHARE,
    SURVEY,
    TEAM_MAIL,
    WEBHOOK,
    WORD,
    Choice,
    ConditionIn,
    Number,
    Word,
)
from app.files.shapes import Either, Later, ListOf, Made, Shape, TableOf

STEPS: Shape[Steps] = Later(lambda: _STEPS, "a list of steps", "[{send: ebook/story}]")

_ID_SHAPE = Word("an id", "best-chapter", MAIL_PATTERN, str)
_ID = usual("id", _ID_SHAPE, "", "Keeps the step the same one when its mail or name changes.")
_COMMON: tuple[Field[object], ...] = (_ID, NOTE, ALLOW)


def _note(record: Record) -> Text:
    keep_allowed(record)
    return record[NOTE]


# ── Mails ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_SEND = needed("send", MAIL, "The mail. The step is finished when it was handed over, refused or skipped.")
_SUBJECT = usual("subject", WORD, "", "One of the mail's other subjects, by its name under `subjects:`.")
_OFFER = usual("offer", OFFER, "", "The offer whose code and deadline the mail may show.")
_FRESH = maybe("fresh_for", DURATION, "Skipped when it would leave later than this after its turn.")


def _send(r: Record) -> Step:
    return Send(r[_ID], r[_SEND], r[_SUBJECT], r[_OFFER], r[_FRESH], place=r.place, note=_note(r))


_ASK = needed("ask", MAIL, "The mail that asks.")
_SURVEY = needed("survey", SURVEY, "The survey inside the mail.")
_ASK_AT_MOST = needed("at_most", DURATION, "How long the answer is waited for.")
_ANSWER = Word("an answer: 9-10, 7, a word, or none", "9-10", r"^[^\s]+$", str)
_ANSWERS = needed("answers", TableOf(_ANSWER, STEPS, least=1), "What follows each answer; `none` is a must.")


def _ask(r: Record) -> Step:
    cases = tuple(_case(label, steps) for label, steps in r[_ANSWERS] if label != "none")
    found = dict(r[_ANSWERS])
    if "none" not in found and r.is_whole(_ANSWERS):
        r.report(_ANSWERS, "answers-none", "nobody says what happens without an answer", "Add: none: []")
    none = found.get("none", ())
    return Ask(r[_ID], r[_ASK], r[_SURVEY], r[_ASK_AT_MOST], cases, none, place=r.place, note=_note(r))


def _case(label: str, steps: Steps) -> AnswerCase:
    low, dash, high = label.partition("-")
    if low.isdigit() and (high.isdigit() or not dash):
        return AnswerCase(label, int(low), int(high or low), "", steps)
    return AnswerCase(label, None, None, label, steps)


_TO = needed("to", EMAIL, "Who is told.")
_NOTIFY_MAIL = needed("mail", TEAM_MAIL, "The mail to the team.")
_NOTIFIED = Form("notified", (_TO, _NOTIFY_MAIL), lambda r: (r[_TO], r[_NOTIFY_MAIL]))
_NOTIFY = needed("notify", _NOTIFIED, "Tells a colleague at once, without waiting for limits.")


def _notify(r: Record) -> Step:
    to, mail = r[_NOTIFY]
    return Notify(r[_ID], to, mail, place=r.place, note=_note(r))


# ── Waits ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_DAYS = needed("days", Number("a number of days", 1, 1000, "2"), "Days of the calendar from today.")
_DAYS_AT = maybe("at", CLOCK, "The time of the person's day; without it the time of day it is now.")
_DAY = needed(
    "day",
    Word(
        "a day of the week, or workday",
        "saturday",
        r"^(monday|tuesday|wednesday|thursday|friday|saturday|sunday|workday)$",
        lambda text: None if text == "workday" else int(parse_weekday(text)),
    ),
    "The next such day; workday skips weekend and quiet days.",
)
_DAY_AT = needed("at", CLOCK, "The time of the person's day.")


class DateSource(Word[ForDate]):
    """A constant date, an attribute that holds one, or `offer.ends`."""

    def __init__(self) -> None:
        super().__init__("a date, an attribute that holds one, or offer.ends", "2026-11-22", r"^[^\s]+$", self._source)

    def read(self, node: Node, reading: Reading) -> ForDate:
        source = super().read(node, reading)
        if source.attribute:
            reading.refer(Kind.ATTRIBUTE, source.attribute, node.span)
        return source

    @staticmethod
    def _source(text: str) -> ForDate:
        if text == "offer.ends":
            return ForDate(is_offer_end=True)
        return ForDate(date=format_date(parse_date(text))) if text[:1].isdigit() else ForDate(attribute=text)


_DATE = needed("date", DateSource(), "A date, an attribute that holds one, or offer.ends.")
_SHIFT = maybe("days", Number("a number of days", -366, 366, "-2"), "So many days later; negative is earlier.")
_BEFORE = maybe("before", DURATION, "So long before the moment itself.")
_DATE_AT = maybe("at", CLOCK, "The time of the person's day.")
_IF_PAST = maybe("if_past", Choice(IfPast), "What happens when that moment is over; must be said for a fixed date.")


def _for_date(r: Record) -> WaitRule:
    source = r[_DATE]
    if r[_SHIFT] is not None and r[_BEFORE] is not None:
        r.report(_BEFORE, "two-shifts", "`days` and `before` both move the moment", "Keep one of the two")
    if source.date and not r.has(_IF_PAST):
        message = "a fixed date will be over one day"
        r.report(_DATE, "if-past", message, "Add: if_past: continue, or if_past: exit")
    return ForDate(
        source.date,
        source.attribute,
        source.is_offer_end,
        r[_SHIFT] or 0,
        r[_BEFORE] or 0,
        r[_DATE_AT],
        r[_IF_PAST] or IfPast.CONTINUE,
    )


_UNTIL = needed("until", ConditionIn(ConditionSite.STEP), "Ends the wait as soon as it holds.")
_UNTIL_AT_MOST = needed("at_most", DURATION, "The longest wait; there is none without an end.")
_THEN = usual("then", STEPS, (), "What follows when it holds.")
_ELSE = usual("else", STEPS, (), "What follows when it does not.")


def _for_condition(r: Record) -> _Waited:
    return ForCondition(r[_UNTIL], r[_UNTIL_AT_MOST]), r[_THEN], r[_ELSE]


_Waited = tuple[WaitRule, Steps, Steps]
_WAIT_SHAPE: Shape[_Waited] = Either(
    Made(DURATION, lambda span: (ForSpan(span), (), ())),
    ByKey(
        "a wait",
        {
            "until": Form(
                "wait until", (_UNTIL, _UNTIL_AT_MOST, _THEN, _ELSE), _for_condition, "Until something happens."
            ),
            "date": Form(
                "wait for a date",
                (_DATE, _SHIFT, _BEFORE, _DATE_AT, _IF_PAST),
                lambda r: (_for_date(r), (), ()),
                "Until a date of one's own, a fixed one, or the end of the offer.",
            ),
            "day": Form(
                "wait for a day", (_DAY, _DAY_AT), lambda r: (ForDay(r[_DAY], r[_DAY_AT]), (), ()), "Until a weekday."
            ),
            "days": Form(
                "wait days",
                (_DAYS, _DAYS_AT),
                lambda r: (ForDays(r[_DAYS], r[_DAYS_AT]), (), ()),
                "Days of the calendar.",
            ),
        },
    ),
    label='a duration such as 2d, or {days: 2, at: "09:30"}, {day: …}, {date: …}, {until: …}',
)
_WAIT = needed("wait", _WAIT_SHAPE, 'Lets time pass: 2d, {days: 2, at: "09:30"}, {day: …}, {date: …} or {until: …}.')


def _wait(r: Record) -> Step:
    rule, then, otherwise = r[_WAIT]
    return Wait(r[_ID], rule, then, otherwise, place=r.place, note=_note(r))


# ── Choices ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_IF = needed("if", ConditionIn(ConditionSite.STEP), "Decided once, when the step is reached.")
_IF_THEN = needed("then", STEPS, "What follows when it is true.")
_IF_ELSE = usual("else", STEPS, (), "What follows when it is false or unknown.")
_WHEN = needed("when", ConditionIn(ConditionSite.STEP), "The first one that is true is taken.")
_WHEN_THEN = needed("then", STEPS, "What follows.")
_OTHERWISE = needed("else", STEPS, "When none of them is true.")
_Case = tuple[Option | None, Steps]
_CASE: Shape[_Case] = ByKey(
    "a choice",
    {
        "when": Form("option", (_WHEN, _WHEN_THEN), lambda r: (Option(r[_WHEN], r[_WHEN_THEN], r.place), ())),
        "else": Form("otherwise", (_OTHERWISE,), lambda r: (None, r[_OTHERWISE])),
    },
)
_CHOOSE = needed("choose", ListOf(_CASE, least=1), "The first option that is true is taken; `else` comes last.")


def _choose(r: Record) -> Step:
    cases = r[_CHOOSE]
    options = tuple(option for option, _ in cases if option is not None)
    if r.is_whole(_CHOOSE) and any(option is None for option, _ in cases[:-1]):
        r.report(_CHOOSE, "else-last", "what stands after `else` is never reached", "Put `else` last")
    if not options and r.is_whole(_CHOOSE):
        r.report(_CHOOSE, "choose-one", "nothing to choose from", "Add: {when: …, then: […]}")
    otherwise = next((steps for option, steps in cases if option is None), ())
    return Choose(r[_ID], options, otherwise, place=r.place, note=_note(r))


def _if(r: Record) -> Step:
    return If(r[_ID], r[_IF], r[_IF_THEN], r[_IF_ELSE], place=r.place, note=_note(r))


_SPLIT = needed("split", KEY, "The test's name; changing the shares of a running test needs a new one.")
_METRIC = needed("metric", Word("click or goal", "click", r"^(click|goal)$", str), "What decides: click or goal.")
_ARM_SHARE = needed("share", SHARE, "Share of the people.")
_ARM_THEN = needed("then", STEPS, "What they get.")
_ARM = Form(
    "arm", (_ARM_SHARE, _ARM_THEN), lambda r: Arm("", r[_ARM_SHARE], r[_ARM_THEN], r.place), "One side of a test."
)
_ARMS = needed("arms", TableOf(WORD, _ARM, least=2), "The sides, and their shares.")


def _split(r: Record) -> Step:
    arms = tuple(Arm(name, arm.share, arm.then, arm.place) for name, arm in r[_ARMS])
    total = sum(arm.share for arm in arms)
    if abs(total - 1) > 1e-9 and r.is_whole(_ARMS):
        r.report(_ARMS, "shares", f"the shares make {total * 100:g}%, not 100%", "Write shares that make 100%")
    return Split(r[_SPLIT], r[_METRIC], arms, place=r.place, note=_note(r))


# ── About the person, about others ───────────────────────────────────────────────────────────────────────────────────

_SET = needed("set", TableOf(ATTRIBUTE, VALUE, least=1), "Gives attributes a value.")
_TAG = needed("tag", WORD, "Puts a tag on the person.")
_UNTAG = needed("untag", WORD, "Takes a tag off.")
_SCORE = needed("score", Number("a number of points", -1000, 1000, "+10"), "Adds points.")
_WEBHOOK = needed("webhook", WEBHOOK, "Calls a system declared in site.yaml.")
_START = needed("start", CAMPAIGN, "Starts another campaign beside this run.")
_HAND_OVER = needed("hand_over", CAMPAIGN, "Ends this run and starts that campaign; goes on here if it refuses.")
_USE = needed("use", FRAGMENT, "The steps of a fragment.")


_FORMS: dict[str, Form[Step]] = {
    "send": Form("step send", (_SEND, _SUBJECT, _OFFER, _FRESH, *_COMMON), _send, "Sends a mail."),
    "wait": Form("step wait", (_WAIT, *_COMMON), _wait, "Lets time pass."),
    "if": Form("step if", (_IF, _IF_THEN, _IF_ELSE, *_COMMON), _if, "One question, two ways on."),
    "choose": Form("step choose", (_CHOOSE, *_COMMON), _choose, "Several questions; the first that is true decides."),
    "split": Form("step split", (_SPLIT, _METRIC, _ARMS, NOTE, ALLOW), _split, "A test by lot."),
    "ask": Form("step ask", (_ASK, _SURVEY, _ASK_AT_MOST, _ANSWERS, *_COMMON), _ask, "Asks, and waits for the answer."),
    "set": Form(
        "step set", (_SET, *_COMMON), lambda r: SetAttributes(r[_ID], r[_SET], r.place, _note(r)), "Sets attributes."
    ),
    "tag": Form("step tag", (_TAG, *_COMMON), lambda r: AddTag(r[_ID], r[_TAG], r.place, _note(r)), "Tags."),
    "untag": Form(
        "step untag", (_UNTAG, *_COMMON), lambda r: RemoveTag(r[_ID], r[_UNTAG], r.place, _note(r)), "Takes a tag off."
    ),
    "score": Form(
        "step score", (_SCORE, *_COMMON), lambda r: AddScore(r[_ID], r[_SCORE], r.place, _note(r)), "Adds points."
    ),
    "notify": Form("step notify", (_NOTIFY, *_COMMON), _notify, "Tells a colleague."),
    "webhook": Form(
        "step webhook",
        (_WEBHOOK, *_COMMON),
        lambda r: CallWebhook(r[_ID], r[_WEBHOOK], r.place, _note(r)),
        "Tells a system.",
    ),
    "start": Form(
        "step start",
        (_START, *_COMMON),
        lambda r: Start(r[_ID], r[_START], r.place, _note(r)),
        "Starts a campaign beside.",
    ),
    "hand_over": Form(
        "step hand_over",
        (_HAND_OVER, *_COMMON),
        lambda r: HandOver(r[_ID], r[_HAND_OVER], r.place, _note(r)),
        "Goes over into another campaign.",
    ),
    "use": Form(
        "step use",
        (_USE, NOTE, ALLOW),
        lambda r: Use(r[_USE], r[_USE], (), r.place, _note(r)),
        "The steps of a fragment stand here.",
    ),
}

STEP: Shape[Step] = ByKey(
    "a step",
    _FORMS,
    {"dormant": lambda place: Dormant("", place), "end": lambda place: End("", place)},
)
_STEPS: ListOf[Step] = ListOf(STEP)

FRAGMENT_KEY = needed("fragment", KEY, "The fragment's key: the name of this file.")
_FRAGMENT_STEPS = needed("steps", STEPS, "The steps; no fragment inside a fragment.")


def _fragment(record: Record) -> tuple[str, Steps]:
    keep_allowed(record, is_file=True)
    _refuse_nesting(record)
    return record[FRAGMENT_KEY], record[_FRAGMENT_STEPS]


def _refuse_nesting(record: Record) -> None:
    for step in walk(record[_FRAGMENT_STEPS]):
        if isinstance(step, Use):
            line, column = step.place.line, step.place.column
            span = Span(line, column, line, column)
            record.reading.report("nested-fragment", span, "a fragment cannot use a fragment", "Write its steps out")


FRAGMENT_FILE = Form(
    "fragment file",
    (FRAGMENT_KEY, _FRAGMENT_STEPS, ALLOW),
    _fragment,
    "Steps used by several campaigns (`- use: key`).",
)
