"""Events: the HTTP API by which a shop's own program tells of orders and events.

Owns keys in the Authorization header, sizes, batches and answers. Must not decide: rows are kept and people woken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TypeAlias

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from app.actions.shelf import Shelved
from app.actions.track.orders import MOST_ROWS, Answer, Status, take_events, take_orders
from app.store import keys
from app.web.parts import Parts
from app.world import World

LARGEST_BODY = 1024 * 1024
Take: TypeAlias = Callable[[World, Shelved, Sequence[object]], list[Answer]]


def blueprint(parts: Parts) -> Blueprint:
    pages = Blueprint("events", __name__)
    desk = Desk(parts)
    pages.add_url_rule("/api/v1/orders", "orders", desk.orders, methods=["POST"])
    pages.add_url_rule("/api/v1/events", "events", desk.events, methods=["POST"])
    return pages


class Desk:
    """Answers the two addresses."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def orders(self) -> ResponseReturnValue:
        return self._take("orders", take_orders)

    def events(self) -> ResponseReturnValue:
        return self._take("events", take_events)

    def _take(self, name: str, take: Take) -> ResponseReturnValue:
        if not may_tell(self._parts):
            return problem(401, "a key is needed: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})
        shelved = self._parts.shelved()
        if shelved is None:
            return problem(503, "nothing is published yet", {"Retry-After": "60"})
        request.max_content_length = LARGEST_BODY
        rows = _rows(request.get_json(force=True, silent=True), name)
        if rows is None:
            return problem(400, f'the body is neither one object nor {{"{name}": [ … ]}}')
        if len(rows) > MOST_ROWS:
            return problem(413, f"send at most {MOST_ROWS} rows at once")
        return _answered(take(self._parts.world, shelved, rows))


def may_tell(parts: Parts) -> bool:
    """Whether the request carries a key of ours, as `Authorization: Bearer …`."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip().isascii():
        return False
    world = parts.world
    with world.transaction("read") as session:
        row = keys.find_key(session, key.strip())
    if row is None:
        return False
    if keys.is_stale(row, world.wall()):
        with world.transaction("write") as session:
            keys.touch_key(session, row, world.wall())
    return True


def _rows(body: object, name: str) -> Sequence[object] | None:
    """The rows of a body: a list under the plural's name, or the body itself as the only one."""
    match body:
        case {"orders": list(rows), **rest} if name == "orders" and not rest:
            return rows
        case {"events": list(rows), **rest} if name == "events" and not rest:
            return rows
        case dict():
            return [body]
        case _:
            return None


def _answered(answers: Sequence[Answer]) -> ResponseReturnValue:
    """422 when not one row could be taken; else 200, and every row says what became of it."""
    sums = Counter(answer.status for answer in answers)
    is_useless = bool(answers) and sums[Status.REJECTED] == len(answers)
    rows = [{key: value for key, value in asdict(answer).items() if value != ""} for answer in answers]
    return jsonify(**{status.value: sums[status] for status in Status}, rows=rows), 422 if is_useless else 200


def problem(code: int, what: str, headers: dict[str, str] | None = None) -> tuple[Response, int, dict[str, str]]:
    return jsonify(state="error", message=what), code, headers or {}
