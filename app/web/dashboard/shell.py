"""The shell: what every page of the dashboard has around it: who looks, in which language, the clock, the menu.

Owns the hooks of the dashboard's and the inbox's blueprints and the guard against forged forms. Must not know any page.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from urllib.parse import quote, unquote

from flask import Blueprint, Response, abort, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from app.actions.access import DEMO, May, Visitor
from app.actions.entering import inside
from app.actions.shelf import Shelved
from app.core.instants import Instant
from app.core.saying.notes import note_text
from app.core.text import Text
from app.web import guard
from app.web.dashboard import wording
from app.web.dashboard.wording import Clock
from app.web.parts import Parts
from app.web.tongue import LOCALES, direction, page_locale

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'"
)
FORM_COOKIE = "parvar_form"
LANGUAGE_COOKIE = "parvar_lang"
THEME_COOKIE = "parvar_theme"
SESSION_COOKIE = "parvar_session"
THEMES = ("light", "dark")
LARGEST_FILE = 21 * 1024 * 1024
"""Bytes of a form that brings a file, before anything of it is read."""
LARGEST_PIECE = 512 * 1024
"""Bytes of it read at once."""
YEAR = 365 * 24 * 3600


def dress(blueprint: Blueprint, parts: Parts) -> None:
    """Give a blueprint language, visitor, guard and the context every page needs."""
    blueprint.before_request(lambda: _prepare(parts))
    blueprint.before_request(_refuse_forged_forms)
    blueprint.after_request(lambda response: _keep_choices(parts, response))
    blueprint.context_processor(lambda: _context(parts))


def _prepare(parts: Parts) -> ResponseReturnValue | None:
    g.locale = _language(parts)
    g.parts = parts
    guard.allow(POLICY, referrer="same-origin")
    g.visitor, g.proved_until = _who(parts)
    is_open = (request.endpoint or "").rpartition(".")[2] in OPEN
    return None if g.visitor is not None or is_open else _to_the_door()


OPEN = frozenset({"door", "enter", "setup", "set_up", "look", "sign_on", "signed_on"})
"""Endpoints that need no login."""


def _who(parts: Parts) -> tuple[Visitor | None, Instant]:
    """Who looks, and until when the password counts as just given. In the demo everybody is the owner."""
    if parts.world.settings.demo:
        return DEMO, parts.world.wall() + YEAR * 1_000_000
    found = inside(parts.world, request.cookies.get(SESSION_COOKIE, ""))
    return (found.visitor, found.proved_until) if found else (None, 0)


def _to_the_door() -> ResponseReturnValue:
    if request.method != "GET" or "X-Live" in request.headers:
        abort(403)
    return redirect(url_for("dashboard.door", next=request.full_path.rstrip("?")), 303)


def _language(parts: Parts) -> str:
    for wanted in (request.args.get("lang", ""), request.cookies.get(LANGUAGE_COOKIE, "")):
        if wanted in LOCALES:
            return wanted
    return page_locale(parts)


# ── Forms ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def form_token() -> str:
    """The hidden field of every form: bound to this browser, so that no other site can send one."""
    return _token_of(_form_secret())


def _form_secret() -> str:
    if "form_secret" not in g:
        g.form_secret = request.cookies.get(FORM_COOKIE) or g.parts.world.new_id().hex()
    return str(g.form_secret)


def _token_of(secret: str) -> str:
    key = blake2b(g.parts.world.secret, digest_size=32, person=b"parvar forms").digest()
    return blake2b(secret.encode(), key=key, digest_size=20).hexdigest()


def _refuse_forged_forms() -> None:
    """A change needs the token of this browser, and comes from our own pages when the browser says where from."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    if request.endpoint == "dashboard.ask_codes":
        request.max_content_length = LARGEST_FILE
        request.max_form_memory_size = LARGEST_PIECE
    secret = request.cookies.get(FORM_COOKIE, "")
    is_ours = bool(secret) and hmac.compare_digest(_token_of(secret), request.form.get("form_token", ""))
    if not is_ours or request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(403)


