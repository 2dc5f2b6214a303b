"""`parvar doctor mail`: can we send, would it be believed, and do signatures cover what one-click needs?

Owns the questions and their words. Changes nothing; with --to it sends one test mail.
"""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.utils import format_datetime, make_msgid
from typing import IO, NoReturn, TypeAlias

import click

from app.actions.errands.proofs import words_of
from app.actions.signing import signers_of
from app.cli.doctor_lanes import finding as lanes_finding
from app.cli.doctor_lanes import lanes
from app.cli.received import NEEDED, Finding, covered, examine_received
from app.cli.running import settings_or_exit
from app.core.instants import to_datetime
from app.mail.dkim import KeyFault, Signer, sign
from app.mail.replies import Stage
from app.mail.smtp_relays import open_transport
from app.mail.smtp_session import SessionFault, host_name, open_session, tls_context
from app.mail.smtp_token import Tokens
from app.mail.smtp_url import FileRelay, Relay, Tls
from app.mail.transports import Envelope, MessageKey, Sent, send_all
from app.main import wall
from app.net.names import NoAnswer, txt
from app.net.tokens import ask
from app.settings import Settings
from app.worker.working import relays_of


@click.group()
def doctor() -> None:
    """Look for what is wrong, and say how to mend it."""


doctor.add_command(lanes)

Names: TypeAlias = Callable[[str], tuple[str, ...]]
"""The TXT records of a name; raises NoAnswer."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What is asked of the doctor: for which sender, whom to send a test mail, and how names are looked up."""

    sender: str = ""
    recipient: str = ""
    names: Names = txt


@doctor.command()
@click.option("--from", "sender", default="", help="The address mails come from, e.g. sara@example.com.")
@click.option("--to", "recipient", default="", help="Send a test mail there.")
@click.option(
    "--received",
    type=click.File("rb"),
    help="Look at a mail as it arrived: the file with its source, - for standard input.",
)
def mail(sender: str, recipient: str, received: IO[bytes] | None) -> None:
    """Relays, TLS, login, DKIM, SPF, DMARC, reverse name and one-click headers. Exit code 1 when something is wrong."""
    if received is not None:
        _tell(examine_received(received.read(_LARGEST)))
    _tell(examine(settings_or_exit(), Visit(sender, recipient)))


_LARGEST = 50 << 20


def _tell(findings: Iterable[Finding]) -> NoReturn:
    wrong = False
    for finding in findings:
        mark = {True: "ok  ", False: "BAD ", None: "?   "}[finding.is_well]
        click.echo(f"{mark} {finding.what}: {finding.words}")
        wrong |= finding.is_well is False
    sys.exit(1 if wrong else 0)


def examine(settings: Settings, visit: Visit) -> Iterator[Finding]:
    """Every finding, one after another."""
    try:
        relays = relays_of(settings.smtp_url, settings.data / "inbox")
    except ValueError as fault:
        yield Finding("PARVAR_SMTP_URL", False, str(fault))
        return
    for relay in relays:
        yield _relay(relay)
    try:
        signers = signers_of(settings.dkim)
    except KeyFault as fault:
        yield Finding("DKIM", False, str(fault))
        signers = ()
    yield from _signing(signers, visit.names)
    yield lanes_finding(settings)
    domain = visit.sender.rpartition("@")[2] or settings.bounce_domain
    yield from _domain(domain, settings.bounce_domain or domain, visit.names)
    if visit.recipient:
        yield _test_mail(relays, signers, visit.sender or f"doctor@{domain}", visit.recipient)


# ── Relays ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _relay(relay: Relay) -> Finding:
    if isinstance(relay, FileRelay):
        return Finding(f"relay {relay.name}", None, f"mails are only written into {relay.folder}")
    what = f"relay {relay.name} ({relay.host}:{relay.port})"
    try:
        session = open_session(
            relay, None if relay.tls is Tls.NEVER else tls_context(relay), tokens=Tokens(relay, ask=ask)
        )
    except SessionFault as fault:
        return Finding(
            what, False, f"{_STAGES.get(fault.stage, fault.stage.value)}: {fault.text}. {_hint(fault)}".strip()
        )
    words = ["encrypted" if session.wire.is_encrypted else "NOT encrypted"]
    words += ["logged in"] if relay.user else []
    words += ["pipelining"] if session.may_chain else ["no pipelining: four round trips for each mail"]
    session.quit()
    return Finding(what, True, ", ".join(words))


_STAGES = {
    Stage.CONNECT: "no connection",
    Stage.GREETING: "no greeting",
    Stage.EHLO: "EHLO failed",
    Stage.TLS: "no encryption",
    Stage.AUTH: "no login",
}


def _hint(fault: SessionFault) -> str:
    """What to look at, for faults whose words do not say it."""
    match fault.stage:
        case Stage.CONNECT:
            return "Are host and port right, is the server up, does a firewall block the port?"
        case Stage.GREETING:
            return "Is it a mail server, and smtps:// only where TLS begins at once (port 465)?"
        case Stage.TLS if "expired" in fault.text:
            return "The server's owner has to renew it."
        case Stage.TLS if "self-signed" in fault.text or "unable to get local issuer" in fault.text:
            return "If the authority is your own, name its file with ca=."
        case Stage.TLS if "Hostname mismatch" in fault.text or "IP address mismatch" in fault.text:
            return "Write the host as the certificate has it."
        case Stage.TLS:
            return "Does the port belong to smtps:// (465) or to smtp:// (587)?"
        case Stage.AUTH if fault.reply is not None:
            return "Look at user and password in PARVAR_SMTP_URL; @ / ? # % in them are percent-encoded."
        case _:
            return ""


