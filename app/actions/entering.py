"""Entering: logging in with password and second factor, sessions, proving oneself again, leaving.

Owns throttling and the order of checks: whoever guesses learns nothing. Must not know cookies or pages.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from hashlib import blake2b

import pyotp
import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy.orm import Session

from app.actions.access import Role, Visitor
from app.core.instants import DAY, HOUR, MINUTE, SECOND, Instant
from app.store import accounts
from app.store.accounts import AccountRow, Deed, NewSession
from app.store.ledgers import Rate, take_token
from app.store.sealing import BrokenSealError, is_sealed_by, seal, unseal
from app.world import World

log = structlog.get_logger()

SESSION_FOR = 14 * DAY
IDLE_FOR = 3 * DAY
"""A session nobody used for so long is over."""
PROVED_FOR = 10 * MINUTE
"""How long a password given counts for what is dangerous: export, erase, accounts."""
SEEN_EVERY = 5 * MINUTE
PER_ADDRESS = Rate(burst=6, each=2 * MINUTE)
PER_NETWORK = Rate(burst=30, each=MINUTE)
STEP = 30 * SECOND
"""Of the second factor (RFC 6238)."""


class Refusal(StrEnum):
    WRONG = "wrong"
    """Address, password or code: which one is not said."""
    CODE = "code"
    """The password is right, a code is needed or is not right."""
    TOO_MANY = "too_many"
    SILENT = "silent"
    """The issuer does not answer, or nothing that can be read."""
    BROKEN = "broken"
    """What the issuer sent back does not belong to what was asked."""
    STRANGER = "stranger"
    """The issuer vouches, but no account here has the address, or the address is not verified."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody types, and from where. `network` is a keyed hash."""

    address: str
    password: str
    code: str = ""
    network: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Entered:
    """`token` goes into the cookie; only its digest is kept."""

    token: str
    account_id: int


@cache
def hasher() -> PasswordHasher:
    """Argon2id with the library's defaults (RFC 9106, second recommended option)."""
    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    """Checked when nobody has the address, so that it takes as long."""
    return hasher().hash("nobody has this password")


def key_of(address: str) -> str:
    return address.strip().casefold()


def digest_of(token: str) -> bytes:
    return blake2b(token.encode(), digest_size=32).digest()


def new_token(world: World) -> str:
    """32 random bytes in letters fit for a cookie and a link."""
    return base64.urlsafe_b64encode(world.new_id() + world.new_id()).decode().rstrip("=")


# ── Logging in ───────────────────────────────────────────────────────────────────────────────────────────────────────


def log_in(world: World, attempt: Attempt) -> Entered | Refusal:
    """Check what was typed and open a session. The password is checked outside of any transaction: it takes long."""
    key = key_of(attempt.address)[:320]
    with world.transaction("write") as session:
        if not _may_try(session, key, attempt.network, world.wall()):
            return Refusal.TOO_MANY
        row = accounts.account_by_key(session, key)
    if not _is_password(row, attempt.password) or row is None or row.disabled_at is not None:
        return Refusal.WRONG
    with world.transaction("write") as session:
        if row.totp_secret and not _is_second_factor(world, session, row, attempt.code):
            return Refusal.CODE
        entered = _open(world, session, row, attempt)
        accounts.note(session, Deed(world.wall(), row.address, "log_in", account_id=row.id))
        accounts.forget_expired(session, world.wall())
        return entered


def enter_vouched(world: World, attempt: Attempt) -> Entered | Refusal:
    """Open a session for an address an issuer has verified: no password, no second factor, the same limit of tries.

    The session does not count as one whose password was just given: what is dangerous still asks for it.
    """
    key, openid = key_of(attempt.address)[:320], world.settings.openid
    with world.transaction("write") as session:
        if not _may_try_address(session, key, world.wall()):
            return Refusal.TOO_MANY
        row = accounts.account_by_key(session, key)
        if row is None or row.disabled_at is not None or openid is None:
            return Refusal.STRANGER
        entered = _open(world, session, row, attempt, is_proved=False)
        accounts.note(session, Deed(world.wall(), row.address, "sign_on", detail=openid.issuer, account_id=row.id))
        accounts.forget_expired(session, world.wall())
        return entered


def _may_try(session: Session, key: str, network: str, wall: Instant) -> bool:
    """Both buckets are asked, so that neither tells about the other."""
    address = _may_try_address(session, key, wall)
    place = may_try_from(session, network, wall)
    return address and place


def _may_try_address(session: Session, key: str, wall: Instant) -> bool:
    return take_token(session, "login", blake2b(key.encode(), digest_size=16).hexdigest(), PER_ADDRESS, wall)


