"""Calling: what campaigns and breakers have to tell other systems, told in order and tried again for three days.

Owns the form of a call, whom an endpoint's name stands for, and the timetable. At least once: the id of a call stays
the same, so that whoever gets it twice can tell. Must not sign or connect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from app.actions.shelf import Shelf
from app.core.instants import HOUR, MINUTE, SECOND, Instant, Span, to_datetime
from app.core.site import Webhook
from app.net.webhooks import LARGEST, SECONDS, Call, Refusal, post
from app.store import outbox
from app.store.outbox import Waiting
from app.world import World

log = structlog.get_logger()

ALARM = "!alarm"
"""The endpoint of breakers; no key of a site begins so."""
AGAIN: tuple[Span, ...] = (
    5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR,
)  # fmt: skip
"""Waits between tries (Standard Webhooks); after the last one a call is given up."""
AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class _Endpoint:
    url: str
    secret: str


def call_due(world: World, shelf: Shelf, environ: Mapping[str, str]) -> int:
    """Make the calls that are due, one after another. Returns how many were taken."""
    now = _later(world)
    taken_for = int(AT_ONCE * SECONDS * SECOND) + MINUTE
    with world.transaction("write") as session:
        shelved = shelf.look(session)
        taken = outbox.take(session, now, now + taken_for, AT_ONCE)
    hooks = shelved.book.site.webhooks if shelved is not None else {}
    for waiting in taken:
        _settle(world, waiting, _make(world, waiting, _endpoint(world, hooks, waiting.endpoint, environ)))
    return len(taken)


def _later(world: World) -> Instant:
    """A demo's clock is ahead: what was asked for there is due there."""
    return max(world.wall(), world.now())


def _endpoint(world: World, hooks: Mapping[str, Webhook], name: str, environ: Mapping[str, str]) -> _Endpoint | None:
    if name == ALARM:
        alarm = world.settings.alarm_webhook
        return _Endpoint(alarm, world.settings.alarm_secret) if alarm else None
    found = hooks.get(name)
    secret = environ.get(found.secret_name, "") if found else ""
    return _Endpoint(found.url, secret) if found and secret else None


@dataclass(frozen=True, slots=True)
class _End:
    """How one try ended; `is_final`: trying again would not help."""

    is_done: bool
    is_final: bool
    words: str
    wait: Span = 0


def _make(world: World, waiting: Waiting, endpoint: _Endpoint | None) -> _End:
    if endpoint is None:
        return _End(False, False, "nobody is known by this name, or its secret is not set")
    call = Call(endpoint.url, endpoint.secret, waiting.key, world.wall() // SECOND, body_of(waiting, world.wall()))
    try:
        status, retry_after = post(call, world.settings.webhook_networks)
    except Refusal as refusal:
        return _End(False, True, str(refusal))
    except OSError as fault:
        return _End(False, False, f"{type(fault).__name__}: {fault}")
    if 200 <= status < 300:
        return _End(True, True, str(status))
    wait = int(retry_after) * SECOND if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 6 else 0
    return _End(False, status == 410, f"answered {status}", wait)


def body_of(waiting: Waiting, wall: Instant) -> bytes:
    """Type, time, and what it is about, as JSON; words that are too long are left out, never cut in the middle."""
    said = json.loads(waiting.payload)
    kind = "sending.stopped" if waiting.endpoint == ALARM else "campaign.step"
    about = {"subscriber": {"id": waiting.person, "email": waiting.address}} if waiting.person else {}
    whole = {"type": kind, "timestamp": to_datetime(wall).isoformat(timespec="seconds"), "data": about | said}
    found = json.dumps(whole, ensure_ascii=False).encode()
    return found if len(found) <= LARGEST else json.dumps(whole | {"data": about}).encode()


def _settle(world: World, waiting: Waiting, end: _End) -> None:
    is_over = end.is_final or waiting.attempts > len(AGAIN)
    with world.transaction("write") as session:
        if end.is_done or is_over:
            outbox.settle(session, waiting.id, "done" if end.is_done else "given_up")
        else:
            wait = max(AGAIN[waiting.attempts - 1], end.wait)
            outbox.put_off(session, waiting.id, _later(world) + wait)
    if not end.is_done:
        log.warning("webhook", endpoint=waiting.endpoint, key=waiting.key, fault=end.words, given_up=is_over)
