"""A site under test: its pages asked as a browser asks them, its rows looked at as they lie."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from werkzeug.test import Client, TestResponse

from app.core.facts import Value
from app.core.instants import SECOND
from app.links import Pass
from app.store.codec import value_of
from app.store.engine import Database
from app.store.events import EventRow
from app.store.ledgers import BoxCountRow
from app.store.messages import MessageRow
from app.store.people import AttributeRow, SubscriberRow, TagRow
from app.store.permissions import ConsentRow
from app.web.application import create_app
from app.web.parts import Parts
from app.world import World
from tests.services.clock import Clock
from tests.web.small_site import SHOP, build_parts, build_world, publish

JSON = {"Content-Type": "application/json", "Accept": "application/json", "Origin": SHOP}


@dataclass
class Desk:
    """`json`, `post` and `get` speak to the application; `rows` and friends look into the database."""

    world: World
    parts: Parts
    clock: Clock
    folder: Path
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(create_app(self.parts))

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, buffered=True, **more)

    def post(self, path: str, data: Any = None, **more: Any) -> TestResponse:
        return self.client.post(path, data=data, **more)

    def token(self, box: str = "book", wait: int = 5 * SECOND) -> str:
        """A form's token, and the time a person takes to fill it in."""
        found = re.search(r'name="pv_token" value="([^"]+)"', self.get(f"/b/{box}").text)
        assert found is not None
        self.clock.advance(wait)
        return found[1]

    def filled(self, address: str, box: str = "book", **more: Any) -> dict[str, Any]:
        return {"pv_token": self.token(box), "email": address, "pv_consent": "true", **more}

    def sign_up(self, address: str, box: str = "book", **more: Any) -> TestResponse:
        return self.client.post(f"/b/{box}", json=self.filled(address, box, **more), headers=JSON)

    def confirm_path(self, address: str) -> str:
        """The path of the link in the last confirmation an address got."""
        self.hand_over()
        mail = [
            one
            for one in self.mails(address)
            if one.cause_key and one.cause_key.startswith("confirm:") and one.state == "sent"
        ][-1]
        consent = int(json.loads(mail.data)["consent"])
        url = self.world.links.confirm_url(self.person(address).public_id, consent, self.clock() + 30 * 86_400 * SECOND)
        return url.removeprefix(self.world.settings.base_url)

    def hand_over(self) -> None:
        """What may leave has left: the part of the worker."""
        with self.world.transaction("write") as session:
            due = (MessageRow.due_at <= self.clock()) & (MessageRow.state == "queued")
            session.execute(update(MessageRow).where(due).values(state="sent", settled_at=self.clock()))

    def confirmed(self, address: str, box: str = "book", **more: Any) -> SubscriberRow:
        """Somebody who signed up and pressed the button."""
        assert self.sign_up(address, box, **more).status_code == 200
        assert self.post(self.confirm_path(address)).status_code == 200
        return self.person(address)

    # ── Looking ──

    def rows(self, model: Any, *where: Any) -> list[Any]:
        with self.world.transaction("read") as session:
            return list(session.scalars(select(model).where(*where)))

    def people(self) -> list[SubscriberRow]:
        return self.rows(SubscriberRow)

    def person(self, address: str) -> SubscriberRow:
        (row,) = self.rows(SubscriberRow, SubscriberRow.address_key == address.lower())
        found: SubscriberRow = row
        return found

    def mails(self, address: str) -> list[MessageRow]:
        mine = MessageRow.subscriber_id == self.person(address).id
        return sorted(self.rows(MessageRow, mine), key=lambda row: row.id)

    def leaving(self, address: str) -> list[str]:
        """The keys of the mails of an address that may leave now, or left."""
        return [
            one.mail_key
            for one in self.mails(address)
            if one.due_at <= self.clock() and one.state not in ("withdrawn", "skipped")
        ]

    def facts(self, address: str) -> list[EventRow]:
        mine = EventRow.subscriber_id == self.person(address).id
        return sorted(self.rows(EventRow, mine), key=lambda row: (row.at, row.fact_id))

    def kinds(self, address: str) -> list[str]:
        return [fact.kind for fact in self.facts(address)]

    def consents(self, address: str) -> list[tuple[str, str]]:
        rows = self.rows(ConsentRow, ConsentRow.subscriber_id == self.person(address).id)
        return [(row.kind, row.answer) for row in sorted(rows, key=lambda row: row.id)]

    def attributes(self, address: str) -> dict[str, Value]:
        rows = self.rows(AttributeRow, AttributeRow.subscriber_id == self.person(address).id)
        return {row.key: value_of(row.text, row.number, row.sort) for row in rows}

    def tags(self, address: str) -> set[str]:
        return {row.tag for row in self.rows(TagRow, TagRow.subscriber_id == self.person(address).id)}

    def counts(self) -> dict[tuple[str, str, str, str], int]:
        return {(row.box, row.arm, row.page_key, row.metric): row.value for row in self.rows(BoxCountRow)}

    def pass_for(self, address: str, until: int, name: str = "", ref: int = 0) -> Pass:
        return Pass(self.person(address).public_id, ref, name, until)


def open_desk(database: Database, folder: Path, clock: Clock, **more: Any) -> Desk:
    """A site with its boxes published. `limits` and settings may be handed in."""
    limits = more.pop("limits", None)
    world = build_world(database, folder, clock, **more)
    publish(world)
    parts = build_parts(world, folder, limits) if limits is not None else build_parts(world, folder)
    return Desk(world, parts, clock, folder)
