"""Boxes: what each looks like, how it converts, and the snippet to paste.

Owns the gallery. The boxes themselves are drawn by the public pages.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue

from app.actions import measure
from app.actions.measure import BoxFigures
from app.web.dashboard.ladder import STRETCHES, stretch
from app.web.dashboard.shell import shelved
from app.web.dashboard.wording import tongue
from app.web.parts import Parts
from app.web.scripts import Snippets, snippets

NONE = BoxFigures()
SHAPES = {
    "inline": "Inline",
    "popup": "Popup",
    "slide_in": "Slide-in",
    "bar": "Bar",
    "full_screen": "Full screen",
    "locker": "Locker",
}


@dataclass(frozen=True, slots=True)
class Cut:
    """One line of a table: a page, a source or an arm with its figures."""

    key: str
    figures: BoxFigures


def register(blueprint: Blueprint, parts: Parts) -> None:
    @blueprint.get("/boxes")
    def boxes() -> ResponseReturnValue:
        held = shelved()
        figures = measure.box_figures(parts.world, stretch())
        rows = [
            (box, figures.get((box.key, "all", ""), NONE)) for box in (held.workspace.boxes.values() if held else ())
        ]
        return render_template("dashboard/boxes.html", rows=rows, shapes=SHAPES, days=stretch(), stretches=STRETCHES)

    @blueprint.get("/boxes/<key>")
    def box(key: str) -> ResponseReturnValue:
        held = shelved()
        found = held.workspace.boxes.get(key) if held else None
        if found is None:
            abort(404)
        figures = measure.box_figures(parts.world, stretch())
        return render_template(
            "dashboard/box.html",
            box=found,
            shapes=SHAPES,
            figures=figures.get((key, "all", ""), NONE),
            cuts={sort: _cuts(figures, key, sort) for sort in ("page", "source", "arm")},
            days=stretch(),
            stretches=STRETCHES,
            snippets=_snippets(snippets(parts.base_url, found, tongue())),
        )


def _snippets(given: Snippets) -> list[tuple[str, str, str]]:
    """Ways to put the box onto a page: key, name, text."""
    ways = (("script", "Script"), ("pinned", "Script, pinned"), ("frame", "Frame"), ("form", "Plain form"))
    return [(key, name, getattr(given, key)) for key, name in (*ways, ("link", "Link"), ("policy", "Content policy"))]


def _cuts(figures: dict[tuple[str, str, str], BoxFigures], box: str, sort: str) -> list[Cut]:
    """The lines of one sort, the most seen first."""
    found = [Cut(key, each) for (mine, of, key), each in figures.items() if mine == box and of == sort]
    return sorted(found, key=lambda cut: (-cut.figures.views, -cut.figures.submits, cut.key))[:20]