# ── Signatures ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _signing(signers: Sequence[Signer], names: Names) -> Iterator[Finding]:
    if not signers:
        yield Finding("DKIM", None, "we do not sign (PARVAR_DKIM); then the relay must, and cover " + ", ".join(NEEDED))
        return
    covered = _covered(sign(trial_mail("doctor@example.com", "doctor@example.com"), signers[:1], wall()))
    missing = [name for name in NEEDED if name not in covered]
    words = f"not covered: {', '.join(missing)}" if missing else "covers one-click headers"
    yield Finding("DKIM signature", not missing, words)
    for signer in signers:
        yield _published(signer, names)


def _covered(signed: bytes) -> frozenset[str]:
    return covered(str(message_from_bytes(signed).get("DKIM-Signature", "")))


def _published(signer: Signer, names: Names) -> Finding:
    what = f"DKIM record {signer.record_name}"
    try:
        records = names(signer.record_name)
    except NoAnswer as fault:
        return Finding(what, None, f"the DNS cannot be asked: {fault}; try: dig +short TXT {signer.record_name}")
    ours = _key_in(signer.record)
    if any(_key_in(record) == ours for record in records):
        return Finding(what, True, "is the public half of our key")
    words = "holds another key" if records else "is missing"
    return Finding(what, False, f"{words}; publish: {signer.record}")


def _key_in(record: str) -> str:
    found = re.search(r"\bp=([^;]*)", record)
    return "".join(found.group(1).split()) if found else ""


# ── The domain ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _domain(domain: str, bounce_domain: str, names: Names) -> Iterator[Finding]:
    if not domain:
        yield Finding("SPF, DMARC", None, "say --from ADDRESS or set PARVAR_BOUNCE_DOMAIN")
        return
    spf = "v=spf1 include:your-relay.example -all"
    yield _record("SPF", (bounce_domain,), "v=spf1", spf, names)
    labels = domain.split(".")
    above = tuple(f"_dmarc.{'.'.join(labels[start:])}" for start in range(max(1, len(labels) - 1)))
    yield _record("DMARC", above, "v=DMARC1", f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}", names)
    yield _reverse_name(host_name())


def _record(what: str, places: Sequence[str], begins: str, example: str, names: Names) -> Finding:
    """The record at the first of these places that has one: a subdomain goes by the DMARC of the domain above."""
    for name in places:
        try:
            found = [record for record in names(name) if record.lower().startswith(begins.lower())]
        except NoAnswer as fault:
            return Finding(f"{what} of {name}", None, f"the DNS cannot be asked: {fault}; try: dig +short TXT {name}")
        if len(found) > 1:
            return Finding(f"{what} of {name}", False, "there are several records; receivers then take none: keep one")
        if found:
            return Finding(f"{what} of {name}", True, found[0])
    return Finding(f"{what} of {places[0]}", False, f"is missing; publish a TXT record such as: {example}")


def _reverse_name(name: str) -> Finding:
    """Forward-confirmed reverse name of this host: matters where it delivers by itself."""
    if name.startswith("["):
        words = "this machine knows no full name of its own; set one, or helo= where no relay stands between"
        return Finding("reverse name", None, words)
    try:
        address = socket.getaddrinfo(name, None)[0][4][0]
        back, aliases, _ = socket.gethostbyaddr(str(address))
    except OSError as fault:
        return Finding(f"reverse name of {name}", None, f"{fault}; needed only when no relay stands between")
    return Finding(f"reverse name of {name}", name in (back, *aliases), f"{address} is {back}")


# ── A test mail ──────────────────────────────────────────────────────────────────────────────────────────────────────


def trial_mail(sender: str, recipient: str) -> bytes:
    """A mail with the headers that count; nothing in it leads anywhere."""
    domain = sender.rpartition("@")[2]
    lines = (
        f"Date: {format_datetime(to_datetime(wall()))}",
        f"From: {sender}",
        f"To: {recipient}",
        "Subject: A test of parvar doctor",
        f"Message-ID: {make_msgid(domain=domain)}",
        f"List-Unsubscribe: <https://{domain}/u/test>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "",
        "This is a test. Look at its DKIM-Signature: h= must name list-unsubscribe and list-unsubscribe-post.",
        "",
    )
    return "\r\n".join(lines).encode("ascii", "replace")


def _test_mail(relays: Sequence[Relay], signers: Sequence[Signer], sender: str, recipient: str) -> Finding:
    data = trial_mail(sender, recipient)
    signed = sign(data, signers, wall()) if signers else data
    transport = open_transport(relays, ask=ask)
    key = MessageKey(0, 1)
    outcome = send_all(transport, [Envelope(key, sender, recipient, lambda: signed)])[key]
    transport.close()
    if not isinstance(outcome, Sent):
        return Finding(f"test mail to {recipient}", False, f"was not taken: {words_of(outcome)}")
    words = f"was taken ({outcome.reply}); save its source there, and: parvar doctor mail --received FILE"
    return Finding(f"test mail to {recipient}", True, words)
