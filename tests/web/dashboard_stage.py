"""A dashboard under test: pages read as their people read them, forms sent with the token of their page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from werkzeug.test import Client, TestResponse

from app.core.facts import Fact, FactKind
from app.core.person import MailClass
from app.store.engine import Database
from app.store.events import record_facts
from app.store.messages import NewMessage, queue_by_cause
from tests.services.clock import Clock
from tests.web.desk import Desk, open_desk

PASSWORD = "a long enough phrase 7"


@dataclass
class House:
    """One browser on one installation."""

    desk: Desk
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.desk.client.application)

    def get(self, path: str, lang: str = "en", **more: str) -> TestResponse:
        asked = urlencode({"lang": lang, **more})
        return self.client.get(f"{path}{'&' if '?' in path else '?'}{asked}", buffered=True)

    def read(self, path: str, lang: str = "en", **more: str) -> str:
        """A page's words without its tags."""
        answer = self.get(path, lang, **more)
        assert answer.status_code == 200, (path, answer.status_code)
        body = re.sub(r"<(script|style|svg|select|title)\b.*?</\1>", " ", answer.text, flags=re.DOTALL)
        return " ".join(re.sub(r"<[^>]+>", " ", body).split())

    def send(self, page: str, path: str, **fields: str) -> TestResponse:
        """A form sent from a page, with the token that stands there."""
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', self.get(page).text)
        assert found is not None, f"{page} has no form"
        data = {"form_token": found[1], "next": page, **fields}
        return self.client.post(path, data=data, buffered=True)

    def path_of(self, address: str) -> str:
        return f"/dashboard/people/{self.desk.person(address).public_id.hex()}"

    def happens(self, address: str, kind: FactKind, **more: object) -> None:
        """A fact about a person, as the edge would bring it."""
        now = self.desk.clock()
        fact = Fact(self.desk.world.new_id(), kind, now, **more)  # type: ignore[arg-type]
        with self.desk.world.transaction("write") as session:
            record_facts(session, self.desk.person(address).id, (fact,), now)

    def mailed(self, address: str, mail: str = "book/deliver") -> int:
        """A message to a person; its id."""
        with self.desk.world.transaction("write") as session:
            number = len(self.desk.mails(address))
            new = NewMessage(
                self.desk.world.new_id(),
                self.desk.person(address).id,
                f"test:{address}:{number}",
                mail,
                MailClass.SERVICE,
                self.desk.clock(),
            )
            found = queue_by_cause(session, new)
        assert found is not None
        return found


def open_house(database: Database, folder: Path, clock: Clock, *, demo: bool) -> House:
    return House(open_desk(database, folder, clock, demo=demo))
