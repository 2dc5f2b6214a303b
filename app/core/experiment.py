"""Lasting draws: which people a share takes, which arm of an experiment a person gets.

Owns the keyed hash behind `chance`, `split` and holdouts. Must not draw at random and must not remember draws:
the same secret, place and person give the same answer for ever. Stored arms win over what this room says.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

_SPACE: Final = 1 << 64
_MILLION: Final = 1_000_000


class Draw(StrEnum):
    """The domains of the hash, so that a holdout and a split of one name draw apart."""

    CHANCE = "chance"
    SPLIT = "split"
    HOLDOUT = "holdout"
    STAGGER = "stagger"


def drawn(secret: bytes, domain: Draw, campaign: str, name: str, public_id: bytes) -> int:
    """A number below 2^64, evenly spread over people.

    HMAC-SHA256 (RFC 2104) over domain, campaign, name and the person's public id, joined by zero bytes.
    """
    message = b"\0".join((domain.value.encode(), campaign.encode(), name.encode(), public_id))
    return int.from_bytes(hmac.digest(secret, message, hashlib.sha256)[:8], "big")


def chance(secret: bytes, name: str, public_id: bytes, share: float) -> bool:
    """Whether `chance('share', 'name')` takes this person: the same people wherever the name is used."""
    return drawn(secret, Draw.CHANCE, "", name, public_id) < bound(share)


def is_held_out(secret: bytes, campaign: str, public_id: bytes, share: float) -> bool:
    """Whether this person's runs of a campaign are ghosts, for a holdout of `share` (0..1)."""
    return drawn(secret, Draw.HOLDOUT, campaign, "", public_id) < bound(share)


def staggered(secret: bytes, campaign: str, step: str, public_id: bytes, span: int) -> int:
    """This person's place, 0 up to `span`, when the overdue mails of a step are spread over the list."""
    return drawn(secret, Draw.STAGGER, campaign, step, public_id) * span // _SPACE


def split_arm(draw: int, shares: Sequence[tuple[str, float]]) -> str | None:
    """The arm a drawn number falls into, shares (0..1) laid end to end in file order; None when it falls behind them.

    Shares are counted in millionths, so that 33.3 % + 33.3 % + 33.4 % leave no crack.
    """
    edge = 0
    for arm, share in shares:
        edge += _millionths(share)
        if draw * _MILLION < edge * _SPACE:
            return arm
    return None


def _millionths(share: float) -> int:
    return round(share * _MILLION)


def bound(share: float) -> int:
    """Numbers below this are the share: what `drawn` is compared with, in the database too."""
    return _millionths(share) * _SPACE // _MILLION
