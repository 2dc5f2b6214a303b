"""Reading: stored opens, clicks and visits as the rules want to see them, and what the rules say of them.

Owns the way from rows to `core.verdicts.judge` and back, for many deliveries in a fixed number of queries.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.core.tracked import judge_visit
from app.core.verdicts import (
    AgentClass,
    Judgement,
    Neighbour,
    Request,
    Sent,
    Touch,
    TouchKind,
    Verdict,
    classify_agent,
    judge,
    needed_clicks,
)
from app.net.crawlers import is_crawler
from app.store import tracking
from app.store.events import EventRow
from app.store.tracking import TOUCHES, ClickFrom, Near


@dataclass(frozen=True, slots=True)
class Delivery:
    """One mail with everything that was done with it, oldest first. `campaign` names those it is judged among."""

    id: int
    campaign: str
    rows: tuple[EventRow, ...]
    sent: Sent


def deliveries_of(session: Session, ids: Sequence[int], ends: Mapping[int, Instant]) -> list[Delivery]:
    """The deliveries of these messages that were touched at all; of flooded ones what came up to their end."""
    grouped: dict[int, list[EventRow]] = defaultdict(list)
    usual = tracking.facts_of_mails(session, [id_ for id_ in ids if id_ not in ends])
    for row in (*usual, *(row for id_, end in ends.items() for row in tracking.facts_until(session, id_, end))):
        grouped[row.message_id or 0].append(row)
    mails = tracking.mailed(session, ids)
    versions = {id_: _version(rows) for id_, rows in grouped.items()}
    for id_, mail in mails.items():
        if versions.get(id_, 0) == 0:
            versions[id_] = mail.version or 0
    links = tracking.links_of_versions(session, set(versions.values()) - {0})
    found = []
    for id_, rows in sorted(grouped.items()):
        handed_over_at = mails[id_].handed_over_at if id_ in mails else None
        sent = Sent(handed_over_at, len(links.get(versions[id_], ())))
        found.append(Delivery(id_, _campaign(rows), tuple(rows), sent))
    return found


def _campaign(rows: Sequence[EventRow]) -> str:
    touch = next((row for row in rows if row.kind in TOUCHES), None)
    return "" if touch is None else touch.campaign or f"mail {touch.name}"


def _version(rows: Iterable[EventRow]) -> int:
    return next((int(_said(row).get("version", 0)) for row in rows if row.kind in TOUCHES), 0)


def verdicts_of(session: Session, deliveries: Sequence[Delivery]) -> dict[int, dict[bytes, tuple[str, str]]]:
    """Delivery → fact id → (verdict, reason), by all that is stored now."""
    touches = {d.id: [touch_of(row) for row in d.rows if row.kind in TOUCHES] for d in deliveries}
    needed = needed_clicks(touch for each in touches.values() for touch in each)
    near = tracking.clicks_near(session, [Near(bytes.fromhex(r.network), r.since, r.until) for r in needed])
    by_network = _by_network(near)
    found = {}
    for delivery in deliveries:
        mine = touches[delivery.id]
        neighbours = _neighbours(by_network, delivery.campaign, mine)
        judged = judge(delivery.sent, mine, neighbours)
        found[delivery.id] = _told(judged) | _visits(delivery, judged)
    return found


def _told(judged: Mapping[bytes, Judgement]) -> dict[bytes, tuple[str, str]]:
    return {fact_id: (one.verdict.value, one.reason.value) for fact_id, one in judged.items()}


def _by_network(near: Iterable[ClickFrom]) -> dict[tuple[str, str], list[Neighbour]]:
    grouped: dict[tuple[str, str], list[Neighbour]] = defaultdict(list)
    for click in near:
        network = click.network.hex()
        grouped[click.group, network].append(Neighbour(network, click.message_id, click.at))
    return grouped


def _neighbours(
    grouped: Mapping[tuple[str, str], list[Neighbour]], campaign: str, touches: Iterable[Touch]
) -> list[Neighbour]:
    networks = {touch.network for touch in touches if touch.kind is TouchKind.CLICK and touch.network}
    return [near for network in sorted(networks) for near in grouped.get((campaign, network), ())]


def _visits(delivery: Delivery, judged: Mapping[bytes, Judgement]) -> dict[bytes, tuple[str, str]]:
    """A visit is what the newest click before it was."""
    told: dict[bytes, tuple[str, str]] = {}
    clicks = [(row.at, judged[row.fact_id].verdict) for row in delivery.rows if row.kind == "clicked"]
    for row in delivery.rows:
        if row.kind not in TOUCHES:
            earlier = [verdict for at, verdict in clicks if at <= row.at]
            told[row.fact_id] = _visit(row, earlier[-1] if earlier else None)
    return told


def _visit(row: EventRow, click: Verdict | None) -> tuple[str, str]:
    verdict, reason = judge_visit(agent_class(row.agent), str(_said(row).get("label", "")), click)
    return verdict.value, reason.value


def touch_of(row: EventRow) -> Touch:
    """A stored open or click."""
    return Touch(
        fact_id=row.fact_id,
        at=row.at,
        kind=TouchKind.CLICK if row.kind == "clicked" else TouchKind.OPEN,
        link=row.link_number or 0,
        agent=agent_class(row.agent),
        network=row.network_hash.hex() if row.network_hash else "",
        label=str(_said(row).get("label", "")),
        request=Request(row.method),
    )


@lru_cache(maxsize=10_000)
def agent_class(agent: str) -> AgentClass:
    return classify_agent(agent, is_crawler)


@lru_cache(maxsize=1_000)
def _parsed(payload: str) -> Mapping[str, str | int]:
    plain: Mapping[str, str | int] = json.loads(payload)
    return plain


def _said(row: EventRow) -> Mapping[str, str | int]:
    return _parsed(row.payload)
