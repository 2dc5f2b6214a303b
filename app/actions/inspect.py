"""Inspect: reads the files of a site and says everything that is wrong with them, campaigns and mails together.

Owns bringing the two readers together: mails tell campaigns their links, campaigns tell mails their variables.
Must not publish, and touches no database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from app.actions.compose import content_values
from app.actions.mailkeep import MailKeep
from app.actions.notices import NOTICES
from app.core.campaign import Ask, Campaign, Notify, Send
from app.core.check.mails import events_of, fields_shown
from app.core.problem import Problem
from app.core.site import Site
from app.core.text import Place
from app.core.workspace import MailFacts, Workspace
from app.files.checking import check
from app.files.reader import read
from app.files.sources import load
from app.mail.compiled import CompiledMail, Refused
from app.mail.components import SiteFacts
from app.mail.link_table import UtmRule
from app.mail.names import LINK_NAMES, SITE_NAMES, VariableNames, differing_twins, links_of, variables_of
from app.mail.publish import PublishOptions, compile_mail
from app.mail.source import FORMATS, Layouts, MailSource, MailSources, SourceText, read_mails

TEMPLATES = "email_templates/"
LAYOUTS = "layouts/"
PERSON_NAMES = frozenset({"subscriber.address", "subscriber.locale"})
OFFER_NAMES = frozenset(
    {"offer.code", "offer.ends", "offer.title", "offer.gives", "offer.left", "offer.countdown", "offer.link"}
)
STORY_NAMES = frozenset({"notice.story", "notice.answer", "notice.comment"})
"""What a mail to our own people may tell of the person it is about."""
ROOT_NAMES = frozenset({"stage", "kind", "run.campaign"})
CONTENT_NAMES = frozenset({"testimonial()", "product()", "guarantee()", "articles()"})


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the files say. `workspace` is None when they cannot be read as a whole."""

    sources: Mapping[str, str]
    workspace: Workspace | None
    mails: Mapping[tuple[str, str], CompiledMail]
    problems: tuple[Problem, ...]
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """The pictures of the mails by their public names."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.is_error)


def inspect_folder(folder: Path, today: date) -> Inspection:
    """Read and check the site below a folder (`campaigns/` and `email_templates/`)."""
    return inspect(load(folder), today, folder)


def inspect(sources: Mapping[str, str], today: date, folder: Path | None = None, only: str = "") -> Inspection:
    """Check texts by path. `folder` is where pictures and attachments of mails are looked up.

    With `only` no other mail is compiled, which is nearly all of the work: fit for looking at one, not for publishing.
    """
    mails = mails_of(sources)
    keep = MailKeep(sources, folder)
    facts = tuple(facts_of(mails, keep))
    workspace, _ = read(sources, facts)
    compiled: dict[tuple[str, str], CompiledMail] = {}
    lint = list(mails.problems)
    if workspace is not None:
        compiled, found = _compiled(workspace, _just(mails, only) if only else mails, folder, keep)
        lint += found
    problems = check(sources, facts, today, lint)
    return Inspection(sources, workspace, compiled, problems, _pictures(compiled, folder))


def _pictures(compiled: Mapping[tuple[str, str], CompiledMail], folder: Path | None) -> dict[str, bytes]:
    if folder is None:
        return {}
    read, shown = _reader(folder), {image for mail in compiled.values() for image in mail.images}
    return {image.public_name: data for image in shown if (data := read(image.path)) is not None}


# ── Mails ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def mails_of(sources: Mapping[str, str]) -> MailSources:
    """The mails among the sources, with the layouts they stand on."""
    below = {path.removeprefix(TEMPLATES): text for path, text in sources.items() if path.startswith(TEMPLATES)}
    layouts = Layouts({name: text for name, text in below.items() if name.startswith(LAYOUTS)}, TEMPLATES.rstrip("/"))
    texts = [_source(name, text) for name, text in sorted(below.items()) if not name.startswith(LAYOUTS)]
    return read_mails([text for text in texts if text is not None], layouts)


def _source(name: str, text: str) -> SourceText | None:
    stem, _, ending = name.rpartition(".")
    if ending not in FORMATS:
        return None
    key, _, locale = stem.rpartition(".")
    return SourceText(key or stem, locale if key else "", TEMPLATES + name, text)


def _just(mails: MailSources, key: str) -> MailSources:
    return replace(mails, mails={place: mail for place, mail in mails.mails.items() if place[0] == key})


def facts_of(mails: MailSources, keep: MailKeep | None = None) -> Iterator[MailFacts]:
    """What campaigns have to know of each mail in each locale."""
    for _, mail in sorted(mails.mails.items()):
        make = partial(_facts_of, mail, mails.layouts)
        yield make() if keep is None else keep.facts(mail, make)


def _facts_of(mail: MailSource, layouts: Layouts) -> MailFacts:
    links, variables = links_of(mail, layouts), variables_of(mail, layouts)
    told = (links.names, links.topics, mail.subject_variants, mail.is_service, variables)
    return MailFacts(mail.key, mail.locale, *told, Place(mail.file, 1, 1))


def _compiled(
    workspace: Workspace, mails: MailSources, folder: Path | None, keep: MailKeep
) -> tuple[dict[tuple[str, str], CompiledMail], list[Problem]]:
    compiled: dict[tuple[str, str], CompiledMail] = {}
    problems: list[Problem] = []
    for (key, locale), mail in sorted(mails.mails.items()):
        made = _made(mail, mails.layouts, _options(workspace, mail, folder), keep)
        if isinstance(made, Refused):
            problems += made.problems
        else:
            problems += made.findings
            compiled[key, locale] = made
    for key in sorted({key for key, _ in mails.mails}):
        twins = mails.twins(key)
        problems += keep.twins(twins, partial(differing_twins, twins, mails.layouts))
    return compiled, problems


def _made(mail: MailSource, layouts: Layouts, options: PublishOptions, keep: MailKeep) -> CompiledMail | Refused:
    """The mail compiled, or as it was kept from when the very same was."""
    key = keep.key(mail, options)
    known = keep.get(key)
    if known is not None:
        return known
    made = compile_mail(mail, layouts, options)
    if not isinstance(made, Refused):
        keep.put(key, made)
    return made


def _options(workspace: Workspace, mail: MailSource, folder: Path | None) -> PublishOptions:
    site = workspace.site
    content = {key: content_values(piece, site, mail.locale) for key, piece in workspace.content.items()}
    facts = SiteFacts(site.url, content or None, is_notice(workspace, mail.key))
    options = PublishOptions(facts, utm_rule(site), names=names_for(workspace, mail.key))
    return options if folder is None else replace(options, files=_reader(folder))


def is_notice(workspace: Workspace, mail: str) -> bool:
    """Whether a mail goes to the site's own people and to nobody else."""
    steps = [step for campaign in workspace.campaigns.values() for step in campaign.steps()]
    told = [isinstance(step, Notify) for step in steps if getattr(step, "mail", "") == mail]
    return all(told) if told else mail.removeprefix("system/") in NOTICES


