"""The commands of `parvar`. Each is loaded when it is called, so that `parvar check` does not wait for a database.

Owns the names of the commands. Must not hold logic: a command reads its arguments, calls an action, prints the answer.
"""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "run": ("app.cli.running", "run", "Run everything: web, worker and clock, in one process tree."),
    "demo": ("app.cli.running", "demo", "Start the whole story on this machine and print the addresses to open."),
    "web": ("app.cli.running", "web", "Run web processes only."),
    "worker": ("app.cli.running", "worker", "Run the worker only: decide, deliver, ingest."),
    "shop": ("app.cli.running", "shop", "Run the demo's shop, a site of its own."),
    "check": ("app.cli.files", "check", "Say everything that is wrong with campaigns and mails."),
    "schema": ("app.cli.files", "schema", "Print the JSON Schema of campaign files, for editors."),
    "fmt": ("app.cli.files", "fmt", "Write campaign files in the canonical form."),
    "preview": ("app.cli.previewing", "preview", "Show a mail as anybody would read it on any day; send test mails."),
    "simulate": ("app.cli.simulating", "simulate", "Let a made-up audience live with the campaigns for a year."),
    "test": ("app.cli.rehearsing", "test", "Run the scenarios on a virtual clock."),
    "plan": ("app.cli.publishing", "plan", "Say what publishing would change, and what that does to whom."),
    "apply": ("app.cli.publishing", "apply", "Publish what was planned."),
    "rollback": ("app.cli.publishing", "rollback", "Make an earlier release live again."),
    "pause": ("app.cli.publishing", "pause", "Pause a campaign."),
    "resume": ("app.cli.publishing", "resume", "Let a paused campaign, or all mail, go on."),
    "stop": ("app.cli.publishing", "stop", "Stop a campaign, or with --all every mail."),
    "backfill": ("app.cli.publishing", "backfill", "Let people into a campaign who qualify already."),
    "replay": ("app.cli.explaining", "replay_command", "Rebuild lives from stored facts and prove them equal."),
    "graph": ("app.cli.graphing", "graph", "Draw a campaign, with the people in it and what changed."),
    "explain": ("app.cli.explaining", "explain_command", "Why did, didn't, or when will somebody get a mail."),
    "accounts": ("app.cli.accounts", "accounts", "Let the first owner into the dashboard."),
    "verdicts": ("app.cli.verdicts", "verdicts", "Judge history again, and hold the counters against the facts."),
    "keys": ("app.cli.keys", "keys", "Make, list and revoke keys of the HTTP API."),
    "codes": ("app.cli.codes", "codes", "Fill pools of coupon codes, and look how full they are."),
    "messages": ("app.cli.messages", "messages", "List, retry and resolve mails that need a decision."),
    "bounce": ("app.cli.bounce", "bounce", "Take in one mail that came back, from standard input."),
    "doctor": ("app.cli.doctor", "doctor", "Look for what is wrong with this installation."),
    "migrate": ("app.cli.migrating", "migrate", "Bring the database to the form this version needs."),
}


class Commands(click.Group):
    """The group of commands, each imported upon its first use."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, _, about) in COMMANDS.items()])


@click.command(cls=Commands)
@click.version_option(package_name="parvar")
def main() -> None:
    """Parvar, an email nurture engine: campaigns as files, honest engagement, mail that survives a pulled plug."""
