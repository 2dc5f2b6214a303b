"""Boxes: what each looks like, how it converts, and the snippet to paste.

Owns the gallery. The boxes themselves are drawn by the public pages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from app.actions import measure
from app.actions.measure import BoxFigures
from app.core.boxes import Box
from app.core.comparing import Call
from app.core.site import Site
from app.web import guard
from app.web.dashboard import boxdoctor
from app.web.dashboard.ladder import STRETCHES, stretch
from app.web.dashboard.shell import shelved
from app.web.dashboard.wording import tongue
from app.web.faces import room
from app.web.parts import Parts
from app.web.scripts import Snippets, snippets
from app.web.tongue import LOCALES, direction

NONE = BoxFigures()
SHAPES = {
    "inline": "Inline",
    "popup": "Popup",
    "slide_in": "Slide-in",
    "bar": "Bar",
    "full_screen": "Full screen",
    "locker": "Locker",
}


CALLS = {
    Call.BETTER: "brings more",
    Call.WORSE: "brings fewer",
    Call.OPEN: "not to be told apart yet",
    Call.TOO_FEW: "too few to say",
}
COLOURS = {Call.BETTER: "good", Call.WORSE: "bad", Call.OPEN: "soft", Call.TOO_FEW: "soft"}
PREVIEW = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self'; style-src 'self'; form-action 'none'; "
    "base-uri 'none'"
)
"""What the page of a preview may do: load the box and its picture."""
_ARM = re.compile(r"[a-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class Look:
    """How a box is looked at, as the address of the page says. `arm`: of its test; empty for the first."""

    locale: str
    is_phone: bool
    is_dark: bool
    arm: str


def look() -> Look:
    given = request.args
    locale = given.get("in", "")
    arm = given.get("arm", "")
    return Look(
        locale if locale in LOCALES else tongue(),
        given.get("width") == "phone",
        given.get("dark") == "1",
        arm if _ARM.fullmatch(arm) else "",
    )


@dataclass(frozen=True, slots=True)
class Cut:
    """One line of a table: a page, a source or an arm with its figures."""

    key: str
    figures: BoxFigures


def register(blueprint: Blueprint, parts: Parts) -> None:
    boxdoctor.register(blueprint, parts)

    @blueprint.get("/boxes")
    def boxes() -> ResponseReturnValue:
        held = shelved()
        figures = measure.box_figures(parts.world, stretch())
        rows = [
            (box, figures.get((box.key, "all", ""), NONE)) for box in (held.workspace.boxes.values() if held else ())
        ]
        return render_template("dashboard/boxes.html", rows=rows, shapes=SHAPES, days=stretch(), stretches=STRETCHES)

    @blueprint.get("/boxes/<key>/preview")
    def box_preview(key: str) -> ResponseReturnValue:
        """A bare page of our own with the box on it, drawn by the script that other sites load."""
        return _preview(*_find(key))

    @blueprint.get("/boxes/<key>")
    def box(key: str) -> ResponseReturnValue:
        return _page(parts, *_find(key))


def _find(key: str) -> tuple[Box, Site]:
    held = shelved()
    found = held.workspace.boxes.get(key) if held else None
    if held is None or found is None:
        abort(404)
    return found, held.book.site


def _preview(box: Box, site: Site) -> str:
    guard.allow(PREVIEW, frames=("'self'",), referrer="same-origin")
    given = look()
    place = snippets("", box, given.locale, room(box, site)).script.partition("<script")[0]
    return render_template(
        "dashboard/box-preview.html",
        box=box,
        look=given,
        dir=direction(given.locale),
        place=Markup(place),  # noqa: S704  # written by us, escaped there
    )


def _page(parts: Parts, box: Box, site: Site) -> str:
    figures = measure.box_figures(parts.world, stretch())
    return render_template(
        "dashboard/box.html",
        box=box,
        shapes=SHAPES,
        figures=figures.get((box.key, "all", ""), NONE),
        cuts={sort: _cuts(figures, box.key, sort) for sort in ("page", "source", "arm")},
        days=stretch(),
        stretches=STRETCHES,
        test=measure.box_test(parts.world, box),
        calls=CALLS,
        colours=COLOURS,
        look=look(),
        locales=[locale for locale in site.locales if locale in LOCALES],
        snippets=_snippets(snippets(parts.base_url, box, tongue(), room(box, site))),
    )


def _snippets(given: Snippets) -> list[tuple[str, str, str]]:
    """Ways to put the box onto a page: key, name, text."""
    ways = (("script", "Script"), ("pinned", "Script, pinned"), ("frame", "Frame"), ("form", "Plain form"))
    return [(key, name, getattr(given, key)) for key, name in (*ways, ("link", "Link"), ("policy", "Content policy"))]


def _cuts(figures: dict[tuple[str, str, str], BoxFigures], box: str, sort: str) -> list[Cut]:
    """The lines of one sort, the most seen first."""
    found = [Cut(key, each) for (mine, of, key), each in figures.items() if mine == box and of == sort]
    return sorted(found, key=lambda cut: (-cut.figures.views, -cut.figures.submits, cut.key))[:20]
