"""Attacks on boxes: bombing, replay, forged tokens, bodies that are no forms. Script and plain form alike."""

import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altcha
import pytest
from werkzeug.test import TestResponse

from app.actions.limits import Limits
from app.core.instants import DAY, HOUR, SECOND
from app.links import Form
from app.store.engine import open_database
from app.store.ledgers import Rate
from tests.services.clock import Clock
from tests.web.desk import JSON, Desk, open_desk
from tests.web.small_site import ROOMY, SHOP

BOB, ALICE = "bob@example.com", "alice@example.com"
TIGHT = Rate(2, HOUR)


def limited(**limits: Rate) -> Limits:
    from dataclasses import replace

    return replace(ROOMY, **limits)


@pytest.fixture
def tight(sqlite_database_url: str, tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    """A site that soon has enough of one network."""
    database = open_database(sqlite_database_url)
    opened = open_desk(database, tmp_path, clock, limits=limited(network=TIGHT))
    yield opened
    opened.parts.spool.close()
    database.dispose()


def test_whoever_fills_in_the_hidden_field_is_thanked_and_forgotten(desk: Desk) -> None:
    for answer in (desk.sign_up(BOB, pv_extra="x"), desk.post("/b/book", desk.filled(BOB, pv_extra="x"))):
        assert answer.status_code == 200
    assert desk.people() == []


def test_a_form_works_once(desk: Desk) -> None:
    body = desk.filled(BOB)
    first = desk.client.post("/b/book", json=body, headers=JSON)
    second = desk.client.post("/b/book", json={**body, "email": ALICE}, headers=JSON)
    assert first.status_code == second.status_code == 200
    assert first.json is not None
    assert second.json is not None
    assert first.json.keys() == second.json.keys()
    assert [person.address for person in desk.people()] == [BOB]


def test_a_form_sent_back_within_two_seconds_is_asked_for_once_more(desk: Desk) -> None:
    body = {"email": BOB, "pv_consent": "true", "pv_token": desk.token(wait=SECOND)}
    early = desk.client.post("/b/book", json=body, headers=JSON)
    assert (early.status_code, (early.json or {})["state"]) == (425, "early")
    assert desk.people() == []
    desk.clock.advance(SECOND)
    assert desk.client.post("/b/book", json=body, headers=JSON).status_code == 200


def test_a_form_older_than_a_day_gets_a_new_token_and_keeps_what_was_typed(desk: Desk) -> None:
    body = {"email": BOB, "first_name": "Bob", "pv_consent": "true", "pv_token": desk.token(wait=25 * HOUR)}
    page = desk.post("/b/book", body)
    assert 'value="Bob"' in page.text
    assert desk.people() == []
    late = desk.client.post("/b/book", json=body, headers=JSON)
    assert (late.status_code, (late.json or {})["state"]) == (410, "late")


def test_a_forged_token_and_one_of_another_box_sign_nobody_up(desk: Desk) -> None:
    other = desk.world.links.form_token(Form("full", desk.clock() - 5 * SECOND, bytes(16)))
    for token in ("", "x", "A" * 60, "A" * 5_000, other):
        body = {"email": BOB, "pv_consent": "true", "pv_token": token}
        assert desk.client.post("/b/book", json=body, headers=JSON).status_code == 410
        assert 'name="pv_token"' in desk.post("/b/book", body).text
    assert desk.people() == []


def test_a_plain_form_of_another_site_is_shown_ours_filled_in(desk: Desk) -> None:
    """A page without script cannot have a token: one more press, on our page."""
    page = desk.post("/b/book?lang=en", {"email": BOB}, headers={"Origin": SHOP})
    assert f'value="{BOB}"' in page.text
    assert "Please tick this box" in page.text
    assert desk.people() == []


@pytest.mark.parametrize("path", ["/b/book/face", "/b/book", "/b/book/more", "/b/book/again", "/b/book/count"])
def test_only_the_origins_of_its_file_may_use_a_box(desk: Desk, path: str) -> None:
    for origin in ("https://evil.example", f"{SHOP}.evil.example", "http://shop.example.com", f"{SHOP}:444"):
        headers = {**JSON, "Origin": origin}
        answer = desk.get(path, headers=headers) if "face" in path else desk.client.post(path, json={}, headers=headers)
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_an_allowed_origin_is_named_exactly_and_never_with_credentials(desk: Desk) -> None:
    answer = desk.client.options("/b/book", headers={"Origin": SHOP, "Access-Control-Request-Method": "POST"})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("body", "mimetype", "status"),
    [
        (b"{" * 30_000, "application/json", 400),
        (b"[1, 2]", "application/json", 400),
        (b"\xff\xfe\x00", "application/json", 400),
        (b"null", "application/json", 400),
        (b'{"email": {"a": 1}, "first_name": [[["x"]]], "pv_token": 5}', "application/json", 422),
        (b"x" * 70_000, "application/json", 413),
        (b"email=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"a%d=1" % n for n in range(10_000)), "application/x-www-form-urlencoded", 413),
        (b"email=bob@example.com", "text/plain", 415),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x", 422),
        (b"%ff%fe=%00&email=%00", "application/x-www-form-urlencoded", 422),
    ],
)
def test_a_body_that_is_no_form_is_refused_in_plain_words(desk: Desk, body: bytes, mimetype: str, status: int) -> None:
    answer = desk.client.post("/b/book", data=body, content_type=mimetype)
    assert answer.status_code == status
    assert "Traceback" not in answer.text
    assert desk.people() == []


def test_a_busy_network_has_to_prove_some_work(tight: Desk) -> None:
    for number in range(2):
        assert tight.sign_up(f"a{number}@example.com").status_code == 200
    body = tight.filled(BOB)
    asked = tight.client.post("/b/book", json=body, headers=JSON)
    assert (asked.status_code, (asked.json or {})["state"]) == (428, "work")
    assert tight.client.post("/b/book?lang=en", data=body).status_code == 429
    work = solved((asked.json or {})["challenge"])
    assert tight.client.post("/b/book", json={**body, "pv_work": work}, headers=JSON).status_code == 200
    assert BOB in [person.address for person in tight.people()]


def test_proved_work_serves_once_and_for_its_own_box_and_ten_minutes(tight: Desk) -> None:
    for number in range(2):
        tight.sign_up(f"a{number}@example.com")
    work = solved((tight.sign_up(BOB).json or {})["challenge"])
    assert tight.sign_up(BOB, "single", pv_work=work).status_code == 428, "another box"
    assert tight.sign_up(BOB, pv_work=work).status_code == 200
    assert tight.sign_up(ALICE, pv_work=work).status_code == 428, "used already"
    late = solved((tight.sign_up(ALICE).json or {})["challenge"])
    tight.clock.advance(11 * 60 * SECOND)
    assert tight.sign_up(ALICE, pv_work=late).status_code == 428, "too old"
    assert tight.sign_up(ALICE, pv_work="bm90IGpzb24=").status_code == 428, "forged"


def test_a_cheaper_challenge_cannot_be_written_by_the_visitor(tight: Desk) -> None:
    for number in range(2):
        tight.sign_up(f"a{number}@example.com")
    challenge = (tight.sign_up(BOB).json or {})["challenge"]
    challenge["parameters"]["cost"] = 1
    assert tight.sign_up(BOB, pv_work=solved(challenge)).status_code == 428


def solved(challenge: dict[str, Any]) -> str:
    made = altcha.Challenge.from_dict(challenge)
    solution = altcha.solve_challenge(made)
    assert solution is not None
    payload: str = altcha.Payload(made, solution).to_base64()
    return payload


def test_one_mailbox_under_many_spellings_is_asked_a_few_times_only(
    sqlite_database_url: str, tmp_path: Path, clock: Clock
) -> None:
    database = open_database(sqlite_database_url)
    desk = open_desk(database, tmp_path, clock, limits=limited(mailbox=Rate(3, 6 * HOUR)))
    answers = {desk.sign_up(f"victim+{number}@gmail.com").status_code for number in range(20)}
    assert answers == {200}
    assert len(desk.people()) == 3
    desk.parts.spool.close()
    database.dispose()


@pytest.mark.parametrize(("limit", "level"), [("box", 2), ("domain", 2), ("site", 3)])
def test_a_busy_box_domain_or_site_asks_for_more_work(
    sqlite_database_url: str, tmp_path: Path, clock: Clock, limit: str, level: int
) -> None:
    database = open_database(sqlite_database_url)
    desk = open_desk(database, tmp_path, clock, limits=limited(**{limit: TIGHT}))
    for number in range(2):
        assert desk.sign_up(f"a{number}@small.example").status_code in (200, 422)
    asked = [desk.sign_up(f"b{number}@example.com") for number in range(4)][-1]
    assert (asked.json or {})["challenge"]["parameters"]["data"]["level"] == level
    desk.parts.spool.close()
    database.dispose()


def test_a_flood_from_one_network_is_told_to_wait(sqlite_database_url: str, tmp_path: Path, clock: Clock) -> None:
    database = open_database(sqlite_database_url)
    desk = open_desk(database, tmp_path, clock, limits=limited(flood=TIGHT))
    answers = [desk.sign_up(f"a{number}@example.com").status_code for number in range(3)]
    assert answers == [200, 200, 429]
    clock.advance(DAY)
    assert desk.sign_up(BOB).status_code == 200
    desk.parts.spool.close()
    database.dispose()


def test_limits_count_the_visitors_network_behind_our_proxy_only(tight: Desk) -> None:
    def send(address: str, remote: str, forwarded: str) -> TestResponse:
        headers = {**JSON, "X-Forwarded-For": forwarded}
        overrides = {"REMOTE_ADDR": remote}
        return tight.client.post("/b/book", json=tight.filled(address), headers=headers, environ_overrides=overrides)

    spoofed = [send(f"a{n}@example.com", "203.0.113.9", f"198.51.{n}.1") for n in range(3)]
    assert [each.status_code for each in spoofed] == [200, 200, 428], [each.text for each in spoofed]
    proxied = [send(f"b{n}@example.com", "10.0.0.1", f"198.51.{n}.1") for n in range(3)]
    assert [each.status_code for each in proxied] == [200, 200, 200], [each.text for each in proxied]


def test_the_time_of_an_answer_does_not_tell_who_is_known(desk: Desk) -> None:
    """Medians of many signups, known and new in turns; within the noise of a machine that does other things too."""
    for number in range(25):
        desk.confirmed(f"known{number}@example.com")
    desk.clock.advance(3 * DAY)
    spent: dict[str, list[float]] = {"known": [], "new": []}
    for number in range(25):
        for kind, times in spent.items():
            body = desk.filled(f"{kind}{number}@example.com")
            began = time.perf_counter()
            assert desk.client.post("/b/book", json=body, headers=JSON).status_code == 200
            times.append(time.perf_counter() - began)
    known, new = (statistics.median(times) for times in spent.values())
    assert abs(known - new) < max(0.005, 0.5 * min(known, new))


def test_disposable_and_role_addresses_are_marked_not_refused(desk: Desk) -> None:
    desk.sign_up("x@mailinator.com")
    desk.sign_up("info@shop.example.org")
    told = [json.loads(desk.facts(one)[0].payload) for one in ("x@mailinator.com", "info@shop.example.org")]
    assert told[0]["is_disposable"] is True
    assert told[1]["is_role"] is True


def test_a_slip_is_asked_about_once_and_then_taken(desk: Desk) -> None:
    body = desk.filled("ali@gmail.con")
    asked = desk.client.post("/b/book", json=body, headers=JSON)
    assert (asked.status_code, (asked.json or {})["suggest"]) == (422, "ali@gmail.com")
    assert "Did you mean" in desk.post("/b/book?lang=en", body).text
    sure = desk.client.post("/b/book", json={**body, "pv_sure": "ali@gmail.con"}, headers=JSON)
    assert sure.status_code == 200
    assert [person.address for person in desk.people()] == ["ali@gmail.con"]
