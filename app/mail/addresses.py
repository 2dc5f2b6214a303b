"""Addresses at the mail edge: whether what a person typed can be written to, and what is known of it.

Owns the one question of validity (email-validator) and the list of throw-away domains. Must not ask the network:
whether a domain takes mail is for the worker to find out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from disposable_email_domains import blocklist
from email_validator import EmailNotValidError, validate_email

from app.core.address import address_key, is_role, provider, rate_key, suggest, tidy

LONGEST = 254
"""Characters of an address (RFC 5321 section 4.5.3.1.3, less the angle brackets)."""


@dataclass(frozen=True, slots=True)
class Address:
    """A valid address. `spelled` is what we write to; `domain` is the A-label."""

    spelled: str
    local: str
    domain: str

    @property
    def key(self) -> str:
        """Under which it is unique."""
        return address_key(self.local, self.domain)

    @property
    def rate_key(self) -> str:
        """Under which limits count: several spellings of one mailbox share it."""
        return rate_key(self.local, self.domain)

    @property
    def provider(self) -> str:
        return provider(self.domain)

    @property
    def is_role(self) -> bool:
        return is_role(self.local)

    @property
    def is_disposable(self) -> bool:
        return is_throw_away(self.domain)

    @property
    def suggestion(self) -> str | None:
        """The address probably meant, when this one looks like a slip."""
        return suggest(self.local, self.domain)


class Fault(StrEnum):
    """Why an address cannot be taken."""

    MISSING = "missing"
    INVALID = "invalid"
    NOT_LATIN = "not_latin"
    """The part before the @ has letters few mail servers can carry (RFC 6531)."""


def read_address(typed: str) -> Address | Fault:
    """The address meant by what was typed or pasted. Syntax only (RFC 5321, RFC 5322), as email-validator reads it."""
    cleaned = tidy(typed[: 4 * LONGEST])
    if not cleaned:
        return Fault.MISSING
    try:
        found = validate_email(cleaned, allow_smtputf8=False, strict=True, check_deliverability=False)
    except EmailNotValidError:
        return Fault.NOT_LATIN if _is_only_not_latin(cleaned) else Fault.INVALID
    return Address(f"{found.local_part}@{found.ascii_domain}", found.local_part, found.ascii_domain)


def _is_only_not_latin(cleaned: str) -> bool:
    try:
        validate_email(cleaned, allow_smtputf8=True, strict=True, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


@lru_cache(maxsize=4096)
def is_throw_away(domain: str) -> bool:
    """Whether the domain, or one above it, hands out mailboxes that live for minutes. To be marked, never refused."""
    labels = domain.lower().split(".")
    return any(".".join(labels[start:]) in blocklist for start in range(len(labels) - 1))
