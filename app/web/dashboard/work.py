"""Work: what takes long: how far it is, what came of it, its file; to be left, found again, cancelled, taken back.

Owns the pages of errands and their words. Asking for one stands on the page it is about; app.actions.errands does it.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, abort, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue

from app.actions import errands
from app.actions.access import May
from app.actions.commands import deed_of
from app.actions.errands import ALLOWED, Errand, Sort, State, Wish
from app.store import accounts
from app.web.dashboard.shell import back, need, need_proof, notify, visitor
from app.web.dashboard.wording import say, say_count
from app.web.parts import Parts

PAGE = 50
SORTS = {
    "plan": "Plan of a publication",
    "apply": "Publication",
    "export": "List of people as a file",
    "bulk": "Change of many people",
    "undo": "Taking a change back",
    "recompute": "Judging clicks again",
    "codes": "Codes into a pool",
    "forecast": "The next 30 days",
    "proof": "Test mails",
}
STATES = {
    "open": "Waits for a worker",
    "running": "Under way",
    "done": "Done",
    "failed": "Could not be done",
    "cancelled": "Cancelled",
}
WHY = {
    "asked": "That cannot be asked for.",
    "condition": "The condition cannot be asked of everybody: %(fault)s",
    "gone": "The change it was about is not kept any more.",
    "not_utf8": "The file is not UTF-8 text; save it as UTF-8 and try again.",
    "nothing_published": "Nothing is published yet.",
    "no_folder": "PARVAR_CAMPAIGNS and PARVAR_TEMPLATES name no folder on this server with campaigns/ in it.",
    "no_release": "There is no such release.",
    "files": "The files have errors; nothing was changed.",
    "other_plan": "The files, or what is live, changed since this plan. Plan again, and look again.",
    "plan_first": "People are touched by this: look at the plan first.",
    "refused": "The plan is refused: mend what it names.",
    "not_confirmed": "The plan is over the guard: the number of mails has to be typed in.",
    "no_mail": "There is no such mail.",
    "unwritten": "The mail cannot be written: %(fault)s",
    "relay": "PARVAR_SMTP_URL or PARVAR_DKIM cannot be used: %(fault)s",
    "died": "Its worker stopped several times while doing it; it was given up.",
    "fault": "Something in the program failed (%(fault)s). The log of the worker has the details.",
}


def register(blueprint: Blueprint, parts: Parts) -> None:
    @blueprint.get("/work")
    def work() -> ResponseReturnValue:
        before = request.args.get("before", type=int)
        found = errands.listed(parts.world, before, PAGE + 1)
        more = found[PAGE - 1].id if len(found) > PAGE else None
        shown = [each for each in found[:PAGE] if may_see(each)]
        return render_template("dashboard/work.html", errands=shown, more=more)

    @blueprint.get("/work/<int:number>")
    def errand(number: int) -> ResponseReturnValue:
        return render_template("dashboard/errand.html", errand=_known(parts, number))

    @blueprint.post("/work/<int:number>/cancel")
    def cancel_errand(number: int) -> ResponseReturnValue:
        if errands.cancel(parts.world, visitor(), _known(parts, number).id):
            notify(say("Cancelled. What was done until now stays."), "warn")
        else:
            notify(say("It was over already."), "warn")
        return back(url_for("dashboard.errand", number=number))

    @blueprint.post("/work/<int:number>/undo")
    def undo_errand(number: int) -> ResponseReturnValue:
        made = errands.undo(parts.world, visitor(), _known(parts, number).id)
        notify(say("It is being taken back.") if made else say("It is too late to take this back."), "warn")
        return back(url_for("dashboard.errand", number=number))

    @blueprint.post("/work/<int:number>/file")
    def errand_file(number: int) -> ResponseReturnValue:
        found = _known(parts, number)
        proof = need_proof() if found.sort is Sort.EXPORT else None
        return proof or _file(parts, found)

    _register_asking(blueprint, parts)


def _register_asking(blueprint: Blueprint, parts: Parts) -> None:
    @blueprint.post("/ask/recompute")
    def ask_recompute() -> ResponseReturnValue:
        need(May.STEER)
        return _ask(parts, Wish(Sort.RECOMPUTE, {"days": request.form.get("days", "")}))

    @blueprint.post("/ask/codes")
    def ask_codes() -> ResponseReturnValue:
        need(May.STEER)
        given, pool = request.files.get("codes"), request.form.get("pool", "").strip()
        data = given.read(MOST + 1) if given else b""
        if not pool or not data or len(data) > MOST:
            notify(say("Choose a pool and a file of at most 20 MB, one code a line."), "bad")
            return back(url_for("dashboard.work"))
        return _ask(parts, Wish(Sort.CODES, {"pool": pool[:64]}, data=data))

    @blueprint.post("/ask/forecast")
    def ask_forecast() -> ResponseReturnValue:
        need(May.STEER)
        return _ask(parts, Wish(Sort.FORECAST, {}))


MOST = 20 * 1024 * 1024
"""Bytes of a file of codes."""


def _ask(parts: Parts, wish: Wish) -> ResponseReturnValue:
    """Ask for it, and go back to the page it was asked on, where its progress shows."""
    begin(parts, wish)
    return back(url_for("dashboard.work"))


def begin(parts: Parts, wish: Wish) -> int:
    """Ask for an errand on behalf of the page the form came from."""
    place = request.form.get("next", "").partition("?")[0] or request.path
    return errands.ask(parts.world, visitor(), Wish(wish.sort, wish.asked, wish.place or place, wish.data))


def may_see(errand: Errand) -> bool:
    return visitor().may(ALLOWED[errand.sort])


def _known(parts: Parts, number: int) -> Errand:
    found = errands.find(parts.world, number)
    if found is None:
        abort(404)
    need(ALLOWED[found.sort])
    return found


def _file(parts: Parts, errand: Errand) -> Response:
    """The file in pieces as they are kept, with a line of the log: it may hold everybody's address."""
    if errand.state is not State.DONE or not errand.file:
        abort(404)
    with parts.world.transaction("write") as session:
        accounts.note(session, deed_of(parts.world, visitor(), "fetch_file", f"work {errand.id}", errand.file))
    response = Response(
        stream_with_context(errands.file_of(parts.world, errand.id)), mimetype="application/octet-stream"
    )
    response.headers["Content-Type"] = errand.media
    response.headers["Content-Disposition"] = f'attachment; filename="{errand.file}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def title_of(errand: Errand) -> str:
    """What it is, in a few words."""
    asked = errand.asked
    match errand.sort:
        case Sort.BULK:
            return change_words(asked)
        case Sort.PROOF:
            return say("Test mails of %(mail)s", mail=str(asked.get("mail", "")))
        case Sort.CODES:
            return say("Codes into the pool %(pool)s", pool=str(asked.get("pool", "")))
        case Sort.PLAN | Sort.APPLY if asked.get("release"):
            return say("%(what)s: back to release %(n)s", what=say(SORTS[errand.sort]), n=str(asked["release"]))
        case _:
            return say(SORTS[errand.sort])


