"""Judging: holds what happened on the stage against what the story expects.

Owns each expectation's meaning and the words for its failure. Must not change anything but the clock, which an expected
mail runs forward.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.actions.rehearse.cast import Actor
from app.actions.rehearse.stage import Received
from app.core.calendar import parse_date
from app.core.engagement import score
from app.core.instants import MINUTE, Instant, format_span
from app.core.person import MessageState
from app.core.scenario import Expect, ExpectHeld, ExpectMail, ExpectRun, Moment, Range
from app.core.windows import at_local, local


@dataclass(frozen=True, slots=True)
class Miss:
    """An expectation that did not hold: what was wanted, what there was instead."""

    wanted: str
    got: str


class Judge:
    """Knows which mails of the story were already asked about."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._stage = actor.stage
        self._seen: set[int] = set()
        self._quiet_since = 0
        """Mails before this place in the inbox do not break an expected silence."""

    def note_deed(self) -> None:
        """A deed of the story was done: silence is counted from here."""
        self._quiet_since = len(self._stage.inbox)

    def judge(self, expected: Expect) -> Miss | None:
        """The first thing that does not hold, or None. With `by` or `at` the clock runs on until everything does."""
        self._stage.work()
        until = self._deadline(expected)
        miss = self._miss(expected)
        while miss and (due := self._stage.next_due()) is not None and due <= until:
            self._stage.run_to(max(due, self._stage.clock))
            miss = self._miss(expected)
        if miss and until > self._stage.clock:
            self._stage.run_to(until)
            miss = self._miss(expected)
        if miss is None and expected.mail:
            self._tick_off(expected)
        return miss

    def _miss(self, expected: Expect) -> Miss | None:
        return next((miss for miss in self._misses(expected) if miss), None)

    def _misses(self, expected: Expect) -> Iterator[Miss | None]:
        if expected.mail:
            yield self._mail(expected, expected.mail)
        if expected.stage or expected.kind:
            yield self._label(expected)
        if expected.score:
            yield self._score(expected.score)
        yield from (self._run(run) for run in expected.runs)
        if expected.tag:
            yield self._tag(expected.tag)
        if expected.notified:
            yield self._notified(expected.notified)
        if expected.held:
            yield self._held(expected.held)
        yield from self._promised(expected)
        if expected.is_nothing:
            yield self._nothing()

    # ── Mail ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _mail(self, expected: Expect, wanted: ExpectMail) -> Miss | None:
        found = self._find(expected, wanted)
        if found is None:
            return Miss(f"mail {wanted.mail} {self._when(expected)}", self._nearest(wanted.mail))
        return self._wrong_mail(wanted, found)

    def _find(self, expected: Expect, wanted: ExpectMail) -> Received | None:
        """A mail not asked about before; one that came unasked since then counts too."""
        since = self._instant(expected.at) if expected.at is not None else 0
        return next((m for m in self._fresh() if m.mail == wanted.mail and m.at >= since), None)

    def _tick_off(self, expected: Expect) -> None:
        found = self._find(expected, expected.mail) if expected.mail else None
        if found:
            self._seen.add(id(found))
        self._quiet_since = len(self._stage.inbox)

    def _deadline(self, expected: Expect) -> Instant:
        """The latest instant; remembered, for the line's own running must not move it."""
        if expected.at is not None:
            return self._instant(expected.at) + MINUTE - 1
        if isinstance(expected.by, Moment):
            return self._instant(expected.by)
        return self._stage.clock + (expected.by or 0)

    def _fresh(self) -> Iterator[Received]:
        return (m for m in self._stage.inbox if id(m) not in self._seen and not m.is_team)

    def _wrong_mail(self, wanted: ExpectMail, found: Received) -> Miss | None:
        message = found.message
        subject = message.subject.lstrip("\u200f\u200e")
        if wanted.subject and wanted.subject != subject:
            return Miss(f"subject {wanted.subject!r}", f"subject {subject!r}")
        lacking = next(
            (part for part in wanted.contains if part not in message.text and part not in message.html), None
        )
        if lacking is not None:
            return Miss(f"{wanted.mail} contains {lacking!r}", "it does not")
        if wanted.offer and wanted.offer != found.offer:
            return Miss(f"{wanted.mail} carries offer {wanted.offer}", f"offer {found.offer or 'none'}")
        return None

    def _nearest(self, mail: str) -> str:
        """What came last, and whether the mail came at another time."""
        if self._stage.faults:
            return f"it could not be written: {self._stage.faults[-1]}"
        inbox = [m for m in self._stage.inbox if not m.is_team]
        same = [m for m in inbox if m.mail == mail]
        if same:
            return f"it {self.shown(same[-1].at)}"
        return f"nothing after {inbox[-1].mail}, {self.shown(inbox[-1].at)}" if inbox else "no mail at all"

    # ── The person ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _label(self, expected: Expect) -> Miss | None:
        subscriber = self._actor.subscriber()
        if expected.stage and expected.stage != subscriber.stage:
            return Miss(f"stage {expected.stage}", f"stage {subscriber.stage}, {self._score_words()}")
        if expected.kind and expected.kind != subscriber.kind:
            return Miss(f"kind {expected.kind}", f"kind {subscriber.kind}")
        return None

    def _score_now(self) -> float:
        half_life = self._stage.shelved().book.ladder.half_life
        return score(self._actor.subscriber(), self._stage.clock, half_life)

    def _score_words(self) -> str:
        return f"score {self._score_now():.0f}"

    def _score(self, wanted: Range) -> Miss | None:
        now = round(self._score_now(), 6)
        low, high = wanted.low, wanted.high
        if (low is not None and now < low) or (high is not None and now > high):
            return Miss(f"score {'' if low is None else low}..{'' if high is None else high}", f"score {now:.1f}")
        return None

    def _tag(self, tag: str) -> Miss | None:
        tags = self._actor.subscriber().tags
        return None if tag in tags else Miss(f"tag {tag}", f"tags {', '.join(sorted(tags)) or 'none'}")

    def _run(self, wanted: ExpectRun) -> Miss | None:
        runs = [run for run in self._actor.runs() if run.campaign == wanted.campaign]
        if not runs:
            return Miss(f"a run of {wanted.campaign}", "she never entered it")
        last = runs[-1]
        standing = {"left": last.result, "state": last.state, "step": last.step}
        for name, value in standing.items():
            asked = getattr(wanted, name)
            if asked and asked != value:
                at = f" at {last.step}" if last.step else ""
                return Miss(f"run {wanted.campaign} {name} {asked}", f"{last.result or last.state}{at} ({last.reason})")
        return None

    def _notified(self, address: str) -> Miss | None:
        self._stage.work()
        told = [m for m in self._stage.inbox if m.is_team]
        if any(m.recipient == address for m in told):
            return None
        others = ", ".join(sorted({m.recipient for m in told}))
        return Miss(f"{address} notified", f"only {others}" if others else "nobody was notified")

    def _held(self, wanted: ExpectHeld) -> Miss | None:
        person = self._actor.loaded().person
        runs = [r for r in person.runs if not wanted.campaign or r.key.campaign == wanted.campaign]
        reasons = [run.reason for run in runs if run.state in ("held", "paused")]
        late = [m for m in person.messages if m.mail == wanted.mail and m.state is MessageState.QUEUED]
        is_held = bool(late) if wanted.mail else bool(reasons)
        if is_held and (not wanted.reason or wanted.reason in reasons or wanted.mail):
            return None
        return Miss(
            f"held {wanted.mail or wanted.campaign} {wanted.reason}".rstrip(), ", ".join(reasons) or "nothing is held"
        )

    # ── Offers ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _promised(self, expected: Expect) -> Iterator[Miss | None]:
        if expected.code:
            yield self._code(expected.code)
        if expected.open_offer:
            yield self._offer(expected.open_offer, is_over=False)
        if expected.ended_offer:
            yield self._offer(expected.ended_offer, is_over=True)

    def _code(self, wanted: str) -> Miss | None:
        verdict = self._actor.verdict()
        return None if verdict == wanted else Miss(f"the code is {wanted}", verdict or "no code was shown")

    def _offer(self, key: str, *, is_over: bool) -> Miss | None:
        """What somebody sees who opens her last mail with this offer now: its link and its picture must agree."""
        wanted = f"offer {key} {'has ended' if is_over else 'is open'}"
        mail = next((m for m in reversed(self._stage.inbox) if m.offer == key and not m.is_team), None)
        if mail is None:
            return Miss(wanted, "no mail with it has come")
        stored = self._actor.subscriber().offer_ends.get(key)
        ends = [*self._link_ends(mail, key), *self._picture_ends(mail)] or [stored]
        wrong = next((end for end in ends if (end is not None and self._stage.clock >= end) is not is_over), None)
        if wrong is None and all((end is not None and self._stage.clock >= end) is is_over for end in ends):
            return None
        return Miss(wanted, f"it ends {self.shown(wrong)}" if wrong is not None else "it has no end")

    def _link_ends(self, mail: Received, key: str) -> Iterator[Instant | None]:
        links = self._stage.world.links
        found = (links.read_offer(token) for token in mail.tokens("/g/"))
        yield from (ref.ends_at for ref in found if ref is not None and ref.offer == key)

    def _picture_ends(self, mail: Received) -> Iterator[Instant | None]:
        links = self._stage.world.links
        found = (links.read_countdown(token) for token in mail.tokens("/countdown/"))
        yield from (picture[0] for picture in found if picture is not None)

    def _nothing(self) -> Miss | None:
        self._stage.work()
        later = [m for m in self._stage.inbox[self._quiet_since :] if not m.is_team]
        return Miss("no mail", f"{later[0].mail}, {self.shown(later[0].at)}") if later else None

    # ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _instant(self, moment: Moment) -> Instant:
        return at_local(parse_date(moment.date), moment.at, self._stage.zone)

    def _when(self, expected: Expect) -> str:
        if expected.at is not None:
            return f"at {self.shown(self._instant(expected.at))}"
        if expected.by is None:
            return "now"
        if isinstance(expected.by, Moment):
            return f"by {self.shown(self._instant(expected.by))}"
        return f"within {format_span(expected.by)}"

    def shown(self, at: Instant) -> str:
        """An instant as the subscriber's clock shows it."""
        return f"{local(at, self._stage.zone):%a %-d %b %H:%M}"
