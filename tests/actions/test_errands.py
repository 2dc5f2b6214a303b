"""Long work: asked for, done by a worker, cancelled, left and found again, taken back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from app.actions import errands
from app.actions.access import Role, Visitor
from app.actions.errands import HOLD, KEPT_FOR, UNDO_FOR, Errand, Sort, State, Wish
from app.actions.errands.bench import LEASE
from app.actions.errands.doing import MOST_TRIES, drain
from app.core.facts import FactKind
from app.core.instants import DAY
from app.store.accounts import AuditRow
from app.store.engine import Database
from app.store.errands import ErrandPartRow, ErrandRow
from app.store.offers import CodeRow
from tests.services.clock import Clock
from tests.web.desk import Desk, open_desk

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"
LEILA = Visitor("Leila", Role.OWNER, 1, b"", "leila@example.com")


@pytest.fixture
def desk(database: Database, tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    opened = open_desk(database, tmp_path, clock)
    for address in (ALICE, BOB, CAROL):
        opened.confirmed(address, first_name=address.partition("@")[0].title())
    yield opened
    opened.parts.spool.close()


def asked(desk: Desk, sort: Sort, **more: errands.Json) -> int:
    return errands.ask(desk.world, LEILA, Wish(sort, more, "/dashboard/people"))


def handed_in(desk: Desk, data: bytes) -> int:
    return errands.ask(desk.world, LEILA, Wish(Sort.CODES, {"pool": "spring"}, data=data))


def done(desk: Desk, number: int) -> Errand:
    """The errand, after a worker came by."""
    desk.clock.advance(HOLD)
    drain(desk.world, desk.parts.shelf, "worker one")
    found = errands.find(desk.world, number)
    assert found is not None
    return found


def wordy(desk: Desk, number: int) -> str:
    return b"".join(errands.file_of(desk.world, number)).decode("utf-8-sig")


# ── Changing many ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tag_is_put_on_everybody_a_search_finds_and_on_nobody_else(desk: Desk) -> None:
    number = asked(desk, Sort.BULK, what="tag", tag="VIP guests", people={"text": "a"})
    found = done(desk, number)
    assert (found.state, found.told["changed"], found.told["looked_at"]) == (State.DONE, 1, 1)
    assert [desk.tags(each) for each in (ALICE, BOB)] == [{"vip-guests"}, set()]


def test_nothing_is_changed_before_the_hand_had_time_to_slip(desk: Desk) -> None:
    number = asked(desk, Sort.BULK, what="tag", tag="vip", people={})
    drain(desk.world, desk.parts.shelf, "worker one")
    assert desk.tags(ALICE) == set()
    assert errands.cancel(desk.world, LEILA, number)
    assert done(desk, number).state is State.CANCELLED
    assert desk.tags(ALICE) == set()


def test_a_tag_taken_back_leaves_those_who_had_it_before(desk: Desk) -> None:
    done(desk, asked(desk, Sort.BULK, what="tag", tag="vip", people={"text": "alice"}))
    second = asked(desk, Sort.BULK, what="tag", tag="vip", people={})
    assert done(desk, second).told["changed"] == 2
    number = errands.undo(desk.world, LEILA, second)
    assert number is not None
    assert done(desk, number).told["changed"] == 2
    assert [desk.tags(each) for each in (ALICE, BOB, CAROL)] == [{"vip"}, set(), set()]
    assert errands.undo(desk.world, LEILA, second) is None, "once is enough"


def test_a_pause_taken_back_gives_the_former_pause_back(desk: Desk) -> None:
    done(desk, asked(desk, Sort.BULK, what="pause", days=30, people={"text": "alice"}))
    first = desk.person(ALICE).paused_until
    second = asked(desk, Sort.BULK, what="pause", days=90, people={})
    done(desk, second)
    assert (desk.person(BOB).paused_until or 0) > (first or 0)
    assert "paused" in desk.kinds(BOB)
    number = errands.undo(desk.world, LEILA, second)
    done(desk, number or 0)
    assert (desk.person(ALICE).paused_until, desk.person(BOB).paused_until) == (first, None)


def test_suppressing_many_takes_back_their_mails_and_can_be_undone(desk: Desk) -> None:
    number = asked(desk, Sort.BULK, what="suppress", people={"text": "bob"})
    assert done(desk, number).told["changed"] == 1
    assert desk.person(BOB).is_suppressed
    assert {mail.state for mail in desk.mails(BOB)} <= {"sent", "withdrawn"}
    done(desk, errands.undo(desk.world, LEILA, number) or 0)
    assert not desk.person(BOB).is_suppressed


def test_the_undo_window_closes(desk: Desk) -> None:
    number = asked(desk, Sort.BULK, what="tag", tag="vip", people={})
    done(desk, number)
    desk.clock.advance(UNDO_FOR + 1)
    assert errands.undo(desk.world, LEILA, number) is None


def test_a_condition_finds_whom_it_means_and_a_wrong_one_changes_nobody(desk: Desk) -> None:
    number = asked(desk, Sort.BULK, what="tag", tag="vip", people={"condition": "attribute('first_name') == 'Bob'"})
    done(desk, number)
    assert [desk.tags(each) for each in (ALICE, BOB)] == [set(), {"vip"}]
    wrong = done(desk, asked(desk, Sort.BULK, what="tag", tag="x", people={"condition": "stage == 'nowhere'"}))
    assert (wrong.state, wrong.told["why"]) == (State.FAILED, "condition")


@pytest.mark.parametrize(
    "wish", [{"what": "erase"}, {"what": "tag", "tag": "<b>"}, {"what": "pause", "days": 7}, {"what": "tag"}]
)
def test_a_change_nobody_offers_is_refused(desk: Desk, wish: dict[str, errands.Json]) -> None:
    found = done(desk, asked(desk, Sort.BULK, people={}, **wish))
    assert (found.state, found.told["why"]) == (State.FAILED, "asked")


# ── A file ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_is_written_as_a_table_in_which_no_cell_is_a_formula(desk: Desk) -> None:
    desk.confirmed("dora@example.com", first_name="=HYPERLINK(1)")
    found = done(desk, asked(desk, Sort.EXPORT, people={}))
    assert (found.file, found.told["people"]) == ("subscribers.csv", 4)
    rows = list(csv.DictReader(io.StringIO(wordy(desk, found.id))))
    assert {row["address"] for row in rows} == {ALICE, BOB, CAROL, "dora@example.com"}
    assert {row["first_name"] for row in rows} == {"Alice", "Bob", "Carol", "'=HYPERLINK(1)"}


def test_codes_handed_in_are_put_into_their_pool(desk: Desk) -> None:
    found = done(desk, handed_in(desk, b"SP-1\nSP-2\n\nSP-1\n"))
    assert (found.told["taken"], found.told["refused"]) == (2, 1)
    assert len(desk.rows(CodeRow)) == 2
    assert done(desk, handed_in(desk, b"\xff\xfe")).told["why"] == "not_utf8"


# ── Workers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_errand_whose_worker_died_is_done_by_the_next_one_and_once(desk: Desk) -> None:
    number = asked(desk, Sort.EXPORT, people={})
    with desk.world.transaction("write") as session:
        dead = update(ErrandRow).values(state="running", owner="dead", claim_no=1, lease_until=desk.clock() + LEASE)
        session.execute(dead)
        session.add(ErrandPartRow(errand_id=number, side="out", number=0, data=b"half"))
    drain(desk.world, desk.parts.shelf, "worker two")
    assert desk.rows(ErrandRow)[0].state == "running", "it may live"
    desk.clock.advance(LEASE + 1)
    assert done(desk, number).state is State.DONE
    assert ALICE in wordy(desk, number)


def test_an_errand_that_kills_its_workers_is_given_up(desk: Desk) -> None:
    number = asked(desk, Sort.EXPORT, people={})
    with desk.world.transaction("write") as session:
        session.execute(update(ErrandRow).values(claim_no=MOST_TRIES))
    assert done(desk, number).told["why"] == "died"


def test_a_worker_that_stops_leaves_its_errand_to_the_next(desk: Desk) -> None:
    number = asked(desk, Sort.EXPORT, people={})
    answers = iter([False, True, True])
    drain(desk.world, desk.parts.shelf, "worker one", lambda: next(answers))
    assert desk.rows(ErrandRow)[0].state == "open"
    assert done(desk, number).state is State.DONE


def test_an_errand_cancelled_while_it_is_done_stops_at_its_next_step(desk: Desk) -> None:
    number = asked(desk, Sort.EXPORT, people={})

    def is_stopping() -> bool:
        """Asked at each step: somebody presses the button once the errand is claimed."""
        if desk.rows(ErrandRow)[0].state == "running":
            errands.cancel(desk.world, LEILA, number)
        return False

    drain(desk.world, desk.parts.shelf, "worker one", is_stopping)
    assert desk.rows(ErrandRow)[0].state == "cancelled"


def test_a_fault_ends_one_errand_and_not_the_worker(desk: Desk) -> None:
    bad = asked(desk, Sort.UNDO, errand="nonsense")
    good = asked(desk, Sort.EXPORT, people={})
    found = done(desk, bad)
    assert (found.state, found.told["why"]) == (State.FAILED, "fault")
    assert done(desk, good).state is State.DONE


def test_what_ended_a_week_ago_is_forgotten_with_its_files(desk: Desk) -> None:
    done(desk, asked(desk, Sort.EXPORT, people={}))
    desk.clock.advance(KEPT_FOR + DAY)
    waiting = asked(desk, Sort.EXPORT, people={})
    errands.forget(desk.world)
    assert [row.id for row in desk.rows(ErrandRow)] == [waiting]
    assert desk.rows(ErrandPartRow) == []


# ── Who ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_support_may_tag_many_but_carry_no_list_away(desk: Desk) -> None:
    support = Visitor("Sara", Role.SUPPORT, 2, b"", "sara@example.com")
    with pytest.raises(PermissionError):
        errands.ask(desk.world, support, Wish(Sort.EXPORT, {}))
    number = asked(desk, Sort.EXPORT, people={})
    assert not errands.cancel(desk.world, support, number)
    assert errands.ask(desk.world, support, Wish(Sort.BULK, {"what": "tag", "tag": "x"}))


def test_the_log_says_who_asked_for_what_and_never_whom_a_search_named(desk: Desk) -> None:
    asked(desk, Sort.BULK, what="tag", tag="vip", people={"text": ALICE})
    (line,) = [row for row in desk.rows(AuditRow) if row.action == "ask_bulk"]
    assert (line.who, line.detail) == ("leila@example.com", "what: tag, tag: vip")


# ── History and what comes ───────────────────────────────────────────────────────────────────────────────────────────


def test_judging_again_and_looking_ahead_tell_numbers(desk: Desk) -> None:
    assert done(desk, asked(desk, Sort.RECOMPUTE, days="30")).told == {"changed": 0}
    assert done(desk, asked(desk, Sort.RECOMPUTE, days="-1")).told["why"] == "asked"
    ahead = done(desk, asked(desk, Sort.FORECAST))
    assert ahead.told["people"] == 3
    assert isinstance(ahead.told["days"], list)
    assert len(ahead.told["days"]) == 30
    assert FactKind.ORDERED not in desk.kinds(ALICE), "nothing was written"
