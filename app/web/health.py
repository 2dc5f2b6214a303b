"""Health: whether this installation works, as machines ask it. `/health/live` is the edge's.

Owns one page of JSON: 200 when all is well, 503 with what is not. Must not tell strangers more than that.
"""

from __future__ import annotations

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from app.actions.progress import of_beats
from app.core.instants import SECOND
from app.store.engine import StoreError
from app.store.gate import GateClosedError
from app.store.ledgers import heartbeats
from app.web.edge import SPOOL_FAULT
from app.web.parts import Parts

SILENT_AFTER = 30 * SECOND
"""A worker that gave no sign of life for so long is taken for dead."""


def blueprint(parts: Parts) -> Blueprint:
    pages = Blueprint("health", __name__)

    @pages.get("/health")
    def health() -> ResponseReturnValue:
        database, age, journal = _database(parts)
        spool = request.environ.get(SPOOL_FAULT) is None
        worker = age is not None and age < SILENT_AFTER
        shown = {
            "healthy": database and spool and journal and worker,
            "database": "ok" if database else "away",
            "spool": "ok" if spool else "failing",
            "journal": "ok" if journal else "failing",
            "worker": "ok" if worker else "silent",
            "worker_seen_seconds_ago": None if age is None else round(age / SECOND, 1),
        }
        return jsonify(shown), 200 if shown["healthy"] else 503

    return pages


def _database(parts: Parts) -> tuple[bool, int | None, bool]:
    """Whether the database answers, how long ago any worker gave a sign of life, and whether their journals can be
    written: a worker whose disk is full sends nothing.
    """
    try:
        with parts.world.transaction("read") as session:
            signs = [sign for sign in heartbeats(session) if sign.role == "worker"]
    except (StoreError, GateClosedError):
        return False, None, True
    wall = parts.world.wall()
    journal = not of_beats([sign for sign in signs if wall - sign.at < SILENT_AFTER]).journal_fault
    return True, max(0, wall - signs[0].at) if signs else None, journal
