"""Made-up values that answer to any name, so that a mail can be tried before anybody is known.

Owns the stand-ins used when a mail is published: three readers, for whom everything is there, nothing is there, and
one of each is there. They must never reach a real message.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from markupsafe import Markup, escape

_REFUSED = frozenset({"unsafe_callable", "alters_data"})


class Sample:
    """Whatever a template asks of it, it has: attributes, items, calls, comparisons, sums."""

    __slots__ = ("_items", "_name", "_truth")

    def __init__(self, name: str, items: int, is_true: bool) -> None:
        self._name, self._items, self._truth = name, items, is_true

    def _child(self, name: object) -> Sample:
        return Sample(f"{self._name}-{name}", self._items, self._truth)

    def __getattr__(self, name: str) -> Sample:
        if name.startswith("_") or name in _REFUSED:
            raise AttributeError(name)
        return self._child(name)

    def __getitem__(self, key: object) -> Sample:
        return self._child(key)

    def __call__(self, *_: object, **__: object) -> Sample:
        return self._child("made")

    def __iter__(self) -> Iterator[Sample]:
        return iter([self._child(number) for number in range(self._items)])

    def __len__(self) -> int:
        return self._items

    def __bool__(self) -> bool:
        return self._truth

    def __str__(self) -> str:
        return self._name

    def __int__(self) -> int:
        return 3

    def __float__(self) -> float:
        return 3.0

    def __index__(self) -> int:
        return 3

    def __hash__(self) -> int:
        return hash(self._name)

    def __eq__(self, other: object) -> bool:
        return self._truth

    def __lt__(self, other: Any) -> bool:
        return self._truth

    __le__ = __gt__ = __ge__ = __contains__ = __lt__

    def __add__(self, other: Any) -> Sample:
        return self

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __floordiv__ = __mod__ = __add__

    def __neg__(self) -> Sample:
        return self


def sample_variables(names: frozenset[str]) -> list[dict[str, object]]:
    """The variables of the three readers, for the top names a mail uses."""
    return [_variables(names, items, truth) for items, truth in ((3, True), (0, False), (1, True))]


def _variables(names: frozenset[str], items: int, is_true: bool) -> dict[str, object]:
    made: dict[str, object] = {name: Sample(name, items, is_true) for name in names}
    made["links"] = SimpleNamespace(
        unsubscribe="https://example.com/u", preferences="https://example.com/p", view="https://example.com/v",
        referral="https://example.com/r", confirm="https://example.com/k", magnet=lambda key: f"https://example.com/m/{key}",
    )  # fmt: skip
    made["_l"] = _Addresses()
    made["_person"] = lambda number, _: escape(f"https://example.com/c/{number}")
    made["_pixel"] = Markup("")
    made["_images"] = "https://example.com/i"
    return made


class _Addresses:
    def __getitem__(self, number: int) -> str:
        return f"https://example.com/{number}"
