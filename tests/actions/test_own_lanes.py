"""A site's own lanes from the setting to the row of a mail, and in the doctor's words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from app.cli.doctor import doctor
from app.mail.lanes_file import read_lanes, shipped_lanes
from app.store.messages import MessageRow
from tests.actions.small_site import WELCOME, Player, play, site_with

OWN = "[national]\ndomains = ['example.com']\nper_minute = 30\n[google]\nconnections = 2\n"


def test_a_mail_is_queued_in_the_lane_of_ones_own_file() -> None:
    stage = play(site_with(WELCOME))
    object.__setattr__(stage, "world", replace(stage.world, lanes=read_lanes(OWN, "own.toml", shipped_lanes())))
    Player(stage, "alice").joins()
    with stage.world.transaction("read") as session:
        lanes = {row.mail_key: row.lane for row in session.scalars(select(MessageRow))}
    assert lanes["a"] == "national"


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PARVAR_DATABASE_URL", f"sqlite:///{tmp_path / 'parvar.db'}")
    monkeypatch.setenv("PARVAR_SECRET", "k3Jf93hSLq0aZx72mWvB1nTyR8cDpE5u")
    monkeypatch.setenv("PARVAR_DATA", str(tmp_path))
    path = tmp_path / "lanes.toml"
    path.write_text(OWN)
    monkeypatch.setenv("PARVAR_LANES", str(path))
    return path


def test_the_doctor_says_which_lanes_hold(environ: Path) -> None:
    said = CliRunner().invoke(doctor, ["mail"]).output
    assert (
        f"ok   lanes: 21 lanes, of {environ}; adds national; changes google; all of them: parvar doctor lanes" in said
    )


def test_the_doctor_says_which_lane_an_address_is_in(environ: Path) -> None:
    done = CliRunner().invoke(doctor, ["lanes", "bob@gmail.com", "alice@a.example.com", "carol@example.org", "--json"])
    assert json.loads(done.output) == {
        "bob@gmail.com": {"lane": "google", "why": "name"},
        "alice@a.example.com": {"lane": "national", "why": "name"},
        "carol@example.org": {"lane": "default", "why": "default"},
    }
    every = json.loads(CliRunner().invoke(doctor, ["lanes", "--json"]).output)
    assert every["national"]["members"] == ["example.com"]
    assert every["google"]["mx"] == ["google.com", "googlemail.com"]
    assert every["google"]["connections"] == 2
    assert "your own" in CliRunner().invoke(doctor, ["lanes"]).output


def test_nothing_starts_with_a_faulty_lanes_file(environ: Path) -> None:
    environ.write_text("[google]\nper_minute = 'fast'\nconections = 3\n")
    done = CliRunner().invoke(doctor, ["mail"])
    assert done.exit_code == 2
    assert f"{environ}:2:1: [google] per_minute: write a whole number" in done.output
    assert f"{environ}:3:1: [google] 'conections' is not known; did you mean 'connections'?" in done.output
