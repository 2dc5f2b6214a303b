"""Verdicts on opens and clicks: real agents and real timings of proxies and scanners, and the laws behind them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.instants import SECOND
from app.core.verdicts import (
    GMAIL_PREFETCH,
    PRIVACY_PROXIES,
    SCANNERS,
    AgentClass,
    Judgement,
    Neighbour,
    Reason,
    Request,
    Sent,
    Touch,
    TouchKind,
    Verdict,
    changes,
    classify_agent,
    due_at,
    judge,
    needed_clicks,
    reach,
)

SENT_AT = 1_770_000_000 * SECOND
MAIL = Sent(SENT_AT, links=10)
HOME, OFFICE, CLOUD = "a1" * 8, "b2" * 8, "c3" * 8

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Mobile/15E148 Safari/604.1"
)
APPLE_MAIL = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
GMAIL_PROXY = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO_PROXY = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
BARRACUDA = "Mozilla/5.0 (Windows NT 10.0) Barracuda Sentinel (EE)"
CURL = "curl/8.5.0"


def is_crawler(agent: str) -> bool:
    """A list as the real ones are: it names image proxies, and misses scanners that say they are browsers."""
    return any(name in agent for name in ("curl/", "python-requests", "GoogleImageProxy", "YahooMailProxy"))


def touch(
    kind: TouchKind,
    seconds: float,
    link: int = 0,
    network: str = HOME,
    agent: str = CHROME,
) -> Touch:
    at = SENT_AT + round(seconds * SECOND)
    fact_id = blake2b(f"{kind}{at}{link}{network}{agent}".encode(), digest_size=16).digest()  # ids are in no order
    return Touch(fact_id, at, kind, link, classify_agent(agent, is_crawler), network, "", Request.GET)


def click(seconds: float, link: int = 0, network: str = HOME, agent: str = CHROME) -> Touch:
    return touch(TouchKind.CLICK, seconds, link, network, agent)


def opened(seconds: float, agent: str = CHROME, network: str = HOME) -> Touch:
    return touch(TouchKind.OPEN, seconds, 0, network, agent)


def reasons(touches: Sequence[Touch], sent: Sent = MAIL, near: Iterable[Neighbour] = ()) -> list[tuple[str, str]]:
    judged = judge(sent, touches, near)
    return [(judged[one.fact_id].verdict, judged[one.fact_id].reason) for one in touches]


MACHINE, UNKNOWN, HUMAN = Verdict.MACHINE, Verdict.UNKNOWN, Verdict.HUMAN


@pytest.mark.parametrize(
    ("agent", "seconds", "wanted"),
    [
        ("", 600, (MACHINE, Reason.PRIVACY_PROXY)),
        ("Mozilla/5.0", 43, (MACHINE, Reason.PRIVACY_PROXY)),
        (GMAIL_PREFETCH, 5, (MACHINE, Reason.PREFETCH)),
        (GMAIL_PROXY, 1, (HUMAN, Reason.IMAGE_PROXY)),
        (YAHOO_PROXY, 3600, (HUMAN, Reason.IMAGE_PROXY)),
        (APPLE_MAIL, 3600, (UNKNOWN, Reason.APPLE_MAIL)),
        (CURL, 3600, (UNKNOWN, Reason.SCANNER_AGENT)),
        (CHROME, 2.9, (UNKNOWN, Reason.TOO_EARLY)),
        (CHROME, 3, (HUMAN, Reason.PLAIN)),
        (SAFARI, 3600, (HUMAN, Reason.PLAIN)),
    ],
)
def test_an_open_is_judged_by_its_agent_and_its_hour(agent: str, seconds: float, wanted: tuple[str, str]) -> None:
    assert reasons([opened(seconds, agent)]) == [wanted]


@pytest.mark.parametrize(
    ("agent", "seconds", "wanted"),
    [
        (CURL, 3600, (MACHINE, Reason.SCANNER_AGENT)),
        (BARRACUDA, 43, (MACHINE, Reason.SCANNER_AGENT)),
        (GMAIL_PREFETCH, 43, (MACHINE, Reason.PREFETCH)),
        (CHROME, 1.9, (UNKNOWN, Reason.TOO_EARLY)),
        (CHROME, -5, (UNKNOWN, Reason.TOO_EARLY)),
        (CHROME, 2, (HUMAN, Reason.PLAIN)),
        (CHROME, 43, (HUMAN, Reason.PLAIN)),
        (SAFARI, 86_400, (HUMAN, Reason.PLAIN)),
    ],
)
def test_a_single_click_is_judged_by_its_agent_and_its_hour(
    agent: str, seconds: float, wanted: tuple[str, str]
) -> None:
    assert reasons([click(seconds, agent=agent)]) == [wanted]


@pytest.mark.parametrize("request_", [Request.HEAD, Request.OPTIONS])
@pytest.mark.parametrize("kind", list(TouchKind))
def test_a_request_that_shows_nothing_to_anybody_is_a_machines(request_: Request, kind: TouchKind) -> None:
    asked = replace(touch(kind, 900, agent=GMAIL_PROXY), request=request_)
    assert reasons([asked]) == [(MACHINE, Reason.NOT_A_GET)]


@pytest.mark.parametrize("kind", list(TouchKind))
def test_a_prefetch_header_is_a_machines(kind: TouchKind) -> None:
    assert reasons([replace(touch(kind, 900), request=Request.PREFETCH)]) == [(MACHINE, Reason.PREFETCH)]


@pytest.mark.parametrize("links", [3, 10, 100])
@pytest.mark.parametrize("start", [8, 43, 240])
def test_a_burst_over_many_links_is_a_machines_whenever_it_comes(links: int, start: int) -> None:
    pixel = opened(start - 20)
    burst = [click(start + n * 1.9 / links, link=n, network=CLOUD) for n in range(links)]
    assert reasons([pixel, *burst], Sent(SENT_AT, links)) == [
        (MACHINE, Reason.BEFORE_BURST),
        *[(MACHINE, Reason.BURST)] * links,
    ]


def test_a_burst_reaches_back_to_clicks_already_judged_human() -> None:
    stored = [click(43, 1, CLOUD), click(43.4, 2, CLOUD)]
    before = judge(MAIL, stored)
    after = judge(MAIL, [*stored, click(44.9, 3, CLOUD)])
    corrected = changes(before, after)
    assert {judged.verdict for judged in before.values()} == {HUMAN}
    assert [(one.before is None, one.after.reason) for one in corrected] == [
        (False, Reason.BURST),
        (False, Reason.BURST),
        (True, Reason.BURST),
    ]


def test_both_links_of_a_mail_with_two_within_two_seconds_are_a_burst() -> None:
    pair = [click(43, 0), click(45, 1)]
    assert reasons(pair, Sent(SENT_AT, 2)) == [(MACHINE, Reason.BURST)] * 2
    assert reasons(pair, Sent(SENT_AT, 3)) == [(HUMAN, Reason.PLAIN)] * 2


def test_three_links_in_more_than_two_seconds_are_a_reader_looking_around() -> None:
    assert reasons([click(60, 1), click(61, 2), click(62.1, 3)]) == [(HUMAN, Reason.PLAIN)] * 3


def test_one_link_pressed_many_times_is_an_impatient_person() -> None:
    assert reasons([click(60 + n / 10, 4) for n in range(9)]) == [(HUMAN, Reason.PLAIN)] * 9


def test_the_scanner_that_made_a_burst_is_a_machine_ten_seconds_around_it_and_doubtful_later() -> None:
    burst = [click(43, n, CLOUD) for n in range(3)]
    around = [click(33, 5, CLOUD), click(53, 5, CLOUD), click(53.1, 5, CLOUD), click(50, 5, HOME)]
    assert reasons([*burst, *around])[3:] == [
        (MACHINE, Reason.NEAR_BURST),
        (MACHINE, Reason.NEAR_BURST),
        (UNKNOWN, Reason.SAME_NETWORK_AS_BURST),
        (HUMAN, Reason.ELSEWHERE),
    ]


def test_a_later_click_from_elsewhere_is_the_readers_own() -> None:
    scan = [click(20, n, CLOUD) for n in range(10)]
    reader = click(3600, 2, HOME, SAFARI)
    assert reasons([*scan, reader])[-1] == (HUMAN, Reason.ELSEWHERE)


def test_an_early_click_stays_unknown_and_a_later_one_elsewhere_is_human() -> None:
    assert reasons([click(1, 0, CLOUD), click(300, 0, HOME)]) == [
        (UNKNOWN, Reason.TOO_EARLY),
        (HUMAN, Reason.ELSEWHERE),
    ]


def test_an_open_two_minutes_before_a_burst_is_the_scanners_and_an_older_one_is_not() -> None:
    burst = [click(200, n, CLOUD) for n in range(3)]
    assert reasons([opened(80), opened(79.9), *burst])[:2] == [(MACHINE, Reason.BEFORE_BURST), (HUMAN, Reason.PLAIN)]


def test_the_pixel_fetched_last_by_the_scanner_is_the_scanners_too() -> None:
    burst = [click(43, n, CLOUD) for n in range(3)]
    assert reasons([*burst, opened(45, network=CLOUD), opened(45, network=HOME)])[3:] == [
        (MACHINE, Reason.NEAR_BURST),
        (HUMAN, Reason.PLAIN),
    ]


def test_a_link_no_person_sees_was_followed_by_a_machine() -> None:
    assert reasons([click(500, 7)], Sent(SENT_AT, 10, frozenset({7}))) == [(MACHINE, Reason.HIDDEN_LINK)]


def test_configured_networks_decide_by_their_label() -> None:
    labelled = [
        replace(click(500, 1), label=SCANNERS),
        replace(opened(500, GMAIL_PROXY), label=SCANNERS),
        replace(opened(500, SAFARI), label=PRIVACY_PROXIES),
        replace(click(500, 2, agent=SAFARI), label=PRIVACY_PROXIES),
    ]
    assert reasons(labelled) == [
        (MACHINE, Reason.SCANNER_NETWORK),
        (MACHINE, Reason.SCANNER_NETWORK),
        (MACHINE, Reason.PRIVACY_PROXY),
        (HUMAN, Reason.PLAIN),
    ]


def office(*seconds: float) -> list[Neighbour]:
    return [Neighbour(OFFICE, person, SENT_AT + round(s * SECOND)) for person, s in enumerate(seconds)]


@pytest.mark.parametrize(
    ("colleagues", "wanted"),
    [
        ((600,), (HUMAN, Reason.PLAIN)),
        ((600, 620), (HUMAN, Reason.PLAIN)),
        ((600, 900, 1500), (HUMAN, Reason.PLAIN)),
        ((600, 630, 660.1), (HUMAN, Reason.PLAIN)),
        ((600, 630, 660), (MACHINE, Reason.CROWD)),
        ((540, 570, 600), (MACHINE, Reason.CROWD)),
    ],
)
def test_colleagues_behind_one_network_are_people_unless_three_click_within_a_minute(
    colleagues: tuple[float, ...], wanted: tuple[str, str]
) -> None:
    mine = click(600, 1, OFFICE)
    assert reasons([mine], near=office(*colleagues)) == [wanted]


def test_one_person_clicking_three_times_is_no_crowd() -> None:
    near = [Neighbour(OFFICE, 1, SENT_AT + n * SECOND) for n in (600, 601, 602)]
    assert reasons([click(600, 1, OFFICE)], near=near) == [(HUMAN, Reason.PLAIN)]


def test_a_crowd_behind_a_privacy_proxy_says_nothing() -> None:
    mine = replace(click(600, 1, OFFICE), label=PRIVACY_PROXIES)
    assert reasons([mine], near=office(600, 610, 620)) == [(HUMAN, Reason.PLAIN)]


def test_an_unknown_network_makes_no_crowd_and_is_nowhere_else() -> None:
    near = [Neighbour("", person, SENT_AT + 600 * SECOND) for person in range(5)]
    assert reasons([click(500, 1, ""), click(600, 1, "")], near=near) == [(HUMAN, Reason.PLAIN)] * 2


def test_without_a_known_hand_over_nothing_is_early() -> None:
    assert reasons([click(1)], Sent(None, 3)) == [(HUMAN, Reason.PLAIN)]


def test_a_touch_is_judged_three_seconds_after_it_happened() -> None:
    assert due_at(click(10)) == SENT_AT + 13 * SECOND


def test_image_proxies_are_not_crawlers_whatever_the_list_says() -> None:
    assert classify_agent(GMAIL_PROXY, lambda agent: True) is AgentClass.IMAGE_PROXY
    assert classify_agent(CHROME, lambda agent: True) is AgentClass.CRAWLER
    assert classify_agent(CHROME, lambda agent: False) is AgentClass.BROWSER


# The laws, over many deliveries of one campaign.

Recorded = tuple[int, Touch]

AGENTS = (CHROME, SAFARI, GMAIL_PROXY, APPLE_MAIL, CURL, "Mozilla/5.0")


@st.composite
def recorded(draw: st.DrawFn) -> Recorded:
    """A touch near the thresholds: a few people, links, networks, and instants that crowd together."""
    at = SENT_AT + draw(st.sampled_from([0, 1, 2, 12, 43, 60, 119, 180])) * SECOND
    at += draw(st.sampled_from([0, 1, SECOND // 2, SECOND, 2 * SECOND, 2 * SECOND + 1, 10 * SECOND]))
    kind = draw(st.sampled_from(list(TouchKind)))
    agent = classify_agent(draw(st.sampled_from(AGENTS)), is_crawler)
    network = draw(st.sampled_from(["", HOME, OFFICE, CLOUD]))
    label = draw(st.sampled_from(["", "", "", PRIVACY_PROXIES, SCANNERS]))
    request_ = draw(st.sampled_from([Request.GET, Request.GET, Request.GET, Request.HEAD, Request.PREFETCH]))
    fact_id = draw(st.binary(min_size=16, max_size=16))
    person = draw(st.integers(min_value=1, max_value=5))
    return person, Touch(fact_id, at, kind, draw(st.integers(0, 4)), agent, network, label, request_)


CAMPAIGN = st.lists(recorded(), max_size=25, unique_by=lambda one: one[1].fact_id)


def neighbours_of(campaign: Iterable[Recorded], touches: Iterable[Touch]) -> list[Neighbour]:
    """Only what `needed_clicks` asks for, as a database would answer."""
    wanted = needed_clicks(touches)
    return [
        Neighbour(one.network, person, one.at)
        for person, one in campaign
        if one.kind is TouchKind.CLICK
        and any(w.network == one.network and w.since <= one.at <= w.until for w in wanted)
    ]


def judged_whole(campaign: Sequence[Recorded]) -> dict[bytes, Judgement]:
    """Every delivery against every click of the campaign."""
    clicks = [Neighbour(t.network, person, t.at) for person, t in campaign if t.kind is TouchKind.CLICK]
    result: dict[bytes, Judgement] = {}
    for person in {person for person, _ in campaign}:
        result |= judge(MAIL, [one for who, one in campaign if who == person], clicks)
    return result


def judged_as_they_come(campaign: Sequence[Recorded]) -> dict[bytes, Judgement]:
    """One by one: the own delivery whole, and the deliveries within the reach of a click."""
    result: dict[bytes, Judgement] = {}
    seen: list[Recorded] = []
    for person, new in campaign:
        seen.append((person, new))
        again = {person} | _reached(seen, new)
        for who in again:
            mine = [one for other, one in seen if other == who]
            result |= judge(MAIL, mine, neighbours_of(seen, mine))
    return result


def _reached(seen: Iterable[Recorded], new: Touch) -> set[int]:
    within = reach(new)
    if within is None:
        return set()
    return {
        person
        for person, one in seen
        if one.kind is TouchKind.CLICK and one.network == within.network and within.since <= one.at <= within.until
    }


@given(CAMPAIGN)
def test_judging_as_facts_arrive_equals_judging_the_whole_history(campaign: list[Recorded]) -> None:
    assert judged_as_they_come(campaign) == judged_whole(campaign)


@given(CAMPAIGN, st.randoms(use_true_random=False))
def test_the_order_of_arrival_means_nothing(campaign: list[Recorded], chance: Random) -> None:
    shuffled = list(campaign)
    chance.shuffle(shuffled)
    assert judged_as_they_come(shuffled) == judged_as_they_come(campaign)


@given(CAMPAIGN)
def test_a_fact_told_twice_changes_nothing(campaign: list[Recorded]) -> None:
    assert judged_whole([*campaign, *campaign]) == judged_whole(campaign)


@given(CAMPAIGN)
def test_judging_again_corrects_nothing(campaign: list[Recorded]) -> None:
    assert changes(judged_whole(campaign), judged_as_they_come(campaign)) == ()


@given(CAMPAIGN)
def test_more_clicks_never_turn_a_machines_click_into_a_persons(campaign: list[Recorded]) -> None:
    if campaign:
        before, after = judged_whole(campaign[:-1]), judged_whole(campaign)
        machines = {key for key, judged in before.items() if judged.verdict is MACHINE}
        assert all(after[key].verdict is MACHINE for key in machines)


def test_a_flood_on_one_link_is_judged_in_time_that_grows_with_its_size_only() -> None:
    flood = [replace(click(100, n % 7, CLOUD), fact_id=n.to_bytes(16, "big"), at=SENT_AT + n) for n in range(50_000)]
    near = [Neighbour(CLOUD, n % 9, one.at) for n, one in enumerate(flood)]
    judged = judge(MAIL, flood, near)
    assert {one.reason for one in judged.values()} == {Reason.BURST}
    assert len(judged) == len(flood)
