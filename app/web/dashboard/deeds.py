"""Deeds: the forms by which our own people change a subscriber or steer a campaign.

Owns reading the forms, permission, and the notice with its undo. The actions do it.
"""

from __future__ import annotations

from flask import Blueprint, Response, abort, make_response, request, url_for
from flask.typing import ResponseReturnValue

from app.actions import commands, people
from app.actions.access import May
from app.actions.commands import Command, Desk
from app.actions.people import Hand
from app.core.book import Resumption
from app.core.instants import DAY
from app.web.dashboard.shell import back, campaign_title, clock, need, need_proof, notify, shelved, visitor
from app.web.dashboard.timeline import attribute_label
from app.web.dashboard.wording import say
from app.web.parts import Parts


def register(blueprint: Blueprint, parts: Parts) -> None:
    _register_people(blueprint, parts)
    _register_steering(blueprint, parts)


def _register_people(blueprint: Blueprint, parts: Parts) -> None:
    @blueprint.post("/people/<key>/do")
    def do(key: str) -> ResponseReturnValue:
        need(May.EDIT_PEOPLE)
        hand = _hand(parts, key)
        changes = {
            "edit": _edit,
            "tag": _tag,
            "untag": _tag,
            "pause": _pause,
            "suppress": _suppress,
            "release": _release,
        }
        change = changes.get(request.form.get("what", ""))
        if change is None:
            abort(400)
        change(hand, url_for("dashboard.do", key=key))
        return back(url_for("dashboard.person", key=key))

    @blueprint.post("/people/<key>/erase")
    def erase(key: str) -> ResponseReturnValue:
        need(May.ERASE)
        proof = need_proof()
        if proof is not None:
            return proof
        if people.erase(_hand(parts, key)):
            notify(say("The person is erased. The address stays on the list of those who get nothing."), "warn")
        return back(url_for("dashboard.people"))

    @blueprint.post("/people/<key>/export")
    def export(key: str) -> ResponseReturnValue:
        need(May.EXPORT)
        return need_proof() or _exported(_hand(parts, key), key)


def _hand(parts: Parts, key: str) -> Hand:
    try:
        return Hand(parts.world, visitor(), bytes.fromhex(key))
    except ValueError:
        abort(404)


def _exported(hand: Hand, key: str) -> Response:
    text = people.export(hand)
    if text is None:
        abort(404)
    response = make_response(text)
    response.headers["Content-Type"] = "application/json; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="person-{key[:8]}.json"'
    return response


def _edit(hand: Hand, undo: str) -> None:
    held = shelved()
    key, text = request.form.get("attribute", ""), request.form.get("value", "")
    before = people.edit(hand, held.book.site, key, text) if held else None
    if before is None:
        notify(say("That does not fit “%(field)s”.", field=attribute_label(key)), "bad")
    else:
        notify(
            say("“%(field)s” is changed.", field=attribute_label(key)),
            undo=undo,
            what="edit",
            attribute=key,
            value=before,
        )


def _tag(hand: Hand, undo: str) -> None:
    is_on, word = request.form["what"] == "tag", request.form.get("tag", "")
    if people.tag(hand, word, is_on=is_on):
        words = say("Tagged with %(tag)s.", tag=word) if is_on else say("The tag %(tag)s is gone.", tag=word)
        notify(words, undo=undo, what="untag" if is_on else "tag", tag=word)
    else:
        notify(say("Nothing changed: a tag is letters, digits and hyphens, once for each person."), "warn")


def _pause(hand: Hand, undo: str) -> None:
    until = people.pause(hand, request.form.get("days", 0, type=int) * DAY)
    if until:
        notify(say("No marketing until %(when)s.", when=clock().date(until)), undo=undo, what="pause", days="0")
    else:
        notify(say("The pause is over."))


def _suppress(hand: Hand, undo: str) -> None:
    if people.suppress(hand):
        notify(say("This address gets nothing any more."), "warn", undo, what="release")


def _release(hand: Hand, undo: str) -> None:
    if people.release(hand):
        notify(say("This address may be mailed again."), undo=undo, what="suppress")
    else:
        notify(say("Only what was put on the list by hand can be taken off here."), "bad")


# ── Steering ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_BACK = {Command.PAUSE: "resume", Command.RESUME: "pause", Command.DRAIN: "resume"}
"""What takes a command back; ending every run has no way back."""
_NEEDS_CERTAINTY = ("stop", "drain", "kill")


def _desk(parts: Parts) -> Desk:
    return Desk(parts.world, parts.shelf, visitor())


def _is_sure(what: str) -> bool:
    """What ends or silences much is done only with its box ticked."""
    if what not in _NEEDS_CERTAINTY or request.form.get("sure") == "yes":
        return True
    notify(say("Tick the box to say that you mean it."), "bad")
    return False


def _register_steering(blueprint: Blueprint, parts: Parts) -> None:
    @blueprint.post("/campaigns/<key>/steer")
    def steer_campaign(key: str) -> ResponseReturnValue:
        need(May.STEER)
        try:
            command = Command(request.form.get("command", ""))
            policy = Resumption(request.form.get("policy", Resumption.KEEP_DATES.value))
        except ValueError:
            abort(400)
        if not _is_sure(command.value):
            return back(url_for("dashboard.campaign", key=key))
        if not commands.give(_desk(parts), key, command, policy):
            abort(404)
        words = {
            Command.PAUSE: say("“%(campaign)s” is paused.", campaign=campaign_title(key)),
            Command.RESUME: say("“%(campaign)s” goes on.", campaign=campaign_title(key)),
            Command.DRAIN: say("“%(campaign)s” takes nobody in any more.", campaign=campaign_title(key)),
            Command.STOP: say("“%(campaign)s” is stopped: everybody leaves it.", campaign=campaign_title(key)),
        }[command]
        undo = "" if command is Command.STOP else url_for("dashboard.steer_campaign", key=key)
        notify(words, "good" if command is Command.RESUME else "warn", undo, command=_BACK.get(command, ""))
        return back(url_for("dashboard.campaign", key=key))

    @blueprint.post("/sending")
    def sending() -> ResponseReturnValue:
        need(May.STEER)
        match request.form.get("what", ""):
            case "kill" | "unkill" as what:
                if not _is_sure(what):
                    return back(url_for("dashboard.delivery"))
                commands.kill(_desk(parts), is_killed=what == "kill")
            case "pause" | "resume" as what:
                commands.pause_all(_desk(parts), is_paused=what == "pause")
            case _:
                abort(400)
        notify(say("Done."))
        return back(url_for("dashboard.delivery"))
