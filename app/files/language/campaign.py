"""`campaigns/**/<key>.yaml`: entries, sequences or a stream, and what holds for the whole campaign.

Owns the form of this file. Must not give steps their ids nor put fragments in: the reader does when all files are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType

from app.core.campaign import (
    Again,
    Article,
    ByBox,
    ByChange,
    ByEvent,
    Campaign,
    CampaignState,
    Entry,
    EntryRule,
    Once,
    Steps,
    Stream,
    Yearly,
)
from app.core.conditions import ConditionSite
from app.core.instants import Instant
from app.core.site import CampaignDefaults, OnEdit
from app.core.text import NO_TEXT
from app.core.windows import Beat, Clock, WeekBeat, at_local, parse_month_beat, zone_of
from app.files.forms import ByKey, Field, Form, Record, maybe, needed, usual
from app.files.language.notes import ALLOW, keep_allowed
from app.files.language.site import OVERDUE_FORM
from app.files.language.steps import STEPS
from app.files.nodes import Node
from app.files.reading import Kind, Reading
from app.files.scalars import (
    ATTRIBUTE,
    BOX,
    CLOCK,
    DATE,
    DURATION,
    EMAIL,
    KEY,
    MAIL,
    MOMENT,
    PRIORITY,
    SHARE,
    TEXT,
    WEEKDAY,
    WORD,
    WORD_PATTERN,
    Choice,
    ConditionIn,
    Fixed,
    Flag,
    NameOf,
    Number,
    Word,
)
from app.files.shapes import Either, ListOf, Made, OneOrMany, Shape, TableOf

BUILT_IN_EVENTS = ("order", "refund", "referral", "referral_milestone", "reply", "visit")

# ── Entries ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class EventName(NameOf):
    """A declared event, or one of the built-in ones."""

    def __init__(self) -> None:
        super().__init__(Kind.EVENT, "cart_updated", WORD_PATTERN)

    def read(self, node: Node, reading: Reading) -> str:
        known = len(reading.references)
        name = super().read(node, reading)
        if name in BUILT_IN_EVENTS:
            del reading.references[known:]
        return name


_AFTER = needed("after", DURATION, "Again so long after the last run ended or came to rest.")
_EACH = needed("each", WORD, "Once for each value of this field of the event.")
_RESTART = usual("restart", Flag(), False, "true: a new event begins the run anew while its first mail has not left.")
_AGAIN: Shape[Again] = Either(
    Made(Fixed("never"), lambda _: Again()),
    ByKey(
        "a rule for coming back",
        {
            "after": Form("again after", (_AFTER,), lambda r: Again(after=r[_AFTER])),
            "each": Form("again for each", (_EACH, _RESTART), lambda r: Again(each=r[_EACH], restart=r[_RESTART])),
        },
    ),
    label="never, {after: 90d} or {each: cart_id}",
)
_WHERE = maybe("where", ConditionIn(ConditionSite.ENTRY, "\"event('total') > 0\""), "Only who this holds for.")
_AGAIN_FIELD = usual("again", _AGAIN, Again(), "Whether somebody may enter more than once.", "never")
_FROM = maybe("from", MOMENT, "No entries before.")
_UNTIL = maybe("until", MOMENT, "No entries after; a date alone includes that day.")
_COMMON: tuple[Field[object], ...] = (_WHERE, _AGAIN_FIELD, _FROM, _UNTIL)

_BOX = needed("box", BOX, "Who completed this box and may be mailed, known subscribers too.")
_ON = needed("on", EventName(), f"An event: a declared one, or {', '.join(BUILT_IN_EVENTS)}.")
_WHEN = needed(
    "when", ConditionIn(ConditionSite.ENTRY, "\"stage == 'prospect'\""), "When this becomes true, not: is true."
)
_YEARLY = needed("yearly", ATTRIBUTE, "A day or date of the person's own, each year.")
_YEARLY_DAYS = usual("days", Number("a number of days", -366, 366, "-7"), 0, "So many days later; negative is earlier.")
_AT = needed("at", CLOCK, "The time of the person's day.")
_ONCE = needed("once", DATE, "A broadcast on this day.")
_WHO = maybe(
    "who",
    ConditionIn(ConditionSite.ENTRY, "\"stage in ['customer', 'loyal']\""),
    "Who gets it; everybody when left out.",
)


def _entry(record: Record, rule: EntryRule) -> Entry:
    again = record[_AGAIN_FIELD]
    if again.each and not isinstance(rule, ByEvent):
        record.report(_AGAIN_FIELD, "again-each", "only an event has a field to tell runs apart", "Write: {after: 90d}")
    return Entry(
        rule,
        record[_WHERE],
        again,
        instant_of(record[_FROM], record.reading, end_of_day=False),
        instant_of(record[_UNTIL], record.reading, end_of_day=True),
        place=record.place,
    )


def instant_of(moment: tuple[str, Clock] | None, reading: Reading, *, end_of_day: bool) -> Instant | None:
    """The instant of a local moment of the site. `until` with a date alone lasts through that day."""
    if moment is None:
        return None
    day, clock = date.fromisoformat(moment[0]), moment[1]
    if end_of_day and clock.since_midnight == 0:
        day += timedelta(days=1)
    return at_local(day, clock, zone_of(reading.site.timezone if reading.site else "", "UTC"))


_ENTRY: Shape[Entry] = ByKey(
    "an entry",
    {
        "box": Form("enter by box", (_BOX, *_COMMON), lambda r: _entry(r, ByBox(r[_BOX])), "By a signup box."),
        "on": Form("enter by event", (_ON, *_COMMON), lambda r: _entry(r, ByEvent(r[_ON])), "By an event."),
        "when": Form(
            "enter by change", (_WHEN, *_COMMON), lambda r: _entry(r, ByChange(r[_WHEN])), "By a change to true."
        ),
        "yearly": Form(
            "enter yearly",
            (_YEARLY, _YEARLY_DAYS, _AT, _WHERE, _FROM, _UNTIL),
            lambda r: _entry(r, Yearly(r[_YEARLY], r[_YEARLY_DAYS], r[_AT])),
            "Each year, by a day of the person's own.",
        ),
        "once": Form(
            "enter once",
            (_ONCE, _AT, _WHO),
            lambda r: _entry(r, Once(r[_ONCE], r[_AT], r[_WHO])),
            "A broadcast, on one day.",
        ),
    },
)

# ── Streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_WEEK = needed("week", WEEKDAY, "The day of the week.")
_MONTH = needed(
    "month",
    Word(
        "a day of the month",
        "first tuesday",
        r"^(first|second|third|fourth|last) (monday|tuesday|wednesday|thursday|friday|saturday|sunday)$",
        lambda text: parse_month_beat(text, Clock(0)),
    ),
    "Which weekday of the month.",
)
_BEAT: Shape[Beat] = ByKey(
    "a beat",
    {
        "week": Form("each week", (_WEEK, _AT), lambda r: WeekBeat(r[_WEEK], r[_AT])),
        "month": Form("each month", (_MONTH, _AT), lambda r: type(r[_MONTH])(r[_MONTH].nth, r[_MONTH].day, r[_AT])),
    },
)
_SEND = needed("send", MAIL, "The article.")
_ARTICLE_WHEN = maybe("when", ConditionIn(ConditionSite.STREAM, "\"clicked(topic='herbs')\""), "Only for these people.")
_ARTICLE_UNTIL = maybe("until", MOMENT, "Not after; a date alone includes that day.")
_ARTICLE_ID = usual("id", Word("an id", "herbs", r"^[a-z0-9][a-z0-9_/-]*$", str), "", "Keeps it the same when renamed.")


def _article(r: Record) -> Article:
    until = instant_of(r[_ARTICLE_UNTIL], r.reading, end_of_day=True)
    return Article(r[_ARTICLE_ID] or r[_SEND], r[_SEND], r[_ARTICLE_WHEN], until, r.place)


_ARTICLE_FORM = Form(
    "article", (_SEND, _ARTICLE_WHEN, _ARTICLE_UNTIL, _ARTICLE_ID), _article, "An article for some, or for a time."
)
_ARTICLE: Shape[Article] = Either(
    Made(MAIL, lambda mail: Article(mail, mail)), _ARTICLE_FORM, label="a mail, or {send: …, when: …}"
)

# ── The campaign ─────────────────────────────────────────────────────────────────────────────────────────────────────


class SequenceName(NameOf):
    """A stage, or `any`."""

    def __init__(self) -> None:
        super().__init__(Kind.STAGE, "prospect", WORD_PATTERN)

    def read(self, node: Node, reading: Reading) -> str:
        known = len(reading.references)
        name = super().read(node, reading)
        if name == "any":
            del reading.references[known:]
        return name


_KEY = needed("campaign", KEY, "The campaign's key: the name of this file.")
_TITLE = needed("title", TEXT, "What it is called in the dashboard.")
_OWNER = usual("owner", EMAIL, "", "Who is told when it pauses itself or runs dry.")
_STATE = needed("state", Choice(CampaignState), "draft never mails; live; paused; retired lets nobody in.")
_ENTER = needed("enter", OneOrMany(_ENTRY), "Who comes in, and when; [] is only by start, hand_over and backfill.")
_GOAL = maybe("goal", ConditionIn(ConditionSite.GOAL, '"bought()"'), "Ends the run and takes back what is queued.")
_ON_GOAL = usual("on_goal", STEPS, (), "What follows the goal.")
_WHILE = maybe("while", ConditionIn(ConditionSite.WHILE, '"confirmed"'), "The run ends when this no longer holds.")
_EXCLUSIVE = usual("exclusive", WORD, "", "One active run of this group per person; the higher priority goes first.")
_PRIORITY = usual("priority", PRIORITY, "", "One of the priorities of site.yaml; last without.")
_HOLDOUT = maybe("holdout", SHARE, "Share of entries never mailed, to measure the effect.")
_LISTEN = maybe("listen", DURATION, "How long a run that reached its end keeps listening.")
_ON_EDIT = maybe("on_edit", Choice(OnEdit), "What a new version means for runs under way.")
_OVERDUE = maybe("overdue", OVERDUE_FORM, "Mails that became late.")
_SEQUENCES = maybe("sequences", TableOf(SequenceName(), STEPS, least=1), "The steps of each stage, or of any.")
_EVERY = maybe("every", _BEAT, "When an article goes out.")
_STREAM = maybe("stream", TableOf(SequenceName(), ListOf(_ARTICLE), least=1), "The articles of each stage, in order.")
_STEP_ID = Word("a step's id", "ebook/story", r"^\S(.*\S)?$", str)
_MOVED = usual("moved", TableOf(_STEP_ID, _STEP_ID), (), "Old step id → new one, for people who stand there.")
_GONE = Word("next or exit", "next", r"^(next|exit)$", str)
_REMOVED = usual("removed", TableOf(_STEP_ID, _GONE), (), "Step id → where its people go: next or exit.")

_FIELDS: tuple[Field[object], ...] = (
    _KEY,
    _TITLE,
    _OWNER,
    _STATE,
    _ENTER,
    _GOAL,
    _ON_GOAL,
    _WHILE,
    _EXCLUSIVE,
    _PRIORITY,
    _HOLDOUT,
    _LISTEN,
    _ON_EDIT,
    _OVERDUE,
    _SEQUENCES,
    _EVERY,
    _STREAM,
    _MOVED,
    _REMOVED,
    ALLOW,
)


def _campaign(r: Record) -> Campaign:
    keep_allowed(r, is_file=True)
    site = r.reading.site
    defaults = site.defaults if site else CampaignDefaults()
    holdout, listen = r[_HOLDOUT], r[_LISTEN]
    return Campaign(
        key=r[_KEY],
        title=r[_TITLE] or NO_TEXT,
        state=r[_STATE],
        entries=r[_ENTER],
        sequences=_sequences(r),
        stream=_stream(r),
        owner=r[_OWNER],
        goal=r[_GOAL],
        on_goal=r[_ON_GOAL],
        while_=tuple(each for each in (r[_WHILE], defaults.while_) if each is not None),
        exclusive=r[_EXCLUSIVE],
        priority=r[_PRIORITY],
        rank=site.rank(r[_PRIORITY]) if site else 0,
        holdout=defaults.holdout if holdout is None else holdout,
        listen=defaults.listen if listen is None else listen,
        on_edit=r[_ON_EDIT] or defaults.on_edit,
        overdue=r[_OVERDUE] or defaults.overdue,
        moved=MappingProxyType(dict(r[_MOVED])),
        removed=MappingProxyType(dict(r[_REMOVED])),
        place=r.place,
    )


def _sequences(r: Record) -> Mapping[str, Steps]:
    sequences = r[_SEQUENCES]
    keys = set(r.node.keys())
    if "sequences" in keys and keys & {"every", "stream"}:
        r.report(_SEQUENCES, "two-bodies", "a campaign has sequences or a stream, not both", "Keep one of the two")
    if not keys & {"sequences", "stream"}:
        message = "this campaign sends nothing"
        r.reading.report("missing-key", r.node.span, message, "Add: sequences: {any: [{send: ebook/story}]}")
    return MappingProxyType({} if sequences is None else dict(sequences))


def _stream(r: Record) -> Stream | None:
    beat, articles = r[_EVERY], r[_STREAM]
    keys = set(r.node.keys())
    if ("every" in keys) != ("stream" in keys):
        lacking = "stream: {any: [articles/one]}" if "every" in keys else 'every: {week: tuesday, at: "10:00"}'
        r.reading.report("missing-key", r.node.span, "a stream has `every` and `stream`", f"Add: {lacking}")
    if beat is None or articles is None:
        return None
    return Stream(beat, MappingProxyType(dict(articles)))


CAMPAIGN_FILE = Form(
    "campaign file", _FIELDS, _campaign, "One campaign: who enters, what they get at each stage, when it ends."
)
