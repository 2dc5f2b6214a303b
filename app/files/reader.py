"""Reads the files of a site into one workspace, or into all problems at once.

Owns the order of reading and putting the parts together. Must not touch the disk (files/sources does) and must not
judge whether campaigns are wise (core/check does).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, TypeVar, cast

from app.core.boxes import Box
from app.core.campaign import Campaign, Step, Steps, Use, sealed
from app.core.identity import identified
from app.core.offers import Content, Offer, Survey
from app.core.problem import Problem
from app.core.scenario import Person, Scenario
from app.core.site import Ladder, Site
from app.core.text import Place
from app.core.workspace import Allowance, MailFacts, Workspace
from app.files.forms import Form
from app.files.language.box import BOX_FILE
from app.files.language.campaign import CAMPAIGN_FILE
from app.files.language.ladder import LADDER_FILE
from app.files.language.offer import CONTENT_FILE, OFFER_FILE, SURVEY_FILE
from app.files.language.site import SITE_FILE
from app.files.language.steps import FRAGMENT_FILE
from app.files.language.story import PERSON_FILE, SCENARIO_FILE
from app.files.names import Known, unknown_names, wrong_locales
from app.files.nodes import Map, Node, Scalar
from app.files.reading import Asked, Kind, Reading, UnreadableError
from app.files.sources import FOLDERS, FileKind, Source, mails_of, yaml_sources
from app.files.vocabulary import links_of, words_of, wrong_conditions
from app.files.words import cleaned, nearest
from app.files.yaml import parse

T = TypeVar("T")

FORMS: Final[Mapping[FileKind, Form[object]]] = {
    FileKind.SITE: SITE_FILE,
    FileKind.LADDER: LADDER_FILE,
    FileKind.BOX: BOX_FILE,
    FileKind.OFFER: OFFER_FILE,
    FileKind.SURVEY: SURVEY_FILE,
    FileKind.FRAGMENT: FRAGMENT_FILE,
    FileKind.PERSON: PERSON_FILE,
    FileKind.CONTENT: CONTENT_FILE,
    FileKind.CAMPAIGN: CAMPAIGN_FILE,
    FileKind.SCENARIO: SCENARIO_FILE,
}
_SITE_PATH: Final = "campaigns/site.yaml"
_LADDER_PATH: Final = "campaigns/ladder.yaml"
_ORDER: Final = (FileKind.SITE, FileKind.LADDER)


@dataclass(slots=True)
class Drafts:
    """What was read so far: whole files, each with what is still to be looked at."""

    sources: Mapping[str, str]
    readings: list[Reading] = field(default_factory=list)
    values: list[tuple[Source, object]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    keys: dict[FileKind, dict[str, str]] = field(default_factory=dict)
    """Kind → key → path, of every file there is, even one that cannot be read."""
    site: Site | None = None
    ladder: Ladder | None = None

    def of(self, kind: FileKind) -> Iterator[tuple[Source, object]]:
        return ((source, value) for source, value in self.values if source.kind is kind)

    def by_key(self, kind: FileKind, sort: type[T]) -> Mapping[str, T]:
        found = {source.key: value for source, value in self.of(kind) if isinstance(value, sort)}
        return MappingProxyType(found)

    def asked(self) -> Iterator[Asked]:
        return (asked for reading in self.readings for asked in reading.conditions)


def read(sources: Mapping[str, str], facts: Iterable[MailFacts] = ()) -> tuple[Workspace | None, tuple[Problem, ...]]:
    """Read all files (path → text). Gives the workspace when there is no error, and every problem by file and line.

    `facts` of the mails let conditions be held against the names of links; without any, those are not compared.
    """
    drafts = drafted(sources, facts)
    workspace = None if any(problem.is_error for problem in drafts.problems) else assembled(drafts)
    return workspace, in_order(drafts.problems)


def in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """By file, line and column, each one once."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.file, p.line, p.column, p.code)))


def drafted(sources: Mapping[str, str], facts: Iterable[MailFacts] = ()) -> Drafts:
    """Every file read on its own, and every name compared."""
    drafts = Drafts(sources)
    files = sorted(yaml_sources(sources), key=lambda source: (_rank(source), source.path))
    for source in files:
        _know_key(source, drafts)
    for source in files:
        _read_file(source, drafts)
    drafts.problems.extend(_strangers(sources))
    drafts.problems.extend(_missing_files(sources))
    _compare_names(drafts)
    _check_conditions(drafts, tuple(facts))
    return drafts


def _rank(source: Source) -> int:
    return _ORDER.index(source.kind) if source.kind in _ORDER else len(_ORDER)


