"""`parvar test`: runs the scenarios and prints how they went.

Owns the words and the order of the output. Must not run anything itself.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import click
import structlog
from rich.console import Console
from rich.text import Text

from app.actions.inspect import Inspection, inspect_folder
from app.actions.rehearse import Failure, Rehearsal, rehearse
from app.actions.rehearse.covering import Covered, coverage, whole
from app.actions.rehearse.snapshots import Changed, compare, snapshots
from app.actions.rehearse.telling import Account, Happened, account
from app.cli import rehearsing_persian
from app.cli.files import print_problems
from app.cli.tongues import lang_option
from app.core.campaign import Campaign
from app.core.explaining.english import at_line
from app.core.scenario import Scenario
from app.core.text import Text as InLanguages
from app.core.windows import local
from app.main import today

_WIDTH = 84


@dataclass(frozen=True, slots=True)
class Told:
    """One scenario with how long it took, in seconds."""

    rehearsal: Rehearsal
    seconds: float


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("-k", "only", default="", help="Run scenarios whose name or title holds this text.")
@click.option("--cover", type=click.FloatRange(0, 100), help="Fail when less of all steps and branches is walked (%).")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write the results as JUnit XML.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option(
    "--snapshots",
    "kept_in",
    type=click.Path(file_okay=False, path_type=Path),
    help="Compare mails with those kept here.",
)
@click.option("--update", is_flag=True, help="With --snapshots: keep the mails as they are now.")
@lang_option
def test(  # noqa: PLR0913 (one option, one argument)
    folder: Path,
    only: str,
    cover: float | None,
    junit: Path | None,
    as_json: bool,
    kept_in: Path | None,
    update: bool,
    lang: str,
) -> None:
    """Run the scenarios below FOLDER on a virtual clock, with the real engine, store and mails.

    Exit code 1 when a scenario fails, too little is walked, or the files have errors.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    inspection = inspect_folder(folder, today())
    if inspection.workspace is None or inspection.errors:
        print_problems(inspection.errors)
        sys.exit(1)
    campaigns = inspection.workspace.campaigns
    wanted = [s for s in inspection.workspace.scenarios if only in s.key or only in s.title]
    began = time.perf_counter()
    told = _run(inspection, wanted, folder, _Printer(lang, is_quiet=as_json))
    covered = coverage(campaigns.values(), [each.rehearsal for each in told])
    failed = sum(not each.rehearsal.has_passed for each in told)
    if junit:
        junit.write_bytes(junit_xml(told, campaigns))
    if as_json:
        click.echo(json.dumps(plain(told, covered), ensure_ascii=False, indent=1))
    else:
        click.echo(sum_line(told, covered, time.perf_counter() - began, lang))
    changed = _snapshots(kept_in, told, lang, update=update) if kept_in else 0
    is_too_little = cover is not None and whole(covered) * 100 < cover
    if cover is not None and is_too_little:
        click.echo(too_little_line(whole(covered), cover, lang), err=True)
    sys.exit(1 if failed or is_too_little or changed else 0)


def too_little_line(walked: float, wanted: float, lang: str) -> str:
    if lang == "fa":
        return rehearsing_persian.too_little_line(walked, wanted)
    return f"walked {walked:.1%}, wanted {wanted:.0f}%"


def _run(inspection: Inspection, scenarios: Sequence[Scenario], folder: Path, printer: _Printer) -> list[Told]:
    campaigns = inspection.workspace.campaigns if inspection.workspace else {}
    done = []
    for scenario in scenarios:
        began = time.perf_counter()
        rehearsal = rehearse(inspection, scenario, lambda name: inspect_folder(folder / name, today()))
        done.append(Told(rehearsal, time.perf_counter() - began))
        printer.tell(rehearsal, campaigns)
    return done


class _Printer:
    """Prints how each scenario went as soon as it is known."""

    def __init__(self, lang: str, *, is_quiet: bool) -> None:
        self._lang = lang
        self._console = Console(highlight=False, soft_wrap=True, quiet=is_quiet)

    def tell(self, rehearsal: Rehearsal, campaigns: Mapping[str, Campaign]) -> None:
        if rehearsal.failure is None:
            self._console.print(self._passed(rehearsal))
            return
        lines = failure_lines(rehearsal, rehearsal.failure, account(rehearsal, campaigns), self._lang)
        for number, line in enumerate(lines):
            is_turn = line.lstrip()[:1] in _TURNS
            self._console.print(Text(line, style="red" if not number else "bold" if is_turn else ""))

    def _passed(self, rehearsal: Rehearsal) -> Text:
        if self._lang == "fa":
            return Text(rehearsing_persian.passed_line(rehearsal), style="green")
        scenario = rehearsal.scenario
        return Text.assemble(("✓ ", "green"), scenario.title, (f"  {scenario.key}", "dim"))


# ── Snapshots ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _snapshots(folder: Path, told: Sequence[Told], lang: str, *, update: bool) -> int:
    """Compare the mails that came with those kept, or keep them. Returns how many differ and were not kept."""
    now = snapshots(each.rehearsal for each in told)
    kept = {name: path.read_text("utf-8") for name in now if (path := folder / name).is_file()}
    changed = list(compare(kept, now))
    for each in changed:
        click.echo("\n".join(snapshot_lines(each, lang)), err=True)
        if update:
            (folder / each.name).parent.mkdir(parents=True, exist_ok=True)
            (folder / each.name).write_text(now[each.name], "utf-8")
    keep = "" if update else f"parvar test --snapshots {folder} --update"
    click.echo(snapshots_line(len(now), len(changed), keep, lang), err=True)
    return 0 if update else len(changed)


