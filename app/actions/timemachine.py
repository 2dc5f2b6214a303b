"""The time machine of the demo: walks the domain clock from due instant to due instant, so that nothing is skipped.

Owns the demo's offset. A jump would make every mail of the days between look overdue; a walk lets each come in its
time. Exists only where the settings say demo. Moves the domain clock only, and only forward.
"""

from __future__ import annotations

from app.actions.shelf import Shelf
from app.core.instants import Instant, Span
from app.core.ladder import earliest_of
from app.store import people, queue, releases
from app.world import World


def ask_for(world: World, span: Span) -> Instant:
    """Let the demo's clock walk forward by a span. Returns where it will arrive."""
    if not world.settings.demo:
        raise PermissionError("there is no time machine outside the demo")
    with world.transaction("write") as session:
        target = max(world.now(), releases.demo_target(session) or 0) + span
        releases.set_demo_target(session, target)
    return target


def ask_for_next(world: World) -> Instant | None:
    """Let the demo's clock walk to whatever is due next. Returns that instant; None when nothing is planned."""
    with world.transaction("read") as session:
        due = earliest_of((people.next_due(session), queue.next_due(session)))
    now = world.now()
    return None if due is None else ask_for(world, max(0, due - now))


def journey(world: World) -> Instant | None:
    """Where the demo's clock is walking to; None when it only goes with the machine's."""
    with world.transaction("read") as session:
        return releases.demo_target(session)


def walk(world: World, _shelf: Shelf) -> bool:
    """One pace: when nothing is due now, set the clock to the next due instant on the way. False at the end."""
    with world.transaction("read") as session:
        target = releases.demo_target(session)
        due = earliest_of((people.next_due(session), queue.next_due(session)))
    if target is None:
        return False
    now = world.now()
    if due is not None and due <= now:
        return True  # let the other work catch up with this instant first
    wanted = target if due is None or due > target else due
    with world.transaction("write") as session:
        releases.set_demo_clock(session, wanted - world.wall(), is_there=wanted >= target)
    return wanted < target
