"""`people/<key>.yaml` and `*.test.yaml`: made-up people, and stories about them.

Owns the forms of these files. Must not run a story.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from app.core.facts import Fields, Value
from app.core.instants import Span
from app.core.scenario import (
    Answer,
    Bounce,
    Buy,
    Click,
    Complain,
    Confirm,
    Deploy,
    Expect,
    ExpectHeld,
    ExpectMail,
    ExpectRun,
    FillPool,
    Happen,
    Line,
    Moment,
    Open,
    Outage,
    Pass,
    PauseMails,
    Person,
    Range,
    Refer,
    Refund,
    Reply,
    ResumeMails,
    Scan,
    Scenario,
    SellElsewhere,
    SetAttribute,
    SignUp,
    Stock,
    Tag,
    Unsubscribe,
    Visit,
)
from app.core.text import Place
from app.core.windows import Clock
from app.files.forms import ByKey, Form, Record, maybe, needed, usual
from app.files.language.campaign import EventName
from app.files.language.notes import ALLOW, VALUE, keep_allowed
from app.files.language.site import LOCALE, ZONE
from app.files.nodes import Data, Node, Scalar
from app.files.reading import Reading
from app.files.scalars import (
    ATTRIBUTE,
    BOX,
    CAMPAIGN,
    DURATION,
    EMAIL,
    KEY,
    MAIL,
    MOMENT,
    OFFER,
    PERSON,
    PERSON_KIND,
    SENTENCE,
    STAGE,
    SURVEY,
    WORD,
    Flag,
    Number,
    Word,
)
from app.files.shapes import Definitions, Either, ListOf, Made, OneOrMany, Shape, TableOf

T = TypeVar("T")


def _fields(entries: tuple[tuple[str, Value], ...]) -> Fields:
    return MappingProxyType(dict(entries))


def _moment(moment: tuple[str, Clock]) -> Moment:
    return Moment(*moment)


_MOMENT: Shape[Moment] = Made(MOMENT, _moment)
_PAGE_SEEN = Word("a path", "/pricing", r"^/[^*\s]*$", str)
_TIMES = usual("times", Number("a number of times", 1, 100, "3"), 1, "How often.", "1")
_FIELDS = usual("fields", TableOf(WORD, VALUE), (), "Fields, by name.")

# ── People ───────────────────────────────────────────────────────────────────────────────────────────────────────────

_PERSON_KEY = needed("person", KEY, "The person's key: the name of this file.")
_ADDRESS = needed("address", EMAIL, "Her address.")
_LOCALE = usual("locale", LOCALE, "", "Her language.")
_ZONE = usual("timezone", ZONE, "", "Her time zone.")
_COUNTRY = usual("country", Word("a country's two letters", "IR", r"^[A-Z]{2}$", str), "", "Her country.")
_SOURCE = usual("source", WORD, "", "Where she came from.")
_STAGE = usual("stage", STAGE, "", "The stage she begins at.")
_KIND = usual("kind", PERSON_KIND, "", "Her kind, for previews.")
_CONFIRMED = usual("confirmed", Flag(), False, "true: she is a confirmed subscriber from the start.", "false")
_ATTRIBUTES = usual("attributes", TableOf(ATTRIBUTE, VALUE), (), "What is known of her.")
_TAGS = usual("tags", ListOf(WORD), (), "Her tags.")
_ABOUT = (_ADDRESS, _LOCALE, _ZONE, _COUNTRY, _SOURCE, _STAGE, _KIND, _CONFIRMED, _ATTRIBUTES, _TAGS)


def _person(r: Record) -> Person:
    return Person(
        key=r[_PERSON_KEY] if r.has(_PERSON_KEY) else "",
        address=r[_ADDRESS],
        locale=r[_LOCALE],
        timezone=r[_ZONE],
        country=r[_COUNTRY],
        source=r[_SOURCE],
        stage=r[_STAGE],
        kind=r[_KIND],
        is_confirmed=r[_CONFIRMED],
        attributes=_fields(r[_ATTRIBUTES]),
        tags=r[_TAGS],
        place=r.place,
    )


def _person_file(r: Record) -> Person:
    keep_allowed(r, is_file=True)
    return _person(r)


PERSON_FILE = Form(
    "person file", (_PERSON_KEY, *_ABOUT, ALLOW), _person_file, "A made-up subscriber for previews and scenarios."
)
_SUBSCRIBER = Form("made-up subscriber", _ABOUT, _person, "A subscriber for this story only.")

# ── Verbs ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_MAIL = needed("mail", MAIL, "The mail.")
_MAYBE_MAIL = usual("mail", MAIL, "", "The mail; the latest when left out.")
_LINK = usual("link", WORD, "", "The link's name; the first link when left out.")
_BOX = needed("box", BOX, "The box.")
_PATH = needed("path", _PAGE_SEEN, "The page.")
_NAME = needed("name", EventName(), "The event.")
_AMOUNT = needed("amount", Number("an amount", 0, 10**15, "1200000"), "In the currency's smallest unit.")
_MAYBE_AMOUNT = maybe("amount", Number("an amount", 0, 10**15, "1200000"), "All of the order when left out.")
_ORDER = usual("order_id", WORD, "", "The order; a new one, or the latest, when left out.")
_CODE = usual("code", OFFER, "", "At the counter she shows her code of this offer.")
_PRODUCTS = usual("products", ListOf(WORD), (), "What was bought.")
_SURVEY = needed("survey", SURVEY, "The survey.")
_WITH = needed("with", VALUE, "The answer: a number, or an option.")
_COMMENT = usual("comment", SENTENCE, "", "What she adds in words.")
_FRIEND = needed("friend", PERSON, "Who it is.")
_REFERRED_BY = usual("referred_by", PERSON, "", "Whose link brought her.")
_BY_FRIEND = usual("friend", Flag(), False, "true: the latest friend she brought does.", "false")
_WORDS = usual("text", SENTENCE, "", "What she writes.")
_HARD = usual("hard", Flag(), True, "false: only for now.", "true")


_POOL = needed("pool", KEY, "The pool.")
_FREE = needed("left", Number("a number of codes", 0, 10_000, "0"), "So many codes are left.")
_SOLD_OFFER = needed("offer", OFFER, "The offer; it has `seats`.")
_SOLD = needed("elsewhere", Number("a number of places", 0, 10**9, "300"), "In all.")
_PRODUCT = needed("product", WORD, "The product's key.")
_COUNT = maybe("left", Number("a number of pieces", 0, 10**9, "12"), "Pieces there are; not counted when left out.")
_PRICE = maybe("price", Number("an amount", 0, 10**15, "850000"), "In the currency's smallest unit.")
_PRODUCT_NAME = usual("name", SENTENCE, "", "What it is called.")
_PRODUCT_URL = usual("url", SENTENCE, "", "Its page.")


def _verb(key: str, shape: Shape[T], about: str, build: Callable[[T, Place], Line]) -> Form[Line]:
    """A line of a story: one key, whose value says the rest."""
    field = needed(key, shape, about)
    return Form(f"story {key}", (field,), lambda r: build(r[field], r.place), about)


_EVENT: Shape[tuple[str, Fields]] = Either(
    Made(EventName(), lambda name: (name, _fields(()))),
    Form("event of a story", (_NAME, _FIELDS), lambda r: (r[_NAME], _fields(r[_FIELDS]))),
    label="an event, or {name: …, fields: {…}}",
)


class TimeOrMoment(Shape["Span | Moment"]):
    """`3d`, or a local date and time."""

    label, example = "a duration, or a date and time", "3d"

    def __init__(self) -> None:
        self.moment = _MOMENT

    def accepts(self, node: Node) -> bool:
        return isinstance(node, Scalar)

    def read(self, node: Node, reading: Reading) -> Span | Moment:
        if isinstance(node, Scalar) and node.raw[:5].count("-") == 1 and node.raw[4:5] == "-":
            return self.moment.read(node, reading)
        return DURATION.read(node, reading)

    def schema(self, definitions: Definitions) -> dict[str, Data]:
        return {"anyOf": [DURATION.schema(definitions), self.moment.schema(definitions)]}


TIME = TimeOrMoment()

_VERBS: dict[str, Form[Line]] = {
    "signup": _verb(
        "signup",
        Form(
            "signup of a story",
            (_BOX, _FIELDS, _REFERRED_BY),
            lambda r: (r[_BOX], _fields(r[_FIELDS]), r[_REFERRED_BY]),
        ),
        "She fills in a box; what it asks comes from her attributes, or from `fields`.",
        lambda v, place: SignUp(*v, place=place),
    ),
    "open": _verb("open", Form("open of a story", (_MAIL,), lambda r: r[_MAIL]), "A human opens.", Open),
    "click": _verb(
        "click",
        Form("click of a story", (_MAIL, _LINK), lambda r: (r[_MAIL], r[_LINK])),
        "A human clicks, 60 s after the last line.",
        lambda v, place: Click(v[0], v[1], place),
    ),
    "scan": _verb("scan", Form("scan of a story", (_MAIL,), lambda r: r[_MAIL]), "A scanner fetches every link.", Scan),
    "visit": _verb(
        "visit",
        Form("visit of a story", (_PATH, _TIMES), lambda r: (r[_PATH], r[_TIMES])),
        "She looks at a page.",
        lambda v, place: Visit(v[0], v[1], place),
    ),
    "event": _verb("event", _EVENT, "An event comes in.", lambda v, place: Happen(v[0], v[1], place)),
    "buy": _verb(
        "buy",
        Form(
            "buy of a story",
            (_AMOUNT, _ORDER, _PRODUCTS, _FIELDS, _CODE),
            lambda r: Buy(r[_AMOUNT], r[_ORDER], r[_PRODUCTS], _fields(r[_FIELDS]), r[_CODE]),
        ),
        "She orders.",
        lambda v, place: replace(v, place=place),
    ),
    "refund": _verb(
        "refund",
        Form("refund of a story", (_MAYBE_AMOUNT, _ORDER), lambda r: (r[_MAYBE_AMOUNT], r[_ORDER])),
        "An order is taken back.",
        lambda v, place: Refund(v[0], v[1], place),
    ),
    "answer": _verb(
        "answer",
        Form("answer of a story", (_SURVEY, _WITH, _COMMENT), lambda r: (r[_SURVEY], r[_WITH], r[_COMMENT])),
        "She answers a survey.",
        lambda v, place: Answer(v[0], v[1], v[2], place),
    ),
    "refer": _verb(
        "refer",
        Form("refer of a story", (_FRIEND,), lambda r: r[_FRIEND]),
        "A friend she invited confirms.",
        Refer,
    ),
    "reply": _verb(
        "reply",
        Form("reply of a story", (_MAIL, _WORDS), lambda r: (r[_MAIL], r[_WORDS])),
        "She answers a mail.",
        lambda v, place: Reply(v[0], v[1], place),
    ),
    "pause": _verb("pause", DURATION, "She pauses her mails.", PauseMails),
    "complain": _verb(
        "complain",
        Form("complain of a story", (_MAYBE_MAIL, _BY_FRIEND), lambda r: (r[_MAYBE_MAIL], r[_BY_FRIEND])),
        "She calls it spam, or the latest friend she brought does.",
        lambda v, place: Complain(v[0], v[1], place),
    ),
    "bounce": _verb(
        "bounce",
        Form("bounce of a story", (_MAYBE_MAIL, _HARD), lambda r: (r[_MAYBE_MAIL], r[_HARD])),
        "Her server refuses a mail.",
        lambda v, place: Bounce(v[0], v[1], place),
    ),
    "pass": _verb("pass", TIME, "Time passes.", Pass),
    "set": _verb("set", TableOf(ATTRIBUTE, VALUE, least=1), "Attributes change.", SetAttribute),
    "tag": _verb("tag", WORD, "She is tagged.", Tag),
    "deploy": _verb(
        "deploy", Word("a folder", "next-version", r"^[^\s]+$", str), "The files of a folder are published.", Deploy
    ),
    "outage": _verb("outage", DURATION, "The engine is down for so long.", Outage),
    "codes": _verb(
        "codes",
        Form("codes of a story", (_POOL, _FREE), lambda r: (r[_POOL], r[_FREE])),
        "A pool has so many codes left: the others are gone, or new ones were imported.",
        lambda v, place: FillPool(v[0], v[1], place),
    ),
    "sold": _verb(
        "sold",
        Form("sold of a story", (_SOLD_OFFER, _SOLD), lambda r: (r[_SOLD_OFFER], r[_SOLD])),
        "So many places of an offer went through other channels.",
        lambda v, place: SellElsewhere(v[0], v[1], place),
    ),
    "stock": _verb(
        "stock",
        Form(
            "stock of a story",
            (_PRODUCT, _COUNT, _PRICE, _PRODUCT_NAME, _PRODUCT_URL),
            lambda r: Stock(r[_PRODUCT], r[_COUNT], r[_PRICE], r[_PRODUCT_NAME], r[_PRODUCT_URL]),
        ),
        "The shop tells how many of a product there are, and what it costs.",
        lambda v, place: replace(v, place=place),
    ),
}

# ── Expectations ─────────────────────────────────────────────────────────────────────────────────────────────────────

_EXPECT_MAIL = usual("mail", MAIL, "", "The mail that comes.")
_BY = maybe("by", TIME, "It comes within this, from the line before; the clock runs forward to it.")
_AT = maybe("at", _MOMENT, "It comes at this very minute; the clock runs forward to it.")
_SUBJECT = usual("subject", SENTENCE, "", "Its subject, whole.")
_CONTAINS = usual("contains", OneOrMany(SENTENCE), (), "Words that stand in it.")
_OFFER = usual("offer", OFFER, "", "The offer it shows.")
_EXPECT_STAGE = usual("stage", STAGE, "", "Her stage.")
_EXPECT_KIND = usual("kind", PERSON_KIND, "", "Her kind.")
_LEAST = maybe("least", Number(), "At least.")
_MOST = maybe("most", Number(), "At most.")
_SCORE_SHAPE: Shape[Range] = Either(
    Made(Number("a score"), lambda n: Range(n, n)),
    Form("score range", (_LEAST, _MOST), lambda r: Range(r[_LEAST], r[_MOST])),
    label="a score, or {least: 20, most: 30}",
)
_EXPECT_SCORE = maybe("score", _SCORE_SHAPE, "Her score.")
_CAMPAIGN = needed("campaign", CAMPAIGN, "The campaign.")
_RESULTS = (
    "goal|end|handed_over|superseded|listened|removed|while|no_sequence|unsubscribed|suppressed|erased|stopped|failed"
)
_LEFT = usual("left", Word("how a run ended", "goal", rf"^({_RESULTS})$", str), "", "How it ended.")
_STATE = usual(
    "state",
    Word("the state of a run", "waiting", r"^(active|waiting|held|paused|resting|ended)$", str),
    "",
    "Its state.",
)
_STEP = usual("step", Word("a step's id", "ebook/story", r"^\S(.*\S)?$", str), "", "The step it stands at.")
_RUN = Form(
    "run expected", (_CAMPAIGN, _LEFT, _STATE, _STEP), lambda r: ExpectRun(r[_CAMPAIGN], r[_LEFT], r[_STATE], r[_STEP])
)
_EXPECT_RUN = usual("run", OneOrMany(_RUN), (), "Where runs stand.")
_EXPECT_TAG = usual("tag", WORD, "", "A tag she has.")
_NOTIFIED = usual("notified", EMAIL, "", "A colleague who was told.")
_HELD_MAIL = usual("mail", MAIL, "", "The mail held back.")
_HELD_CAMPAIGN = usual("campaign", CAMPAIGN, "", "The campaign held back.")
_REASON = usual("reason", WORD, "", "The reason's code.")
_HELD = maybe(
    "held",
    Form(
        "held expected",
        (_HELD_MAIL, _HELD_CAMPAIGN, _REASON),
        lambda r: ExpectHeld(r[_HELD_MAIL], r[_HELD_CAMPAIGN], r[_REASON]),
    ),
    "What is held back, and why.",
)
_VERDICTS = "good|again|late|stranger|withdrawn|not_given|unknown"
_EXPECT_CODE = usual(
    "code",
    Word("a verdict", "again", rf"^({_VERDICTS})$", str),
    "",
    "What the code of the last order turned out to be.",
)
_EXPECT_OPEN = usual("open_offer", OFFER, "", "Its link and countdown, in the last mail with it, still lead to it.")
_EXPECT_ENDED = usual("ended_offer", OFFER, "", "They lead past its end.")
_MAIL_PARTS = (_SUBJECT, _CONTAINS, _OFFER)
_EXPECTED = (
    _EXPECT_MAIL,
    _BY,
    _AT,
    *_MAIL_PARTS,
    _EXPECT_STAGE,
    _EXPECT_KIND,
    _EXPECT_SCORE,
    _EXPECT_RUN,
    _EXPECT_TAG,
    _NOTIFIED,
    _HELD,
    _EXPECT_CODE,
    _EXPECT_OPEN,
    _EXPECT_ENDED,
)


def _expect_mail(r: Record) -> ExpectMail | None:
    if not r.has(_EXPECT_MAIL):
        for field in _MAIL_PARTS:
            if r.has(field) and r.node.get("mail") is None:
                r.report(field, "expect-mail", f"'{field.key}' belongs to a mail", "Add: mail: ebook/story")
        return None
    return ExpectMail(r[_EXPECT_MAIL], r[_SUBJECT], r[_CONTAINS], r[_OFFER])


def _expect(r: Record) -> Expect:
    if not r.node.entries:
        raise r.reading.refused("empty-table", r.node.span, "nothing is expected here", "Write: expect: nothing")
    if r.has(_BY) and r.has(_AT):
        r.report(_BY, "two-times", "`by` and `at` both say when", "Keep one of the two")
    return Expect(
        _expect_mail(r),
        r[_EXPECT_STAGE],
        r[_EXPECT_KIND],
        r[_EXPECT_SCORE],
        r[_EXPECT_RUN],
        r[_EXPECT_TAG],
        r[_NOTIFIED],
        r[_HELD],
        code=r[_EXPECT_CODE],
        open_offer=r[_EXPECT_OPEN],
        ended_offer=r[_EXPECT_ENDED],
        by=r[_BY],
        at=r[_AT],
        place=r.place,
    )


_EXPECT_SHAPE: Shape[Expect] = Either(
    Made(Word("nothing", "nothing", r"^nothing$", str), lambda _: Expect(is_nothing=True)),
    Form("expectation", _EXPECTED, _expect, "Everything given must hold at this moment."),
    label="{mail: …}, {stage: …} and the like, or nothing",
)
_EXPECT_FIELD = needed("expect", _EXPECT_SHAPE, "What must hold now.")


def _expect_line(r: Record) -> Line:
    found = r[_EXPECT_FIELD]
    return Expect(is_nothing=True, place=r.place) if found.is_nothing else found


_VERBS["expect"] = Form("story expect", (_EXPECT_FIELD,), _expect_line, "What must hold now.")

_BARE: dict[str, Callable[[Place], Line]] = {
    "confirm": Confirm,
    "unsubscribe": Unsubscribe,
    "pause": lambda place: PauseMails(None, place),
    "resume": ResumeMails,
    "refund": lambda place: Refund(place=place),
    "refer": lambda place: Refer(place=place),
    "complain": lambda place: Complain(place=place),
    "bounce": lambda place: Bounce(place=place),
}
_LINE: Shape[Line] = ByKey("a line of the story", _VERBS, _BARE)

# ── The scenario ─────────────────────────────────────────────────────────────────────────────────────────────────────

_TITLE = needed("scenario", SENTENCE, "What the story shows, as a sentence.")
_STARTS = needed("starts", _MOMENT, "When it begins, in the subscriber's zone.")
_ONLY = usual("only", ListOf(CAMPAIGN, least=1), (), "Only these campaigns are live; all when left out.")
_HOLDOUT = usual("holdout", Flag(), False, "true: the holdout applies.", "false")
_ARMS = usual("arms", TableOf(KEY, WORD), (), "Split → the arm taken; else the first.")
_AS = maybe("as", PERSON, "One of the people.")
_SUBSCRIBER_FIELD = maybe("subscriber", _SUBSCRIBER, "Somebody for this story only.")
_NEVER = usual("never", ListOf(MAIL, least=1), (), "Mails that must not come at all.")
_STORY = needed("story", ListOf(_LINE, least=1), "What happens, and what is expected, line by line.")


def _scenario(r: Record) -> Scenario:
    keep_allowed(r, is_file=True)
    person, key = r[_SUBSCRIBER_FIELD], r[_AS]
    keys = set(r.node.keys())
    if ("as" in keys) == ("subscriber" in keys):
        message = "a story is about one person: `as` or `subscriber`"
        r.reading.report("scenario-person", r.node.span, message, "Add: as: sara")
    return Scenario(
        key="",
        title=r[_TITLE],
        starts=r[_STARTS],
        person=person if person is not None else Person(key or "", ""),
        story=r[_STORY],
        only=r[_ONLY],
        with_holdout=r[_HOLDOUT],
        arms=r[_ARMS],
        never=r[_NEVER],
        place=r.place,
    )


SCENARIO_FILE = Form(
    "scenario",
    (_TITLE, _STARTS, _ONLY, _HOLDOUT, _ARMS, _AS, _SUBSCRIBER_FIELD, _NEVER, _STORY, ALLOW),
    _scenario,
    "A story that proves what campaigns do. A file may hold several, with a line `---` between them.",
)