def _keep_choices(parts: Parts, response: Response) -> Response:
    is_secure = parts.base_url.startswith("https:")
    if "form_secret" in g and FORM_COOKIE not in request.cookies:
        response.set_cookie(FORM_COOKIE, g.form_secret, httponly=True, samesite="Strict", secure=is_secure)
    wanted = request.args.get("lang", "")
    if wanted in LOCALES and request.cookies.get(LANGUAGE_COOKIE) != wanted:
        response.set_cookie(LANGUAGE_COOKIE, wanted, max_age=YEAR, httponly=True, samesite="Lax", secure=is_secure)
    if "said" in g and not g.get("is_said"):
        response.set_cookie(NOTICE_COOKIE, _packed(g.said), max_age=60, httponly=True, samesite="Strict")
    elif NOTICE_COOKIE in request.cookies and g.get("is_said"):
        response.delete_cookie(NOTICE_COOKIE)
    return response


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def visitor() -> Visitor:
    return g.visitor  # type: ignore[no-any-return]


def need(what: May) -> None:
    """Stop with 403 when the visitor may not do this."""
    if not visitor().may(what):
        abort(403)


def need_proof() -> ResponseReturnValue | None:
    """Before what is dangerous: None when the password was given a few minutes ago, else the way to give it."""
    if g.proved_until > g.parts.world.wall():
        return None
    return redirect(url_for("dashboard.proof", next=_came_from()), 303)


def _came_from() -> str:
    """The page the form stands on, to go back to after the password."""
    wanted = request.form.get("next", "")
    return wanted if wanted.startswith("/") and not wanted.startswith("//") else url_for("dashboard.home")


def clock() -> Clock:
    """The domain's clock in the site's zone."""
    if "clock" not in g:
        g.clock = Clock(_zone(), g.parts.world.now())
    return g.clock  # type: ignore[no-any-return]


def shelved() -> Shelved | None:
    """The live release, looked up once per page."""
    if "shelved" not in g:
        g.shelved = g.parts.shelved()
    return g.shelved  # type: ignore[no-any-return]


def _zone() -> str:
    held = shelved()
    return held.book.site.timezone if held else "UTC"


def now() -> Instant:
    return clock().now


def text_of(text: Text) -> str:
    """A text of the files in the page's language."""
    return text.in_locale(wording.tongue())


def stage_label(key: str) -> str:
    held = shelved()
    found = next((stage.label for stage in held.book.ladder.stages if stage.key == key), None) if held else None
    return text_of(found) if found else key


def stage_index(key: str) -> int:
    """How high a stage stands, for its colour; 0 for an unknown one."""
    held = shelved()
    return max(0, held.book.ladder.index(key)) if held else 0


def campaign_title(key: str) -> str:
    held = shelved()
    found = held.book.campaigns.get(key) if held else None
    return (text_of(found.title) if found else "") or key


KINDS = {
    "ready": "Ready to buy",
    "returning": "Returning",
    "referred": "Referred",
    "interested": "Interested",
    "searcher": "Searcher",
    "none": "–",
}
"""Kinds of the default ladder in words; a site's own kinds are shown by their key."""


def kind_label(key: str) -> str:
    return wording.say(KINDS[key]) if key in KINDS else key


# ── Context ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _context(parts: Parts) -> dict[str, object]:
    held = shelved()
    theme = request.cookies.get(THEME_COOKIE, "")
    return {
        "_": wording.say,
        "_n": wording.say_count,
        "lang": wording.tongue(),
        "dir": direction(wording.tongue()),
        "theme": theme if theme in THEMES else "",
        "demo": parts.world.settings.demo,
        "visitor": g.get("visitor"),
        "site": held.book.site if held else None,
        "site_name": text_of(held.book.site.name) if held else "Parvar",
        "clock": clock(),
        "form_token": form_token,
        "num": wording.number,
        "compact": wording.compact,
        "pct": wording.percent,
        "figures": wording.figures,
        "money": lambda amount: wording.money(amount, held.book.site if held else None),
        "span": wording.span,
        "stage_label": stage_label,
        "stage_index": stage_index,
        "kind_label": kind_label,
        "campaign_title": campaign_title,
        "text_of": text_of,
        "noted": lambda note: note_text(note).in_locale(wording.tongue()),
        "other_language": "en" if wording.is_persian() else "fa",
        "with_query": with_query,
        "May": May,
        "menu": [entry for entry in menu() if entry[0] in _known()],
        "areas": AREAS,
        "has_inbox": "inbox.listed" in current_app.view_functions,
        "notices": notices,
        "state_words": state_words,
    }


