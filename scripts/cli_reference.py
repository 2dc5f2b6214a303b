"""Writes docs/reference/cli.md out of the commands themselves. Run: `python scripts/cli_reference.py`."""

from __future__ import annotations

import importlib
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


def section(name: str) -> list[str]:
    """One command: what it does, how it is called, its options."""
    module, attribute, about = COMMANDS[name]
    command: click.Command = getattr(importlib.import_module(module), attribute)
    context = click.Context(command, info_name=f"parvar {name}")
    arguments = " ".join(p.make_metavar(context) for p in command.params if isinstance(p, click.Argument))
    lines = [f"## parvar {name}", "", cleandoc(command.help or about), ""]
    lines += ["```", f"parvar {name} [OPTIONS] {arguments}".rstrip(), "```", ""]
    records = [p.get_help_record(context) for p in command.params if isinstance(p, click.Option)]
    rows = [f"| `{_cell(record[0])}` | {_cell(record[1])} |" for record in records if record]
    return [*lines, "| option | meaning |", "|---|---|", *rows, ""] if rows else lines


def _cell(text: str) -> str:
    return text.replace("|", "/")


def main() -> None:
    lines = [*HEAD, *(line for name in COMMANDS for line in section(name))]
    PAGE.write_text("\n".join(lines).rstrip() + "\n", "utf-8")


if __name__ == "__main__":
    main()
