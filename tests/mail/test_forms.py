"""Form letters: whatever is kept from one reader to the next, each gets the letter the template gives."""

from binascii import a2b_qp
from collections.abc import Sequence
from dataclasses import replace
from email import message_from_bytes, policy
from functools import cache
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail import edition
from app.mail.blanks import Blanks, Wire
from app.mail.compiled import CompiledMail
from app.mail.context import Links, ListHeaders, MailContext, Particulars, Reader, Recipient, Tracking
from app.mail.edition import Edition
from app.mail.encode import prefers_base64
from app.mail.message import Message, render
from app.store.bodies import pack, unpack
from tests.mail.mailing import alice, compiled, context

BODY = (
    "Hello {{ subscriber.first_name or 'there' }},\n\n{% if subscriber.first_name %}Dear {{ subscriber.first_name }}, "
    "{% endif %}[a look](https://example.com/a) and [another](https://example.com/b) for {{ subscriber.city }}.\n\n"
    "{% if subscriber.vip %}A word for friends.{% else %}A word.{% endif %}\n\n[in the browser]({{ links.view }})"
)
WORDS = {"en": "", "fa": "این نامه برای شماست و هر بار همین است. " * 20}
"""Enough of Persian that both texts are base 64."""
SUBJECT = "subject: 'Hello {{ subscriber.first_name }}'\npreheader: words"
NAMES = st.one_of(
    st.sampled_from(
        ["", "Sara", "Reza", "سارا", "علی", "آیدا", "Mary Ann", "QzQ", "QzQz", "Xj", "ظضظض", "zqxjvkwq", "<b>", "Jo",
         "Anne-Marie", "O'Neil", "José", "سارا Sara", "a" * 60, ". .", "=3D", "&amp;", "Zoë", "李雷",
         "محمد رضا", "محمد\u200cعلی", "Renée Søren", "ئة", "ن", "محمد  رضا", "سارا-نور"]
    ),
    st.text(max_size=12),
)  # fmt: skip


def someone(name: str, city: str = "Tehran", *, vip: object = False) -> Recipient:
    person = alice()
    return replace(person, attributes={**person.attributes, "first_name": name, "city": city, "vip": cast("bool", vip)})


BASE = "https://news.example.com"
SIZES = (32, 48, 48, 32, 56, 32)
"""Of the tokens of a mail, its pages to leave, to choose and to look, its letter to leave, and its id."""


def tokens(number: int) -> tuple[str, ...]:
    """As long as real ones, and different for each number."""
    return tuple(f"{number:032x}"[::-1].ljust(size, "-") for size in SIZES)


def said(given: Sequence[str], *, pixel: bool = True, base: str = BASE) -> MailContext:
    """A context with these tokens."""
    mail, leave, choose, view, local, key = given
    links = Links(f"{base}/u/{leave}", f"{base}/p/{choose}", f"{base}/v/{view}")
    tracking = Tracking(f"{base}/c/{mail}", f"{base}/o/{mail}.gif" if pixel else "")
    lists = ListHeaders(f"{base}/u/{leave}", f"mailto:u+{local}@example.com", "list.example.com", "Green Basket")
    return replace(context(), public_id=key, links=links, tracking=tracking, lists=lists)


def letter(number: int, *, pixel: bool = True) -> MailContext:
    return said(tokens(number), pixel=pixel)


@cache
def edition_of(mail: CompiledMail) -> Edition:
    return Edition(mail, is_counted=True)


def sent(mail: CompiledMail, person: Recipient, number: int, whole: MailContext | None = None) -> Message:
    """As the delivery writes it: from a form, if there is one for her. `whole`: what else the mail is made of."""

    def with_tokens(given: Sequence[str]) -> MailContext:
        made = said(given)
        if whole is None:
            return made
        return replace(whole, public_id=made.public_id, links=made.links, tracking=made.tracking, lists=made.lists)

    at = (whole or context()).at
    reader = Reader(at, person.address, person.name, person.attributes, "".join(tokens(number)).encode())
    made = edition_of(mail).filled_in(reader)
    return made or edition_of(mail).drawn_up(reader, Particulars(person, SIZES, with_tokens))


