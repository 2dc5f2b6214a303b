"""What may be kept of an open, a click or a visit, and who made a visit.

Owns the meaning of the site's tracking modes beside a person's own answer, and the verdict on a page view.
Must not know where facts are kept.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from app.core.instants import DAY, Instant, Span
from app.core.site import TrackingMode
from app.core.verdicts import PRIVACY_PROXIES, SCANNERS, AgentClass, Verdict

LATE: Final[Span] = DAY
"""A fact that comes to us later than this after it happened is quiet: it enters nobody anywhere."""


class Keeping(StrEnum):
    """What becomes of a fact: kept with its person, kept for the sums only, or not at all."""

    PERSON = "person"
    SUM = "sum"
    NOTHING = "nothing"


_REFUSED: Final = frozenset({"refused", "withdrawn"})


def keeping(mode: TrackingMode, needs_consent: bool, answer: str) -> Keeping:
    """What may be kept. `answer` is the person's newest line in the ledger, "" when she was never asked.

    Her no outlives everything: nothing is kept, also of mails that left before she said it.
    """
    if mode is TrackingMode.OFF or answer in _REFUSED:
        return Keeping.NOTHING
    if mode is TrackingMode.AGGREGATE or (needs_consent and answer not in ("given", "confirmed")):
        return Keeping.SUM
    return Keeping.PERSON


def is_late(at: Instant, now: Instant) -> bool:
    return now - at > LATE


class VisitReason(StrEnum):
    """Why a page view is taken for what it is."""

    AGENT = "scanner_agent"
    NETWORK = "scanner_network"
    NO_AGENT = "privacy_proxy"
    AFTER_MACHINE = "after_machine"
    AFTER_UNKNOWN = "after_unknown"
    PLAIN = "plain"


def judge_visit(agent: AgentClass, label: str, click: Verdict | None) -> tuple[Verdict, VisitReason]:
    """The verdict on a page view whose script ran.

    A scanner with a whole browser runs scripts too. So a visit that a mail's link led to is what that click was:
    `click` is the verdict on the newest click of that mail before it, None when no mail led here.
    """
    if agent in (AgentClass.CRAWLER, AgentClass.GMAIL_PREFETCH):
        return Verdict.MACHINE, VisitReason.AGENT
    if label == SCANNERS:
        return Verdict.MACHINE, VisitReason.NETWORK
    if agent is AgentClass.BARE and label != PRIVACY_PROXIES:
        return Verdict.UNKNOWN, VisitReason.NO_AGENT
    if click is Verdict.MACHINE:
        return Verdict.MACHINE, VisitReason.AFTER_MACHINE
    if click is Verdict.UNKNOWN:
        return Verdict.UNKNOWN, VisitReason.AFTER_UNKNOWN
    return Verdict.HUMAN, VisitReason.PLAIN


def counted(kind: str, verdict: str, reason: str) -> tuple[str, ...]:
    """The counters a judged fact adds to, beside the raw one: its verdict and its reason."""
    return (f"{kind}:{verdict}", f"{kind}:{reason}")
