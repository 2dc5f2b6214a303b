"""A sender small enough to be killed over and over: journal, claims and the SMTP client, and nothing else.

Run as `python -m tests.mail.crash_child <folder> <port> <connections> <window>`; the folder holds the list (SQLite)
and the node.
"""

import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from app.disk.folder import Owner, boot_identity, hold_folder
from app.disk.journal import Doubtful, Finished, Journal, JournalFull, JournalSettings, Known, Untouched, accounts
from app.mail.smtp import SmtpTransport
from app.mail.smtp_url import Limits, SmtpRelay, Timeouts, Tls
from app.mail.transports import Envelope, HandOverForbidden, MessageKey, Settlement

CLAIM = 40
BODY = b"x" * 70 + b"\r\n"


def text(message: int) -> bytes:
    return b"Message-ID: <%d@example.com>\r\nSubject: %d\r\n\r\n" % (message, message) + BODY * (message % 50)


class Delivery:
    """Claims, sends and records; the hooks of the transport."""

    def __init__(self, folder: Path, owner: Owner, journal: Journal) -> None:
        self.owner = owner
        self.journal = journal
        self.lock = threading.Lock()
        self.ended: list[tuple[str, str, int, int]] = []
        self.list = sqlite3.connect(folder / "list.db", check_same_thread=False, isolation_level=None)

    def envelopes(self) -> Iterator[Envelope]:
        while claimed := self.claim():
            keys = list(claimed)
            while keys:
                allowed = self.journal.allow(keys)
                for message, claim in keys[:allowed]:
                    key = MessageKey(message, claim)
                    yield Envelope(key, "b@bounce.example.com", f"p{message}@example.org", lambda m=message: text(m))  # type: ignore[misc]
                keys = keys[allowed:]

    def claim(self) -> list[tuple[int, int]]:
        self.record()
        rows = self.list.execute(
            "UPDATE message SET state = 'claimed', owner = ?, claim = claim + 1 WHERE id IN"
            " (SELECT id FROM message WHERE state = 'queued' ORDER BY id LIMIT ?) RETURNING id, claim",
            (str(self.owner), CLAIM),
        )
        return sorted(rows.fetchall())

    def before_final_dot(self, key: MessageKey, connection: int) -> None:
        try:
            self.journal.begin((key.message, key.claim), connection)
        except JournalFull as full:
            raise HandOverForbidden(str(full)) from full

    def after_reply(self, settlement: Settlement) -> None:
        outcome = type(settlement.outcome).__name__
        key = settlement.key
        self.journal.end((key.message, key.claim), outcome, "", 0)
        with self.lock:
            state = {"Sent": "sent", "Uncertain": "uncertain"}.get(outcome, "queued")
            self.ended.append((state, str(self.owner), key.message, key.claim))
            is_time = len(self.ended) >= 20
        if is_time:
            self.record()

    def record(self) -> None:
        with self.lock:
            self.list.execute("BEGIN IMMEDIATE")
            self.list.executemany(WRITE, self.ended)
            self.list.execute("COMMIT")
            self.journal.recorded([(message, claim) for _, _, message, claim in self.ended])
            self.ended.clear()


WRITE = "UPDATE message SET state = ? WHERE owner = ? AND id = ? AND claim = ? AND state = 'claimed'"


def state_of(what: Known) -> str:
    match what:
        case Finished(outcome=outcome):
            return {"Sent": "sent", "Uncertain": "uncertain"}.get(outcome, "queued")
        case Doubtful():
            return "uncertain"
        case Untouched():
            return "queued"


def settle(folder: Path, node: Path, living: Owner) -> None:
    """What earlier lives left: finished is written, doubtful is uncertain, the rest never began."""
    database = sqlite3.connect(folder / "list.db", isolation_level=None)
    for account in accounts(node, boot_identity(), but=living.incarnation):
        owner = str(account.owner)
        for (message, claim), what in account.known.items():
            database.execute(WRITE, (state_of(what), owner, message, claim))
        rest = "queued" if account.is_whole else "uncertain"
        database.execute("UPDATE message SET state = ? WHERE owner = ? AND state = 'claimed'", (rest, owner))
        account.forget()
    # a life that ended before its journal began has claimed nothing that left
    database.execute("UPDATE message SET state = 'queued' WHERE state = 'claimed' AND owner <> ?", (str(living),))
    database.close()


def main(folder: Path, port: int, connections: int, window: int) -> None:
    node = hold_folder(folder / "node", lambda: os.urandom(16))
    assert node is not None
    settle(folder, node.path, node.owner)
    settings = JournalSettings(window, connections, file_bytes=20_000)
    with Journal(node.path, node.owner, boot_identity(), settings) as journal:
        delivery = Delivery(folder, node.owner, journal)
        timeouts = Timeouts(connect=5, greeting=5, command=5, data=5, body=5, final=5)
        limits = Limits(connections, per_connection=60)
        relay = SmtpRelay("r", "127.0.0.1", port, Tls.NEVER, helo="c.invalid", limits=limits, timeouts=timeouts)
        transport = SmtpTransport(relay)
        transport.send(delivery.envelopes(), delivery)
        transport.close()
        delivery.record()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
