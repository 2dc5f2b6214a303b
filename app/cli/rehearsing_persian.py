"""How scenarios went, as lines of Persian: no columns, each line begins with a Persian word, keys and places set apart.

Owns the Persian of `parvar test` on a terminal. Must not run or judge anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.actions.rehearse import Failure, Rehearsal
from app.actions.rehearse.covering import Covered
from app.actions.rehearse.snapshots import Changed
from app.actions.rehearse.telling import Account, Happened
from app.core.explaining.dates import Dates
from app.core.explaining.english import at_line as place_of
from app.core.explaining.persian import at_line
from app.core.figures import figures, grouped, isolated
from app.core.text import Text


def passed_line(rehearsal: Rehearsal) -> str:
    scenario = rehearsal.scenario
    return f"قبول: {isolated(scenario.title)}، {isolated(scenario.key)}"


def failure_lines(rehearsal: Rehearsal, failure: Failure, told: Account) -> list[str]:
    """Where it failed, what was wanted and got, the time line with its turn, why, and what to change."""
    lines = [f"رد: {isolated(rehearsal.scenario.title)}، در {isolated(failure.place)}"]
    lines += [f"    انتظار: {_fa(failure.wanted)}", f"    آنچه شد: {_fa(failure.got)}"]
    dates = Dates(rehearsal.zone, failure.at)
    lines += [_line(happened, dates) for happened in told.lines]
    lines += [f"    چرا: {_fa(told.why)}"] if told.why else []
    return [*lines, f"    چاره: {_fa(told.fix)}"] if told.fix else lines


def _line(happened: Happened, dates: Dates) -> str:
    mark = "  ◂ " if happened.is_turn else "    "
    more = f"، {_fa(happened.more)}" if happened.more else ""
    place = at_line(happened.place)
    return f"{mark}{dates.persian(happened.at)}: {_fa(happened.what)}{more}{f'، در {place}' if place else ''}"


def _fa(text: Text) -> str:
    return text.in_locale("fa")


# ── The sum ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def sum_line(passed: int, failed: int, covered: Sequence[Covered], seconds: float) -> str:
    took = figures(f"{seconds:.1f}").replace(".", "٫")
    return f"جمع: {grouped(passed)} قبول، {grouped(failed)} رد · {cover_words(covered)} · {took} ثانیه"


def cover_words(covered: Sequence[Covered]) -> str:
    """Steps and branches walked, and the first few that never were."""
    steps = _of(sum(c.steps_walked for c in covered), sum(c.steps for c in covered))
    branches = _of(sum(c.branches_walked for c in covered), sum(c.branches for c in covered))
    missed = [isolated(f"{place_of(each.place)} {each.branch}".rstrip()) for c in covered for each in c.unwalked]
    more = f" و {grouped(len(missed) - 5)} جای دیگر" if len(missed) > 5 else ""
    never = f"؛ هرگز پیموده نشد: {'، '.join(missed[:5])}{more}" if missed else ""
    return f"گام‌ها {steps} · شاخه‌ها {branches}{never}"


def _of(walked: int, known: int) -> str:
    return f"{grouped(walked)} از {grouped(known)}"


def too_little_line(walked: float, wanted: float) -> str:
    share = figures(f"{walked:.1%}").replace("%", "٪").replace(".", "٫")
    return f"پیموده شد: {share}، انتظار: {figures(f'{wanted:.0f}')}٪"


# ── Snapshots ────────────────────────────────────────────────────────────────────────────────────────────────────────


def snapshot_lines(changed: Changed) -> list[str]:
    """A difference as a person reads it; the lines that differ are the mail's own."""
    if changed.is_new:
        return [f"تازه: {isolated(changed.name)}، پیش‌تر نگه داشته نشده بود"]
    return [f"عوض‌شده: {isolated(changed.name)}", *(f"    {line}" for line in changed.lines[2:])]


def snapshots_line(known: int, changed: int, keep: str) -> str:
    """The sum of snapshots. `keep` is the command that keeps them as they are now, "" when that was done."""
    what = "عوض‌شده" if keep else "نگه‌داشته"
    hint = f" · نگاهشان کنید، سپس: {isolated(keep)}" if keep and changed else ""
    return f"نمونه‌ها: {grouped(known)} · {what} {grouped(changed)}{hint}"
