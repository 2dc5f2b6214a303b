"""Drawing: a campaign as boxes and arrows: the shape both pictures of it share.

Owns nodes and edges of a campaign, and which of them are new, changed or gone against another version.
Must not know SVG or Mermaid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.core.campaign import ON_GOAL, Campaign, End, HandOver, Send, Step, Steps, Use, Wait, branches
from app.core.difference import CampaignChange, Sign
from app.core.saying import entry_said, said


@dataclass(frozen=True, slots=True)
class Node:
    """One step, entry or end. `depth` is how far it is indented, `people` how many stand there (None: not asked)."""

    id: str
    words: str
    sort: str
    """entry | sequence | mail | wait | branch | effect | gone"""
    depth: int
    people: int | None = None
    sign: Sign | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    source: str
    target: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def draw(campaign: Campaign, people: Mapping[str, int] | None = None, change: CampaignChange | None = None) -> Drawing:
    """The campaign in file order. `people` counts who stands at a step, `change` colours against another version."""
    pen = _Pen(people, {c.name: c.sign for c in change.changes if c.sort == "step"} if change else {})
    entries = " or ".join(map(entry_said, campaign.entries)) or "start, hand over or backfill"
    pen.node("enter", entries, "entry", 0)
    named = [*campaign.sequences.items(), *([(ON_GOAL, campaign.on_goal)] if campaign.on_goal else [])]
    for name, steps in named:
        sequence = f"sequence {name}"
        pen.node(sequence, name.replace("_", " "), "sequence", 0, people=None)
        pen.edges.append(Edge("enter", sequence, "goal" if name == ON_GOAL else ""))
        pen.block(steps, [(sequence, "")], 1)
    if campaign.stream:
        for stage, articles in campaign.stream.articles.items():
            pen.node(f"sequence {stage}", stage, "sequence", 0)
            pen.edges.append(Edge("enter", f"sequence {stage}"))
            last = f"sequence {stage}"
            for article in articles:
                pen.node(article.id, f"send {article.mail}", "mail", 1)
                pen.edges.append(Edge(last, article.id))
                last = article.id
    for gone in (c for c in (change.changes if change else ()) if c.sign is Sign.REMOVED and c.sort == "step"):
        pen.node(f"gone {gone.name}", gone.before.in_locale("en"), "gone", 1, sign=Sign.REMOVED)
    return Drawing(campaign.key, tuple(pen.nodes), tuple(pen.edges))


class _Pen:
    def __init__(self, people: Mapping[str, int] | None, signs: Mapping[str, Sign]) -> None:
        self._people = people
        self._signs = signs
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []

    def node(self, name: str, words: str, sort: str, depth: int, **more: object) -> None:
        people = self._people.get(name, 0) if self._people is not None and "people" not in more else None
        sign = more.get("sign", self._signs.get(name))
        note = str(more.get("note", ""))
        shown = people if sort not in ("entry", "sequence", "gone") else None
        self.nodes.append(Node(name, words, sort, depth, shown, sign if isinstance(sign, Sign) else None, note))

    def block(self, steps: Steps, ends: list[tuple[str, str]], depth: int) -> list[tuple[str, str]]:
        """Draw steps one after another; the answer are the loose ends (node, label) behind them."""
        for step in steps:
            self.node(step.id, said(step), _sort(step), depth, note=step.note.in_locale("en"))
            self.edges.extend(Edge(source, step.id, label) for source, label in ends)
            ends = list(self._after(step, depth))
        return ends

    def _after(self, step: Step, depth: int) -> Iterator[tuple[str, str]]:
        ways = branches(step)
        if not ways:
            if not isinstance(step, End):
                yield step.id, "refused" if isinstance(step, HandOver) else ""
            return
        for branch, block in ways:
            label = "" if isinstance(step, Use) else branch
            yield from self.block(block, [(step.id, label)], depth + 1)


def _sort(step: Step) -> str:
    if branches(step):
        return "wait" if isinstance(step, Wait) else "branch"
    return "mail" if isinstance(step, Send) else "wait" if isinstance(step, Wait) else "effect"
