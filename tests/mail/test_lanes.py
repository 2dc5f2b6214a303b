"""Lanes: who is in which, how fast they go, when they rest, and when a mail is tried again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.instants import DAY, HOUR, MINUTE, SECOND
from app.mail.lanes import (
    GIVE_UP_AFTER,
    HORIZON,
    MOST_AT_ONCE,
    RETRY_STEPS,
    WARM_UP,
    DayFigures,
    Lane,
    LanesFault,
    Pace,
    Slowing,
    Trying,
    after_success,
    after_throttle,
    budget,
    daily_cap,
    next_level,
    read_lanes,
    retry_at,
    retry_hint,
    shipped_lanes,
    spend,
)

NOON = 1_800_000_000 * SECOND
FREE = Lane("free")
SLOW = Lane("slow", per_minute=30)


@pytest.mark.parametrize(
    ("domain", "mx", "lane"),
    [
        ("gmail.com", (), "google"),
        ("googlemail.com", (), "google"),
        ("hotmail.co.uk", (), "microsoft"),
        ("yahoo.fr", (), "yahoo"),
        ("aol.com", (), "yahoo"),
        ("me.com", (), "apple"),
        ("chmail.ir", (), "iran"),
        ("example.org", (), "default"),
        ("example.org", ("aspmx.l.google.com.",), "google"),
        ("example.org", ("smtp.google.com",), "google"),
        ("example.org", ("example-org.mail.protection.outlook.com",), "microsoft365"),
        ("example.org", ("example-org.k-v1.mx.microsoft",), "microsoft365"),
        ("example.org", ("outlook-com.olc.protection.outlook.com",), "microsoft"),
        ("example.org", ("mta7.am0.yahoodns.net",), "yahoo"),
        ("example.org", ("mx.zoho.eu",), "zoho"),
        ("example.org", ("mx.yandex.net",), "yandex"),
        ("example.org", ("emx.mail.ru",), "mailru"),
        ("example.org", ("mx01.mail.icloud.com",), "apple"),
        ("example.org", ("mxa-001.gslb.pphosted.com",), "proofpoint"),
        ("example.org", ("mx.notgoogle.com",), "default"),
        ("example.org", ("mx1.example.org", "eu-smtp-inbound-1.mimecast.com"), "mimecast"),
        ("example.org", ("eu-smtp-inbound-1.mimecast.com", "aspmx.l.google.com"), "google"),
        ("gmail.com", ("mx.yandex.net",), "google"),
    ],
)
def test_everybody_has_a_lane(domain: str, mx: tuple[str, ...], lane: str) -> None:
    assert shipped_lanes().of(domain, mx).name == lane


def test_service_mail_has_a_lane_of_its_own() -> None:
    assert shipped_lanes().lanes["service"].connections >= 1


def test_all_faults_of_a_file_are_told_at_once() -> None:
    with pytest.raises(LanesFault) as caught:
        read_lanes(
            """
            [default]
            connections = 0
            colour = "red"
            [a]
            providers = ["gmail", 3]
            [b]
            providers = ["gmail"]
            slow = [{ match = "x" }, { match = "y", pause = "soon" }, { pause = "1h" }]
            """
        )
    text = str(caught.value)
    for part in ("connections", "colour", "write texts", "belongs to [a]", "either pause", "soon", "[service]"):
        assert part in text


def test_what_is_not_toml_is_said_to_be_so() -> None:
    with pytest.raises(LanesFault, match="not TOML"):
        read_lanes("[")


def test_a_free_lane_gives_a_batch_and_a_resting_one_nothing() -> None:
    assert budget(FREE, Pace(), NOON) == MOST_AT_ONCE
    assert budget(FREE, Pace(paused_until=NOON + 1), NOON) == 0
    assert budget(FREE, Pace(paused_until=NOON), NOON) == MOST_AT_ONCE


@given(st.integers(1, 5_000), st.lists(st.integers(0, 20 * SECOND), min_size=1, max_size=200))
def test_no_lane_sends_more_in_a_minute_than_it_may(per_minute: int, gaps: list[int]) -> None:
    lane, pace, now = Lane("x", per_minute=per_minute), Pace(), NOON
    spent: list[tuple[int, int]] = []
    for gap in gaps:
        now += gap
        count = budget(lane, pace, now)
        pace = spend(lane, pace, count, now)
        spent.append((now, count))
    for at, _ in spent:
        # what was claimed within a minute, less what may still wait for its turn inside the horizon
        within = sum(count for when, count in spent if at <= when < at + MINUTE)
        assert within <= per_minute + per_minute * HORIZON / MINUTE + 2


def test_a_limited_lane_is_used_to_the_full() -> None:
    pace, sent = Pace(), 0
    for second in range(600):
        now = NOON + second * SECOND
        count = budget(SLOW, pace, now)
        pace, sent = spend(SLOW, pace, count, now), sent + count
    assert 300 <= sent <= 306


def test_the_pause_doubles_with_every_strike_and_a_success_forgives() -> None:
    pace, pauses = Pace(), []
    for _ in range(9):
        pace = after_throttle(FREE, pace, "421 slow down", NOON, 0.0)
        pauses.append((pace.paused_until - NOON) // MINUTE)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 90, 90]
    again = after_throttle(FREE, after_success(pace), "421", pace.paused_until, 0.0)
    assert again.paused_until - pace.paused_until == MINUTE


def test_a_known_answer_gets_what_its_provider_asks_for() -> None:
    lanes = shipped_lanes().lanes
    yahoo = after_throttle(lanes["yahoo"], Pace(), "421 4.7.0 [TSS04] Messages deferred", NOON, 0.0)
    assert yahoo.paused_until == NOON + 2 * HOUR
    google = after_throttle(lanes["google"], Pace(), "421-4.7.28 unusual rate of mail", NOON, 0.0)
    assert budget(lanes["google"], google, NOON) == 2
    assert budget(lanes["google"], google, NOON + 31 * MINUTE) == MOST_AT_ONCE


def test_a_slow_time_never_makes_a_limited_lane_faster() -> None:
    lane = Lane("x", per_minute=6, slow=(Slowing("y", per_minute=600, lasts=HOUR),))
    assert budget(lane, after_throttle(lane, Pace(), "y", NOON, 0.0), NOON) == budget(lane, Pace(), NOON) == 1


def test_retries_come_less_and_less_often_and_never_after_the_mail_is_stale() -> None:
    waits = []
    for attempts in range(1, 9):
        at = retry_at(Trying(attempts, NOON, NOON + 99 * DAY), "451", NOON, 0.0)
        assert at
        waits.append(at - NOON)
    assert tuple(waits[:6]) == RETRY_STEPS
    assert waits[5] == waits[7]
    assert retry_at(Trying(1, NOON, NOON + 5 * MINUTE), "451", NOON, 0.0) is None
    assert retry_at(Trying(20, NOON - GIVE_UP_AFTER, NOON + 99 * DAY), "451", NOON, 0.0) is None


@given(st.integers(0, 30), st.floats(0, 1, exclude_max=True), st.text(max_size=80))
def test_a_retry_is_in_the_future_and_inside_the_freshness(attempts: int, chance: float, reply: str) -> None:
    fresh = NOON + 48 * HOUR
    at = retry_at(Trying(attempts, NOON, fresh), reply, NOON, chance)
    assert at is None or NOON + 10 * MINUTE <= at < fresh


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        ("450 4.2.0 Greylisted, please try again in 300 seconds", 300),
        ("451 try again in 15 minutes", 900),
        ("451 retry after 2 hours", 7_200),
        ("451 come back in 90 s", 90),
        ("451 try again later", 0),
        ("451 try again in 99999 hours", 86_400),
        ("450 4.7.1 host 203.0.113.5 in 5 lists", 0),
    ],
)
def test_an_answer_may_name_the_time_to_wait(reply: str, seconds: int) -> None:
    assert retry_hint(reply) == seconds * SECOND


def test_chance_spreads_what_was_refused_together() -> None:
    times = {retry_at(Trying(1, NOON, NOON + DAY), "451", NOON, chance / 10) for chance in range(10)}
    assert len(times) == 10


def test_a_warm_up_rises_only_on_good_and_used_days() -> None:
    good = DayFigures(sent=50)
    assert next_level(0, good) == 1
    assert next_level(1, DayFigures(sent=40)) == 1
    assert next_level(3, DayFigures(sent=400, deferred=21)) == 3
    assert next_level(3, DayFigures(sent=400, blocked=5)) == 3
    assert next_level(5, DayFigures(sent=1_000, complained=2)) == 4
    assert next_level(5, DayFigures(sent=1_000, complained=3)) == -1
    assert next_level(0, DayFigures(sent=50, complained=1)) == 1
    assert next_level(0, DayFigures()) == 0


def test_a_warm_up_ends_in_doubling() -> None:
    assert [daily_cap(level) for level in range(len(WARM_UP))] == list(WARM_UP)
    assert daily_cap(len(WARM_UP)) == 2 * WARM_UP[-1]
    assert daily_cap(-1) == 0
