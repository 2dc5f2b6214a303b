"""The time machine's control, in a demo only: a day, a week, or to whatever happens next.

Owns the form; app.actions.timemachine walks. Outside the demo there is no such address.
"""

from __future__ import annotations

from flask import Blueprint, abort, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from app.actions import timemachine
from app.core.instants import DAY, HOUR
from app.web.dashboard.shell import back, clock
from app.web.parts import Parts

SPANS = {"hour": HOUR, "day": DAY, "week": 7 * DAY}


def register(blueprint: Blueprint, parts: Parts) -> None:
    if not parts.world.settings.demo:
        return

    @blueprint.post("/time")
    def travel() -> ResponseReturnValue:
        to = request.form.get("to", "")
        if to == "next":
            timemachine.ask_for_next(parts.world)
        elif to in SPANS:
            timemachine.ask_for(parts.world, SPANS[to])
        else:
            abort(400)
        return back(url_for("dashboard.home"))

    @blueprint.get("/time")
    def tell() -> ResponseReturnValue:
        """What the clock shows, for the script that keeps it going."""
        state = timemachine.journey(parts.world)
        at = clock()
        return jsonify(date=at.date(at.now, year=True), time=at.time(at.now), walks=state is not None)
