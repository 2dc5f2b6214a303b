"""Every finding's code, with what it means and what to do: the reference page is made from this.

Owns the words about findings. Must not find anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class About:
    """`level` is error (nothing is published) or warning (can be allowed with a reason)."""

    code: str
    level: str
    meaning: str
    remedy: str


CODES: Final[Mapping[str, About]] = MappingProxyType({})
