"""The door: logging in, one-time links, giving the password again, one's own account, leaving.

Owns cookies and forms; app.actions.entering and app.actions.accounts decide. In a demo only links of setting up exist.
"""

from __future__ import annotations

import base64
from io import BytesIO

import segno
from flask import Blueprint, Response, abort, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.actions import accounts, entering, signon
from app.actions.accounts import Link, RefusedError, Wish
from app.actions.entering import SESSION_FOR, Attempt, Entered, Refusal
from app.actions.signon import BEGUN_FOR, Answer, Begun
from app.core.instants import SECOND, Span
from app.store import accounts as store
from app.web.dashboard.shell import SESSION_COOKIE, back, notify, visitor
from app.web.dashboard.wording import say
from app.web.parts import Parts
from app.web.visitors import network


def register(blueprint: Blueprint, parts: Parts) -> None:
    if parts.world.settings.demo:
        return
    _Door(parts).register(blueprint)
    if parts.world.settings.openid is not None:
        _Issuer(parts).register(blueprint)
    _Own(parts).register(blueprint)


REFUSALS = {
    Refusal.WRONG: "Address or password are not right.",
    Refusal.CODE: "Now the code of your second factor, please.",
    Refusal.TOO_MANY: "Too many tries. Please wait a few minutes.",
    Refusal.SILENT: "The sign-in of your organisation does not answer. The password still works.",
    Refusal.BROKEN: "This sign-in does not belong to what was begun here. Please begin again.",
    Refusal.STRANGER: "There is no account here for the address your organisation vouches for.",
}
_STATUS = {Refusal.TOO_MANY: 429, Refusal.SILENT: 502}
SIGN_ON_COOKIE = "parvar_signon"


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

    def _door(self, refusal: Refusal | None = None) -> ResponseReturnValue:
        return _door_page(self.parts, refusal)

    def enter(self) -> ResponseReturnValue:
        form = request.form
        address, password, code = form.get("address", ""), form.get("password", ""), form.get("code", "")
        attempt = Attempt(address, password, code, network(self.parts), request.headers.get("User-Agent", "")[:200])
        answer = entering.log_in(self.parts.world, attempt)
        if not isinstance(answer, Entered):
            return self._door(answer)
        return _with_cookie(self.parts, back(url_for("dashboard.home")), (SESSION_COOKIE, answer.token, SESSION_FOR))

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


def _door_page(parts: Parts, refusal: Refusal | None = None) -> tuple[str, int]:
    shown = {
        "refusal": refusal,
        "words": say(REFUSALS[refusal]) if refusal else "",
        "wanted": request.values.get("next", ""),
        "is_first": not accounts.listed(parts.world),
        "has_issuer": parts.world.settings.openid is not None,
    }
    return render_template("dashboard/login.html", **shown), _STATUS.get(refusal, 403) if refusal else 200


def _with_cookie(parts: Parts, answer: ResponseReturnValue, cookie: tuple[str, str, Span]) -> Response:
    """An answer that sets a cookie: its name, its value, how long it lasts."""
    assert isinstance(answer, Response)
    name, value, span = cookie
    is_secure = parts.base_url.startswith("https:")
    answer.set_cookie(name, value, max_age=span // SECOND, httponly=True, samesite="Lax", secure=is_secure)
    return answer


class _Issuer:
    """Signing on through an OpenID issuer: there with a link, back with a code."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def register(self, blueprint: Blueprint) -> None:
        blueprint.add_url_rule("/login/issuer", "sign_on", self.sign_on)
        blueprint.add_url_rule("/login/back", "signed_on", self.signed_on)

    def sign_on(self) -> ResponseReturnValue:
        wanted = request.args.get("next", "")
        begun = signon.begin(self.parts.world, self._redirect(), wanted[:1_000], network(self.parts))
        if not isinstance(begun, Begun):
            return _door_page(self.parts, begun)
        return _with_cookie(self.parts, redirect(begun.address, 303), (SIGN_ON_COOKIE, begun.kept, BEGUN_FOR))

    def signed_on(self) -> ResponseReturnValue:
        asked, agent = request.args.to_dict(), request.headers.get("User-Agent", "")[:200]
        kept = request.cookies.get(SIGN_ON_COOKIE, "")
        answer = Answer(asked, kept, self._redirect(), network(self.parts), agent)
        found = signon.finish(self.parts.world, answer)
        if isinstance(found, Refusal):
            response = make_response(_door_page(self.parts, found))
        else:
            home = back(url_for("dashboard.home"), found.wanted)
            response = _with_cookie(self.parts, home, (SESSION_COOKIE, found.token, SESSION_FOR))
        response.delete_cookie(SIGN_ON_COOKIE)
        return response

    def _redirect(self) -> str:
        """The address that is registered with the issuer."""
        return f"{self.parts.base_url}/dashboard/login/back"


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
        return render_template(
            "dashboard/me.html", row=row, sessions=sessions, left=left, current=mine.session, browser=browser
        )

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


_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def browser(agent: str) -> str:
    """What a session's browser calls itself, as people would: Chrome · Windows. Any other name as it is."""
    found = [next((name for sign, name in table if sign in agent), "") for table in (_BROWSERS, _SYSTEMS)]
    return " · ".join(filter(None, found)) or agent[:60] or "–"
