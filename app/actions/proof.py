"""Proof: a mail out of the files, before anything is published, as somebody made up would read it on some day.

Owns what the reader is given: an offer, an event, a survey, a notice, as the step that sends the mail would give them.
Needs no database. Must not change or send anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from app.actions.compose import Chosen, compose
from app.actions.inspect import Inspection
from app.actions.notices import NOTICES
from app.actions.offers import Given
from app.actions.shelf import Shelved, book_of
from app.core.asking import kinds_asked
from app.core.campaign import Ask, Campaign, Notify, Send
from app.core.check.mails import events_of
from app.core.facts import Fields
from app.core.instants import Instant
from app.core.offering import Zones, end_from
from app.core.offers import CodePool, Offer, SharedCode
from app.core.person import MailClass
from app.core.problem import Problem
from app.core.scenario import Person
from app.core.site import AttributeType, Site
from app.core.subscriber import SubscriberState
from app.core.windows import zone_of
from app.core.workspace import Workspace
from app.links import Key, Links
from app.mail.compiled import CompiledMail
from app.mail.headers import UnsendableAddress
from app.mail.message import Message, RenderFault
from app.settings import Settings
from app.store.engine import open_database
from app.store.letters import Letter
from app.world import World

CLIPPED_AT = 102 * 1024
"""Bytes of HTML after which Gmail cuts a mail off and hides the rest behind a link."""
BASE_URL = "https://parvar.example"
SAMPLE_CODE = "SAMPLE-2345"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which mail, for whom ("": the first who reads that language), in which locale ("": hers), to which address."""

    mail: str
    person: str = ""
    locale: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """The mail as it would leave, and what is to be said about it."""

    mail: str
    locale: str
    reader: str
    message: Message
    findings: tuple[Problem, ...]
    pictures: Mapping[str, bytes]

    @property
    def size(self) -> int:
        """Bytes of the HTML part, which is what clients cut by."""
        return len(self.message.html.encode())

    @property
    def is_clipped(self) -> bool:
        return self.size > CLIPPED_AT


@dataclass(frozen=True, slots=True)
class NoProof:
    """Why there is nothing to show."""

    reason: str
    findings: tuple[Problem, ...] = ()


def proof(world: World, inspection: Inspection, wanted: Wanted) -> Proof | NoProof:
    """Write the mail at the world's `now`."""
    workspace = inspection.workspace
    if workspace is None:
        return NoProof("the files cannot be read", inspection.errors)
    person = _person(workspace, wanted)
    if person is None:
        known = ", ".join(sorted(workspace.people)) or "nobody"
        return NoProof(f"there is nobody called '{wanted.person}'; people/ has: {known}")
    mail = _mail(inspection, wanted, person)
    findings = _findings(inspection, workspace, wanted.mail, mail)
    if mail is None:
        return NoProof(_missing(workspace, wanted), findings)
    try:
        message = _written(world, workspace, person, mail, wanted)
    except (RenderFault, UnsendableAddress) as fault:
        return NoProof(str(fault), findings)
    return Proof(mail.key, mail.locale, person.key, message, findings, inspection.pictures)


def _mail(inspection: Inspection, wanted: Wanted, person: Person) -> CompiledMail | None:
    locales = inspection.workspace.site.locales if inspection.workspace else ()
    for locale in (wanted.locale, *(() if wanted.locale else (person.locale, *locales)), ""):
        if (wanted.mail, locale) in inspection.mails:
            return inspection.mails[wanted.mail, locale]
    return None


def _missing(workspace: Workspace, wanted: Wanted) -> str:
    """Why a mail cannot be shown: a name nobody knows, a language it lacks, or faults of its own."""
    paths = workspace.mails.get(wanted.mail)
    if paths is None:
        near = get_close_matches(wanted.mail, sorted(workspace.mails), 1, 0.5)
        return f"there is no mail '{wanted.mail}'" + (f"; did you mean {near[0]}?" if near else "")
    if wanted.locale and wanted.locale not in paths:
        return f"'{wanted.mail}' is there in {', '.join(sorted(paths))} only"
    return f"'{wanted.mail}' cannot be compiled"


def _findings(inspection: Inspection, workspace: Workspace, key: str, mail: CompiledMail | None) -> tuple[Problem, ...]:
    paths = workspace.mails.get(key, {})
    shown = set(paths.values()) if mail is None else {paths.get(mail.locale, "")}
    return tuple(
        problem for problem in inspection.problems if problem.file in shown or (mail is None and problem.is_error)
    )


def _person(workspace: Workspace, wanted: Wanted) -> Person | None:
    if wanted.person:
        return workspace.people.get(wanted.person)
    people = [workspace.people[key] for key in sorted(workspace.people)]
    alike = [each for each in people if not wanted.locale or each.locale == wanted.locale]
    return next(iter((*alike, *people)), Person("somebody", "alice@example.com"))


