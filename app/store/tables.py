"""The tables: every model of the store, imported once, so that the metadata is whole.

Owns nothing but the list. A new file with tables is named here, or migrations would not see it.
"""

from __future__ import annotations

from sqlalchemy import MetaData

from app.store import (
    accounts,
    errands,
    events,
    exchangers,
    keys,
    ledgers,
    messages,
    offers,
    people,
    permissions,
    pictures,
    products,
    redemptions,
    referrals,
    releases,
    runs,
    surveys,
    tracking,
    visitors,
    waking,
)
from app.store.base import Base

ROOMS = (
    accounts,
    errands,
    events,
    exchangers,
    keys,
    ledgers,
    messages,
    offers,
    people,
    permissions,
    pictures,
    products,
    redemptions,
    referrals,
    releases,
    runs,
    surveys,
    tracking,
    visitors,
    waking,
)


def metadata() -> MetaData:
    """All tables."""
    return Base.metadata
