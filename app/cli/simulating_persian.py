"""A simulation's summary as lines of Persian: no columns, each line begins with a Persian word, keys set apart.

Owns the Persian of `parvar simulate` on a terminal. Must not count anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from app.actions.simulate import Simulated
from app.actions.simulate.stopping import Stop
from app.core.calendar import to_jalali
from app.core.explaining.dates import FA_MONTHS
from app.core.figures import figures, grouped, isolated
from app.core.instants import DAY, HOUR
from app.core.saying.pauses import because_said
from app.core.site import Site

_HARMS = {"complaints": "شکایت", "hard_bounces": "برگشت قطعی", "unsubscribes": "لغو اشتراک"}
_STOCKS = {"codes": "کدهای", "seats": "جاهای"}


def lines(done: Simulated, site: Site | None = None) -> Iterator[str]:
    """The summary for a terminal."""
    summary, wanted = done.summary, done.wanted
    days = f"{grouped(wanted.days)} روز · بذر {figures(wanted.seed)}"
    yield f"شبیه‌سازی: {grouped(summary.people)} نفر · {days} · ایمیلی برای کسی نرفت"
    yield from _mails(done)
    half = figures(summary.half_of_worst_weeks)
    worst = f"شلوغ‌ترین هفته {figures(summary.worst[0])} ایمیل · نیمی از افراد در هیچ هفته‌ای بیش از {half} ایمیل نگرفتند"
    yield f"صندوق‌ها: {worst}"
    silent = f"بلندترین سکوت {figures(summary.silent[0])} روز · {grouped(summary.exhausted)} نفر خسته‌شده"
    yield f"    {silent}"
    yield from _funnel(done)
    yield from _campaigns(done)
    yield from _offers(done)
    yield from _delivery(done)
    yield f"سفارش‌ها: {grouped(summary.orders)}، {_money(summary.revenue, site)}"


def _mails(done: Simulated) -> Iterator[str]:
    summary = done.summary
    busiest = grouped(max(summary.days.values(), default=0))
    daily = f"روزی {figures(f'{summary.mails / done.wanted.days:,.0f}').replace(',', '٬')}، در شلوغ‌ترین روز {busiest}"
    yield f"ایمیل‌ها: {grouped(summary.mails)} بازاریابی، {grouped(summary.service)} به خواست خود افراد · {daily}"
    hours = figures(f"{summary.delays / summary.delayed / HOUR if summary.delayed else 0:.0f}")
    late = f"{grouped(summary.delayed)} ایمیل عقب افتاد، میانگین {hours} ساعت"
    yield f"سقف‌ها: {late} · از {grouped(summary.skipped.total())} ایمیل گذشتیم"
    for rule, times in summary.capped.most_common(3):
        yield f"    به سبب {because_said(rule)}: {grouped(times)} بار"


def _funnel(done: Simulated) -> Iterator[str]:
    summary = done.summary
    for place, stage in enumerate(done.stages):
        reached, days = summary.reached[stage], summary.median_days(stage)
        took = f"، نیمی از آنان در {grouped(days)} روز" if place and days is not None else ""
        share = _share(reached / max(1, summary.people), 1)
        yield f"{'    ' if place else ''}مرحلهٔ {isolated(stage)}: {grouped(reached)} نفر، {share}{took}"


def _campaigns(done: Simulated) -> Iterator[str]:
    summary = done.summary
    for key in sorted(done.campaigns, key=lambda key: -summary.entered[key]):
        if not summary.entered[key]:
            continue
        goal = _share(summary.goals[key] / summary.entered[key], 1)
        counted = (
            f"{grouped(summary.entered[key])} ورود، {grouped(summary.by_campaign[key])} ایمیل، رسیدن به هدف {goal}"
        )
        starving = "؛ گرسنه: بیش از آن‌که بفرستد صبر می‌کند یا می‌گذرد" if key in summary.starving else ""
        yield f"کارزار {isolated(key)}: {counted}{starving}"
    unused = [isolated(key) for key in done.campaigns if not summary.entered[key]]
    if unused:
        yield f"بی‌ورود: کسی وارد {'، '.join(unused)} نشد"


def _offers(done: Simulated) -> Iterator[str]:
    """What was given of each offer, and what ran out."""
    for offer, count in sorted(done.summary.given.items()):
        yield f"پیشنهاد {isolated(offer)}: به {grouped(count)} نفر داده شد"
    for stock in done.stocked:
        sort, _, name = stock.name.partition(" ")
        gone = f"{_day(stock.gone_at // DAY)} تمام شد" if stock.gone_at is not None else "کافی بود"
        wanted = f"{grouped(stock.wanted)} خواهان از {grouped(stock.amount)}"
        yield f"{_STOCKS.get(sort, 'موجودی')} {isolated(name)}: {wanted}، {gone}"


def _delivery(done: Simulated) -> Iterator[str]:
    shares = " · ".join(f"{word} {_share(done.summary.risk[name], 2)}" for name, word in _HARMS.items())
    yield f"تحویل: {shares} از ایمیل‌های بازاریابی"
    for stop in done.stops:
        yield f"    {_stop(stop)}"


def _stop(stop: Stop) -> str:
    share = f"{grouped(stop.number)} {_HARMS.get(stop.what, isolated(stop.what))} از {grouped(stop.sent)} ایمیل"
    more = f"، و در {grouped(stop.days - 1)} روز دیگر" if stop.days > 1 else ""
    return f"کارزار {isolated(stop.campaign)} در {_day(stop.day)} بازداشته می‌شد: {share}{more}"


def _share(share: float, digits: int) -> str:
    return figures(f"{share:.{digits}%}").replace(".", "٫").replace("%", "٪")


def _day(day: int) -> str:
    """A day counted from 1970, in the Jalali calendar."""
    shown = to_jalali(date(1970, 1, 1) + timedelta(days=day))
    return f"{figures(shown.day)} {FA_MONTHS[shown.month - 1]} {figures(shown.year)}"


def _money(amount: int, site: Site | None) -> str:
    if site is not None and site.currency_shown == "toman":
        return f"{grouped(amount // 10)} تومان"
    return f"{grouped(amount)} به کوچک‌ترین واحد {isolated(site.currency) if site else 'پول'}"