def utm_rule(site: Site) -> UtmRule:
    """The site's rule for parameters; without hosts of its own it holds for the site."""
    if site.utm is None:
        return UtmRule()
    return UtmRule(site.utm.parameters, site.utm.hosts or (urlsplit(site.url).hostname or "",))


def _reader(folder: Path) -> Callable[[str], bytes | None]:
    root = (folder / TEMPLATES).resolve()

    def file(path: str) -> bytes | None:
        found = (root / path).resolve()
        return found.read_bytes() if found.is_relative_to(root) and found.is_file() else None

    return file


# ── Variables ────────────────────────────────────────────────────────────────────────────────────────────────────────


def names_for(workspace: Workspace, mail: str) -> VariableNames:
    """The names a mail may use. What one step lacks and another has is a fault of the step, and told there."""
    site = workspace.site
    always = PERSON_NAMES | SITE_NAMES | LINK_NAMES | CONTENT_NAMES | ROOT_NAMES
    always |= {f"subscriber.{key}" for key in site.attributes}
    if mail in {box.confirm_mail for box in workspace.boxes.values()}:
        always |= {"links.confirm"}
    always |= {f"notice.{word}" for word in NOTICES.get(mail.removeprefix("system/"), ())}
    ways = list(_ways(workspace, mail))
    return VariableNames(always | (frozenset.intersection(*ways) if ways else frozenset()))


def _ways(workspace: Workspace, mail: str) -> Iterator[frozenset[str]]:
    """What each way by which a mail is sent may add to its variables."""
    steps = [(campaign, step) for campaign in workspace.campaigns.values() for step in campaign.steps()]
    if any(isinstance(step, Send | Ask) and step.mail == mail for _, step in steps):
        fields = fields_shown(workspace, mail)
        yield OFFER_NAMES | {"survey()"} | ({f"event.{field}" for field in fields} or {"event.*"})
    for campaign, step in steps:
        if isinstance(step, Notify) and step.mail == mail:
            yield _event_names(workspace.site, campaign) | STORY_NAMES
    is_streamed = any(each.stream and mail in each.own_mails for each in workspace.campaigns.values())
    if is_streamed or any(mail in (box.confirm_mail, box.deliver) for box in workspace.boxes.values()):
        yield frozenset()


def _event_names(site: Site, campaign: Campaign) -> frozenset[str]:
    """The event fields every entry of the campaign brings; none when one entry brings no event."""
    fields = [frozenset(f"event.{name}" for name in site.fields_of(event)) for event in events_of(campaign)]
    return frozenset.intersection(*fields) if fields else frozenset()
