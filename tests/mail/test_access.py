# ruff: noqa: E501 - a template reads best on one line
"""What keeps people from reading a mail is found: colours, sizes, names of links and pictures, in both languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.check.codes import CODES
from app.mail.contrast import Look, words_of
from app.mail.publish import compile_mail
from app.mail.source import MailSource
from tests.mail.mailing import LAYOUTS, OPTIONS, compiled, page, source
from tests.mail.test_mjml import MJML, ORDER


def codes(
    body: str,
    locale: str = "en",
    *,
    style: str = "",
    ending: str = "html",
    head: str = "subject: Hello\npreheader: words",
) -> list[str]:
    text = page(body, style, locale) if ending == "html" else body
    return [each.code for each in compiled(text, locale, head, ending=ending).findings]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('<a href="https://example.com/a">here</a>', "link-text-vague"),
        ('<a href="https://example.com/a"><b>Click here</b> »</a>', "link-text-vague"),
        ('<a href="https://example.com/a">اینجا</a>', "link-text-vague"),
        ('<a href="https://example.com/a">این‌جا</a>', "link-text-vague"),
        ('<a href="https://example.com/a"> </a>', "link-without-text"),
        ('<a href="https://example.com/a"><img src="https://example.com/a.png" alt="" width="9"></a>', "link-without-text"),
        ('<img src="https://example.com/a.png" alt="IMG_2041.JPG" width="9">', "alt-name"),
        ('<img src="https://example.com/a.png" alt="تصویر" width="9">', "alt-name"),
        ("<h3>Low</h3>", "heading-skipped"),
        ("<h1>A</h1><h4>Low</h4>", "heading-skipped"),
        ("<table><tr><td>a</td><td>1</td></tr><tr><td>b</td><td>2</td></tr></table>", "table-without-headers"),
        ('<p style="color:#999999">pale</p>', "contrast-low"),
        ('<table role="presentation"><tr><td bgcolor="#0b6b4f"><p style="color:#123c2f">dark on dark</p></td></tr></table>', "contrast-low"),
        ('<p style="font-size:9px">small print</p>', "text-tiny"),
        ('<img src="https://example.com/a.png" alt="a crate" width="9">' * 3, "images-mostly"),
        ('<div style="font-size:0">unseen words</div>', "hidden-text"),
    ],
)  # fmt: skip
def test_what_keeps_people_from_reading_is_found(body: str, code: str) -> None:
    assert code in CODES
    assert code in codes(body)


@pytest.mark.parametrize(
    "body",
    [
        '<a href="https://example.com/a">The guide to herbs</a>',
        '<a href="https://example.com/a">{{ subscriber.first_name }}</a>',
        '<a href="https://example.com/a"><img src="https://example.com/a.png" alt="A crate of herbs" width="9"></a>',
        "<h1>A</h1><h2>B</h2><h3>C</h3><h2>D</h2>",
        '<table role="presentation"><tr><td>a</td><td>1</td></tr><tr><td>b</td><td>2</td></tr></table>',
        "<table><tr><th>a</th><th>1</th></tr><tr><td>b</td><td>2</td></tr></table>",
        '<p style="color:#767676">just enough</p>',
        '<p style="color:#949494; font-size:24px">large may be paler</p>',
        '<div style="background:url(https://example.com/a.png); color:#fff">on a picture nobody can tell</div>',
        '<td style="font-size:0"><p style="font-size:16px">words with a size of their own</p></td>',
        '<img src="https://example.com/a.png" alt="a crate" width="9"><p>' + "many words stand here " * 10 + "</p>",
    ],
)
def test_what_reads_well_is_left_in_peace(body: str) -> None:
    assert codes(body) == []


@pytest.mark.parametrize(("way", "locale"), [("ltr", "fa"), ("rtl", "en")])
def test_a_table_against_the_mails_direction_is_found(way: str, locale: str) -> None:
    assert "direction-mismatch" in codes(f'<table role="presentation" dir="{way}"><tr><td>x</td></tr></table>', locale)


@pytest.mark.parametrize("subject", ["Save now!! Today!", "$$$ for you", "فرصت!؟؟"])
def test_marks_in_rows_in_a_subject_are_found(subject: str) -> None:
    assert "subject-marks" in codes("<p>Hello</p>", head=f'subject: "{subject}"\npreheader: x')


@pytest.mark.parametrize(
    "words",
    [
        "Act now and win",
        "Click here to see",
        "100% FREE",
        "You have won",
        "همین حالا کلیک کنید",
        "شما برنده شدید",
        "کاملاً رایگان",
        "درآمد میلیونی",
    ],
)
def test_words_filters_know_are_found_in_both_languages(words: str) -> None:
    assert "spam-words" in codes(f"<p>{words}</p>", "fa" if words > "z" else "en")


@pytest.mark.parametrize("words", ["a winnery", "we won the cup", "رایگان", "click the button below", "کلیک"])
def test_ordinary_words_are_left_in_peace(words: str) -> None:
    assert "spam-words" not in codes(f"<p>{words}</p>", "fa" if words > "z" else "en")


DARK = "@media (prefers-color-scheme: dark){body{background-color:#111!important}.a{color:#222!important}}"


def test_dark_programs_are_looked_at_too_by_the_mails_own_dark_rules() -> None:
    body, style = '<p class="a">night</p>', "body{background-color:#fff} .a{color:#222}"
    assert "contrast-low" not in codes(body, style=style)
    assert "contrast-low" in codes(body, style=style + DARK)
    assert "contrast-low" not in codes(body, style=style + DARK.replace("#222", "#eee"))


def test_findings_of_access_name_the_line_of_the_author_and_can_be_allowed() -> None:
    body = 'One\n\nTwo <a href="https://example.com/a">here</a>\n'
    (found,) = compiled(body).findings
    assert (found.code, found.file, found.line, found.severity) == ("link-text-vague", "mail.en.md", 7, "warning")
    allowed = "subject: Hello\npreheader: words\nallow: [link-text-vague]"
    assert compiled(body, head=allowed).findings == ()


def test_an_allowance_that_is_unknown_or_not_needed_is_told() -> None:
    found = compiled("Hello\n", head="subject: Hello\npreheader: words\nallow: [link-text-vage, alt-name]").findings
    assert [(each.code, each.line) for each in found] == [("allow-unknown", 4), ("allow-unused", 4)]
    assert "link-text-vague" in found[0].fix


def all_blocks() -> str:
    return """