def snapshots_line(known: int, changed: int, keep: str, lang: str) -> str:
    """The sum of snapshots. `keep` is the command that keeps them as they are now, "" when that was done."""
    if lang == "fa":
        return rehearsing_persian.snapshots_line(known, changed, keep)
    hint = f" · look at them, then: {keep}" if keep and changed else ""
    return f"snapshots {known} · {'changed' if keep else 'kept'} {changed}{hint}"


def snapshot_lines(changed: Changed, lang: str = "en") -> list[str]:
    """A difference as a person reads it."""
    if lang == "fa":
        return rehearsing_persian.snapshot_lines(changed)
    if changed.is_new:
        return [f"+ {changed.name}   not kept before"]
    return [f"~ {changed.name}", *(f"    {line}" for line in changed.lines[2:])]


# ── A failure ────────────────────────────────────────────────────────────────────────────────────────────────────────


_TURNS = ("▸", "◂")
"""What marks the decision a story turned on, as the language runs."""


def failure_lines(rehearsal: Rehearsal, failure: Failure, told: Account, lang: str = "en") -> list[str]:
    """Where it failed, what was wanted and got, the time line with its turn, why, and what to change."""
    if lang == "fa":
        return rehearsing_persian.failure_lines(rehearsal, failure, told)
    lines = [_placed(f"✗ {rehearsal.scenario.title}", str(failure.place))]
    lines.append(f"    wanted   {_en(failure.wanted)} · got {_en(failure.got)}")
    day = ""
    for happened in told.lines:
        lines.append(_line(rehearsal, happened, day))
        day = _day(rehearsal, happened)
    hints = [f"why  {_en(told.why)}"] if told.why else []
    hints += [f"fix  {_en(told.fix)}"] if told.fix else []
    return [*lines, f"    {'     '.join(hints)}"] if hints else lines


def _en(text: InLanguages) -> str:
    return text.in_locale("en")


def _day(rehearsal: Rehearsal, happened: Happened) -> str:
    return f"{local(happened.at, rehearsal.zone):%a %-d %b}"


def _line(rehearsal: Rehearsal, happened: Happened, day: str) -> str:
    """A day is named on its first line."""
    today_is = _day(rehearsal, happened)
    date = f"{today_is if today_is != day else '':<11}"
    mark = "  ▸ " if happened.is_turn else "    "
    when = f"{mark}{date}{local(happened.at, rehearsal.zone):%H:%M}"
    more = f"   {_en(happened.more)}" if happened.more else ""
    return _placed(f"{when}   {_en(happened.what)}{more}", at_line(happened.place))


def _placed(text: str, place: str) -> str:
    return f"{text:<{_WIDTH}} {place}".rstrip()


# ── The sum ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def sum_line(told: Sequence[Told], covered: Sequence[Covered], seconds: float, lang: str = "en") -> str:
    failed = sum(not each.rehearsal.has_passed for each in told)
    if lang == "fa":
        return rehearsing_persian.sum_line(len(told) - failed, failed, covered, seconds)
    return f"{len(told) - failed} passed, {failed} failed · {cover_words(covered)} · {seconds:.1f} s"


def cover_words(covered: Sequence[Covered]) -> str:
    """`steps 31 of 33 · branches 14 of 16; never walked: cart.yaml:17 then`, the first few of them."""
    steps = f"steps {sum(c.steps_walked for c in covered)} of {sum(c.steps for c in covered)}"
    branches = f"branches {sum(c.branches_walked for c in covered)} of {sum(c.branches for c in covered)}"
    missed = [f"{at_line(each.place)} {each.branch}".rstrip() for c in covered for each in c.unwalked]
    more = f" and {len(missed) - 5} more" if len(missed) > 5 else ""
    return f"{steps} · {branches}" + (f"; never walked: {', '.join(missed[:5])}{more}" if missed else "")


def plain(told: Sequence[Told], covered: Sequence[Covered]) -> dict[str, object]:
    """The results as JSON knows them, the same whatever language the answer is in."""
    return {
        "scenarios": [
            {
                "key": each.rehearsal.scenario.key,
                "title": each.rehearsal.scenario.title,
                "passed": each.rehearsal.has_passed,
                "seconds": round(each.seconds, 3),
                "wanted": _en(each.rehearsal.failure.wanted) if each.rehearsal.failure else None,
                "got": _en(each.rehearsal.failure.got) if each.rehearsal.failure else None,
                "place": str(each.rehearsal.failure.place) if each.rehearsal.failure else None,
            }
            for each in told
        ],
        "coverage": {
            each.campaign: {
                "steps": [each.steps_walked, each.steps],
                "branches": [each.branches_walked, each.branches],
                "unwalked": [f"{one.place} {one.step} {one.branch}".rstrip() for one in each.unwalked],
            }
            for each in covered
        },
        "covered": round(whole(covered), 4),
    }


def junit_xml(told: Sequence[Told], campaigns: Mapping[str, Campaign]) -> bytes:
    """The results as JUnit XML, a suite for each file of scenarios."""
    root = ElementTree.Element("testsuites", name="parvar")
    suites: dict[str, ElementTree.Element] = {}
    for each in told:
        scenario = each.rehearsal.scenario
        file = scenario.place.file
        suite = suites.get(file)
        if suite is None:
            suite = suites[file] = ElementTree.SubElement(root, "testsuite", name=file)
        case = ElementTree.SubElement(
            suite, "testcase", classname=scenario.key, name=scenario.title, time=f"{each.seconds:.3f}"
        )
        failure = each.rehearsal.failure
        if failure:
            text = "\n".join(failure_lines(each.rehearsal, failure, account(each.rehearsal, campaigns)))
            message = f"wanted {_en(failure.wanted)}, got {_en(failure.got)}"
            ElementTree.SubElement(case, "failure", message=message).text = text
    for suite in suites.values():
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(len(suite.findall("testcase/failure"))))
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
