"""`site.yaml`: who we are, how we may reach people, the words campaigns may use, defaults.

Owns the form of this file. Must not check it against other files.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from app.core.calendar import CalendarName, parse_yearly_day
from app.core.conditions import ConditionSite
from app.core.instants import DAY, HOUR
from app.core.site import (
    Attribute,
    AttributeType,
    CampaignDefaults,
    Contact,
    EventType,
    Guards,
    OnEdit,
    Overdue,
    Sender,
    Site,
    Topic,
    Tracking,
    TrackingMode,
    Utm,
    Webhook,
)
from app.core.text import NO_TEXT
from app.core.windows import QuietDates, QuietDays, QuietRules, QuietSeason, find_zone, parse_quiet_hours
from app.files.forms import Form, Record, maybe, needed, usual
from app.files.language.notes import ALLOW, keep_allowed
from app.files.scalars import (
    DATE,
    DURATION,
    EMAIL,
    KEY,
    LIMIT,
    PAGE,
    SENTENCE,
    SHARE,
    TEXT,
    URL,
    WEEKDAY,
    WORD,
    Choice,
    ConditionIn,
    Flag,
    Number,
    Word,
)
from app.files.shapes import ListOf, TableOf

T = TypeVar("T")


def frozen(entries: tuple[tuple[str, T], ...]) -> Mapping[str, T]:
    return MappingProxyType(dict(entries))


def _zone(name: str) -> str:
    if find_zone(name) is None:
        raise ValueError(f"'{name[:60]}' is no time zone; write it like: Asia/Tehran")
    return name


LOCALE = Word("a locale", "fa", r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", str)
ZONE = Word("a time zone", "Asia/Tehran", r"^[A-Za-z][A-Za-z0-9_+/-]*$", _zone)
CURRENCY = Word("a currency's three letters", "EUR", r"^[A-Z]{3}$", str)

# ── site: ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_SENDER_NAME = needed("name", TEXT, "The name people see in their inbox: a person and the house.")
_ADDRESS = needed("address", EMAIL, "The From address.")
_REPLY_TO = maybe("reply_to", EMAIL, "Where answers go, read by a person; the From address when left out.")


def _sender(record: Record) -> Sender:
    return Sender(record[_SENDER_NAME], record[_ADDRESS], record[_REPLY_TO] or record[_ADDRESS])


_CODE = needed("code", CURRENCY, "The currency of every amount in files, API and conditions, in its smallest unit.")
_SHOW = usual("show", WORD, "", "How amounts are shown in mails, when not in `code` itself.")
_NAME = needed("name", TEXT, "The name of the house.")
_SLOGAN = usual("slogan", TEXT, NO_TEXT, "One line under the name.")
_URL = needed("url", URL, "The home page.")
_SENDER = needed("sender", Form("sender", (_SENDER_NAME, _ADDRESS, _REPLY_TO), _sender), "Who the mails come from.")
_POSTAL = needed("postal_address", TEXT, "The postal address at the foot of every marketing mail; the law asks for it.")
_LOCALES = needed("locales", ListOf(LOCALE, least=1), "The languages of the site; the first is the default.")
_TIMEZONE = needed("timezone", ZONE, "The zone of a subscriber whose own is unknown, and of dates in files.")
_WEEKEND = usual("weekend", ListOf(WEEKDAY), (5, 6), "Days that are no workdays.", "[saturday, sunday]")
_CURRENCY = usual(
    "currency",
    Form("currency", (_CODE, _SHOW), lambda r: (r[_CODE], r[_SHOW])),
    ("EUR", ""),
    "The currency.",
    "{code: EUR}",
)
_WHO = Form(
    "site",
    (_NAME, _SLOGAN, _URL, _SENDER, _POSTAL, _LOCALES, _TIMEZONE, _WEEKEND, _CURRENCY),
    lambda record: record,
    "Who we are.",
)

# ── Declared words ───────────────────────────────────────────────────────────────────────────────────────────────────

_TYPE = needed("type", Choice(AttributeType), "What the attribute holds.")
_LABEL = usual("label", TEXT, NO_TEXT, "What the box shows above the field.")
_OPTIONS = usual("options", TableOf(WORD, TEXT, least=1), (), "The answers of a choice, in order.")
_CALENDAR = usual(
    "calendar", Choice(CalendarName), CalendarName.GREGORIAN, "The calendar of a date or day.", "gregorian"
)
_MAX_LENGTH = maybe("max_length", Number("a number of characters", 1, 10_000, "80"), "The longest text.")
_MIN = maybe("min", Number(), "The smallest number.")
_MAX = maybe("max", Number(), "The greatest number.")
_RULES = (_MAX_LENGTH, _MIN, _MAX)
_CHOICES = (AttributeType.CHOICE, AttributeType.CHOICES)


def _attribute(record: Record) -> Attribute:
    if record[_TYPE] in _CHOICES and not record.has(_OPTIONS):
        record.reading.report(
            "missing-key", record.node.span, "a choice needs its options", "Add: options: {low: …, high: …}"
        )
        return Attribute("", AttributeType.TEXT, record[_LABEL])
    if record[_TYPE] not in _CHOICES and record.has(_OPTIONS):
        record.report(_OPTIONS, "options-unused", f"a {record[_TYPE]} has no options", "Write: type: choice")
    rules = tuple((field.key, str(record[field])) for field in _RULES if record.has(field))
    return Attribute("", record[_TYPE], record[_LABEL], record[_OPTIONS], record[_CALENDAR], rules)


_ATTRIBUTE = Form(
    "attribute", (_TYPE, _CALENDAR, _LABEL, _OPTIONS, *_RULES), _attribute, "Something known of a person."
)
_EVENT_KEY = usual("key", WORD, "", "The field that tells one cart, order or request from another.")
_FIELDS = usual("fields", TableOf(WORD, Choice(AttributeType)), (), "What else the event carries, and its types.")
_EVENT = Form(
    "event", (_EVENT_KEY, _FIELDS), lambda r: EventType("", r[_EVENT_KEY], r[_FIELDS]), "Something that happens."
)
_TOPIC_LABEL = usual("label", TEXT, NO_TEXT, "The topic's name.")
_PAGES = usual("pages", ListOf(PAGE, least=1), (), "Pages about the topic; `*` at the end only.")
_TOPIC = Form(
    "topic", (_TOPIC_LABEL, _PAGES), lambda r: Topic("", r[_TOPIC_LABEL], r[_PAGES]), "What people may care for."
)

# ── How we may reach people ──────────────────────────────────────────────────────────────────────────────────────────

_DELAY = needed("delay_up_to", DURATION, "A mail over a limit waits so long, then it is skipped.")
_SEASON_DAYS = maybe(
    "days", ListOf(Word("month-day", "01-01", r"^[0-9]{2}-[0-9]{2}$", str), least=1), "First and last day, each year."
)
_SEASON_DATES = maybe("dates", ListOf(DATE, least=1), "Single dates.")
_SEASON_NAME = needed("name", SENTENCE, "The holiday's name.")


def _quiet_day(record: Record) -> QuietDays:
    days, dates, name = record[_SEASON_DAYS], record[_SEASON_DATES], record[_SEASON_NAME]
    if (days is None) == (dates is None):
        raise record.reading.refused(
            "quiet-day",
            record.node.span,
            "a quiet day needs `days` or `dates`, not both",
            "Write: days: [01-01, 01-04]",
        )
    if dates is not None:
        from datetime import date

        return QuietDates(name, tuple(date.fromisoformat(day) for day in dates))
    assert days is not None
    try:
        first, last = (parse_yearly_day(day, record[_CALENDAR]) for day in (days[0], days[-1]))
        return QuietSeason(name, first, last)
    except ValueError as error:
        raise record.refused(_SEASON_DAYS, "bad-value", str(error), "Write a day that exists: 01-01") from None


_QUIET_DAY = Form("quiet day", (_SEASON_NAME, _SEASON_DAYS, _SEASON_DATES, _CALENDAR), _quiet_day)
_LIMITS = usual("limits", ListOf(LIMIT), (), "Marketing mail to one person, all campaigns together.")
_OVER = maybe("over_limit", Form("over limit", (_DELAY,), lambda r: r[_DELAY]), "What becomes of a mail over a limit.")
_HOURS = maybe(
    "quiet_hours",
    Word("hours of the day", '"21:00-08:00"', r"^[0-9]{2}:[0-9]{2} ?- ?[0-9]{2}:[0-9]{2}$", parse_quiet_hours),
    "No marketing mail in these hours of the person's day.",
)
_QUIET_WEEKEND = usual("quiet_weekend", Flag(), False, "true: no marketing mail on weekend days.", "false")
_QUIET_DAYS = usual("quiet_days", ListOf(_QUIET_DAY), (), "Holidays without marketing mail.")
_CONTACT_FIELDS = (_LIMITS, _OVER, _HOURS, _QUIET_WEEKEND, _QUIET_DAYS)
_CONTACT_FORM = Form("contact", _CONTACT_FIELDS, lambda record: record, "How often and when we may write.")


def _contact(record: Record | None, weekend: tuple[int, ...]) -> Contact:
    if record is None:
        return Contact()
    quiet_weekend = weekend if record[_QUIET_WEEKEND] else ()
    quiet = QuietRules(record[_HOURS], record[_QUIET_DAYS], quiet_weekend)
    delay = record[_OVER]
    return Contact(record[_LIMITS], Contact().delay_up_to if delay is None else delay, quiet, record.place_of(_OVER))


_OPENS = usual("opens", Choice(TrackingMode), TrackingMode.INDIVIDUAL, "What is kept of opens.", "individual")
_CLICKS = usual("clicks", Choice(TrackingMode), TrackingMode.INDIVIDUAL, "What is kept of clicks.", "individual")
_NEEDS_CONSENT = usual("needs_consent", Flag(), False, "true: only of people who agreed to it.", "false")
_TRACKING_FORM = Form(
    "tracking", (_OPENS, _CLICKS, _NEEDS_CONSENT), lambda r: Tracking(r[_OPENS], r[_CLICKS], r[_NEEDS_CONSENT])
)
_GUARDS_DEFAULT = Guards()
_COMPLAINTS = usual("complaints", SHARE, _GUARDS_DEFAULT.complaints, "Share of complaints.", "0.1%")
_BOUNCES = usual("hard_bounces", SHARE, _GUARDS_DEFAULT.hard_bounces, "Share of hard bounces.", "3%")
_LEFT = usual("unsubscribes", SHARE, _GUARDS_DEFAULT.unsubscribes, "Share of people who leave.", "2%")
_PAUSE_AT = maybe(
    "pause_at", Form("pause at", (_COMPLAINTS, _BOUNCES, _LEFT), lambda record: record), "Sending pauses above these."
)
_CONFIRM_ABOVE = maybe("confirm_above", LIMIT, "Publishing asks back when it would send more than this.")


def _guards(record: Record) -> Guards:
    limit, pause = record[_CONFIRM_ABOVE], record[_PAUSE_AT]
    if limit is not None and limit.window != HOUR:
        raise record.refused(_CONFIRM_ABOVE, "bad-value", "this is counted per hour", f"Write: {limit.count} per hour")
    confirm = _GUARDS_DEFAULT.confirm_above if limit is None else limit.count
    if pause is None:
        return Guards(confirm)
    return Guards(confirm, pause[_COMPLAINTS], pause[_BOUNCES], pause[_LEFT])


_GUARDS_FORM = Form("guards", (_CONFIRM_ABOVE, _PAUSE_AT), _guards, "Brakes against a mistake.")

# ── Defaults of campaigns, webhooks ──────────────────────────────────────────────────────────────────────────────────

STAGGER = usual("stagger", DURATION, DAY, "What fell due during an outage is spread over this.", "24h")
SKIP_OLDER = usual("skip_older_than", DURATION, 7 * DAY, "A mail later than this is skipped.", "7d")
OVERDUE_FORM = Form("overdue", (STAGGER, SKIP_OLDER), lambda r: Overdue(r[STAGGER], r[SKIP_OLDER]))
_DEFAULTS = CampaignDefaults()
_WHILE = maybe(
    "while",
    ConditionIn(ConditionSite.WHILE, "\"not tagged('no-nurture')\""),
    "Added to each campaign's own `while`: a run lasts only while both hold.",
)
_HOLDOUT = usual("holdout", SHARE, 0.0, "Share of entries that are never mailed, to measure the effect.", "0%")
_LISTEN = usual("listen", DURATION, _DEFAULTS.listen, "How long a run that reached its end keeps listening.", "365d")
_ON_EDIT = usual("on_edit", Choice(OnEdit), OnEdit.MIGRATE, "What a new version means for runs under way.", "migrate")
_OVERDUE = usual("overdue", OVERDUE_FORM, Overdue(), "Mails that became late.", "{stagger: 24h, skip_older_than: 7d}")
_DEFAULTS_FORM = Form(
    "campaign defaults",
    (_WHILE, _HOLDOUT, _LISTEN, _ON_EDIT, _OVERDUE),
    lambda r: CampaignDefaults(r[_WHILE], r[_HOLDOUT], r[_LISTEN], r[_ON_EDIT], r[_OVERDUE]),
    "What holds for every campaign that does not say otherwise.",
)
_HOOK_URL = needed("url", URL, "Where the call goes.")
_SECRET = needed(
    "secret",
    Word("the name of an environment variable", "CRM_SECRET", r"^[A-Z][A-Z0-9_]*$", str),
    "The environment variable that holds the signing secret; never the secret itself.",
)
_WEBHOOK = Form("webhook", (_HOOK_URL, _SECRET), lambda r: Webhook("", r[_HOOK_URL], r[_SECRET]))

# ── Links of mails ───────────────────────────────────────────────────────────────────────────────────────────────────


def _utm_value(text: str) -> str:
    if set("{}") & set(text.replace("{mail}", "").replace("{link}", "")):
        raise ValueError(f"'{text[:60]}' has braces around something else than `mail` or `link`")
    return text


_UTM_VALUE = Word("a value with {mail} or {link}", "newsletter", r"^[^\s&=#?%]{1,100}$", _utm_value)
_UTM_SOURCE = needed("source", _UTM_VALUE, "utm_source: what your statistics call these mails.")
_UTM_MEDIUM = usual("medium", _UTM_VALUE, "email", "utm_medium.", "email")
_UTM_CAMPAIGN = usual("campaign", _UTM_VALUE, "{mail}", "utm_campaign.", '"{mail}"')
_UTM_CONTENT = usual("content", _UTM_VALUE, "{link}", "utm_content; left out for a link without a name.", '"{link}"')
_UTM_HOST = Word("a host", "example.com", r"^[a-z0-9-]+(\.[a-z0-9-]+)*$", str)
_UTM_HOSTS = usual(
    "hosts", ListOf(_UTM_HOST, least=1), (), "Where such links lead; the site's own host and those below."
)
_UTM_FIELDS = (_UTM_SOURCE, _UTM_MEDIUM, _UTM_CAMPAIGN, _UTM_CONTENT)


def _utm(record: Record) -> Utm:
    return Utm(tuple((f"utm_{each.key}", record[each]) for each in _UTM_FIELDS), record[_UTM_HOSTS])


_UTM_FORM = Form("utm", (*_UTM_FIELDS, _UTM_HOSTS), _utm, "Parameters that tell your statistics where a visit began.")

# ── The file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _unknown_attribute(key: str) -> Attribute:
    return Attribute(key, AttributeType.TEXT)


SITE = needed("site", _WHO, "Who we are.")
ATTRIBUTES = usual(
    "attributes",
    TableOf(WORD, _ATTRIBUTE, fallback=_unknown_attribute),
    (),
    "What may be known of a person, declared once.",
)
EVENTS = usual("events", TableOf(WORD, _EVENT, fallback=EventType), (), "What may happen, declared once.")
TOPICS = usual(
    "topics", TableOf(WORD, _TOPIC, fallback=lambda key: Topic(key, NO_TEXT, ())), (), "What links and pages are about."
)
CONTACT = maybe("contact", _CONTACT_FORM, "How often and when we may write.")
TRACKING = usual("tracking", _TRACKING_FORM, Tracking(), "What is kept of opens and clicks.")
GUARDS = usual("guards", _GUARDS_FORM, Guards(), "Brakes against a mistake.")
PRIORITIES = usual("priorities", ListOf(WORD), (), "Who wins, highest first; a campaign without one comes last.")
DEFAULTS = usual("campaigns", _DEFAULTS_FORM, CampaignDefaults(), "Defaults of every campaign.")
WEBHOOKS = usual(
    "webhooks", TableOf(KEY, _WEBHOOK, fallback=lambda key: Webhook(key, "", "")), (), "Systems that may be called."
)
UTM = maybe("utm", _UTM_FORM, "Parameters added to links of mails; a link that has one keeps its own.")


def _site(record: Record) -> Site:
    keep_allowed(record, is_file=True)
    who = record[SITE]
    currency, shown = who[_CURRENCY]
    return Site(
        name=who[_NAME],
        slogan=who[_SLOGAN],
        url=who[_URL],
        sender=who[_SENDER],
        postal_address=who[_POSTAL],
        locales=who[_LOCALES],
        timezone=who[_TIMEZONE],
        weekend=who[_WEEKEND],
        currency=currency,
        currency_shown=shown,
        attributes=_keyed_attributes(record),
        events=frozen(tuple((k, EventType(k, e.run_key, e.fields)) for k, e in record[EVENTS])),
        topics=frozen(tuple((k, Topic(k, t.label, t.pages)) for k, t in record[TOPICS])),
        contact=_contact(record[CONTACT], who[_WEEKEND]),
        tracking=record[TRACKING],
        guards=record[GUARDS],
        priorities=record[PRIORITIES],
        defaults=record[DEFAULTS],
        webhooks=frozen(tuple((k, Webhook(k, w.url, w.secret_name)) for k, w in record[WEBHOOKS])),
        utm=record[UTM],
    )


def _keyed_attributes(record: Record) -> Mapping[str, Attribute]:
    return frozen(
        tuple((k, Attribute(k, a.type, a.label, a.options, a.calendar, a.rules)) for k, a in record[ATTRIBUTES])
    )


SITE_FILE = Form(
    "site file",
    (SITE, ATTRIBUTES, EVENTS, TOPICS, CONTACT, TRACKING, GUARDS, PRIORITIES, DEFAULTS, WEBHOOKS, UTM, ALLOW),
    _site,
    "Who we are, how we may reach people, the words campaigns may use, defaults. Exactly one per site.",
)