# Title

## Under it

Text with a [link to the guide](https://example.com/a), `code` and *stress*.

[Order](https://example.com/b){.button}

> A quotation

| Item | N |
|---|---|
| Basil | 1 |

{{ quote("Fresh", by="Nasrin", about="Tehran") }}

{{ card("Crate", price="12", text="Herbs", href="https://example.com/c") }}

{{ coupon("SPRING-12", text="For you", ends="tomorrow") }}

{{ divider() }}
"""


@pytest.mark.parametrize("locale", ["en", "fa"])
def test_every_block_of_our_own_layouts_reads_well_in_light_and_dark(locale: str) -> None:
    assert compiled(all_blocks(), locale).findings == ()
    mail: MailSource = source(ORDER, locale, ending="mjml")
    made = compile_mail(mail, MJML, OPTIONS)
    assert getattr(made, "findings", None) == ()
    assert "layouts/base.html" in LAYOUTS.texts


@given(st.text(max_size=300))
def test_no_document_stops_the_looking(text: str) -> None:
    for is_dark in (False, True):
        for words in words_of(f"<style>{text}</style><p style='{text}'>{text}<b>x", is_dark=is_dark):
            assert words.look.ratio is None or 1 <= words.look.ratio <= 21


def test_the_ratio_is_the_one_of_the_guidelines() -> None:
    assert Look((0, 0, 0), (255, 255, 255)).ratio == pytest.approx(21)
    assert Look((0x76, 0x76, 0x76), (255, 255, 255)).ratio == pytest.approx(4.54, abs=0.01)
