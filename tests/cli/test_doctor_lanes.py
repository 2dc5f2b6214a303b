"""`parvar doctor lanes` over a database in which the worker looked up where domains have their mail."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.actions.exchangers import Exchangers
from app.cli.doctor import doctor
from app.core.instants import SECOND
from app.main import build_world
from app.settings import read
from app.store.migrating import upgrade
from app.store.people import NewSubscriber, create
from app.world import World
from tests.servers.names import NameServer
from tests.store.cast import new_id

ZONE = (
    "workspace.ir MX 1 aspmx.l.google.com.",
    "own.ir MX 10 mx.own.ir.",
    "mx.own.ir A 127.0.0.1",
    "nomail.ir MX 0 .",
    "plain.ir A 127.0.0.1",
    "xn--mgba3a4f16a.ir MX 1 aspmx.l.google.com.",
)
PEOPLE = {"workspace.ir": 3, "own.ir": 2, "gmail.com": 4, "nomail.ir": 1, "gone.ir": 1, "broken.ir": 1, "plain.ir": 1}


def told(*arguments: str) -> str:
    done = CliRunner().invoke(doctor, ["lanes", *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARVAR_DATABASE_URL", f"sqlite:///{tmp_path / 'parvar.db'}")
    monkeypatch.setenv("PARVAR_SECRET", "k3Jf93hSLq0aZx72mWvB1nTyR8cDpE5u")
    monkeypatch.setenv("PARVAR_DATA", str(tmp_path))


@pytest.fixture
def world(environ: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with NameServer(ZONE, codes={"broken.ir": "SERVFAIL"}) as server:
        monkeypatch.setenv("PARVAR_MX", server.address)
        world = build_world(read(os.environ))
        upgrade(world.database)
        with world.transaction("write") as session:
            for domain, number in {**PEOPLE, "xn--mgba3a4f16a.ir": 1}.items():
                for each in range(number):
                    address = f"alice{each}@{domain}"
                    create(session, NewSubscriber(new_id(), address, address, "lead", world.wall(), locale="fa"))
        assert Exchangers(world).round() == 7
        yield world
        world.database.dispose()


def test_the_largest_domains_are_shown_with_their_lane_and_why(world: World) -> None:
    lines = {line.split()[0]: line for line in told("--domains").splitlines() if ".ir" in line or ".com" in line}
    assert list(lines)[:3] == ["gmail.com", "workspace.ir", "own.ir"]
    assert "google" in lines["workspace.ir"]
    assert "by its MX aspmx.l.google.com" in lines["workspace.ir"]
    assert "google" in lines["gmail.com"]
    assert "by its name" in lines["gmail.com"]
    assert "default" in lines["own.ir"]
    assert "no lane knows its MX mx.own.ir" in lines["own.ir"]
    assert "it takes no mail: a null MX" in lines["nomail.ir"]
    assert "there is no such domain" in lines["gone.ir"]
    assert "it has no MX" in lines["plain.ir"]
    assert "no answer yet" in lines["broken.ir"]
    assert "the name server says SERVFAIL (tried 1×" in lines["broken.ir"]
    assert len(told("--domains", "2").splitlines()) == 3


def test_domains_are_told_to_tools(world: World) -> None:
    found = json.loads(told("--domains", "--json"))
    assert found["workspace.ir"]["lane"] == "google"
    assert found["workspace.ir"]["hosts"] == ["aspmx.l.google.com"]
    assert abs(found["workspace.ir"]["told_at"] - world.wall()) < 600 * SECOND
    assert found["nomail.ir"]["told"] == "null"


def test_an_address_is_told_its_lane_and_why(world: World) -> None:
    assert told("bob@workspace.ir", "bob@new.ir", "bob@ایران.ir").splitlines() == [
        "bob@workspace.ir: google (by its MX aspmx.l.google.com)",
        "bob@new.ir: default (not looked up yet)",
        "bob@ایران.ir: google (by its MX aspmx.l.google.com)",
    ]
    assert json.loads(told("bob@workspace.ir", "--json"))["bob@workspace.ir"]["why"] == "mx"


def test_lanes_say_how_many_are_in_them_and_what_is_worth_a_look(world: World) -> None:
    said = told()
    assert "8 people at 3 domains, 2 by MX" in said
    assert "MX of 6 domains are known, of 1 not yet; last asked 20" in said
    assert "a null MX, so no mail is taken: 1 domain, 1 person; see parvar doctor lanes --domains" in said
    assert "no such domain: 1 domain, 1 person" in said
    assert json.loads(told("--json"))["google"]["by_mx"] == 2


def test_switched_off_it_says_so_and_goes_by_names(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARVAR_MX", "off")
    assert told("bob@workspace.ir") == "bob@workspace.ir: default (not looked up yet)\n"
    assert "PARVAR_MX=off" in told()
    assert "PARVAR_MX=off" in told("--domains")


def test_without_a_database_lanes_are_told_by_names_and_none_is_made(environ: None, tmp_path: Path) -> None:
    assert told("bob@gmail.com") == "bob@gmail.com: google (by its name)\n"
    assert "never migrated" in told()
    assert "never migrated" in told("--domains")
    assert list(tmp_path.iterdir()) == []
