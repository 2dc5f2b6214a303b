"""Tokens for XOAUTH2: fetched once for all connections, and again when the server wants no more of the old one."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from app.mail.smtp import SmtpTransport
from app.mail.smtp_token import EARLY, NoToken, Tokens, fetch
from app.mail.smtp_url import Login, RelayFaults, SmtpRelay, Tls, TokenSource, parse_relays
from app.mail.transports import RelayFault, Sent, send_all
from app.net.tokens import ask
from tests.mail.test_smtp_relays import SHORT, letters
from tests.servers.receiver import Receiver
from tests.servers.smtp import DEFAULT_FEATURES, SmtpServer

USER = "news@example.com"


def relay(port: int, token: TokenSource, password: str = "") -> SmtpRelay:
    return SmtpRelay(
        "r", "127.0.0.1", port, Tls.NEVER, USER, password, Login.XOAUTH2, helo="c", timeouts=SHORT, token=token
    )


def command(folder: Path, *tokens: str) -> TokenSource:
    """Gives these tokens in turn, the last one again and again."""
    (folder / "tokens").write_text("\n".join(tokens) + "\n")
    script = folder / "token"
    lines = ("#!/bin/sh", 'cd "$(dirname "$0")"', "head -n 1 tokens", "echo . >> calls")
    script.write_text("\n".join((*lines, '[ "$(wc -l < tokens)" -gt 1 ] && sed -i 1d tokens', "exit 0", "")))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return TokenSource(command=str(script))


def calls(folder: Path) -> int:
    return len((folder / "calls").read_text().splitlines())


def server(**users: str) -> SmtpServer:
    return SmtpServer(features=(*DEFAULT_FEATURES, "AUTH XOAUTH2"), users={USER: users["token"]})


def test_a_token_that_is_too_old_is_fetched_again_and_no_mail_suffers(tmp_path: Path) -> None:
    with server(token="fresh") as smtp:
        transport = SmtpTransport(relay(smtp.port, command(tmp_path, "stale", "fresh")))
        outcomes = send_all(transport, letters(6))
        transport.close()
        assert all(isinstance(one, Sent) for one in outcomes.values())
        assert len(smtp.mails) == 6
    assert calls(tmp_path) == 2


def test_one_token_serves_all_connections(tmp_path: Path) -> None:
    with server(token="fresh") as smtp:
        transport = SmtpTransport(relay(smtp.port, command(tmp_path, "fresh")))
        for number in range(3):
            send_all(transport, letters(number + 1)[number:])
            transport.close()
    assert calls(tmp_path) == 1


def test_a_server_that_wants_no_token_at_all_is_a_fault_of_the_relay_without_the_token(tmp_path: Path) -> None:
    with server(token="other") as smtp:
        transport = SmtpTransport(relay(smtp.port, command(tmp_path, "hunter2", "hunter3")))
        (outcome,) = send_all(transport, letters(1)).values()
        transport.close()
    assert isinstance(outcome, RelayFault)
    assert "refused" in outcome.text
    assert "hunter" not in outcome.text
    assert calls(tmp_path) == 2, "not again and again"


def test_an_endpoint_is_given_the_refresh_token_and_its_time_is_kept() -> None:
    second = [0.0]
    says = json.dumps({"access_token": "abc", "expires_in": 3600, "token_type": "Bearer"}).encode()
    with Receiver([(200, {})], says=says) as endpoint:
        source = TokenSource(endpoint=endpoint.url, client="id", client_secret="hush")
        tokens = Tokens(relay(1, source, "refresh"), lambda: second[0], ask)
        assert [tokens.get(), tokens.get()] == ["abc", "abc"]
        second[0] = 3600 - EARLY
        assert tokens.get() == "abc"
    assert len(endpoint.got) == 2
    asked = parse_qs(endpoint.got[0].body.decode())
    assert asked == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["refresh"],
        "client_id": ["id"],
        "client_secret": ["hush"],
    }


@pytest.mark.parametrize(
    ("status", "says", "words"),
    [
        (400, b'{"error": "invalid_grant", "error_description": "hunter2"}', "answered 400 (invalid_grant)"),
        (500, b"hunter2", "answered 500"),
        (200, b"[]", "no token"),
        (200, b"hunter2", "no token"),
        (302, b"", "answered 302"),
    ],
)
def test_an_endpoint_that_gives_none_is_told_without_its_secrets(status: int, says: bytes, words: str) -> None:
    with (
        Receiver([(status, {"Location": "http://127.0.0.1:1/"})], says=says) as endpoint,
        pytest.raises(NoToken, match="token endpoint") as told,
    ):
        fetch(TokenSource(endpoint=endpoint.url, client="id"), "hunter3", ask)
    assert words in str(told.value)
    assert "hunter" not in str(told.value)


def test_a_command_or_file_that_gives_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "two").write_text("a b\n")
    for source, words in (
        (TokenSource(command="/bin/false"), "ended with 1"),
        (TokenSource(command="/nowhere/at/all"), "FileNotFoundError"),
        (TokenSource(command="/bin/true"), "no token"),
        (TokenSource(file=str(tmp_path / "none")), "FileNotFoundError"),
        (TokenSource(file=str(tmp_path / "two")), "no token"),
    ):
        with pytest.raises(NoToken) as told:
            fetch(source, "")
        assert words in str(told.value)
    (tmp_path / "one").write_text("abc\n")
    assert fetch(TokenSource(file=str(tmp_path / "one")), "").text == "abc"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("exec:/usr/local/bin/token%20--quiet", TokenSource(command="/usr/local/bin/token --quiet")),
        ("file:/run/token", TokenSource(file="/run/token")),
        (
            "https://login.example.com/token&client_id=me",
            TokenSource(endpoint="https://login.example.com/token", client="me"),
        ),
        ("https://login.example.com/token", None),
        ("http://login.example.com/token&client_id=me", None),
        ("exec:token", None),
    ],
)
def test_where_tokens_come_from_is_an_option_of_the_relay(url: str, expected: TokenSource | None) -> None:
    found = parse_relays(f"smtp://me:refresh@smtp.example.com?auth=xoauth2&token={url}")
    if expected is None:
        assert isinstance(found, RelayFaults)
        return
    assert not isinstance(found, RelayFaults), found
    (one,) = found
    assert isinstance(one, SmtpRelay)
    assert one.token == expected


def test_a_token_is_for_xoauth2_only_and_may_do_without_a_password() -> None:
    assert isinstance(parse_relays("smtp://me:x@smtp.example.com?token=file:/run/token"), RelayFaults)
    assert not isinstance(parse_relays("smtp://me@smtp.example.com?auth=xoauth2&token=file:/run/token"), RelayFaults)
    assert isinstance(parse_relays("smtp://me@smtp.example.com?auth=xoauth2"), RelayFaults)
