"""Commands: what the dashboard's people tell campaigns and all sending, each with a line of the log.

Owns who said it. What a command does is app.actions.steer's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from app.actions import steer
from app.actions.access import Visitor
from app.actions.publish import wake_concerned
from app.actions.shelf import Shelf
from app.actions.steer import NoSuchCampaign, Steered, Stop
from app.core.book import Resumption
from app.store import accounts, editions, waking
from app.store.accounts import Deed
from app.world import World


class Command(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    DRAIN = "drain"
    """No new entries; who is under way finishes."""
    STOP = "stop"
    """For good: every run ends."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Whose hand, with what it reaches: the world and the book of this process."""

    world: World
    shelf: Shelf
    by: Visitor


def give(desk: Desk, campaign: str, command: Command, policy: Resumption = Resumption.KEEP_DATES) -> bool:
    """Give a command to one campaign. False when it was never published. `policy` is for resuming."""
    if isinstance(_given(desk, campaign, command, policy), NoSuchCampaign):
        return False
    _note(desk, command.value, campaign, policy.value if command is Command.RESUME else "")
    return True


def _given(desk: Desk, campaign: str, command: Command, policy: Resumption) -> Steered | NoSuchCampaign:
    match command:
        case Command.PAUSE:
            return steer.pause(desk.world, desk.shelf, campaign)
        case Command.RESUME:
            return steer.resume(desk.world, desk.shelf, campaign, policy)
        case Command.DRAIN:
            return steer.stop(desk.world, desk.shelf, campaign, Stop.DRAIN)
        case Command.STOP:
            return steer.stop(desk.world, desk.shelf, campaign, Stop.NOW)
        case _:
            assert_never(command)


def pause_all(desk: Desk, *, is_paused: bool) -> None:
    """Hold all campaigns back, or let them go on. Service mail goes on in any case."""
    with desk.world.transaction("write") as session:
        editions.set_paused(session, is_paused=is_paused)
        waking.begin(session, waking.Concerned(is_everybody=True), desk.world.now())
        action = "pause_all" if is_paused else "resume_all"
        accounts.note(session, deed_of(desk.world, desk.by, action))
    wake_concerned(desk.world, desk.shelf)


def kill(desk: Desk, *, is_killed: bool) -> None:
    """Let nothing leave at all, or let mails leave again. What was due waits where it is."""
    if is_killed:
        steer.kill(desk.world)
    else:
        steer.revive(desk.world)
    _note(desk, "kill" if is_killed else "unkill")


def _note(desk: Desk, action: str, subject: str = "", detail: str = "") -> None:
    with desk.world.transaction("write") as session:
        accounts.note(session, deed_of(desk.world, desk.by, action, subject, detail))


def deed_of(world: World, by: Visitor, action: str, subject: str = "", detail: str = "") -> Deed:
    """A line of the log about what a visitor did."""
    return Deed(world.wall(), by.address or by.name, action, subject, detail, by.account_id or None)
