"""Accounts: made by one-time links, secured with a second factor, given a role, locked.

Owns what makes a password good enough and that one owner always remains. Must not open sessions.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import pyotp

from app.actions.access import Role, Visitor
from app.actions.entering import (
    LINK_FOR,
    digest_of,
    factor_of,
    hasher,
    keep_factor,
    key_of,
    new_token,
    recovery_digest,
    step_of,
)
from app.core.instants import DAY, Span
from app.store import accounts
from app.store.accounts import AccountRow, Deed, NewAccount
from app.store.sealing import BrokenSealError, is_sealed_by
from app.world import World

SHORTEST = 12
"""Characters of a password (NIST SP 800-63B asks for length, not for signs)."""
INVITED_FOR: Span = 3 * DAY
RECOVERY_CODES = 8


class RefusedError(ValueError):
    """What was asked for cannot be; the text says why, fit for a page (it is in the catalogue)."""


# ── Links ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Link:
    """What a one-time link is for: a new account of a role, or a new password for an account."""

    role: Role
    account_id: int | None = None
    address: str = ""


def setup_link(world: World) -> str:
    """A token for the first owner, or one more; valid for an hour. Printed by the command line only."""
    return _link(world, Link(Role.OWNER), Deed(world.wall(), "cli", "setup_link"), LINK_FOR)


def invite(world: World, by: Visitor, role: Role) -> str:
    return _link(world, Link(role), _deed(world, by, "invite", role.value), INVITED_FOR)


def reset_link(world: World, by: Visitor, account_id: int) -> str:
    """A token to set a new password with; the old one works until then."""
    with world.transaction("read") as session:
        row = _known(accounts.account(session, account_id))
    return _link(world, Link(Role(row.role), row.id), _deed(world, by, "reset_link", row.address), INVITED_FOR)


def _link(world: World, link: Link, deed: Deed, span: Span) -> str:
    token = new_token(world)
    with world.transaction("write") as session:
        accounts.add_link(session, digest_of(token), link.role.value, link.account_id, world.wall() + span)
        accounts.note(session, deed)
    return token


def read_link(world: World, token: str) -> Link | None:
    """What a link is for; None when it was used or has run out."""
    with world.transaction("read") as session:
        row = accounts.link(session, digest_of(token[:100]), world.wall())
        if row is None:
            return None
        known = accounts.account(session, row.account_id) if row.account_id else None
        return Link(Role(row.role), row.account_id, known.address if known else "")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody fills in behind a link."""

    address: str
    name: str
    password: str


def accept(world: World, token: str, wish: Wish) -> int:
    """Make the account, or set the new password; ends the link. Raises RefusedError."""
    address = wish.address.strip()
    _check(address, wish.password)
    hashed = hasher().hash(wish.password)
    with world.transaction("write") as session:
        link = accounts.link(session, digest_of(token[:100]), world.wall())
        if link is None or not accounts.take_link(session, digest_of(token[:100])):
            raise RefusedError("This link was used already, or has run out.")
        if link.account_id is not None:
            row = _known(accounts.account(session, link.account_id))
            row.password = hashed
            accounts.close_sessions(session, row.id)
            accounts.note(session, Deed(world.wall(), row.address, "new_password", account_id=row.id))
            return row.id
        if accounts.account_by_key(session, key_of(address)) is not None:
            raise RefusedError("There is an account with this address already.")
        new = NewAccount(address, key_of(address), wish.name.strip(), link.role, hashed)
        row = accounts.create(session, new, world.wall())
        accounts.note(session, Deed(world.wall(), address, "account_made", address, link.role, row.id))
        return row.id


def _check(address: str, password: str) -> None:
    local, at, domain = address.partition("@")
    if not (local and at and "." in domain) or len(address) > 320 or any(sign.isspace() for sign in address):
        raise RefusedError("That is not a mail address.")
    if len(password) < SHORTEST:
        raise RefusedError("The password needs at least 12 characters.")
    if len(set(password)) < 5 or (len(local) > 3 and local.casefold() in password.casefold()):
        raise RefusedError("This password is too easy to guess.")


def change_password(world: World, visitor: Visitor, password: str) -> None:
    """Set a new password and end all other sessions. Raises RefusedError."""
    _check(visitor.address, password)
    hashed = hasher().hash(password)
    with world.transaction("write") as session:
        row = _known(accounts.account(session, visitor.account_id))
        row.password = hashed
        accounts.close_sessions(session, row.id, but=visitor.session)
        accounts.note(session, _deed(world, visitor, "new_password"))


