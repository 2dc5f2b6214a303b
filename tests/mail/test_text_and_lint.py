# ruff: noqa: E501 - a template reads best on one line
"""The text part, the findings, pictures, links with parameters: what a published mail carries besides its HTML."""

from __future__ import annotations

import quopri
import re
import struct
import zlib
from base64 import b64decode
from dataclasses import replace
from datetime import date
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.bidi import RLM, clean, clean_line, first_strong, isolate, led
from app.mail.compiled import CompiledMail, Refused
from app.mail.components import SiteFacts
from app.mail.encode import base64_lines, encoded_words, quoted_piece
from app.mail.images import Size, public_name, read_size, sharp_path
from app.mail.link_table import UtmRule, tagged
from app.mail.message import render
from app.mail.publish import PublishOptions, compile_mail
from app.mail.values import Moment, Money, day, money, number
from tests.mail.mailing import LAYOUTS, OPTIONS, alice, compiled, context, page, refused, source


def text(body: str, locale: str = "en", **reader: object) -> str:
    """The text part between the beginning and the footer of a bare page."""
    made = render(
        compiled(page(body, locale=locale), locale, ending="html"),
        alice(locale, **reader),
        context(locale, tracking=None),
    )
    return made.text.rpartition("12 Valiasr St")[0].strip() if locale == "en" else made.text


def png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))


# The text part.


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ("<p>One</p><p>Two<br>Three</p>", "One\n\nTwo\nThree"),
        ("<h1>Head</h1><p>x</p>", "Head\n\nx"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("<ol><li>a</li><li>b<ul><li>c</li></ul></li></ol>", "1. a\n2. b\n\n- c"),
        ('<a href="https://example.com/x?a=1&amp;b=2">go</a>', "go:\nhttps://example.com/x?a=1&b=2"),
        ('<a href="https://example.com/">https://example.com/</a>', "https://example.com/:\nhttps://example.com/"),
        ('<a href="mailto:a@example.com">a@example.com</a>', "a@example.com"),
        ('<a href="tel:+98211">call</a>', "call:\n+98211"),
        ('<img src="https://example.com/a.png" alt="A crate" width="9">', "[A crate]"),
        ('<img src="https://example.com/a.png" alt="" width="9">x', "x"),
        ("<blockquote><p>said</p><p>twice</p></blockquote><p>x</p>", "> said\n>\n> twice\n\nx"),
        ('<div class="preheader">hidden</div><p>x</p>', "x"),
        ('<div style="display:none"><p>hidden</p></div><p>x</p>', "x"),
        ("<!--[if mso]><p>Outlook</p><![endif]--><p>x</p>", "x"),
        ("<p>a &amp; b &lt;c&gt; &copy;</p>", "a & b <c> ©"),
        ('<table class="pv-table"><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>', "a · b\nc · d"),
        ('<table role="presentation"><tr><td>a</td><td>b</td></tr></table>', "a\nb"),
        ("<pre>a\n   b</pre>", "a\n\u00a0\u00a0\u00a0b"),
        ("<p>  much\n   space  </p>", "much space"),
        ("<style>p{}</style><title>t</title><p>x</p>", "x"),
        ("<p>{{ subscriber.first_name }}</p>", "Alice"),
        ("<hr><p>x</p>", "--------\n\nx"),
    ],
)
def test_html_reads_well_as_text(html: str, wanted: str) -> None:
    assert [line.rstrip() for line in text(html).split("\n")] == wanted.split("\n")


def test_the_footer_keeps_address_and_unsubscribe() -> None:
    made = render(compiled("Hello"), alice(), context())
    assert "12 Valiasr St" in made.text
    assert "Unsubscribe:\nhttps://example.com/u/1" in made.text


def test_a_branch_not_taken_leaves_no_hole() -> None:
    body = "<p>a</p>{% if subscriber.vip %}<p>b</p>{% else %}<p>c</p>{% endif %}<p>d</p>"
    assert text(body) == "a\n\nb\n\nd"
    assert text(body, vip=False) == "a\n\nc\n\nd"


