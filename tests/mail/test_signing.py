"""Keys from files and from the environment, and our signatures before a verifier that others wrote (OpenDKIM)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.actions.signing import signers_of
from app.mail.dkim import KeyFault, Signer, sign
from app.mail.message import render
from app.mail.smtp import SmtpTransport
from app.mail.smtp_url import SmtpRelay, Timeouts, Tls
from app.mail.transports import Envelope, MessageKey, Sent, send_all
from app.settings import DkimKey, SettingsError, read
from tests.mail.mailing import NOON, alice, compiled, context
from tests.mail.test_dkim import ED25519, RSA, RSA_KEY, pem
from tests.servers.postfix import Postfix, find_daemons
from tests.services.missing import missing

QUICK = Timeouts(connect=5, greeting=5, command=5, data=5, body=5, final=20)
BODY = "سلام {{ subscriber.first_name }}،\n\n[یک](https://example.com/a) و {{ subscriber.first_name }}\n"
_CONF = """\
Mode v
Socket inet:{port}@127.0.0.1
Background no
Syslog no
UMask 022
TestDNSData {folder}/dns
AuthservID verifier.invalid
AlwaysAddARHeader yes
PidFile {folder}/pid
"""


# ── Where keys lie ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_keys_come_from_files_and_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "rsa.pem").write_bytes(pem(RSA_KEY))
    text = pem(Ed25519PrivateKey.generate()).decode().replace("\n", "\\n")
    keys = [DkimKey("example.com", "s2026", f"{tmp_path}/rsa.pem"), DkimKey("example.com", "e2026", "PARVAR_KEY")]
    rsa, ed25519 = signers_of(keys, {"PARVAR_KEY": text})
    assert rsa == RSA
    assert ed25519.record_name == "e2026._domainkey.example.com"


@pytest.mark.parametrize(
    ("place", "words"),
    [("/nowhere/dkim.pem", "/nowhere/dkim.pem cannot be read"), ("PARVAR_LOST", "the variable PARVAR_LOST is not set")],
)
def test_a_key_that_is_not_there_is_named(place: str, words: str) -> None:
    with pytest.raises(KeyFault, match=words):
        signers_of([DkimKey("example.com", "s2026", place)], {})


def test_the_setting_says_how_it_is_written() -> None:
    environ = {"PARVAR_DATABASE_URL": "sqlite:////p.db", "PARVAR_SECRET": "abcdefghijklmnopqrstuvwxyz0123456789"}
    settings = read(environ | {"PARVAR_DKIM": "example.com:new:/k/new.pem, example.com:old:PARVAR_OLD"})
    assert [(key.selector, key.place) for key in settings.dkim] == [("new", "/k/new.pem"), ("old", "PARVAR_OLD")]
    with pytest.raises(SettingsError, match=r"domain:selector:place, such as example\.com:s2026:"):
        read(environ | {"PARVAR_DKIM": "example.com"})


# ── Before OpenDKIM, behind Postfix ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postfix]:
    """A Postfix that asks OpenDKIM about every mail and writes its answer on top."""
    daemons = find_daemons()
    program = shutil.which("opendkim", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if daemons is None or program is None:
        missing("Postfix with OpenDKIM", "as root: apt-get install postfix opendkim")
    folder = tmp_path_factory.mktemp("verifier")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    (folder / "dns").write_text("".join(f"{key.record_name} {key.record}\n" for key in (RSA, ED25519)))
    (folder / "conf").write_text(_CONF.format(port=port, folder=folder))
    with subprocess.Popen([program, "-f", "-x", str(folder / "conf")]) as process:
        try:
            _await_port(port)
            more = f"smtpd_milters = inet:127.0.0.1:{port}\nmilter_default_action = tempfail\n"
            (folder / "postfix").mkdir()
            with Postfix(folder / "postfix", daemons, ("alice",), more) as postfix:
                yield postfix
        finally:
            process.terminate()
            process.wait(10)


def _await_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("OpenDKIM does not answer")


def verdict(postfix: Postfix, message: bytes) -> str:
    """What the verifier wrote on top of this mail once it was delivered."""
    before = set(postfix.mails("alice"))
    relay = SmtpRelay("test", "127.0.0.1", postfix.port, Tls.NEVER, helo="c.invalid", timeouts=QUICK)
    transport = SmtpTransport(relay)
    key = MessageKey(1, 1)
    outcome = send_all(transport, [Envelope(key, "b@example.com", "alice@example.org", lambda: message)])[key]
    transport.close()
    assert isinstance(outcome, Sent), outcome
    deadline = time.monotonic() + 10
    while not (new := set(postfix.mails("alice")) - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    lines = new.pop().decode("utf-8", "replace").replace("\n\t", " ").replace("\n ", " ").splitlines()
    return next(line for line in lines if line.startswith("Authentication-Results:"))


def message(locale: str, signers: tuple[Signer, ...] = (RSA,)) -> bytes:
    return sign(render(compiled(BODY, locale), alice(), context()).data, signers, NOON)


@pytest.mark.smtp
@pytest.mark.parametrize("locale", ["en", "fa"])
def test_a_real_verifier_finds_our_signature_good(verifier: Postfix, locale: str) -> None:
    assert "dkim=pass" in verdict(verifier, message(locale))


@pytest.mark.smtp
@pytest.mark.parametrize("signers", [(ED25519,), (RSA, ED25519)], ids=["alone", "beside RSA"])
def test_a_real_verifier_finds_our_ed25519_signature_good(verifier: Postfix, signers: tuple[Signer, ...]) -> None:
    said = verdict(verifier, message("fa", signers))
    assert said.count("dkim=pass") == len(signers), said
    assert "header.s=e2026" in said or "e2026" in said


@pytest.mark.smtp
def test_a_real_verifier_notices_a_changed_mail_by_ed25519_too(verifier: Postfix) -> None:
    signed = message("en", (ED25519,))
    assert "dkim=fail" in verdict(verifier, signed.replace(b"Subject: ", b"Subject: Re ", 1))


@pytest.mark.smtp
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: ", b"Subject: Re "),
        (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click", b"List-Unsubscribe-Post: No"),
        (b"\r\nMIME-Version:", b"\r\nList-ID: <other.example.com>\r\nMIME-Version:"),
    ],
)
def test_a_real_verifier_notices_a_changed_mail(verifier: Postfix, old: bytes, new: bytes) -> None:
    signed = message("en")
    assert old in signed
    assert "dkim=fail" in verdict(verifier, signed.replace(old, new, 1))
