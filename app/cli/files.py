"""Commands about files: `check`, `schema`, `fmt`.

Owns how findings are printed. Must not find any.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from app import files
from app.actions.inspect import inspect_folder
from app.core.problem import Problem
from app.main import today


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON, for tools.")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
def check(folder: Path, as_json: bool, strict: bool) -> None:
    """Say everything that is wrong with campaigns and mails below FOLDER, with file, line, column and the mending.

    Exit code 1 when there are errors, 0 otherwise.
    """
    problems = inspect_folder(folder, today()).problems
    if as_json:
        click.echo(json.dumps([asdict(problem) for problem in problems], ensure_ascii=False, indent=1))
    else:
        print_problems(problems)
    if any(problem.is_error or strict for problem in problems):
        sys.exit(1)


@click.command()
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it there instead.")
def schema(output: Path | None) -> None:
    """Print the JSON Schema that lets editors complete and explain campaign files."""
    text = json.dumps(files.schema(), ensure_ascii=False, indent=1) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit with 1 when a file would change.")
def fmt(paths: Sequence[Path], only_check: bool) -> None:
    """Write campaign files in the one canonical form: order of keys, quotes, spacing. Comments stay, meaning too."""
    changed = [path for path in _yaml_files(paths) if _formatted(path, only_check)]
    for path in changed:
        click.echo(f"{'would change' if only_check else 'changed'} {path}")
    if only_check and changed:
        sys.exit(1)


def _yaml_files(paths: Sequence[Path]) -> list[Path]:
    return [found for path in paths for found in (sorted(path.rglob("*.yaml")) if path.is_dir() else [path])]


def _formatted(path: Path, only_check: bool) -> bool:
    before = path.read_text()
    after = files.fmt(before)
    if after != before and not only_check:
        path.write_text(after)
    return after != before


def print_problems(problems: Sequence[Problem]) -> None:
    """A line for each finding, its mending below, and the sum at the end."""
    console = Console(soft_wrap=True, highlight=False)
    for problem in problems:
        colour = "red" if problem.is_error else "yellow"
        place = f"{problem.file}:{problem.line}:{problem.column}"
        console.print(Text.assemble((place, "bold"), "  ", (problem.message, colour), "  ", (problem.code, "dim")))
        for line in problem.fix.splitlines():
            console.print(Text(f"    {line}", style="dim"))
    counted = Counter(problem.severity for problem in problems)
    console.print(_sum(counted["error"], counted["warning"]))


def _sum(errors: int, warnings: int) -> Text:
    if not errors and not warnings:
        return Text("Nothing to complain about.", style="green")
    words = [f"{errors} error{'s' if errors != 1 else ''}", f"{warnings} warning{'s' if warnings != 1 else ''}"]
    return Text(", ".join(words), style="red" if errors else "yellow")
