"""Mails as seen from the campaigns: twins, mails nobody sends, subjects and variables that are not there.

Owns these findings. Must not know what a mail says; its facts are handed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from app.core.campaign import Ask, ByEvent, Campaign, Notify, Send, Step
from app.core.check.finding import error, finding
from app.core.problem import Problem
from app.core.text import Place
from app.core.workspace import MailFacts, Workspace

SYSTEM: Final = "system/"
"""Mails the engine sends by itself: confirmation, reports, notices."""


def mail_findings(workspace: Workspace, facts: tuple[MailFacts, ...]) -> Iterator[Problem]:
    """Findings about mails; without facts only those that the files' names show."""
    by_mail: dict[str, list[MailFacts]] = {}
    for each in facts:
        by_mail.setdefault(each.key, []).append(each)
    yield from _locales(workspace)
    yield from _unused(workspace)
    for twins in by_mail.values():
        yield from _unlike(twins)
    yield from _service(workspace, by_mail)
    for campaign in workspace.campaigns.values():
        for step in campaign.steps():
            yield from _step(step, campaign, by_mail, workspace)


def sent_mails(workspace: Workspace) -> frozenset[str]:
    """Every mail that a campaign or a box sends, to subscribers or to the team."""
    sent = {mail for campaign in workspace.campaigns.values() for mail in campaign.own_mails}
    for campaign in workspace.campaigns.values():
        sent.update(step.mail for step in campaign.steps() if isinstance(step, Notify))
    for box in workspace.boxes.values():
        sent.update((box.confirm_mail, box.deliver))
    return frozenset(sent) - {""}


def _locales(workspace: Workspace) -> Iterator[Problem]:
    locales = workspace.site.locales
    team = {step.mail for c in workspace.campaigns.values() for step in c.steps() if isinstance(step, Notify)}
    for key, paths in workspace.mails.items():
        place = Place(next(iter(paths.values())), 1, 1)
        if "" in paths and len(locales) > 1:
            message = f"this name says no language, and the site has {', '.join(locales)}"
            name = paths[""].rpartition(".")
            yield error(
                "mail-without-locale", Place(paths[""], 1, 1), message, f"Rename it: {name[0]}.{locales[0]}.{name[2]}"
            )
            continue
        for locale in paths:
            if locale and locale not in locales:
                yield finding(
                    "unknown-locale",
                    Place(paths[locale], 1, 1),
                    f"the site has no locale '{locale}'",
                    "Remove the file",
                )
        lacking = [locale for locale in locales if locale not in paths and "" not in paths]
        if lacking and key not in team:
            file = next(iter(paths.values())).rsplit(".", 2)
            message = f"'{key}' is missing in {', '.join(lacking)}"
            yield finding("missing-twin", place, message, f"Create {file[0]}.{lacking[0]}.{file[2]}")


def _unused(workspace: Workspace) -> Iterator[Problem]:
    sent = sent_mails(workspace)
    for key, paths in workspace.mails.items():
        if key not in sent and not key.startswith(SYSTEM):
            place = Place(next(iter(paths.values())), 1, 1)
            yield finding("mail-unused", place, f"no campaign and no box sends '{key}'", "Send it, or remove it")


def _unlike(twins: list[MailFacts]) -> Iterator[Problem]:
    """Twins of two classes. That they carry the same links and subjects is looked at where mails are read."""
    first = twins[0]
    for twin in twins[1:]:
        if first.is_service != twin.is_service:
            message = f"one of the twins is a service mail, the other ({first.place.file}) is not"
            yield error("twin-service", twin.place, message, "Write `service: true` in both, or in none")


def _service(workspace: Workspace, by_mail: Mapping[str, list[MailFacts]]) -> Iterator[Problem]:
    for box in workspace.boxes.values():
        for key in (box.confirm_mail, box.deliver):
            for mail in by_mail.get(key, ()):
                if not mail.is_service:
                    message = f"the box '{box.key}' promises '{key}', and limits may hold it back"
                    yield error("deliver-not-service", mail.place, message, "Add to its head: service: true")


def _step(
    step: Step, campaign: Campaign, by_mail: Mapping[str, list[MailFacts]], workspace: Workspace
) -> Iterator[Problem]:
    if not isinstance(step, Send | Ask):
        return
    for mail in by_mail.get(step.mail, ()):
        if isinstance(step, Send) and step.subject and step.subject not in mail.subjects:
            known = ", ".join(mail.subjects) or "none"
            message = f"'{step.mail}' has no subject called '{step.subject}' in {mail.locale or 'its file'}"
            yield error("unknown-subject", step.place, message, f"It has: {known}")
    variables = frozenset(name for mail in by_mail.get(step.mail, ()) for name in mail.variables)
    yield from _unprovided(step, variables, campaign, workspace)


# What a step does not provide is said at the step; what no step could provide, a misspelt name, in the mail.


def _unprovided(
    step: Send | Ask, variables: frozenset[str], campaign: Campaign, workspace: Workspace
) -> Iterator[Problem]:
    roots = {variable.partition(".")[0] for variable in variables}
    if "offer" in roots and not (isinstance(step, Send) and step.offer):
        message = f"'{step.mail}' shows an offer, and this step gives none"
        yield error("mail-needs-offer", step.place, message, f"Add: offer: {next(iter(workspace.offers), 'spring')}")
    if "survey" in roots and not isinstance(step, Ask):
        message = f"'{step.mail}' asks a survey, and this step does not wait for the answer"
        survey = next(iter(workspace.surveys), "nps")
        yield error("mail-needs-ask", step.place, message, f"Write: ask: {step.mail}, with survey: {survey}")
    wanted = {variable.partition(".")[2] for variable in variables if variable.startswith("event.")}
    if wanted:
        yield from _fields(step, wanted, campaign, workspace)


def _fields(step: Send | Ask, wanted: set[str], campaign: Campaign, workspace: Workspace) -> Iterator[Problem]:
    events = events_of(campaign)
    if not events:
        message = f"'{step.mail}' shows a field of an event, and not every run here began with one"
        yield error("mail-needs-event", step.place, message, "Enter only by `on:`, or send another mail")
    known = fields_shown(workspace, step.mail)
    for name in events:
        for field in sorted(wanted & known - workspace.site.fields_of(name)):
            message = f"'{step.mail}' shows event.{field}, and the event '{name}' has no such field"
            fix = f"Add it to the fields of {name} in campaigns/site.yaml"
            yield error("mail-needs-event", step.place, message, fix)


def events_of(campaign: Campaign) -> tuple[str, ...]:
    """The events that begin runs of a campaign; none when a run may begin without one."""
    rules = [entry.rule for entry in campaign.entries]
    events = tuple(rule.event for rule in rules if isinstance(rule, ByEvent))
    return events if len(events) == len(rules) else ()


def fields_shown(workspace: Workspace, mail: str) -> frozenset[str]:
    """The event fields that some step which sends a mail provides."""
    senders = [each for each in workspace.campaigns.values() if any(_sends(step, mail) for step in each.steps())]
    fields = (workspace.site.fields_of(event) for sender in senders for event in events_of(sender))
    return frozenset(field for each in fields for field in each)


def _sends(step: Step, mail: str) -> bool:
    return isinstance(step, Send | Ask) and step.mail == mail