def state_words(state: str) -> str:
    return wording.say(_STATES.get(state, state))


_STATES = {"pending": "Not confirmed", "active": "Active", "unsubscribed": "Unsubscribed", "paused": "Paused"}


def menu() -> list[tuple[str, str, str]]:
    """Pages of the menu below the first four: endpoint, sign, name."""
    say = wording.say
    return [
        ("dashboard.boxes", "boxes", say("Boxes")),
        ("dashboard.mails", "mails", say("Mails")),
        ("dashboard.offers", "offers", say("Offers and answers")),
        ("dashboard.delivery", "delivery", say("Deliverability")),
        ("dashboard.segments", "segments", say("Segments")),
        ("dashboard.publish", "publish", say("Publish")),
        ("dashboard.work", "work", say("Work")),
        ("dashboard.accounts", "accounts", say("Accounts")),
        ("dashboard.audit", "audit", say("Audit log")),
    ]


def _known() -> frozenset[str]:
    """Endpoints this visitor may open."""
    if g.get("visitor") is None:
        return frozenset()
    return frozenset(current_app.view_functions) - (frozenset() if visitor().may(May.ACCOUNTS) else _OWNERS)


AREAS = {
    "errand": "dashboard.work",
    "planned": "dashboard.publish",
    "releases": "dashboard.publish",
    "release": "dashboard.publish",
    "box": "dashboard.boxes",
    "mail": "dashboard.mails",
}
"""Pages below a page of the menu."""
_OWNERS = frozenset({"dashboard.accounts", "dashboard.audit"})

# ── Notices ──────────────────────────────────────────────────────────────────────────────────────────────────────────

NOTICE_COOKIE = "parvar_notice"


@dataclass(frozen=True, slots=True)
class Notice:
    """What a change had to say, and the form that takes it back: an address and its fields."""

    text: str
    tone: str = "good"
    undo: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


def notify(text: str, tone: str = "good", undo: str = "", **fields: str) -> None:
    """Say something at the top of the next page."""
    g.said = Notice(text, tone, undo, fields)


def notices() -> list[Notice]:
    """What the last change had to say, once. The cookie is the visitor's own; its form is guarded like any other."""
    g.is_said = True
    if "said" in g:
        return [g.said]
    try:
        text, tone, undo, fields = json.loads(unquote(request.cookies.get(NOTICE_COOKIE, "")))
    except ValueError:
        return []
    is_ours = isinstance(fields, dict) and str(undo)[:10] in ("", "/dashboard")
    return [Notice(str(text), str(tone), str(undo), fields)] if is_ours else []


def _packed(said: Notice) -> str:
    return quote(json.dumps([said.text, said.tone, said.undo, dict(said.fields)], ensure_ascii=False))


def with_query(**changes: str | int | None) -> str:
    """This page's address with some of its questions changed; None takes one away."""
    kept: Mapping[str, str] = request.args.to_dict()
    merged = {**kept, **{key: str(value) for key, value in changes.items() if value is not None}}
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
    return url_for(request.endpoint or "", **{**(request.view_args or {}), **merged})


def back(default: str, wanted: str | None = None) -> ResponseReturnValue:
    """After a change: back to the page it was asked from (or `wanted`), if that is one of ours."""
    wanted = request.form.get("next", "") if wanted is None else wanted
    is_ours = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
    return redirect(wanted if is_ours else default, 303)


Register = Callable[[Blueprint, Parts], None]
"""A page module's way in: it adds its routes to the dashboard's blueprint."""
