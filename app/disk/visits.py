"""Visits: what a page's script told us, as it lies in the spool.

Owns the line's layout for page views and events of a page; the version in front makes old segments readable for ever.
Must not judge, and must not know whose token it carries.
"""

import json
from typing import Final, NamedTuple

from app.core.instants import Instant
from app.disk.spool import Fact, FactKind

LAYOUT: Final = 1
LONGEST_AGENT: Final = 400
LONGEST_PATH: Final = 1_000
LONGEST_FIELD: Final = 500
MOST_FIELDS: Final = 30


class PageFact(NamedTuple):
    """A page view (name "") or an event of a page, and where it came from.

    `identity` is a signed token as the page gave it, '' for nobody; `visitor` the browser's own random id, '' before
    consent; `network` a keyed hash, `label` the configured list it is on. Never an address.
    """

    site: str
    path: str
    name: str
    fields: tuple[tuple[str, str | int | float | bool | list[str]], ...]
    identity: str
    visitor: str
    agent: str
    network: str
    label: str
    language: str


def page_fact(at: Instant, fact_id: bytes, page: PageFact) -> Fact:
    """The fact to append: VISIT for a page view, EVENT for anything with a name."""
    kind = FactKind.EVENT if page.name else FactKind.VISIT
    line = [LAYOUT, *page._replace(agent=page.agent[:LONGEST_AGENT], path=page.path[:LONGEST_PATH])]
    return Fact(kind, at, fact_id, json.dumps(line, separators=(",", ":")).encode())


def read_page(fact: Fact) -> PageFact:
    """Raises ValueError for a fact of another kind, or of a layout this program does not know."""
    if fact.kind not in (FactKind.VISIT, FactKind.EVENT):
        raise ValueError(f"a fact of kind {fact.kind} is not of a page")
    layout, *line = json.loads(fact.body)
    if layout != LAYOUT:
        raise ValueError(f"a page's fact of layout {layout} was written by a newer program")
    site, path, name, fields, *more = line
    return PageFact(site, path, name, tuple((key, value) for key, value in fields), *more)


class BoxSeen(NamedTuple):
    """Something was seen of a box: `metric` is view, open, start …; `arms` are `experiment:arm`. Nobody is named."""

    box: str
    metric: str
    arms: tuple[str, ...]
    page: str
    source: str


def box_fact(at: Instant, fact_id: bytes, seen: BoxSeen) -> Fact:
    return Fact(FactKind.BOX, at, fact_id, json.dumps([LAYOUT, *seen], separators=(",", ":")).encode())


def read_box(fact: Fact) -> BoxSeen:
    """Raises ValueError for a fact of another kind, or of a layout this program does not know."""
    if fact.kind != FactKind.BOX:
        raise ValueError(f"a fact of kind {fact.kind} is not of a box")
    layout, *line = json.loads(fact.body)
    if layout != LAYOUT:
        raise ValueError(f"a box's fact of layout {layout} was written by a newer program")
    box, metric, arms, page, source = line
    return BoxSeen(box, metric, tuple(arms), page, source)
