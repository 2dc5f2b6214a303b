"""Home: whether all is well, what happened, and what needs somebody.

Owns the page only.
"""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from app.web.dashboard import ladder
from app.web.parts import Parts


def register(blueprint: Blueprint, parts: Parts) -> None:
    totals = ladder.totals_of(parts)

    @blueprint.get("/")
    def home() -> ResponseReturnValue:
        known = totals.get()
        return render_template("dashboard/home.html", rungs=ladder.rungs(known), total=sum(known.values()))
