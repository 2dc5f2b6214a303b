"""Countdown: the picture of the time an offer has left, and the way to the offer, or past its end.

Owns `/countdown/` and `/g/`. Neither names a person: the address holds the end and nothing else, so nobody is followed
by a picture. Must not record anything.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from flask import Blueprint, Response, abort, redirect, request
from flask.typing import ResponseReturnValue

from app.core.offering import is_over
from app.mail.countdown import draw, time_left
from app.web.parts import Parts


def blueprint(parts: Parts) -> Blueprint:
    pages = Blueprint("countdown", __name__)
    desk = Desk(parts)
    pages.add_url_rule("/countdown/<token>.png", "picture", desk.picture, methods=["GET"])
    pages.add_url_rule("/g/<token>", "offer", desk.offer, methods=["GET"])
    return pages


class Desk:
    """The views of offers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def picture(self, token: str) -> ResponseReturnValue:
        """True at the moment it is fetched, whenever that is; a copy may be kept but has to be asked about."""
        given = self._parts.world.links.read_countdown(token)
        if given is None:
            abort(404)
        ends_at, locale = given
        left = time_left(ends_at - self._parts.world.now())
        response = Response(draw(left, locale), mimetype="image/png")
        response.headers["Cache-Control"] = "no-cache, max-age=0"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.set_etag(f"{left.days}-{left.hours}-{left.minutes}-{locale}")
        return response.make_conditional(request)

    def offer(self, token: str) -> ResponseReturnValue:
        """To the site with the code at hand; after the end, or without such an offer, to the page for that."""
        ref = self._parts.world.links.read_offer(token)
        shelved = self._parts.shelved()
        if ref is None or shelved is None:
            abort(404)
        site = shelved.book.site.url
        offer = shelved.workspace.offers.get(ref.offer)
        if offer is None or is_over(ref.ends_at, self._parts.world.now()):
            return redirect(urljoin(site, offer.after_end) if offer and offer.after_end else site, 302)
        return redirect(with_coupon(site, ref.code), 302)


def with_coupon(url: str, code: str) -> str:
    """An address with `coupon=` added; without a code the address itself."""
    split = urlsplit(url)
    query = [*parse_qsl(split.query, keep_blank_values=True), *([("coupon", code)] if code else [])]
    return urlunsplit((split.scheme, split.netloc, split.path or "/", urlencode(query), split.fragment))