def _know_key(source: Source, drafts: Drafts) -> None:
    if source.kind in (*_ORDER, FileKind.SCENARIO):
        return
    keys = drafts.keys.setdefault(source.kind, {})
    if source.key in keys:
        message = f"the {source.kind} '{source.key}' is already {keys[source.key]}"
        drafts.problems.append(Problem("duplicate-file", source.path, 1, 1, message, "Rename one of the two files"))
    keys.setdefault(source.key, source.path)


def _strangers(sources: Mapping[str, str]) -> Iterator[Problem]:
    for path in sources:
        if path.endswith(".yml"):
            better = path.removesuffix(".yml") + ".yaml"
            yield Problem(
                "file-name", path, 1, 1, "this file is not read: its name ends in .yml", f"Rename it: {better}"
            )


def _missing_files(sources: Mapping[str, str]) -> Iterator[Problem]:
    for path, form in ((_SITE_PATH, SITE_FILE), (_LADDER_PATH, LADDER_FILE)):
        if path not in sources:
            yield Problem("missing-file", path, 1, 1, f"{path} is missing", f"Create it with: {form.example[1:-1]}")


# ── One file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_file(source: Source, drafts: Drafts) -> None:
    is_scenario = source.kind is FileKind.SCENARIO
    nodes, problems = parse(drafts.sources[source.path], source.path, is_many=is_scenario)
    drafts.problems.extend(problems)
    for number, node in enumerate(nodes, 1):
        reading = Reading(source.path, site=drafts.site)
        try:
            if _is_named_right(node, source, reading):
                value = FORMS[source.kind].read(node, reading)
                _keep(Source(source.path, source.kind, _key_of(source, number)), value, drafts)
        except UnreadableError:
            pass
        drafts.readings.append(reading)
        drafts.problems.extend(reading.problems)


def _key_of(source: Source, number: int) -> str:
    if source.kind is not FileKind.SCENARIO:
        return source.key
    name = source.path.removeprefix("campaigns/").removesuffix(".test.yaml")
    return name if number == 1 else f"{name}#{number}"


def _keep(source: Source, value: object, drafts: Drafts) -> None:
    drafts.values.append((source, value))
    if isinstance(value, Site):
        drafts.site = value
    if isinstance(value, Ladder):
        drafts.ladder = value


def _is_named_right(node: Node, source: Source, reading: Reading) -> bool:
    """The first key says what a file is; it must agree with the folder, and its value with the file's name."""
    if not isinstance(node, Map) or not node.entries:
        fix = f"Begin with: {source.kind}: {'' if source.kind in _ORDER else source.key}".rstrip()
        raise reading.refused("wrong-sort", node.span, "a file is a block of keys", fix)
    first, value = node.entries[0]
    if first.raw != source.kind:
        _explain_first_key(first, node, source, reading)
        return source.kind in set(node.keys())
    if source.kind in (*_ORDER, FileKind.SCENARIO):
        return True
    if isinstance(value, Scalar) and value.raw != source.key and not value.is_empty and cleaned(value.raw) == value.raw:
        message = f"the file is called {source.key}.yaml and says '{value.raw[:60]}'"
        reading.report("file-name", value.span, message, f"Write: {source.key}, or rename the file")
    return True


def _explain_first_key(first: Scalar, node: Map, source: Source, reading: Reading) -> None:
    if source.kind in set(node.keys()):
        message = f"`{source.kind}:` says what this file is"
        reading.report("first-key", first.span, message, f"Put it on the first line: {source.kind}: {source.key}")
        return
    kinds = {kind.value: kind for kind in FileKind}
    if first.raw in kinds:
        folder = next((name for name, kind in FOLDERS.items() if kind is kinds[first.raw]), "")
        where = f"campaigns/{folder}/" if folder else "a folder of campaigns/ with another name"
        reading.report("wrong-folder", first.span, f"a {first.raw} does not belong here", f"Move the file into {where}")
        return
    meant = nearest(cleaned(first.raw), kinds)
    fix = f"Write: {meant}" if meant else f"Begin with: {source.kind}: {source.key}"
    reading.report("first-key", first.span, f"a file does not begin with '{first.raw[:60]}'", fix)


# ── All files together ───────────────────────────────────────────────────────────────────────────────────────────────


def _compare_names(drafts: Drafts) -> None:
    known = known_names(drafts)
    locales = drafts.site.locales if drafts.site else ()
    for reading in drafts.readings:
        drafts.problems.extend(unknown_names(reading.references, known, locales[0] if locales else ""))
        if locales:
            drafts.problems.extend(wrong_locales(reading.texts, locales))


