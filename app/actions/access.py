"""Access: who may enter the dashboard, and what each may do there.

Owns roles and what they allow. Must not know pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    OWNER = "owner"
    MARKETER = "marketer"
    ANALYST = "analyst"
    """Sees numbers and ways, never an address or an answer."""
    SUPPORT = "support"


class May(StrEnum):
    """What can be allowed."""

    SEE_ADDRESSES = "see_addresses"
    EDIT_PEOPLE = "edit_people"
    ERASE = "erase"
    EXPORT = "export"
    STEER = "steer"
    """Pause, resume and stop campaigns, and all sending."""
    RESOLVE = "resolve"
    """Decide what becomes of mails whose fate is unknown."""
    ACCOUNTS = "accounts"


ALLOWED: dict[Role, frozenset[May]] = {
    Role.OWNER: frozenset(May),
    Role.MARKETER: frozenset({May.SEE_ADDRESSES, May.EDIT_PEOPLE, May.EXPORT, May.STEER, May.RESOLVE}),
    Role.ANALYST: frozenset(),
    Role.SUPPORT: frozenset({May.SEE_ADDRESSES, May.EDIT_PEOPLE, May.ERASE, May.RESOLVE}),
}


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page. `account_id` is 0 in the demo, where everybody is the owner."""

    name: str
    role: Role
    account_id: int = 0
    session: bytes = b""
    address: str = ""

    def may(self, what: May) -> bool:
        return what in ALLOWED[self.role]


DEMO = Visitor("demo", Role.OWNER)
