"""Progress: rate, rest and lag as the worker tells them, and one value made of several workers' words."""

from __future__ import annotations

import json

import pytest

from app.actions.pace import Allowance, Paces
from app.actions.progress import LaneProgress, Progress, RelayProgress, Reporter, of_beats, progress
from app.actions.sweep import beat
from app.cli.messages import sentence
from app.core.instants import DAY, MINUTE, SECOND
from app.mail.lanes import shipped_lanes
from app.mail.smtp_relays import RelaySet
from app.store.ledgers import Heartbeat
from tests.actions.post_office import PostOffice
from tests.mail.test_smtp_relays import letters, member
from tests.servers.smtp import Close, SmtpServer, always


def test_the_rate_is_that_of_the_last_minute() -> None:
    second = [0.0]
    paces = Paces(shipped_lanes(), lambda: 0.0, lambda: second[0])
    for _ in range(30):
        paces.done(10)
        second[0] += 2
    assert paces.per_minute() == pytest.approx(300, rel=0.05)
    second[0] += 59
    assert paces.per_minute() < 60
    second[0] += 61
    assert paces.per_minute() == 0


def test_a_worker_tells_its_queue_its_lanes_and_its_relays(office: PostOffice) -> None:
    office.crowd(3)
    office.mail(office.person("later"), lane="google", fresh_until=None)
    office.clock.advance(MINUTE)
    with SmtpServer() as server, SmtpServer({"connect": always(Close())}) as gone:
        transport = RelaySet([(member(server, "main"), 1), (member(gone, "spare"), 1)])
        transport.send(letters(10), _Nothing())
        paces = Paces(shipped_lanes(), lambda: 0.0)
        paces.slowed("google", "421 4.7.28 unusual rate")
        paces.allow({"google": Allowance(0, 50, 50)})
        paces.done(20)
        beat(office.world, "one", Reporter(office.world, paces, [transport]).words())
        transport.close()
    found = progress(office.world)
    assert (found.workers, found.due, found.later, found.held_back) == (1, 4, 0, 1)
    assert found.lag == MINUTE
    google = next(lane for lane in found.lanes if lane.name == "google")
    assert (google.per_minute, google.held_back) == (10, 1)
    assert google.why == "421 4.7.28 unusual rate"
    main, spare = found.relays
    assert main == RelayProgress("main")
    assert 0 < spare.rests_for <= 15 * SECOND
    assert spare.why.startswith("greeting: ")
    office.clock.advance(MINUTE)
    assert progress(office.world).workers == 0, "an old word says nothing of now"


def test_the_queue_is_not_counted_with_every_beat(office: PostOffice) -> None:
    reporter = Reporter(office.world, Paces(shipped_lanes(), lambda: 0.0), [])
    office.crowd(2)
    assert [each["due"] for each in _queue(reporter)] == [2]
    office.crowd(2)
    assert [each["due"] for each in _queue(reporter)] == [2]


def _queue(reporter: Reporter) -> list[dict[str, int]]:
    found = reporter.words()["queue"]
    assert isinstance(found, list)
    return found


class _Nothing:
    def before_final_dot(self, key: object, connection: int) -> None: ...

    def after_reply(self, settlement: object) -> None: ...


def test_several_workers_are_one_progress() -> None:
    queue = [{"lane": "google", "due": 600, "later": 5, "deferred": 2, "oldest": 1}]
    lanes = [{"name": "google", "rests_for": 0, "per_minute": 10, "strikes": 1, "allowance": None}]
    one = {"per_minute": 40.0, "queue": queue, "lanes": lanes, "relays": [{"name": "main", "rests_for": 0, "why": ""}]}
    two = {
        "per_minute": 20.0,
        "queue": queue,
        "lanes": [],
        "relays": [{"name": "main", "rests_for": 7, "why": "x"}],
        "journal": "disk full",
    }
    found = of_beats([Heartbeat("worker", "a", 2, 9, json.dumps(one)), Heartbeat("worker", "b", 1, 3, json.dumps(two))])
    assert (found.per_minute, found.due, found.later, found.lag) == (60.0, 600, 5, 9)
    assert found.left == 60 * MINUTE, "ten a minute is what the lane bears"
    assert found.relays == (RelayProgress("main", 7, "x"),)
    assert found.journal_fault == "disk full"


@pytest.mark.parametrize("detail", ["{}", "[]", '{"lanes": 3, "queue": null}', '{"relays": {"main": 0}}'])
def test_the_words_of_an_older_worker_are_no_fault(detail: str) -> None:
    assert of_beats([Heartbeat("worker", "a", 1, 0, detail)]).due == 0


def test_what_is_left_is_said_in_one_line() -> None:
    lanes = (LaneProgress("google", due=900, later=40, allowance=Allowance(0, 400, 300)),)
    moving = Progress(1, 10.0, 3 * SECOND, lanes, ())
    assert moving.left == 10 * MINUTE
    assert sentence(moving) == (
        "10 mails a minute, 900 due (10 min left), 40 later, 3 s behind, 800 wait for another day of the warm-up"
    )
    assert "nothing moves" in sentence(Progress(1, 0.0, 0, lanes, ()))
    assert sentence(Progress(0, 0.0, 0, (), ())) == "No worker gives a sign of life."
    assert sentence(Progress(1, 0.5, DAY + 3_600 * SECOND, (), ())).endswith("1 d 1 h behind")


def test_the_reason_of_a_rest_names_nobody() -> None:
    paces = Paces(shipped_lanes(), lambda: 0.0)
    paces.slowed("yahoo", "421 4.7.0 [TSS04] <alice@yahoo.com>: deferred")
    (yahoo,) = paces.states()
    assert yahoo.why == "421 4.7.0 [TSS04] <…>: deferred"
    assert yahoo.rests_for > 0


def test_a_slow_lane_says_when_its_mails_will_have_left() -> None:
    slow = LaneProgress("national", due=300, per_minute=30, rests_for=5 * MINUTE)
    fast = LaneProgress("google", due=100)
    assert Progress(1, 400.0, 0, (slow, fast), ()).left == 15 * MINUTE
    assert Progress(1, 4.0, 0, (slow, fast), ()).left == 100 * MINUTE


def test_lanes_nothing_can_be_said_of_are_left_out() -> None:
    assert not LaneProgress("gmx", allowance=Allowance(0, 50, 0)).has_news
    assert LaneProgress("gmx", allowance=Allowance(0, 50, 1)).has_news
