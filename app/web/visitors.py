"""Visitors: what a request tells of who asks, cut down to what may be kept.

Owns origins, networks, sources and landing pages. No address of a visitor goes further than here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from flask import request

from app.actions.signup import Visit
from app.core.boxes import Box
from app.core.windows import find_zone
from app.web.parts import Parts
from app.web.tongue import page_locale

LONGEST_PAGE = 500
_LOOPBACK = re.compile(r"https?://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")
_TRAIL = ("utm_source", "utm_medium", "utm_campaign")
_ARM = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}:[a-z0-9_-]{1,40}")


def may_embed(parts: Parts, box: Box, origin: str) -> bool:
    """Whether a page of this origin may show a box: those its file names, exactly, and our own. Loopback in a demo."""
    return origin in (*box.origins, own_origin(parts)) or (
        parts.world.settings.demo and _LOOPBACK.fullmatch(origin) is not None
    )


def own_origin(parts: Parts) -> str:
    split = urlsplit(parts.base_url)
    return f"{split.scheme}://{split.netloc}"


def network(parts: Parts) -> str:
    """The keyed hash limits count under; one common bucket for those whose address we cannot tell."""
    return parts.networks.caller(request.remote_addr or "", _forwarded()).network or "unknown"


def truncated(parts: Parts) -> str:
    """The /24 or /48 a request came from, for the ledger of consent."""
    packed = parts.networks.client(request.remote_addr or "", _forwarded())
    if packed is None:
        return ""
    if len(packed) == 4:
        return str(ipaddress.IPv4Network((packed[:3] + bytes(1), 24)))
    return str(ipaddress.IPv6Network((packed[:6] + bytes(10), 48)))


def _forwarded() -> str:
    return request.headers.get("X-Forwarded-For", "")


def visit_of(parts: Parts, given: Mapping[str, str]) -> Visit:
    """Where a signup came from, by what the box or the address told. Everything is cut to size; nothing is believed."""
    page = cut(given.get("page", ""))
    referrer = host_of(given.get("referrer", ""))
    trail = {key: given[key][:80] for key in _TRAIL if given.get(key)}
    if referrer:
        trail["referrer"] = referrer
    if given.get("landing"):
        trail["landing"] = cut(given["landing"])
    if given.get("language"):
        trail["language"] = given["language"][:35]
    zone = given.get("timezone", "")[:64]
    return Visit(
        page=page,
        locale=page_locale(parts),
        timezone=zone if zone and find_zone(zone) is not None else "",
        network=network(parts),
        truncated=truncated(parts),
        source=source(trail),
        trail=trail,
        arms=tuple(arm for arm in given.get("arms", "").split(",") if _ARM.fullmatch(arm))[:5],
        friend=parts.world.links.read_referral(given.get("friend", "")) or b"",
    )


def source(trail: Mapping[str, str]) -> str:
    """A visit's source in one word: the campaign's, else the referring host, else direct."""
    return (trail.get("utm_source") or trail.get("referrer") or "direct")[:58]


def host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "")[:80]
    except ValueError:
        return ""


def cut(page: str) -> str:
    """An address of a page without its query, where tokens and names may stand."""
    return page.partition("#")[0].partition("?")[0][:LONGEST_PAGE]
