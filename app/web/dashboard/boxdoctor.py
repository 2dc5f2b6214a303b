"""The box doctor: how a box stands on a page whose address is given, and how to mend what is wrong.

Owns the page and its words. The checks are actions/boxdoctor's.
"""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from app.actions.access import May
from app.actions.boxdoctor import Check, Finding, examine
from app.web.dashboard.shell import need, shelved
from app.web.dashboard.wording import say
from app.web.parts import Parts

WELL = {
    Check.ANSWER: "The page answers: %(detail)s",
    Check.ORIGIN: "Pages of %(detail)s may show this box",
    Check.EMBED: "The box is on the page: %(detail)s",
    Check.PLACE: "The page has a place for this box",
    Check.ASYNC: "The script does not hold the page up",
    Check.SCRIPT_POLICY: "The page's policy allows our script",
    Check.CONNECT_POLICY: "The page's policy allows the script to ask us",
    Check.IMAGE_POLICY: "The page's policy allows the box's picture",
    Check.FRAME_POLICY: "The page's policy allows our frame",
    Check.FORM_POLICY: "The page's policy allows the form to be sent to us",
    Check.PAGES: "%(detail)s is one of the pages the box is shown on",
    Check.ROOM: "Room is kept for the box: nothing moves when it appears",
}
MENDING = {
    Check.ANSWER: "The page cannot be read: %(detail)s. Give the https address of a public page, as visitors open it.",
    Check.ORIGIN: "Pages of %(detail)s may not show this box: add it to origins: in the file of the box and publish.",
    Check.EMBED: "Nothing of this box is on the page. Paste one of the snippets; a page built by a script needs the "
    "check in the browser below.",
    Check.PLACE: 'There is no place for the box: add <div data-parvar="%(detail)s"></div> where it shall stand.',
    Check.ASYNC: "The script holds the page up while it loads: write async into its tag.",
    Check.SCRIPT_POLICY: "The page's policy forbids our script: add %(detail)s to script-src.",
    Check.CONNECT_POLICY: "The page's policy forbids the script to ask us: add %(detail)s to connect-src.",
    Check.IMAGE_POLICY: "The page's policy forbids the box's picture: add %(detail)s to img-src.",
    Check.FRAME_POLICY: "The page's policy forbids our frame: add %(detail)s to frame-src.",
    Check.FORM_POLICY: "The page's policy forbids the form: add %(detail)s to form-action.",
    Check.PAGES: "The rules of the box name other pages than %(detail)s: see show: in its file.",
    Check.ROOM: "No room is kept: on the first screen the box waits for a touch, or what follows moves. Copy the "
    "snippet of this page, which keeps it.",
}


def register(blueprint: Blueprint, parts: Parts) -> None:
    @blueprint.get("/boxes/<key>/doctor")
    def box_doctor(key: str) -> ResponseReturnValue:
        return _page(key, "", [])

    @blueprint.post("/boxes/<key>/doctor")
    def examine_page(key: str) -> ResponseReturnValue:
        """A POST, for it asks another machine."""
        need(May.STEER)
        held = shelved()
        box = held.workspace.boxes.get(key) if held else None
        if box is None:
            abort(404)
        url = request.form.get("url", "").strip()[:2_000]
        return _page(key, url, examine(parts.world, box, url))


def _page(key: str, url: str, findings: list[Finding]) -> ResponseReturnValue:
    held = shelved()
    box = held.workspace.boxes.get(key) if held else None
    if box is None:
        abort(404)
    told = [(one.is_well, say((WELL if one.is_well else MENDING)[one.check], detail=one.detail)) for one in findings]
    return render_template("dashboard/box-doctor.html", box=box, url=url, told=told)
