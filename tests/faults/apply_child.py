"""A process that publishes and is killed on the way: at the n-th time it asks for an id, the time, or a rest.

Called as `python -m tests.faults.apply_child <database> <what> <n>`; `what` is `id`, `now`, `rest` or `never`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from app.actions.publish import Authorship, apply
from app.links import Key, Links
from app.settings import Settings
from app.store.engine import open_database
from app.world import World
from tests.actions.small_site import WELCOME, site_with

T = TypeVar("T")
NOW = 1_793_600_000_000_000
SECRET = b"a secret of at least thirty-two bytes"
OLD = WELCOME
NEW = WELCOME.replace("{days: 2,", "{days: 3,")


def world_of(path: str) -> World:
    """A world on a database file, at an instant that stands still."""
    count = iter(range(1, 10_000_000))
    return World(
        settings=Settings(f"sqlite:///{path}", "x" * 32, "https://parvar.example", Path("/nonexistent")),
        database=open_database(f"sqlite:///{path}"),
        links=Links((Key(1, SECRET),), "https://parvar.example", "https://parvar.example"),
        now=lambda: NOW,
        wall=lambda: NOW,
        new_id=lambda: os.getpid().to_bytes(8, "big") + next(count).to_bytes(8, "big"),
        monotonic=lambda: 0.0,
        secret=SECRET,
    )


def deadly(call: Callable[[], T], n: int) -> Callable[[], T]:
    """The call, but the n-th one never returns."""
    left = [n]

    def counted() -> T:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call()

    return counted


def main(path: str, what: str, n: int) -> None:
    world = world_of(path)
    match what:
        case "id":
            world = replace(world, new_id=deadly(world.new_id, n))
        case "now":
            world = replace(world, now=deadly(world.now, n))
        case "rest":
            world = replace(world, rest=deadly(world.rest, n))
        case _:
            pass
    apply(world, site_with(NEW), Authorship("child", "to be killed"))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
