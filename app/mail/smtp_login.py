"""Logging in to a relay: PLAIN, LOGIN, CRAM-MD5 and XOAUTH2.

Owns the dialogue of RFC 4954 and the choice of the way; a password never appears in a message of ours.
Must not open connections.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable
from typing import Final, TypeAlias

from app.mail.replies import Reply
from app.mail.smtp_url import Login, SmtpRelay

Say: TypeAlias = Callable[[bytes], Reply]
"""Writes one line and returns the reply."""

_SAFE_ORDER: Final = (Login.PLAIN, Login.LOGIN, Login.CRAM_MD5)
_OPEN_ORDER: Final = (Login.CRAM_MD5,)


def choose_login(relay: SmtpRelay, offered: frozenset[str], *, is_private: bool) -> Login | None:
    """The way to log in: the one asked for, else the best offered; None when nothing fits.

    `is_private`: the line is encrypted, so the password may travel. XOAUTH2 is used only when asked for: its password
    is a token.
    """
    if relay.login is not Login.AUTO:
        return relay.login
    order = _SAFE_ORDER if is_private else _OPEN_ORDER
    return next((way for way in order if way.value.upper() in offered), None)


def log_in(way: Login, user: str, password: str, say: Say) -> Reply:
    """Carry the dialogue through and return the last reply: 235 means in. Never raises on what the server says."""
    match way:
        case Login.PLAIN:
            return say(b"AUTH PLAIN " + _b64(f"\0{user}\0{password}".encode()))
        case Login.LOGIN:
            return _login(user, password, say)
        case Login.CRAM_MD5:
            return _cram_md5(user, password, say)
        case Login.XOAUTH2:
            return _xoauth2(user, password, say)
        case Login.AUTO:
            raise ValueError("choose a way first")


def _b64(raw: bytes) -> bytes:
    return base64.b64encode(raw)


def _login(user: str, password: str, say: Say) -> Reply:
    reply = say(b"AUTH LOGIN")
    for answer in (user, password):
        if reply.code != 334:
            return reply
        reply = say(_b64(answer.encode()))
    return reply


def _cram_md5(user: str, password: str, say: Say) -> Reply:
    reply = say(b"AUTH CRAM-MD5")
    if reply.code != 334:
        return reply
    try:
        challenge = base64.b64decode(reply.text, validate=True)
    except (binascii.Error, ValueError):
        return say(b"*")
    digest = hmac.new(password.encode(), challenge, "md5").hexdigest()  # RFC 2195 leaves no choice of digest
    return say(_b64(f"{user} {digest}".encode()))


def _xoauth2(user: str, token: str, say: Say) -> Reply:
    reply = say(b"AUTH XOAUTH2 " + _b64(f"user={user}\1auth=Bearer {token}\1\1".encode()))
    # a 334 carries the reason as JSON; an empty line fetches the final answer
    return say(b"") if reply.code == 334 else reply
