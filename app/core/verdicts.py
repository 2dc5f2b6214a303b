"""Verdicts: whether a person, a machine or nobody can say made an open or a click.

Owns the rules, their order and their reasons; a verdict is a pure function of the set of touches, in any order.
Must not know where touches are kept, read a list of agents, or decide what a verdict is worth.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.core.instants import SECOND, Instant, Span

RULES: Final = 1  # stored with each verdict; raise it when a rule changes, then recompute

GRACE: Final[Span] = 3 * SECOND  # a touch is judged for the first time so long after it happened
BURST_WINDOW: Final[Span] = 2 * SECOND
BURST_LINKS: Final = 3
BURST_AROUND: Final[Span] = 10 * SECOND
OPEN_BEFORE_BURST: Final[Span] = 120 * SECOND
CROWD_WINDOW: Final[Span] = 60 * SECOND
CROWD_RECIPIENTS: Final = 3
EARLY_OPEN: Final[Span] = 3 * SECOND
EARLY_CLICK: Final[Span] = 2 * SECOND

PRIVACY_PROXIES: Final = "privacy-proxies"  # labels of the configured network lists
SCANNERS: Final = "scanners"

GMAIL_PREFETCH: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)


class TouchKind(StrEnum):
    """What was touched."""

    OPEN = "open"
    CLICK = "click"


class Request(StrEnum):
    """How it was asked for; `prefetch` is a GET whose headers say that nobody looks yet."""

    GET = "get"
    HEAD = "head"
    OPTIONS = "options"
    PREFETCH = "prefetch"


class AgentClass(StrEnum):
    """What a browser's name says, worked out once and stored beside the name."""

    BROWSER = "browser"
    BARE = "bare"  # empty, or only `Mozilla/5.0`
    GMAIL_PREFETCH = "gmail_prefetch"
    IMAGE_PROXY = "image_proxy"
    WEBKIT_STUB = "webkit_stub"  # ends in `(KHTML, like Gecko)`: Apple Mail, with its privacy protection or without
    CRAWLER = "crawler"


class Verdict(StrEnum):
    """Who made it."""

    HUMAN = "human"
    MACHINE = "machine"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why; each belongs to one verdict."""

    NOT_A_GET = "not_a_get"
    PREFETCH = "prefetch"
    PRIVACY_PROXY = "privacy_proxy"
    IMAGE_PROXY = "image_proxy"
    APPLE_MAIL = "apple_mail"
    SCANNER_AGENT = "scanner_agent"
    SCANNER_NETWORK = "scanner_network"
    BEFORE_BURST = "before_burst"
    BURST = "burst"
    NEAR_BURST = "near_burst"
    SAME_NETWORK_AS_BURST = "same_network_as_burst"
    CROWD = "crowd"
    HIDDEN_LINK = "hidden_link"
    TOO_EARLY = "too_early"
    ELSEWHERE = "elsewhere"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, its reason, and how sure we are, in percent."""

    verdict: Verdict
    reason: Reason
    confidence: int


@dataclass(frozen=True, slots=True)
class Touch:
    """One raw open or click. `network` is a keyed hash, '' when unknown; `label` its configured list, '' when none."""

    fact_id: bytes
    at: Instant
    kind: TouchKind
    link: int
    agent: AgentClass
    network: str
    label: str
    request: Request


