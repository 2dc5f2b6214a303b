"""`boxes/<key>.yaml`: a signup box.

Owns the form of this file. Must not check the mails and attributes it names.
"""

from __future__ import annotations

from app.core.boxes import (
    EMAIL_FIELD,
    Box,
    BoxArm,
    BoxExperiment,
    BoxField,
    BoxShape,
    HideRule,
    Magnet,
    OptIn,
    ShowOn,
    ShowRule,
    Storage,
    Theme,
    TrackingConsent,
    Visitors,
)
from app.core.instants import DAY
from app.core.text import NO_TEXT
from app.files.forms import Form, Record, maybe, needed, usual
from app.files.language.notes import ALLOW, keep_allowed
from app.files.nodes import Node, Scalar
from app.files.reading import Kind, Reading
from app.files.scalars import (
    ATTRIBUTE,
    DURATION,
    KEY,
    MAIL,
    PAGE,
    SHARE,
    TEXT,
    WORD,
    WORD_PATTERN,
    Choice,
    Flag,
    NameOf,
    Word,
)
from app.files.shapes import Either, ListOf, Made, TableOf


class FieldKey(NameOf):
    """`email`, or an attribute."""

    def read(self, node: Node, reading: Reading) -> str:
        if isinstance(node, Scalar) and node.raw == EMAIL_FIELD:
            return EMAIL_FIELD
        return super().read(node, reading)


_FIELD_KEY = FieldKey(Kind.ATTRIBUTE, "first_name", WORD_PATTERN)
_ASK = needed("ask", _FIELD_KEY, "`email`, or an attribute declared in site.yaml.")
_AFTER = usual("after", Flag(), False, "true: asked once the address is in.", "false")
_REQUIRED = usual("required", Flag(), False, "true: the box cannot be sent without it.", "false")
_FIELD_LABEL = usual("label", TEXT, NO_TEXT, "Shown here in place of the attribute's own label.")
_FIELD_FORM = Form(
    "box field",
    (_ASK, _AFTER, _REQUIRED, _FIELD_LABEL),
    lambda r: BoxField(r[_ASK], r[_REQUIRED] or r[_ASK] == EMAIL_FIELD, r[_AFTER], r[_FIELD_LABEL]),
    "A question of a box, with more to say than its name.",
)
_FIELD = Either(
    Made(_FIELD_KEY, lambda key: BoxField(key, is_required=key == EMAIL_FIELD)),
    _FIELD_FORM,
    label="a field, or {ask: field, after: true}",
)

_FILE = needed("file", Word("a file name", "ebook.pdf", r"^[^\s/\\.][^/\\\s]*$", str), "A file in the data folder.")
_VALID = usual("valid_for", DURATION, 7 * DAY, "How long the personal link works.", "7d")
_MAGNET = Form("magnet", (_FILE, _VALID), lambda r: Magnet(r[_FILE], r[_VALID]), "What the reader gets.")

_SHOW_AFTER = maybe("after", DURATION, "After so long on the page.")
_SCROLLED = maybe("scrolled", SHARE, "After so much of the page was scrolled past.")
_SHOW_ON = maybe("on", Choice(ShowOn), "exit_intent: the visitor turns to leave; click: an element opens the box.")
_PAGES = usual("pages", ListOf(PAGE, least=1), (), "Only on these pages; `*` at the end only.")
_VISITORS = usual("visitors", Choice(Visitors), Visitors.ALL, "Who sees it.", "all")


def _show(record: Record) -> ShowRule:
    if not record.values:
        raise record.reading.refused("empty-table", record.node.span, "this rule says nothing", "Write: {after: 20s}")
    return ShowRule(record[_SHOW_AFTER], record[_SCROLLED], record[_SHOW_ON], record[_PAGES], record[_VISITORS])


_SHOW = Form("show rule", (_SHOW_AFTER, _SCROLLED, _SHOW_ON, _PAGES, _VISITORS), _show, "All inside must hold.")
_AFTER_CLOSE = usual("after_close", DURATION, 30 * DAY, "Not shown again so long after it was closed.", "30d")
_AFTER_SIGNUP = usual("after_signup", DURATION, 365 * DAY, "Not shown again so long after a signup.", "365d")
_HIDE = Form("hide rule", (_AFTER_CLOSE, _AFTER_SIGNUP), lambda r: HideRule(r[_AFTER_CLOSE], r[_AFTER_SIGNUP]))

