"""Reasons: each decision of the engine as a plain sentence about a person.

Owns the words of decision codes, results and states. Must not decide or fetch anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.core.person import Code
from app.core.saying.pauses import because_said
from app.web.dashboard.flow import said_source
from app.web.dashboard.naming import quoted, step_words
from app.web.dashboard.shell import campaign_title, clock, kind_label, stage_label
from app.web.dashboard.wording import is_persian, say

Seen = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision as it is stored."""

    code: str
    campaign: str
    step: str
    seen: Seen

    def at(self, name: str) -> str:
        value = self.seen.get(name)
        return clock().when(value) if isinstance(value, int) else "–"

    def text(self, name: str) -> str:
        value = self.seen.get(name)
        return "" if value is None else str(value)


def reason(decided: Decided) -> str:
    """The sentence. A code without words is shown as it is."""
    words = _WORDS.get(decided.code)
    return words(decided) if words else decided.code


def _fixed(text: str) -> Callable[[Decided], str]:
    return lambda _: say(text)


def _delayed(decided: Decided) -> str:
    because = _because(decided.text("because"))
    return say(
        "%(mail)s waits until %(when)s because of %(why)s",
        mail=quoted(decided.text("mail")),
        when=decided.at("slot_at"),
        why=because or say("the limits on contact"),
    )


def _because(kept: str) -> str:
    """What held it back, kept as `limit 1 per day; quiet_hours 21:00-08:00`."""
    if is_persian():
        return because_said(kept)
    return " and ".join(f"the {part.replace('_', ' ')}" for part in kept.split("; ") if part)


def _refusal(text: str) -> Callable[[Decided], str]:
    return lambda decided: say(text, campaign=campaign_title(decided.campaign or decided.text("campaign")))


def _stage(decided: Decided) -> str:
    return say(
        "Moved from %(before)s to %(after)s",
        before=stage_label(decided.text("before")),
        after=stage_label(decided.text("after")),
    )


def _kind(decided: Decided) -> str:
    return say(
        "Kind changed from %(before)s to %(after)s",
        before=kind_label(decided.text("before")),
        after=kind_label(decided.text("after")),
    )


def _branch(decided: Decided) -> str:
    names = {"then": say("if so"), "else": say("otherwise"), "none": say("no answer")}
    branch = decided.text("branch")
    if branch.isdigit():
        branch = str(int(branch) + 1)
    return say("Took the way “%(branch)s”", branch=names.get(branch, branch))


def _sequence(decided: Decided) -> str:
    return say(
        "Went on in the sequence of another stage: %(before)s → %(after)s",
        before=stage_label(decided.text("before")),
        after=stage_label(decided.text("after")),
    )


def _condition(text: str) -> Callable[[Decided], str]:
    return lambda decided: say(text, condition=said_source(decided.text("condition")))


def _mail(text: str) -> Callable[[Decided], str]:
    return lambda decided: say(text, mail=quoted(decided.text("mail") or decided.step))


_WORDS: Mapping[str, Callable[[Decided], str]] = {
    Code.ENTERED: lambda d: say("Entered, sequence %(sequence)s", sequence=stage_label(d.text("sequence"))),
    Code.ENTRY_AGAIN: _refusal("Did not enter “%(campaign)s”: was here before"),
    Code.ENTRY_WHERE: _refusal("Did not enter “%(campaign)s”: its condition does not hold"),
    Code.ENTRY_GOAL: _refusal("Did not enter “%(campaign)s”: its goal is reached already"),
    Code.ENTRY_NO_SEQUENCE: _refusal("Did not enter “%(campaign)s”: it has no sequence for this stage"),
    Code.ENTRY_CLOSED: _refusal("Did not enter “%(campaign)s”: it takes nobody now"),
    Code.ENTRY_NOT_ALLOWED: _refusal("Did not enter “%(campaign)s”: may not be mailed"),
    Code.ENTRY_LIVE: _refusal("Is in “%(campaign)s” already; the event counts there"),
    Code.STAGE: _stage,
    Code.KIND: _kind,
    Code.GOAL: _condition("Reached the goal: %(condition)s"),
    Code.WHILE: _condition("Left: no longer “%(condition)s”"),
    Code.SEQUENCE: _sequence,
    Code.NO_SEQUENCE: lambda d: say("Left: there is no sequence for %(stage)s", stage=stage_label(d.text("stage"))),
    Code.RESTS: _fixed("Walked to the end; rests here and listens for the goal"),
    Code.LISTENED: _fixed("Over: the time of listening has passed"),
    Code.ENDED: _fixed("Came to the end"),
    Code.SUPERSEDED: _fixed("Ended: begun anew"),
    Code.RESTARTED: _fixed("Ended: begun anew by a new event"),
    Code.HANDED_OVER: lambda d: say("Handed over to “%(campaign)s”", campaign=campaign_title(d.text("campaign"))),
    Code.HAND_OVER_REFUSED: lambda d: say(
        "“%(campaign)s” could not take over; goes on here", campaign=campaign_title(d.text("campaign"))
    ),
    Code.PAUSED_EXCLUSIVE: lambda d: say(
        "Waits while “%(campaign)s” goes first", campaign=campaign_title(d.text("holder"))
    ),
    Code.RESUMED_EXCLUSIVE: _fixed("Goes on: the campaign that went first is done"),
    Code.PAUSED_CAMPAIGN: _fixed("Waits: the campaign is paused"),
    Code.PAUSED_SITE: _fixed("Waits: all campaigns are paused"),
    Code.PAUSED_PERSON: _fixed("Waits: this person asked for a pause"),
    Code.RESUMED: _fixed("Goes on after the pause"),
    Code.REMOVED: _fixed("Left: the step stood at was taken out of the file"),
    Code.VERSION: _fixed("Follows the newly published version"),
    Code.TOO_MANY_MOVES: _fixed("Held: too many steps at one instant; the file probably runs in a circle"),
    Code.BRANCH: _branch,
    Code.WAITS: lambda d: say("Waits until %(when)s", when=d.at("until_at")),
    Code.WAITED: _fixed("The wait is over"),
    Code.ALREADY_TRUE: _condition("No need to wait: %(condition)s"),
    Code.CAME_TRUE: _condition("What was waited for happened: %(condition)s"),
    Code.LIMIT_REACHED: _condition("Waited as long as allowed; not so: %(condition)s"),
    Code.EFFECT: lambda d: say("Done: %(step)s", step=step_words(d.campaign, d.step)),
    Code.STREAM_DRY: _fixed("Nothing new to send from the stream"),
    Code.QUEUED: lambda d: (
        say("%(mail)s will leave %(when)s", mail=quoted(d.text("mail") or d.step), when=d.at("slot_at"))
        if d.text("mail")
        else say("Waits for the mail %(mail)s to leave", mail=quoted(d.step))
    ),
    Code.DELAYED: _delayed,
    Code.DISPLACED: lambda d: say("Made room for a more urgent mail; now %(when)s", when=d.at("slot_at")),
    Code.SENT: _mail("%(mail)s was handed over"),
    Code.REFUSED: _mail("%(mail)s was refused by the receiving server"),
    Code.SKIPPED_LIMIT: _mail("%(mail)s was skipped: no free place under the limits in time"),
    Code.SKIPPED_STALE: _mail("%(mail)s was skipped: it would have come too late"),
    Code.OFFER_ENDED: _mail("%(mail)s was skipped: it would have come after the end of its offer"),
    Code.SKIPPED: _mail("%(mail)s was skipped"),
    Code.GHOST: _mail("%(mail)s was not sent: this person is held out for comparison"),
    Code.WITHDRAWN: _mail("%(mail)s was taken back before it left"),
    Code.NOT_CONFIRMED: _mail("%(mail)s was not sent: the address is not confirmed"),
    Code.UNSUBSCRIBED: _mail("%(mail)s was not sent: unsubscribed"),
    Code.SUPPRESSED: _mail("%(mail)s was not sent: the address gets nothing any more"),
    Code.DORMANT: _fixed("Held: marketing rests until this person acts again"),
}

