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
from app.core.explaining.dates import Dates
from app.core.figures import figures, isolated
from app.core.instants import MINUTE, Instant, format_span
from app.core.person import MessageState
from app.core.saying.persian import span_said
from app.core.saying.settings import key_text, keys_text
from app.core.scenario import Expect, ExpectHeld, ExpectMail, ExpectRun, Moment, Range
from app.core.text import Text
from app.core.windows import at_local
from app.store.queue import RunStanding


@dataclass(frozen=True, slots=True)
class Miss:
    """An expectation that did not hold: what was wanted, what there was instead."""

    wanted: Text
    got: Text


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
            when = self._when(expected)
            asked = _said(f"mail {wanted.mail} {_en(when)}", f"ایمیل {isolated(wanted.mail)} {_fa(when)}")
            return Miss(asked, self._nearest(wanted.mail))
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
            return Miss(
                *(_said(f"subject {each!r}", f"موضوع «{isolated(each)}»") for each in (wanted.subject, subject))
            )
        lacking = next(
            (part for part in wanted.contains if part not in message.text and part not in message.html), None
        )
        if lacking is not None:
            mail = isolated(wanted.mail)
            asked = _said(f"{wanted.mail} contains {lacking!r}", f"بودن «{isolated(lacking)}» در {mail}")
            return Miss(asked, _said("it does not", "در آن نیست"))
        if wanted.offer and wanted.offer != found.offer:
            said = f"ایمیل {isolated(wanted.mail)} با پیشنهاد {isolated(wanted.offer)}"
            carried = f"پیشنهاد {isolated(found.offer)}" if found.offer else "بی‌پیشنهاد"
            got = _said(f"offer {found.offer or 'none'}", carried)
            return Miss(_said(f"{wanted.mail} carries offer {wanted.offer}", said), got)
        return None

    def _nearest(self, mail: str) -> Text:
        """What came last, and whether the mail came at another time."""
        if self._stage.faults:
            fault = self._stage.faults[-1]
            return _said(f"it could not be written: {fault}", f"نوشته نشد: {isolated(fault)}")
        inbox = [m for m in self._stage.inbox if not m.is_team]
        same = [m for m in inbox if m.mail == mail]
        if same:
            at = self.shown(same[-1].at)
            return _said(f"it {_en(at)}", f"همان ایمیل، {_fa(at)}")
        if not inbox:
            return _said("no mail at all", "هیچ ایمیلی نیامد")
        mail, at = inbox[-1].mail, self.shown(inbox[-1].at)
        return _said(f"nothing after {mail}, {_en(at)}", f"پس از {isolated(mail)} ({_fa(at)}) هیچ ایمیلی")

    # ── The person ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _label(self, expected: Expect) -> Miss | None:
        subscriber = self._actor.subscriber()
        if expected.stage and expected.stage != subscriber.stage:
            score_now, stage = f"{self._score_now():.0f}", subscriber.stage
            got = _said(f"stage {stage}, score {score_now}", f"مرحلهٔ {isolated(stage)}، امتیاز {figures(score_now)}")
            return Miss(_said(f"stage {expected.stage}", f"مرحلهٔ {isolated(expected.stage)}"), got)
        if expected.kind and expected.kind != subscriber.kind:
            kinds = expected.kind, subscriber.kind
            return Miss(*(_said(f"kind {each}", f"گونهٔ {isolated(each)}") for each in kinds))
        return None

    def _score_now(self) -> float:
        half_life = self._stage.shelved().book.ladder.half_life
        return score(self._actor.subscriber(), self._stage.clock, half_life)

    def _score(self, wanted: Range) -> Miss | None:
        now = round(self._score_now(), 6)
        low, high = wanted.low, wanted.high
        if (low is not None and now < low) or (high is not None and now > high):
            got = _said(f"score {now:.1f}", f"امتیاز {figures(f'{now:.1f}').replace('.', '٫')}")
            return Miss(_score_wanted(wanted), got)
        return None

    def _tag(self, tag: str) -> Miss | None:
        tags = self._actor.subscriber().tags
        if tag in tags:
            return None
        worn = f"برچسب‌های {'، '.join(map(isolated, sorted(tags)))}" if tags else "بی‌برچسب"
        got = _said(f"tags {', '.join(sorted(tags)) or 'none'}", worn)
        return Miss(_said(f"tag {tag}", f"برچسب {isolated(tag)}"), got)

    def _run(self, wanted: ExpectRun) -> Miss | None:
        runs = [run for run in self._actor.runs() if run.campaign == wanted.campaign]
        if not runs:
            asked = _said(f"a run of {wanted.campaign}", f"دوری از {isolated(wanted.campaign)}")
            return Miss(asked, _said("she never entered it", "هرگز وارد آن نشده است"))
        last = runs[-1]
        standing = {"left": last.result, "state": last.state, "step": last.step}
        for name, value in standing.items():
            asked_for = getattr(wanted, name)
            if asked_for and asked_for != value:
                run = f"run {wanted.campaign} {name} {asked_for}"
                said = f"دور {isolated(wanted.campaign)} با {isolated(f'{name}: {asked_for}')}"
                return Miss(_said(run, said), _standing(last))
        return None

    def _notified(self, address: str) -> Miss | None:
        self._stage.work()
        told = [m for m in self._stage.inbox if m.is_team]
        if any(m.recipient == address for m in told):
            return None
        others = sorted({m.recipient for m in told})
        asked = _said(f"{address} notified", f"خبر دادن به {isolated(address)}")
        if not others:
            return Miss(asked, _said("nobody was notified", "به کسی خبر داده نشد"))
        return Miss(asked, _said(f"only {', '.join(others)}", f"تنها به {'، '.join(map(isolated, others))}"))

    def _held(self, wanted: ExpectHeld) -> Miss | None:
        person = self._actor.loaded().person
        runs = [r for r in person.runs if not wanted.campaign or r.key.campaign == wanted.campaign]
        reasons = [run.reason for run in runs if run.state in ("held", "paused")]
        late = [m for m in person.messages if m.mail == wanted.mail and m.state is MessageState.QUEUED]
        is_held = bool(late) if wanted.mail else bool(reasons)
        if is_held and (not wanted.reason or wanted.reason in reasons or wanted.mail):
            return None
        what = wanted.mail or wanted.campaign
        why = f" ({isolated(wanted.reason)})" if wanted.reason else ""
        asked = _said(f"held {what} {wanted.reason}".rstrip(), f"نگه داشتن {isolated(what)}{why}")
        return Miss(asked, keys_text(reasons) if reasons else _said("nothing is held", "چیزی نگه داشته نشده است"))

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
        if verdict == wanted:
            return None
        got = key_text(verdict) if verdict else _said("no code was shown", "کدی نشان داده نشد")
        return Miss(_said(f"the code is {wanted}", f"کد {isolated(wanted)} باشد"), got)

    def _offer(self, key: str, *, is_over: bool) -> Miss | None:
        """What somebody sees who opens her last mail with this offer now: its link and its picture must agree."""
        wanted = _offer_wanted(key, is_over=is_over)
        mail = next((m for m in reversed(self._stage.inbox) if m.offer == key and not m.is_team), None)
        if mail is None:
            return Miss(wanted, _said("no mail with it has come", "ایمیلی با آن نیامده است"))
        stored = self._actor.subscriber().offer_ends.get(key)
        ends = [*self._link_ends(mail, key), *self._picture_ends(mail)] or [stored]
        wrong = next((end for end in ends if (end is not None and self._stage.clock >= end) is not is_over), None)
        if wrong is None and all((end is not None and self._stage.clock >= end) is is_over for end in ends):
            return None
        if wrong is None:
            return Miss(wanted, _said("it has no end", "پایانی ندارد"))
        at = self.shown(wrong)
        return Miss(wanted, _said(f"it ends {_en(at)}", f"پایانش {_fa(at)} است"))

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
        if not later:
            return None
        mail, at = later[0].mail, self.shown(later[0].at)
        return Miss(_said("no mail", "نیامدن ایمیل"), _said(f"{mail}, {_en(at)}", f"ایمیل {isolated(mail)}، {_fa(at)}"))

    # ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _instant(self, moment: Moment) -> Instant:
        return at_local(parse_date(moment.date), moment.at, self._stage.zone)

    def _when(self, expected: Expect) -> Text:
        if expected.at is not None:
            at = self.shown(self._instant(expected.at))
            return _said(f"at {_en(at)}", f"درست در {_fa(at)}")
        if expected.by is None:
            return _said("now", "اکنون")
        if isinstance(expected.by, Moment):
            at = self.shown(self._instant(expected.by))
            return _said(f"by {_en(at)}", f"تا {_fa(at)}")
        return _said(f"within {format_span(expected.by)}", f"در مدت {span_said(expected.by)}")

    def shown(self, at: Instant) -> Text:
        """An instant as the subscriber's clock shows it."""
        dates = Dates(self._stage.zone, self._stage.clock)
        return _said(dates.english(at), dates.persian(at))


