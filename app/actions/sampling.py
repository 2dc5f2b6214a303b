"""Sampling: a mail as its step would write it, when no step has: every promise and event in it is a sample.

Owns what stands for an offer, an event, a story or a survey that nobody was given. Reserves nothing, takes no code of
any pool, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from app.actions.compose import Chosen, compose, return_path
from app.actions.notices import NOTICES
from app.actions.offers import Given, Promise, Story
from app.actions.shelf import Shelved
from app.core.campaign import Ask, Campaign, Notify, Send
from app.core.check.mails import events_of
from app.core.facts import NO_FIELDS, Fact, FactKind, Fields
from app.core.instants import DAY, HOUR
from app.core.offering import Zones, end_from
from app.core.offers import CodePool, Offer, SharedCode
from app.core.person import MailClass
from app.core.site import AttributeType, Site
from app.core.subscriber import SubscriberState
from app.core.windows import zone_of
from app.core.workspace import Workspace
from app.mail.compiled import CompiledMail
from app.mail.message import Message
from app.store.letters import Letter
from app.world import World

SAMPLE_CODE = "SAMPLE-2345"
NOBODY = bytes(16)
"""Links are signed for nobody and for message 0, so that pressing one changes nothing for anybody."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads. `story` is what she did last, for mails to our own people; empty: made up."""

    name: str
    address: str
    locale: str = ""
    timezone: str = ""
    stage: str = ""
    kind: str = ""
    attributes: Fields = field(default_factory=lambda: NO_FIELDS)
    story: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """The mail, the campaign whose step would send it, and what of it is made up."""

    message: Message
    sent_from: str
    """The envelope's sender."""
    campaign: str
    marks: tuple[str, ...]


def sampled(world: World, shelved: Shelved, chosen: Chosen, reader: Reader, to: str = "") -> Sample:
    """Write a mail for somebody; `to` is the address of a test copy.

    Raises RenderFault or UnsendableAddress (app.mail) when it cannot be written.
    """
    mail = chosen.mail
    way = _way(shelved.workspace, mail)
    letter = _letter(world, shelved.workspace, reader, mail, way)
    given = _given(world, shelved.workspace, reader, letter)
    addressed = _addressed(world, letter, to)
    message = compose(world, shelved, addressed, chosen, given)
    return Sample(message, return_path(world, addressed), letter.campaign, tuple(_marks(mail, letter, given, reader)))


def _marks(mail: CompiledMail, letter: Letter, given: Promise | None, reader: Reader) -> Iterator[str]:
    """What of the mail is made up: offer, code, event, story, survey."""
    if isinstance(given, Given) and "offer" in mail.names:
        yield "code" if given.code == SAMPLE_CODE else "offer"
    if letter.event and "event" in mail.names:
        yield "event"
    if isinstance(given, Story) and not reader.story and "notice" in mail.names:
        yield "story"
    if "survey" in mail.names:
        yield "survey"


# ── The step ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── What it gives ────────────────────────────────────────────────────────────────────────────────────────────────────


def _given(world: World, workspace: Workspace, reader: Reader, letter: Letter) -> Promise | None:
    if letter.mail_class is MailClass.TEAM:
        return Story(reader.story or _story(world))
    offer = workspace.offers.get(letter.offer)
    if offer is None:
        return None
    site = workspace.site
    zones = Zones(zone_of(reader.timezone, site.timezone), zone_of("", site.timezone))
    return Given(offer, _code(offer), end_from(offer, world.now(), zones), offer.seats)


def _code(offer: Offer) -> str:
    match offer.codes:
        case SharedCode(code):
            return code
        case CodePool():
            return SAMPLE_CODE
        case None:
            return ""


def _story(world: World) -> tuple[Fact, ...]:
    """What somebody may have done: enough that every part of a notice shows."""
    now = world.now()
    answer = {"answer": "6", "comment": "…"}
    return (
        Fact(bytes(16), FactKind.CONFIRMED, now - 3 * DAY),
        Fact(bytes(15) + b"\1", FactKind.VISITED, now - HOUR, path="/pricing"),
        Fact(bytes(15) + b"\2", FactKind.ANSWERED, now - HOUR, name="nps", fields=answer),
    )


def _addressed(world: World, letter: Letter, to: str) -> Letter:
    """A test copy has an identity of its own: programs show mails with the same Message-ID once."""
    if not to:
        return letter
    return replace(letter, address=to, public_id=world.new_id())


def _letter(world: World, workspace: Workspace, reader: Reader, mail: CompiledMail, way: _Way) -> Letter:
    """A letter no row stands behind."""
    is_team = isinstance(way.step, Notify) or mail.key.removeprefix("system/") in NOTICES
    usual = MailClass.SERVICE if mail.is_service else MailClass.MARKETING
    words = NOTICES.get(mail.key.removeprefix("system/"), ())
    send = way.step if isinstance(way.step, Send) else None
    return Letter(
        id=0,
        public_id=NOBODY,
        mail=mail.key,
        mail_class=MailClass.TEAM if is_team else usual,
        subscriber_id=0,
        subscriber_public_id=NOBODY,
        address=workspace.site.sender.address if is_team else reader.address,
        subscriber_address=reader.address,
        locale=mail.locale or reader.locale,
        timezone=reader.timezone,
        attributes=reader.attributes,
        stage=reader.stage or workspace.ladder.stages[0].key,
        kind=reader.kind or "none",
        state=SubscriberState.ACTIVE,
        campaign=way.campaign.key if way.campaign else "",
        step=way.step.id if way.step else "",
        event=_event(workspace.site, way, mail.locale),
        subject=send.subject if send else "",
        offer=send.offer if send else "",
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
    return {name: _made_up(site, kinds.get(name), name, locale) for name in sorted(site.fields_of(events[0]))}


_NUMBERS = frozenset({"total", "amount", "number"})


def _made_up(site: Site, kind: AttributeType | None, name: str, locale: str) -> str | int | tuple[str, ...]:
    is_persian = locale.startswith("fa")
    things = ("یک جعبه ریحان", "گوجه‌فرنگی") if is_persian else ("A crate of basil", "Tomatoes")
    match kind:
        case AttributeType.MONEY | AttributeType.NUMBER:
            return 12_500_000 if kind is AttributeType.MONEY else 3
        case AttributeType.LIST | AttributeType.CHOICES:
            return things
        case AttributeType.LINK:
            return f"{site.url}/basil"
        case None if name in _NUMBERS:
            return 3 if name == "number" else 12_500_000
        case None if name == "products":
            return things
        case _:
            return "1234" if name.endswith("_id") else things[0]
