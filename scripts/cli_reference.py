"""Writes docs/reference/cli.md out of the commands themselves. Run: `python scripts/cli_reference.py`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from app.cli import COMMANDS

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
HEAD = [
    "# Commands",
    "",
    "Every command is part of `parvar`; `parvar COMMAND --help` says the same. Written by `scripts/cli_reference.py`.",
    "",
]


def page() -> str:
    """The whole page."""
    lines = [*HEAD, *(line for name in COMMANDS for line in section(name))]
    return "\n".join(lines).rstrip() + "\n"


def section(name: str) -> Iterator[str]:
    """One command with those under it."""
    module, attribute, about = COMMANDS[name]
    command: click.Command = getattr(importlib.import_module(module), attribute)
    yield from _described(command, click.Context(command, info_name=f"parvar {name}"), about)


def _described(command: click.Command, context: click.Context, about: str) -> Iterator[str]:
    """What it does, how it is called, its options; then the commands of a group, one level below."""
    depth = 2 + (context.parent is not None)
    yield from (f"{'#' * depth} {context.command_path}", "", cleandoc(command.help or about), "")
    wholly = [piece for piece in command.collect_usage_pieces(context) if piece]
    yield from ("```", " ".join([context.command_path, *wholly]), "```", "")
    records = [p.get_help_record(context) for p in command.params if isinstance(p, click.Option)]
    rows = [f"| `{_cell(record[0])}` | {_cell(record[1])} |" for record in records if record]
    yield from ["| option | meaning |", "|---|---|", *rows, ""] if rows else []
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _described(below, click.Context(below, context, name), "")


def _cell(text: str) -> str:
    return text.replace("|", "/")


def main() -> None:
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