def _written(world: World, workspace: Workspace, person: Person, mail: CompiledMail, wanted: Wanted) -> Message:
    book = book_of(workspace, world.secret)
    shelved = Shelved(book, workspace, kinds_asked(book), 0, {}, 0)
    way = _way(workspace, mail)
    letter = replace(_letter(world, workspace, person, mail, way), locale=mail.locale or person.locale)
    if wanted.address:
        letter = replace(letter, address=wanted.address)
    given = _given(world, workspace, person, letter.offer)
    return compose(world, shelved, letter, Chosen(0, mail), given)


def draft_world(at: Instant) -> World:
    """A world for proofs only: the clock stands still, links are signed with a key nobody uses."""
    secret = b"proofs are of no consequence 000"
    return World(
        settings=Settings("sqlite://", "x" * 32, BASE_URL, Path("/nonexistent"), bounce_domain="bounce.parvar.example"),
        database=open_database("sqlite://"),
        links=Links((Key(1, secret),), BASE_URL, BASE_URL),
        now=lambda: at,
        wall=lambda: at,
        new_id=lambda: bytes(16),
        monotonic=lambda: 0.0,
        secret=secret,
    )


# ── What the step gives ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Way:
    """The step by which a mail is sent; a blank one for mails of boxes and streams."""

    campaign: Campaign | None = None
    step: Send | Ask | Notify | None = None


def _way(workspace: Workspace, mail: CompiledMail) -> _Way:
    """The first step that sends the mail, one with an offer before others."""
    ways = list(_ways(workspace, mail.key))
    return next((way for way in ways if isinstance(way.step, Send) and way.step.offer), ways[0] if ways else _Way())


def _ways(workspace: Workspace, mail: str) -> Iterator[_Way]:
    for campaign in workspace.campaigns.values():
        for step in campaign.steps():
            if isinstance(step, Send | Ask | Notify) and step.mail == mail:
                yield _Way(campaign, step)
        if campaign.stream and mail in campaign.own_mails:
            yield _Way(campaign)


def _given(world: World, workspace: Workspace, person: Person, key: str) -> Given | None:
    offer = workspace.offers.get(key)
    if offer is None:
        return None
    site = workspace.site
    zones = Zones(zone_of(person.timezone, site.timezone), zone_of("", site.timezone))
    return Given(offer, _code(offer), end_from(offer, world.now(), zones), offer.seats)


def _code(offer: Offer) -> str:
    match offer.codes:
        case SharedCode(code):
            return code
        case CodePool():
            return SAMPLE_CODE
        case None:
            return ""


def _letter(world: World, workspace: Workspace, person: Person, mail: CompiledMail, way: _Way) -> Letter:
    """A letter no row stands behind: its links are signed for message 0, which nothing answers to."""
    is_team = isinstance(way.step, Notify) or mail.key.removeprefix("system/") in NOTICES
    usual = MailClass.SERVICE if mail.is_service else MailClass.MARKETING
    words = NOTICES.get(mail.key.removeprefix("system/"), ())
    return Letter(
        id=0,
        public_id=bytes(16),
        mail=mail.key,
        mail_class=MailClass.TEAM if is_team else usual,
        subscriber_id=0,
        subscriber_public_id=bytes(16),
        address=workspace.site.sender.address if is_team else person.address,
        subscriber_address=person.address,
        locale=person.locale,
        timezone=person.timezone,
        attributes=person.attributes,
        stage=person.stage or workspace.ladder.stages[0].key,
        kind=person.kind or "none",
        state=SubscriberState.ACTIVE,
        campaign=way.campaign.key if way.campaign else "",
        step=way.step.id if way.step else "",
        event=_event(workspace.site, way, mail.locale),
        subject=way.step.subject if isinstance(way.step, Send) else "",
        offer=way.step.offer if isinstance(way.step, Send) else "",
        data=dict.fromkeys(words, "7"),
        attempts=0,
        claim_no=0,
        wanted_at=world.now(),
    )


# ── What somebody did before ─────────────────────────────────────────────────────────────────────────────────────────


def _event(site: Site, way: _Way, locale: str) -> Fields:
    """A value of the right sort for every field of the event that begins the campaign."""
    events = events_of(way.campaign) if way.campaign else ()
    if not events:
        return {}
    declared = site.events.get(events[0])
    kinds = dict(declared.fields) if declared else {}
    return {field: _made_up(site, kinds.get(field), field, locale) for field in sorted(site.fields_of(events[0]))}


_NUMBERS = frozenset({"total", "amount", "number"})


def _made_up(site: Site, kind: AttributeType | None, field: str, locale: str) -> str | int | tuple[str, ...]:
    is_persian = locale.startswith("fa")
    things = ("یک جعبه ریحان", "گوجه‌فرنگی") if is_persian else ("A crate of basil", "Tomatoes")
    match kind:
        case AttributeType.MONEY | AttributeType.NUMBER:
            return 12_500_000 if kind is AttributeType.MONEY else 3
        case AttributeType.LIST | AttributeType.CHOICES:
            return things
        case AttributeType.LINK:
            return f"{site.url}/basil"
        case None if field in _NUMBERS:
            return 3 if field == "number" else 12_500_000
        case None if field == "products":
            return things
        case _:
            return "1234" if field.endswith("_id") else things[0]
