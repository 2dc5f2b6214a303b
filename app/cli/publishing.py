"""Commands that change what is live: `plan`, `apply`, `rollback`, `pause`, `resume`, `stop`, `backfill`.

Owns the words, the exit codes, and the Git commit named in a release. Must not publish or steer by itself.
"""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.actions.inspect import Inspection, inspect_folder
from app.actions.plan import Guard, Plan, Unreadable, make_plan
from app.actions.plan.applying import (
    Applied,
    NoSuchRelease,
    NotConfirmed,
    Order,
    OtherPlan,
    Outcome,
    PlanFirst,
    RefusedPlan,
    apply_planned,
    files_of,
)
from app.actions.publish import Authorship
from app.actions.shelf import Shelf
from app.actions.steer import NoSuchCampaign, Steered, Stop, kill, resume_all
from app.actions.steer import backfill as let_in
from app.actions.steer import pause as pause_campaign
from app.actions.steer import resume as resume_campaign
from app.actions.steer import stop as stop_campaign
from app.cli.files import print_problems
from app.cli.plans import lines, markdown
from app.cli.running import settings_or_exit
from app.cli.tongues import lang_option
from app.core.book import Resumption
from app.core.figures import grouped, isolated
from app.core.nurture.backfill import Anchor
from app.core.saying.notes import back_to
from app.main import build_world, today
from app.world import World

_folder = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    show_default=True,
    help="Where campaigns/ and email_templates/ are.",
)


@dataclass(frozen=True, slots=True)
class _Reader:
    """For whom a plan is printed: the site's zone, and a language."""

    zone: str
    lang: str

    def lines(self, made: Plan) -> str:
        return "\n".join(lines(made, self.zone, self.lang))

    def says(self, english: str, persian: str) -> str:
        return persian if self.lang == "fa" else english


def _world() -> tuple[World, Shelf]:
    world = build_world(settings_or_exit())
    return world, Shelf(world.secret)


# ── Plan ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print it for a comment on a pull request.")
@lang_option
def plan(folder: Path, as_json: bool, as_markdown: bool, lang: str) -> None:
    """Say what publishing FOLDER would change, and what that does to whom. Nothing is sent, nothing is written.

    Exit code 0 when it could be applied, 1 when files have errors or it is refused, 3 when it needs a confirmation.
    """
    world, shelf = _world()
    made = _planned(world, shelf, inspect_folder(folder, today()), is_quiet=as_json or as_markdown)
    reader = _Reader(_zone(world, shelf), lang)
    if as_json:
        click.echo(json.dumps(plain(made), ensure_ascii=False, indent=1, default=str))
    else:
        _print("\n".join(markdown(made, reader.zone)) if as_markdown else reader.lines(made))
    sys.exit(1 if made.refusals else 3 if made.guard.is_over else 0)


def plain(made: Plan) -> dict[str, object]:
    """A plan as JSON knows it; the counts behind it stay out."""
    found = asdict(replace(made, tally=type(made.tally)()), dict_factory=_texts_by_language)
    found.pop("tally")
    return found | {"is_harmless": made.is_harmless}


