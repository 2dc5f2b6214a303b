"""Work: a visitor's machine proves that it spent some effort, when a network, a box or the site is asked too often.

Owns challenges and their checking (ALTCHA, self-hosted, iterated SHA-256). A solution serves once and ten minutes.
Must not decide when work is asked for.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping

import altcha

from app.actions.limits import Proof
from app.core.instants import MINUTE, SECOND
from app.web.parts import Parts

VALID_FOR = 10 * MINUTE
COSTS: Mapping[int, int] = {1: 60, 2: 180, 3: 600}
"""Rounds of SHA-256 for each try, by level; about 256 tries are needed (a prefix of one zero byte)."""


def challenge(parts: Parts, box: str, level: int) -> dict[str, object]:
    """What the browser has to solve. The box, the level and the end are signed into it."""
    until = parts.world.wall() + VALID_FOR
    made = altcha.create_challenge(
        "SHA-256", COSTS[level], data={"box": box, "level": level, "until": until // SECOND}, hmac_secret=_secret(parts)
    )
    plain: dict[str, object] = made.to_dict()
    return plain


def proved(parts: Parts, box: str, payload: str) -> Proof | None:
    """A solved challenge; None when it is missing, forged, for another box or too old. Whether it was used before is
    seen where it is kept."""
    if not payload or len(payload) > 4_000:
        return None
    wall = parts.world.wall()
    try:
        plain = json.loads(base64.b64decode(payload, validate=True))
        data = plain["challenge"]["parameters"]["data"]
        level, until, nonce = (
            int(data["level"]),
            int(data["until"]),
            bytes.fromhex(plain["challenge"]["parameters"]["nonce"]),
        )
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        return None
    if data.get("box") != box or level not in COSTS or wall > until * SECOND or len(nonce) != 16:
        return None
    return Proof(level, nonce, until * SECOND) if altcha.verify_solution(payload, _secret(parts)).verified else None


def _secret(parts: Parts) -> bytes:
    return b"work:" + parts.world.secret