WITHDRAWN: Mapping[str, str] = {
    "confirmed": "the address was confirmed",
    "unsubscribed": "unsubscribed",
    "suppressed": "the address gets nothing any more",
    "superseded": "a newer mail took its place",
    "goal": "the goal was reached",
    "erased": "erased",
    "paused": "a pause was asked for",
    "ended": "the run is over",
    "stopped": "the campaign was stopped",
    "while": "its condition held no more",
    "expired": "too late by now",
    "dormant": "marketing rests",
    "answered": "the address was confirmed",
    "sequence": "the stage changed",
    "paused_exclusive": "another campaign goes first",
    "taken_as_sent": "taken as sent by hand",
    "stage": "the stage changed",
    "version": "a new version took over",
    "handed_over": "handed over to another campaign",
}
"""Why a mail did not leave, in words."""


def why_words(why: str) -> str:
    """A stored reason in words; what has none is shown without its signs."""
    return say(WITHDRAWN[why]) if why in WITHDRAWN else why.replace("_", " ")


RESULTS: Mapping[str, str] = {
    "goal": "Reached the goal",
    "end": "Came to the end",
    "handed_over": "Handed over",
    "superseded": "Begun anew",
    "listened": "Over",
    "removed": "Step taken out of the file",
    "while": "Condition no longer held",
    "no_sequence": "No sequence for the stage",
    "unsubscribed": "Unsubscribed",
    "suppressed": "Address gets nothing",
    "erased": "Erased",
    "stopped": "Campaign stopped",
    "failed": "Failed",
}
RUN_STATES: Mapping[str, str] = {
    "active": "Under way",
    "waiting": "Waiting",
    "held": "Held",
    "paused": "Paused",
    "resting": "Resting at the end",
    "ended": "Ended",
}
MESSAGE_STATES: Mapping[str, str] = {
    "queued": "Queued",
    "claimed": "Leaving now",
    "waiting": "Will be tried again",
    "sent": "Sent",
    "refused": "Refused",
    "skipped": "Skipped",
    "withdrawn": "Taken back",
    "uncertain": "Uncertain",
    "parked": "Parked with an error",
}
PERSON_STATES: Mapping[str, str] = {
    "pending": "Not confirmed",
    "active": "Active",
    "unsubscribed": "Unsubscribed",
    "paused": "Paused",
    "erased": "Erased",
}
VERDICTS: Mapping[str, str] = {
    "human": "a person",
    "machine": "a machine",
    "unknown": "unclear",
    "pending": "being judged",
}
VERDICT_REASONS: Mapping[str, str] = {
    "not_a_get": "not an ordinary request",
    "prefetch": "fetched ahead by software",
    "privacy_proxy": "a privacy proxy that loads every picture",
    "image_proxy": "a picture proxy",
    "apple_mail": "Apple's mail privacy loads every picture",
    "scanner_agent": "a known scanner",
    "scanner_network": "a scanner's network",
    "before_burst": "before every link was opened at once",
    "burst": "every link was opened at once",
    "near_burst": "close to many links opened at once",
    "same_network_as_burst": "from where many links were opened at once",
    "crowd": "the same network opened many people's mails",
    "hidden_link": "followed a link people cannot see",
    "too_early": "sooner than a person could",
    "elsewhere": "from another place at the same time",
    "plain": "nothing speaks against it",
}
