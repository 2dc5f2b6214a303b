"""A running Parvar for journeys: the demo's whole process tree, with its mail going to a real SMTP server."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
"""Seconds the house may take to start on a busy machine."""


@dataclass(frozen=True, slots=True)
class Running:
    """The addresses of a running house."""

    base: str
    shop: str
    data: Path
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def running(data: Path, smtp_url: str) -> Iterator[Running]:
    """`parvar demo` on free ports, with everything below `data`."""
    port = _two_free_ports()
    command = [sys.executable, "-m", "app.cli", "demo", "--port", str(port), "--data", str(data)]
    environ = {**os.environ, "PARVAR_SMTP_URL": smtp_url}
    with (data.parent / "demo.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=log, start_new_session=True)
    house = Running(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}", data, process)
    try:
        _wait_until_healthy(house)
        yield house
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _two_free_ports() -> int:
    for _ in range(50):
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
                return port
    raise RuntimeError("no two neighbouring ports are free")


def _wait_until_healthy(house: Running) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if house.process.poll() is not None:
            raise RuntimeError((house.data.parent / "demo.log").read_text()[-4000:])
        with contextlib.suppress(OSError):
            for url in (f"{house.base}/health", f"{house.shop}/"):
                urllib.request.urlopen(url, timeout=2).close()
            return
        time.sleep(0.2)
    raise RuntimeError("the house did not become healthy: " + (house.data.parent / "demo.log").read_text()[-4000:])
