"""Signing on: entering by what an OpenID issuer says (OpenID Connect Core 1.0, authorization code flow with PKCE).

Owns what is asked of the issuer and what of its answer is believed. Must not know cookies or pages, or make accounts.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from urllib.parse import urlencode

import structlog

from app.actions.entering import Attempt, Entered, Refusal, enter_vouched, may_try_from, new_token
from app.core.instants import MINUTE, SECOND, Instant, Span
from app.net import issuers
from app.net.issuers import Exchange, Issuer, NoAnswer
from app.settings import OpenId
from app.store.sealing import MARK, BrokenSealError, seal, unseal
from app.world import World

log = structlog.get_logger()

BEGUN_FOR: Span = 10 * MINUTE
"""How long somebody may take at the issuer."""
LEEWAY: Span = MINUTE
"""How far two clocks may differ."""
_ABOUT = "signon"


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser is sent, and what it keeps meanwhile: sealed, so neither read nor changed."""

    address: str
    kept: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """How the browser came back: what stands in the address, and what it had kept."""

    asked: Mapping[str, str] = field(repr=False)
    kept: str = field(repr=False)
    redirect: str
    network: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class SignedOn:
    """A session's token for the cookie, and the page that was wanted."""

    token: str = field(repr=False)
    wanted: str


@dataclass(frozen=True, slots=True)
class _Kept:
    state: str
    nonce: str
    verifier: str
    until: Instant
    wanted: str


class _UnbelievedError(ValueError):
    """Something in the answer is not as it was asked for; the text is for the log."""


class _UnverifiedError(ValueError):
    """The issuer names no address, or one it has not verified."""


# ── There ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def begin(world: World, redirect: str, wanted: str, network: str) -> Begun | Refusal:
    """Where to send the browser. Asks the issuer where its door is; nobody is made to wait more than seconds."""
    client = _client(world)
    with world.transaction("write") as session:
        if not may_try_from(session, network, world.wall()):
            return Refusal.TOO_MANY
    try:
        issuer = issuers.discover(client.issuer)
    except NoAnswer as fault:
        log.warning("sign_on_issuer_silent", fault=str(fault))
        return Refusal.SILENT
    kept = _Kept(new_token(world), new_token(world), new_token(world), world.wall() + BEGUN_FOR, wanted)
    sealed = seal(json.dumps(asdict(kept)), world.settings.secret, _ABOUT, world.new_id())
    return Begun(_address(issuer, client, kept, redirect), sealed)


def _address(issuer: Issuer, client: OpenId, kept: _Kept, redirect: str) -> str:
    """The authentication request (section 3.1.2.1), with the challenge of the verifier (RFC 7636, S256)."""
    asked = {
        "response_type": "code",
        "scope": "openid email",
        "client_id": client.client_id,
        "redirect_uri": redirect,
        "state": kept.state,
        "nonce": kept.nonce,
        "code_challenge": challenge_of(kept.verifier),
        "code_challenge_method": "S256",
    }
    return f"{issuer.authorization}{'&' if '?' in issuer.authorization else '?'}{urlencode(asked)}"


def challenge_of(verifier: str) -> str:
    """The base64url of its SHA-256, without padding (RFC 7636, section 4.2)."""
    return base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")


# ── And back ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def finish(world: World, answer: Answer) -> SignedOn | Refusal:
    """Open a session when the issuer vouches for the address of an account; its role is what it is here."""
    try:
        kept = _kept(world, answer)
        with world.transaction("write") as session:
            if not may_try_from(session, answer.network, world.wall()):
                return Refusal.TOO_MANY
        address = _vouched(world, answer, kept)
    except _UnbelievedError as fault:
        log.warning("sign_on_not_believed", fault=str(fault))
        return Refusal.BROKEN
    except _UnverifiedError as fault:
        log.warning("sign_on_not_verified", fault=str(fault))
        return Refusal.STRANGER
    except NoAnswer as fault:
        log.warning("sign_on_issuer_silent", fault=str(fault))
        return Refusal.SILENT
    found = enter_vouched(world, Attempt(address, "", "", answer.network, answer.agent))
    return SignedOn(found.token, kept.wanted) if isinstance(found, Entered) else found


