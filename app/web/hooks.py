"""Hooks: what mail providers tell us: bounces, complaints, farewells. Proven first, then believed.

Owns `POST /hooks/<provider>`. Nothing is answered with 2xx before it is kept; telling it again is harmless. Must not
know what an event means.
"""

from __future__ import annotations

import structlog
from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue

from app.actions.bounces import take_in
from app.mail.inbound_hooks import (
    MAX_BODY,
    PROVIDERS,
    HookConfirm,
    HookEvents,
    HookRefused,
    HookRequest,
    HookSettings,
    settings_of,
)
from app.mail.inbound_hooks import read_hook as read
from app.net.certificates import certificate, fetch
from app.web.parts import Parts

log = structlog.get_logger()


def blueprint(parts: Parts) -> Blueprint:
    pages = Blueprint("hooks", __name__)

    @pages.post("/hooks/<provider>")
    @pages.post("/hooks/<provider>/<secret>")
    def hook(provider: str, secret: str = "") -> ResponseReturnValue:
        settings = known(parts, provider)
        if settings is None:
            abort(404)
        request.max_content_length = MAX_BODY
        given = HookRequest(
            request.get_data(cache=False), dict(request.headers), secret or request.args.get("secret", "")
        )
        return _answer(parts, provider, read(given, settings, parts.world.wall(), certificate))

    return pages


def known(parts: Parts, provider: str) -> HookSettings | None:
    """How this provider proves itself; None for one that nobody set up."""
    value = parts.world.settings.hooks.get(provider)
    return None if value is None or provider not in PROVIDERS else settings_of(provider, value)


def _answer(parts: Parts, provider: str, result: HookEvents | HookConfirm | HookRefused) -> ResponseReturnValue:
    match result:
        case HookEvents(events):
            changed = take_in(parts.world, events)
            log.info("hook", provider=provider, events=len(events), changed=changed)
            return "", 204
        case HookConfirm(url):
            try:
                fetch(url)
            except OSError as fault:
                log.warning("hook_not_confirmed", provider=provider, fault=str(fault))
                return "", 502
            return "", 204
        case HookRefused(status, reason):
            log.warning("hook_refused", provider=provider, reason=reason)
            return "", status
