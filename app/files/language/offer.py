"""`offers/`, `surveys/` and `content/`: what is given, what is asked, what is shown in mails.

Owns the forms of these files. Must not look at codes or answers.
"""

from __future__ import annotations

from app.core.offers import (
    AmountOff,
    CodePool,
    Codes,
    Content,
    ContentKind,
    FixedEnd,
    FreeShipping,
    Gift,
    Gives,
    NumberScale,
    Offer,
    OptionScale,
    PercentOff,
    PersonalEnd,
    SharedCode,
    Survey,
    WhenEmpty,
)
from app.core.text import NO_TEXT
from app.core.windows import Clock
from app.files.forms import ByKey, Form, Record, maybe, needed, usual
from app.files.language.notes import ALLOW, keep_allowed
from app.files.scalars import CLOCK, DATE, KEY, MOMENT, SHARE, TEXT, URL, WORD, Choice, Flag, Number, Word
from app.files.shapes import Either, Made, Shape, TableOf

# ── Offers ───────────────────────────────────────────────────────────────────────────────────────────────────────────

AMOUNT = Number("an amount in the currency's smallest unit", 0, 10**15, "1200000")
_PERCENT = needed("percent", SHARE, "Taken off the price.")
_AMOUNT = needed("amount", AMOUNT, "Taken off, in the currency's smallest unit.")
_FREE = needed("free_shipping", Flag(), "Nothing to pay for the way.")
_WORDS = needed("text", TEXT, "Anything else, in words.")


def _free(record: Record) -> Gives:
    if not record[_FREE]:
        raise record.refused(_FREE, "bad-value", "this offer gives nothing", "Write: free_shipping: true")
    return FreeShipping()


_GIVES: Shape[Gives] = ByKey(
    "what an offer gives",
    {
        "percent": Form("percent off", (_PERCENT,), lambda r: PercentOff(r[_PERCENT])),
        "amount": Form("amount off", (_AMOUNT,), lambda r: AmountOff(r[_AMOUNT])),
        "free_shipping": Form("free shipping", (_FREE,), _free),
        "text": Form("gift", (_WORDS,), lambda r: Gift(r[_WORDS])),
    },
)

_CODE = Word("a code", "SPRING15", r"^[A-Za-z0-9][A-Za-z0-9_-]{2,39}$", str)
_SHARED = needed("shared", _CODE, "One code for everybody.")
_SHARED_FORM = Form("shared code", (_SHARED,), lambda r: SharedCode(r[_SHARED]))
_POOL = needed("pool", KEY, "The pool the codes were imported into.")
_LOW = usual("low_at", Number("a number of codes", 0, 10**9, "200"), 0, "Below this the owner is told.", "0")
_EMPTY: Shape[WhenEmpty | SharedCode] = Either(Choice(WhenEmpty), _SHARED_FORM)
_WHEN_EMPTY = usual(
    "when_empty", _EMPTY, WhenEmpty.HOLD, "hold the mail, skip it, or fall back on one shared code.", "hold"
)
_POOL_FORM = Form("code pool", (_POOL, _LOW, _WHEN_EMPTY), lambda r: CodePool(r[_POOL], r[_LOW], r[_WHEN_EMPTY]))
_NO_CODES: Shape[Codes] = Made(Word("none", "none", r"^none$", str), lambda _: None)
_CODES: Shape[Codes] = Either(
    ByKey("codes", {"pool": _POOL_FORM, "shared": _SHARED_FORM}), _NO_CODES, label="{pool: …}, {shared: …} or none"
)

_DAYS = needed("days", Number("a number of days", 1, 366, "5"), "Days from the first mail with the offer to its end.")
_AT = needed("at", CLOCK, "The time of the person's day.")


def _fixed(moment: tuple[str, Clock]) -> PersonalEnd | FixedEnd:
    return FixedEnd(*moment)


_ENDS: Shape[PersonalEnd | FixedEnd] = Either(
    Form(
        "personal end",
        (_DAYS, _AT),
        lambda r: PersonalEnd(r[_DAYS], r[_AT]),
        "A deadline of one's own, and a real one.",
    ),
    Made(MOMENT, _fixed),
    label='{days: 5, at: "21:00"}, or a date and time',
)

_OFFER_KEY = needed("offer", KEY, "The offer's key: the name of this file.")
_TITLE = needed("title", TEXT, "What it says on the coupon.")
_GIVES_FIELD = needed("gives", _GIVES, "What is given.")
_CODES_FIELD = usual("codes", _CODES, None, "Where the codes come from.", "none")
_ENDS_FIELD = maybe("ends", _ENDS, "When it ends; code and link enforce it.")
_SEATS = maybe("seats", Number("a number of seats", 1, 10**9, "300"), "Real stock, counted down.")
_AFTER_END = usual(
    "after_end",
    Word("a page", "/offers/ended", r"^(/|https?://)[^\s]*$", str),
    "",
    "The page a late click comes to.",
)


def _offer(record: Record) -> Offer:
    keep_allowed(record, is_file=True)
    return Offer(
        record[_OFFER_KEY],
        record[_TITLE],
        record[_GIVES_FIELD],
        record[_CODES_FIELD],
        record[_ENDS_FIELD],
        record[_SEATS],
        record[_AFTER_END],
        record.place,
    )


