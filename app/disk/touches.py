"""Touches: what an open or a click of a mail left behind, as it lies in the spool.

Owns the line's layout; the version in front makes old segments readable for ever.
Must not judge: a touch is raw, who or what made it is decided later and more than once.
"""

import json
from json.encoder import encode_basestring_ascii as quoted
from typing import Final, NamedTuple

from app.core.instants import Instant
from app.core.verdicts import Request
from app.disk.spool import Fact, FactKind, seal

LAYOUT: Final = 1
LONGEST_AGENT: Final = 400
_NO_LABEL: Final = '""'


class MailTouch(NamedTuple):
    """Message id, mail version, link number (0 for an open), the browser's name, and where it came from.

    `network` is a keyed hash of the /24 or /48, '' when unknown; `label` names the configured network list
    the address was on, '' when none; no address is ever kept.
    """

    message: int
    version: int
    link: int
    agent: str
    network: str
    label: str
    request: Request


def touch_fact(kind: FactKind, at: Instant, fact_id: bytes, touch: MailTouch) -> Fact:
    """The fact to append: kind is OPEN or CLICK."""
    return Fact(kind, at, fact_id, _line(touch))


def touch_record(kind: FactKind, at: Instant, fact_id: bytes, touch: MailTouch) -> bytes:
    """The same as the spool's record, ready to be written."""
    return seal(kind, at, fact_id, _line(touch))


def _line(touch: MailTouch) -> bytes:
    message, version, link, agent, network, label, request = touch
    head = f"[{LAYOUT},{message},{version},{link},{quoted(agent[:LONGEST_AGENT])}"
    return f'{head},"{network}",{quoted(label) if label else _NO_LABEL},"{request}"]'.encode()


def read_touch(fact: Fact) -> MailTouch:
    """Raises ValueError for a fact of another kind, or of a layout this program does not know."""
    if fact.kind not in (FactKind.OPEN, FactKind.CLICK):
        raise ValueError(f"a fact of kind {fact.kind} is not a touch of a mail")
    layout, *line = json.loads(fact.body)
    if layout != LAYOUT:
        raise ValueError(f"a touch of layout {layout} was written by a newer program")
    message, version, link, agent, network, label, request = line
    return MailTouch(message, version, link, agent, network, label, Request(request))
