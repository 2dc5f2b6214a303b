"""Step ids: what makes a step the same one from version to version.

Owns the naming of steps and the putting in of fragments. Must not know files; an id written in the file is kept.
Durations, texts and conditions are no part of an id, so that editing them moves nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias, assert_never

from app.core.campaign import (
    ON_GOAL,
    AddScore,
    AddTag,
    Ask,
    CallWebhook,
    Campaign,
    Choose,
    Dormant,
    End,
    HandOver,
    If,
    Notify,
    RemoveTag,
    Send,
    SetAttributes,
    Split,
    Start,
    Step,
    Steps,
    Use,
    Wait,
    branches,
)
from app.core.facts import Value

_Decision: TypeAlias = Wait | If | Choose
_Effect: TypeAlias = (
    SetAttributes
    | AddTag
    | RemoveTag
    | AddScore
    | Notify
    | CallWebhook
    | Start
    | HandOver
    | Dormant
    | End
    | Send
    | Ask
    | Split
    | Use
)


def identified(campaign: Campaign, fragments: Mapping[str, Steps]) -> Campaign:
    """The campaign with its fragments put in and an id on every step, unique but for the same mail or effect twice.

    A send, ask or notify is called by its mail, a split and a use by their own name, every other effect by its kind and
    value; a wait, if or choose by what comes next (`before ebook/story`), with an ordinal when several stand there, or
    `end of <sequence>`. Steps of a fragment begin with its key: `review-request/…`.
    """
    namer = _Namer(fragments)
    sequences = {name: namer.named(steps, f"end of {name}") for name, steps in campaign.sequences.items()}
    on_goal = namer.named(campaign.on_goal, f"end of {ON_GOAL}")
    return replace(campaign, sequences=MappingProxyType(sequences), on_goal=on_goal)


@dataclass(slots=True)
class _Namer:
    fragments: Mapping[str, Steps]
    prefix: str = ""
    counts: dict[str, int] = field(default_factory=dict)

    def named(self, steps: Steps, end: str) -> Steps:
        ids = iter(list(self._ids(steps, end)))
        return self._rebuilt(steps, ids)

    def _ids(self, steps: Steps, end: str) -> Iterator[str]:
        """One id per step, in file order, fragments closed."""
        order = list(_in_order(steps))
        nexts, following = [""] * len(order), ""
        for index in range(len(order) - 1, -1, -1):
            nexts[index] = following
            following = _anchor(order[index]) or following
        for step, following in zip(order, nexts, strict=True):
            if step.id:
                yield self.prefix + step.id
            elif isinstance(step, Wait | If | Choose):
                yield self.prefix + self._counted(f"before {following}" if following else end)
            else:
                yield self.prefix + _own_name(step)

    def _counted(self, name: str) -> str:
        self.counts[name] = self.counts.get(name, 0) + 1
        return name if self.counts[name] == 1 else f"{name} {self.counts[name]}"

    def _rebuilt(self, steps: Steps, ids: Iterator[str]) -> Steps:
        return tuple(self._step(step, ids) for step in steps)

    def _step(self, step: Step, ids: Iterator[str]) -> Step:
        name = next(ids)
        match step:
            case Wait() | If():
                then = self._rebuilt(step.then, ids)
                return replace(step, id=name, then=then, otherwise=self._rebuilt(step.otherwise, ids))
            case Choose():
                options = tuple(replace(option, then=self._rebuilt(option.then, ids)) for option in step.options)
                return replace(step, id=name, options=options, otherwise=self._rebuilt(step.otherwise, ids))
            case Split():
                return replace(
                    step, id=name, arms=tuple(replace(arm, then=self._rebuilt(arm.then, ids)) for arm in step.arms)
                )
            case Ask():
                answers = tuple(replace(case, then=self._rebuilt(case.then, ids)) for case in step.answers)
                return replace(step, id=name, answers=answers, none=self._rebuilt(step.none, ids))
            case Use():
                inner = _Namer({}, f"{name}/")
                return replace(step, id=name, steps=inner.named(self.fragments.get(step.fragment, ()), "end"))
            case _:
                return replace(step, id=name)


def _in_order(steps: Steps) -> Iterator[Step]:
    """Every step in file order, blocks included, but not what a fragment holds."""
    for step in steps:
        yield step
        if not isinstance(step, Use):
            for _, block in branches(step):
                yield from _in_order(block)


def _anchor(step: Step) -> str:
    """The name that waits before a step are called by; empty for steps that lend none."""
    match step:
        case Send() | Ask() | Notify():
            return step.id or step.mail
        case Split():
            return step.id
        case Use():
            return step.fragment
        case HandOver():
            return step.id or step.campaign
        case _:
            return ""


def _own_name(step: _Effect) -> str:
    match step:
        case Send() | Ask() | Split() | Use():
            return _anchor(step)
        case Notify():
            return f"{step.mail} to {step.to}"
        case Dormant() | End():
            return type(step).__name__.lower()
        case SetAttributes():
            return "set " + ", ".join(f"{key}={_plain(value)}" for key, value in step.values)
        case AddTag():
            return f"tag {step.tag}"
        case RemoveTag():
            return f"untag {step.tag}"
        case AddScore():
            return f"score {step.points:+d}"
        case CallWebhook():
            return f"webhook {step.endpoint}"
        case Start():
            return f"start {step.campaign}"
        case HandOver():
            return f"hand_over {step.campaign}"
        case _:
            assert_never(step)


def _plain(value: Value) -> str:
    if isinstance(value, tuple):
        return "+".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
