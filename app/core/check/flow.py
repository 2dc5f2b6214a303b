"""The course of the steps: what is never reached, never sent, too close, too late.

Owns findings about sequences as such. Must not judge what the mails say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.core.campaign import (
    ANY,
    Ask,
    Campaign,
    Choose,
    End,
    ForCondition,
    If,
    Notify,
    Send,
    Split,
    Step,
    Steps,
    Use,
    Wait,
    branches,
)
from app.core.check.finding import error, finding
from app.core.check.paths import Way, is_mail, least_pause, ways_of
from app.core.instants import DAY, Span, format_span
from app.core.pacing import Limit
from app.core.problem import Problem
from app.core.text import Place
from app.core.workspace import Workspace


def flow_findings(workspace: Workspace, service: frozenset[str]) -> Iterator[Problem]:
    """Findings about the steps of every campaign; `service` are the mails that no limit holds back."""
    for campaign in workspace.campaigns.values():
        yield from _unreachable_any(campaign, workspace)
        for steps in (*campaign.sequences.values(), campaign.on_goal):
            yield from _unreachable(steps)
        yield from _doubled_ids(campaign)
        yield from _moves(campaign)
        for split in (step for step in campaign.steps() if isinstance(step, Split)):
            yield from _same_arms(split)
        yield from _once_each(problem for way in ways_of(campaign) for problem in _on_way(way, workspace, service))


def _on_way(way: Way, workspace: Workspace, service: frozenset[str]) -> Iterator[Problem]:
    yield from _twice(way)
    yield from _trailing_wait(way)
    yield from _late_notice(way, workspace, service)
    yield from _too_close(way, workspace.site.contact.limits, service)


def _once_each(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Of the same finding at the same place, met on several ways, the first."""
    seen: set[tuple[str, int, int]] = set()
    for problem in problems:
        at = (problem.code, problem.line, problem.column)
        if at not in seen:
            seen.add(at)
            yield problem


# ── Never reached ────────────────────────────────────────────────────────────────────────────────────────────────────


def _unreachable_any(campaign: Campaign, workspace: Workspace) -> Iterator[Problem]:
    body = campaign.stream.articles if campaign.stream else campaign.sequences
    if ANY in body and all(stage.key in body for stage in workspace.ladder.stages):
        message = "every stage has a sequence of its own, so `any` is never taken"
        yield finding("unreachable-any", campaign.place, message, "Remove `any`")


def _unreachable(steps: Steps) -> Iterator[Problem]:
    for index, step in enumerate(steps):
        for _, block in branches(step):
            yield from _unreachable(block)
        yield from _repeated_option(step)
        if _always_ends(step) and index + 1 < len(steps):
            message = f"this is never reached: the run ends at line {step.place.line}"
            yield finding("unreachable-step", steps[index + 1].place, message, "Remove it, or move it up")
            return


def _always_ends(step: Step) -> bool:
    if isinstance(step, End):
        return True
    blocks = branches(step)
    return bool(blocks) and all(any(_always_ends(inner) for inner in block) for _, block in blocks)


def _repeated_option(step: Step) -> Iterator[Problem]:
    if not isinstance(step, Choose):
        return
    seen: dict[str, int] = {}
    for option in step.options:
        if option.when.digest in seen:
            message = f"the same question stands on line {seen[option.when.digest]}: this one is never taken"
            yield finding("unreachable-option", option.place, message, "Remove it, or ask something else")
        seen.setdefault(option.when.digest, option.place.line)


def _same_arms(split: Split) -> Iterator[Problem]:
    bodies = [arm.then for arm in split.arms]
    if all(body == bodies[0] for body in bodies[1:]):
        yield finding("same-arms", split.place, f"all arms of '{split.id}' do the same", "Change one of them")


def _doubled_ids(campaign: Campaign) -> Iterator[Problem]:
    """The same mail or the same effect twice is one step by rule; any other pair of equal ids is a mistake."""
    seen: dict[str, Step] = {}
    for step in campaign.steps():
        other = seen.setdefault(step.id, step)
        if other is step or _is_same_step(step, other):
            continue
        message = f"'{step.id}' is already the id of the step on line {other.place.line}"
        yield error("duplicate-id", step.place, message, "Give it an `id:` of its own")