def _texts_by_language(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """`{"en": …, "fa": …}` for what the plan says in both languages."""
    return dict(pairs[0][1]) if [name for name, _ in pairs] == ["variants"] else dict(pairs)


def _planned(world: World, shelf: Shelf, inspection: Inspection, *, is_quiet: bool = False) -> Plan:
    if inspection.workspace is None or inspection.errors:
        print_problems(inspection.errors or inspection.problems)
        sys.exit(1)
    processes = min(4, os.cpu_count() or 1)
    with _bar(is_quiet) as bar:
        task = bar.add_task("people", total=None)
        made = make_plan(
            world, shelf, inspection, lambda done, total: bar.update(task, completed=done, total=total), processes
        )
    if isinstance(made, Unreadable):
        print_problems(made.problems)
        sys.exit(1)
    return made


def _bar(is_quiet: bool) -> Progress:
    columns = (TextColumn("looking at"), MofNCompleteColumn(), TextColumn("people"), BarColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=is_quiet or not sys.stderr.isatty())


def _zone(world: World, shelf: Shelf) -> str:
    with world.transaction("read") as session:
        shelved = shelf.look(session)
    return shelved.book.site.timezone if shelved else "UTC"


def _print(text: str) -> None:
    """Plain text with the signs coloured, where there is a terminal."""
    colours = {"✗": "red", "+": "green", "-": "red", "~": "yellow"}
    for line in text.splitlines():
        sign = line.strip()[:1]
        click.secho(line, fg=colours.get(sign) if line.strip()[1:2] == " " else None)


# ── Apply ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.argument("digest", default="")
@_folder
@click.option("-m", "--message", default="", help="Why, in a sentence; kept with the release.")
@click.option("--author", default="", help="Who publishes; your login name when not given.")
@click.option("--confirm", type=int, help="The number of mails, where the plan is over the guard.")
@lang_option
def apply(digest: str, folder: Path, message: str, author: str, confirm: int | None, lang: str) -> None:  # noqa: PLR0913 (click)
    """Publish what was planned under DIGEST, and nothing else. Nobody enters a campaign by it.

    Without a digest only a first release, or one that touches nobody, is applied. Exit code 1 when files have errors,
    the plan is refused or another one; 3 when it needs a confirmation.
    """
    if digest and Path(digest).is_dir():
        digest, folder = "", Path(digest)
    world, shelf = _world()
    by = Authorship(author or getpass.getuser(), message, git_commit(folder))
    inspection = inspect_folder(folder, today())
    if inspection.workspace is None or inspection.errors:
        print_problems(inspection.errors or inspection.problems)
        sys.exit(1)
    _tell(apply_planned(world, shelf, inspection, Order(by, digest, confirm)), _Reader(_zone(world, shelf), lang))


@click.command()
@click.argument("release", type=int, required=False)
@_folder
@click.option("-m", "--message", default="", help="Why, in a sentence.")
@click.option("--author", default="", help="Who; your login name when not given.")
@click.option("--confirm", type=int, help="The number of mails, where the plan is over the guard.")
@lang_option
def rollback(release: int | None, folder: Path, message: str, author: str, confirm: int | None, lang: str) -> None:  # noqa: PLR0913 (click)
    """Make an earlier release live again, the one before the live one when RELEASE is not given.

    It is planned and guarded as every publication; people keep what they received, and go on from where they stand.
    """
    world, shelf = _world()
    inspection = files_of(world, release, today(), folder)
    if isinstance(inspection, NoSuchRelease):
        raise click.ClickException(
            "there is no earlier release" if release is None else f"there is no release {release}"
        )
    made = _planned(world, shelf, inspection)
    order = Order(Authorship(author or getpass.getuser(), message or back_to(release)), made.digest, confirm)
    _tell(apply_planned(world, shelf, inspection, order), _Reader(_zone(world, shelf), lang))


def _tell(outcome: Outcome, reader: _Reader) -> None:
    match outcome:
        case Unreadable():
            print_problems(outcome.problems)
            sys.exit(1)
        case Applied():
            _print(reader.lines(outcome.plan))
            live = reader.says("is live", "جاری است")
            words = live if outcome.is_new else reader.says("was live already", "پیش‌تر هم جاری بود")
            release = reader.says(f"release {outcome.release_id}", f"انتشار {grouped(outcome.release_id)}")
            click.echo(f"{release} ({outcome.plan.files}) {words}")
        case OtherPlan() | PlanFirst() | RefusedPlan():
            _refuse(outcome.plan, reader, _why_not(outcome, reader))
        case NotConfirmed():
            _refuse(outcome.plan, reader, _unconfirmed(outcome.plan.guard, reader), code=3)


def _why_not(outcome: OtherPlan | PlanFirst | RefusedPlan, reader: _Reader) -> str:
    match outcome:
        case OtherPlan():
            return reader.says(
                "the files or what is live changed since that plan; this is the plan now",
                "فایل‌ها یا آنچه جاری است پس از آن نقشه عوض شده‌اند؛ نقشهٔ اکنون این است",
            )
        case PlanFirst():
            apply = f"parvar apply {outcome.plan.digest}"
            return reader.says(
                f"this touches people; look at the plan, then: {apply}",
                f"این کار به کسانی می‌رسد؛ نقشه را ببینید، سپس: {isolated(apply)}",
            )
        case RefusedPlan():
            return reader.says("refused; nothing was changed", "رد شد؛ چیزی عوض نشد")


def _unconfirmed(guard: Guard, reader: _Reader) -> str:
    confirm, peak, limit = f"--confirm {guard.mails}", guard.peak, guard.limit
    return reader.says(
        f"{peak:,} mails in one hour, the limit is {limit:,}; add {confirm}",
        f"ایمیل‌های شلوغ‌ترین ساعت {grouped(peak)} است و حد {grouped(limit)}؛ {isolated(confirm)} را بیفزایید",
    )


def _refuse(made: Plan, reader: _Reader, words: str, code: int = 1) -> None:
    _print(reader.lines(made))
    click.secho(words, fg="red", err=True)
    sys.exit(code)


def git_commit(folder: Path) -> str:
    """The commit the folder stands at, "" outside Git."""
    command = ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


# ── Steering ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.argument("campaign")
def pause(campaign: str) -> None:
    """Pause a campaign: nothing of it leaves, nobody in it moves on. Outlasts a publication."""
    _steered(pause_campaign(*_world(), campaign))


@click.command()
@click.argument("campaign", default="")
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Let mail leave again after `parvar stop --all`, or after everything was stopped by itself.",
)
@click.option(
    "--policy",
    type=click.Choice([each.value for each in Resumption]),
    default=Resumption.KEEP_DATES.value,
    show_default=True,
    help="What becomes of the waits people were in.",
)
def resume(campaign: str, every: bool, policy: str) -> None:
    """Let a paused or stopped campaign go on as its file says."""
    world, shelf = _world()
    if every:
        resume_all(world, shelf)
        click.echo("mail leaves again, and all campaigns go on that were not paused one by one")
        return
    _steered(resume_campaign(world, shelf, _named(campaign), Resumption(policy)))