def may_try_from(session: Session, network: str, wall: Instant) -> bool:
    """Takes one try of a network."""
    return take_token(session, "login-net", network or "unknown", PER_NETWORK, wall)


def _is_password(row: AccountRow | None, password: str) -> bool:
    try:
        hasher().verify(row.password if row is not None else _nobodys_hash(), password[:1_000])
    except (VerifyMismatchError, InvalidHashError):
        return False
    return row is not None


def factor_of(world: World, row: AccountRow) -> str:
    """The secret of an account's second factor, in base32. Raises BrokenSealError when no secret of ours opens it."""
    return unseal(row.totp_secret, (world.settings.secret, *world.settings.old_secrets), f"totp:{row.id}")


def keep_factor(world: World, row: AccountRow, secret: str) -> None:
    """Keep it sealed with the site's present secret."""
    row.totp_secret = seal(secret, world.settings.secret, f"totp:{row.id}", world.new_id())


def _is_second_factor(world: World, session: Session, row: AccountRow, code: str) -> bool:
    code = code.strip().replace(" ", "").replace("-", "").translate(_LATIN)
    try:
        secret = factor_of(world, row)
    except BrokenSealError:  # the site's secret was changed without keeping the old one: a recovery code still serves
        log.error("second_factor_unreadable", account=row.id)
        secret = ""
    step = step_of(secret, code, world.wall()) if secret else None
    if step is not None:
        if not is_sealed_by(row.totp_secret, world.settings.secret, f"totp:{row.id}"):
            held = accounts.account(session, row.id)
            if held is not None:
                keep_factor(world, held, secret)
        return accounts.take_step(session, row.id, step)
    return len(code) == 16 and accounts.take_recovery_code(session, row.id, recovery_digest(row.id, code))


_LATIN = {0x06F0 + digit: str(digit) for digit in range(10)} | {0x0660 + digit: str(digit) for digit in range(10)}


def step_of(secret: str, code: str, wall: Instant) -> int | None:
    """The step a code belongs to: the present one, or one to either side; None when it is wrong."""
    totp = pyotp.TOTP(secret)
    now = wall // STEP
    fitting = (step for step in (now, now - 1, now + 1) if hmac.compare_digest(totp.at(step * 30), code))
    return next(fitting, None)


def recovery_digest(account_id: int, code: str) -> bytes:
    return blake2b(f"{account_id}:{code.casefold()}".encode(), digest_size=32, person=b"parvar recovery").digest()


def _open(world: World, session: Session, row: AccountRow, attempt: Attempt, *, is_proved: bool = True) -> Entered:
    token, wall = new_token(world), world.wall()
    until, place = wall + SESSION_FOR, attempt.network[:16]
    opened = NewSession(digest_of(token), row.id, wall, until, attempt.agent, place, is_proved)
    accounts.open_session(session, opened)
    return Entered(token, row.id)


# ── Being in ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Inside:
    """A visitor with a session: until when the password counts as just given."""

    visitor: Visitor
    proved_until: Instant


def inside(world: World, token: str) -> Inside | None:
    """Who a cookie belongs to; None when the session is over."""
    if not token or len(token) > 100:
        return None
    wall, digest = world.wall(), digest_of(token)
    with world.transaction("read") as session:
        found = accounts.session_of(session, digest, wall)
        if found is None or found[0].seen_at < wall - IDLE_FOR:
            return None
        opened, row = found
    if opened.seen_at < wall - SEEN_EVERY:
        _touch(world, digest, wall)
    visitor = Visitor(row.name or row.address, Role(row.role), row.id, digest, row.address)
    return Inside(visitor, opened.proved_at + PROVED_FOR)


def _touch(world: World, digest: bytes, wall: Instant) -> None:
    with world.transaction("write") as session:
        found = accounts.session_of(session, digest, wall)
        if found is not None:
            found[0].seen_at = wall


def prove(world: World, visitor: Visitor, password: str, network: str) -> bool:
    """Give the password once more, for what is dangerous. Throttled like logging in."""
    with world.transaction("write") as session:
        row = accounts.account(session, visitor.account_id)
        if row is None or not _may_try(session, row.address_key, network, world.wall()):
            return False
    if not _is_password(row, password):
        return False
    with world.transaction("write") as session:
        found = accounts.session_of(session, visitor.session, world.wall())
        if found is not None:
            found[0].proved_at = world.wall()
    return True


def log_out(world: World, visitor: Visitor) -> None:
    with world.transaction("write") as session:
        accounts.close_sessions(session, visitor.account_id, only=visitor.session)
        accounts.note(session, Deed(world.wall(), visitor.address, "log_out", account_id=visitor.account_id))


LINK_FOR = HOUR