def plainly(mail: CompiledMail, person: Recipient, whole: MailContext) -> Message:
    """Rendered for her from the beginning."""
    return render(mail, person, whole)


def parts(made: Message) -> list[str]:
    whole = message_from_bytes(made.data, policy=policy.SMTP)
    return [
        made.data.partition(b"\r\n\r\n")[0].decode("ascii"),
        *(str(part.get_content()) for part in whole.walk() if not part.is_multipart()),
    ]


def forms() -> int:
    return len(edition._forms)


@given(name=NAMES, city=NAMES, vip=st.sampled_from([False, True, 1, 1.0, "", "yes"]), number=st.integers(0, 2**128 - 1))
@pytest.mark.parametrize("locale", ["en", "fa"])
def test_everybody_gets_the_letter_the_template_gives(
    locale: str, name: str, city: str, vip: object, number: int
) -> None:
    mail, person = compiled(WORDS[locale] + BODY, locale, SUBJECT), replace(someone(name, city, vip=vip), name=name)
    plain = plainly(mail, person, letter(number))
    for _ in range(2):  # the second time from a form, when there is one for her
        made = sent(mail, person, number)
        assert parts(made) == parts(plain)
        assert (made.html, made.text, made.subject) == (plain.html, plain.text, plain.subject)
        assert (made.message_id, made.envelope_to) == (plain.message_id, plain.envelope_to)


@given(name=NAMES, number=st.integers(0, 2**128 - 1))
def test_what_is_kept_of_a_letter_is_what_was_sent(name: str, number: int) -> None:
    mail, person = compiled(BODY, "en", SUBJECT), someone(name)
    for _ in range(2):
        made = sent(mail, person, number)
        assert unpack(pack(*made.filled, 7, mail.html), mail.html) == made.html


@pytest.mark.parametrize("locale", ["en", "fa"])
def test_readers_alike_share_one_form(locale: str) -> None:
    mail = compiled(f"{WORDS[locale]}{BODY} shared", locale, SUBJECT)
    before = forms()
    made = [sent(mail, someone(name), number) for number, name in enumerate(["Sara", "Reza", "Anna"])]
    assert forms() - before == 1
    assert ["Sara" in made[0].text, "Reza" in made[1].html, "Anna" in made[2].subject] == [True, True, True]
    assert f"{tokens(2)[0]}/0" in made[2].html
    assert tokens(1)[0] not in made[2].html