_COLOUR = Word("a colour", '"#0a7d5a"', r"^#[0-9a-fA-F]{6}$", str)
_ACCENT = usual("accent", _COLOUR, "", "The colour of the button.")
_BACKGROUND = usual("background", _COLOUR, "", "The colour behind the text.")
_INK = usual("text", _COLOUR, "", "The colour of the text.")
_RADIUS = usual("radius", Word("a radius", "8px", r"^([0-9]|[1-3][0-9]|40)px$", str), "", "How round the corners are.")
_FONT = usual("font", Word("a font", "site", r"^(site|system|serif)$", str), "", "site takes the page's own font.")
_IMAGE = usual(
    "image", Word("a picture", "book.png", r"^[^\s/\\.][^/\\\s]*$", str), "", "A picture in the data folder."
)
_THEME = Form(
    "theme",
    (_ACCENT, _BACKGROUND, _INK, _RADIUS, _FONT, _IMAGE),
    lambda r: Theme(r[_ACCENT], r[_BACKGROUND], r[_INK], r[_RADIUS], r[_FONT], r[_IMAGE]),
    "How the box looks.",
)

_TITLE = needed("title", TEXT, "The headline: what the reader gets.")
_BODY = usual("body", TEXT, NO_TEXT, "The text under the headline; a line break is a new line.")
_BUTTON = usual("button", TEXT, NO_TEXT, "The words on the button.")
_THANKS = usual("thanks", TEXT, NO_TEXT, "Shown when the form is sent.")

_ARM_SHARE = needed("share", SHARE, "Share of page views.")
_ARM_TITLE = usual("title", TEXT, NO_TEXT, "The headline in this arm.")
_ARM_THEME = maybe("theme", _THEME, "How this arm looks.")
_ARM = Form(
    "box arm",
    (_ARM_SHARE, _ARM_TITLE, _BODY, _BUTTON, _ARM_THEME),
    lambda r: BoxArm("", r[_ARM_SHARE], r[_ARM_TITLE], r[_BODY], r[_BUTTON], r[_ARM_THEME]),
    "One face of a box under test.",
)
_EXPERIMENT_ID = needed("id", KEY, "A new test needs a new id.")
_CONTROL = usual("control", SHARE, 0.0, "Share of page views without any box.", "0%")
_ARMS = needed("arms", TableOf(WORD, _ARM, least=1), "The faces, and their shares.")


def _experiment(record: Record) -> BoxExperiment:
    arms = tuple(BoxArm(key, a.share, a.title, a.body, a.button, a.theme) for key, a in record[_ARMS])
    total = record[_CONTROL] + sum(arm.share for arm in arms)
    if abs(total - 1) > 1e-9 and record.is_whole(_ARMS):
        message = f"the shares with `control` make {total * 100:g}%, not 100%"
        record.report(_ARMS, "shares", message, "Write shares that make 100% with `control`")
    return BoxExperiment(record[_EXPERIMENT_ID], record[_CONTROL], arms)


_EXPERIMENT = Form(
    "box experiment", (_EXPERIMENT_ID, _CONTROL, _ARMS), _experiment, "A test, judged on confirmed people."
)

