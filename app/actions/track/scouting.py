"""Scouting: first touches of mails, found further ahead in a spool that is too long to be read in time.

Owns what of a long spool is taken out of turn. Must not move positions: everything is met again in its turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from app.disk.spool import Fact, FactKind
from app.disk.spool_reader import SpoolReader

FEW = 3
"""So many touches of one mail are taken out of turn; who clicks more often waits for her turn with the rest."""
MOST = 500
SIGHT = 50_000
"""Facts one look reads at most: a third of a second."""
_MAILS = 200_000
_TOUCHES = frozenset({FactKind.OPEN, FactKind.CLICK})


class Scout:
    """Goes through each segment once, ahead of ingest. Lives as long as one long ingest."""

    def __init__(self, reader: SpoolReader) -> None:
        self._reader = reader
        self._marks: dict[str, int] = {}
        self._seen: Counter[bytes] = Counter()

    def look(self, positions: Mapping[str, int]) -> tuple[Fact, ...]:
        """Touches of mails that were seen seldom, at most MOST, from behind the last look."""
        found: list[Fact] = []
        left = SIGHT
        if len(self._seen) > _MAILS:
            self._seen.clear()
        for name in self._reader.segments():
            start = max(self._marks.get(name, 0), positions.get(name, 0))
            for fact, end in self._reader.read(name, start):
                self._marks[name] = end
                left -= 1
                if self._is_seldom(fact):
                    found.append(fact)
                if not left or len(found) == MOST:
                    return tuple(found)
        return tuple(found)

    def _is_seldom(self, fact: Fact) -> bool:
        """By the beginning of the line, up to the mail's number: nothing else is read here."""
        if fact.kind not in _TOUCHES:
            return False
        mail = fact.body[: fact.body.find(b",", fact.body.find(b",") + 1)]
        self._seen[mail] += 1
        return self._seen[mail] <= FEW