OFFER_FILE = Form(
    "offer file",
    (_OFFER_KEY, _TITLE, _GIVES_FIELD, _CODES_FIELD, _ENDS_FIELD, _SEATS, _AFTER_END, ALLOW),
    _offer,
    "What is given, its codes, its deadline, its stock.",
)

# ── Surveys ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _scale(text: str) -> NumberScale:
    low, _, high = text.partition("-")
    if not (low.isdigit() and high.isdigit()) or int(low) >= int(high) or int(high) - int(low) > 10:
        raise ValueError(f"'{text[:20]}' is no scale of at most eleven numbers; write: 0-10")
    return NumberScale(int(low), int(high))


_SURVEY_KEY = needed("survey", KEY, "The survey's key: the name of this file.")
_QUESTION = needed("question", TEXT, "The question, as people read it.")
_SCALE = maybe("scale", Word("a scale", "0-10", r"^[0-9]{1,2}-[0-9]{1,2}$", _scale), "Whole numbers from and to.")
_OPTIONS = maybe("options", TableOf(WORD, TEXT, least=2), "The answers to choose from, in place of a scale.")
_LOW_LABEL = usual("low_label", TEXT, NO_TEXT, "What the lowest number means.")
_HIGH_LABEL = usual("high_label", TEXT, NO_TEXT, "What the highest number means.")
_THANKS = usual("thanks", TEXT, NO_TEXT, "Shown after the answer.")


def _survey(record: Record) -> Survey:
    keep_allowed(record, is_file=True)
    scale, options = record[_SCALE], record[_OPTIONS]
    if (scale is None) == (options is None):
        if not ({"scale", "options"} & set(record.node.keys())) or (scale and options):
            record.reading.report(
                "survey-scale",
                record.node.span,
                "a survey has a `scale` or `options`, one of them",
                "Write: scale: 0-10",
            )
        scale = scale or NumberScale(0, 10)
    chosen = scale if scale is not None else OptionScale(options or ())
    texts = (record[_LOW_LABEL], record[_HIGH_LABEL], record[_THANKS])
    return Survey(record[_SURVEY_KEY], record[_QUESTION], chosen, *texts, place=record.place)


SURVEY_FILE = Form(
    "survey file",
    (_SURVEY_KEY, _QUESTION, _SCALE, _OPTIONS, _LOW_LABEL, _HIGH_LABEL, _THANKS, ALLOW),
    _survey,
    "One question, asked inside a mail.",
)

# ── Content ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_CONTENT_KEY = needed("content", KEY, "The piece's key: the name of this file.")
_KIND = needed("kind", Choice(ContentKind), "What sort of piece it is.")
_NAME = usual("name", TEXT, NO_TEXT, "The product's name.")
_HEAD = usual("title", TEXT, NO_TEXT, "The headline.")
_BODY = usual("text", TEXT, NO_TEXT, "The text.")
_QUOTE = usual("quote", TEXT, NO_TEXT, "What the customer says.")
_AUTHOR = usual("author", TEXT, NO_TEXT, "Who says it.")
_ABOUT = usual("about", TEXT, NO_TEXT, "Who that is.")
_LINK = usual("url", URL, "", "The page to it.")
_IMAGE = usual("image", URL, "", "A picture.")
_ALT = usual("alt", TEXT, NO_TEXT, "What the picture shows, for those who do not see it.")
_PRICE = maybe("price", AMOUNT, "In the currency's smallest unit.")
_OLD_PRICE = maybe("old_price", AMOUNT, "The price before, a real one.")
_DATE = usual("date", DATE, "", "When it was published.")
_NEEDS = {
    ContentKind.TESTIMONIAL: (_QUOTE, _AUTHOR),
    ContentKind.PRODUCT: (_NAME, _LINK),
    ContentKind.ARTICLE: (_HEAD, _LINK),
    ContentKind.GUARANTEE: (_HEAD, _BODY),
}


def _content(record: Record) -> Content:
    keep_allowed(record, is_file=True)
    for field in _NEEDS[record[_KIND]]:
        if not record.has(field) and record.node.get(field.key) is None:
            message = f"a {record[_KIND]} needs '{field.key}'"
            record.reading.report("missing-key", record.node.span, message, f"Add: {field.key}: {field.shape.example}")
    if record[_IMAGE] and not record[_ALT]:
        record.report(_IMAGE, "image-without-alt", "the picture has no `alt`", "Add: alt: and what it shows")
    return Content(
        key=record[_CONTENT_KEY],
        kind=record[_KIND],
        title=record[_NAME] or record[_HEAD],
        text=record[_QUOTE] or record[_BODY],
        author=record[_AUTHOR],
        about=record[_ABOUT],
        url=record[_LINK],
        image=record[_IMAGE],
        alt=record[_ALT],
        price=record[_PRICE],
        old_price=record[_OLD_PRICE],
        date=record[_DATE],
        place=record.place,
    )


CONTENT_FILE = Form(
    "content file",
    (
        _CONTENT_KEY,
        _KIND,
        _NAME,
        _HEAD,
        _QUOTE,
        _BODY,
        _AUTHOR,
        _ABOUT,
        _PRICE,
        _OLD_PRICE,
        _LINK,
        _IMAGE,
        _ALT,
        _DATE,
        ALLOW,
    ),
    _content,
    "A testimonial, product, article or guarantee for use in mails.",
)
