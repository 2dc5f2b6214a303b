"""The servers of the tests are real, and the tests stay on this machine."""

import contextlib
import smtplib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.services.clock import START, Clock
from tests.services.network import NetworkBlocked, is_local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from app.store.engine import Database
    from tests.services.postgres import Databases, Server
    from tests.services.smtp import Sink

MAIL = b"From: shop@example.org\r\nTo: alice@example.org\r\nSubject: Hello\r\n\r\n.One line\r\n"


def test_no_test_can_call_another_machine() -> None:
    with socket.socket() as line, pytest.raises(NetworkBlocked, match=r"192\.0\.2\.1"):
        line.connect(("192.0.2.1", 80))


def test_no_test_can_look_up_a_name() -> None:
    with pytest.raises(NetworkBlocked, match=r"shop\.example"):
        socket.getaddrinfo("shop.example", 80)


def test_loopback_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "shop.localhost", "", None, b"localhost"]
)
def test_these_are_this_machine(host: object) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.1.1", "169.254.169.254", "fe80::1%eth0", "localhost.example", 7])
def test_these_are_not_this_machine(host: object) -> None:
    assert not is_local(host)


def test_the_clock_stands_still_until_moved(clock: Clock) -> None:
    assert clock() == clock() == START
    assert clock.advance(5) == START + 5
    clock.now = 7
    assert clock() == 7


def test_the_clock_does_not_run_backwards_by_accident(clock: Clock) -> None:
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)


def test_the_sink_keeps_what_it_takes_byte_for_byte(smtp_sink: "Sink", tmp_path: Path) -> None:
    with smtplib.SMTP(smtp_sink.host, smtp_sink.port) as client:
        client.sendmail("bounce@example.org", ["alice@example.org"], MAIL)
    (mail,) = smtp_sink.wait_for(1)
    assert mail.content == MAIL
    assert (mail.sender, mail.recipients) == ("bounce@example.org", ("alice@example.org",))
    assert mail.message["subject"] == "Hello"
    assert [file.read_bytes() for file in (tmp_path / "smtp").iterdir()] == [MAIL]


def test_the_sink_refuses_whom_it_is_told_to(smtp_sink: "Sink") -> None:
    smtp_sink.refuse("carol@example.org", "550 5.1.1 gone")
    with smtplib.SMTP(smtp_sink.host, smtp_sink.port) as client:
        refused = client.sendmail("a@example.org", ["carol@example.org", "alice@example.org"], MAIL)
    assert refused == {"carol@example.org": (550, b"5.1.1 gone")}
    assert smtp_sink.to("carol@example.org") == ()
    assert len(smtp_sink.to("alice@example.org")) == 1


def test_the_sink_says_how_many_mails_are_missing(smtp_sink: "Sink") -> None:
    with pytest.raises(AssertionError, match="0 of 1 mails"):
        smtp_sink.wait_for(1, seconds=0.01)


def test_the_sink_closes_lines_left_open(smtp_sink: "Sink") -> None:
    line = socket.create_connection((smtp_sink.host, smtp_sink.port))
    with contextlib.closing(line):
        assert line.recv(100).startswith(b"220 ")


def test_each_test_gets_a_database_of_its_own(postgres_databases: "Databases") -> None:
    import psycopg

    first, second = (postgres_databases.create().replace("+psycopg", "") for _ in range(2))
    with psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE only_here (id int)")
    with psycopg.connect(second) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM only_here")


def test_a_filled_database_is_filled_once_and_copied(postgres_databases: "Databases") -> None:
    import psycopg

    filled: list[str] = []

    def fill(url: str) -> None:
        filled.append(url)
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute("CREATE TABLE seen AS SELECT 42 AS answer")

    for _ in range(2):
        url = postgres_databases.create_like("answers", fill)
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            assert connection.execute("SELECT answer FROM seen").fetchall() == [(42,)]
    assert len(filled) == 1


def test_a_killed_server_comes_back_with_what_was_committed(postgres_server: "Server") -> None:
    import psycopg

    address = postgres_server.url().replace("+psycopg", "")
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    postgres_server.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address)
    postgres_server.start()
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_an_empty_database_is_ready_on_both_engines(empty_database_url: str) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE here (id int)"))
    engine.dispose()


def test_a_test_of_the_store_finds_its_tables(database: "Database") -> None:
    from sqlalchemy import inspect

    assert "subscriber" in inspect(database.engine).get_table_names()


def test_the_browser_shows_a_page_of_this_machine_and_no_other(page: "Page") -> None:
    from playwright.sync_api import Error

    with _page_server(b"<h1 lang=fa dir=rtl>\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85</h1>") as port:
        page.goto(f"http://shop.localhost:{port}/")
        assert page.inner_text("h1") == "سلام"
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://shop.example/")


@contextlib.contextmanager
def _page_server(body: bytes) -> "Iterator[int]":
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_what: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
