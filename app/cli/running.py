"""Commands that run: `run`, `demo`, `web`, `worker`, and the demo's shop.

Owns what each consists of. Must not hold the work itself.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from app.cli import launcher
from app.cli.launcher import Child
from app.settings import Settings, SettingsError, read

DEMO_PORT = 8000
SHOP_PORT = 8001


def settings_or_exit() -> Settings:
    """The settings, or all their faults on the terminal and exit code 2; those of the lanes file among them."""
    try:
        settings = read(os.environ)
    except SettingsError as error:
        _say_faults("The settings are not right yet:", error.faults)
    if settings.lanes is not None:
        _check_lanes(settings.lanes)
    return settings


def _check_lanes(path: Path) -> None:
    from app.mail.lanes_file import LanesFault, lanes_of

    try:
        lanes_of(path)
    except LanesFault as fault:
        _say_faults("PARVAR_LANES: the file is not right yet:", fault.faults)


def _say_faults(head: str, faults: Sequence[str]) -> NoReturn:
    click.echo(head, err=True)
    for fault in faults:
        click.echo(f"  {fault}", err=True)
    sys.exit(2)


@click.command()
def run() -> None:
    """Run everything: web, worker and clock, in one process tree. Settings come from PARVAR_… in the environment."""
    settings = settings_or_exit()
    _prepare(settings)
    sys.exit(launcher.launch([Child("web", ["web"]), Child("worker", ["worker"])]))


def _prepare(settings: Settings) -> None:
    """Everything that must be right before a child starts."""
    launcher.prepare_data(settings)
    launcher.refuse_taken_port(settings.host, settings.port)
    _check_relays(settings)
    _check_way_back(settings)
    from app.cli.migrating import migrate_or_exit
    from app.main import set_up_logs

    set_up_logs(settings.log_format)
    migrate_or_exit(settings)


def _check_relays(settings: Settings) -> None:
    from app.actions.signing import signers_of
    from app.worker.working import open_relays

    try:
        open_relays(settings.smtp_url, settings.data / "inbox").close()
    except ValueError as error:
        raise click.ClickException(f"PARVAR_SMTP_URL: {error}") from error
    try:
        signers_of(settings.dkim)
    except ValueError as error:
        raise click.ClickException(f"PARVAR_DKIM: {error}") from error


def _check_way_back(settings: Settings) -> None:
    """Bounces nobody hears of cost the good name: what cannot work is said before anything starts."""
    from app.mail.inbound_hooks import faults_of, settings_of
    from app.worker.working import mailbox_of

    faults = [fault for name, value in settings.hooks.items() for fault in faults_of(settings_of(name, value))]
    if faults:
        raise click.ClickException("PARVAR_HOOKS: " + "; ".join(faults))
    try:
        mailbox_of(settings.bounce_mailbox)
    except ValueError as error:
        raise click.ClickException(f"PARVAR_BOUNCE_MAILBOX: {error}") from error


@click.command()
@click.option("--fresh", is_flag=True, help="Begin anew: forget what an earlier demo left.")
@click.option("--port", default=DEMO_PORT, show_default=True, help="Port of Parvar; the shop takes the next one.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("demo-data"),
    show_default=True,
    help="Where the demo lives.",
)
def demo(fresh: bool, port: int, data: Path) -> None:
    """Start the whole story on this machine: a shop with a signup box, the inbox, the dashboard, a time machine."""
    from app.cli.demo import announce, keep_environment, prepare
    from app.main import set_up_logs

    environ = _demo_environment(data.resolve(), port)
    os.environ.update(environ)
    settings = settings_or_exit()
    _check_relays(settings)
    launcher.refuse_taken_port(settings.host, port)
    launcher.refuse_taken_port(settings.host, port + 1)
    set_up_logs(settings.log_format)
    prepare(settings, fresh=fresh)
    announce(settings, port + 1, keep_environment(data, environ))
    children = [
        Child("web", ["web"], environ),
        Child("shop", ["shop", "--port", str(port + 1)], environ, behind=(settings.host, port)),
        Child("worker", ["worker"], environ),
    ]
    sys.exit(launcher.launch(children))


def _demo_environment(data: Path, port: int) -> dict[str, str]:
    """Settings of the demo: everything in one folder, no relay: mails land in the inbox there."""
    return {
        "PARVAR_DATABASE_URL": f"sqlite:///{data / 'parvar.db'}",
        "PARVAR_SECRET": _kept_secret(data),
        "PARVAR_BASE_URL": f"http://127.0.0.1:{port}",
        "PARVAR_DATA": str(data),
        "PARVAR_PORT": str(port),
        "PARVAR_SMTP_URL": os.environ.get("PARVAR_SMTP_URL", ""),
        "PARVAR_DEMO": "1",
        "PARVAR_SHOP_URL": f"http://127.0.0.1:{port + 1}",
        "PARVAR_LOG_FORMAT": "console",
    }


def _kept_secret(data: Path) -> str:
    """The demo's own secret, made once, so that links of yesterday's mails still work."""
    path = data / "secret"
    if not path.is_file():
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(secrets.token_urlsafe(32))
        path.chmod(0o600)
    return path.read_text().strip()


@click.command()
def web() -> None:
    """Run web processes only."""
    settings = settings_or_exit()
    _serve("app.main:serve", settings.port, settings, is_plain=False)


@click.command()
@click.option("--port", default=SHOP_PORT, show_default=True, help="Where it answers.")
def shop(port: int) -> None:
    """Run the demo's shop: a site of its own on another port, into which the box is embedded."""
    settings = settings_or_exit()
    _serve("app.web.shop:serve", port, settings, is_plain=True)


def _serve(target: str, port: int, settings: Settings, *, is_plain: bool) -> None:
    """A plain application is WSGI; else RSGI, whose pages have threads of their own."""
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    Server(
        target,
        address=settings.host,
        port=port,
        interface=Interfaces.WSGI if is_plain else Interfaces.RSGI,
        workers=settings.web_processes,
        blocking_threads=settings.web_threads if is_plain else 1,
        websockets=False,
        factory=True,
        respawn_failed_workers=True,
        log_level=LogLevels.error,
        workers_kill_timeout=10,
    ).serve()


@click.command()
def worker() -> None:
    """Run the worker only: decide, deliver, ingest."""
    settings = settings_or_exit()
    launcher.prepare_data(settings)
    _check_relays(settings)
    _check_way_back(settings)
    from app.main import build_world, set_up_logs
    from app.worker.working import AlreadyRunningError, work

    set_up_logs(settings.log_format)
    try:
        sys.exit(0 if work(build_world(settings)) else 1)
    except AlreadyRunningError as error:
        raise click.ClickException(str(error)) from error
