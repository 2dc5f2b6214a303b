"""Lines: one stored decision of a story as a few words, in both languages. Keys stand apart in Persian.

Owns these words. Must not choose which decisions are told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.core.conditions import Condition, parse
from app.core.figures import figures, isolated
from app.core.person import Code
from app.core.saying.pauses import because_said
from app.core.saying.persian import condition_said
from app.core.saying.settings import step_named
from app.core.text import NO_TEXT, Text
from app.store.stories import Told


def what_of(line: Told) -> Text:
    """What was decided. A decision without words is shown by its campaign, step and code."""
    say = _SAID.get(line.code)
    return say(line) if say else _coded(line)


def more_of(line: Told) -> Text:
    """The values that were seen and matter, such as `offer spring, score 12`."""
    if line.code in (Code.WHILE, Code.GOAL, Code.BRANCH):
        return NO_TEXT
    seen = [(name, word, line.seen[name]) for name, word in _SEEN if line.seen.get(name) not in (None, "")]
    in_english = ", ".join(f"{name} {_short(value)}" for name, _, value in seen)
    return Text.said(in_english, "، ".join(f"{word} {_value(name, value)}" for name, word, value in seen))


_SEEN = (
    ("offer", "پیشنهاد"),
    ("because", "به سبب"),
    ("score", "امتیاز"),
    ("condition", "شرط"),
    ("branch", "شاخهٔ"),
    ("holder", "به نوبت"),
)


def _short(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def _value(name: str, value: object) -> str:
    if name == "condition":
        return _condition(str(value))
    if name == "because":
        return because_said(str(value)) if " " in str(value) else isolated(value)
    return figures(_short(value)) if isinstance(value, int | float) else isolated(value)


def _condition(source: str) -> str:
    found = parse(source)
    return condition_said(found) if isinstance(found, Condition) else isolated(source)


def _coded(line: Told) -> Text:
    code = line.code.replace("_", " ")
    said = f"{line.campaign} {line.step} {code}".strip()
    words = _CODES.get(line.code, isolated(code))
    where = f"، گام {step_named(line.step)}" if line.step else ""
    campaign = f"کارزار {isolated(line.campaign)}{where}: " if line.campaign else ""
    return Text.said(said, f"{campaign}{words}")


_Say = Callable[[Told], Text]


def _mail(line: Told) -> str:
    return str(line.seen.get("mail", line.step))


def _moved(line: Told) -> tuple[object, object]:
    return line.seen.get("before"), line.seen.get("after")


def _stage(line: Told) -> Text:
    before, after = _moved(line)
    return Text.said(f"stage {before} → {after}", f"مرحله از {isolated(before)} به {isolated(after)}")


def _kind(line: Told) -> Text:
    before, after = _moved(line)
    return Text.said(f"kind {before} → {after}", f"گونه از {isolated(before)} به {isolated(after)}")


def _sequence(line: Told) -> Text:
    before, after = _moved(line)
    said = f"{line.campaign} goes from {before} to {after}"
    campaign = f"کارزار {isolated(line.campaign)}"
    return Text.said(said, f"{campaign}: از دنبالهٔ {isolated(before)} به دنبالهٔ {isolated(after)}")


def _entered(line: Told) -> Text:
    is_ghost = bool(line.seen.get("is_ghost"))
    said = f"ورود به {isolated(line.campaign)}{' (گروه گواه)' if is_ghost else ''}"
    return Text.said(f"entered {line.campaign}{' (held out)' if is_ghost else ''}", said)


def _while(line: Told) -> Text:
    condition = str(line.seen.get("condition"))
    said = f"دور {isolated(line.campaign)} پایان یافت: دیگر برقرار نیست {_condition(condition)}"
    return Text.said(f'run of {line.campaign} left: while "{condition}" no longer holds', said)


def _goal(line: Told) -> Text:
    condition = str(line.seen.get("condition"))
    said = f"دور {isolated(line.campaign)} پایان یافت: رسیدن به هدف {_condition(condition)}"
    return Text.said(f'run of {line.campaign} left: goal "{condition}"', said)


def _branch(line: Told) -> Text:
    branch = line.seen.get("branch")
    return Text.said(f"{line.step}: {branch}", f"گام {step_named(line.step)}: شاخهٔ {isolated(branch)}")


def _paused(line: Told) -> Text:
    holder = line.seen.get("holder")
    said = f"کارزار {isolated(line.campaign)} در نوبت پس از {isolated(holder)} است"
    return Text.said(f"{line.campaign} waits for {holder}", said)


_SAID: Mapping[str, _Say] = {
    Code.SENT: lambda t: Text.said(f"mail {_mail(t)}", f"ایمیل {isolated(_mail(t))}"),
    Code.STAGE: _stage,
    Code.KIND: _kind,
    Code.ENTERED: _entered,
    Code.WHILE: _while,
    Code.GOAL: _goal,
    Code.BRANCH: _branch,
    Code.WAITS: lambda t: Text.said(f"waits at {t.step}", f"صبر در گام {step_named(t.step)}"),
    Code.DELAYED: lambda t: Text.said(f"mail {_mail(t)} delayed", f"ایمیل {isolated(_mail(t))} عقب افتاد"),
    Code.RESTS: lambda t: Text.said(
        f"{t.campaign} rests at its end", f"کارزار {isolated(t.campaign)} در پایان، گوش به زنگ"
    ),
    Code.PAUSED_EXCLUSIVE: _paused,
    Code.WITHDRAWN: lambda t: Text.said(f"took back {t.step}", f"پس گرفتن {step_named(t.step)}"),
    Code.SEQUENCE: _sequence,
}

_CODES: Mapping[str, str] = {
    Code.ENTRY_AGAIN: "وارد نشد؛ پیش‌تر در آن بوده است",
    Code.ENTRY_WHERE: "وارد نشد؛ شرط ورود برقرار نبود",
    Code.ENTRY_GOAL: "وارد نشد؛ پیش‌تر به هدف رسیده بود",
    Code.ENTRY_NO_SEQUENCE: "وارد نشد؛ برای مرحلهٔ او دنباله‌ای نیست",
    Code.ENTRY_CLOSED: "وارد نشد؛ کسی را نمی‌پذیرد",
    Code.ENTRY_NOT_ALLOWED: "وارد نشد؛ اجازهٔ فرستادن ایمیل به او نیست",
    Code.ENTRY_LIVE: "هم‌اکنون در آن است؛ رویداد برای همان دور شمرده شد",
    Code.NO_SEQUENCE: "دور پایان یافت؛ برای مرحلهٔ تازه دنباله‌ای نیست",
    Code.LISTENED: "دور پایان یافت؛ مدت گوش به زنگ بودن گذشت",
    Code.ENDED: "دور به پایان رسید",
    Code.SUPERSEDED: "دور پایان یافت؛ ورودی تازه جایش را گرفت",
    Code.RESTARTED: "دور پایان یافت؛ ورودی تازه آن را از نو آغاز کرد",
    Code.HANDED_OVER: "سپردن به کارزاری دیگر",
    Code.HAND_OVER_REFUSED: "کارزار دیگر نپذیرفت؛ همین‌جا ادامه می‌یابد",
    Code.RESUMED_EXCLUSIVE: "نوبتش رسید و ادامه می‌یابد",
    Code.PAUSED_CAMPAIGN: "کارزار متوقف است",
    Code.PAUSED_SITE: "همهٔ فرستادن‌ها متوقف است",
    Code.PAUSED_PERSON: "خودش وقفه خواسته است",
    Code.RESUMED: "پس از وقفه ادامه می‌یابد",
    Code.REMOVED: "دور پایان یافت؛ گامی که در آن بود برداشته شد",
    Code.TOO_MANY_MOVES: "دور می‌چرخد و کنار گذاشته شد",
    Code.ALREADY_TRUE: "نیازی به صبر نبود",
    Code.CAME_TRUE: "آنچه در انتظارش بود رخ داد",
    Code.LIMIT_REACHED: "بلندترین صبر گذشت",
    Code.EFFECT: "انجام شد",
    Code.STREAM_DRY: "نوشتهٔ تازه‌ای برایش نمانده است",
    Code.DISPLACED: "جایش را به ایمیلی مهم‌تر داد",
    Code.REFUSED: "سرور ایمیل او نپذیرفت",
    Code.SKIPPED_LIMIT: "از آن گذشتیم؛ زیر سقف تماس جایی نبود",
    Code.SKIPPED_STALE: "از آن گذشتیم؛ دیگر دیر بود",
    Code.OFFER_ENDED: "از آن گذشتیم؛ پیشنهادش تا آن زمان پایان می‌یافت",
    Code.SKIPPED: "از آن گذشتیم",
    Code.GHOST: "نرفت؛ در گروه گواه است",
    Code.NOT_CONFIRMED: "نرفت؛ نشانی‌اش را تأیید نکرده است",
    Code.UNSUBSCRIBED: "نرفت؛ اشتراکش را لغو کرده است",
    Code.SUPPRESSED: "نرفت؛ نشانی‌اش دیگر ایمیل نمی‌پذیرد",
    Code.DORMANT: "ایمیل‌های بازاریابی تا کنش دوباره‌اش آرام است",
}
