"""`parvar doctor mail`: can we send, would it be believed, and do signatures cover what one-click needs?

Owns the questions and their words. Changes nothing; with --to it sends one test mail.
"""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from email.utils import format_datetime, make_msgid

import click
from rich.console import Console
from rich.table import Table

from app.actions.signing import signers_of
from app.cli.running import settings_or_exit
from app.core.instants import to_datetime
from app.mail.dkim import KeyFault, Signer, sign
from app.mail.lanes_file import DEFAULT, Lanes, lanes_of, shipped_lanes
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

NEEDED = ("from", "list-unsubscribe", "list-unsubscribe-post")
"""What a signature must cover for one-click (RFC 8058 section 4)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer. `is_well` None: could not be found out."""

    what: str
    is_well: bool | None
    words: str


@click.group()
def doctor() -> None:
    """Look for what is wrong, and say how to mend it."""


@doctor.command()
@click.option("--from", "sender", default="", help="The address mails come from, e.g. sara@example.com.")
@click.option("--to", "recipient", default="", help="Send a test mail there.")
def mail(sender: str, recipient: str) -> None:
    """Relays, TLS, login, DKIM, SPF, DMARC, reverse name and one-click headers. Exit code 1 when something is wrong."""
    settings = settings_or_exit()
    wrong = False
    for finding in examine(settings, sender, recipient):
        mark = {True: "ok  ", False: "BAD ", None: "?   "}[finding.is_well]
        click.echo(f"{mark} {finding.what}: {finding.words}")
        wrong |= finding.is_well is False
    sys.exit(1 if wrong else 0)


def examine(settings: Settings, sender: str, recipient: str) -> Iterator[Finding]:
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
    yield from _signing(signers)
    yield _lanes(settings)
    domain = sender.rpartition("@")[2] or settings.bounce_domain
    yield from _domain(domain, settings.bounce_domain or domain)
    if recipient:
        yield _test_mail(relays, signers, sender or f"doctor@{domain}", recipient)


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
        return Finding(what, False, f"fails at {fault.stage.value}: {fault.text}")
    words = ["encrypted" if session.wire.is_encrypted else "NOT encrypted"]
    words += ["logged in"] if relay.user else []
    words += ["pipelining"] if session.may_chain else ["no pipelining: four round trips for each mail"]
    session.quit()
    return Finding(what, True, ", ".join(words))


# ── Signatures ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _signing(signers: Sequence[Signer]) -> Iterator[Finding]:
    if not signers:
        yield Finding("DKIM", None, "we do not sign (PARVAR_DKIM); then the relay must, and cover " + ", ".join(NEEDED))
        return
    covered = _covered(sign(trial_mail("doctor@example.com", "doctor@example.com"), signers[:1], wall()))
    missing = [name for name in NEEDED if name not in covered]
    words = f"not covered: {', '.join(missing)}" if missing else "covers one-click headers"
    yield Finding("DKIM signature", not missing, words)
    for signer in signers:
        yield _published(signer)


def _covered(signed: bytes) -> frozenset[str]:
    found = re.search(rb"\bh=([^;]*);", signed)
    names = found.group(1).decode("ascii") if found else ""
    return frozenset("".join(names.split()).lower().split(":"))


def _published(signer: Signer) -> Finding:
    what = f"DKIM record {signer.record_name}"
    try:
        records = txt(signer.record_name)
    except NoAnswer as fault:
        return Finding(what, None, str(fault))
    ours = _key_in(signer.record)
    if any(_key_in(record) == ours for record in records):
        return Finding(what, True, "is the public half of our key")
    words = "holds another key" if records else "is missing"
    return Finding(what, False, f"{words}; publish: {signer.record}")


def _key_in(record: str) -> str:
    found = re.search(r"\bp=([^;]*)", record)
    return "".join(found.group(1).split()) if found else ""


