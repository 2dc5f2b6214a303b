"""Plans as lines of Persian: no columns, each line begins with a Persian word, keys and addresses set apart.

Owns the Persian of a plan on a terminal. Must not compute any number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.actions.plan import CampaignPlan, Guard, Named, Plan, StepPlan
from app.core.difference import Change, Sign
from app.core.explaining.dates import Dates
from app.core.explaining.persian import at_line
from app.core.figures import grouped, isolated
from app.core.text import Place
from app.core.windows import zone_of

_SIGNS = {Sign.ADDED: "تازه", Sign.CHANGED: "عوض‌شده", Sign.REMOVED: "رفته"}
_ENDED: Mapping[str, str] = {
    "goal": "رسیدن به هدف",
    "end": "رسیدن به پایان",
    "handed_over": "سپردن به کارزاری دیگر",
    "superseded": "آغاز دوباره",
    "listened": "پایان گوش به زنگ بودن",
    "removed": "برداشته شدن گام",
    "while": "برقرار نبودن شرط ماندن",
    "no_sequence": "نبودن دنباله‌ای برای مرحله",
    "unsubscribed": "لغو اشتراک",
    "suppressed": "بسته بودن نشانی",
    "erased": "پاک شدن",
    "stopped": "بازداشتن کارزار",
    "failed": "خطا",
}


def lines(plan: Plan, zone: str) -> Iterator[str]:
    """The whole plan, line by line."""
    dates = Dates(zone_of(zone, "UTC"), plan.at)
    yield _against(plan, dates)
    if plan.is_empty:
        yield "هیچ چیز عوض نمی‌شود."
        return
    for campaign in plan.campaigns:
        yield from _campaign(campaign, dates)
    if plan.delayed or plan.skipped:
        skipped = f"از {grouped(plan.skipped)} ایمیل می‌گذریم" if plan.skipped else "از هیچ ایمیلی نمی‌گذریم"
        yield f"سقف تماس: {grouped(plan.delayed)} ایمیل بیشتر به سقف می‌خورد و دیرتر می‌رود، {skipped}"
    yield from _others(plan)
    yield from _ladder(plan)
    yield from _overlaps(plan)
    if plan.service_mails:
        yield f"خدماتی: {'، '.join(map(isolated, plan.service_mails))} از سقف‌ها، ساعت‌های آرام و گروه گواه می‌گذرد"
    for refusal in plan.refusals:
        yield f"رد شد: {refusal.words.in_locale('fa')}{_in(refusal.place)}"
        yield f"بنویسید: {refusal.fix.in_locale('fa')}"
    yield _sum(plan)


def _against(plan: Plan, dates: Dates) -> str:
    live = "نخستین نسخه"
    if plan.live:
        author = f"، {isolated(plan.live.author)}" if plan.live.author else ""
        live = f"در برابر نسخهٔ جاری {grouped(plan.live.id)} ({dates.persian(plan.live.at)}{author})"
    return f"{live} · {grouped(plan.people)} نفر دیده شدند · چیزی فرستاده نمی‌شود"


def _in(place: Place) -> str:
    found = at_line(place)
    return f"، در {found}" if found else ""


# ── Campaigns ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _campaign(campaign: CampaignPlan, dates: Dates) -> Iterator[str]:
    change = campaign.change
    is_changed = change.sign is Sign.CHANGED
    yield f"کارزار {_SIGNS[change.sign]}: {isolated(change.key)}{'' if is_changed else _in(change.place)}"
    shown = campaign.steps if is_changed else campaign.steps[:3]
    for step in shown:
        yield from _step(step, dates)
    if len(campaign.steps) > len(shown):
        yield f"    و {grouped(len(campaign.steps) - len(shown))} گام دیگر"
    if change.sign is Sign.ADDED:
        yield f"    کسی را که اکنون این‌جاست وارد نمی‌کند؛ {isolated('parvar backfill')} می‌کند"
    yield from _mails(campaign, dates)


def _step(step: StepPlan, dates: Dates) -> Iterator[str]:
    change = step.change
    words = f"{_SIGNS[change.sign]}، {change.name_in('fa')}: {change.words_in('fa')}"
    yield f"    {words}{_in(change.place)}"
    if step.standing:
        yield f"      {_standing(step, dates)}"


def _standing(step: StepPlan, dates: Dates) -> str:
    parts = [f"{grouped(step.at_once)} نفر همین دم نوبتشان می‌شود"] if step.at_once else []
    parts += [f"{grouped(count)} نفر {dates.persian(at)}" for at, count in step.later[:3]]
    rest = sum(count for _, count in step.later[3:])
    parts += [f"{grouped(rest)} نفر دیرتر"] if rest else []
    return f"ایستاده این‌جا: {grouped(step.standing)} نفر{'؛ ' if parts else ''}{'، '.join(parts)}"


def _mails(campaign: CampaignPlan, dates: Dates) -> Iterator[str]:
    if campaign.mails_week or campaign.mails_week_before:
        day = f"۲۴ ساعت آینده {grouped(campaign.mails_day)} (پیش‌تر {grouped(campaign.mails_day_before)})"
        week = f"۷ روز آینده {grouped(campaign.mails_week)} (پیش‌تر {grouped(campaign.mails_week_before)})"
        yield f"    ایمیل‌ها: {day}، {week}، شلوغ‌ترین ساعت {grouped(campaign.peak)}"
    for result, count in campaign.ended:
        yield f"    پایان برای {grouped(count)} نفر: {_ENDED.get(result, isolated(result))}"
    if campaign.example:
        shown = campaign.example
        moved = f"{_when(shown.at, dates)}، پیش‌تر {_when(shown.was_at, dates)}"
        hint = isolated(f"parvar explain {shown.who.address} --planned --lang fa")
        yield f"    نمونه: {_called(shown.who)}، {isolated(shown.mail)} {moved}؛ {hint}"


def _when(at: int | None, dates: Dates) -> str:
    return "هیچ‌گاه" if at is None else dates.persian(at)


def _called(who: Named) -> str:
    return isolated(who.name or who.address)


# ── The rest ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _others(plan: Plan) -> Iterator[str]:
    mails = [change for change in plan.difference.others if change.sort == "mail"]
    for change in plan.difference.others:
        if change.sort != "mail":
            yield _other(change)
    for change in mails if len(mails) <= 8 else mails[:5]:
        yield _other(change)
    if len(mails) > 8:
        yield f"و {grouped(len(mails) - 5)} ایمیل دیگر"


def _other(change: Change) -> str:
    words = change.words_in("fa")
    sort, name = change.sort_in("fa"), change.name_in("fa")
    called = sort if sort == name else f"{sort}، {name}" if change.sort == "site" else f"{sort} {name}"
    return f"{called}، {_SIGNS[change.sign]}{f': {words}' if words else ''}{_in(change.place)}"


def _ladder(plan: Plan) -> Iterator[str]:
    for move in plan.ladder:
        way = "بالا می‌روند" if move.is_rise else "پایین می‌آیند"
        stages = f"از {isolated(move.before)} به {isolated(move.after)}"
        who = f"، از جمله {_called(move.example)}" if move.example else ""
        yield f"نردبان: {grouped(move.people)} نفر {stages} {way}، بی‌صدا: کسی با آن وارد کارزاری نمی‌شود{who}"


def _overlaps(plan: Plan) -> Iterator[str]:
    for pair in plan.overlaps[:5]:
        both = f"{isolated(pair.one)} و {isolated(pair.two)}"
        yield f"هم‌پوشانی: {grouped(pair.people)} نفر در {both}، از جمله {_called(pair.example)}"


def _sum(plan: Plan) -> str:
    others = plan.difference.others
    changed = len(plan.campaigns) + sum(change.sort != "mail" for change in others)
    mails = sum(change.sort == "mail" for change in others)
    parts = [f"جمع: {grouped(changed)} تغییر", *([f"{grouped(mails)} ایمیل"] if mails else [])]
    if plan.refusals:
        return " · ".join([*parts, f"رد شد: نخست {grouped(len(plan.refusals))} مورد را درست کنید"])
    return " · ".join([*parts, "هیچ‌کس ایمیلی را دو بار نمی‌گیرد", _guarded(plan.guard, plan.digest)])


def _guarded(guard: Guard, digest: str) -> str:
    apply = f"parvar apply {digest}"
    if guard.is_over:
        far = f"بالاتر از حد ایمنی ({grouped(guard.peak)} در ساعت، حد {grouped(guard.limit)})"
        return f"{far}؛ {isolated(f'{apply} --confirm {guard.mails}')}"
    return f"زیر حد ایمنی ({grouped(guard.limit)} در ساعت)؛ {isolated(apply)}"
