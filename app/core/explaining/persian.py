"""Explanations in Persian: one sentence a line, each beginning with a Persian word, no columns, keys set apart.

Owns Persian wording. Must not decide which check stands where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from app.core.conditions import Condition, parse, sentence
from app.core.conditions.sentence import Said
from app.core.explaining.dates import Dates
from app.core.explaining.value import Check, Explanation, Mark, Receipt, Topic, Verdict
from app.core.figures import figures, isolated
from app.core.person import Code
from app.core.saying.pauses import because_said
from app.core.text import Place

_MARKS = {Mark.OK: "درست", Mark.NO: "نه", Mark.UNREACHED: "نوبتش نرسیده"}
_TOPICS = {
    Topic.ENTERED: "ورود",
    Topic.GOAL: "هدف",
    Topic.WHILE: "شرط ماندن",
    Topic.STAGE: "مرحله",
    Topic.BRANCH: "شاخه",
    Topic.PAUSE: "وقفه",
    Topic.PLACE: "گام",
    Topic.PERMISSION: "اجازه",
    Topic.HOLDOUT: "گروه گواه",
    Topic.LIMIT: "سقف تماس",
    Topic.FRESHNESS: "تازگی",
    Topic.HAND_OVER: "تحویل",
}
WAKES = {
    "ordered": "سفارش دهد",
    "clicked": "کلیک کند",
    "opened": "ایمیلی را باز کند",
    "replied": "پاسخ دهد",
    "visited": "به سایت بیاید",
    "event": "کاری را که کارزار می‌پرسد انجام دهد",
    "answered": "به پرسش پاسخ دهد",
    "confirmed": "نشانی‌اش را تأیید کند",
}


def lines(told: Explanation, dates: Dates) -> list[str]:
    """The explanation, line by line."""
    found = [_headline(told, dates)]
    stopper = told.stopper
    found += [f"چرا: {detail(stopper, dates)}."] if stopper else []
    found += [_check(check, dates) for check in told.checks]
    found += [_again(told, dates)] if told.checks else []
    found += [f"کارزار {isolated(c)}: {_STATES.get(state, isolated(state))}" for c, state, _ in told.standing]
    found += list(_future(told, dates))
    if told.receipt:
        found += list(_receipt(told.receipt, dates))
    return found


_STATES = {
    "active": "در جریان",
    "waiting": "در انتظار",
    "held": "نگه داشته",
    "paused": "متوقف",
    "resting": "در پایان، گوش به زنگ",
}


def _headline(told: Explanation, dates: Dates) -> str:
    who = f"مشترک {isolated(told.who.name or told.who.address)}"
    subject, at = isolated(told.subject), dates.persian(told.at)
    match told.verdict:
        case Verdict.GOT:
            return f"{who} ایمیل {subject} را گرفته است: {at}."
        case Verdict.COMES:
            return f"{who} ایمیل {subject} را هنوز نگرفته است؛ اگر چیزی عوض نشود {at} می‌رود."
        case Verdict.OPEN:
            return f"{who} ایمیل {subject} را نگرفته است و تنها با گذشت زمان هم نمی‌گیرد."
        case Verdict.NEVER:
            return f"{who} در این دور ایمیل {subject} را نمی‌گیرد."
        case Verdict.STANDS:
            return f"{who} در {subject} است." if told.subject else f"{who}: {_standing(told)}"
        case Verdict.OVER:
            return f"{who} از {subject} بیرون آمده است: {at}."
        case Verdict.OUTSIDE:
            return f"{who} هرگز وارد {isolated(told.campaign or told.subject)} نشده است."


def _standing(told: Explanation) -> str:
    number = len(told.standing)
    return f"{figures(number)} کارزار برایش در جریان است." if number else "در هیچ کارزاری نیست."


# ── The checks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _check(check: Check, dates: Dates) -> str:
    topic = _TOPICS[check.topic]
    if check.mark is Mark.UNREACHED:
        return f"{topic}: {_MARKS[check.mark]}"
    when = f"، {dates.persian(check.at)}" if check.at is not None else ""
    place = at_line(check.place)
    return f"{topic}: {_MARKS[check.mark]}{when}؛ {detail(check, dates)}{f'، در {place}' if place else ''}"


def at_line(place: Place) -> str:
    return isolated(f"{place.file.rpartition('/')[2]}:{place.line}") if place.line else ""


def detail(check: Check, dates: Dates) -> str:
    """What a check saw, in a few words."""
    told = _DETAILS.get((check.topic, check.code)) or _DETAILS.get((check.topic, ""))
    return told(check.seen, dates) if told else isolated(check.code)


_Seen = Mapping[str, str | int | float | bool | None]
_Words = Callable[[_Seen, Dates], str]


def _fixed(text: str) -> _Words:
    return lambda _seen, _dates: text


def _key(seen: _Seen, name: str) -> str:
    return isolated(seen.get(name) or "–")


def _at(seen: _Seen, name: str, dates: Dates) -> str:
    value = seen.get(name)
    return dates.persian(value) if isinstance(value, int) else "–"


def _said(seen: _Seen, dates: Dates) -> str:
    source = str(seen.get("condition", ""))
    found = parse(source)
    return f"«{sentence(found, 'fa', dates.labels)}»" if isinstance(found, Condition) else isolated(source)


def _limited(seen: _Seen, dates: Dates) -> str:
    because = because_said(str(seen.get("because") or "")) or "سقف‌های تماس"
    taken = (
        f"، جایش را {_key(seen, 'taken_by')} گرفته است ({_at(seen, 'taken_at', dates)})" if "taken_by" in seen else ""
    )
    until = f"؛ نوبتش {_at(seen, 'slot_at', dates)} است" if seen.get("slot_at") else ""
    return f"{because}{taken}{until}"


def _branch(seen: _Seen, dates: Dates) -> str:
    about = _said(seen, dates) if seen.get("condition") else _key(seen, "step")
    if seen.get("branch") == seen.get("wanted"):
        return f"{about}: شاخهٔ {_key(seen, 'branch')}"
    return f"{about}: به شاخهٔ {_key(seen, 'branch')} رفت، ایمیل زیر {_key(seen, 'wanted')} است"


def _way_in(seen: _Seen) -> str:
    return str(seen.get("by_fa") or seen.get("by") or "تنها با گامی از کارزاری دیگر")


_DETAILS: Mapping[tuple[Topic, str], _Words] = {
    (Topic.ENTERED, Code.ENTERED): lambda seen, _: (
        f"از راه {_way_in(seen)}" if seen.get("by") else "با گامی از کارزاری دیگر"
    ),
    (Topic.ENTERED, "nothing_entered"): lambda seen, _: (
        f"چیزی که به این کارزار وارد کند رخ نداده است ({_way_in(seen)})"
    ),
    (Topic.ENTERED, Code.ENTRY_AGAIN): _fixed("پیش‌تر اینجا بوده و هنوز اجازهٔ ورود دوباره ندارد"),
    (Topic.ENTERED, Code.ENTRY_WHERE): _fixed("شرط خود ورود برقرار نبود"),
    (Topic.ENTERED, Code.ENTRY_GOAL): _fixed("پیش از ورود به هدف رسیده بود"),
    (Topic.ENTERED, Code.ENTRY_NO_SEQUENCE): _fixed("کارزار برای مرحلهٔ او چیزی ندارد"),
    (Topic.ENTERED, Code.ENTRY_CLOSED): _fixed("کارزار در آن زمان کسی را نمی‌پذیرفت"),
    (Topic.ENTERED, Code.ENTRY_NOT_ALLOWED): _fixed("اجازهٔ فرستادن ایمیل به او نبود"),
    (Topic.GOAL, Code.GOAL): lambda seen, d: f"به هدف رسید: {_said(seen, d)}",
    (Topic.GOAL, ""): lambda seen, d: f"هنوز نرسیده است: {_said(seen, d)}",
    (Topic.WHILE, Code.WHILE): lambda seen, d: f"دیگر برقرار نیست: {_said(seen, d)}",
    (Topic.WHILE, ""): lambda seen, d: f"برقرار است: {_said(seen, d)}",
    (Topic.STAGE, "other_sequence"): lambda seen, _: (
        f"در ایمیل‌های {_key(seen, 'sequence')} است، این ایمیل برای {_key(seen, 'wanted')} است"
    ),
    (Topic.STAGE, Code.NO_SEQUENCE): lambda seen, _: f"برای مرحلهٔ {_key(seen, 'stage')} چیزی نیست",
    (Topic.STAGE, Code.HANDED_OVER): lambda seen, _: f"به {_key(seen, 'campaign')} سپرده شد",
    (Topic.STAGE, Code.SUPERSEDED): _fixed("ورودی تازه جای این دور را گرفت"),
    (Topic.STAGE, Code.RESTARTED): _fixed("ورودی تازه دور را از نو آغاز کرد"),
    (Topic.STAGE, Code.LISTENED): _fixed("تا پایان مدت گوش دادن چیزی رخ نداد"),
    (Topic.STAGE, Code.REMOVED): lambda seen, _: f"گامی که در آن بود برداشته شد ({_key(seen, 'lost')})",
    (Topic.STAGE, Code.ENDED): _fixed("دور به پایان رسید"),
    (Topic.STAGE, Code.VERSION): _fixed("نسخهٔ تازه به این دور پایان داد"),
    (Topic.STAGE, Code.TOO_MANY_MOVES): _fixed("دور می‌چرخد و کنار گذاشته شد"),
    (Topic.STAGE, ""): lambda seen, _: f"ایمیل‌های {_key(seen, 'sequence')}",
    (Topic.STAGE, Code.ENTERED): lambda seen, _: f"ایمیل‌های {_key(seen, 'sequence')}",
    (Topic.STAGE, Code.SEQUENCE): lambda seen, _: f"ایمیل‌های {_key(seen, 'sequence')}",
    (Topic.BRANCH, "undecided"): _fixed("هنوز تصمیمی گرفته نشده است"),
    (Topic.BRANCH, ""): _branch,
    (Topic.PAUSE, Code.PAUSED_EXCLUSIVE): lambda seen, _: f"نوبت با {_key(seen, 'holder')} است",
    (Topic.PAUSE, Code.PAUSED_CAMPAIGN): _fixed("کارزار متوقف است"),
    (Topic.PAUSE, Code.PAUSED_SITE): _fixed("همهٔ فرستادن‌ها متوقف است"),
    (Topic.PAUSE, Code.PAUSED_PERSON): _fixed("خودش وقفه خواسته است"),
    (Topic.PAUSE, Code.DORMANT): _fixed("ایمیل‌های بازاریابی تا کاری نکند می‌مانند"),
    (Topic.PAUSE, ""): _fixed("ندارد"),
    (Topic.PLACE, Code.WAITS): lambda seen, d: f"در {_key(seen, 'step')} ایستاده است تا {_at(seen, 'until_at', d)}",
    (Topic.PLACE, Code.RESTS): _fixed("در پایان ایمیل‌هاست و گوش به زنگ"),
    (Topic.PLACE, Code.STREAM_DRY): _fixed("نوشتهٔ تازه‌ای برای او نمانده است"),
    (Topic.PLACE, "under_way"): _fixed("در راه است"),
    (Topic.PLACE, Code.QUEUED): lambda seen, _: f"منتظر رفتن {_key(seen, 'mail')} است",
    (Topic.PLACE, ""): _fixed("رسیده است"),
    (Topic.PERMISSION, Code.UNSUBSCRIBED): _fixed("اشتراکش را لغو کرده است"),
    (Topic.PERMISSION, Code.SUPPRESSED): _fixed("نشانی‌اش دیگر ایمیل نمی‌پذیرد"),
    (Topic.PERMISSION, Code.NOT_CONFIRMED): _fixed("نشانی‌اش را تأیید نکرده است"),
    (Topic.PERMISSION, ""): _fixed("داده شده است"),
    (Topic.HOLDOUT, Code.GHOST): _fixed("در گروه گواه است: برایش تصمیم گرفته می‌شود، ایمیل نمی‌رود"),
    (Topic.HOLDOUT, ""): _fixed("در گروه گواه نیست"),
    (Topic.LIMIT, Code.DELAYED): _limited,
    (Topic.LIMIT, Code.DISPLACED): _limited,
    (Topic.LIMIT, Code.SKIPPED_LIMIT): _fixed("تا بلندترین تأخیر هم جایی نبود و از آن گذشتیم"),
    (Topic.LIMIT, ""): _fixed("جا دارد"),
    (Topic.FRESHNESS, Code.SKIPPED_STALE): lambda seen, d: f"برای {_at(seen, 'wanted_at', d)} بود و دیگر دیر است",
    (Topic.FRESHNESS, ""): _fixed("تازه است"),
    (Topic.HAND_OVER, Code.SENT): _fixed("تحویل شد"),
    (Topic.HAND_OVER, Code.REFUSED): _fixed("سرور ایمیل او نپذیرفت"),
    (Topic.HAND_OVER, Code.SKIPPED): _fixed("از آن گذشتیم"),
    (Topic.HAND_OVER, Code.WITHDRAWN): lambda seen, _: f"پس گرفته شد ({_key(seen, 'because')})",
    (Topic.HAND_OVER, "on_its_way"): lambda seen, d: f"در صف برای {_at(seen, 'slot_at', d)}",
}
for _code in (Code.BRANCH, Code.CAME_TRUE, Code.ALREADY_TRUE, Code.LIMIT_REACHED):
    _DETAILS = {**_DETAILS, (Topic.BRANCH, _code): _branch}

# ── What comes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _again(told: Explanation, dates: Dates) -> str:
    acts = "، ".join([*(WAKES[kind] for kind in told.wakes if kind in WAKES), "وقفه بخواهد"]) + " یا برود"
    if told.looks_at is None:
        return f"بازبینی: تنها هنگامی که {acts}."
    return f"بازبینی: {dates.persian(told.looks_at)}، یا همین که {acts}."


def _future(told: Explanation, dates: Dates) -> Iterator[str]:
    if told.projected:
        yield "اگر چیزی عوض نشود:"
    for mail in told.projected:
        yield f"ایمیل {isolated(mail.mail)}: {dates.persian(mail.at)}"


def _receipt(receipt: Receipt, dates: Dates) -> Iterator[str]:
    place = at_line(receipt.place)
    since = dates.persian(receipt.since)
    label = dates.labels.of(Said.STAGE, receipt.stage)
    yield f"مرحلهٔ {f'«{label}»' if label else isolated(receipt.stage)} از {since}{f'، در {place}' if place else ''}"
    if receipt.rule:
        way, _, rung = receipt.rule.partition(":")
        moved = "بالا رفت" if way == "rise" else "پایین آمد"
        said = _said({"condition": receipt.condition}, dates)
        called = dates.labels.of(Said.STAGE, rung) or isolated(rung)
        then = f"، امتیاز آن زمان {figures(f'{receipt.score_then:.0f}')}" if receipt.score_then is not None else ""
        yield f"دلیل: با قاعدهٔ {called} {moved}: {said}{then}"
    yield f"امتیاز: {figures(f'{receipt.score:.1f}').replace('.', '٫')}"
    for line in receipt.lines:
        left = figures(f"{line.left:.1f}").replace(".", "٫")
        yield f"رسید: {dates.persian(line.at)}، {figures(line.points)} امتیاز از {isolated(line.rule)}، مانده {left}"
