"""`parvar preview`: a mail out of the files, as somebody made up would read it on some day; and test mails.

Owns the words, the watching of files and the sending of test mails. Must not write mails itself.
"""

from __future__ import annotations

import os
import sys
import time
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISREG
from tempfile import gettempdir

import click

from app.actions.inspect import inspect
from app.actions.preview import moment
from app.actions.proof import NoProof, Proof, Wanted, draft_world, proof
from app.actions.signing import signers_of
from app.cli.running import settings_or_exit
from app.cli.sheet import sheet, size_words, trouble
from app.core.instants import Instant
from app.files.sources import load
from app.mail.dkim import Signer, sign
from app.mail.smtp_simple import SimpleTransport
from app.mail.smtp_url import SmtpRelay
from app.mail.transports import Envelope, MessageKey, Sent, send_all
from app.main import build_world, today, wall
from app.net.tokens import ask
from app.worker.working import relays_of
from app.world import World

_LOOK_EVERY = 0.5
"""Seconds between two looks at the files."""
_EMPTY = "the relay is a folder; set PARVAR_SMTP_URL to send test mails"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line."""

    folder: Path
    wanted: Wanted
    at: str
    form: str
    has_images: bool

    @property
    def sheet(self) -> Path:
        """The page of this mail: the same whatever becomes of it, for a browser looks at it again and again."""
        locale = f".{self.wanted.locale}" if self.wanted.locale else ""
        return Path(gettempdir()) / f"parvar-{os.getuid()}-{self.wanted.mail.replace('/', '-')}{locale}.html"


@click.command()
@click.argument("mail")
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".", help="The site.")
@click.option("--as", "person", default="", help="Who reads: a key of campaigns/people.")
@click.option("--at", default="", help="When: 2026-11-22, 1405-09-01 or 2026-11-22T09:30, on the reader's clock.")
@click.option("--locale", default="", help="In which language; the reader's own when not given.")
@click.option("--html", "form", flag_value="html", help="Print the HTML part.")
@click.option("--text", "form", flag_value="text", help="Print the text part.")
@click.option("--source", "form", flag_value="source", help="Print the message as it would leave, headers and all.")
@click.option("--no-images", is_flag=True, help="Show it as programs do that load no pictures.")
@click.option("--open", "opens", is_flag=True, help="Show phone and desktop, light and dark, in the browser.")
@click.option("--watch", is_flag=True, help="Do it again whenever a file changes.")
@click.option("--send", "addresses", multiple=True, metavar="ADDRESS", help="Send it to this address; may be repeated.")
def preview(folder: Path, person: str, at: str, locale: str, form: str | None, **rest: object) -> None:
    """Show MAIL (such as ebook/deliver) as somebody made up would read it on some day. Nothing is published."""
    wanted = Wanted(str(rest["mail"]), person, locale)
    request = Request(folder, wanted, at, form or "", not rest["no_images"])
    addresses = rest["addresses"] if isinstance(rest["addresses"], tuple) else ()
    seen = _stamps(folder)
    is_good = _show(request, opens=bool(rest["opens"]), watch=bool(rest["watch"]))
    if addresses and is_good:
        is_good = _send(request, tuple(map(str, addresses)))
    if rest["watch"]:
        _watch(request, seen)
    sys.exit(0 if is_good else 1)


def _show(request: Request, *, opens: bool, watch: bool) -> bool:
    """Print what was asked for, and write the sheet when one is looked at."""
    made, refresh = _made(request, None), 2 if watch else 0
    if isinstance(made, NoProof):
        _complain(made)
        if watch:
            request.sheet.write_text(trouble(request.wanted.mail, made, refresh=refresh), "utf-8")
        return False
    _print(made, request.form)
    if opens or watch:
        request.sheet.write_text(sheet(made, has_images=request.has_images, refresh=refresh), "utf-8")
        click.echo(f"sheet    {request.sheet}", err=True)
        if opens:
            webbrowser.open(request.sheet.as_uri())
    return True


def _made(request: Request, world: World | None) -> Proof | NoProof:
    wanted = request.wanted
    inspection = inspect(load(request.folder), today(), request.folder, only=wanted.mail)
    at = wall()
    if request.at and inspection.workspace is not None:
        person = inspection.workspace.people.get(wanted.person)
        at = _instant(request.at, person.timezone if person else "", inspection.workspace.site.timezone)
    clocked = replace(world, now=lambda: at) if world else draft_world(at)
    return proof(clocked, inspection, wanted)


def _instant(text: str, timezone: str, usual: str) -> Instant:
    try:
        return moment(text, timezone, usual)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from error


def _complain(made: NoProof) -> None:
    click.echo(made.reason, err=True)
    for problem in made.findings:
        click.echo(f"  {problem}", err=True)


def _print(made: Proof, form: str) -> None:
    message = made.message
    match form:
        case "html":
            click.echo(message.html)
        case "source":
            click.echo(message.data.decode("utf-8", "replace").replace("\r\n", "\n"))
        case "text":
            click.echo(message.text)
        case _:
            click.echo(f"mail     {made.mail} ({made.locale})")
            click.echo(f"reader   {made.reader} <{message.envelope_to}>")
            click.echo(f"subject  {message.subject}")
            click.echo(f"size     {size_words(made)}")
            for problem in made.findings:
                click.echo(f"found    {problem}")
            click.echo(f"\n{message.text}")


# ── Watching ─────────────────────────────────────────────────────────────────────────────────────────────────────────


_Stamps = dict[Path, int]


def _watch(request: Request, seen: _Stamps) -> None:
    """Show it again after every change since `seen`, until the terminal is left by Ctrl-C, which is no fault."""
    click.echo("watching the files; Ctrl-C ends it", err=True)
    with suppress(KeyboardInterrupt):
        while True:
            now = _stamps(request.folder)
            if now == seen:
                time.sleep(_LOOK_EVERY)
                continue
            click.echo(f"\n── {_changed(seen, now, request.folder)} ──", err=True)
            seen = now  # before it is shown: what is written meanwhile is a change again
            _show(request, opens=False, watch=True)
    click.echo(err=True)


def _changed(before: _Stamps, now: _Stamps, folder: Path) -> str:
    """The files that changed, the first of them by name."""
    paths = sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0].relative_to(folder)}{more} changed"


def _stamps(folder: Path) -> _Stamps:
    """When each file of the site was written last."""
    files = (path for name in ("campaigns", "email_templates") for path in (folder / name).rglob("*"))
    return {path: stamp for path in files if (stamp := _stamp(path)) is not None}


def _stamp(path: Path) -> int | None:
    """None for what is no file, or no longer there: editors write beside a file and rename."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns if S_ISREG(found.st_mode) else None