def _kept(world: World, answer: Answer) -> _Kept:
    """What this browser began, when it is what comes back now. Before anybody is asked."""
    if not answer.kept.startswith(MARK):
        raise _UnbelievedError("nothing was begun in this browser")
    try:
        kept = _Kept(**json.loads(unseal(answer.kept, (world.settings.secret, *world.settings.old_secrets), _ABOUT)))
    except BrokenSealError as fault:
        raise _UnbelievedError("what the browser kept is not ours") from fault
    if kept.until <= world.wall():
        raise _UnbelievedError("it was begun too long ago")
    if not hmac.compare_digest(kept.state.encode(), answer.asked.get("state", "").encode()):
        raise _UnbelievedError("the state is another one")
    return kept


def _vouched(world: World, answer: Answer, kept: _Kept) -> str:
    """The verified address. Raises NoAnswer and the two errors of this module."""
    client, asked = _client(world), answer.asked
    if asked.get("iss", client.issuer) != client.issuer:  # RFC 9207
        raise _UnbelievedError("another issuer answers")
    if not asked.get("code"):
        raise _UnbelievedError(f"no code: {asked.get('error', '')[:100]!r}")
    issuer = issuers.discover(client.issuer)
    tokens = issuers.redeem(issuer, client, Exchange(asked["code"], kept.verifier, answer.redirect))
    claims = claims_of(tokens.id)
    _believe(claims, client, kept.nonce, world.wall())
    if "email" not in claims:  # scopes may be answered by the userinfo endpoint only (section 5.4)
        more = issuers.userinfo(issuer, tokens.access)
        if more.get("sub") != claims.get("sub"):
            raise _UnbelievedError("userinfo is about somebody else")
        claims = more
    return _address_of(claims)


def claims_of(token: str) -> Mapping[str, object]:
    """The claims of an ID token that came straight from the token endpoint. Raises ValueError.

    Its signature is not looked at: OpenID Connect Core 1.0, section 3.1.3.7, item 6 lets the TLS validation of the
    server stand in its place when client and token endpoint speak directly, and that is the only way one comes here.
    """
    parts = token.split(".")
    try:
        if len(parts) != 3:
            raise ValueError("not three parts")
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError) as fault:
        raise _UnbelievedError(f"the ID token cannot be read: {fault}") from fault
    if not isinstance(claims, dict):
        raise _UnbelievedError("the ID token holds no claims")
    return claims


def _believe(claims: Mapping[str, object], client: OpenId, nonce: str, wall: Instant) -> None:
    """Section 3.1.3.7, items 2 to 5, 9 and 11: issuer, audience, party, end, nonce. Other audiences are not trusted."""
    audience = claims.get("aud")
    if claims.get("iss") != client.issuer:
        raise _UnbelievedError("the ID token is another issuer's")
    if audience not in (client.client_id, [client.client_id]):
        raise _UnbelievedError("the ID token is for somebody else")
    if claims.get("azp", client.client_id) != client.client_id:
        raise _UnbelievedError("the ID token was asked for by somebody else")
    if _end_of(claims) * SECOND + LEEWAY <= wall:
        raise _UnbelievedError("the ID token has run out")
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise _UnbelievedError("the nonce is another one")


def _end_of(claims: Mapping[str, object]) -> int:
    """Seconds since 1970; 0, long ago, for what is no number: JSON as Python reads it knows NaN and Infinity."""
    match claims.get("exp"):
        case bool():
            return 0
        case int(end):
            return end
        case float(end) if math.isfinite(end):
            return int(end)
        case _:
            return 0


def _address_of(claims: Mapping[str, object]) -> str:
    address = claims.get("email")
    if not isinstance(address, str) or not address.strip():
        raise _UnverifiedError("no address is named")
    if claims.get("email_verified") is not True:
        raise _UnverifiedError("the address is not verified")
    return address


def _client(world: World) -> OpenId:
    if world.settings.openid is None:
        raise LookupError("no issuer is set")
    return world.settings.openid