def test_each_line_of_a_persian_text_begins_from_the_right() -> None:
    made = text(
        "<p>{{ subscriber.first_name }} سلام</p><p>۱۲ Flask</p><p>سلام</p><ul>{% for i in event['items'] %}<li>{{ i.name }}</li>{% endfor %}</ul>",
        "fa",
    )
    lines = [line for line in made.split("\n") if line and not line.startswith("http")]
    assert lines
    for line in lines:
        assert line.startswith(RLM) or first_strong(line) == "rtl", line
    assert not any(line.startswith(RLM) for line in made.split("\n") if "https://" in line)


# Findings.


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('<img src="https://example.com/a.png" width="3">', "alt-missing"),
        ('<img src="https://example.com/a.png" alt="a">', "image-width-missing"),
        ('<a href="http://example.com/">x</a>', "link-not-https"),
        ('<p style="display:none">x</p>', "hidden-text"),
        ("<p>Act now!</p>", "spam-words"),
        ("<p>Hello *|FNAME|*</p>", "unresolved-placeholder"),
        ("<form></form>", "form-in-mail"),
        ('<link rel="stylesheet" href="https://example.com/a.css">', "css-import"),
        (f"<p>{'word ' * 25_000}</p>", "size-clipped"),
    ],
)
def test_what_would_embarrass_is_found(body: str, code: str) -> None:
    assert code in [finding.code for finding in compiled(page(body), ending="html").findings]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('<a href="">x</a>', "link-empty"),
        ('<a href="/pricing">x</a>', "link-relative"),
        ('<a href="javascript:x()">x</a>', "link-relative"),
        ("<script>x()</script>", "script-in-mail"),
        ('<img src="missing.png" alt="x">', "image-missing"),
    ],
)
def test_what_cannot_be_sent_is_refused(body: str, code: str) -> None:
    assert code in refused(page(body), ending="html")


def test_a_marketing_mail_without_unsubscribe_or_address_is_refused_and_a_service_mail_is_not() -> None:
    bare = "<html lang=en dir=ltr><body><p>x</p></body></html>"
    assert refused(bare, ending="html") == ["unsubscribe-missing", "address-missing"]
    hidden = '<div style="display:none">{{ site.postal_address }} {{ links.unsubscribe }}</div>'
    assert "unsubscribe-missing" in refused(bare.replace("<p>x</p>", hidden), ending="html")
    assert isinstance(compiled(bare, head="subject: x\nservice: true", ending="html"), CompiledMail)


@pytest.mark.parametrize(
    ("head", "code"),
    [
        ("subject: Hello", "preheader-missing"),
        (f"subject: {'long ' * 20}\npreheader: x", "subject-long"),
        ("subject: BUY THIS NOW\npreheader: x", "subject-shouting"),
        (f"subject: x\npreheader: {'long ' * 40}", "preheader-long"),
    ],
)
def test_subjects_and_preheaders_are_looked_at(head: str, code: str) -> None:
    assert code in [finding.code for finding in compiled("x", head=head).findings]


def test_an_allowed_warning_is_silent_and_an_error_never_is() -> None:
    assert compiled("x", head="subject: Hello\nallow: [preheader-missing]").findings == ()
    assert "link-empty" in refused(
        page('<a href="">x</a>'), head="subject: x\npreheader: y\nallow: [link-empty]", ending="html"
    )


def test_findings_name_the_place_in_the_file_of_the_author() -> None:
    (finding,) = compiled(page('\n<p>\n  <img src="https://example.com/a.png" width="3"></p>'), ending="html").findings
    assert (finding.file, finding.line, finding.column) == ("mail.en.html", 8, 3)


def test_our_own_layout_has_nothing_to_find_in_either_language() -> None:
    assert compiled("Hello {{ subscriber.first_name }}").findings == ()
    assert compiled("سلام", "fa").findings == ()


# Pictures.


def with_files(body: str, files: dict[str, bytes]) -> CompiledMail | Refused:
    options = PublishOptions(files=files.get, facts=SiteFacts("https://example.com", {}))
    return compile_mail(source(body), LAYOUTS, options)


