"""`check`: everything that is wrong with a site's files, in one list.

Owns putting reading and the core's findings together. Must not print.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from app.core.check import allowed, findings
from app.core.problem import Problem
from app.core.workspace import MailFacts
from app.files.reader import in_order, read


def check(
    sources: Mapping[str, str], facts: Iterable[MailFacts], today: date, lint: Iterable[Problem] = ()
) -> tuple[Problem, ...]:
    """All problems and findings of the files, ordered by file and line.

    `facts` and `lint` come from the mail room: what the mails hold, and what it found in them itself. While something
    cannot be read, only that is reported: findings about half a site would mislead.
    """
    mails = tuple(facts)
    workspace, problems = read(sources, mails)
    if workspace is None:
        return in_order([*problems, *lint])
    found = (*problems, *lint, *findings(workspace, mails, today))
    return in_order(list(allowed(found, workspace, today)))
