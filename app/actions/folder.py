"""Folder: the site's files on this server, as far as one may publish from a page: where they lie, what differs.

Owns finding the folder of the settings and comparing its texts with what is live. Must not publish.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.files.sources import load
from app.settings import Settings
from app.store import releases
from app.world import World


def folder_of(settings: Settings) -> Path | None:
    """The folder that holds `campaigns/` and `email_templates/`; None when the settings name none such."""
    campaigns, templates = settings.campaigns.resolve(), settings.templates.resolve()
    is_pair = campaigns.name == "campaigns" and templates == campaigns.parent / "email_templates"
    return campaigns.parent if is_pair and campaigns.is_dir() else None


@dataclass(frozen=True, slots=True)
class Unpublished:
    """Files that differ from the live release: new, changed, gone."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        return len(self.new) + len(self.changed) + len(self.gone)


def unpublished(world: World) -> Unpublished | None:
    """What of the folder is not live; None without a folder. Reads texts only: no mail is written for it."""
    folder = folder_of(world.settings)
    if folder is None:
        return None
    there = load(folder)
    with world.transaction("read") as session:
        release = releases.control(session).release_id
        live = releases.sources_of(session, release) if release is not None else {}
    return Unpublished(
        tuple(sorted(there.keys() - live.keys())),
        tuple(sorted(path for path in there.keys() & live.keys() if there[path] != live[path])),
        tuple(sorted(live.keys() - there.keys())),
    )