def test_a_local_picture_is_named_by_its_content_and_measured() -> None:
    data = png(600, 300)
    mail = with_files("![A crate](images/crate.png)", {"images/crate.png": data})
    assert isinstance(mail, CompiledMail)
    (image,) = mail.images
    assert image.public_name == public_name("images/crate.png", data)
    assert (image.width, image.height) == (600, 300)
    html = render(mail, alice(), context(image_url="https://example.com/i")).html
    assert f'src="https://example.com/i/{image.public_name}"' in html
    assert 'width="600" height="300"' in html


def test_the_double_size_variant_is_shown_at_its_half() -> None:
    files = {"a.png": png(300, 100), "a@2x.png": png(600, 200)}
    mail = with_files("![A](a.png)", files)
    assert isinstance(mail, CompiledMail)
    assert mail.images[0].path == sharp_path("a.png") == "a@2x.png"
    assert 'width="300" height="100"' in mail.html


def test_an_embedded_picture_travels_with_the_mail() -> None:
    mail = with_files("![A](a.png){data-embed=yes}", {"a.png": png(3, 2)})
    assert isinstance(mail, CompiledMail)
    (part,) = mail.attachments
    assert f'src="cid:{part.content_id}"' in mail.html
    assert part.media_type == "image/png"


def test_what_is_not_a_picture_is_refused() -> None:
    mail = with_files("![A](a.png)", {"a.png": b"text"})
    assert isinstance(mail, Refused)
    assert mail.problems[0].code == "image-format"


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png(7, 5), Size(7, 5)),
        (b"GIF89a" + struct.pack("<HH", 9, 4) + b"\0" * 3, Size(9, 4)),
        (b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08" + struct.pack(">HH", 6, 8) + b"\0" * 8, Size(8, 6)),
        (b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0" + b"\x0f\0\0\x07\0\0", Size(16, 8)),
        (b"\x89PNG\r\n\x1a\nshort", None),
        (b"", None),
    ],
)
def test_sizes_are_read_from_headers(data: bytes, size: Size | None) -> None:
    assert read_size(data) == size


@given(st.binary(max_size=80))
def test_no_bytes_stop_the_reading_of_sizes(data: bytes) -> None:
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP"):
        size = read_size(start + data)
        assert size is None or size.width > 0


# Links and values.


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://example.com/a", "https://example.com/a?utm_source=parvar&utm_campaign=a%2Fb"),
        (
            "https://shop.example.com/a?x=%D8%A7#top",
            "https://shop.example.com/a?x=%D8%A7&utm_source=parvar&utm_campaign=a%2Fb#top",
        ),
        ("https://example.com/?utm_source=me", "https://example.com/?utm_source=me&utm_campaign=a%2Fb"),
        ("https://other.example/", "https://other.example/"),
    ],
)
def test_parameters_are_added_by_rule_and_nothing_else_is_touched(url: str, wanted: str) -> None:
    rule = UtmRule((("utm_source", "parvar"), ("utm_campaign", "{mail}"), ("utm_term", "{link}")), ("example.com",))
    assert tagged(url, rule, "a/b", "") == wanted


PERSONAL = (
    "[a]({{ event.url }}){name=go} [b](https://shop.example.com/{{ subscriber.first_name }}?q=1#x) "
    '[c](https://other.example/{{ subscriber.first_name }}) [d]({{ links.magnet("ebook") }})'
)


@pytest.mark.parametrize("is_counted", [True, False])
def test_addresses_of_one_reader_are_tagged_too_but_never_our_own_signed_ones(is_counted: bool) -> None:
    rule = UtmRule((("utm_source", "news"), ("copy", "{link}"), ("utm_campaign", "{mail}")), ("example.com",))
    made = compile_mail(source(PERSONAL), LAYOUTS, replace(OPTIONS, utm=rule))
    assert isinstance(made, CompiledMail)
    assert made.is_inlined
    seen: list[str] = []

    def sign(number: int, url: str) -> str:
        seen.append(url)
        return f"https://t.example.com/{number}"

    base = context()
    assert base.tracking is not None
    message = render(made, alice(), replace(base, tracking=replace(base.tracking, sign=sign) if is_counted else None))
    wanted = [
        "https://example.com/basket?a=1&b=2&utm_source=news&copy=go&utm_campaign=test%2Fmail",
        "https://shop.example.com/Alice?q=1&utm_source=news&utm_campaign=test%2Fmail#x",
        "https://other.example/Alice",
        "https://example.com/m/1",
    ]
    if is_counted:
        assert seen == wanted * 2  # the HTML, then the text
    else:
        assert [url for url in wanted if url not in message.text.split()] == []
        assert [url for url in wanted if f'href="{escape(url)}"' not in message.html] == []


