"""`parvar bounce`: takes one mail from standard input, for a mail server on this machine that pipes into programs.

Owns the exit codes, which mail servers read as sysexits: 0 kept, 65 there was no mail, 75 try again later. Asks no
database: the mail is a file when this returns, and the worker reads it.
"""

from __future__ import annotations

import sys

import click

from app.cli.running import settings_or_exit

NO_MAIL, LATER = 65, 75
"""EX_DATAERR and EX_TEMPFAIL of sysexits: a server bounces on the first and keeps the mail queued on the other."""


@click.command()
@click.option("--to", "envelope_to", default="", help="Whom the envelope names, e.g. ${original_recipient} of Postfix.")
def bounce(envelope_to: str) -> None:
    """Take in one mail that came back: bounces, complaints, answers, requests to leave."""
    sys.exit(_keep(envelope_to))


def _keep(envelope_to: str) -> int:
    from app.disk.letterbox import Letterbox
    from app.mail.inbound_parts import MAX_MAIL

    try:
        raw = sys.stdin.buffer.read(MAX_MAIL)
        while sys.stdin.buffer.read(1 << 20):
            pass  # the rest of a huge mail is of no use, but who writes it must not see a broken pipe
        if not raw.strip():
            click.echo("there was no mail on standard input", err=True)
            return NO_MAIL
        Letterbox(settings_or_exit().data / "letterbox").drop(raw, envelope_to)
    except (OSError, SystemExit) as fault:
        click.echo(f"not kept, try again later: {fault}", err=True)
        return LATER
    return 0