@click.command()
@click.argument("campaign", default="")
@click.option("--all", "every", is_flag=True, help="The kill switch: within a second no mail leaves any more.")
@click.option("--drain", "how", flag_value="drain", help="No new entries; who is under way finishes.")
@click.option("--now", "how", flag_value="now", help="Every run ends, what is queued is taken back.")
def stop(campaign: str, every: bool, how: str | None) -> None:
    """Stop a campaign, or with --all every mail of the site."""
    world, shelf = _world()
    if every:
        kill(world)
        click.echo("no mail leaves any more; decisions go on. Undo: parvar resume --all")
        return
    if how is None:
        raise click.UsageError("say --drain (who is under way finishes) or --now (every run ends)")
    _steered(stop_campaign(world, shelf, _named(campaign), Stop(how)))


def _named(campaign: str) -> str:
    if not campaign:
        raise click.UsageError("name a campaign, or write --all")
    return campaign


def _steered(done: Steered | NoSuchCampaign) -> None:
    if isinstance(done, NoSuchCampaign):
        raise click.ClickException(f"there is no campaign {done.wanted}; there are {', '.join(done.known) or 'none'}")
    click.echo(f"{done.campaign}: {done.standing} · {done.people:,} people are looked at")


@click.command()
@click.argument("campaign")
@click.option("--anchor", type=click.Choice([each.value for each in Anchor]), required=True, help="When a run began.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--confirm", type=int, help="The number of people, where the guard asks for it.")
def backfill(campaign: str, anchor: str, dry_run: bool, confirm: int | None) -> None:
    """Let in who qualifies already: who did what enters before it was published, or for whom the condition is true.

    `original` counts waits from then (what is long past is skipped), `now` begins today for everybody.
    """
    world, shelf = _world()
    counted = let_in(world, shelf, campaign, Anchor(anchor), dry=True)
    if isinstance(counted, NoSuchCampaign):
        _steered(counted)
        return
    click.echo(f"{counted.entered:,} of {counted.looked_at:,} people enter {campaign}")
    mails = f"next 24 h {counted.mails_day:,}   next 7 days {counted.mails_week:,}"
    click.echo(f"  mails    {mails}   peak {counted.peak:,} an hour")
    for code, people in counted.refused:
        click.echo(f"  refused  {people:,}  {code.replace('_', ' ')}")
    if dry_run:
        return
    limit = _limit(world, shelf)
    if counted.peak > limit and confirm != counted.entered:
        click.secho(f"over the guard ({limit:,} an hour); add --confirm {counted.entered}", fg="red", err=True)
        sys.exit(3)
    done = let_in(world, shelf, campaign, Anchor(anchor), dry=False)
    if isinstance(done, NoSuchCampaign):
        _steered(done)
        return
    click.echo(f"{done.entered:,} people are in")


def _limit(world: World, shelf: Shelf) -> int:
    with world.transaction("read") as session:
        shelved = shelf.look(session)
    return shelved.book.site.guards.confirm_above if shelved else 0
