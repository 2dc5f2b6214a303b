"""What the doctor says of each fault of a relay, of names and of signatures: what it is, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.actions.signing import signers_of
from app.cli.doctor import Names, Visit, doctor, examine, trial_mail
from app.cli.received import Finding
from app.mail.dkim import sign
from app.net.names import NoAnswer
from app.settings import DkimKey, Settings
from tests.servers.certificates import certificates
from tests.servers.smtp import DEFAULT_FEATURES, SmtpServer, always

SARA = "sara@example.com"
GOOD = {"bounce.example.com": "v=spf1 -all", "_dmarc.example.com": "v=DMARC1; p=none"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    keys = (DkimKey("example.com", "s1", str(tmp_path / "key.pem")),)
    return Settings("", "x" * 40, "http://127.0.0.1:8000", tmp_path, bounce_domain="bounce.example.com", dkim=keys)


def names(records: Mapping[str, str]) -> Names:
    return lambda name: tuple(records[name].split("\n")) if name in records else ()


def said(settings: Settings, url: str, visit: Visit | None = None) -> dict[str, Finding]:
    found = examine(replace(settings, smtp_url=url), visit or Visit(SARA, names=names(GOOD)))
    return {each.what.partition(" (")[0]: each for each in found}


def relay(settings: Settings, url: str) -> str:
    finding = said(settings, url)["relay relay"]
    assert finding.is_well is False
    return finding.words


def test_a_wrong_password_is_told_with_where_it_stands_and_is_not_shown(settings: Settings) -> None:
    with SmtpServer(features=(*DEFAULT_FEATURES, "AUTH PLAIN"), users={"sara": "right"}) as server:
        words = relay(settings, f"smtp://sara:hunter2@127.0.0.1:{server.port}")
    assert words.startswith("no login: the login was refused: 535")
    assert "percent-encoded" in words
    assert "hunter2" not in words


def test_no_common_way_to_log_in_is_told_with_what_the_server_offers(settings: Settings) -> None:
    with SmtpServer(features=(*DEFAULT_FEATURES, "AUTH GSSAPI")) as server:
        words = relay(settings, f"smtp://sara:pw@127.0.0.1:{server.port}")
    assert words == "no login: no common way to log in; the server offers: GSSAPI."


@pytest.mark.parametrize(
    ("host", "end_year", "with_ca", "words"),
    [
        ("localhost", 2021, True, "certificate has expired. The server's owner has to renew it."),
        ("localhost", 2060, False, "If the authority is your own, name its file with ca=."),
        ("mail.example.com", 2060, True, "Write the host as the certificate has it."),
    ],
)
def test_a_certificate_that_is_not_good_is_told_with_its_mending(
    settings: Settings, tmp_path: Path, host: str, end_year: int, with_ca: bool, words: str
) -> None:
    made = certificates(tmp_path, host, end_year)
    ca = f"&ca={quote(str(made.ca))}" if with_ca else ""
    with SmtpServer(features=(*DEFAULT_FEATURES, "STARTTLS"), tls=made.server) as server:
        found = relay(settings, f"smtp://localhost:{server.port}?starttls=required{ca}")
    assert found.startswith("no encryption: ")
    assert words in found


def test_encryption_asked_for_and_not_offered_is_told(settings: Settings) -> None:
    with SmtpServer() as server:
        found = relay(settings, f"smtp://localhost:{server.port}?starttls=required")
    assert found.startswith("no encryption: the server offers no STARTTLS")


def test_a_server_that_does_not_want_us_is_told_in_its_own_words(settings: Settings) -> None:
    with SmtpServer({"connect": always(b"554 5.7.1 go away\r\n")}) as server:
        found = relay(settings, f"smtp://127.0.0.1:{server.port}")
    assert found.startswith("no greeting: the server said 554 5.7.1 go away")


def test_all_is_well_where_all_is_well(settings: Settings) -> None:
    (signer,) = signers_of(settings.dkim)
    with SmtpServer() as server:
        visit = Visit(SARA, "leila@example.org", names(GOOD | {signer.record_name: signer.record}))
        found = said(settings, f"smtp://127.0.0.1:{server.port}", visit)
        assert len(server.mails) == 1
    wrong = [each for each in found.values() if each.is_well is False and "reverse name" not in each.what]
    assert wrong == []
    assert found["DKIM record s1._domainkey.example.com"].is_well
    assert found["test mail to leila@example.org"].words.startswith("was taken (250")


def test_names_that_are_missing_or_wrong_are_told_with_what_to_publish(settings: Settings) -> None:
    (signer,) = signers_of(settings.dkim)
    url = f"file://{settings.data}/out"
    found = said(settings, url, Visit(SARA, names=names({})))
    assert found[f"DKIM record {signer.record_name}"].words == f"is missing; publish: {signer.record}"
    assert "publish a TXT record such as: v=spf1" in found["SPF of bounce.example.com"].words
    assert "v=DMARC1; p=none" in found["DMARC of _dmarc.example.com"].words
    other = {signer.record_name: "v=DKIM1; k=ed25519; p=AAAA", "bounce.example.com": "v=spf1 -all\nv=spf1 +all"}
    found = said(settings, url, Visit(SARA, names=names(other)))
    assert found[f"DKIM record {signer.record_name}"].words.startswith("holds another key; publish: ")
    assert found["SPF of bounce.example.com"].words.endswith("keep one")


def test_a_subdomain_goes_by_the_dmarc_of_the_domain_above(settings: Settings) -> None:
    found = said(settings, f"file://{settings.data}/out", Visit("sara@news.mail.example.com", names=names(GOOD)))
    assert found["DMARC of _dmarc.example.com"].is_well


def test_a_dns_that_cannot_be_asked_is_no_fault_of_the_domain(settings: Settings) -> None:
    def silent(name: str) -> tuple[str, ...]:
        raise NoAnswer(f"{name}: timeout")

    found = said(settings, f"file://{settings.data}/out", Visit(SARA, names=silent))
    assert found["SPF of bounce.example.com"].is_well is None
    assert "dig +short TXT _dmarc.example.com" in found["DMARC of _dmarc.example.com"].words


# ── A mail as it arrived ─────────────────────────────────────────────────────────────────────────────────────────────


def received(raw: bytes) -> Iterator[str]:
    done = CliRunner().invoke(doctor, ["mail", "--received", "-"], input=raw)
    yield from done.output.splitlines()
    yield f"exit {done.exit_code}"


def signed(settings: Settings) -> bytes:
    results = b"Authentication-Results: mx.example.org; spf=pass; dkim=pass header.d=example.com; dmarc=pass\r\n"
    return results + sign(trial_mail(SARA, "leila@example.org"), signers_of(settings.dkim), 1_800_000_000_000_000)


def test_a_received_mail_that_is_signed_over_one_click_is_well(settings: Settings) -> None:
    assert list(received(signed(settings))) == [
        "ok   DKIM signature: of example.com, covers the one-click headers",
        "ok   spf at the receiver: pass",
        "ok   dkim at the receiver: pass",
        "ok   dmarc at the receiver: pass",
        "exit 0",
    ]


def test_a_signature_that_leaves_one_click_out_is_told(settings: Settings) -> None:
    raw = signed(settings).replace(b"list-unsubscribe-post", b"x").replace(b"spf=pass", b"spf=softfail")
    said = list(received(raw))
    assert "BAD  DKIM signature: of example.com: does not cover list-unsubscribe-post; sign with PARVAR_DKIM" in said[0]
    assert "BAD  spf at the receiver: softfail" in said
    assert said[-1] == "exit 1"


def test_a_mail_signed_by_somebody_else_or_by_nobody_is_told(settings: Settings) -> None:
    foreign = signed(settings).replace(b"d=example.com;", b"d=relay.example;")
    assert "of relay.example: not of example.com; covers the one-click headers" in next(received(foreign))
    bare = trial_mail(SARA, "leila@example.org")
    assert next(received(bare)).startswith("BAD  DKIM signature: there is none: set PARVAR_DKIM")


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xfe", b"no headers at all", b"From: \r\n\r\n", b"From: x\r\nDKIM-Signature: h\r\n"]
)
def test_what_is_no_mail_is_told_and_does_not_raise(raw: bytes) -> None:
    assert any(line.startswith("BAD ") for line in received(raw))
