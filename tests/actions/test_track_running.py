"""The loop closed in the running application: a click over HTTP, and the next sequence's first mail is queued."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from app.core.facts import Fact, FactKind
from app.core.instants import SECOND
from app.core.subscriber import SubscriberState
from app.main import build_world
from app.settings import read
from app.store import releases
from app.store.events import record_facts
from app.store.messages import MessageRow
from app.store.people import NewSubscriber, SubscriberRow, create
from app.store.releases import MailVersionRow, NewMail, NewRelease
from app.world import World
from tests.actions.tracking import BROWSER, FILES, LINKS

ROOT = Path(__file__).parents[2]
WITHIN = 5.0


@dataclass
class Running:
    """The process tree of `parvar run`, and the same world seen from here."""

    world: World
    base: str
    version: int = 0

    def publish(self) -> None:
        with self.world.transaction("write") as session:
            releases.begin(session, self.world.new_id())
            mail = NewMail("welcome/first", "en", "d1", "{}", json.dumps(LINKS), is_service=False)
            releases.publish(session, NewRelease("r1", FILES, {}, (mail,)), self.world.now())
            self.version = session.scalars(select(MailVersionRow.id)).one()

    def mailed(self, name: str) -> tuple[int, int]:
        """A confirmed person and a mail that left a minute ago."""
        world, at = self.world, self.world.now() - 60 * SECOND
        with world.transaction("write") as session:
            new = NewSubscriber(world.new_id(), f"{name}@gmail.com", f"{name}@gmail.com", "potential", at)
            row = create(session, new)
            row.state, row.confirmed_at = SubscriberState.ACTIVE.value, at
            session.flush()
            record_facts(session, row.id, [Fact(world.new_id(), FactKind.CONFIRMED, at)], at)
            times = dict.fromkeys(("wanted_at", "slot_at", "due_at", "settled_at", "created_at"), at)
            names = {"mail_key": "welcome/first", "mail_class": "marketing", "state": "sent", "campaign": "welcome"}
            keys = {"public_id": world.new_id(), "cause_key": name, "mail_version_id": self.version}
            mail = MessageRow(subscriber_id=row.id, **keys, **names, **times)
            session.add(mail)
            session.flush()
            return row.id, mail.id

    def click(self, mail: int) -> str:
        """Follow the first link as a browser of its own network does, without going where it leads."""

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: object) -> None:
                return None

        url = f"{self.base}/c/{self.world.links.mail_token(mail, self.version)}/0"
        request = urllib.request.Request(url, headers={"User-Agent": BROWSER, "X-Forwarded-For": f"198.51.{mail}.7"})
        try:
            urllib.request.build_opener(Stay).open(request, timeout=5)
        except urllib.error.HTTPError as answer:
            where = answer.headers["Location"]
            answer.close()
            return str(where)
        raise AssertionError("it did not redirect")

    def stage(self, subscriber_id: int) -> str:
        with self.world.transaction("read") as session:
            return session.scalars(select(SubscriberRow.stage).filter_by(id=subscriber_id)).one()

    def next_mails(self, subscriber_id: int) -> int:
        with self.world.transaction("read") as session:
            query = select(MessageRow).filter_by(subscriber_id=subscriber_id, mail_key="welcome/second")
            return len(session.scalars(query).all())


def environment(folder: Path) -> dict[str, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        "PARVAR_DATABASE_URL": f"sqlite:///{folder / 'parvar.db'}",
        "PARVAR_SECRET": "a secret of this test, long enough for it",
        "PARVAR_BASE_URL": f"http://127.0.0.1:{port}",
        "PARVAR_DATA": str(folder),
        "PARVAR_PORT": str(port),
        "PARVAR_TRUSTED_PROXIES": "127.0.0.1/32",
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    tmp_path = tmp_path_factory.mktemp("running")
    environ = environment(tmp_path)
    log = (tmp_path / "log").open("wb")
    command = [sys.executable, "-m", "app.cli", "run"]
    tree = subprocess.Popen(command, env={**os.environ, **environ}, cwd=ROOT, stdout=log, stderr=log)
    world = build_world(read(environ))
    try:
        wait(lambda: is_live(environ["PARVAR_BASE_URL"]) or tree.poll() is not None, 60)
        assert tree.poll() is None, (tmp_path / "log").read_text()
        built = Running(world, environ["PARVAR_BASE_URL"])
        built.publish()
        yield built
    finally:
        tree.terminate()
        tree.wait(30)
        log.close()
        world.database.dispose()


def is_live(base: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base}/health/live", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait(done: Callable[[], bool], seconds: float) -> float:
    """How long it took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if done():
            return time.monotonic() - began
        time.sleep(0.05)
    raise AssertionError(f"it did not come to pass within {seconds} seconds")


@pytest.mark.slow
def test_a_click_reaches_the_stage_and_queues_the_next_mail_within_five_seconds(running: Running) -> None:
    alice, mail = running.mailed("alice")
    wait(lambda: running.stage(alice) == "lead", 20)
    assert running.click(mail).startswith("https://shop.example.com/pricing?x=1")
    took = wait(lambda: running.next_mails(alice) == 1, 10)
    assert running.stage(alice) == "prospect"
    assert took < WITHIN


def took_under_load(running: Running, name: str, clicks: int) -> float:
    """Seconds from her click to her next mail while two clients click in the mails of 150 others without a pause."""
    her, mail = running.mailed(name)
    crowd = [running.mailed(f"reader-of-{name}-{number}")[1] for number in range(150)]
    wait(lambda: running.stage(her) == "lead", 60)
    stop, clicked = threading.Event(), Counter[str]()

    def clicking() -> None:
        while not stop.is_set():
            for other in crowd:
                running.click(other)
                clicked["others"] += 1

    threads = [threading.Thread(target=clicking) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        wait(lambda: clicked["others"] > clicks, 60)
        before = clicked["others"]
        running.click(mail)
        took = wait(lambda: running.next_mails(her) == 1, 10 * WITHIN)
        assert clicked["others"] > before
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return took


@pytest.mark.slow
def test_the_next_mail_comes_while_others_click_all_the_time(running: Running) -> None:
    """With room for a machine that others use; how long it takes where nobody does is asked below."""
    assert took_under_load(running, "carol", clicks=200) < 4 * WITHIN


@pytest.mark.slow
@pytest.mark.torture  # needs a machine of its own
def test_it_comes_within_five_seconds_after_thousands_of_clicks_of_others(running: Running) -> None:
    assert took_under_load(running, "dora", clicks=5_000) < WITHIN