_said = Text.said


def _en(text: Text) -> str:
    return text.in_locale("en")


def _fa(text: Text) -> str:
    return text.in_locale("fa")


def _standing(run: RunStanding) -> Text:
    """How a run stands or ended, in the words a scenario asks with."""
    state, reason = run.result or run.state, isolated(run.reason)
    in_persian = f"{isolated(state)}{f' در گام {isolated(run.step)}' if run.step else ''} ({reason})"
    return _said(f"{state}{f' at {run.step}' if run.step else ''} ({run.reason})", in_persian)


def _score_wanted(wanted: Range) -> Text:
    low, high = wanted.low, wanted.high
    if low == high:
        return _said(f"score {low}", f"امتیاز {figures(low)}")
    bounds = [f"از {figures(low)}"] if low is not None else []
    bounds += [f"تا {figures(high)}"] if high is not None else []
    in_english = f"score {'' if low is None else low}..{'' if high is None else high}"
    return _said(in_english, f"امتیاز {' '.join(bounds)}")


def _offer_wanted(key: str, *, is_over: bool) -> Text:
    if is_over:
        return _said(f"offer {key} has ended", f"پیشنهاد {isolated(key)} پایان یافته باشد")
    return _said(f"offer {key} is open", f"پیشنهاد {isolated(key)} باز باشد")