def change_words(asked: Mapping[str, object]) -> str:
    """What a change of many does."""
    match asked.get("what"):
        case "tag":
            return say("Tag with %(tag)s", tag=str(asked.get("tag", "")))
        case "untag":
            return say("Take the tag %(tag)s away", tag=str(asked.get("tag", "")))
        case "pause":
            return say("Pause for %(n)s days", n=int(str(asked.get("days") or 0)))
        case "suppress":
            return say("Send nothing any more")
        case _:
            return say("List of people as a file")


def result_of(errand: Errand) -> str:
    """What came of it, in a sentence; "" while it is under way."""
    if errand.state is State.FAILED:
        values = {name: str(value) for name, value in errand.told.items()}
        return say(WHY.get(values.get("why", ""), "%(why)s"), **values)
    if errand.state is not State.DONE:
        return ""
    number = errand.told.get
    match errand.sort:
        case Sort.BULK | Sort.UNDO:
            return say_count("%(n)s person was changed", "%(n)s people were changed", _whole(number("changed")))
        case Sort.EXPORT:
            return say_count("%(n)s person is in the file", "%(n)s people are in the file", _whole(number("people")))
        case Sort.RECOMPUTE:
            return say_count("%(n)s verdict changed", "%(n)s verdicts changed", _whole(number("changed")))
        case Sort.CODES:
            counts = {"taken": _whole(number("taken")), "refused": _whole(number("refused"))}
            return say("%(taken)s codes taken, %(refused)s lines refused", **counts)
        case Sort.APPLY:
            return say("Release %(n)s is live.", n=str(number("release")))
        case Sort.PROOF:
            counts = {"sent": _whole(number("sent")), "number": _whole(number("number"))}
            return say("%(sent)s of %(number)s test mails were handed over", **counts)
        case Sort.PLAN:
            return say("Nothing changes.") if number("is_empty") else say("The plan is ready.")
        case _:
            return say_count("%(n)s life was lived ahead", "%(n)s lives were lived ahead", _whole(number("people")))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def here(parts: Parts) -> list[Errand]:
    """What was asked for on this page, for the strip at its top."""
    if request.method != "GET" or not any(visitor().may(each) for each in ALLOWED.values()):
        return []
    return [each for each in errands.at_place(parts.world, request.path) if may_see(each)]


def context(parts: Parts) -> dict[str, object]:
    """What templates need to show errands."""
    return {
        "errands_here": lambda: here(parts),
        "errand_title": title_of,
        "errand_result": result_of,
        "errand_states": STATES,
        "may_be_undone": lambda errand: errand.may_be_undone(parts.world.wall()),
        "undo_until": lambda errand: (errand.ended_at or 0) + errands.UNDO_FOR,
    }
