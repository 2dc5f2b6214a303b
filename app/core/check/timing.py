"""Times against the rules of contact: quiet hours, limits and delays that cannot work together.

Owns these findings. Must not plan a single mail.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from app.core.campaign import Campaign, ForDate, ForDay, ForDays, Once, Send, Wait, Yearly
from app.core.check.finding import finding
from app.core.instants import DAY, format_span
from app.core.problem import Problem
from app.core.text import Place
from app.core.windows import Clock, QuietHours
from app.core.workspace import Workspace


def timing_findings(workspace: Workspace) -> Iterator[Problem]:
    """Findings about clocks in quiet hours, and about delays shorter or longer than the rules around them."""
    yield from _limits(workspace)
    hours = workspace.site.contact.quiet.hours
    for campaign in workspace.campaigns.values():
        if hours is not None:
            for clock, place in _clocks(campaign):
                yield from _in_quiet(clock, place, hours)
        yield from _fresh(campaign)


def _limits(workspace: Workspace) -> Iterator[Problem]:
    contact, place = workspace.site.contact, workspace.site.contact.place
    windows = [(DAY if limit.window is None else limit.window, limit) for limit in contact.limits]
    longest = max(windows, key=lambda pair: pair[0], default=None)
    if longest is not None and contact.delay_up_to < longest[0]:
        message = (
            f"a mail over the limit '{longest[1]}' may wait only {format_span(contact.delay_up_to)}: it is skipped"
        )
        yield finding("delay-too-short", place, message, f"Write: delay_up_to: {format_span(longest[0])}")
    skip = workspace.site.defaults.overdue.skip_older_than
    if contact.delay_up_to > skip:
        message = (
            f"limits may delay a mail by {format_span(contact.delay_up_to)}, "
            f"and {format_span(skip)} late it is skipped as stale"
        )
        yield finding("delay-too-long", place, message, f"Write: delay_up_to: {format_span(skip)}")


def _clocks(campaign: Campaign) -> Iterator[tuple[Clock, Place]]:
    for step in campaign.steps():
        if isinstance(step, Wait) and isinstance(step.rule, ForDays | ForDay | ForDate) and step.rule.at is not None:
            yield step.rule.at, step.place
    for entry in campaign.entries:
        if isinstance(entry.rule, Yearly | Once):
            yield entry.rule.at, entry.place
    if campaign.stream is not None:
        yield campaign.stream.beat.at, campaign.place


def _in_quiet(clock: Clock, place: Place, hours: QuietHours) -> Iterator[Problem]:
    if hours.cover(datetime(2000, 1, 1, clock.hour, clock.minute)):  # noqa: DTZ001  # only its clock is read
        message = f"{clock} lies in the quiet hours {hours}: mail waits until {hours.end}"
        yield finding("at-in-quiet-hours", place, message, f'Write: at: "{hours.end}"')


def _fresh(campaign: Campaign) -> Iterator[Problem]:
    for step in campaign.steps():
        if isinstance(step, Send) and step.fresh_for is not None and step.fresh_for > campaign.overdue.skip_older_than:
            skip = format_span(campaign.overdue.skip_older_than)
            message = f"this mail is skipped {skip} late in any case, before its `fresh_for` is over"
            yield finding("fresh-too-long", step.place, message, f"Write: fresh_for: {skip}")
