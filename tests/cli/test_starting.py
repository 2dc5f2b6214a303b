"""What `parvar` says when it cannot start: every fault at once, each with its mending, and nothing half begun."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.launcher import Child, watch
from app.settings import SettingsError, read

ROOT = Path(__file__).parents[2]
SECRET = "k3Jf93hSLq0aZx72mWvB1nTyR8cDpE5u"
NEEDED = {"PARVAR_DATABASE_URL": "sqlite:////tmp/never.db", "PARVAR_SECRET": SECRET}


def parvar(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as a person would, with nothing but these settings."""
    path = {"PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**path, **environ}, capture_output=True, text=True, timeout=60, check=False
    )


def good(tmp_path: Path) -> dict[str, str]:
    """Settings with which the house would start."""
    return {
        "PARVAR_DATABASE_URL": f"sqlite:///{tmp_path / 'parvar.db'}",
        "PARVAR_SECRET": SECRET,
        "PARVAR_DATA": str(tmp_path / "data"),
    }


def test_every_fault_of_the_settings_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        read(
            {"PARVAR_DATABASE_URL": "mysql://x", "PARVAR_SECRET": "short", "PARVAR_PORT": "0", "PARVAR_BASE_URL": "me"}
        )
    named = {fault.partition(":")[0] for fault in error.value.faults}
    assert named == {"PARVAR_DATABASE_URL", "PARVAR_SECRET", "PARVAR_PORT", "PARVAR_BASE_URL"}


@pytest.mark.parametrize("secret", ["", "a" * 31, "a" * 40])
def test_a_missing_or_weak_secret_is_refused(secret: str) -> None:
    with pytest.raises(SettingsError, match="PARVAR_SECRET"):
        read({**NEEDED, "PARVAR_SECRET": secret})


def test_a_secret_is_never_shown() -> None:
    assert SECRET not in repr(read(NEEDED))


def test_old_secrets_are_held_to_the_same_measure() -> None:
    with pytest.raises(SettingsError, match="PARVAR_OLD_SECRETS"):
        read({**NEEDED, "PARVAR_OLD_SECRETS": "short"})
    assert read({**NEEDED, "PARVAR_OLD_SECRETS": SECRET[::-1]}).old_secrets == (SECRET[::-1],)


def test_postgresql_is_spoken_to_through_psycopg_however_it_is_written() -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        url = read({**NEEDED, "PARVAR_DATABASE_URL": f"{scheme}://me@host/name"}).database_url
        assert url == "postgresql+psycopg://me@host/name"


@pytest.mark.parametrize(
    ("text", "asked"),
    [("on", ""), ("off", None), ("127.0.0.1", "127.0.0.1"), ("127.0.0.1#5353", "127.0.0.1#5353"), ("::1#53", "::1#53")],
)
def test_whom_to_ask_for_mx_may_be_said(text: str, asked: str | None) -> None:
    assert read({**NEEDED, "PARVAR_MX": text}).mx == asked
    assert read(NEEDED).mx == ""


@pytest.mark.parametrize("text", ["yes", "dns.example.com", "127.0.0.1#0", "127.0.0.1#", "#53"])
def test_a_name_server_that_cannot_be_one_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="PARVAR_MX"):
        read({**NEEDED, "PARVAR_MX": text})


def test_run_without_settings_names_what_is_missing_and_starts_nothing() -> None:
    done = parvar("run")
    assert done.returncode == 2
    assert "PARVAR_DATABASE_URL" in done.stderr
    assert "PARVAR_SECRET" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = parvar("run", **good(tmp_path), PARVAR_PORT=port)
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert "PARVAR_PORT" in done.stderr
    assert not (tmp_path / "parvar.db").exists(), "nothing was begun"


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file stands where the folder should be")
    done = parvar("run", **good(tmp_path))
    assert done.returncode == 1
    assert "PARVAR_DATA" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["run", "worker", "demo"])
def test_a_relay_that_cannot_be_read_is_named_without_its_password(tmp_path: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    more = ("--port", port, "--data", str(tmp_path / "demo")) if command == "demo" else ()
    done = parvar(command, *more, **good(tmp_path), PARVAR_PORT=port, PARVAR_SMTP_URL="ftp://me:hunter2@relay")
    assert done.returncode == 1
    assert "PARVAR_SMTP_URL" in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("PARVAR_HOOKS", "postmarc=a-long-enough-secret", "postmarc"),
        ("PARVAR_HOOKS", "ses=mytopic", "ARN"),
        ("PARVAR_HOOKS", "sendgrid=hunter2hunter2", "public key"),
        ("PARVAR_HOOKS", "brevo=hunter2", "shorter"),
        ("PARVAR_BOUNCE_MAILBOX", "imap2://me:hunter2@mail.example.com", "imap2"),
        ("PARVAR_BOUNCE_MAILBOX", "imaps://mail.example.com", "user, password and host"),
        ("PARVAR_ALARM_WEBHOOK", "alerts.example.com", "is not an address"),
        ("PARVAR_ALARM_WEBHOOK", "https://alerts.example.com", "PARVAR_ALARM_SECRET"),
        ("PARVAR_WARM_UP", "example", "no domain"),
        ("PARVAR_WARM_UP", "example.com@soon", "soon"),
    ],
)
def test_a_way_back_that_cannot_work_is_named_before_anything_starts(
    tmp_path: Path, name: str, value: str, word: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    done = parvar("run", **good(tmp_path), PARVAR_PORT=port, **{name: value})
    assert done.returncode in (1, 2)
    assert name in done.stderr
    assert word in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "parvar.db").exists()


def test_a_second_worker_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    from app.disk.folder import hold_folder

    held = hold_folder(tmp_path / "data" / "worker", lambda: bytes(16))
    assert held is not None
    with held:
        done = parvar("worker", **good(tmp_path))
    assert done.returncode == 1
    assert "another worker" in done.stderr


def test_a_child_behind_another_one_starts_once_that_one_listens() -> None:
    with socket.socket() as house:
        house.bind(("127.0.0.1", 0))
        shop = Child("shop", ["--help"], behind=house.getsockname())
        watch(shop)
        begun_before = shop.is_alive
        house.listen()
        watch(shop)
    assert not begun_before
    assert shop.process is not None
    assert shop.process.wait(60) == 0
