"""Findings that are accepted in the file, with a reason.

Owns `allow`: what it silences, and what is wrong with it itself. Errors cannot be allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from difflib import get_close_matches

from app.core.check.codes import MAILS, About
from app.core.check.finding import finding
from app.core.problem import Problem
from app.core.workspace import Allowance


def settled(
    problems: Iterable[Problem], allowed: tuple[Allowance, ...], known: Mapping[str, About], today: date
) -> Iterator[Problem]:
    """The problems that remain, and findings about allowances that are unknown, unused or expired."""
    used: set[Allowance] = set()
    for problem in problems:
        covering = next((each for each in allowed if _covers(each, problem, today)), None)
        if covering is None or problem.is_error:
            yield problem
        else:
            used.add(covering)
    for each in allowed:
        yield from _wrong(each, each in used, known, today)


def _covers(each: Allowance, problem: Problem, today: date) -> bool:
    return not _is_expired(each, today) and each.covers(problem.code, problem.file, problem.line)


def _is_expired(each: Allowance, today: date) -> bool:
    return bool(each.until) and date.fromisoformat(each.until) <= today


def _wrong(each: Allowance, is_used: bool, known: Mapping[str, About], today: date) -> Iterator[Problem]:
    if each.finding not in known:
        near = get_close_matches(each.finding, list(known), n=1)
        fix = f"Write: {near[0]}" if near else "The codes stand in docs/reference/findings.md"
        yield finding("allow-unknown", each.place, f"there is no finding '{each.finding}'", fix)
    elif _is_expired(each, today):
        message = f"'{each.finding}' was allowed until {each.until}"
        yield finding("allow-expired", each.place, message, "Mend it, or give a later date")
    elif not is_used and known[each.finding].group == MAILS:
        message = f"'{each.finding}' is found in mails, and allowed there"
        yield finding("allow-unused", each.place, message, f"Write into the mail's head: allow: [{each.finding}]")
    elif not is_used:
        yield finding("allow-unused", each.place, f"'{each.finding}' is not found here any more", "Remove this line")