@pytest.mark.parametrize("locale", ["en", "fa"])
@pytest.mark.parametrize(
    "name", ["<b", "A&B", "a=b", "a.b", "a  b", "a b ", "1. a", "O'Neil", "سا<", "سا a", "سا. ", "۱۲"]
)
def test_no_odd_name_is_put_into_a_form_for_usual_ones(locale: str, name: str) -> None:
    mail, size = compiled(f"{WORDS[locale]}{BODY} odd names", locale, SUBJECT), len(name.encode())
    for number, usual in enumerate(("a" * size, "س" * (size // 2), "س " + "س" * ((size - 3) // 2))):
        sent(mail, someone(usual), number)
    assert parts(sent(mail, someone(name), 5)) == parts(plainly(mail, someone(name), letter(5)))


def test_nobody_gets_a_link_of_another() -> None:
    mail = compiled(BODY, "fa", SUBJECT)
    made = [sent(mail, someone("سارا"), number) for number in range(5)]
    for number, each in enumerate(made):
        for other in set(range(5)) - {number}:
            assert tokens(other)[0] not in each.html + each.text + each.data.decode("ascii")
        assert "zqxjvkwq" not in each.html + each.text + each.data.decode("ascii")
        assert "ظض" not in each.html + each.text + each.subject


@pytest.mark.parametrize(
    "words",
    [
        "{% if subscriber.first_name == 'Sara' %}It is you.{% endif %}",
        "{{ subscriber.first_name|upper }}",
        "![x](https://example.com/{{ subscriber.first_name }}.png)",
        "{{ subscriber.first_name|length }}",
        "{{ subscriber.first_name ~ '!' }}",
        "{{ subscriber.first_name[0] }}",
        "{{ 'yes' if subscriber.first_name == 'Sara' else 'no' }}",
        "{% if subscriber.first_name is string %}{{ subscriber.first_name }}{% endif %}",
    ],
)
def test_a_name_that_is_looked_at_is_part_of_the_question(words: str) -> None:
    mail = compiled(f"Hello {{{{ subscriber.first_name }}}}.\n\n{words}", "en")
    for name in ("Reza", "Sara", "Anna", "Sara"):
        person = someone(name)
        assert parts(sent(mail, person, 3)) == parts(plainly(mail, person, letter(3)))


@pytest.mark.parametrize(
    "words",
    [
        "{% for one in event.goods %}{{ one }}{% endfor %}",
        "{{ offer.code }}",
        "{% set x %}{{ subscriber.first_name }}{% endset %}{% if x == 'Sara' %}It is you.{% endif %}",
        "[yours](https://example.com/{{ subscriber.first_name }})",
    ],
)
def test_a_mail_that_is_another_for_everybody_is_rendered_for_everybody(words: str) -> None:
    mail = compiled(f"Hello.\n\n{words}", "en")
    before = forms()
    for name in ("Reza", "Sara"):
        whole = replace(letter(3), event={"goods": ("tea",)}, offer={"code": name})
        assert parts(sent(mail, someone(name), 3, whole)) == parts(plainly(mail, someone(name), whole))
    assert forms() == before


def test_a_mail_that_asks_too_much_stops_drawing_up_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edition, "_CREDIT", 5 * edition._PRICE)
    mail = compiled("Hello {{ subscriber.city|upper }}.", "en")
    before = forms()
    for number in range(20):
        sent(mail, someone("Sara", f"city {number}"), number)
    assert forms() - before == 5


def test_a_mail_whose_forms_are_used_may_go_on_drawing_them_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker lives through many versions of a site, and each needs forms of its own."""
    monkeypatch.setattr(edition, "_CREDIT", 2 * edition._PRICE)
    mail = compiled("Good evening {{ subscriber.city|upper }}.", "en")
    before = forms()
    for number in range(10):
        for _ in range(edition._PRICE + 1):
            sent(mail, someone("Sara", f"city {number}"), number)
    assert forms() - before == 10


def test_one_odd_reader_does_not_cost_the_others_their_form() -> None:
    mail = compiled(f"{BODY} odd", "en", SUBJECT)
    before = forms()
    odd = Particulars(someone("Sara"), (5,), lambda given: replace(letter(1), public_id=given[0]))
    reader = Reader(context().at, odd.person.address, odd.person.name, odd.person.attributes, b"short")
    made = edition_of(mail).drawn_up(reader, odd)  # nothing is as short as that
    assert parts(made) == parts(plainly(mail, odd.person, replace(letter(1), public_id="short")))
    assert forms() == before
    sent(mail, someone("Sara"), 2)
    assert forms() - before == 1


def test_forms_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edition, "_forms", {})
    monkeypatch.setattr(edition, "_MOST_FORMS", 3)
    mail = compiled("Good day {{ subscriber.city|upper }}.", "en")
    for number in range(20):
        assert f"CITY {number}" in sent(mail, someone("Sara", f"city {number}"), number).html
        assert forms() <= 3
    kept = [question[-1] for _, question in edition._forms]
    assert kept == [f"city {number}" for number in (17, 18, 19)], "those drawn up last"


def test_another_occasion_is_another_form() -> None:
    mail = compiled(BODY, "en", SUBJECT)
    made = []
    for place in ("12 Valiasr St", "Elsewhere 5"):
        whole = replace(letter(1), site={**letter(1).site, "postal_address": place})
        edition_of.cache_clear()
        made += [sent(mail, someone("Sara"), number, whole).html for number in (1, 2)]
    assert ["Elsewhere 5" in html for html in made] == [False, False, True, True]


def test_a_mail_without_pixel_has_none_from_a_form_either() -> None:
    mail = compiled(BODY, "en", SUBJECT)
    kept = Edition(mail, is_counted=True)
    particulars = Particulars(someone("Sara"), SIZES, lambda given: said(given, pixel=False))
    for number in (1, 2):
        reader = Reader(
            context().at, "alice@example.com", "", someone("Sara").attributes, "".join(tokens(number)).encode()
        )
        assert "<img" not in (kept.filled_in(reader) or kept.drawn_up(reader, particulars)).html


def test_a_form_that_is_wrong_is_found_out_by_its_first_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    mail = compiled(f"{BODY} wrong", "en", SUBJECT)
    before = forms()
    monkeypatch.setattr(
        Wire, "filled", lambda wire, values: b"".join(wire._pick((*values, *wire._same))).replace(b"A word", b"X")
    )
    made = [sent(mail, someone("Sara"), number) for number in (1, 2)]
    assert ["A word" in each.text for each in made] == [True, True]
    assert forms() == before


@pytest.mark.parametrize("locale", ["en", "fa"])
@pytest.mark.parametrize(
    "host", ["https://a.io", BASE, f"https://{'a' * 40}.example.com", f"https://{'a' * 62}.example.com"]
)
def test_lines_end_in_a_form_where_they_end_in_the_letter(host: str, locale: str) -> None:
    """However long the address around a token is, its lines are broken where those of the rendered mail are."""
    mail = compiled(f"{WORDS[locale]}[a look](https://example.com/a) [in the browser]({{{{ links.view }}}})", locale)
    assert (mail.is_base64, prefers_base64(mail.text)) == (locale == "fa", locale == "fa")
    kept, person = Edition(mail, is_counted=True), alice(locale)
    particulars = Particulars(person, SIZES, lambda given: said(given, base=host))
    for number in (1, 2, 3):
        reader = Reader(context().at, person.address, person.name, person.attributes, "".join(tokens(number)).encode())
        made = kept.filled_in(reader)
        assert (made is None) == (number == 1)
        plain = (
            kept.drawn_up(reader, particulars)
            if made is None
            else render(mail, person, said(tokens(number), base=host))
        )
        assert made is None or made.data == plain.data


def test_a_mail_that_takes_no_stand_in_serves_its_reader() -> None:
    mail = compiled(f"{BODY} picky", "en", SUBJECT)
    kept = Edition(mail, is_counted=True)

    def picky(given: Sequence[str]) -> MailContext:
        if given != tokens(1):
            raise ValueError("none but hers")
        return said(given)

    reader = Reader(context().at, "alice@example.com", "", someone("Sara").attributes, "".join(tokens(1)).encode())
    made = kept.drawn_up(reader, Particulars(someone("Sara"), SIZES, picky))
    assert "Dear Sara" in made.html
    assert (kept.needs, kept.filled_in(reader)) == (None, None)


@given(st.text(alphabet="ab./=\n ", max_size=90), st.text(alphabet="ab./=\n ", max_size=90), st.integers(28, 60))
def test_a_token_anywhere_in_a_text_is_found_again_on_the_wire(before: str, after: str, size: int) -> None:
    stand, real = "q" * size, "Z" * size
    blanks = Blanks((stand,), (size,))
    pieces = blanks.fill(before + stand + after, is_base64=False)
    if pieces is None:
        return
    values = [b""] * 3 + list(blanks.cutter()(real.encode()))
    wire = Wire(pieces, blanks.count).filled(values)
    assert a2b_qp(wire).replace(b"\r\n", b"\n") == (before + real + after).encode()
