"""Form letters: whatever is kept from one reader to the next, each gets the letter the template gives."""

from dataclasses import replace
from email import message_from_bytes, policy
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail import message
from app.mail.compiled import CompiledMail
from app.mail.context import Links, MailContext, Recipient, Tracking
from app.mail.message import Message, render
from app.store.bodies import pack, unpack
from tests.mail.mailing import alice, compiled, context

BODY = (
    "Hello {{ subscriber.first_name or 'there' }},\n\n{% if subscriber.first_name %}Dear {{ subscriber.first_name }}, "
    "{% endif %}[a look](https://example.com/a) and [another](https://example.com/b) for {{ subscriber.city }}.\n\n"
    "{% if subscriber.vip %}A word for friends.{% else %}A word.{% endif %}\n\n[in the browser]({{ links.view }})"
)
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


def letter(number: int, *, pixel: bool = True) -> MailContext:
    """A context whose links are as long as real ones, and different for each number."""
    base, token = "https://news.example.com", f"{number:032x}"
    links = Links(f"{base}/u/{token}{token[:16]}", f"{base}/p/{token}{token[:16]}", f"{base}/v/{token}")
    tracking = Tracking(f"{base}/c/{token}", f"{base}/o/{token}.gif" if pixel else "")
    return replace(context(), public_id=token, links=links, tracking=tracking)


def plainly(mail: CompiledMail, person: Recipient, said: MailContext) -> Message:
    """The same by a mail that keeps no forms."""
    return render(replace(mail, digest=""), person, said)


def parts(made: Message) -> list[str]:
    whole = message_from_bytes(made.data, policy=policy.SMTP)
    return [str(whole["Subject"]), *(str(part.get_content()) for part in whole.walk() if not part.is_multipart())]


def forms() -> int:
    return len(message._forms)


@given(name=NAMES, city=NAMES, vip=st.sampled_from([False, True, 1, 1.0, "", "yes"]), number=st.integers(0, 2**128 - 1))
@pytest.mark.parametrize("locale", ["en", "fa"])
def test_everybody_gets_the_letter_the_template_gives(
    locale: str, name: str, city: str, vip: object, number: int
) -> None:
    mail, person, said = compiled(BODY, locale, SUBJECT), someone(name, city, vip=vip), letter(number)
    plain = plainly(mail, person, said)
    for _ in range(2):  # the second time from a form, when there is one for her
        made = render(mail, person, said)
        assert parts(made) == parts(plain)
        assert (made.html, made.text, made.subject) == (plain.html, plain.text, plain.subject)


@given(name=NAMES, number=st.integers(0, 2**128 - 1))
def test_what_is_kept_of_a_letter_is_what_was_sent(name: str, number: int) -> None:
    mail, person, said = compiled(BODY, "en", SUBJECT), someone(name), letter(number)
    for _ in range(2):
        made = render(mail, person, said)
        assert unpack(pack(*made.filled, 7, mail.html), mail.html) == made.html


def test_readers_alike_share_one_form() -> None:
    mail = compiled(f"{BODY} shared", "en", SUBJECT)
    before = forms()
    made = [render(mail, someone(name), letter(number)) for number, name in enumerate(["Sara", "Reza", "Anna"])]
    assert forms() - before == 1
    assert ["Hello Sara" in made[0].text, "Dear Reza" in made[1].html, made[2].subject] == [True, True, "Hello Anna"]
    assert f"{2:032x}/0" in made[2].html
    assert f"{1:032x}" not in made[2].html


def test_nobody_gets_a_link_of_another() -> None:
    mail = compiled(BODY, "fa", SUBJECT)
    made = [render(mail, someone("سارا"), letter(number)) for number in range(5)]
    for number, each in enumerate(made):
        for other in set(range(5)) - {number}:
            assert f"{other:032x}" not in each.html + each.text
        assert "zqxjvkwq" not in each.html + each.text
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
        person, said = someone(name), letter(3)
        assert parts(render(mail, person, said)) == parts(plainly(mail, person, said))


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
        person, said = someone(name), letter(3)
        said = replace(said, event={"goods": ("tea",)}, offer={"code": name})
        assert parts(render(mail, person, said)) == parts(plainly(mail, person, said))
    assert forms() == before


def test_a_mail_that_asks_too_much_stops_drawing_up_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message, "_CREDIT", 5 * message._PRICE)
    mail = compiled("Hello {{ subscriber.city|upper }}.", "en")
    before = forms()
    for number in range(20):
        render(mail, someone("Sara", f"city {number}"), letter(number))
    assert forms() - before == 5


def test_a_mail_whose_forms_are_used_may_go_on_drawing_them_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker lives through many versions of a site, and each needs forms of its own."""
    monkeypatch.setattr(message, "_CREDIT", 2 * message._PRICE)
    mail = compiled("Good evening {{ subscriber.city|upper }}.", "en")
    before = forms()
    for number in range(10):
        for _ in range(message._PRICE + 1):
            render(mail, someone("Sara", f"city {number}"), letter(number))
    assert forms() - before == 10


def test_one_odd_reader_does_not_cost_the_others_their_form() -> None:
    mail = compiled(f"{BODY} odd", "en", SUBJECT)
    before = forms()
    odd = letter(1)
    odd = replace(odd, links=replace(odd.links, view="https://news.example.com/v/1"))  # nothing is as short as that
    assert parts(render(mail, someone("Sara"), odd)) == parts(plainly(mail, someone("Sara"), odd))
    assert forms() == before
    render(mail, someone("Sara"), letter(2))
    assert forms() - before == 1


def test_forms_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message, "_forms", {})
    monkeypatch.setattr(message, "_MOST_FORMS", 3)
    mail = compiled("Good day {{ subscriber.city|upper }}.", "en")
    for number in range(20):
        assert f"CITY {number}" in render(mail, someone("Sara", f"city {number}"), letter(number)).html
        assert forms() <= 3


def test_another_site_is_another_form() -> None:
    mail = compiled(BODY, "en", SUBJECT)
    one = render(mail, someone("Sara"), letter(1))
    said = letter(1)
    other = render(mail, someone("Sara"), replace(said, site={**said.site, "postal_address": "Elsewhere 5"}))
    assert "Elsewhere 5" in other.html
    assert "Elsewhere 5" not in one.html


def test_a_mail_without_pixel_has_none_from_a_form_either() -> None:
    mail = compiled(BODY, "en", SUBJECT)
    for number in (1, 2):
        assert "<img" not in render(mail, someone("Sara"), letter(number, pixel=False)).html
