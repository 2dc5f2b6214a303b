"""A real worker's hands, to be killed: a process of its own, begun by `tests.faults.nursery`.

It opens the workshop as the worker does (folder, recovery, journal, couriers) and delivers until nothing is open.
From the environment: WINDOW and UNCERTAIN, as PARVAR_JOURNAL_WINDOW and PARVAR_UNCERTAIN; TIMEOUT, of the relay;
ROTATE, bytes after which the journal begins a new file; BOOT, the identity of this boot; HASTE, so many seconds since
boot pass in one; FSIZE, no file of it may grow beyond so many bytes; CLOCK, a file with the seconds its calendar is
off by, and leases are kept and looked for all the time; WATCH, the same, and so many seconds pass in one for who
looks; ASLEEP, seconds its transactions may stand still; EAT, a file: once it is there, memory is eaten without end;
FORBID, the same, and the kernel ends whoever asks for memory; SPACE, so many bytes more than at the start, and memory
is refused.
"""

import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy import func, select

from app.actions.advance import drain
from app.actions.deliver import LEASE
from app.actions.sweep import LeaseWatch, expire_leases, resend_uncertain
from app.disk import journal_file
from app.disk.journal import JournalSettings
from app.links import Key, Links
from app.main import since_boot, wall
from app.settings import Settings
from app.store.engine import StoreError, open_database
from app.store.gate import GateClosedError
from app.store.messages import MessageRow
from app.worker import working
from app.worker.working import Workshop
from app.world import World
from tests.faults import allocation


def build_world(url: str, folder: Path, port: int = 1, connections: int = 1) -> World:
    """The world as it is, with the keys of the tests."""
    here, asked = "http://127.0.0.1:8000", os.environ
    timeout = asked.get("TIMEOUT", "10")
    smtp = f"relay=smtp://127.0.0.1:{port}?starttls=never&timeout={timeout}&connections={connections}"
    settings = replace(
        Settings(url, "x" * 40, here, folder, smtp_url=smtp, bounce_domain="b.example.com"),
        journal_window=int(asked.get("WINDOW", "16")),
        uncertain=asked.get("UNCERTAIN", "hold"),
    )
    links = Links((Key(1, b"k" * 32),), here, here)
    clock = wrong_by(Path(asked["CLOCK"])) if "CLOCK" in asked else wall
    return World(settings, open_database(url), links, clock, clock, lambda: os.urandom(16), hurried(), secret=b"s" * 32)


def hurried() -> Callable[[], float]:
    """The seconds since boot, of which HASTE pass in one."""
    haste = float(os.environ.get("HASTE", "1"))
    return lambda: since_boot() * haste


class wrong_by:
    """A calendar that somebody sets."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self) -> int:
        return wall() + int(self._file.read_text()) * 1_000_000


def is_anything_open(world: World) -> bool:
    states = MessageRow.state.in_(("queued", "claimed"))
    with world.transaction("read") as session:
        return bool(session.scalar(select(func.count()).select_from(MessageRow).where(states)))


def keep_and_look(shop: Workshop, stopping: threading.Event) -> None:
    """What the clock does every thirty seconds, all the time; the watcher's own seconds may be quick ones."""
    quick = float(os.environ.get("WATCH", "1"))
    watch, world = LeaseWatch(), replace(shop.post.world, monotonic=lambda: since_boot() * quick)
    while not stopping.wait(0.02):
        working.keep_leases(shop)
        expire_leases(world, watch, LEASE)


def eat(file: Path, *, is_forbidden: bool) -> None:
    """Once the file is there; what is refused is asked for in smaller pieces, and nothing is given back."""
    eaten, size = [], 4_000_000
    while True:
        while not file.exists() or size < _CRUMB:
            time.sleep(0.005)
        if is_forbidden:
            allocation.forbid()
        try:
            eaten.append(b"x" * size)
        except MemoryError:
            size //= 2


_CRUMB = 1_000


def allocate_little() -> None:
    """A journal's room is asked for in small pieces, so that a small disk can refuse one."""
    assert journal_file._CHUNK > _SECTORS
    setattr(journal_file, "_CHUNK", _SECTORS)  # noqa: B010 - a constant


_SECTORS = 4096


def limits(shop: Workshop, stopping: threading.Event) -> None:
    """What the environment asks for."""
    if limit := os.environ.get("FSIZE"):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    if space := os.environ.get("SPACE"):
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + int(space), resource.RLIM_INFINITY))
    if "CLOCK" in os.environ or "WATCH" in os.environ:
        threading.Thread(target=keep_and_look, args=(shop, stopping), daemon=True).start()
    for name in {"EAT", "FORBID"} & os.environ.keys():
        hunger, named = Path(os.environ[name]), {"is_forbidden": name == "FORBID"}
        threading.Thread(target=eat, args=(hunger,), kwargs=named, daemon=True).start()


def deliver(shop: Workshop, stopping: threading.Event) -> None:
    """Until nothing is open; what nobody expected of delivering ends the process, as it ends the worker."""
    world = shop.post.world
    resend_uncertain(world)
    while not stopping.is_set() and not shop.post.journal.fault:
        taken = shop.marketing.deliver()
        try:
            drain(world, shop.post.shelf)
            if not taken and not is_anything_open(world):
                return
        except (StoreError, GateClosedError) as error:  # as the clock does: logged, and tried again at the next beat
            print(f"away: {type(error).__name__}", file=sys.stderr)
        time.sleep(0.02)


def main(url: str, folder: Path, port: int, connections: int) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    world = build_world(url, folder, port, connections)
    if asleep := os.environ.get("ASLEEP"):
        world.database.end_idle(float(asleep))
    if boot := os.environ.get("BOOT"):
        setattr(working, "boot_identity", lambda: boot)  # noqa: B010 - it is the name the workshop asks
    if "FSIZE" in os.environ:
        allocate_little()
    if rotate := os.environ.get("ROTATE"):
        setattr(working, "JournalSettings", partial(JournalSettings, file_bytes=int(rotate)))  # noqa: B010 - as above
    shop = working.open_workshop(world)
    stopping = threading.Event()
    limits(shop, stopping)

    def stop(*_: object) -> None:
        stopping.set()
        threading.Thread(target=shop.marketing.stop, args=(10.0,), daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    deliver(shop, stopping)
    stopping.set()
    shop.marketing.transport.close()
    shop.post.journal.close()
    shop.folder.release()
    print(f"fault: {shop.post.journal.fault}" if shop.post.journal.fault else "done", flush=True)