def _is_same_step(one: Step, other: Step) -> bool:
    match one:
        case Send() | Ask():
            return isinstance(other, Send | Ask) and one.mail == other.mail
        case Use():
            return isinstance(other, Use)
        case Wait() | If() | Choose() | Split():
            return one.place == other.place and type(one) is type(other)
        case _:
            return type(one) is type(other)


def _moves(campaign: Campaign) -> Iterator[Problem]:
    ids = {step.id for step in campaign.steps()}
    for old, new in campaign.moved.items():
        if new not in ids:
            yield error("unknown-step", campaign.place, f"`moved` leads to '{new}', which is no step", _ids_hint(ids))
        if old in ids:
            message = f"`moved` takes people from '{old}', which still stands here"
            yield finding("moved-still-here", campaign.place, message, "Remove the line from `moved`")
    for old in campaign.removed:
        if old in ids:
            message = f"`removed` speaks of '{old}', which still stands here"
            yield finding("moved-still-here", campaign.place, message, "Remove the line from `removed`")


def _ids_hint(ids: set[str]) -> str:
    return f"Steps are: {', '.join(sorted(ids)[:8])}"


# ── Never sent, too close, too late ──────────────────────────────────────────────────────────────────────────────────


def _twice(way: Way) -> Iterator[Problem]:
    seen: dict[str, Place] = {}
    for step in way.steps:
        if not isinstance(step, Send | Ask):
            continue
        if step.id in seen and seen[step.id] != step.place:
            message = f"who comes this way has had '{step.mail}' at line {seen[step.id].line}; it is not sent twice"
            yield finding("mail-twice", step.place, message, "Remove it, or send another mail")
        seen.setdefault(step.id, step.place)


def _trailing_wait(way: Way) -> Iterator[Problem]:
    if way.steps and isinstance(last := way.steps[-1], Wait) and not isinstance(last.rule, ForCondition):
        yield finding("wait-for-nothing", last.place, "nothing comes after this wait", "Remove it")


def _late_notice(way: Way, workspace: Workspace, service: frozenset[str]) -> Iterator[Problem]:
    """A notice right after a mail waits until limits and quiet times let that mail go."""
    contact = workspace.site.contact
    if not (contact.limits or contact.quiet.hours or contact.quiet.days):
        return
    sent: Send | None = None
    for step in way.steps:
        if isinstance(step, Send) and step.mail not in service:
            sent = step
        elif isinstance(step, Wait | Ask):
            sent = None
        elif isinstance(step, Notify) and sent is not None:
            delay = format_span(contact.delay_up_to)
            message = f"this notice waits for '{sent.mail}', which limits and quiet times may hold for up to {delay}"
            yield finding("notice-after-mail", step.place, message, f"Put it before the mail on line {sent.place.line}")


def _too_close(way: Way, limits: tuple[Limit, ...], service: frozenset[str]) -> Iterator[Problem]:
    """Mails that stand closer than a limit allows, by waits whose length is known."""
    times: list[tuple[Span, Step]] = []
    now = 0
    for step in way.steps:
        pause = least_pause(step)
        if is_mail(step) and _mail_of(step) not in service:
            times.append((now, step))
            yield from _over_limit(times, limits)
        if pause is None:
            times.clear()
        now += pause or 0


def _mail_of(step: Step) -> str:
    return step.mail if isinstance(step, Send | Ask) else ""


def _over_limit(times: list[tuple[Span, Step]], limits: tuple[Limit, ...]) -> Iterator[Problem]:
    now, step = times[-1]
    for limit in limits:
        window = DAY if limit.window is None else limit.window
        inside = [other for at, other in times if now - at < window]
        if len(inside) > limit.count:
            lines = ", ".join(str(other.place.line) for other in inside[:-1])
            message = f"with the mail of line {lines} this breaks the limit '{limit}': it is delayed"
            yield finding("mails-too-close", step.place, message, "Wait longer before it")
            return
