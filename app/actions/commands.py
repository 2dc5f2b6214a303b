"""Steer: pause, resume and stop a campaign; pause all of them; the kill switch.

Owns what a command changes and who is looked at because of it. Each is one short transaction and a line of the log;
people are woken in stretches afterwards, and whatever was held is asked again at the door in any case.
"""

from __future__ import annotations

from enum import StrEnum

from app.actions.access import Visitor
from app.store import accounts, steering
from app.store.accounts import Deed
from app.world import World


class Command(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    """For good: every run ends."""


_STANDINGS = {Command.PAUSE: "paused", Command.RESUME: None, Command.STOP: "stopped"}


def steer(world: World, by: Visitor, campaign: str, command: Command) -> bool:
    """Give a command to one campaign. False when it was never published."""
    with world.transaction("write") as session:
        if not steering.set_standing(session, campaign, _STANDINGS[command]):
            return False
        accounts.note(session, deed_of(world, by, command.value, campaign))
    _wake(world, campaign)
    return True


def pause_all(world: World, by: Visitor, *, is_paused: bool) -> None:
    """Hold all campaigns back, or let them go on. Service mail goes on in any case."""
    with world.transaction("write") as session:
        steering.set_paused(session, is_paused=is_paused)
        accounts.note(session, deed_of(world, by, "pause_all" if is_paused else "resume_all"))
    _wake(world, "")


def kill(world: World, by: Visitor, *, is_killed: bool) -> None:
    """Let nothing leave at all, or let mails leave again. What was due waits where it is."""
    with world.transaction("write") as session:
        steering.set_killed(session, is_killed=is_killed)
        accounts.note(session, deed_of(world, by, "kill" if is_killed else "unkill"))


def _wake(world: World, campaign: str) -> None:
    after: int | None = 0
    while after is not None:
        with world.transaction("write") as session:
            after = steering.wake_stretch(session, campaign, after, world.now())


def deed_of(world: World, by: Visitor, action: str, subject: str = "", detail: str = "") -> Deed:
    """A line of the log about what a visitor did."""
    return Deed(world.wall(), by.address or by.name, action, subject, detail, by.account_id or None)
