"""Signed links: what is read back is what was signed, and nothing else is read back at all."""

import base64
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.instants import DAY, HOUR, SECOND
from app.core.location import location
from app.links import (
    LETTERS,
    BounceRef,
    Expired,
    Form,
    Key,
    Kind,
    Links,
    MailRef,
    Pass,
    PersonRef,
    Untimely,
)

OLD, NEW = Key(1, b"o" * 32), Key(2, b"n" * 32)
LINKS = Links((OLD,), "https://example.com", "https://t.example.com")
ROTATED = Links((NEW, OLD), "https://example.com", "https://t.example.com")
STRANGER = Links((Key(1, b"s" * 32),), "https://example.com", "https://t.example.com")
ALICE = bytes(range(16))
NOW = 1_770_000_000 * SECOND

numbers = st.integers(min_value=0, max_value=2**64 - 1)
versions = st.integers(min_value=0, max_value=2**32 - 1)
people = st.binary(min_size=16, max_size=16)


def last(url: str) -> str:
    return url.rsplit("/", 1)[1]


@given(numbers, versions)
def test_a_mail_token_is_32_characters_and_comes_back_whole(message: int, version: int) -> None:
    token = LINKS.mail_token(message, version)
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", token)
    assert LINKS.read_mail(token) == MailRef(message, version)


def test_links_of_a_mail_stand_on_the_tracking_host_and_pages_on_the_site() -> None:
    token = LINKS.mail_token(7, 3)
    assert LINKS.click_url(token, 4) == f"https://t.example.com/c/{token}/4"
    assert LINKS.open_url(token) == f"https://t.example.com/o/{token}.gif"
    assert LINKS.view_url(7, 3).startswith("https://example.com/v/")
    assert LINKS.read_view(last(LINKS.view_url(7, 3))) == MailRef(7, 3)
    assert LINKS.survey_url(7, 3, 9).endswith("/9")
    assert LINKS.read_survey(LINKS.survey_url(7, 3, 9).split("/")[-2]) == MailRef(7, 3)


@given(people, numbers)
def test_links_of_a_person_come_back_whole(person: bytes, message: int) -> None:
    assert LINKS.read_unsubscribe(last(LINKS.unsubscribe_url(person, message))) == PersonRef(person, message)
    assert LINKS.read_preferences(last(LINKS.preferences_url(person, message))) == PersonRef(person, message)
    assert LINKS.read_referral(last(LINKS.referral_url(person))) == person


@given(people, numbers)
def test_local_parts_fit_an_address_and_survive_any_letter_case(person: bytes, message: int) -> None:
    leave, bounce = LINKS.unsubscribe_local(person, message), LINKS.bounce_local(message, 2)
    assert all(re.fullmatch(r"[a-z0-9+]{1,64}", local) for local in (leave, bounce))
    assert LINKS.read_unsubscribe_local(leave.upper() + "@EXAMPLE.COM") == PersonRef(person, message)
    assert LINKS.read_bounce(bounce.upper() + "@bounce.example.com") == BounceRef(message, 2)


@pytest.mark.parametrize("local", ["", "b+", "b+a", "x+" + "a" * 32, "b+" + "a" * 32, "b+" + "1" * 32, "b+é", "sara"])
def test_a_local_part_that_is_not_ours_is_none(local: str) -> None:
    assert LINKS.read_bounce(local) is None
    assert LINKS.read_unsubscribe_local(local) is None


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        (Kind.CONFIRM, LINKS.read_confirm),
        (Kind.RESEND, LINKS.read_resend),
        (Kind.MAGNET, LINKS.read_magnet),
        (Kind.IDENTITY, LINKS.read_identity),
    ],
)
def test_a_pass_ends_and_says_whose_it_was(kind: Kind, read: Callable[[str, int], Pass | Expired | None]) -> None:
    given_pass = Pass(ALICE, 9, "کتاب/ebook", NOW + DAY)
    token = LINKS.pass_token(kind, given_pass)
    assert read(token, NOW + DAY - 1) == given_pass
    assert read(token, NOW + DAY) == Expired(given_pass)


def test_passes_have_their_own_addresses() -> None:
    assert LINKS.read_confirm(last(LINKS.confirm_url(ALICE, 5, NOW + 1)), NOW) == Pass(ALICE, 5, "", NOW + SECOND)
    assert LINKS.confirm_url(ALICE, 5, NOW).startswith("https://example.com/confirm/")
    assert LINKS.resend_url(ALICE, 5, NOW).startswith("https://example.com/resend/")
    assert LINKS.magnet_url(Pass(ALICE, 5, "ebook", NOW)).startswith("https://example.com/m/")
    assert LINKS.read_identity(LINKS.identity_token(ALICE, 8, NOW + SECOND), NOW) == Pass(ALICE, 8, "", NOW + SECOND)


