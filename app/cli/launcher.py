"""The launcher: one process tree of web processes and one worker, started together, stopped together.

Owns starting, watching and stopping children, and the checks that come before them: data folder, port, migrations.
Must not do any of their work.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import click
import structlog

from app.settings import Settings

log = structlog.get_logger()

GRACE = 15.0
"""Seconds children have to finish before they are killed."""
_RESPAWN = (0.5, 1, 2, 5, 10)
"""Seconds before a child that died is started again; the last one is repeated."""


@dataclass(slots=True)
class Child:
    """One process: what it is called, the command of `parvar` it runs, and how often it has died.

    `behind` is a host and port: the child starts once somebody listens there.
    """

    name: str
    arguments: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    behind: tuple[str, int] | None = None
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    again_at: float = 0.0

    def start(self) -> None:
        command = [sys.executable, "-m", "app.cli", *self.arguments]
        self.process = subprocess.Popen(command, env={**os.environ, **self.environ})

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


def refuse_taken_port(host: str, port: int) -> None:
    """Say so before anything starts when somebody else listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = f"port {port} on {host} is taken ({error.strerror}); stop who listens there, or set PARVAR_PORT"
            raise click.ClickException(message) from error


def prepare_data(settings: Settings) -> None:
    """Make the data folder, or say why it cannot be."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = settings.data / ".probe"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise click.ClickException(f"PARVAR_DATA: {settings.data} cannot be written to: {error.strerror}") from error


def launch(children: Sequence[Child]) -> int:
    """Run children until told to stop. One that dies is started again, later each time. Returns the exit code."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    for child in children:
        if child.behind is None:
            child.start()
    while not stopping.wait(0.2):
        for child in children:
            watch(child)
    return _stop(children)


def watch(child: Child) -> None:
    """Start a child whose time has come, or whose house listens; note one that died."""
    now = time.monotonic()
    if child.is_alive:
        return
    if child.process is None and not child.again_at:
        if child.behind is None or _listens(*child.behind):
            child.start()
    elif not child.again_at:
        wait = _RESPAWN[min(child.deaths, len(_RESPAWN) - 1)]
        code = child.process.returncode if child.process else None
        log.warning("child_died", child=child.name, code=code, again_in=wait)
        child.deaths += 1
        child.again_at = now + wait
    elif now >= child.again_at:
        child.again_at = 0.0
        child.start()


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def _stop(children: Sequence[Child]) -> int:
    """Ask everybody to finish, web first, so that nothing new comes in; kill who does not within the grace."""
    for child in children:
        if child.process and child.is_alive:
            child.process.send_signal(signal.SIGTERM)
    until = time.monotonic() + GRACE
    for child in children:
        if child.process is None:
            continue
        try:
            child.process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("child_killed", child=child.name)
            child.process.kill()
            child.process.wait()
    return 0
