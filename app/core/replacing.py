"""Replacing: a changed copy of a frozen value, several times faster than the standard library's.

Owns one function for the few values the engine copies thousands of times a second. Must not be used where a field is
not an argument of the constructor.
"""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)
else:
    T = TypeVar("T")


def replace(value: T, /, **changes: object) -> T:
    """The value with some fields changed. Raises KeyError for a field there is not."""
    kind = type(value)
    read, places = _plan(kind)
    values = list(read(value))
    for name, new in changes.items():
        values[places[name]] = new
    return kind(*values)


@lru_cache(maxsize=64)
def _plan(kind: type) -> tuple[Callable[[Any], tuple[Any, ...]], dict[str, int]]:
    names = [field.name for field in fields(kind)]
    return attrgetter(*names), {name: place for place, name in enumerate(names)}
