"""Webhooks of mail providers at our door: proven ones are acted upon, the others learn nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import Client

from app.store.engine import Database
from app.store.messages import MessageRow
from app.web.application import create_app
from tests.actions.post_office import PostOffice, open_office
from tests.services.clock import Clock
from tests.web.small_site import build_parts


@pytest.fixture
def office(database: Database, tmp_path: Path, clock: Clock) -> Iterator[PostOffice]:
    with open_office(database, tmp_path, clock, hooks={"postmark": "a-secret-of-ours"}) as office:
        yield office


def client(office: PostOffice, folder: Path) -> Client:
    return Client(create_app(build_parts(office.world, folder)))


def complaint(office: PostOffice, message: int) -> bytes:
    row = office.row(message)
    return json.dumps(
        {
            "RecordType": "SpamComplaint",
            "ID": 42,
            "MessageID": "00000000-0000-0000-0000-000000000000",
            "Email": "alice@example.com",
            "From": "sara@example.com",
            "BouncedAt": "2026-03-01T09:00:00Z",
            "Metadata": {},
            "Headers": [{"Name": "Message-ID", "Value": f"<{row.public_id.hex()}@example.com>"}],
        }
    ).encode()


def test_a_proven_complaint_is_acted_upon_once(office: PostOffice, tmp_path: Path) -> None:
    alice = office.person("alice")
    message = office.mail(alice)
    office.change(MessageRow, message, state="sent")
    asks = client(office, tmp_path)
    password = {"Authorization": "Basic " + base64.b64encode(b"parvar:a-secret-of-ours").decode()}
    for _ in range(2):
        answer = asks.post("/hooks/postmark", data=complaint(office, message), headers=password)
        assert answer.status_code == 204
    assert office.subscriber(alice).is_suppressed


def test_the_secret_may_stand_in_the_address(office: PostOffice, tmp_path: Path) -> None:
    alice = office.person("alice")
    answer = client(office, tmp_path).post(
        "/hooks/postmark/a-secret-of-ours", data=complaint(office, office.mail(alice))
    )
    assert answer.status_code == 204
    assert office.subscriber(alice).is_suppressed


def test_a_forged_one_changes_nothing(office: PostOffice, tmp_path: Path) -> None:
    alice = office.person("alice")
    message = office.mail(alice)
    asks = client(office, tmp_path)
    assert asks.post("/hooks/postmark", data=complaint(office, message)).status_code == 401
    assert asks.post("/hooks/postmark/guess", data=complaint(office, message)).status_code == 401
    assert asks.post("/hooks/mailgun/a-secret-of-ours", data=complaint(office, message)).status_code == 404
    assert asks.post("/hooks/postmark/a-secret-of-ours", data=b"\xff{").status_code == 400
    assert not office.subscriber(alice).is_suppressed
