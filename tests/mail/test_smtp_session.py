"""Opening sessions: TLS that is verified, logins of every kind, and servers that offer the wrong thing."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.mail.replies import Reply, Stage, parse_reply
from app.mail.smtp import SmtpTransport
from app.mail.smtp_session import parse_offer, xtext
from app.mail.smtp_stream import wire_form
from app.mail.smtp_url import Login, SmtpRelay, Timeouts, Tls
from app.mail.transports import Envelope, MessageKey, Outcome, RelayFault, Sent, send_all
from tests.servers.certificates import Certificates, certificates
from tests.servers.smtp import DEFAULT_FEATURES, Close, SmtpServer, always

SHORT = Timeouts(connect=2, greeting=2, command=2, data=2, body=2, final=2)
WITH_TLS = (*DEFAULT_FEATURES, "STARTTLS")


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


def relay(server: SmtpServer, tls: Tls = Tls.NEVER, ca: Path | None = None, host: str = "localhost") -> SmtpRelay:
    trusted = str(ca) if ca else ""
    return SmtpRelay("test", host, server.port, tls, helo="c.invalid", ca_file=trusted, timeouts=SHORT)


def attempt(relay: SmtpRelay, body: bytes = b"Subject: x\r\n\r\nhello\r\n", count: int = 1) -> Outcome:
    transport = SmtpTransport(relay)
    letters = [
        Envelope(MessageKey(n, 1), "b@bounce.example.com", "alice@example.org", lambda: body) for n in range(count)
    ]
    outcomes = send_all(transport, letters)
    transport.close()
    kinds = {type(one) for one in outcomes.values()}
    assert len(kinds) == 1 or count == 1
    return outcomes[MessageKey(0, 1)]


# ---------------------------------------------------------------- TLS


def test_starttls_protects_everything_after_it(certified: Certificates) -> None:
    with SmtpServer(features=WITH_TLS, tls=certified.server) as server:
        assert isinstance(attempt(relay(server, Tls.REQUIRED, certified.ca)), Sent)
        (talk,) = server.talks
        assert talk.is_encrypted
        assert [line.split(" ")[0] for line in talk.lines[:4]] == ["EHLO", "STARTTLS", "EHLO", "MAIL"]


def test_tls_from_the_first_byte(certified: Certificates) -> None:
    with SmtpServer(tls=certified.server, is_implicit=True) as server:
        assert isinstance(attempt(relay(server, Tls.IMPLICIT, certified.ca)), Sent)


def test_large_mails_travel_whole_over_tls(certified: Certificates) -> None:
    body = b"Subject: x\r\n\r\n" + b"0123456789abcdef\r\n" * 10_000
    with SmtpServer(features=WITH_TLS, tls=certified.server) as server:
        assert isinstance(attempt(relay(server, Tls.REQUIRED, certified.ca), body, count=5), Sent)
        assert server.bodies == [body] * 5


@pytest.mark.parametrize("tls", [Tls.REQUIRED, Tls.WHEN_OFFERED, Tls.IMPLICIT])
def test_a_certificate_nobody_vouches_for_is_refused(certified: Certificates, tls: Tls) -> None:
    with SmtpServer(features=WITH_TLS, tls=certified.server, is_implicit=tls is Tls.IMPLICIT) as server:
        fault = attempt(relay(server, tls))
        assert isinstance(fault, RelayFault)
        assert fault.stage is Stage.TLS
        assert "certificate" in fault.text
        assert not any(line.startswith("MAIL") for talk in server.talks for line in talk.lines)


@pytest.mark.parametrize(("host", "end_year"), [("other.example", 2060), ("localhost", 2021)])
def test_a_certificate_for_another_name_or_of_another_time_is_refused(tmp_path: Path, host: str, end_year: int) -> None:
    wrong = certificates(tmp_path, host, end_year)
    with SmtpServer(features=WITH_TLS, tls=wrong.server) as server:
        fault = attempt(relay(server, Tls.REQUIRED, wrong.ca))
        assert isinstance(fault, RelayFault)
        assert "certificate" in fault.text


def test_a_server_that_offers_no_tls_gets_nothing_when_it_is_required() -> None:
    with SmtpServer() as server:
        fault = attempt(relay(server, Tls.REQUIRED))
        assert isinstance(fault, RelayFault)
        assert "STARTTLS" in fault.text
        assert not server.mails


def test_tls_is_used_when_offered_and_not_missed_when_not(certified: Certificates) -> None:
    with SmtpServer(features=WITH_TLS, tls=certified.server) as server:
        assert isinstance(attempt(relay(server, Tls.WHEN_OFFERED, certified.ca)), Sent)
        assert server.talks[0].is_encrypted
    with SmtpServer() as server:
        assert isinstance(attempt(relay(server, Tls.WHEN_OFFERED)), Sent)


def test_commands_slipped_in_ahead_of_the_handshake_are_an_attack(certified: Certificates) -> None:
    rules = {"starttls": always(b"220 go\r\n250 injected\r\n")}
    with SmtpServer(rules, features=WITH_TLS, tls=certified.server) as server:
        fault = attempt(relay(server, Tls.REQUIRED, certified.ca))
        assert isinstance(fault, RelayFault)
        assert "ahead" in fault.text


@pytest.mark.parametrize("answer", [b"454 4.7.0 not now\r\n", b"220 go\r\n"])
def test_a_handshake_that_fails_is_the_relays_fault(answer: bytes, certified: Certificates) -> None:
    with SmtpServer({"starttls": always([answer, Close()])}, features=WITH_TLS) as server:
        fault = attempt(relay(server, Tls.REQUIRED, certified.ca))
        assert isinstance(fault, RelayFault)
        assert fault.stage is Stage.TLS


def test_a_missing_authority_file_is_the_relays_fault(tmp_path: Path) -> None:
    with SmtpServer() as server:
        fault = attempt(relay(server, Tls.REQUIRED, tmp_path / "none.pem"))
        assert isinstance(fault, RelayFault)
        assert "ca=" in fault.text


# ---------------------------------------------------------------- logins

USERS = {"سارا": "گذر واژه", "token@example.com": "ya29.token"}


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("login", [Login.AUTO, None])
def test_every_way_to_log_in(way: str, login: Login | None, certified: Certificates) -> None:
    features = (*WITH_TLS, f"AUTH {way}")
    with SmtpServer(features=features, tls=certified.server, users=USERS) as server:
        wanted = replace(
            relay(server, Tls.REQUIRED, certified.ca),
            user="سارا",
            password="گذر واژه",
            login=login or Login(way.lower()),
        )
        assert isinstance(attempt(wanted), Sent)
        assert server.talks[0].login == "سارا"


def test_a_token_logs_in(certified: Certificates) -> None:
    with SmtpServer(features=(*WITH_TLS, "AUTH XOAUTH2"), tls=certified.server, users=USERS) as server:
        wanted = replace(
            relay(server, Tls.REQUIRED, certified.ca),
            user="token@example.com",
            password="ya29.token",
            login=Login.XOAUTH2,
        )
        assert isinstance(attempt(wanted), Sent)
        fault = attempt(replace(wanted, password="old"))
        assert isinstance(fault, RelayFault)
        assert fault.stage is Stage.AUTH


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_wrong_password_is_the_relays_fault_and_is_never_shown(way: str) -> None:
    with SmtpServer(features=(*DEFAULT_FEATURES, f"AUTH {way}"), users=USERS) as server:
        wanted = replace(relay(server), user="سارا", password="wrong-secret")
        fault = attempt(wanted)
        assert isinstance(fault, RelayFault)
        assert fault.stage is Stage.AUTH
        assert fault.reply
        assert fault.reply.code == 535
        assert "wrong-secret" not in fault.text + repr(wanted)
        assert not server.mails


def test_no_common_way_says_which_ways_there_are() -> None:
    with SmtpServer(features=("AUTH GSSAPI NTLM",), users=USERS) as server:
        fault = attempt(replace(relay(server), user="a", password="b"))
        assert isinstance(fault, RelayFault)
        assert "GSSAPI, NTLM" in fault.text


@pytest.mark.parametrize("challenge", [b"334 !!!\r\n", b"334 \r\n", b"235 2.7.0 what?\r\n", b"500 no\r\n"])
def test_a_strange_challenge_is_survived(challenge: bytes) -> None:
    rules = {"auth": always(challenge)}
    with SmtpServer(rules, features=("AUTH CRAM-MD5",), users=USERS) as server:
        outcome = attempt(replace(relay(server), user="a", password="b"))
        assert isinstance(outcome, RelayFault | Sent)


# ---------------------------------------------------------------- what a server offers


def offer(*lines: str) -> Reply:
    return parse_reply([f"250-{line}".encode() for line in ("host", *lines[:-1])] + [f"250 {lines[-1]}".encode()])


def test_an_offer_is_read_in_any_case_and_with_old_spelling() -> None:
    found = parse_offer(offer("pipelining", "Size 1000", "8bitmime", "AUTH=LOGIN", "AUTH plain", "DSN", "X-WHAT 1"))
    assert found.pipelining
    assert found.eightbit
    assert found.dsn
    assert found.size == 1000
    assert found.auth == {"LOGIN", "PLAIN"}
    assert not found.starttls


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE lots", "SIZE -5", "SIZE ²"])
def test_a_size_without_a_limit_is_no_limit(size: str) -> None:
    found = parse_offer(offer(size, "DSN"))
    assert found.has_size
    assert found.size == 0


@given(st.lists(st.text(max_size=30), max_size=8))
def test_no_offer_breaks_the_reading(lines: list[str]) -> None:
    parse_offer(Reply(250, "", "\n".join(("host", *lines))))


def test_parameters_of_dsn_are_encoded() -> None:
    assert xtext("a+b=c d@example.org") == "a+2Bb+3Dc+20d@example.org"


# ---------------------------------------------------------------- the body on the wire


@given(st.binary(max_size=300) | st.text("a.\r\n", max_size=40).map(str.encode))
@example(b"\ra\n")
@example(b"\n.\r\n")
def test_a_body_on_the_wire_ends_once_and_comes_back_whole(body: bytes) -> None:
    wire = b"".join(wire_form(body))
    text = (b"\r\n" + wire).removesuffix(b".\r\n")
    assert wire.endswith(b".\r\n")
    assert b"\r\n.\r\n" not in text
    for end in (b"\n", b"\r"):
        assert text.count(end) == text.count(b"\r\n")
    sent = text.replace(b"\r\n..", b"\r\n.")[2:]
    assert sent.splitlines() == body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n").splitlines()
