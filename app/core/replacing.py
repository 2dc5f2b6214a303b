"""Replacing: frozen values that are quick to make, and changed copies of them.

Owns `swift`, `replace` and `copier`, for the few values the engine makes thousands of times a second. Must not change
what such a value is: it stays frozen, slotted and equal to one made by the standard library.

A frozen dataclass writes each field by a call of `object.__setattr__`, which costs ten times a plain store. Here the
fields are stored plainly while the object is of an unfrozen class with the same slots, which no one else ever sees; its
class becomes the frozen one before anybody gets it. Python allows that between classes of one layout.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)
else:
    T = TypeVar("T")

_TWINS: dict[type, type] = {}
_COPIERS: dict[tuple[object, ...], Callable[..., Any]] = {}


def swift(kind: type[T]) -> type[T]:
    """Let a frozen, slotted dataclass be made and copied several times faster. Raises TypeError for any other class.

    Every field must be an argument of the constructor, and there must be no `__post_init__`.
    """
    slots = kind.__dict__.get("__slots__", ())
    if slots != tuple(field.name for field in fields(kind)) or hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} is not a plain slotted dataclass")
    if not all(field.init and not field.kw_only for field in fields(kind)):
        raise TypeError(f"{kind.__name__} has fields its constructor does not take in order")
    _TWINS[kind] = type(kind.__name__, (), {"__slots__": slots})
    setattr(kind, "__init__", _constructor(kind))  # noqa: B010 (the type checker knows the one of the dataclass)
    return kind


def replace(value: T, /, **changes: object) -> T:
    """The value with some fields changed. Raises KeyError for a field there is not."""
    copier = _COPIERS.get((value.__class__, *changes))
    if copier is None:
        copier = _copier(type(value), tuple(changes))
    copied: T = copier(value, *changes.values())
    return copied


def copier(kind: type[T], *names: str) -> Callable[..., T]:
    """What `replace` does for these fields, in this order: half the cost of it, for the few places asked most often.

    Raises KeyError for a field there is not.
    """
    made: Callable[..., T] = _COPIERS.get((kind, *names)) or _copier(kind, names)
    return made


# ── Writing the code of a class ──────────────────────────────────────────────────────────────────────────────────────


def _constructor(kind: type) -> Callable[..., None]:
    known: dict[str, object] = {"_become": object.__setattr__, "_twin": _TWINS[kind], "_kind": kind, "_unset": MISSING}
    arguments, lines = ["self"], ["_become(self, '__class__', _twin)"]
    for field in fields(kind):
        arguments.append(_argument(field, known))
        if field.default_factory is not MISSING:
            known[f"_make_{field.name}"] = field.default_factory
            lines.append(f"if {field.name} is _unset: {field.name} = _make_{field.name}()")
        lines.append(f"self.{field.name} = {field.name}")
    return _function("__init__", arguments, [*lines, "self.__class__ = _kind"], known)


def _argument(field: Field[Any], known: dict[str, object]) -> str:
    if field.default_factory is not MISSING:
        return f"{field.name}=_unset"
    if field.default is MISSING:
        return field.name
    known[f"_default_{field.name}"] = field.default
    return f"{field.name}=_default_{field.name}"


def _copier(kind: type, changed: tuple[str, ...]) -> Callable[..., Any]:
    """What copies a value of a class with these fields changed; made once for each choice of fields."""
    names = [field.name for field in fields(kind)]
    for name in changed:
        if name not in names:
            raise KeyError(name)
    copier = _swift_copier(kind, names, changed) if kind in _TWINS else _plain_copier(kind, changed)
    _COPIERS[kind, *changed] = copier
    return copier


def _swift_copier(kind: type, names: Iterable[str], changed: tuple[str, ...]) -> Callable[..., Any]:
    lines = ["self = _twin()"]
    lines += [f"self.{name} = {f'_new_{name}' if name in changed else f'_old.{name}'}" for name in names]
    arguments = ["_old", *(f"_new_{name}" for name in changed)]
    known: dict[str, object] = {"_twin": _TWINS[kind], "_kind": kind}
    return _function("copy", arguments, [*lines, "self.__class__ = _kind", "return self"], known)


def _function(
    name: str, arguments: Iterable[str], lines: Iterable[str], known: dict[str, object]
) -> Callable[..., Any]:
    """Nothing but names of fields gets into the text, as in the standard library's own dataclasses."""
    text = "\n ".join([f"def {name}({', '.join(arguments)}):", *lines])
    exec(text, known)  # noqa: S102
    made: Callable[..., Any] = known[name]  # type: ignore[assignment]
    return made


def _plain_copier(kind: type, changed: tuple[str, ...]) -> Callable[..., Any]:
    read, places = _plan(kind)

    def copy(value: Any, *new: Any) -> Any:
        values = list(read(value))
        for name, each in zip(changed, new, strict=True):
            values[places[name]] = each
        return kind(*values)

    return copy


@lru_cache(maxsize=64)
def _plan(kind: type) -> tuple[Callable[[Any], tuple[Any, ...]], dict[str, int]]:
    names = [field.name for field in fields(kind)]
    read = attrgetter(*names)
    return (read if len(names) > 1 else lambda value: (read(value),)), {name: at for at, name in enumerate(names)}
