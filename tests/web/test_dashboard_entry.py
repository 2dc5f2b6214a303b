"""Entering the dashboard: links, passwords, second factor, sessions, roles, and what each role may see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest

from app.actions import accounts, entering
from app.actions.access import ALLOWED, May, Role, Visitor
from app.actions.accounts import RefusedError, Wish
from app.actions.entering import IDLE_FOR, PROVED_FOR, SESSION_FOR, STEP
from app.core.instants import HOUR, MINUTE, SECOND
from app.store.accounts import AccountRow, AccountSessionRow, AuditRow, RecoveryCodeRow
from app.store.engine import Database
from app.store.sealing import MARK, BrokenSealError, is_sealed_by, seal, unseal
from app.web.dashboard.door import browser
from tests.services.clock import Clock
from tests.web.dashboard_stage import PASSWORD, House, open_house

OWNER, SARA = "owner@example.com", "sara@example.com"


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: Clock) -> Iterator[House]:
    opened = open_house(database, tmp_path, clock, demo=False)
    yield opened
    opened.desk.parts.spool.close()


def set_up(house: House, address: str = OWNER, role: Role = Role.OWNER) -> int:
    world = house.desk.world
    by = Visitor("tests", Role.OWNER)
    token = accounts.setup_link(world) if role is Role.OWNER else accounts.invite(world, by, role)
    return accounts.accept(world, token, Wish(address, address.partition("@")[0], PASSWORD))


def log_in(house: House, address: str = OWNER, password: str = PASSWORD, code: str = "") -> int:
    sent = house.send("/dashboard/login", "/dashboard/login", address=address, password=password, code=code, next="")
    return sent.status_code


# ── The way in ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_session_every_page_leads_to_the_door_and_every_form_is_refused(house: House) -> None:
    for path in ("/dashboard/", "/dashboard/people", "/dashboard/audit", "/inbox/"):
        answer = house.get(path)
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/dashboard/login")
    assert house.client.post("/dashboard/sending", data={"what": "kill"}).status_code == 403
    assert "setup-link" in house.read("/dashboard/login")


def test_a_set_up_link_makes_one_owner_and_serves_once_for_an_hour(house: House) -> None:
    token = accounts.setup_link(house.desk.world)
    path = f"/dashboard/setup/{token}"
    sent = house.send(path, path, address=OWNER, name="Leila", password=PASSWORD)
    assert sent.status_code == 303
    assert log_in(house) == 303
    assert "Newest people" in house.read("/dashboard/")
    assert house.get(path).status_code == 410
    late = accounts.setup_link(house.desk.world)
    house.desk.clock.advance(HOUR + 1)
    assert house.get(f"/dashboard/setup/{late}").status_code == 410


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "owner is my password"])
def test_an_easy_password_is_refused_with_the_reason(house: House, password: str) -> None:
    token = accounts.setup_link(house.desk.world)
    path = f"/dashboard/setup/{token}"
    assert house.send(path, path, address=OWNER, name="", password=password).status_code == 400
    assert house.desk.rows(AccountRow) == []


def test_passwords_and_tokens_are_nowhere_kept_as_they_are(house: House) -> None:
    set_up(house)
    log_in(house)
    (account,) = house.desk.rows(AccountRow)
    assert account.password.startswith("$argon2id$")
    cookie = house.client.get_cookie("parvar_session")
    assert cookie is not None
    assert cookie.http_only
    (session,) = house.desk.rows(AccountSessionRow)
    assert session.digest == entering.digest_of(cookie.value)


def test_wrong_address_and_wrong_password_sound_the_same_and_are_throttled(house: House) -> None:
    set_up(house)
    wrong = house.send("/dashboard/login", "/dashboard/login", address=OWNER, password="wrong", next="")
    nobody = house.send("/dashboard/login", "/dashboard/login", address="no@example.com", password="wrong", next="")
    assert wrong.status_code == nobody.status_code == 403
    assert "Address or password are not right." in wrong.text
    assert "Address or password are not right." in nobody.text
    answers = [log_in(house, password="wrong") for _ in range(6)]
    assert answers[-1] == 429
    assert log_in(house) == 429, "even the right password waits"
    house.desk.clock.advance(30 * MINUTE)
    assert log_in(house) == 303


# ── The second factor ────────────────────────────────────────────────────────────────────────────────────────────────


def with_factor(house: House) -> tuple[str, tuple[str, ...]]:
    account_id = set_up(house)
    secret = accounts.new_secret(house.desk.world)
    visitor = Visitor("owner", Role.OWNER, account_id, b"", OWNER)
    codes = accounts.begin_second_factor(house.desk.world, visitor, secret, code_of(house, secret))
    house.desk.clock.advance(STEP)
    return secret, codes


def code_of(house: House, secret: str) -> str:
    return pyotp.TOTP(secret).at(house.desk.clock() // SECOND)


def test_a_code_is_needed_and_serves_once(house: House) -> None:
    secret, _ = with_factor(house)
    assert log_in(house) == 403
    assert log_in(house, code="000000") == 403
    code = code_of(house, secret)
    assert log_in(house, code=code) == 303
    house.client.delete_cookie("parvar_session")
    assert log_in(house, code=code) == 403


def test_the_secret_is_kept_sealed_and_what_was_open_is_sealed_at_the_next_login(house: House) -> None:
    secret, _ = with_factor(house)
    (row,) = house.desk.rows(AccountRow)
    assert row.totp_secret.startswith(MARK)
    with house.desk.world.transaction("write") as session:
        session.get_one(AccountRow, row.id).totp_secret = secret
    assert log_in(house, code=code_of(house, secret)) == 303
    assert house.desk.rows(AccountRow)[0].totp_secret.startswith(MARK)
    with house.desk.world.transaction("write") as session:
        session.get_one(AccountRow, row.id).totp_secret = secret
    assert accounts.seal_factors(house.desk.world) == 1
    assert accounts.seal_factors(house.desk.world) == 0
    assert house.desk.rows(AccountRow)[0].totp_secret.startswith(MARK)


def test_a_seal_opens_with_a_former_secret_and_never_for_another_account(house: House) -> None:
    sealed = seal("JBSWY3DP", "old" * 12, "totp:7", bytes(range(16)))
    assert unseal(sealed, ("new" * 12, "old" * 12), "totp:7") == "JBSWY3DP"
    assert not is_sealed_by(sealed, "new" * 12, "totp:7")
    for secrets, about in ((("new" * 12,), "totp:7"), (("old" * 12,), "totp:8")):
        with pytest.raises(BrokenSealError):
            unseal(sealed, secrets, about)


def test_a_recovery_code_serves_once_in_any_spelling(house: House) -> None:
    _, codes = with_factor(house)
    spelt = f"{codes[0][:4]}-{codes[0][4:8]}-{codes[0][8:12]}-{codes[0][12:]}"
    assert log_in(house, code=spelt) == 303
    house.client.delete_cookie("parvar_session")
    assert log_in(house, code=codes[0]) == 403
    assert len(house.desk.rows(RecoveryCodeRow)) == len(codes) - 1


def test_the_secret_is_drawn_as_a_picture_without_any_other_site(house: House) -> None:
    set_up(house)
    log_in(house)
    page = house.get("/dashboard/me/factor")
    assert "data:image/png;base64," in page.text
    assert "http" not in page.headers["Content-Security-Policy"]


# ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("after", [SESSION_FOR, IDLE_FOR + SECOND])
def test_a_session_ends_by_itself(house: House, after: int) -> None:
    set_up(house)
    log_in(house)
    assert house.get("/dashboard/").status_code == 200
    house.desk.clock.advance(after)
    assert house.get("/dashboard/").status_code == 303


def test_sessions_are_listed_and_ended_from_elsewhere(house: House) -> None:
    set_up(house)
    log_in(house)
    other = House(house.desk)
    log_in(other)
    assert house.read("/dashboard/me").count("this one") == 1
    assert len(house.desk.rows(AccountSessionRow)) == 2
    house.send("/dashboard/me", "/dashboard/me/sessions")
    assert other.get("/dashboard/").status_code == 303
    assert house.get("/dashboard/").status_code == 200


def test_logging_out_ends_the_session_on_the_server_too(house: House) -> None:
    set_up(house)
    log_in(house)
    cookie = house.client.get_cookie("parvar_session")
    assert cookie is not None
    house.send("/dashboard/me", "/dashboard/logout")
    house.client.set_cookie("parvar_session", cookie.value)
    assert house.get("/dashboard/").status_code == 303


# ── Roles ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_analyst_sees_no_address_no_answer_and_no_mail(house: House) -> None:
    set_up(house)
    set_up(house, SARA, Role.ANALYST)
    house.desk.confirmed("alice@example.com", first_name="Alice")
    message = house.mailed("alice@example.com")
    log_in(house, SARA)
    person = house.path_of("alice@example.com")
    for path in ("/dashboard/", "/dashboard/people", person, "/dashboard/segments", "/dashboard/delivery"):
        page = house.get(path).text
        assert "alice@" not in page, path
        assert "Alice" not in page, path
    assert house.get(f"{person}/mails/{message}").status_code == 403
    assert house.get("/inbox/").status_code == 403
    assert "Person " in house.read("/dashboard/people", text="alice")


@pytest.mark.parametrize("role", [Role.MARKETER, Role.ANALYST, Role.SUPPORT])
def test_only_owners_look_after_accounts_and_read_the_log(house: House, role: Role) -> None:
    set_up(house)
    set_up(house, SARA, role)
    log_in(house, SARA)
    assert house.get("/dashboard/accounts").status_code == 403
    assert house.get("/dashboard/audit").status_code == 403
    is_steering = May.STEER in ALLOWED[role]
    sent = house.send("/dashboard/me", "/dashboard/sending", what="pause")
    assert (sent.status_code == 303) is is_steering


def test_erasing_asks_for_the_password_again_after_a_while(house: House) -> None:
    set_up(house)
    log_in(house)
    house.desk.confirmed("alice@example.com")
    person = house.path_of("alice@example.com")
    house.desk.clock.advance(PROVED_FOR + 1)
    sent = house.send(person, f"{person}/erase")
    assert sent.headers["Location"].startswith("/dashboard/proof")
    assert len(house.desk.people()) == 1
    house.send("/dashboard/proof", "/dashboard/proof", password=PASSWORD)
    house.send(person, f"{person}/erase")
    assert house.desk.people() == []


def test_the_last_owner_can_neither_be_locked_nor_made_less(house: House) -> None:
    owner = set_up(house)
    by = Visitor("owner", Role.OWNER, owner, b"", OWNER)
    with pytest.raises(RefusedError):
        accounts.set_locked(house.desk.world, by, owner, is_locked=True)
    with pytest.raises(RefusedError):
        accounts.set_role(house.desk.world, by, owner, Role.ANALYST)
    second = set_up(house, SARA, Role.OWNER)
    accounts.set_locked(house.desk.world, by, owner, is_locked=True)
    assert log_in(house) == 403
    assert log_in(house, SARA) == 303
    assert second != owner


def test_every_change_of_accounts_stands_in_the_log(house: House) -> None:
    set_up(house)
    log_in(house)
    house.send("/dashboard/accounts", "/dashboard/accounts", what="invite", role="analyst")
    actions = [row.action for row in house.desk.rows(AuditRow)]
    assert actions == ["setup_link", "account_made", "log_in", "invite"]
    assert "Invited somebody" in house.read("/dashboard/audit")


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36",
            "Chrome · Linux",
        ),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox · Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile/15E148 Safari/604.1",
            "Safari · iPhone",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "–"),
    ],
)
def test_a_session_is_called_by_its_browser_and_system(agent: str, name: str) -> None:
    assert browser(agent) == name
