"""Signing on through an OpenID issuer: a real one on this machine, asked by the real pages."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from app.actions import accounts
from app.actions.access import Role, Visitor
from app.actions.accounts import Wish
from app.actions.signon import BEGUN_FOR
from app.core.instants import HOUR, MINUTE, SECOND
from app.settings import OpenId, SettingsError, is_guarded, read
from app.store.accounts import AccountRow, AccountSessionRow, AuditRow
from app.store.engine import open_database
from tests.servers.issuer import CLIENT, SECRET, OpenIdServer
from tests.services.clock import Clock
from tests.web.dashboard_stage import PASSWORD, House
from tests.web.desk import open_desk
from tests.web.small_site import BASE

ALICE = "alice@example.com"


@pytest.fixture
def issuer() -> Iterator[OpenIdServer]:
    with OpenIdServer() as server:
        yield server


@pytest.fixture
def house(sqlite_database_url: str, tmp_path: Path, clock: Clock, issuer: OpenIdServer) -> Iterator[House]:
    database = open_database(sqlite_database_url)
    client = OpenId(issuer.url, CLIENT, SECRET)
    opened = House(open_desk(database, tmp_path, clock, demo=False, openid=client))
    token = accounts.setup_link(opened.desk.world)
    accounts.accept(opened.desk.world, token, Wish(ALICE, "Alice", PASSWORD))
    issuer.claims = {"email": "Alice@Example.com", "email_verified": True, "exp": (clock() + HOUR) // SECOND}
    yield opened
    opened.desk.parts.spool.close()
    database.dispose()


def sent_away(house: House, wanted: str = "") -> str:
    """Where the button leads."""
    answer = house.get("/dashboard/login/issuer", next=wanted)
    assert answer.status_code == 303
    return answer.headers["Location"]


def come_back(house: House, address: str) -> TestResponse:
    assert address.startswith(f"{BASE}/dashboard/login/back?")
    return house.get(address.removeprefix(BASE))


def sign_on(house: House, issuer: OpenIdServer, wanted: str = "") -> TestResponse:
    return come_back(house, issuer.visit(sent_away(house, wanted)))


def test_the_button_stands_on_the_page_in_both_languages_only_when_an_issuer_is_set(
    house: House, issuer: OpenIdServer
) -> None:
    assert "Log in through your organisation" in house.read("/dashboard/login")
    assert "ورود از راه سازمان" in house.read("/dashboard/login", "fa")
    assert issuer.asked == []


def test_whom_the_issuer_vouches_for_enters_with_the_role_of_here_and_it_is_in_the_log(
    house: House, issuer: OpenIdServer
) -> None:
    issuer.claims["role"] = "support"
    answer = sign_on(house, issuer, "/dashboard/people")
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith("/dashboard/people")
    assert house.get("/dashboard/accounts").status_code == 200, "an owner, as before"
    last = house.desk.rows(AuditRow)[-1]
    assert (last.who, last.action, last.detail) == (ALICE, "sign_on", issuer.url)
    assert "Logged in through the organisation" in house.read("/dashboard/audit")
    assert house.read("/dashboard/me").count("this one") == 1
    assert house.client.get_cookie("parvar_signon", path="/") is None


def test_another_site_is_never_the_page_that_was_wanted(house: House, issuer: OpenIdServer) -> None:
    assert sign_on(house, issuer, "//evil.example.com/").headers["Location"].endswith("/dashboard/")


def test_no_password_was_given_so_what_is_dangerous_still_asks_for_it(house: House, issuer: OpenIdServer) -> None:
    sign_on(house, issuer)
    house.desk.confirmed("bob@example.com")
    person = house.path_of("bob@example.com")
    assert house.send(person, f"{person}/erase").headers["Location"].startswith("/dashboard/proof")
    assert len(house.desk.people()) == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "carol@example.com"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"email": ""},
    ],
)
def test_an_unknown_or_unverified_address_stays_outside_and_no_account_is_made(
    house: House, issuer: OpenIdServer, claims: dict[str, object]
) -> None:
    issuer.claims |= claims
    answer = sign_on(house, issuer)
    assert answer.status_code == 403
    assert "There is no account here" in answer.text
    assert_nobody_is_inside(house)
    assert len(house.desk.rows(AccountRow)) == 1


def test_a_locked_account_stays_outside(house: House, issuer: OpenIdServer) -> None:
    token = accounts.setup_link(house.desk.world)
    accounts.accept(house.desk.world, token, Wish("bob@example.com", "Bob", PASSWORD))
    (alice,) = (row for row in house.desk.rows(AccountRow) if row.address == ALICE)
    accounts.set_locked(house.desk.world, Visitor("tests", Role.OWNER), alice.id, is_locked=True)
    assert "There is no account here" in sign_on(house, issuer).text
    assert_nobody_is_inside(house)


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"aud": None},
        {"azp": "another"},
        {"iss": "https://another.example.com"},
        {"exp": 1},
        {"exp": None},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
    ],
)
def test_a_token_that_is_not_what_was_asked_for_is_not_believed(
    house: House, issuer: OpenIdServer, claims: dict[str, object]
) -> None:
    issuer.claims |= claims
    assert_begin_again(sign_on(house, issuer))
    assert_nobody_is_inside(house)


def test_a_token_runs_out_to_the_minute_that_clocks_may_differ(house: House, issuer: OpenIdServer) -> None:
    issuer.claims["exp"] = (house.desk.clock() - MINUTE) // SECOND
    assert_begin_again(sign_on(house, issuer))
    issuer.claims["exp"] = (house.desk.clock() - MINUTE) // SECOND + 2
    assert sign_on(house, issuer).status_code == 303


def test_one_audience_may_be_a_list(house: House, issuer: OpenIdServer) -> None:
    issuer.claims["aud"] = [CLIENT]
    assert sign_on(house, issuer).status_code == 303


def test_a_wrong_state_asks_the_issuer_nothing(house: House, issuer: OpenIdServer) -> None:
    address = issuer.visit(sent_away(house))
    before = list(issuer.asked)
    assert_begin_again(come_back(house, address + "x"))
    assert_begin_again(come_back(house, address))  # the first try ended what was begun
    assert issuer.asked == before
    assert_nobody_is_inside(house)


def test_what_another_browser_began_or_too_long_ago_does_not_end_here(house: House, issuer: OpenIdServer) -> None:
    address = issuer.visit(sent_away(house))
    other = House(house.desk)
    assert_begin_again(come_back(other, address))
    for forged in ('{"state": ""}', "sealed1:", "sealed1:AAAA", "sealed1:é"):
        other.client.set_cookie("parvar_signon", forged)
        assert_begin_again(come_back(other, address))
    house.desk.clock.advance(BEGUN_FOR)
    assert_begin_again(come_back(house, address))


def test_who_says_no_at_the_issuer_is_back_at_the_door(house: House, issuer: OpenIdServer) -> None:
    address = issuer.visit(sent_away(house)).replace("code=", "error=access_denied&was=")
    assert_begin_again(come_back(house, address))


def test_an_issuer_that_does_not_answer_is_named_and_the_password_still_works(
    house: House, issuer: OpenIdServer
) -> None:
    address = issuer.visit(sent_away(house))
    issuer.document = {"issuer": "https://another.example.com"}
    for answer in (come_back(house, address), house.get("/dashboard/login/issuer")):
        assert answer.status_code == 502
        assert "does not answer. The password still works." in answer.text
    sent = house.send("/dashboard/login", "/dashboard/login", address=ALICE, password=PASSWORD, code="", next="")
    assert sent.status_code == 303


def test_a_port_where_nobody_listens_is_no_fault_of_the_page(
    sqlite_database_url: str, tmp_path: Path, clock: Clock
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    database = open_database(sqlite_database_url)
    house = House(open_desk(database, tmp_path, clock, demo=False, openid=OpenId(url, CLIENT, SECRET)))
    answer = house.get("/dashboard/login/issuer")
    assert (answer.status_code, "does not answer" in answer.text) == (502, True)
    house.desk.parts.spool.close()
    database.dispose()


def test_an_endpoint_without_tls_elsewhere_is_never_asked(house: House, issuer: OpenIdServer) -> None:
    issuer.document = {"token_endpoint": "http://login.example.com/token"}
    assert house.get("/dashboard/login/issuer").status_code == 502


def test_an_issuer_that_wants_the_secret_in_the_form_gets_it_there(house: House, issuer: OpenIdServer) -> None:
    issuer.document = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert sign_on(house, issuer).status_code == 303


def test_an_address_only_userinfo_knows_is_asked_for_and_must_be_of_the_same_person(
    house: House, issuer: OpenIdServer
) -> None:
    issuer.claims["email"] = None
    issuer.profile = {"sub": "8", "email": ALICE, "email_verified": True}
    assert_begin_again(sign_on(house, issuer))
    issuer.profile["sub"] = "7"
    assert sign_on(house, issuer).status_code == 303


def test_signing_on_is_limited_like_logging_in(house: House, issuer: OpenIdServer) -> None:
    issuer.claims["email"] = "carol@example.com"
    answers = [sign_on(house, issuer).status_code for _ in range(7)]
    assert answers == [403] * 6 + [429]


def test_without_an_issuer_there_is_neither_button_nor_way(
    sqlite_database_url: str, tmp_path: Path, clock: Clock
) -> None:
    database = open_database(sqlite_database_url)
    house = House(open_desk(database, tmp_path, clock, demo=False))
    assert "organisation" not in house.read("/dashboard/login")
    assert house.get("/dashboard/login/back").status_code in (303, 404)
    assert house.get("/dashboard/login/issuer").status_code in (303, 404)
    house.desk.parts.spool.close()
    database.dispose()


GOOD = {"PARVAR_DATABASE_URL": "sqlite:///x.db", "PARVAR_SECRET": "0123456789abcdefghijklmnopqrstuvwxyz"}


def test_the_three_settings_go_together_and_each_fault_is_told() -> None:
    assert read(GOOD).openid is None
    issuer = {"PARVAR_OIDC_ISSUER": "https://login.example.com/"}
    client = {"PARVAR_OIDC_CLIENT_ID": "parvar", "PARVAR_OIDC_CLIENT_SECRET": "hunter2"}
    found = read(GOOD | issuer | client)
    assert found.openid == OpenId("https://login.example.com/", "parvar", "hunter2")
    assert "hunter2" not in repr(found)
    with pytest.raises(SettingsError) as told:
        read(GOOD | issuer)
    assert [fault.partition(":")[0] for fault in told.value.faults] == list(client)
    with pytest.raises(SettingsError, match="PARVAR_OIDC_ISSUER"):
        read(GOOD | client | {"PARVAR_OIDC_ISSUER": "http://login.example.com"})


@pytest.mark.parametrize(
    ("url", "is_well"),
    [
        ("https://login.example.com", True),
        ("http://127.0.0.1:8080/realm", True),
        ("http://[::1]:8080", True),
        ("http://localhost:8080", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example.com", False),
        ("https://me@login.example.com", False),
        ("ftp://127.0.0.1", False),
    ],
)
def test_only_tls_or_this_very_machine_is_a_guarded_way(url: str, is_well: bool) -> None:
    assert is_guarded(url) is is_well


def assert_begin_again(answer: TestResponse) -> None:
    assert answer.status_code == 403
    assert "Please begin again." in answer.text


def assert_nobody_is_inside(house: House) -> None:
    assert house.desk.rows(AccountSessionRow) == []
    assert house.get("/dashboard/").status_code == 303
