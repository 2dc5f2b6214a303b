"""Accounts: who may enter, with which role; and the log of all that was changed.

Owns the pages; app.actions.accounts decides. For owners only, behind a password just given.
"""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.actions import accounts
from app.actions.access import May, Role
from app.actions.accounts import RefusedError
from app.store import accounts as store
from app.web.dashboard.shell import back, need, need_proof, notify, visitor
from app.web.dashboard.wording import say
from app.web.parts import Parts

ROLES = {
    Role.OWNER: ("Owner", "everything, accounts included"),
    Role.MARKETER: ("Marketer", "campaigns, people, exports"),
    Role.ANALYST: ("Analyst", "numbers only, no address is shown"),
    Role.SUPPORT: ("Support", "people, erasure, mails to resolve"),
}
PAGE = 100


def register(blueprint: Blueprint, parts: Parts) -> None:
    @blueprint.get("/audit")
    def audit() -> ResponseReturnValue:
        need(May.ACCOUNTS)
        before = request.args.get("before", type=int)
        with parts.world.transaction("read") as session:
            rows = store.deeds(session, before, PAGE + 1)
        more = rows[PAGE - 1].id if len(rows) > PAGE else None
        return render_template("dashboard/audit.html", rows=rows[:PAGE], more=more, words=DEEDS)

    if parts.world.settings.demo:
        return

    @blueprint.get("/accounts", endpoint="accounts")
    def list_accounts() -> ResponseReturnValue:
        need(May.ACCOUNTS)
        return _page(parts)

    @blueprint.post("/accounts")
    def change_accounts() -> ResponseReturnValue:
        need(May.ACCOUNTS)
        return need_proof() or _change(parts)


def _page(parts: Parts, link: str = "") -> str:
    return render_template("dashboard/accounts.html", rows=accounts.listed(parts.world), roles=ROLES, link=link)


def _change(parts: Parts) -> ResponseReturnValue:
    what, world, by = request.form.get("what", ""), parts.world, visitor()
    account_id = request.form.get("account", 0, type=int)
    try:
        match what:
            case "invite":
                token = accounts.invite(world, by, Role(request.form.get("role", "")))
                return _page(parts, _address(parts, token))
            case "reset":
                return _page(parts, _address(parts, accounts.reset_link(world, by, account_id)))
            case "role":
                accounts.set_role(world, by, account_id, Role(request.form.get("role", "")))
            case "lock" | "unlock":
                accounts.set_locked(world, by, account_id, is_locked=what == "lock")
            case "factor":
                accounts.end_second_factor(world, by, account_id)
            case _:
                abort(400)
    except RefusedError as refused:
        notify(say(str(refused)), "bad")
    except ValueError:
        abort(400)
    else:
        notify(say("Done."))
    return back(url_for("dashboard.accounts"))


def _address(parts: Parts, token: str) -> str:
    return parts.base_url + url_for("dashboard.setup", token=token)


DEEDS = {
    "log_in": "Logged in",
    "sign_on": "Logged in through the organisation",
    "log_out": "Logged out",
    "setup_link": "Made a set-up link",
    "invite": "Invited somebody",
    "reset_link": "Made a link for a new password",
    "account_made": "Made an account",
    "new_password": "Set a new password",
    "second_factor_on": "Switched the second factor on",
    "second_factor_off": "Switched the second factor off",
    "role": "Changed a role",
    "lock": "Locked an account",
    "unlock": "Unlocked an account",
    "end_sessions": "Ended sessions",
    "pause": "Paused",
    "resume": "Resumed",
    "unpause": "Ended a pause",
    "stop": "Stopped",
    "pause_all": "Paused all campaigns",
    "resume_all": "Let all campaigns go on",
    "kill": "Stopped all sending",
    "unkill": "Let mails leave again",
    "edit": "Edited",
    "tag": "Tagged",
    "untag": "Took a tag away",
    "suppress": "Put an address on the list",
    "release": "Took an address off the list",
    "erase": "Erased a person",
    "export": "Exported a person's data",
    "resend": "Let uncertain mails leave again",
    "settle": "Took uncertain mails as sent",
    "drain": "Let a campaign run out",
    "ask_plan": "Asked for a plan",
    "ask_apply": "Published",
    "ask_export": "Wrote people into a file",
    "ask_bulk": "Changed many people",
    "ask_undo": "Took a change of many back",
    "ask_recompute": "Had clicks judged again",
    "ask_codes": "Put codes into a pool",
    "ask_forecast": "Looked 30 days ahead",
    "cancel_work": "Cancelled work",
    "fetch_file": "Downloaded a file",
}
