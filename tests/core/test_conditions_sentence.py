"""Conditions in words: every one can be said in both languages, and said correctly."""

from __future__ import annotations

import re
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.conditions import Condition, Labels, Said, sentence
from tests.core import condition_cases as cases
from tests.core.condition_cases import condition

LABELS = Labels(
    MappingProxyType(
        {
            (Said.STAGE, "lead"): "سرنخ",
            (Said.STAGE, "prospect"): "مشتری احتمالی",
            (Said.ATTRIBUTE, "budget"): "بودجه",
            (Said.OPTION, "budget.high"): "زیاد",
            (Said.MAIL, "ebook/story"): "داستان ما",
        }
    )
)

SAID = [
    (
        "score >= 30 or did('demo_requested', within='30d')",
        "has a score of at least 30 or has done demo_requested in the last 30 days",
        "امتیازش دست‌کم ۳۰ است یا در ۳۰ روز گذشته رویداد \u2068demo_requested\u2069 را انجام داده است",
    ),
    (
        "not clicked('ebook/two', link='buy', times=2, within='90m')",
        "has clicked the link buy in the mail ebook/two fewer than 2 times in the last 90 minutes",
        "در ۹۰ دقیقهٔ گذشته کمتر از ۲ بار روی پیوند \u2068buy\u2069 در ایمیل \u2068ebook/two\u2069 کلیک کرده است",
    ),
    ("not opened()", "has not opened any mail", "هیچ ایمیلی را باز نکرده است"),
    (
        "visited('/pricing*', times=3, within='1d')",
        "has visited a page that begins with /pricing at least 3 times in the last day",
        "در ۱ روز گذشته دست‌کم ۳ بار صفحه‌ای را که با \u2068/pricing\u2069 آغاز می‌شود دیده است",
    ),
    (
        "stage not in ['lead', 'prospect']",
        "is not in the stage lead or prospect",
        "در مرحلهٔ «سرنخ» یا «مشتری احتمالی» نیست",
    ),
    ("attribute('budget') == 'high'", "has high as budget", "مقدار «بودجه» «زیاد» است"),
    ("revenue >= 5000000", "has spent at least 5,000,000", "مجموع خریدش دست‌کم ۵٬۰۰۰٬۰۰۰ است"),
    ("attribute('visits') < -2.5", "has less than -2.5 as visits", "مقدار \u2068visits\u2069 کمتر از منفی ۲٫۵ است"),
    (
        "not (confirmed and (referred or bought()))",
        "has not confirmed the address or (was not referred and has not bought)",
        "نشانی‌اش تأیید نشده است یا (با معرفی نیامده است و خرید نکرده است)",
    ),
    (
        "not held_for('14d', score < 20 and not bought())",
        "not yet for 14 days: has a score of less than 20 and has not bought",
        "هنوز ۱۴ روز نشده است که امتیازش کمتر از ۲۰ است و خرید نکرده است",
    ),
    (
        "overdue(1.5, least='14d')",
        "is overdue with the next order (1.5 times the usual gap, at least 14 days)",
        "سفارش بعدی‌اش دیر شده است (۱٫۵ برابر فاصلهٔ معمول، دست‌کم ۱۴ روز)",
    ),
    (
        "not chance('10%', 'trial')",
        "is not in the random 10% called trial",
        "در نمونهٔ تصادفی ۱۰٪ به نام \u2068trial\u2069 نیست",
    ),
]


@pytest.mark.parametrize(("source", "english", "persian"), SAID, ids=[case[0][:40] for case in SAID])
def test_a_condition_is_said_in_both_languages(source: str, english: str, persian: str) -> None:
    assert sentence(condition(source), "en") == english
    assert sentence(condition(source), "fa", LABELS) == persian


def test_a_label_takes_the_place_of_its_key() -> None:
    assert sentence(condition("received('ebook/story')"), "fa-IR", LABELS) == "ایمیل «داستان ما» را دریافت کرده است"


@given(cases.conditions(st.one_of(cases.run_sources(), cases.held_leaves())))
def test_in_persian_every_foreign_word_is_isolated_and_every_digit_persian(asked: Condition) -> None:
    said = sentence(asked, "fa")
    assert said.count("\u2068") == said.count("\u2069")
    outside = re.sub("\u2068[^\u2069]*\u2069", "", said)
    assert not re.search(r"[A-Za-z0-9%]", outside), outside
    assert not re.search("[يكى]", outside)
    assert re.match(r"\(*[\u0600-\u06ff]", said)


@given(cases.conditions(st.one_of(cases.run_sources(), cases.held_leaves())))
def test_saying_no_twice_says_yes(asked: Condition) -> None:
    twice = condition(f"not (not ({asked}))")
    for locale in ("en", "fa"):
        assert sentence(twice, locale) == sentence(asked, locale)
        assert sentence(condition(f"not ({asked})"), locale) != sentence(asked, locale)
