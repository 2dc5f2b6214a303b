"""Swift values: as frozen, as equal and as complete as those of the standard library."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

from app.core.facts import Fact, FactKind, RunKey
from app.core.person import Message, MessageKey, Person, Run, RunState
from app.core.replacing import replace, swift
from app.core.subscriber import Subscriber

KEY = RunKey("welcome", "17", 2)


@swift
@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Swift:
    one: int
    two: tuple[int, ...] = (2,)
    three: dict[str, int] = dataclasses.field(default_factory=dict, compare=False)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Plain:
    one: int
    two: tuple[int, ...] = (2,)
    three: dict[str, int] = dataclasses.field(default_factory=dict, compare=False)


def test_a_swift_value_takes_its_arguments_as_a_plain_one_does() -> None:
    for arguments in ((1,), (1, (3,)), (1, (3,), {"a": 1})):
        swift_one, plain_one = Swift(*arguments), Plain(*arguments)
        assert dataclasses.asdict(swift_one) == dataclasses.asdict(plain_one)
        assert repr(swift_one) == repr(plain_one).replace("Plain", "Swift")
        assert hash(swift_one) == hash(plain_one)
    assert Swift(two=(5,), one=1) == Swift(1, (5,)) < Swift(2)


def test_every_swift_value_gets_a_default_of_its_own() -> None:
    assert Swift(1).three is not Swift(1).three


def test_a_missing_or_unknown_argument_is_refused() -> None:
    with pytest.raises(TypeError):
        Swift()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Swift(1, four=4)  # type: ignore[call-arg]


@pytest.mark.parametrize("value", [Swift(1), replace(Swift(1), one=2), KEY, Run(KEY, "v", 5)])
def test_nobody_can_change_a_swift_value(value: object) -> None:
    name = dataclasses.fields(value)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, 9)
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(value, name)
    assert not hasattr(value, "__dict__")


@pytest.mark.parametrize(
    "value",
    [
        KEY,
        Fact(b"1", FactKind.VISITED, 3, path="/a"),
        Run(KEY, "v", 5, due_at=7),
        Message(MessageKey(KEY, "a"), "a", "queued", "marketing", 1, 2),  # type: ignore[arg-type]
        Person(Subscriber(1, b"1", "lead", 2, "lead", 3)),
    ],
)
def test_a_copy_equals_what_the_standard_library_copies(value: object) -> None:
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        change = {field.name: "changed"}
        assert replace(value, **change) == dataclasses.replace(value, **change)  # type: ignore[type-var]
    assert replace(value) == value == copy.copy(value)  # type: ignore[type-var]
    assert type(replace(value)) is type(value)  # type: ignore[type-var]


def test_a_swift_value_travels_between_processes() -> None:
    run = Run(KEY, "v", 5, state=RunState.HELD)
    assert pickle.loads(pickle.dumps(run.key)) == run.key
    assert pickle.loads(pickle.dumps(replace(KEY, turn=3))) == RunKey("welcome", "17", 3)


def test_a_copy_with_a_field_there_is_not_is_refused() -> None:
    with pytest.raises(KeyError):
        replace(KEY, colour="green")
    with pytest.raises(KeyError):
        replace(Plain(1), colour="green")


def test_a_plain_value_is_copied_too() -> None:
    assert replace(Plain(1), two=(), one=3) == Plain(3, ())


def test_a_class_of_another_shape_is_refused() -> None:
    @dataclasses.dataclass(frozen=True)
    class Loose:
        one: int

    @dataclasses.dataclass(frozen=True, slots=True)
    class Checked:
        one: int

        def __post_init__(self) -> None:
            raise ValueError("never right")

    @dataclasses.dataclass(frozen=True, slots=True)
    class Kept:
        one: int = dataclasses.field(init=False, default=1)

    for kind in (Loose, Checked, Kept):
        with pytest.raises(TypeError):
            swift(kind)
