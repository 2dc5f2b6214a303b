"""`parvar apply`: publishes the files.

Owns the words and the Git commit named in a release. Must not publish itself.
"""

from __future__ import annotations

import getpass
import subprocess
import sys
from pathlib import Path

import click

from app.actions.inspect import inspect_folder
from app.actions.publish import Authorship, NotPublished
from app.actions.publish import apply as publish
from app.cli.files import print_problems
from app.cli.running import settings_or_exit
from app.main import build_world, today


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("-m", "--message", default="", help="Why, in a sentence; kept with the release.")
@click.option("--author", default="", help="Who publishes; your login name when not given.")
def apply(folder: Path, message: str, author: str) -> None:
    """Publish campaigns and mails below FOLDER. Nobody enters a campaign by it; errors publish nothing."""
    inspection = inspect_folder(folder, today())
    by = Authorship(author or getpass.getuser(), message, git_commit(folder))
    published = publish(build_world(settings_or_exit()), inspection, by)
    if isinstance(published, NotPublished):
        print_problems(published.problems)
        sys.exit(1)
    words = "is live" if published.is_new else "was live already"
    click.echo(f"release {published.release_id} ({published.digest}) {words}")


def git_commit(folder: Path) -> str:
    """The commit the folder stands at, "" outside Git."""
    command = ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
