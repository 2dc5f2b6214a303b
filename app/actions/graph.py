"""Graph: a campaign drawn as Mermaid or SVG, with the people in it now, and coloured by what another version changes.

Owns the two pictures and fetching the counts. Must not change anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from app.actions.inspect import Inspection
from app.actions.shelf import Shelf
from app.core.difference import Mails, Sign, compare
from app.core.drawing import Drawing, Node, draw
from app.store import plans
from app.world import World


@dataclass(frozen=True, slots=True)
class NoSuchCampaign:
    known: tuple[str, ...]


def of_files(inspection: Inspection, campaign: str) -> Drawing | NoSuchCampaign:
    """A campaign as the files say, without people."""
    campaigns = inspection.workspace.campaigns if inspection.workspace else {}
    found = campaigns.get(campaign)
    return draw(found) if found else NoSuchCampaign(tuple(campaigns))


def of_live(world: World, shelf: Shelf, campaign: str, planned: Inspection | None = None) -> Drawing | NoSuchCampaign:
    """A live campaign with the people standing at each step; with `planned`, those files coloured against it."""
    with world.transaction("read") as session:
        shelved = shelf.look(session)
        live = shelved.workspace.campaigns if shelved else {}
        counts = plans.step_counts(session, campaign)
    new = planned.workspace if planned else None
    found = new.campaigns.get(campaign) if new else live.get(campaign)
    if found is None:
        return NoSuchCampaign(tuple(new.campaigns if new else live))
    if new is None or shelved is None:
        return draw(found, counts)
    none = Mails({}, {})
    changes = compare(shelved.workspace, new, none, none).campaigns
    return draw(found, counts, next((each for each in changes if each.key == campaign), None))


# ── Mermaid ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_SHAPES = {
    "entry": ("([", "])"),
    "sequence": ("[[", "]]"),
    "mail": ("[", "]"),
    "wait": ("(", ")"),
    "branch": ("{{", "}}"),
    "effect": ("[/", "/]"),
    "gone": ("[", "]"),
}
_CLASSES = {Sign.ADDED: "added", Sign.CHANGED: "changed", Sign.REMOVED: "removed"}


def mermaid(drawing: Drawing) -> str:
    """A Mermaid flowchart, top down."""
    names = {node.id: f"n{number}" for number, node in enumerate(drawing.nodes)}
    lines = ["flowchart TD"]
    for node in drawing.nodes:
        left, right = _SHAPES[node.sort]
        mark = f":::{_CLASSES[node.sign]}" if node.sign else ""
        lines.append(f'  {names[node.id]}{left}"{_quoted(_words(node))}"{right}{mark}')
    for edge in drawing.edges:
        label = f'|"{_quoted(edge.label)}"|' if edge.label else ""
        lines.append(f"  {names[edge.source]} -->{label} {names[edge.target]}")
    lines += [
        "  classDef added fill:#d9f2e3,stroke:#0a7d5a,color:#073b2b",
        "  classDef changed fill:#fdf0cf,stroke:#a36b00,color:#4a3200",
        "  classDef removed fill:#f9dcdc,stroke:#a33333,color:#5a1414,stroke-dasharray:4",
    ]
    return "\n".join(lines) + "\n"


def _words(node: Node) -> str:
    people = f" · {node.people:,}" if node.people else ""
    return f"{node.words}{people}"


def _quoted(text: str) -> str:
    return text.replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")


# ── SVG ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

_ROW, _INDENT, _HIGH, _WIDE = 46, 34, 32, 470
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1c2520 } .label { font-size: 11px; fill: #55605a }
.box { fill: #f6f8f7; stroke: #b9c4be } .mail { fill: #eaf2fb; stroke: #7fa3c7 }
.wait { fill: #fbfaf3; stroke: #cfc79a }
.branch { fill: #f3edfa; stroke: #a98fc7 } .sequence { fill: #1c2520; stroke: #1c2520 } .sequence-text { fill: #fff }
.added { fill: #d9f2e3; stroke: #0a7d5a } .changed { fill: #fdf0cf; stroke: #a36b00 }
.removed { fill: #f9dcdc; stroke: #a33333; stroke-dasharray: 4 } .edge { stroke: #8b968f; fill: none }
.people { font-weight: 600; text-anchor: end }
"""


def svg(drawing: Drawing) -> str:
    """The campaign as one SVG picture; every box tells its words to a screen reader."""
    places = {node.id: row for row, node in enumerate(drawing.nodes)}
    depth = max((node.depth for node in drawing.nodes), default=0)
    width, height = _WIDE + depth * _INDENT + 60, len(drawing.nodes) * _ROW + 20
    edges = "".join(_edge(drawing, places, edge.source, edge.target, edge.label) for edge in drawing.edges)
    boxes = "".join(_box(node, row) for row, node in enumerate(drawing.nodes))
    head = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
    title = f"<title>{escape(drawing.title)}</title>"
    return f"<svg {head}>{title}<style>{_STYLE}</style>{edges}{boxes}</svg>\n"


def _box(node: Node, row: int) -> str:
    left, top = 20 + node.depth * _INDENT, 10 + row * _ROW
    sort = _CLASSES[node.sign] if node.sign else node.sort
    text_class = ' class="sequence-text"' if node.sort == "sequence" and not node.sign else ""
    words = escape(node.words if len(node.words) <= 62 else node.words[:61] + "…")
    people = (
        f'<text class="people" x="{left + _WIDE - 10}" y="{top + 21}">{node.people:,}</text>' if node.people else ""
    )
    tip = f"<title>{escape(node.words)}{escape(f' · {node.note}' if node.note else '')}</title>"
    box = f'<rect class="box {sort}" x="{left}" y="{top}" width="{_WIDE}" height="{_HIGH}" rx="6"/>'
    return f'<g>{tip}{box}<text{text_class} x="{left + 12}" y="{top + 21}">{words}</text>{people}</g>'


def _edge(drawing: Drawing, places: Mapping[str, int], source: str, target: str, label: str) -> str:
    """From under the left side of a box into the left side of the next."""
    first, last = drawing.nodes[places[source]], drawing.nodes[places[target]]
    x1, y1 = 32 + first.depth * _INDENT, 10 + places[source] * _ROW + _HIGH
    x2, y2 = 20 + last.depth * _INDENT, 10 + places[target] * _ROW + _HIGH // 2
    x = min(x1, x2 - 8) - (4 if last.depth < first.depth else 0)
    path = f'<path class="edge" d="M{x1} {y1} V{min(y1 + 6, y2)} H{x} V{y2} H{x2}"/>'
    words = f'<text class="label" x="{x + 4}" y="{y2 - _HIGH // 2 - 2}">{escape(label)}</text>' if label else ""
    return path + words