@pytest.mark.parametrize(
    ("age", "wanted"),
    [(2 * SECOND - 1, True), (2 * SECOND, None), (24 * HOUR, None), (24 * HOUR + 1, False), (-HOUR, True)],
)
def test_a_form_is_good_from_two_seconds_to_a_day(age: int, wanted: bool | None) -> None:
    form = Form("ebook", NOW, b"n" * 16)
    read = LINKS.read_form(LINKS.form_token(form), NOW + age)
    assert read == (form if wanted is None else Untimely(form, wanted))


EVERY_TOKEN: dict[str, str] = {
    "mail": LINKS.mail_token(7, 3),
    "view": last(LINKS.view_url(7, 3)),
    "survey": LINKS.survey_url(7, 3, 0).split("/")[-2],
    "unsubscribe": last(LINKS.unsubscribe_url(ALICE, 7)),
    "preferences": last(LINKS.preferences_url(ALICE, 7)),
    "confirm": last(LINKS.confirm_url(ALICE, 7, NOW)),
    "resend": last(LINKS.resend_url(ALICE, 7, NOW)),
    "magnet": last(LINKS.magnet_url(Pass(ALICE, 7, "ebook", NOW))),
    "identity": LINKS.identity_token(ALICE, 7, NOW),
    "referral": LINKS.referral_token(ALICE),
    "form": LINKS.form_token(Form("ebook", NOW, ALICE)),
    "bounce": LINKS.bounce_local(7, 0),
    "leave by mail": LINKS.unsubscribe_local(ALICE, 7),
}
READERS: dict[str, Callable[[Links, str], object]] = {
    "mail": Links.read_mail,
    "view": Links.read_view,
    "survey": Links.read_survey,
    "unsubscribe": Links.read_unsubscribe,
    "preferences": Links.read_preferences,
    "confirm": lambda links, token: links.read_confirm(token, NOW),
    "resend": lambda links, token: links.read_resend(token, NOW),
    "magnet": lambda links, token: links.read_magnet(token, NOW),
    "identity": lambda links, token: links.read_identity(token, NOW),
    "referral": Links.read_referral,
    "form": lambda links, token: links.read_form(token, NOW + HOUR),
    "bounce": Links.read_bounce,
    "leave by mail": Links.read_unsubscribe_local,
}


@pytest.mark.parametrize("name", EVERY_TOKEN)
def test_a_token_opens_its_own_door_and_no_other(name: str) -> None:
    assert [door for door, read in READERS.items() if read(LINKS, EVERY_TOKEN[name]) is not None] == [name]


@pytest.mark.parametrize("name", EVERY_TOKEN)
def test_every_single_changed_bit_makes_a_token_worthless(name: str) -> None:
    token = EVERY_TOKEN[name]
    for place in range(len(token)):
        for other in {chr(ord(token[place]) ^ (1 << bit)) for bit in range(7)} - {
            token[place],
            token[place].swapcase(),
        }:
            assert READERS[name](LINKS, token[:place] + other + token[place + 1 :]) is None


@pytest.mark.parametrize("name", EVERY_TOKEN)
def test_old_keys_verify_for_ever_and_strangers_keys_never(name: str) -> None:
    assert READERS[name](ROTATED, EVERY_TOKEN[name]) == READERS[name](LINKS, EVERY_TOKEN[name])
    assert READERS[name](STRANGER, EVERY_TOKEN[name]) is None
    assert READERS[name](Links((NEW,), "https://a.ir", "https://a.ir"), EVERY_TOKEN[name]) is None


@given(st.lists(st.sampled_from(list(LETTERS)), max_size=8), numbers, versions, people, st.booleans())
def test_tokens_spelt_together_are_those_spelt_alone(
    kinds: list[Kind], message: int, version: int, person: bytes, by_letter: bool
) -> None:
    alone = {
        Kind.MAIL: ROTATED.mail_token(message, version),
        Kind.VIEW: last(ROTATED.view_url(message, version)),
        Kind.UNSUBSCRIBE: last(ROTATED.unsubscribe_url(person, message)),
        Kind.PREFERENCES: last(ROTATED.preferences_url(person, message)),
        Kind.SHARE: last(ROTATED.share_url(person, message)),
    }
    by_letter = by_letter and Kind.UNSUBSCRIBE in kinds
    wanted = [alone[kind] for kind in kinds]
    local = ROTATED.unsubscribe_local(person, message).removeprefix("u+") if by_letter else ""
    made = ROTATED.sheet(kinds, is_left_by_letter=by_letter).tokens(MailRef(message, version), person)
    assert made.decode() == "".join([*wanted, local])
    assert [len(token) for token in wanted] == [LETTERS[kind] for kind in kinds]