# ── The domain ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _domain(domain: str, bounce_domain: str) -> Iterator[Finding]:
    if not domain:
        yield Finding("SPF, DMARC", None, "say --from ADDRESS or set PARVAR_BOUNCE_DOMAIN")
        return
    yield _record("SPF", bounce_domain, "v=spf1", "v=spf1 include:your-relay.example -all")
    yield _record("DMARC", f"_dmarc.{domain}", "v=DMARC1", "v=DMARC1; p=none; rua=mailto:dmarc@" + domain)
    yield _reverse_name(host_name())


def _record(what: str, name: str, begins: str, example: str) -> Finding:
    try:
        found = [record for record in txt(name) if record.lower().startswith(begins.lower())]
    except NoAnswer as fault:
        return Finding(f"{what} of {name}", None, str(fault))
    if len(found) > 1:
        return Finding(f"{what} of {name}", False, "there are several records; receivers then take none")
    return Finding(f"{what} of {name}", bool(found), found[0] if found else f"is missing; for example: {example}")


def _reverse_name(name: str) -> Finding:
    """Forward-confirmed reverse name of this host: matters where it delivers by itself."""
    try:
        address = socket.getaddrinfo(name, None)[0][4][0]
        back, aliases, _ = socket.gethostbyaddr(str(address))
    except OSError as fault:
        return Finding(f"reverse name of {name}", None, f"{fault}; needed only when no relay stands between")
    return Finding(f"reverse name of {name}", name in (back, *aliases), f"{address} is {back}")


# ── Lanes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lanes(settings: Settings) -> Finding:
    """Which lanes hold, and what the installation's own file changes of them."""
    held, shipped = lanes_of(settings.lanes), shipped_lanes()
    whose = f"of {settings.lanes}" if settings.lanes else "as shipped (PARVAR_LANES can name a file of your own)"
    added = [name for name in held.lanes if name not in shipped.lanes]
    changed = [name for name, lane in held.lanes.items() if name in shipped.lanes and lane != shipped.lanes[name]]
    parts = [f"{len(held.lanes)} lanes, {whose}"]
    parts += [f"adds {', '.join(added)}"] if added else []
    parts += [f"changes {', '.join(changed)}"] if changed else []
    parts += [f"{domain} warms up" for domain in settings.warm_up]
    return Finding("lanes", True, "; ".join(parts) + "; all of them: parvar doctor lanes")


@doctor.command()
@click.argument("addresses", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, for tools.")
def lanes(addresses: tuple[str, ...], as_json: bool) -> None:
    """The lanes that hold: how each mailbox provider is sent to; with ADDRESSES, which lane each of them is in."""
    held = lanes_of(settings_or_exit().lanes)
    if addresses:
        found = {address: held.of(address.rpartition("@")[2]).name for address in addresses}
        click.echo(json.dumps(found, ensure_ascii=False) if as_json else "\n".join(map(": ".join, found.items())))
    elif as_json:
        every = {lane.name: asdict(lane) | {"members": members_of(held, lane.name)} for lane in held.lanes.values()}
        click.echo(json.dumps(every, ensure_ascii=False, indent=1))
    else:
        Console().print(_lanes_table(held))


def _lanes_table(held: Lanes) -> Table:
    shipped = shipped_lanes().lanes
    table = Table("Lane", "Connections", "Mails on each", "A minute", "Whose", "Who is in it", box=None)
    for lane in held.lanes.values():
        whose = "shipped" if lane == shipped.get(lane.name) else "changed" if lane.name in shipped else "your own"
        numbers = (str(lane.connections), str(lane.per_connection), str(lane.per_minute or "no limit"))
        members = ", ".join(members_of(held, lane.name)) or ("everybody else" if lane.name == DEFAULT else "")
        table.add_row(lane.name, *numbers, whose, members)
    return table


def members_of(held: Lanes, lane: str) -> list[str]:
    """Who is in a lane: consumer providers and domains."""
    return [name for found in (held.by_provider, held.by_domain) for name, where in found.items() if where == lane]


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
    return Finding(f"test mail to {recipient}", isinstance(outcome, Sent), str(outcome))