def _check_conditions(drafts: Drafts, facts: tuple[MailFacts, ...]) -> None:
    if drafts.site is None or drafts.ladder is None:
        return
    boxes, surveys = drafts.by_key(FileKind.BOX, Box), drafts.by_key(FileKind.SURVEY, Survey)
    words = words_of(drafts.site, drafts.ladder, boxes, surveys, links_of(mails_of(drafts.sources), facts))
    words = replace(words, boxes=frozenset(drafts.keys.get(FileKind.BOX, ())))
    values = {source.path: (source, value) for source, value in drafts.values}
    for reading in drafts.readings:
        campaigns = _asking(*values[reading.file], drafts) if reading.file in values else None
        drafts.problems.extend(wrong_conditions(reading.conditions, words, campaigns, has_links=bool(facts)))


def _asking(source: Source, value: object, drafts: Drafts) -> tuple[Campaign, ...]:
    """The campaigns whose runs ask the conditions of a file."""
    if source.kind is not FileKind.FRAGMENT:
        return (value,) if isinstance(value, Campaign) else ()
    campaigns = drafts.by_key(FileKind.CAMPAIGN, Campaign).values()
    return tuple(each for each in campaigns if any(_uses(step, source.key) for step in each.steps()))


def _uses(step: Step, fragment: str) -> bool:
    return isinstance(step, Use) and step.fragment == fragment


def known_names(drafts: Drafts) -> Known:
    """Every name that is declared somewhere, of the kinds whose file could be read."""
    of_files = {
        Kind.BOX: FileKind.BOX,
        Kind.OFFER: FileKind.OFFER,
        Kind.SURVEY: FileKind.SURVEY,
        Kind.CAMPAIGN: FileKind.CAMPAIGN,
        Kind.FRAGMENT: FileKind.FRAGMENT,
        Kind.PERSON: FileKind.PERSON,
    }
    known: dict[Kind, tuple[str, ...]] = {kind: tuple(drafts.keys.get(file, ())) for kind, file in of_files.items()}
    known[Kind.MAIL] = tuple(mails_of(drafts.sources))
    if (site := drafts.site) is not None:
        known[Kind.ATTRIBUTE], known[Kind.EVENT] = tuple(site.attributes), tuple(site.events)
        known[Kind.TOPIC], known[Kind.WEBHOOK] = tuple(site.topics), tuple(site.webhooks)
        known[Kind.PRIORITY] = site.priorities
    if (ladder := drafts.ladder) is not None:
        known[Kind.STAGE] = tuple(stage.key for stage in ladder.stages)
        known[Kind.KIND] = (*(key for key, _ in ladder.kinds), "none")
    return known


def assembled(drafts: Drafts) -> Workspace:
    """The workspace of drafts without an error."""
    assert drafts.site is not None
    assert drafts.ladder is not None
    fragments = {key: cast("tuple[str, Steps]", value)[1] for key, value in _fragments(drafts)}
    campaigns = drafts.by_key(FileKind.CAMPAIGN, Campaign)
    people = drafts.by_key(FileKind.PERSON, Person)
    return Workspace(
        site=drafts.site,
        ladder=drafts.ladder,
        boxes=drafts.by_key(FileKind.BOX, Box),
        offers=drafts.by_key(FileKind.OFFER, Offer),
        surveys=drafts.by_key(FileKind.SURVEY, Survey),
        fragments=MappingProxyType(fragments),
        people=people,
        content=drafts.by_key(FileKind.CONTENT, Content),
        campaigns=MappingProxyType({key: sealed(identified(each, fragments)) for key, each in campaigns.items()}),
        scenarios=tuple(_scenarios(drafts, people)),
        mails=mails_of(drafts.sources),
        allowed=tuple(_allowed(drafts)),
        fragment_places=MappingProxyType({s.key: Place(s.path, 1, 1) for s, _ in drafts.of(FileKind.FRAGMENT)}),
    )


def _fragments(drafts: Drafts) -> Iterator[tuple[str, object]]:
    return ((source.key, value) for source, value in drafts.of(FileKind.FRAGMENT))


def _scenarios(drafts: Drafts, people: Mapping[str, Person]) -> Iterator[Scenario]:
    for source, value in drafts.of(FileKind.SCENARIO):
        if isinstance(value, Scenario):
            person = people.get(value.person.key, value.person) if value.person.key else value.person
            yield replace(value, key=source.key, person=person)


def _allowed(drafts: Drafts) -> Iterator[Allowance]:
    for reading in drafts.readings:
        for each in reading.allowed:
            yield Allowance(each.finding, each.because, each.until, each.place, each.first_line, each.last_line)
