"""Relays as an operator writes them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.smtp_url import FileRelay, Limits, Login, Relay, RelayFaults, SmtpRelay, Timeouts, Tls, parse_relays


def relays(text: str) -> tuple[Relay, ...]:
    found = parse_relays(text)
    assert not isinstance(found, RelayFaults), found.faults
    return found


def smtp(text: str) -> SmtpRelay:
    (relay,) = relays(text)
    assert isinstance(relay, SmtpRelay)
    return relay


def faults(text: str) -> tuple[str, ...]:
    found = parse_relays(text)
    assert isinstance(found, RelayFaults)
    return found.faults


def test_a_plain_url_is_protected_by_default() -> None:
    relay = smtp("smtp://sara:p%40ss%2Fw%3F@mail.example.com")
    assert (relay.host, relay.port, relay.tls) == ("mail.example.com", 587, Tls.REQUIRED)
    assert (relay.user, relay.password, relay.login) == ("sara", "p@ss/w?", Login.AUTO)
    assert "p@ss" not in repr(relay)


def test_tls_from_the_first_byte_has_its_own_port() -> None:
    assert (smtp("smtps://mail.example.com").port, smtp("smtps://mail.example.com").tls) == (465, Tls.IMPLICIT)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_this_machine_needs_no_tls(host: str) -> None:
    relay = smtp(f"smtp://{host}")
    assert (relay.port, relay.tls) == (25, Tls.NEVER)


def test_every_option_is_read() -> None:
    relay = smtp(
        "main=smtp://u:p@h.example:2525?starttls=when_offered&auth=cram-md5&connections=8&per_connection=50&max_age=60"
        "&rate=12.5&helo=me.example&timeout=30&pipelining=off&dsn=off&weight=3"
    )
    assert relay == SmtpRelay(
        "main",
        "h.example",
        2525,
        Tls.WHEN_OFFERED,
        "u",
        "p",
        Login.CRAM_MD5,
        "me.example",
        weight=3,
        limits=Limits(8, 50, 60.0, 12.5),
        timeouts=Timeouts().scaled(30),
        may_pipeline=False,
        dsn="",
    )


def test_timeouts_keep_their_proportions() -> None:
    assert Timeouts().scaled(30).final == 60
    assert Timeouts().scaled(300) == Timeouts()


def test_several_relays_have_names() -> None:
    found = relays("smtp://a.example\n  backup=smtp://b.example file:///var/mail/out\tbox=maildir:///m")
    assert [relay.name for relay in found] == ["relay", "backup", "relay3", "box"]
    assert found[2] == FileRelay("relay3", Path("/var/mail/out"))
    assert found[3] == FileRelay("box", Path("/m"), is_maildir=True)


@pytest.mark.parametrize("between", [" ", ",", ", ", " ,\n", "\n\n"])
def test_relays_stand_apart_by_space_or_comma(between: str) -> None:
    found = relays(between.join(("a=smtp://h?dsn=failure,delay", "smtp://i", "c=smtps://k")))
    assert [relay.name for relay in found] == ["a", "relay2", "c"]


def test_all_faults_are_told_at_once_and_no_password_with_them() -> None:
    told = faults(
        "a=smtp://u:geheim@h?rate=fast&colour=red&starttls=maybe a=http://x file://out smtp://u@h smtps://h?starttls=never"
    )
    text = "\n".join(told)
    for part in (
        "rate=fast",
        "'colour'",
        "starttls=maybe",
        "'http'",
        "three slashes",
        "both a user",
        "leave starttls out",
    ):
        assert part in text
    assert "geheim" not in text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "no relay"),
        ("smtp://h:port", "no URL"),
        ("smtp://", "host is missing"),
        ("smtp://h/path", "nothing may follow"),
        ("smtp://u:p@h?starttls=never", "open connection"),
        ("smtp://h?auth=plain", "needs a user"),
        ("smtp://h?connections=0", "from 1 to 256"),
        ("smtp://h?connections=4&connections=5", "given twice"),
        ("smtp://h?ca=/does/not/exist.pem", "cannot be read"),
        ("file:///", "name the folder"),
        ("a=smtp://h a=smtp://i", "two relays"),
        ("mail.example.com", "no scheme"),
        ("smtp://[broken", "no URL"),
    ],
)
def test_each_fault_says_what_to_write(text: str, part: str) -> None:
    assert any(part in one for one in faults(text))


@given(st.text(max_size=80) | st.text("smtp:/@?&=%[]ab1 ", max_size=60))
def test_no_setting_breaks_the_reading(text: str) -> None:
    parse_relays(text)