# ── The second factor ────────────────────────────────────────────────────────────────────────────────────────────────


def new_secret(world: World) -> str:
    """A secret of 160 bits in base32, as authenticator programs take it."""
    return base64.b32encode(world.new_id() + world.new_id()[:4]).decode()


def provisioning(secret: str, address: str, issuer: str) -> str:
    """The `otpauth:` address a program scans."""
    return pyotp.TOTP(secret).provisioning_uri(name=address, issuer_name=issuer)


def begin_second_factor(world: World, visitor: Visitor, secret: str, code: str) -> tuple[str, ...]:
    """Ask for codes from now on. Returns the recovery codes, to be shown once. Raises RefusedError."""
    code = code.strip().replace(" ", "")
    if len(secret) != 32 or step_of(secret, code, world.wall()) is None:
        raise RefusedError("This code is not right; is the clock of the device right?")
    codes = tuple(world.new_id().hex()[-16:] for _ in range(RECOVERY_CODES))
    with world.transaction("write") as session:
        row = _known(accounts.account(session, visitor.account_id))
        keep_factor(world, row, secret)
        row.totp_step = 0
        accounts.set_recovery_codes(session, row.id, [recovery_digest(row.id, each) for each in codes])
        accounts.note(session, _deed(world, visitor, "second_factor_on"))
    return codes


def seal_factors(world: World) -> int:
    """Seal what an older version kept open, or what a former secret of the site sealed. Returns how many it were."""
    number = 0
    with world.transaction("write") as session:
        for row in accounts.accounts(session):
            about = f"totp:{row.id}"
            if row.totp_secret and not is_sealed_by(row.totp_secret, world.settings.secret, about):
                try:
                    keep_factor(world, row, factor_of(world, row))
                except BrokenSealError:
                    continue
                number += 1
    return number


def end_second_factor(world: World, visitor: Visitor, account_id: int) -> None:
    """No codes any more: one's own, or for somebody who lost device and recovery codes."""
    with world.transaction("write") as session:
        row = _known(accounts.account(session, account_id))
        row.totp_secret, row.totp_step = "", 0
        accounts.set_recovery_codes(session, row.id, ())
        accounts.note(session, _deed(world, visitor, "second_factor_off", row.address))


# ── Roles and locks ──────────────────────────────────────────────────────────────────────────────────────────────────


def set_role(world: World, by: Visitor, account_id: int, role: Role) -> None:
    """Raises RefusedError when nobody would be left who may look after accounts."""
    with world.transaction("write") as session:
        row = _known(accounts.account(session, account_id))
        if row.role == Role.OWNER.value and role is not Role.OWNER and accounts.owners(session) < 2:
            raise RefusedError("One owner must remain.")
        accounts.note(session, _deed(world, by, "role", row.address, f"{row.role} → {role.value}"))
        row.role = role.value


def set_locked(world: World, by: Visitor, account_id: int, *, is_locked: bool) -> None:
    """Lock an account out, ending its sessions, or let it in again. Raises RefusedError for the last owner."""
    with world.transaction("write") as session:
        row = _known(accounts.account(session, account_id))
        if is_locked and row.role == Role.OWNER.value and accounts.owners(session) < 2:
            raise RefusedError("One owner must remain.")
        row.disabled_at = world.wall() if is_locked else None
        if is_locked:
            accounts.close_sessions(session, row.id)
        accounts.note(session, _deed(world, by, "lock" if is_locked else "unlock", row.address))


def end_sessions(world: World, by: Visitor, *, only: bytes = b"") -> int:
    """End one of one's own sessions, or all but this one."""
    with world.transaction("write") as session:
        but = b"" if only else by.session
        accounts.note(session, _deed(world, by, "end_sessions"))
        return accounts.close_sessions(session, by.account_id, but=but, only=only)


def listed(world: World) -> Sequence[AccountRow]:
    with world.transaction("read") as session:
        return accounts.accounts(session)


def _known(row: AccountRow | None) -> AccountRow:
    if row is None:
        raise RefusedError("There is no such account.")
    return row


def _deed(world: World, by: Visitor, action: str, subject: str = "", detail: str = "") -> Deed:
    return Deed(world.wall(), by.address or by.name, action, subject, detail, by.account_id or None)
