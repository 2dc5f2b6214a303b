"""A real worker's hands, to be killed: `python -m tests.faults.delivery_child <url> <folder> <port> <connections>`.

It opens the workshop as the worker does (folder, recovery, journal, couriers) and delivers until nothing is open.
With FSIZE in the environment no file of it may grow beyond so many bytes.
"""

import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

import structlog
from sqlalchemy import func, select

from app.actions.advance import drain
from app.links import Key, Links
from app.main import since_boot, wall
from app.settings import Settings
from app.store.engine import open_database
from app.store.messages import MessageRow
from app.worker import working
from app.world import World


def build_world(url: str, folder: Path, port: int = 1, connections: int = 1) -> World:
    """The world as it is, with the keys of the tests."""
    smtp = f"relay=smtp://127.0.0.1:{port}?starttls=never&timeout=10&connections={connections}"
    settings = Settings(url, "x" * 40, "http://127.0.0.1:8000", folder, smtp_url=smtp, bounce_domain="b.example.com")
    links = Links((Key(1, b"k" * 32),), "http://127.0.0.1:8000", "http://127.0.0.1:8000")
    database = open_database(url)
    return World(settings, database, links, wall, wall, lambda: os.urandom(16), since_boot, secret=b"s" * 32)


def is_anything_open(world: World) -> bool:
    states = MessageRow.state.in_(("queued", "claimed"))
    with world.transaction("read") as session:
        return bool(session.scalar(select(func.count()).select_from(MessageRow).where(states)))


def main(url: str, folder: Path, port: int, connections: int) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    world = build_world(url, folder, port, connections)
    shop = working.open_workshop(world)
    if limit := os.environ.get("FSIZE"):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    stopping = threading.Event()

    def stop(*_: object) -> None:
        stopping.set()
        threading.Thread(target=shop.marketing.stop, args=(10.0,), daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    while not stopping.is_set() and not shop.post.journal.fault:
        try:
            drain(world, shop.post.shelf)
            if not shop.marketing.deliver() and not is_anything_open(world):
                break
        except Exception as error:  # noqa: BLE001 - as the clock does: logged, and tried again at the next beat
            print(f"deliver failed: {type(error).__name__}", file=sys.stderr)
        time.sleep(0.02)
    shop.marketing.transport.close()
    shop.post.journal.close()
    shop.folder.release()
    print(f"fault: {shop.post.journal.fault}" if shop.post.journal.fault else "done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
