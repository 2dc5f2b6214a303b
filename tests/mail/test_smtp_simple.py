"""The second opinion: one mail by smtplib, with a transcript that shows no password."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.mail.replies import ReplyClass, Stage
from app.mail.smtp_simple import SimpleTransport
from app.mail.smtp_url import RelayFaults, SmtpRelay, Timeouts, Tls, parse_relays
from app.mail.transports import (
    Collected,
    Deferred,
    Envelope,
    HandOverForbidden,
    MessageKey,
    NotTried,
    Outcome,
    Refused,
    RelayFault,
    Sent,
    Uncertain,
    send_all,
)
from tests.servers.certificates import certificates
from tests.servers.smtp import DEFAULT_FEATURES, Close, SmtpServer, always

SHORT = Timeouts(connect=2, greeting=2, command=2, data=2, body=2, final=2)
LETTER = Envelope(
    MessageKey(1, 1), "b@bounce.example.com", "alice@example.org", lambda: b"Subject: x\r\n\r\n.hello\r\n"
)


def relay(server: SmtpServer) -> SmtpRelay:
    return SmtpRelay("test", "localhost", server.port, Tls.NEVER, helo="c.invalid", timeouts=SHORT)


def attempt(relay: SmtpRelay) -> tuple[Outcome, str]:
    transport = SimpleTransport(relay)
    (outcome,) = send_all(transport, [LETTER]).values()
    return outcome, "\n".join(transport.transcript)


def test_a_mail_arrives_and_the_talk_is_written_down() -> None:
    with SmtpServer() as server:
        outcome, transcript = attempt(relay(server))
        assert isinstance(outcome, Sent)
        assert server.bodies == [b"Subject: x\r\n\r\n.hello\r\n"]
    assert "> mail FROM:<b@bounce.example.com>" in transcript
    assert "< 250 2.0.0 taken" in transcript


@pytest.mark.parametrize("implicit", [True, False])
def test_it_speaks_verified_tls_and_logs_in_without_showing_how(tmp_path: Path, implicit: bool) -> None:
    made = certificates(tmp_path)
    features = (*DEFAULT_FEATURES, "STARTTLS", "AUTH PLAIN LOGIN")
    with SmtpServer(features=features, tls=made.server, is_implicit=implicit, users={"sara": "geheim"}) as server:
        tls = Tls.IMPLICIT if implicit else Tls.REQUIRED
        wanted = replace(relay(server), tls=tls, ca_file=str(made.ca), user="sara", password="geheim")
        outcome, transcript = attempt(wanted)
        assert isinstance(outcome, Sent)
        assert server.talks[0].login == "sara"
        assert "AUTH PLAIN …" in transcript
        assert "geheim" not in transcript
        assert "AHNhcmEAZ2VoZWlt" not in transcript
        refused, _ = attempt(replace(wanted, password="wrong"))
        assert isinstance(refused, RelayFault)
        assert refused.stage is Stage.AUTH
        untrusted, _ = attempt(replace(wanted, ca_file=""))
        assert isinstance(untrusted, RelayFault)
        assert "certificate" in untrusted.text


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "final"])
def test_refusals_have_their_stage(stage: str) -> None:
    with SmtpServer({stage: always(b"550 5.1.1 no such user\r\n")}) as server:
        outcome, _ = attempt(relay(server))
        assert isinstance(outcome, Refused)
        assert (outcome.stage, outcome.reply_class) == (Stage(stage), ReplyClass.HARD)
    with SmtpServer({stage: always(b"451 4.3.0 later\r\n")}) as server:
        assert isinstance(attempt(relay(server))[0], Deferred)


@pytest.mark.parametrize(("stage", "kind"), [("connect", RelayFault), ("rcpt", RelayFault), ("final", Uncertain)])
def test_a_lost_connection_is_told_by_where_it_was_lost(stage: str, kind: type[Outcome]) -> None:
    with SmtpServer({stage: always(Close())}) as server:
        assert isinstance(attempt(relay(server))[0], kind)


def test_a_mail_may_still_be_forbidden() -> None:
    class Hooks(Collected):
        def before_final_dot(self, key: MessageKey, connection: int) -> None:
            raise HandOverForbidden("withdrawn")

    hooks = Hooks()
    with SmtpServer() as server:
        SimpleTransport(relay(server)).send([LETTER], hooks)
        assert hooks.outcomes[LETTER.key] == NotTried("withdrawn")
        assert not server.mails


def test_a_token_logs_in_and_never_stands_in_the_transcript(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret-token\n")
    with SmtpServer(features=(*DEFAULT_FEATURES, "AUTH XOAUTH2"), users={"alice": "secret-token"}) as server:
        found = parse_relays(f"smtp://alice@127.0.0.1:{server.port}?auth=xoauth2&token=file:{tmp_path}/token")
        assert not isinstance(found, RelayFaults)
        (only,) = found
        assert isinstance(only, SmtpRelay)
        transport = SimpleTransport(only)
        outcome = send_all(transport, [LETTER])[LETTER.key]
        assert isinstance(outcome, Sent), outcome
        assert "> AUTH XOAUTH2 …" in transport.transcript
        assert "c2VjcmV0" not in str(transport.transcript)