def test_a_sheet_is_asked_only_for_what_it_can_make() -> None:
    with pytest.raises(KeyError):
        LINKS.sheet([Kind.MAGNET])
    with pytest.raises(ValueError, match="not in"):
        LINKS.sheet([Kind.MAIL], is_left_by_letter=True)
    with pytest.raises(ValueError, match="16 bytes"):
        LINKS.sheet([Kind.MAIL]).tokens(MailRef(1, 1), b"alice")


def test_the_first_key_signs() -> None:
    token = ROTATED.mail_token(1, 1)
    assert LINKS.read_mail(token) is None
    assert ROTATED.read_mail(token) == MailRef(1, 1)


@given(st.text(max_size=60))
def test_no_text_breaks_a_reader(text: str) -> None:
    assert [name for name, read in READERS.items() if read(LINKS, text) is not None] == []


@given(st.binary(max_size=60))
def test_no_bytes_break_a_reader(raw: bytes) -> None:
    token = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert [name for name, read in READERS.items() if read(LINKS, token) is not None] == []


@given(st.binary(min_size=0, max_size=9))
def test_a_token_has_one_spelling(name: bytes) -> None:
    token = LINKS.pass_token(Kind.MAGNET, Pass(ALICE, 1, name.hex(), NOW + DAY))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert [end for end in alphabet if LINKS.read_magnet(token[:-1] + end, NOW) is not None] == [token[-1]]
    assert LINKS.read_magnet(token + "=", NOW) is None
    assert LINKS.read_magnet(token + "\n", NOW) is None


TARGET = "https://shop.example.com/basket?id=7&q=%41+b%2F&utm=a%20b&x=%DA%A9#top"


def test_a_personal_target_comes_back_byte_for_byte_and_only_in_its_place() -> None:
    token = LINKS.mail_token(7, 3)
    signed = last(LINKS.target_url(token, 4, TARGET))
    assert LINKS.target_url(token, 4, TARGET).startswith(f"https://t.example.com/c/{token}/4/")
    assert LINKS.read_target(token, 4, signed) == TARGET
    assert ROTATED.read_target(token, 4, signed) == TARGET
    assert LINKS.read_target(token, 5, signed) is None
    assert LINKS.read_target(LINKS.mail_token(8, 3), 4, signed) is None
    assert STRANGER.read_target(token, 4, signed) is None
    assert LINKS.read_target(token, 4, signed[:-1]) is None
    assert LINKS.read_target(token, 4, "") is None


def test_a_target_that_is_no_web_address_is_never_signed() -> None:
    with pytest.raises(ValueError, match="http"):
        LINKS.target_url(LINKS.mail_token(7, 3), 4, "javascript:alert(1)")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.com/",
        "//example.com/",
        "/path",
        "example.com",
        "",
        "http:///path",
        "https://",
        "https://:80/",
        "http:example.com",
        " https://example.com",
        "https://example.com/a b",
        "https://example.com/\r\nSet-Cookie: a=b",
        "https://example.com\\@evil.example",
        "https://example.com@evil.example/",
        "https://user:pass@example.com/",
        "https://[::1/",
        "https://example.com/" + "a" * 4096,
        "https://example.com/\ud800",
    ],
)
def test_an_address_that_may_not_stand_in_a_location_is_refused(url: str) -> None:
    assert location(url) is None


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        (TARGET, TARGET),
        ("HTTP://Example.COM/A?b=[1]&c={2}|^`'\"<>", "HTTP://Example.COM/A?b=[1]&c={2}|^`'\"<>"),
        ("https://example.com:8443?x=a@b", "https://example.com:8443?x=a@b"),
        ("https://[2001:db8::1]/", "https://[2001:db8::1]/"),
        ("https://example.com/کتاب?q=%41&س=۱", "https://example.com/%DA%A9%D8%AA%D8%A7%D8%A8?q=%41&%D8%B3=%DB%B1"),
        ("https://کتاب.ir/a%20b", "https://xn--mgbce12c.ir/a%20b"),
    ],
)
def test_an_address_is_kept_byte_for_byte_and_made_ascii(url: str, wanted: str) -> None:
    assert location(url) == wanted


def test_keys_and_addresses_that_cannot_work_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Key(1, b"short")
    with pytest.raises(ValueError, match="between 1 and 255"):
        Key(256, b"o" * 32)
    for keys in ((), (OLD, Key(1, b"x" * 32))):
        with pytest.raises(ValueError, match="its own number"):
            Links(keys, "https://example.com", "https://example.com")
    for url in ("example.com", "https://example.com/", "ftp://example.com"):
        with pytest.raises(ValueError, match="trailing slash"):
            Links((OLD,), url, "https://example.com")
    with pytest.raises(ValueError, match="16 bytes"):
        LINKS.unsubscribe_url(b"alice")


def test_secrets_are_not_shown_when_printed() -> None:
    assert "oooo" not in repr(LINKS)
