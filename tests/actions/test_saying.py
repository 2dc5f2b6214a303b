"""Steps, entries, settings and refusals in English and Persian: keys stand apart, nothing foreign stands between."""

from __future__ import annotations

import re

import pytest

from app.actions.plan.refusing import lost, lost_with_campaign, twice
from app.core.campaign import AddScore, ForDate, ForDays, ForSpan, Wait
from app.core.difference import Change, Mails, Sign, compare
from app.core.instants import DAY, HOUR
from app.core.saying import entry_text, step_text
from app.core.saying.pauses import because_said
from app.core.saying.settings import joined, name_text
from app.core.text import Place, Text
from app.core.windows import Clock
from app.core.workspace import Workspace
from app.files.reader import read
from app.main import EXAMPLES

APART = re.compile("\u2068[^\u2069]*\u2069")
NO_MAILS = Mails({}, {})
FOREIGN = re.compile(r"[A-Za-z0-9]|^\s*$|  ")


def in_persian(text: str) -> str:
    """What is left of a Persian line without the keys in it: must hold no foreign word and no Latin digit."""
    left = APART.sub("۰", text)
    assert not FOREIGN.search(left), text
    return text


def workspace(*edits: tuple[str, str, str]) -> Workspace:
    """The example campaigns with a text put for another one in some files. Mails are not written for it."""
    suffixes = (".yaml", ".md", ".html")
    files = (file for part in ("campaigns", "email_templates") for file in (EXAMPLES / part).rglob("*"))
    texts = {f.relative_to(EXAMPLES).as_posix(): f.read_text("utf-8") for f in files if f.suffix in suffixes}
    for path, old, new in edits:
        assert old in texts[path]
        texts[path] = texts[path].replace(old, new)
    found, problems = read(texts)
    assert found is not None, problems
    return found


def test_every_step_of_the_examples_is_said_in_persian() -> None:
    said = compare(None, workspace(), NO_MAILS, NO_MAILS)
    changes = [change for campaign in said.campaigns for change in campaign.changes]
    assert len(changes) > 150
    for change in changes:
        in_persian(change.words_in("fa") + " " + change.name_in("fa"))


@pytest.mark.parametrize(
    ("step", "english", "persian"),
    [
        (Wait("", ForDays(2, Clock(9, 30))), "wait 2 days, 09:30", "صبر ۲ روز، ساعت ۰۹:۳۰"),
        (Wait("", ForSpan(DAY)), "wait 1d", "صبر ۲۴ ساعت"),
        (Wait("", ForSpan(90 * HOUR)), "wait 90h", "صبر ۹۰ ساعت"),
        (
            Wait("", ForDate(is_offer_end=True, before=DAY)),
            "wait the end of the offer before 1d",
            "صبر تا ۲۴ ساعت پیش از پایان پیشنهاد",
        ),
        (AddScore("", points=-5), "score -5", "امتیاز \u2068-۵\u2069"),
    ],
)
def test_a_step_is_said_in_both_languages(step: Wait | AddScore, english: str, persian: str) -> None:
    assert (step_text(step).in_locale("en"), step_text(step).in_locale("fa")) == (english, persian)


def test_a_verb_both_sides_share_is_said_once_and_the_arrow_points_as_one_reads() -> None:
    was, now = step_text(Wait("", ForDays(2, Clock(9, 30)))), step_text(Wait("", ForDays(1, Clock(9, 30))))
    change = Change(Sign.CHANGED, "step", "before ebook/story", was, now)
    assert change.words == "wait 2 days, 09:30 → 1 day, 09:30"
    assert change.words_in("fa") == "صبر ۲ روز، ساعت ۰۹:۳۰ ← ۱ روز، ساعت ۰۹:۳۰"
    assert change.name_in("fa") == "پیش از \u2068ebook/story\u2069"


@pytest.mark.parametrize(
    ("sort", "name", "persian"),
    [
        ("setting", "goal", "هدف"),
        ("entry", "enter", "ورود"),
        ("step", "end of on_goal", "پایان دنبالهٔ پس از هدف"),
        ("stage", "prospect fall", "پایین آمدن از \u2068prospect\u2069"),
        ("mail", "goal", "\u2068goal\u2069"),
        ("box", "book", "\u2068book\u2069"),
    ],
)
def test_what_changed_is_called_by_a_persian_word_or_its_key(sort: str, name: str, persian: str) -> None:
    assert name_text(sort, name).in_locale("fa") == persian
    assert name_text(sort, name).in_locale("en") == name


def test_a_refusal_says_why_and_what_to_write_in_both_languages() -> None:
    place = Place("campaigns/welcome.yaml", 3, 1)
    for refusal in (
        lost("welcome", "before b", 1, place),
        lost("welcome", "before b", 1_200, place),
        lost_with_campaign("welcome", "b", 2, place),
        twice("welcome", "b", 2, "Alice", place),
    ):
        for text in (refusal.words, refusal.fix):
            in_persian(text.in_locale("fa"))
            assert re.search("[a-z]", text.in_locale("en"))


def test_rules_of_the_site_and_the_ladder_are_said_in_persian() -> None:
    changed = workspace(
        ("campaigns/site.yaml", "1 per day", "2 per day"),
        ("campaigns/site.yaml", "listen: 365d", "listen: 100d"),
        ("campaigns/ladder.yaml", "score >= 30", "score >= 25"),
    )
    found = compare(workspace(), changed, NO_MAILS, NO_MAILS)
    changes = [*found.others, *(change for campaign in found.campaigns for change in campaign.changes)]
    lines = [f"{change.sort_in('fa')} {change.name_in('fa')} {change.words_in('fa')}" for change in changes]
    for words in (
        ("سقف تماس", "۱ در روز، ۴ در ۷ روز ← ۲ در روز، ۴ در ۷ روز"),
        ("مدت گوش به زنگ بودن", "۳۶۵ روز ← ۱۰۰ روز"),
        ("بالا رفتن به", "امتیازش دست‌کم ۲۵ است"),
    ):
        assert any(all(word in line for word in words) for line in lines), (words, lines)
    for line in lines:
        in_persian(line)


def test_a_text_of_the_product_has_both_languages() -> None:
    assert Text.said("none", "هیچ").in_locale("fa") == "هیچ"
    assert Text.said("none", "هیچ").in_locale("de") == "none"


def test_who_never_entered_is_told_what_enters_in_the_words_of_the_file() -> None:
    campaign = workspace().campaigns["ready-to-buy"]
    said = joined(map(entry_text, campaign.entries))
    assert said.in_locale("en") == "when stage == 'prospect' and kind == 'ready', again after 90d"
    in_persian(said.in_locale("fa"))


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ("limit 1 per day; quiet_hours 21:00-08:00", "سقف ۱ در روز و ساعت‌های آرام ۲۱:۰۰ تا ۰۸:۰۰"),
        ("limit 4 per 7d", "سقف ۴ در ۷ روز"),
        ("limit 2 per 24h", "سقف ۲ در ۲۴ ساعت"),
        ("quiet_weekend friday", "آخر هفته (جمعه)"),
        ("quiet_day Nowruz", "روز آرام \u2068Nowruz\u2069"),
        ("something new", "\u2068something new\u2069"),
        ("", ""),
    ],
)
def test_what_held_a_mail_back_is_said_in_persian(kept: str, said: str) -> None:
    assert because_said(kept) == said
