"""One message for one person: what providers, RFCs and the standard library's own parser say of it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import getaddresses, parseaddr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.mail import headers
from app.mail.bidi import FSI, PDI, RLM, clean_line
from app.mail.compiled import Attachment, from_plain
from app.mail.context import ListHeaders, Recipient, Sender
from app.mail.headers import UnsendableAddress, ascii_address
from app.mail.lint import as_attachment
from app.mail.message import Message, RenderFault, render
from tests.mail.mailing import NOON, alice, body_of, compiled, context, page, parsed, signed

HELLO = "Hello {{ subscriber.first_name }},\n\nread [this](https://example.com/a?x=1&y=2){name=read}.\n"
SALAM = "سلام {{ subscriber.first_name }}،\n\n[این](https://example.com/a){name=read} را می‌خواهم.\n"

# everything a stranger may call himself
NAMES = st.one_of(
    st.text(max_size=60),
    st.text(
        st.sampled_from("abc سارا\u200c\u200f\u202e\u2066\r\n\t\0\x85\u2028😀👩‍👩‍👧‍👦=?_\"\\<>@,;:()&'{}%.ﷺé"),
        max_size=80,
    ),
)


def line_lengths(data: bytes) -> list[int]:
    return [len(line) for line in data.split(b"\r\n")]


def header_block(message: Message) -> str:
    return message.data.partition(b"\r\n\r\n")[0].decode("ascii")


def test_the_message_has_a_text_part_before_its_html_part() -> None:
    message = parsed(render(compiled(HELLO), alice(), context()).data)
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content_charset() for part in message.iter_parts()] == ["utf-8", "utf-8"]


def test_every_required_header_stands_there_once() -> None:
    message = parsed(render(compiled(HELLO), alice(), context()).data)
    for name in (
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Reply-To",
        "MIME-Version",
        "List-Unsubscribe",
        "List-ID",
        "Feedback-ID",
    ):
        assert len(message.get_all(name, [])) == 1, name
    assert message["Bcc"] is None
    assert message["From"] == "Sara of Green Basket <sara@example.com>"
    assert message["To"] == "Alice <alice@example.com>"
    assert message["Message-ID"] == "<a1b2c3@example.com>"
    assert message["Date"].datetime == datetime.fromtimestamp(NOON // 1_000_000, UTC)
    assert message["Date"].endswith("+0000")
    assert message["Feedback-ID"] == "m:l:n:parvar"
    assert message["List-ID"] == "Green Basket <list.example.com>"


def test_the_same_message_made_again_keeps_its_id() -> None:
    mail = compiled(HELLO)
    assert render(mail, alice(), context()).data == render(mail, alice(), context()).data


def test_the_envelope_names_the_reader() -> None:
    assert render(compiled(HELLO), alice(), context()).envelope_to == "alice@example.com"


@pytest.mark.parametrize("length", [10, 60, 78, 120, 400, 900])
def test_the_unsubscribe_address_is_readable_at_any_length(length: int) -> None:
    url = "https://example.com/u/" + "x" * length
    lists = ListHeaders(unsubscribe_url=url, unsubscribe_mailto="mailto:u+1@example.com?subject=unsubscribe")
    message = render(compiled(HELLO), alice(), context(lists=lists))
    block = header_block(message)
    assert f"List-Unsubscribe: <{url}>,\r\n <mailto:u+1@example.com?subject=unsubscribe>\r\n" in block
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in block
    assert max(line_lengths(message.data)) <= 998


def test_without_an_https_address_there_is_no_one_click() -> None:
    lists = ListHeaders(unsubscribe_mailto="mailto:u@example.com")
    block = header_block(render(compiled(HELLO), alice(), context(lists=lists)))
    assert "List-Unsubscribe: <mailto:u@example.com>" in block
    assert "List-Unsubscribe-Post" not in block


def test_marketing_mail_says_it_is_bulk_and_service_mail_does_not() -> None:
    marketing = parsed(render(compiled(HELLO), alice(), context()).data)
    service = parsed(render(compiled(HELLO, head="subject: Hello\nservice: true"), alice(), context()).data)
    assert marketing["Precedence"] == "bulk"
    assert service["Precedence"] is None
    for message in (marketing, service):
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["X-Auto-Response-Suppress"] == "OOF, AutoReply"


def test_the_feedback_id_repeats_no_identifier() -> None:
    assert headers.feedback_id(("cart", "cart", "n", "parvar")) == "Feedback-ID: cart::n:parvar\r\n"
    assert headers.feedback_id(("سبد a", "b", "c", "d")) == "Feedback-ID: -a:b:c:d\r\n"


# Lines, encodings, addresses.


@pytest.mark.parametrize(("body", "locale"), [(HELLO, "en"), (SALAM, "fa"), ("x" * 3000, "en"), ("سلام" * 900, "fa")])
def test_no_body_line_is_longer_than_78(body: str, locale: str) -> None:
    message = render(compiled(body, locale), alice(locale), context(locale))
    assert max(line_lengths(message.data.partition(b"\r\n\r\n")[2])) <= 78
    assert message.data.isascii()
    assert b"\r\n" in message.data
    assert b"\n" not in message.data.replace(b"\r\n", b"")
    assert b"\r" not in message.data.replace(b"\r\n", b"")


def test_latin_mail_is_quoted_printable_and_a_mail_of_persian_prose_is_base64() -> None:
    latin = render(compiled(HELLO), alice(), context()).data
    persian = render(compiled("سلام دنیا " * 900, "fa"), alice("fa"), context("fa")).data
    assert latin.count(b"Content-Transfer-Encoding: quoted-printable") == 2
    assert persian.count(b"Content-Transfer-Encoding: base64") == 2


def test_an_international_domain_is_written_in_a_labels() -> None:
    sender = Sender("Sara", "sara@سبد.example", "help@bücher.example")
    message = render(compiled(HELLO), replace(alice(), address="ali@مثال.ایران"), context(sender=sender))
    assert message.envelope_to == "ali@xn--mgbh0fb.xn--mgba3a4f16a"
    block = header_block(message)
    assert "<ali@xn--mgbh0fb.xn--mgba3a4f16a>" in block
    assert "Reply-To: help@xn--bcher-kva.example" in block
    assert message.message_id.endswith(f"@{ascii_address('sara@سبد.example').rpartition('@')[2]}>")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "alice",
        "سارا@example.com",
        "a b@example.com",
        "a@b c",
        "a@-_-",
        "a\r\nBcc: x@example.com",
        '"a b"@example.com',
        "a@" + "x" * 260,
    ],
)
def test_an_address_no_plain_server_takes_is_refused(address: str) -> None:
    with pytest.raises(UnsendableAddress):
        render(compiled(HELLO), replace(alice(), address=address), context())


def test_a_missing_value_stops_the_message_with_its_mail_named() -> None:
    mail = compiled("{{ event.nothing }}")
    with pytest.raises(RenderFault, match=r"test/mail \(en\)"):
        render(mail, alice(), context())
    with pytest.raises(RenderFault, match="no magnet 'other' was handed in"):
        render(compiled("[x]({{ links.magnet('other') }})"), alice(), context())


# Any data a stranger may give.


@example(name="x" * 10_000)
@example(name="سارا " * 2_000)
@example(name="👩‍👩‍👧‍👦" * 400)
@given(name=NAMES)
def test_any_name_gives_a_valid_message_that_reads_back_the_same(name: str) -> None:
    mail = compiled(HELLO, head="subject: Hi {{ subscriber.first_name }}!\npreheader: words")
    made = render(mail, replace(alice(first_name=name), name=name), context())
    message = parsed(made.data)
    assert max(line_lengths(made.data)) <= 998
    assert str(message["Subject"]) == made.subject
    assert body_of(message, "html") == made.html
    assert body_of(message, "plain") == made.text
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert getaddresses([str(message["To"])])[0][1] == "alice@example.com"
    assert clean_line(name).strip() in made.text.replace(FSI, "").replace(PDI, "") or not clean_line(name).strip()


@example(name="x" * 10_000)
@example(name="سارا " * 2_000)
@example(name="👩‍👩‍👧‍👦" * 400)
@given(name=NAMES)
def test_any_name_gives_valid_header_words(name: str) -> None:
    made = render(
        compiled(HELLO, head="subject: '{{ subscriber.first_name }}'\npreheader: words"),
        replace(alice(first_name=name), name=name),
        context(),
    )
    block = header_block(made)
    for word in re.findall(r"=\?utf-8\?b\?([^?]*)\?=", block):
        assert len(word) + 12 <= 75
        make_header(decode_header(f"=?utf-8?b?{word}?="))  # raises when a character was split
    for line in block.split("\r\n"):
        assert line
        assert "=?utf-8" not in line or len(line) <= 76
    raw = message_from_bytes(made.data)["To"]  # the new parser of 3.11 puts a blank between two encoded words
    shown = str(make_header(decode_header(parseaddr(raw)[0])))
    assert " ".join(shown.split()) == " ".join(clean_line(name).split())


@given(name=NAMES)
def test_no_name_makes_a_header_or_a_tag_of_its_own(name: str) -> None:
    made = render(
        compiled(HELLO),
        replace(alice(first_name=f"{name}\r\nBcc: eve@example.com\r\n\r\n<script>"), name=name),
        context(),
    )
    assert parsed(made.data)["Bcc"] is None
    assert "<script>" not in made.html


@given(value=st.text(max_size=200))
def test_an_address_from_data_cannot_run_anything(value: str) -> None:
    mail = compiled(
        page('<a href="{{ event.url }}">x</a><a href="{{ event.url }}" data-track="off">y</a>'), ending="html"
    )
    made = render(mail, alice(), context(event={"url": f"javascript:{value}"}))
    targets = re.findall(r'href="([^"]*)"', made.html)
    assert targets[:2] == ["https://example.com", "#"]


@given(names=st.lists(NAMES, min_size=1, max_size=4))
def test_attachment_names_read_back(names: list[str]) -> None:
    files = tuple(Attachment(f"{name}.pdf", "application/pdf", b"%PDF") for name in names)
    made = render(compiled(HELLO), alice(), context(attachments=files))
    message = parsed(made.data)
    shown = [part.get_filename() for part in message.iter_attachments()]
    wanted = [(clean_line(f"{name}.pdf").strip().replace("/", "-").replace("\\", "-")) for name in names]
    assert [" ".join(str(name).split()) for name in shown] == [" ".join(name.split()) for name in wanted]
    assert max(line_lengths(made.data)) <= 998


# Links, pictures, files.


def test_links_are_counted_and_the_table_says_where_they_lead() -> None:
    mail = compiled(HELLO)
    assert [(link.number, link.name, link.url) for link in mail.links] == [(0, "read", "https://example.com/a?x=1&y=2")]
    made = render(mail, alice(), context())
    assert 'href="https://t.example.com/c/TOK/0"' in made.html
    assert "https://t.example.com/c/TOK/0\n" in made.text


def test_without_tracking_links_lead_straight_and_no_pixel_is_sent() -> None:
    made = render(compiled(HELLO), alice(), context(tracking=None))
    assert 'href="https://example.com/a?x=1&amp;y=2"' in made.html
    assert "https://example.com/a?x=1&y=2\n" in made.text
    assert "t.example.com" not in made.html + made.text


def test_unsubscribe_preferences_and_view_are_never_counted() -> None:
    made = render(compiled(HELLO), alice(), context())
    for path in ("u", "p", "v"):
        assert f'href="https://example.com/{path}/1"' in made.html
        assert f"https://example.com/{path}/1\n" in made.text


def test_a_personal_address_travels_signed() -> None:
    mail = compiled("[Book]({{ links.magnet('ebook') }}){name=download}\n\n[Back]({{ event.url }}){name=back}")
    assert [(link.name, link.url) for link in mail.links] == [("download", None), ("back", None)]
    made = render(mail, alice(), context())
    book = signed(0, "https://example.com/m/1")
    basket = signed(1, "https://example.com/basket?a=1&b=2")
    for address in (book, basket):
        assert f'href="{address}"' in made.html
        assert f"{address}\n" in made.text


def test_data_within_an_address_is_percent_encoded() -> None:
    made = render(
        compiled("[x](https://example.com/?n={{ subscriber.first_name }}&x=1)"), alice(first_name="سا&را"), context()
    )
    assert signed(0, "https://example.com/?n=%D8%B3%D8%A7%26%D8%B1%D8%A7&x=1") in made.html


def test_the_pixel_is_the_last_thing_of_the_body() -> None:
    html = render(compiled(HELLO), alice(), context()).html
    assert re.search(r'<img src="https://t.example.com/o/TOK.gif" alt="" width="1" height="1"[^>]*>\s*</body>', html)


def test_a_calendar_file_says_what_it_asks_for() -> None:
    data = b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
    made = render(compiled(HELLO), alice(), context(attachments=(as_attachment("call.ics", data),)))
    part = next(parsed(made.data).iter_attachments())
    assert part.get_content_type() == "text/calendar"
    assert part.get_param("method") == "REQUEST"
    assert part.get_payload(decode=True) == data


def test_files_stand_beside_the_text_and_pictures_beside_the_html() -> None:
    picture = Attachment("a.png", "image/png", b"\x89PNG", content_id="a.png")
    made = render(
        compiled(HELLO), alice(), context(attachments=(picture, Attachment("کتاب.pdf", "application/pdf", b"x")))
    )
    message = parsed(made.data)
    assert message.get_content_type() == "multipart/mixed"
    alternative = next(message.iter_parts())
    assert alternative.get_content_type() == "multipart/alternative"
    related = list(alternative.iter_parts())[1]
    assert related.get_content_type() == "multipart/related"
    assert [part["Content-ID"] for part in related.iter_parts()] == [None, "<a.png>"]
    assert [part.get_filename() for part in message.iter_attachments()] == ["کتاب.pdf"]
    assert body_of(message, "html") == made.html


def test_subject_variants_are_chosen_by_the_step() -> None:
    mail = compiled(HELLO, head='subject: Hello\nsubjects: {bold: "Only {{ offer.left }} left"}\npreheader: words')
    assert render(mail, alice(), context()).subject == "Hello"
    assert render(mail, alice(), context(subject_variant="bold")).subject == "Only 12 left"


def test_a_stored_mail_gives_the_same_message() -> None:
    mail = compiled(HELLO)
    again = from_plain(mail.to_plain())
    assert again == mail
    assert render(again, alice(), context()).data == render(mail, alice(), context()).data
    with pytest.raises(ValueError, match="version"):
        from_plain({**mail.to_plain(), "version": 99})


def test_memory_of_prepared_mails_is_bounded() -> None:
    from app.mail import message

    mail = compiled(HELLO)
    for number in range(message._KEPT + 20):
        render(replace(mail, digest=f"{number}"), alice(), context())
    assert len(message._cache) == message._KEPT


# Persian.


@pytest.mark.parametrize(
    ("subject", "wanted"),
    [
        ("Flask: آموزش", RLM + "Flask: آموزش"),
        ("{{ subscriber.first_name }}، خوش آمدید", f"{FSI}Alice{PDI}، خوش آمدید"),
        ("سلام Ali", "سلام Ali"),
        ("۱۵٪ تخفیف", "۱۵٪ تخفیف"),
        ("🎁 هدیه", "🎁 هدیه"),
    ],
)
def test_a_persian_subject_runs_from_the_right(subject: str, wanted: str) -> None:
    mail = compiled(SALAM, "fa", f'subject: "{subject}"\npreheader: x')
    made = render(mail, alice("fa"), context("fa"))
    assert made.subject == wanted
    assert str(parsed(made.data)["Subject"]) == wanted


def test_a_latin_sender_of_a_persian_mail_is_led_by_a_mark() -> None:
    message = parsed(
        render(compiled(SALAM, "fa"), alice("fa"), context("fa", sender=Sender("Sara از سبد", "s@example.com"))).data
    )
    assert message["From"].addresses[0].display_name == RLM + "Sara از سبد"


def test_english_mail_has_no_marks() -> None:
    made = render(compiled(HELLO), alice(), context())
    assert not re.search("[\u200e\u200f\u2066-\u2069]", made.subject + made.html + made.text)


def test_the_joiner_of_persian_words_survives() -> None:
    made = render(compiled(SALAM, "fa"), alice("fa", first_name="نی‌لوفر"), context("fa"))
    message = parsed(made.data)
    for subtype in ("html", "plain"):
        assert "می‌خواهم" in body_of(message, subtype)
        assert "نی‌لوفر" in body_of(message, subtype)


def test_foreign_runs_are_isolated_and_codes_stay_latin() -> None:
    made = render(
        compiled("{{ subscriber.first_name }} {{ offer.code }} {{ offer.left }} {{ offer.price }}", "fa"),
        alice("fa"),
        context("fa"),
    )
    assert "<bdi>Alice</bdi>" in made.html
    assert '<bdi dir="ltr">SP-4F2K</bdi>' in made.html
    assert "۱۲" in made.html
    assert "۱٬۸۵۰٬۰۰۰\u00a0تومان" in made.html.replace("&nbsp;", "\u00a0")
    assert f"{FSI}SP-4F2K{PDI}" in made.text


def test_dates_follow_the_calendar_and_zone_of_the_reader() -> None:
    body = "{{ offer.ends }} / {{ offer.ends|date('short') }} / {{ offer.ends|time }}"
    persian = render(compiled(body, "fa"), alice("fa"), context("fa")).text
    english = render(compiled(body), alice(), context()).text
    assert "دوشنبه ۳۰ شهریور ۱۴۰۵، ساعت ۱۷:۴۳ / ۱۴۰۵/۰۶/۳۰ / ۱۷:۴۳" in persian
    assert "Monday 21 September 2026, 17:43 / 2026-09-21 / 17:43" in english
    elsewhere = Recipient("alice@example.com", "Alice", "en", {"first_name": "Alice"}, "America/New_York")
    assert "10:13" in render(compiled(body), elsewhere, context()).text


def test_bidirectional_controls_of_strangers_are_taken_out() -> None:
    made = render(compiled(HELLO), alice(first_name="\u202eecilA\u202c\u2066"), context())
    assert "ecilA" in made.html
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", made.html + made.text)


def test_missing_answers_are_empty_not_none() -> None:
    made = render(compiled("[{{ subscriber.note }}] {{ subscriber.note or 'nothing' }}"), alice(), context())
    assert "None" not in made.html + made.text
    assert "[] nothing" in made.text


def test_right_to_left_is_said_in_every_dialect() -> None:
    html = render(compiled(SALAM, "fa"), alice("fa"), context("fa")).html
    assert '<html lang="fa" dir="rtl"' in html
    tables = re.findall(r"<table[^>]*>", html)
    assert tables
    assert all('dir="rtl"' in table for table in tables)
    assert re.search(r'<td class="pv-body" dir="rtl"[^>]*direction:rtl', html)
    assert re.search(r'<td class="pv-body" dir="rtl"[^>]*text-align:right', html)


def test_left_to_right_is_said_too() -> None:
    html = render(compiled(HELLO), alice(), context()).html
    assert '<html lang="en" dir="ltr"' in html
    assert all('dir="ltr"' in table for table in re.findall(r"<table[^>]*>", html))
