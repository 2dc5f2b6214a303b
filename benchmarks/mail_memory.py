"""How much memory a worker needs that writes to ever new people: it must not grow with them.

`python -m benchmarks.mail_memory [--people 100000]` writes one mail in two languages to that many different people, and
one whose styles are written for each reader to a hundredth of them, and ends with code 1 when resident memory grows by
more than 16 MB after the first tenth.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from app.mail.compiled import CompiledMail
from app.mail.context import Recipient
from app.mail.message import render
from app.mail.values import Value
from benchmarks.mail_build import compiled, context

MOST_GROWTH = 16
"""MB."""


def resident() -> float:
    """MB of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def person(number: int, locale: str) -> Recipient:
    """Nobody twice: name, address, zone and values differ."""
    name = f"سارا {number}" if locale == "fa" else f"Zoë {number}"
    values: dict[str, Value] = {"first_name": name, "vip": number % 2 == 0, "address": f"p{number}@example.com"}
    return Recipient(f"p{number}@example.com", name, locale, values, ("Asia/Tehran", "Europe/London")[number % 2])


def write(mails: dict[str, CompiledMail], slow: CompiledMail, numbers: range) -> None:
    for number in numbers:
        locale = ("en", "fa")[number % 2]
        render(mails[locale], person(number, locale), context(number))
        if number % 100 == 0:
            render(slow, person(number, "en"), context(number))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    people = parser.parse_args().people
    mails = {locale: compiled(locale) for locale in ("en", "fa")}
    slow = replace(mails["en"], is_inlined=False).sealed()
    write(mails, slow, range(people // 10))
    first = resident()
    print(f"{people // 10:>8} people  {first:7.1f} MB")
    for tenth in range(1, 10):
        write(mails, slow, range(people // 10 * tenth, people // 10 * (tenth + 1)))
    last = resident()
    print(f"{people:>8} people  {last:7.1f} MB  grown by {last - first:.1f} MB, at most {MOST_GROWTH}")
    return 1 if last - first > MOST_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