_KEY = needed("box", KEY, "The box's key: the name of this file.")
_SHAPE = usual("shape", Choice(BoxShape), BoxShape.INLINE, "How the box sits on the page.", "inline")
_FIELDS = usual(
    "fields", ListOf(_FIELD, least=1), (BoxField(EMAIL_FIELD, is_required=True),), "What is asked, in order.", "[email]"
)
_CONSENT = needed("consent", TEXT, "The exact words people agree to; kept with each signup.")
_TRACKING = usual(
    "tracking_consent", Choice(TrackingConsent), TrackingConsent.NONE, "Whether agreement to tracking is asked.", "none"
)
_OPT_IN = usual("opt_in", Choice(OptIn), OptIn.DOUBLE, "double: a mail asks for confirmation first.", "double")
_CONFIRM = usual("confirm_mail", MAIL, "system/confirm", "The mail that asks for confirmation.", "system/confirm")
_REMINDERS = usual("reminders", ListOf(DURATION), (), "When the confirmation is asked for again; at most two.")
_DELIVER = maybe("deliver", MAIL, "The mail that keeps the promise: sent on confirmation, whatever else holds.")
_MAGNET_FIELD = maybe("magnet", _MAGNET, "The file the reader gets by a personal link.")
_WAITS_FOR = usual(
    "waits_for", ATTRIBUTE, "", "The field that names a product: who confirms is told when it is back in stock."
)
_SHOW_RULES = usual("show", ListOf(_SHOW, least=1), (), "When the box appears: any rule is enough.")
_HIDE_FIELD = usual(
    "hide", _HIDE, HideRule(), "When it does not appear again.", "{after_close: 30d, after_signup: 365d}"
)
_ORIGIN = Word("an origin", "https://example.com", r"^https?://[^\s/?#]+$", str)
_ORIGINS = usual("origins", ListOf(_ORIGIN), (), "The sites that may show it: scheme and host, no path.")
_STEPS = usual("steps", ListOf(ListOf(_FIELD_KEY, least=1), least=1), (), "The fields of each page of the form.")
_THEME_FIELD = usual("theme", _THEME, Theme(), "How the box looks.")
_STORAGE = usual("storage", Choice(Storage), Storage.NONE, "What the browser may remember, after a touch only.", "none")
_EXPERIMENT_FIELD = maybe("experiment", _EXPERIMENT, "A test of two faces.")
_FIELDS_OF_FILE = (
    _KEY,
    _SHAPE,
    _TITLE,
    _BODY,
    _BUTTON,
    _THANKS,
    _FIELDS,
    _CONSENT,
    _TRACKING,
    _OPT_IN,
    _CONFIRM,
    _REMINDERS,
    _DELIVER,
    _MAGNET_FIELD,
    _WAITS_FOR,
    _SHOW_RULES,
    _HIDE_FIELD,
    _ORIGINS,
    _STEPS,
    _THEME_FIELD,
    _STORAGE,
    _EXPERIMENT_FIELD,
    ALLOW,
)


def _box(record: Record) -> Box:
    keep_allowed(record, is_file=True)
    _check_fields(record)
    if not record.has(_CONFIRM) and record[_OPT_IN] is OptIn.DOUBLE:
        record.reading.refer(Kind.MAIL, record[_CONFIRM], record.span_of(_KEY))
    if len(record[_REMINDERS]) > 2:
        record.report(_REMINDERS, "too-many", "a confirmation is asked for at most three times", "Write: [24h, 72h]")
    return Box(
        key=record[_KEY],
        title=record[_TITLE],
        consent=record[_CONSENT],
        deliver=record[_DELIVER] or "",
        confirm_mail=record[_CONFIRM],
        shape=record[_SHAPE],
        body=record[_BODY],
        button=record[_BUTTON],
        thanks=record[_THANKS],
        fields=record[_FIELDS],
        tracking_consent=record[_TRACKING],
        opt_in=record[_OPT_IN],
        reminders=record[_REMINDERS],
        magnet=record[_MAGNET_FIELD],
        waits_for=record[_WAITS_FOR],
        show=record[_SHOW_RULES],
        hide=record[_HIDE_FIELD],
        origins=record[_ORIGINS],
        pages=record[_STEPS],
        theme=record[_THEME_FIELD],
        storage=record[_STORAGE],
        experiment=record[_EXPERIMENT_FIELD],
        place=record.place,
    )


def _check_fields(record: Record) -> None:
    keys = [field.key for field in record[_FIELDS]]
    if EMAIL_FIELD not in keys and record.has(_FIELDS) and record.is_whole(_FIELDS):
        record.report(_FIELDS, "box-without-email", "a box asks for the address", f"Write: [email, {', '.join(keys)}]")
    waits_for = record[_WAITS_FOR]
    if waits_for and waits_for not in keys and record.is_whole(_FIELDS):
        message = f"the box waits for the product in '{waits_for}' and does not ask for it"
        record.report(_WAITS_FOR, "box-waits-for", message, f"Write: fields: [{', '.join([*keys, waits_for])}]")
    paged = [key for page in record[_STEPS] for key in page]
    asked_first = [field.key for field in record[_FIELDS] if not field.is_after]
    if record.has(_STEPS) and record.is_whole(_STEPS) and sorted(paged) != sorted(asked_first):
        message = "`steps` shows other fields than `fields` asks for"
        record.report(_STEPS, "box-steps", message, f"Share these out: {', '.join(asked_first)}")


BOX_FILE = Form(
    "box file", _FIELDS_OF_FILE, _box, "A signup box: what the visitor sees, when, and what she is promised."
)
