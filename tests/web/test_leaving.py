"""Leaving, coming back, and a reader's own page: links of mails that change nothing until a button is pressed."""

import json

import pytest

from app.core.instants import DAY
from app.core.person import MailClass
from app.store.messages import MessageRow, NewMessage, queue_by_cause
from tests.web.desk import Desk

ALICE = "alice@example.com"


@pytest.fixture
def alice(desk: Desk) -> Desk:
    """A site where Alice is confirmed and one marketing mail for her is queued."""
    person = desk.confirmed(ALICE, first_name="Alice")
    with desk.world.transaction("write") as session:
        queue_by_cause(
            session, NewMessage(bytes(16), person.id, "news:1", "news", MailClass.MARKETING, desk.clock() + DAY)
        )
    return desk


def path(desk: Desk, kind: str) -> str:
    links, person = desk.world.links, desk.person(ALICE).public_id
    url = links.unsubscribe_url(person, 7) if kind == "u" else links.preferences_url(person, 7)
    return url.removeprefix(desk.world.settings.base_url)


@pytest.mark.parametrize(
    ("body", "mimetype"),
    [
        (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (
            b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
        (b"", None),
        (b"List-Unsubscribe=One-Click", None),
        (b"\xff\xfe garbage", "application/octet-stream"),
    ],
)
def test_one_click_unsubscribes_whatever_the_body_is(alice: Desk, body: bytes, mimetype: str | None) -> None:
    answer = alice.client.post(path(alice, "u"), data=body, content_type=mimetype)
    assert answer.status_code == 200
    assert alice.person(ALICE).state == "unsubscribed"
    assert alice.rows(MessageRow, MessageRow.cause_key == "news:1")[0].state == "withdrawn"


def test_unsubscribing_twice_is_recorded_once(alice: Desk) -> None:
    for _ in range(3):
        assert alice.post(path(alice, "u")).status_code == 200
    assert alice.kinds(ALICE).count("unsubscribed") == 1
    assert alice.consents(ALICE).count(("mail", "withdrawn")) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("kind", ["u", "p"])
def test_looking_at_a_link_changes_nothing(alice: Desk, method: str, kind: str) -> None:
    before = alice.kinds(ALICE)
    answer = alice.client.open(path(alice, kind), method=method)
    assert answer.status_code == 200
    assert alice.kinds(ALICE) == before
    assert alice.person(ALICE).state == "active"


def test_a_forged_unsubscribe_link_gets_the_same_answer(alice: Desk) -> None:
    real = path(alice, "u")
    forged = real[:-4] + ("AAAA" if real[-4:] != "AAAA" else "BBBB")
    assert alice.post(forged).status_code == 200
    assert alice.person(ALICE).state == "active"


def test_a_farewell_can_be_taken_back(alice: Desk) -> None:
    alice.post(path(alice, "u"))
    answer = alice.post(f"{path(alice, 'u')}/undo")
    assert answer.status_code == 200
    assert alice.person(ALICE).state == "active"
    assert alice.person(ALICE).unsubscribed_at is None
    assert alice.consents(ALICE)[-1] == ("mail", "given")


def test_who_complained_is_not_brought_back_by_a_button(alice: Desk) -> None:
    from app.store.people import SubscriberRow

    alice.post(path(alice, "u"))
    with alice.world.transaction("write") as session:
        session.query(SubscriberRow).update({"is_suppressed": True})
    alice.post(f"{path(alice, 'u')}/undo")
    assert alice.person(ALICE).state == "unsubscribed"


def test_a_confirmation_link_shows_a_button_and_nothing_else_happens(desk: Desk) -> None:
    desk.sign_up(ALICE)
    link = desk.confirm_path(ALICE)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert desk.client.open(link, method=method).status_code == 200
    assert desk.person(ALICE).state == "pending"
    assert "<button" in desk.get(link).text


def test_confirming_again_says_so_and_changes_nothing(desk: Desk) -> None:
    desk.sign_up(ALICE)
    link = desk.confirm_path(ALICE)
    desk.post(link)
    facts = desk.kinds(ALICE)
    desk.clock.advance(DAY)
    assert desk.post(link).status_code == 200
    assert "Your address is confirmed" in desk.get(f"{link}?lang=en").text
    assert desk.kinds(ALICE) == facts


def test_an_expired_confirmation_offers_a_new_one_by_mail(desk: Desk) -> None:
    desk.sign_up(ALICE)
    link = desk.confirm_path(ALICE)
    desk.clock.advance(31 * DAY)
    page = desk.get(f"{link}?lang=en")
    assert page.status_code == 410
    assert "/resend/" in page.text
    sent = len(desk.leaving(ALICE))
    action = page.text.split('action="')[1].split('"')[0]
    assert desk.post(action).status_code == 200
    assert len(desk.leaving(ALICE)) >= sent


@pytest.mark.parametrize("token", ["x", "A" * 80, "A" * 600, "%00", "../../etc/passwd"])
@pytest.mark.parametrize("prefix", ["/confirm/", "/p/", "/m/", "/v/", "/r/"])
def test_a_forged_link_leads_nowhere(desk: Desk, prefix: str, token: str) -> None:
    assert desk.get(prefix + token).status_code == 404


def test_a_pause_holds_marketing_back_and_can_be_ended(alice: Desk) -> None:
    page = alice.post(f"{path(alice, 'p')}/pause?lang=en", {"days": "30"})
    assert "paused until" in page.text
    assert alice.person(ALICE).paused_until == alice.clock() + 30 * DAY
    assert alice.kinds(ALICE)[-1] == "paused"
    alice.clock.advance(DAY)
    alice.post(f"{path(alice, 'p')}/pause", {"days": "0"})
    assert alice.person(ALICE).paused_until is None
    assert alice.kinds(ALICE)[-1] == "resumed"


def test_wishes_become_tags_that_rules_obey(alice: Desk) -> None:
    body = {"shown_topic": "no-nurture", "frequency": "at-most-weekly", "locale": "fa", "shown_tracking": "1"}
    page = alice.post(f"{path(alice, 'p')}?lang=en", body)
    assert "Saved." in page.text
    assert alice.tags(ALICE) == {"no-nurture", "at-most-weekly"}
    assert alice.person(ALICE).locale == "fa"
    assert ("tracking", "refused") in alice.consents(ALICE)
    alice.clock.advance(DAY)
    alice.post(path(alice, "p"), {"shown_topic": "no-nurture", "topic": "no-nurture", "frequency": ""})
    assert alice.tags(ALICE) == set()


def test_less_mail_is_a_limit_of_the_engine(alice: Desk) -> None:
    from app.core.pacing import WISHES, wished

    assert wished({"at-most-weekly"}) == (WISHES["at-most-weekly"],)
    assert wished({"other"}) == ()


def test_her_page_says_why_she_gets_mail_in_the_words_she_agreed_to(alice: Desk) -> None:
    page = alice.get(f"{path(alice, 'p')}?lang=en")
    assert "I agree to receive mails." in page.text
    assert "alice@example.com" in page.text


def test_her_data_comes_as_a_file_with_everything_we_hold(alice: Desk) -> None:
    answer = alice.post(f"{path(alice, 'p')}/data.json")
    data = json.loads(answer.text)
    assert data["address"] == ALICE
    assert data["answers"] == {"first_name": "Alice"}
    assert {"consents", "mails", "acts"} <= data.keys()
    assert "attachment" in answer.headers["Content-Disposition"]


def test_deleting_needs_the_tick_and_keeps_only_a_code(alice: Desk) -> None:
    assert alice.post(f"{path(alice, 'p')}/delete", {}).status_code == 422
    assert len(alice.people()) == 1
    assert alice.post(f"{path(alice, 'p')}/delete", {"sure": "1"}).status_code == 200
    assert alice.people() == []
    assert alice.sign_up(ALICE).status_code == 200
    assert alice.people() == [], "she asked us never to write again"


@pytest.mark.parametrize("lang", ["en", "fa"])
def test_her_page_is_one_of_forms_that_run_no_script(alice: Desk, lang: str) -> None:
    page = alice.get(f"{path(alice, 'p')}?lang={lang}")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'")
    assert "<script" not in page.text
    assert f'lang="{lang}" dir="{"rtl" if lang == "fa" else "ltr"}"' in page.text
    forms = ("/pause", "/data.json", "/delete", "/u/")
    assert [form for form in forms if form not in page.text] == []


@pytest.mark.parametrize("end", ["/pause", "/data.json", "/delete"])
def test_nothing_on_her_page_happens_by_looking(alice: Desk, end: str) -> None:
    before = alice.kinds(ALICE), alice.tags(ALICE), alice.consents(ALICE)
    for method in ("get", "head"):
        assert getattr(alice.client, method)(f"{path(alice, 'p')}{end}").status_code == 405
    assert (alice.kinds(ALICE), alice.tags(ALICE), alice.consents(ALICE)) == before
    assert alice.person(ALICE).paused_until is None


@pytest.mark.parametrize("days", ["30", "60", "90"])
def test_each_pause_lasts_as_long_as_it_says(alice: Desk, days: str) -> None:
    alice.post(f"{path(alice, 'p')}/pause", {"days": days})
    assert alice.person(ALICE).paused_until == alice.clock() + int(days) * DAY


@pytest.mark.parametrize("body", [{"days": "3000"}, {"days": "-1"}, {"days": "soon"}, {}])
def test_no_other_pause_can_be_asked_for(alice: Desk, body: dict[str, str]) -> None:
    alice.post(f"{path(alice, 'p')}/pause", body)
    assert alice.person(ALICE).paused_until is None


def test_consent_to_tracking_is_given_and_withdrawn_by_one_tick_and_each_is_a_line_of_the_ledger(alice: Desk) -> None:
    alice.post(path(alice, "p"), {"shown_tracking": "1", "tracking": "1"})
    alice.clock.advance(DAY)
    alice.post(path(alice, "p"), {"shown_tracking": "1"})
    alice.clock.advance(DAY)
    alice.post(path(alice, "p"), {"shown_tracking": "1"})
    said = [word for purpose, word in alice.consents(ALICE) if purpose == "tracking"]
    assert said[-1] in ("withdrawn", "refused")
    assert len(said) == len({*said}) or said.count(said[-1]) == 1, "saving the same again says nothing new"


def test_her_language_is_that_of_her_page_and_of_the_next_mail(alice: Desk) -> None:
    alice.post(f"{path(alice, 'p')}?lang=en", {"locale": "fa"})
    assert alice.person(ALICE).locale == "fa"
    assert 'lang="fa"' in alice.get(path(alice, "p")).text
    alice.post(path(alice, "p"), {"locale": "xx"})
    assert alice.person(ALICE).locale == "fa", "a language the site does not have is no wish"


def test_leaving_and_coming_back_stand_on_her_own_page(alice: Desk) -> None:
    alice.post(path(alice, "u"))
    page = alice.get(f"{path(alice, 'p')}?lang=en").text
    assert "unsubscribed" in page
    assert "Take it back" in page
    assert "Unsubscribe from everything" not in page
    alice.post(f"{path(alice, 'u')}/undo")
    assert "Unsubscribe from everything" in alice.get(f"{path(alice, 'p')}?lang=en").text


def test_a_wish_wakes_her_so_that_nothing_queued_leaves_before_it_was_decided_anew(alice: Desk) -> None:
    row = alice.person(ALICE)
    before = row.wake
    alice.post(path(alice, "p"), {"frequency": "at-most-monthly"})
    after = alice.person(ALICE)
    assert after.wake > before
    assert after.due_at is not None
    assert after.due_at <= alice.clock()
