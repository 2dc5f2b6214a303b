"""Stepwise: beside the counters of a step what came back of its mails, and the median of their lateness.

Owns putting both together, and the figures of others one may compare with. Must not count what counters keep.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from app.core.instants import DAY, Span
from app.store import stepwise
from app.store.stepwise import Place
from app.world import World


@dataclass(frozen=True, slots=True)
class Aftermath:
    """`returns`: (campaign, step, kind) → people; `late`: (campaign, step) → median span after it was wanted."""

    returns: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    late: Mapping[Place, Span] = field(default_factory=dict)

    def of(self, campaign: str, step: str, kind: str) -> int:
        return self.returns.get((campaign, step, kind), 0)

    def total(self, campaign: str, kind: str) -> int:
        return sum(number for (key, _, sort), number in self.returns.items() if key == campaign and sort == kind)


def aftermath(world: World, days: int) -> Aftermath:
    """Of the last days. Reads the newest rows one by one: keep what it gives for a while."""
    with world.transaction("read") as session:
        returns = stepwise.returns(session, world.now() - days * DAY)
        late = stepwise.lateness(session)
    return Aftermath(returns, {place: int(median(spans)) for place, spans in late.items()})


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A share of delivered mails that others have, to set one's own beside."""

    metric: str
    share: float


BENCHMARKS = (
    Benchmark("opens", 0.227),
    Benchmark("clicks", 0.029),
    Benchmark("unsubscribed", 0.0025),
    Benchmark("complained", 0.001),
)
"""Means over all accounts of a large provider: unique opens, unique clicks, unsubscribes (Mailchimp, "Email Marketing
Statistics and Benchmarks by Industry", October 2019); complaints: what large mailbox providers ask to stay under."""