def test_twin_links_of_outlook_share_their_number() -> None:
    body = (
        '<!--[if mso]><v:rect href="https://example.com/buy?a=1&amp;b=2"></v:rect><![endif]-->'
        '<a href="https://example.com/buy?a=1&amp;b=2">x</a> <a href="https://example.com/other">y</a>'
    )
    mail = compiled(page(body), ending="html")
    assert [link.url for link in mail.links] == ["https://example.com/buy?a=1&b=2", "https://example.com/other"]
    assert render(mail, alice(), context()).html.count("https://t.example.com/c/TOK/0") == 2


def test_numbers_and_money_follow_the_locale() -> None:
    assert number(1234567.5, "fa") == "۱٬۲۳۴٬۵۶۷٫۵"
    assert number(1234567, "en") == "1,234,567"
    assert money(Money(18_500_000, "IRR", "toman"), "fa") == "۱٬۸۵۰٬۰۰۰\u00a0تومان"
    assert money(Money(1250, "USD", decimals=2), "en") == "$12.50"
    assert Moment(0) == Moment(0)
    with pytest.raises(ValueError, match="short, long or full"):
        day(date(2026, 1, 1), "en", "tiny")


@given(st.text())
def test_cleaning_leaves_nothing_that_turns_or_breaks(value: str) -> None:
    assert not set(clean(value)) & set(
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028\u2029\r\0\x85"
    )
    assert "\n" not in clean_line(value)
    clean(value).encode()


@given(st.text(alphabet=st.sampled_from("aب1 \u200c!")))
def test_a_led_text_runs_the_way_of_its_mail(value: str) -> None:
    assert first_strong(led(value, "rtl")) in ("rtl", "")
    assert led(value, "ltr") == value
    assert isolate(value, "rtl").strip("\u2068\u2069") == value


@given(st.text())
def test_quoted_pieces_keep_to_their_lines_and_read_back(value: str) -> None:
    value = clean(value)
    encoded = quoted_piece(value)
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))
    assert quopri.decodestring(encoded.replace(b"\r\n", b"\n")).decode() == value


@given(st.lists(st.text(st.sampled_from("ab=.سـ \t\n\1\2é")) | st.text(), max_size=6))
def test_quoted_bodies_never_hold_two_blanks_a_tab_or_a_blank_at_the_end_of_a_line(values: list[str]) -> None:
    values = [value.replace("\r", "\n").encode("utf-8", "replace").decode() for value in values]
    encoded = b"".join(map(quoted_piece, values))
    assert re.search(rb"  |\t| \r\n| $", encoded) is None
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))
    assert quopri.decodestring(encoded.replace(b"\r\n", b"\n")).decode() == "".join(values)


def test_a_run_of_blanks_keeps_every_second_one() -> None:
    assert quoted_piece("a   b\tc  \n") == b"a =20 b=09c =20\r\n"


@given(st.binary(max_size=400))
def test_base64_lines_are_76_long_and_read_back(data: bytes) -> None:
    encoded = base64_lines(data)
    assert encoded.endswith(b"\r\n")
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))
    assert b64decode(encoded) == data


@given(st.text(max_size=200), st.integers(20, 76))
def test_encoded_words_are_short_and_split_no_character(value: str, room: int) -> None:
    value = clean(value)
    words = encoded_words(value, room)
    assert all(len(word) <= 75 for word in words)
    assert "".join(b64decode(word[10:-2]).decode() for word in words) == value
