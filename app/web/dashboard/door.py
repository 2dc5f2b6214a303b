"""The door: logging in, one-time links, giving the password again, one's own account, leaving.

Owns cookies and forms; app.actions.entering and app.actions.accounts decide. In a demo only links of setting up exist.
"""

from __future__ import annotations

import base64
from io import BytesIO

import segno
from flask import Blueprint, Response, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.actions import accounts, entering
from app.actions.accounts import Link, RefusedError, Wish
from app.actions.entering import SESSION_FOR, Attempt, Entered, Refusal
from app.core.instants import SECOND
from app.store import accounts as store
from app.web.dashboard.shell import SESSION_COOKIE, back, notify, visitor
from app.web.dashboard.wording import say
from app.web.parts import Parts
from app.web.visitors import network


def register(blueprint: Blueprint, parts: Parts) -> None:
    if parts.world.settings.demo:
        return
    _Door(parts).register(blueprint)
    _Own(parts).register(blueprint)


REFUSALS = {
    Refusal.WRONG: "Address or password are not right.",
    Refusal.CODE: "Now the code of your second factor, please.",
    Refusal.TOO_MANY: "Too many tries. Please wait a few minutes.",
}


class _Door:
    """Before one is inside."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def register(self, blueprint: Blueprint) -> None:
        blueprint.add_url_rule("/login", "door", self.door)
        blueprint.add_url_rule("/login", "enter", self.enter, methods=["POST"])
        blueprint.add_url_rule("/setup/<token>", "setup", self.setup)
        blueprint.add_url_rule("/setup/<token>", "set_up", self.set_up, methods=["POST"])

    def door(self) -> ResponseReturnValue:
        if visitor() is not None:
            return back(url_for("dashboard.home"))
        return self._door()

    def _door(self, refusal: Refusal | None = None, code: int = 200) -> ResponseReturnValue:
        is_first = not accounts.listed(self.parts.world)
        words = say(REFUSALS[refusal]) if refusal else ""
        wanted = request.values.get("next", "")
        page = "dashboard/login.html"
        return render_template(page, refusal=refusal, words=words, wanted=wanted, is_first=is_first), code

    def enter(self) -> ResponseReturnValue:
        form = request.form
        address, password, code = form.get("address", ""), form.get("password", ""), form.get("code", "")
        attempt = Attempt(address, password, code, network(self.parts), request.headers.get("User-Agent", "")[:200])
        answer = entering.log_in(self.parts.world, attempt)
        if not isinstance(answer, Entered):
            return self._door(answer, 429 if answer is Refusal.TOO_MANY else 403)
        response = back(url_for("dashboard.home"))
        assert isinstance(response, Response)
        is_secure = self.parts.base_url.startswith("https:")
        age = SESSION_FOR // SECOND
        response.set_cookie(SESSION_COOKIE, answer.token, max_age=age, httponly=True, samesite="Lax", secure=is_secure)
        return response

    def setup(self, token: str) -> ResponseReturnValue:
        link = accounts.read_link(self.parts.world, token)
        return self._setup(token, link) if link else self._used()

    def set_up(self, token: str) -> ResponseReturnValue:
        link = accounts.read_link(self.parts.world, token)
        if link is None:
            return self._used()
        form = request.form
        address = link.address or form.get("address", "")
        wish = Wish(address, form.get("name", ""), form.get("password", ""))
        try:
            accounts.accept(self.parts.world, token, wish)
        except RefusedError as refused:
            return self._setup(token, link, str(refused)), 400
        notify(say("That is done. You can log in now."))
        return redirect(url_for("dashboard.door"), 303)

    def _setup(self, token: str, link: Link, error: str = "") -> str:
        words = say(error) if error else ""
        return render_template("dashboard/setup.html", token=token, link=link, words=words, shortest=accounts.SHORTEST)

    def _used(self) -> ResponseReturnValue:
        return render_template("dashboard/setup.html", token="", link=None, words="", shortest=0), 410


class _Own:
    """One's own account, once inside."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def register(self, blueprint: Blueprint) -> None:
        blueprint.add_url_rule("/me", "me", self.me)
        blueprint.add_url_rule("/me/password", "my_password", self.password, methods=["POST"])
        blueprint.add_url_rule("/me/factor", "my_factor", self.factor)
        blueprint.add_url_rule("/me/factor", "set_my_factor", self.set_factor, methods=["POST"])
        blueprint.add_url_rule("/me/factor/off", "drop_my_factor", self.drop_factor, methods=["POST"])
        blueprint.add_url_rule("/me/sessions", "end_sessions", self.end_sessions, methods=["POST"])
        blueprint.add_url_rule("/logout", "leave", self.leave, methods=["POST"])
        blueprint.add_url_rule("/proof", "proof", self.proof)
        blueprint.add_url_rule("/proof", "prove", self.prove, methods=["POST"])

    def me(self) -> ResponseReturnValue:
        world, mine = self.parts.world, visitor()
        with world.transaction("read") as session:
            row = store.account(session, mine.account_id)
            sessions = store.sessions_of(session, mine.account_id, world.wall())
            left = store.recovery_codes_left(session, mine.account_id)
        return render_template("dashboard/me.html", row=row, sessions=sessions, left=left, current=mine.session)

    def password(self) -> ResponseReturnValue:
        world, given = self.parts.world, request.form
        if not entering.prove(world, visitor(), given.get("password", ""), network(self.parts)):
            notify(say("Address or password are not right."), "bad")
            return back(url_for("dashboard.me"))
        try:
            accounts.change_password(world, visitor(), given.get("new", ""))
        except RefusedError as refused:
            notify(say(str(refused)), "bad")
        else:
            notify(say("The new password holds; all other sessions are over."))
        return back(url_for("dashboard.me"))

    def factor(self) -> ResponseReturnValue:
        return self._factor(accounts.new_secret(self.parts.world))

    def _factor(self, secret: str, words: str = "") -> str:
        address = accounts.provisioning(secret, visitor().address, "Parvar")
        drawn = BytesIO()
        segno.make(address, error="m").save(drawn, kind="png", scale=6, border=3)
        picture = f"data:image/png;base64,{base64.b64encode(drawn.getvalue()).decode()}"
        return render_template("dashboard/factor.html", secret=secret, picture=picture, words=words, codes=())

    def set_factor(self) -> ResponseReturnValue:
        if g.proved_until <= self.parts.world.wall():
            return redirect(url_for("dashboard.proof", next=url_for("dashboard.my_factor")), 303)
        secret, code = request.form.get("secret", ""), request.form.get("code", "")
        try:
            codes = accounts.begin_second_factor(self.parts.world, visitor(), secret, code)
        except RefusedError as refused:
            return self._factor(secret, say(str(refused))), 400
        return render_template("dashboard/factor.html", secret="", picture="", words="", codes=codes)

    def drop_factor(self) -> ResponseReturnValue:
        if g.proved_until <= self.parts.world.wall():
            return redirect(url_for("dashboard.proof", next=url_for("dashboard.me")), 303)
        accounts.end_second_factor(self.parts.world, visitor(), visitor().account_id)
        notify(say("No code is asked for any more."), "warn")
        return back(url_for("dashboard.me"))

    def end_sessions(self) -> ResponseReturnValue:
        try:
            only = bytes.fromhex(request.form.get("only", ""))
        except ValueError:
            abort(400)
        number = accounts.end_sessions(self.parts.world, visitor(), only=only)
        notify(say("%(n)s sessions are over.", n=number))
        return back(url_for("dashboard.me"))

    def leave(self) -> ResponseReturnValue:
        entering.log_out(self.parts.world, visitor())
        response = redirect(url_for("dashboard.door"), 303)
        response.delete_cookie(SESSION_COOKIE)
        return response

    def proof(self) -> ResponseReturnValue:
        return render_template("dashboard/proof.html", wanted=request.args.get("next", ""))

    def prove(self) -> ResponseReturnValue:
        given = request.form.get("password", "")
        if entering.prove(self.parts.world, visitor(), given, network(self.parts)):
            notify(say("Thank you. Please do it again now."), "good")
            return back(url_for("dashboard.home"))
        notify(say("Address or password are not right."), "bad")
        return redirect(url_for("dashboard.proof", next=request.form.get("next", "")), 303)