@dataclass(frozen=True, slots=True)
class Sent:
    """What the rules need of a delivered mail: the reply to its final dot (None: not known), its counted links."""

    handed_over_at: Instant | None
    links: int
    hidden: frozenset[int] = frozenset()  # numbers of links that no person can see


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A click on any delivery of the same campaign, seen from its network."""

    network: str
    recipient: int
    at: Instant


@dataclass(frozen=True, slots=True)
class Reach:
    """What a click can change beside its own delivery: deliveries of its campaign clicked from here in this time.

    Both ends belong to it. To judge those again, clicks up to `CROWD_WINDOW` further away are needed too.
    """

    network: str
    since: Instant
    until: Instant


@dataclass(frozen=True, slots=True)
class Change:
    """A verdict that is new (`before` None) or no longer what is stored."""

    fact_id: bytes
    before: Judgement | None
    after: Judgement


_MACHINE: Final = {
    Reason.NOT_A_GET: 99,
    Reason.PREFETCH: 99,
    Reason.PRIVACY_PROXY: 90,
    Reason.SCANNER_AGENT: 95,
    Reason.SCANNER_NETWORK: 95,
    Reason.BEFORE_BURST: 85,
    Reason.BURST: 95,
    Reason.NEAR_BURST: 90,
    Reason.CROWD: 80,
    Reason.HIDDEN_LINK: 99,
}
_UNKNOWN: Final = {
    Reason.APPLE_MAIL: 50,
    Reason.SCANNER_AGENT: 50,
    Reason.TOO_EARLY: 60,
    Reason.SAME_NETWORK_AS_BURST: 60,
}
_HUMAN: Final = {Reason.IMAGE_PROXY: 80, Reason.ELSEWHERE: 90, Reason.PLAIN: 85}
_PLAIN_OPEN: Final = Judgement(Verdict.HUMAN, Reason.PLAIN, 60)


def machine(reason: Reason) -> Judgement:
    return Judgement(Verdict.MACHINE, reason, _MACHINE[reason])


def unknown(reason: Reason) -> Judgement:
    return Judgement(Verdict.UNKNOWN, reason, _UNKNOWN[reason])


def human(reason: Reason) -> Judgement:
    return Judgement(Verdict.HUMAN, reason, _HUMAN[reason])


_OPEN_BY_AGENT: Final = {
    AgentClass.IMAGE_PROXY: human(Reason.IMAGE_PROXY),
    AgentClass.WEBKIT_STUB: unknown(Reason.APPLE_MAIL),
    AgentClass.CRAWLER: unknown(Reason.SCANNER_AGENT),  # a list of names alone never condemns an open
}


def classify_agent(agent: str, is_crawler: Callable[[str], bool]) -> AgentClass:
    """What a User-Agent says. `is_crawler` is a list of crawlers; image proxies are asked for before it."""
    name = agent.strip()
    if name in ("", "Mozilla/5.0"):
        return AgentClass.BARE
    if name == GMAIL_PREFETCH:
        return AgentClass.GMAIL_PREFETCH
    if "GoogleImageProxy" in name or "YahooMailProxy" in name:
        return AgentClass.IMAGE_PROXY
    if name.endswith("(KHTML, like Gecko)"):
        return AgentClass.WEBKIT_STUB
    if is_crawler(name) or "Barracuda Sentinel" in name:
        return AgentClass.CRAWLER
    return AgentClass.BROWSER


def due_at(touch: Touch, grace: Span = GRACE) -> Instant:
    """When a touch may be judged for the first time."""
    return touch.at + grace


def reach(touch: Touch) -> Reach | None:
    """Beside its own delivery, which is always judged again whole. None: nothing else."""
    if touch.kind is TouchKind.OPEN or not touch.network:
        return None
    return Reach(touch.network, touch.at - CROWD_WINDOW, touch.at + CROWD_WINDOW)


def needed_clicks(touches: Iterable[Touch]) -> tuple[Reach, ...]:
    """Which clicks of the campaign `judge` needs as neighbours of these touches: one stretch or more per network."""
    wanted = sorted((r.network, r.since, r.until) for r in map(reach, touches) if r is not None)
    merged: list[Reach] = []
    for network, since, until in wanted:
        if merged and merged[-1].network == network and since <= merged[-1].until:
            merged[-1] = Reach(network, merged[-1].since, max(until, merged[-1].until))
        else:
            merged.append(Reach(network, since, until))
    return tuple(merged)


def changes(before: Mapping[bytes, Judgement], after: Mapping[bytes, Judgement]) -> tuple[Change, ...]:
    """What a new judgement corrects, in the order of `after`."""
    return tuple(
        Change(fact_id, before.get(fact_id), judged)
        for fact_id, judged in after.items()
        if before.get(fact_id) != judged
    )


def judge(sent: Sent, touches: Iterable[Touch], neighbours: Iterable[Neighbour] = ()) -> dict[bytes, Judgement]:
    """The verdict on every touch of one delivery, by fact id, oldest first.

    `neighbours`: clicks of the same campaign from the networks of this delivery's clicks, at least those within
    `CROWD_WINDOW` of them, this delivery's own included. Order and repetition of either mean nothing.
    """
    raw = sorted({touch.fact_id: touch for touch in touches}.values(), key=lambda t: (t.at, t.fact_id))
    clicks = tuple(touch for touch in raw if touch.kind is TouchKind.CLICK)
    case = _Case(sent, clicks, _bursts(sent, clicks), _crowds(neighbours))
    return {t.fact_id: _open(case, t) if t.kind is TouchKind.OPEN else _click(case, t) for t in raw}


@dataclass(frozen=True, slots=True)
class _Burst:
    """A stretch of time in which too many links were followed, and the networks that did it."""

    since: Instant
    until: Instant
    networks: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Case:
    sent: Sent
    clicks: tuple[Touch, ...]
    bursts: tuple[_Burst, ...]
    crowds: Mapping[str, tuple[tuple[Instant, Instant], ...]]


def _open(case: _Case, touch: Touch) -> Judgement:
    if (known := _by_request(touch)) is not None:
        return known
    if touch.agent is AgentClass.BARE or touch.label == PRIVACY_PROXIES:
        return machine(Reason.PRIVACY_PROXY)
    if touch.label == SCANNERS:
        return machine(Reason.SCANNER_NETWORK)
    if any(touch.at <= burst.until and burst.since - touch.at <= OPEN_BEFORE_BURST for burst in case.bursts):
        return machine(Reason.BEFORE_BURST)
    if any(touch.network in burst.networks and _is_near(burst, touch.at) for burst in case.bursts):
        return machine(Reason.NEAR_BURST)
    if (told := _OPEN_BY_AGENT.get(touch.agent)) is not None:
        return told
    return unknown(Reason.TOO_EARLY) if _is_early(case.sent, touch, EARLY_OPEN) else _PLAIN_OPEN


def _click(case: _Case, touch: Touch) -> Judgement:
    if (known := _by_request(touch)) is not None:
        return known
    if touch.agent is AgentClass.CRAWLER:
        return machine(Reason.SCANNER_AGENT)
    if touch.link in case.sent.hidden:
        return machine(Reason.HIDDEN_LINK)
    if touch.label == SCANNERS:
        return machine(Reason.SCANNER_NETWORK)
    if (near := _by_burst(case.bursts, touch)) is not None:
        return near
    if _is_in_crowd(case, touch):
        return machine(Reason.CROWD)
    if _is_early(case.sent, touch, EARLY_CLICK):
        return unknown(Reason.TOO_EARLY)
    if any(touch.network and touch.network in burst.networks for burst in case.bursts):
        return unknown(Reason.SAME_NETWORK_AS_BURST)
    return human(Reason.ELSEWHERE if _is_elsewhere(case.clicks, touch) else Reason.PLAIN)


def _is_elsewhere(clicks: Sequence[Touch], touch: Touch) -> bool:
    """The mail was clicked before, and from another network."""
    first = clicks[0]
    return first.at < touch.at and bool(first.network and touch.network) and first.network != touch.network


def _by_request(touch: Touch) -> Judgement | None:
    if touch.request is Request.PREFETCH or touch.agent is AgentClass.GMAIL_PREFETCH:
        return machine(Reason.PREFETCH)
    return None if touch.request is Request.GET else machine(Reason.NOT_A_GET)


def _is_in_crowd(case: _Case, touch: Touch) -> bool:
    """A privacy proxy's network is many people's, so a crowd there says nothing."""
    if touch.label == PRIVACY_PROXIES:
        return False
    return any(since <= touch.at <= until for since, until in case.crowds.get(touch.network, ()))


def _is_early(sent: Sent, touch: Touch, span: Span) -> bool:
    return sent.handed_over_at is not None and touch.at - sent.handed_over_at < span


def _by_burst(bursts: Sequence[_Burst], touch: Touch) -> Judgement | None:
    for burst in bursts:
        if burst.since <= touch.at <= burst.until:
            return machine(Reason.BURST)
    for burst in bursts:
        if touch.network in burst.networks and _is_near(burst, touch.at):
            return machine(Reason.NEAR_BURST)
    return None


def _is_near(burst: _Burst, at: Instant) -> bool:
    return burst.since - BURST_AROUND <= at <= burst.until + BURST_AROUND


def _bursts(sent: Sent, clicks: Sequence[Touch]) -> tuple[_Burst, ...]:
    """Windows of 2 s with three distinct links, or with both of two; windows that overlap are one burst."""
    needed = 2 if sent.links == 2 else BURST_LINKS
    windows = _windows([(touch.at, touch.link) for touch in clicks], BURST_WINDOW, needed)
    return tuple(_burst(clicks[first : last + 1]) for first, last in _joined(windows))


def _burst(clicks: Sequence[Touch]) -> _Burst:
    return _Burst(clicks[0].at, clicks[-1].at, frozenset(touch.network for touch in clicks if touch.network))


def _crowds(neighbours: Iterable[Neighbour]) -> dict[str, tuple[tuple[Instant, Instant], ...]]:
    """By network: stretches of time in which one network clicked in the mails of three people within 60 s."""
    by_network: dict[str, set[tuple[Instant, int]]] = {}
    for near in neighbours:
        if near.network:
            by_network.setdefault(near.network, set()).add((near.at, near.recipient))
    return {network: _crowded(sorted(seen)) for network, seen in by_network.items()}


def _crowded(seen: Sequence[tuple[Instant, int]]) -> tuple[tuple[Instant, Instant], ...]:
    windows = _joined(_windows(seen, CROWD_WINDOW, CROWD_RECIPIENTS))
    return tuple((seen[first][0], seen[last][0]) for first, last in windows)


def _windows(seen: Sequence[tuple[Instant, int]], width: Span, needed: int) -> list[tuple[int, int]]:
    """First and last index of every stretch no longer than `width` with `needed` distinct things; ordered by time.

    Each stretch is the widest that ends at its last element, so together they hold every element of every such one.
    """
    inside: dict[int, int] = {}
    found: list[tuple[int, int]] = []
    first = 0
    for last, (at, thing) in enumerate(seen):
        inside[thing] = inside.get(thing, 0) + 1
        while at - seen[first][0] > width:
            gone = seen[first][1]
            inside[gone] -= 1
            if not inside[gone]:
                del inside[gone]
            first += 1
        if len(inside) >= needed:
            found.append((first, last))
    return found


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that share an element become one; they come ordered."""
    joined: list[tuple[int, int]] = []
    for first, last in spans:
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined
