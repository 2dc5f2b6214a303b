"""The guard: what every answer carries and no request may exceed.

Owns security headers, the size of bodies, and the pages of errors. Must not know any page.
"""

from __future__ import annotations

import structlog
from flask import Flask, Response, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from app.store.engine import StoreError
from app.store.gate import GateClosedError
from app.web.words import say as _

log = structlog.get_logger()

LARGEST_BODY = 64 * 1024
MOST_FORM_PARTS = 200
STRICT = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'"
"""Pages of readers: no script, nothing from elsewhere. A page widens it with `allow`."""


def install(app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.config["MAX_FORM_MEMORY_SIZE"] = LARGEST_BODY
    app.config["MAX_FORM_PARTS"] = MOST_FORM_PARTS
    app.after_request(_headers)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(StoreError, _store_error)
    app.register_error_handler(GateClosedError, _store_error)
    app.register_error_handler(Exception, _fault)


def allow(policy: str = STRICT, frames: tuple[str, ...] = (), referrer: str = "no-referrer") -> None:
    """Set this answer's Content-Security-Policy, who may frame it, and its Referrer-Policy."""
    g.policy, g.frames, g.referrer = policy, frames, referrer


def _headers(response: Response) -> Response:
    frames: tuple[str, ...] = g.get("frames", ())
    ancestors = " ".join(frames) if frames else "'none'"
    headers = response.headers
    headers.setdefault("Content-Security-Policy", f"{g.get('policy', STRICT)}; frame-ancestors {ancestors}")
    if not frames:
        headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", g.get("referrer", "no-referrer"))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("X-Robots-Tag", "noindex")
    return response


def _http_error(error: HTTPException) -> ResponseReturnValue:
    code = error.code or 500
    if error.response is not None:
        return error.response
    title, text = _words(code)
    headers = {"Retry-After": str(retry)} if (retry := getattr(error, "retry_after", None)) else {}
    if code == 405 and getattr(error, "valid_methods", None):
        headers["Allow"] = ", ".join(sorted(error.valid_methods))  # type: ignore[attr-defined]
    if wants_json():
        return jsonify(state="error", message=title), code, headers
    return render_template("pages/message.html", title=title, text=text), code, headers


def wants_json() -> bool:
    """Whether a program asks rather than a person."""
    return request.mimetype == "application/json" or request.accept_mimetypes.best == "application/json"


def _words(code: int) -> tuple[str, str]:
    match code:
        case 400:
            return _("We could not read that"), _("Please go back, reload the page and try again.")
        case 403:
            return _("Not from here"), _("This page does not take requests from that site.")
        case 404:
            return _("There is nothing here"), _("The address may have been cut short when it was copied.")
        case 405:
            return _("Not in this way"), _("This address does not take that kind of request.")
        case 413:
            return _("That is too much"), _("Please write less and try again.")
        case 415:
            return _("We could not read that"), _("Please go back, reload the page and try again.")
        case 429:
            return _("A little too fast"), _("Many requests came from your network. Please try again in ten minutes.")
        case 503:
            return _("One moment, please"), _("We are busy just now. Nothing is lost; please try again in a minute.")
        case _:
            return _("Something went wrong on our side"), _("It has been noted. Please try again in a minute.")


def _store_error(error: Exception) -> ResponseReturnValue:
    """The database is away or gave us no turn: say so, and when to come back."""
    log.warning("database_unavailable", error=type(error).__name__, endpoint=request.endpoint)
    title, text = _words(503)
    headers = {"Retry-After": "30"}
    if wants_json():
        return jsonify(state="error", message=title), 503, headers
    return render_template("pages/message.html", title=title, text=text), 503, headers


def _fault(error: Exception) -> ResponseReturnValue:
    """A bug: logged with its place, never shown."""
    log.error("request_failed", endpoint=request.endpoint, exc_info=error)
    title, text = _words(500)
    if wants_json():
        return jsonify(state="error", message=title), 500
    return render_template("pages/message.html", title=title, text=text), 500