# ── Test mails ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _send(request: Request, addresses: tuple[str, ...]) -> bool:
    """Hand the mail to the configured relay, one copy for each address, by a client that keeps a transcript."""
    settings = settings_or_exit()
    relays = [relay for relay in relays_of(settings.smtp_url, settings.data) if isinstance(relay, SmtpRelay)]
    if not relays:
        raise click.ClickException(_EMPTY)
    transport, world = SimpleTransport(relays[0], ask), build_world(settings)
    signers = signers_of(settings.dkim)
    gone = [_send_one(transport, signers, _made(_to(request, address), world), address) for address in addresses]
    return all(gone)


def _to(request: Request, address: str) -> Request:
    return replace(request, wanted=replace(request.wanted, address=address))


def _send_one(transport: SimpleTransport, signers: Sequence[Signer], made: Proof | NoProof, address: str) -> bool:
    if isinstance(made, NoProof):
        _complain(made)
        return False
    message, key = made.message, MessageKey(0, 1)
    body = sign(message.data, signers, wall()) if signers else message.data
    envelope = Envelope(key, made.sent_from, message.envelope_to, lambda: body)
    outcome = send_all(transport, [envelope])[key]
    if isinstance(outcome, Sent):
        click.echo(f"sent     {address} by {transport.name}")
        return True
    click.echo(f"not sent {address}: {outcome}", err=True)
    for line in transport.transcript:
        click.echo(f"  {line}", err=True)
    return False
