"""Impossible: what a story asks and nobody could do, such as a click on a mail that never came, in both languages.

Owns that one exception and what deeds are called. Must not do a deed.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.core import scenario as verbs
from app.core.figures import isolated
from app.core.text import Text


class Impossible(LookupError):
    """A line of a story cannot be done."""

    def __init__(self, english: str, persian: str) -> None:
        super().__init__(english)
        self.words = Text.said(english, persian)


def words_of(error: LookupError) -> Text:
    """What could not be done; what only a program would say is set apart."""
    return error.words if isinstance(error, Impossible) else Text.said(str(error), isolated(error))


def deed_named(line: object) -> Text:
    """A line of a story by its verb: as files write it, and in Persian."""
    return _DEEDS.get(type(line), Text.plain(type(line).__name__.lower()))


_DEEDS: Mapping[type, Text] = {
    verbs.SignUp: Text.said("signup", "ثبت‌نام"),
    verbs.Confirm: Text.said("confirm", "تأیید نشانی"),
    verbs.Open: Text.said("open", "باز کردن ایمیل"),
    verbs.Click: Text.said("click", "کلیک"),
    verbs.Scan: Text.said("scan", "وارسی پیوندها"),
    verbs.Visit: Text.said("visit", "بازدید"),
    verbs.Happen: Text.said("event", "رویداد"),
    verbs.Buy: Text.said("buy", "خرید"),
    verbs.Refund: Text.said("refund", "بازگرداندن پول"),
    verbs.Answer: Text.said("answer", "پاسخ به پرسش"),
    verbs.Refer: Text.said("refer", "آوردن دوست"),
    verbs.Reply: Text.said("reply", "پاسخ به ایمیل"),
    verbs.Unsubscribe: Text.said("unsubscribe", "لغو اشتراک"),
    verbs.PauseMails: Text.said("pause", "وقفه خواستن"),
    verbs.ResumeMails: Text.said("resume", "پایان دادن به وقفه"),
    verbs.Complain: Text.said("complain", "گزارش هرزنامه"),
    verbs.Bounce: Text.said("bounce", "برگشت خوردن ایمیل"),
    verbs.Pass: Text.said("pass", "گذشت زمان"),
    verbs.SetAttribute: Text.said("set", "یادداشت ویژگی"),
    verbs.Tag: Text.said("tag", "برچسب زدن"),
    verbs.Deploy: Text.said("deploy", "انتشار فایل‌های دیگر"),
    verbs.Outage: Text.said("outage", "از کار افتادن موتور"),
    verbs.FillPool: Text.said("codes", "پر کردن انبار کد"),
    verbs.SellElsewhere: Text.said("sold", "فروش در جای دیگر"),
    verbs.Stock: Text.said("stock", "خبر موجودی"),
}
