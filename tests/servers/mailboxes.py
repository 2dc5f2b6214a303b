"""An IMAP and a POP3 server for tests: one mailbox, and what the client did to it, in order."""

from __future__ import annotations

import re
import socketserver
import threading
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Kept:
    """A mail on the server."""

    uid: int
    raw: bytes
    flags: set[str] = field(default_factory=set)
    folder: str = "INBOX"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class MailboxServer:
    """Base of both: mails, a password, and the log of what was asked. `drop_at` ends the connection at a command."""

    handler: type[socketserver.StreamRequestHandler]

    def __init__(self, mails: list[bytes], password: str = "hush", drop_at: str = "") -> None:
        self.mails = [Kept(number, raw) for number, raw in enumerate(mails, start=1)]
        self.password = password
        self.drop_at = drop_at
        self.log: list[str] = []
        self._server = _Server(("127.0.0.1", 0), self.handler)
        self._server.owner = self  # type: ignore[attr-defined]
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def left(self) -> list[bytes]:
        return [mail.raw for mail in self.mails if mail.folder == "INBOX"]


class _Pop3Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        owner: MailboxServer = self.server.owner  # type: ignore[attr-defined]
        mails, gone = list(owner.mails), set[int]()
        self._say("+OK ready")
        while line := self.rfile.readline().decode().strip():
            verb, _, rest = line.partition(" ")
            owner.log.append(line)
            if owner.drop_at and line.startswith(owner.drop_at):
                return
            if verb == "PASS":
                self._say("+OK" if rest == owner.password else f"-ERR no: {line}")
            elif verb == "LIST":
                self._lines("".join(f"{n} {len(mail.raw)}\r\n" for n, mail in enumerate(mails, 1)).encode())
            elif verb in {"RETR", "TOP"}:
                self._lines(mails[int(rest.split()[0]) - 1].raw)
            elif verb == "DELE":
                gone.add(mails[int(rest) - 1].uid)
                self._say("+OK")
            elif verb == "QUIT":
                owner.mails = [mail for mail in owner.mails if mail.uid not in gone]
                self._say("+OK bye")
                return
            else:
                self._say("+OK")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def _lines(self, raw: bytes) -> None:
        stuffed = (b"\r\n" + raw).replace(b"\r\n.", b"\r\n..")[2:]
        end = b"" if stuffed.endswith(b"\r\n") else b"\r\n"
        self.wfile.write(b"+OK\r\n" + stuffed + end + b".\r\n")


class Pop3Server(MailboxServer):
    handler = _Pop3Handler


class _ImapHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.owner: MailboxServer = self.server.owner  # type: ignore[attr-defined]
        self._say("* OK ready")
        while line := self.rfile.readline().decode().strip():
            tag, _, command = line.partition(" ")
            self.owner.log.append(command)
            if self.owner.drop_at and command.startswith(self.owner.drop_at):
                return
            if not self._answer(tag, command):
                return

    def _answer(self, tag: str, command: str) -> bool:
        verb = command.split(" ", maxsplit=1)[0].upper()
        if verb == "UID":
            self._uid(command[4:])
        elif verb == "CAPABILITY":
            self._say("* CAPABILITY IMAP4rev1")
        elif verb == "LOGIN" and f'"{self.owner.password}"' not in command:
            self._say(f"{tag} NO wrong: {command}")
            return True
        elif verb in {"SELECT", "EXAMINE"}:
            self._say(f"* {len(self.owner.left)} EXISTS")
            self._say("* OK [UIDVALIDITY 1] ok")
        elif verb == "EXPUNGE":
            self.owner.mails = [mail for mail in self.owner.mails if "\\Deleted" not in mail.flags]
        elif verb == "LOGOUT":
            self._say("* BYE bye")
        self._say(f"{tag} OK done")
        return verb != "LOGOUT"

    def _uid(self, command: str) -> None:
        verb, _, rest = command.partition(" ")
        if verb == "SEARCH":
            found = [
                m for m in self.owner.mails if m.folder == "INBOX" and ("UNSEEN" not in rest or "\\Seen" not in m.flags)
            ]
            self._say("* SEARCH " + " ".join(str(mail.uid) for mail in found))
            return
        wanted = {int(one) for one in rest.split(" ")[0].split(",")}
        for mail in [one for one in self.owner.mails if one.uid in wanted]:
            self._act(verb, rest, mail)

    def _act(self, verb: str, rest: str, mail: Kept) -> None:
        if verb == "FETCH":
            limit = re.search(r"<0\.(\d+)>", rest)
            raw = mail.raw[: int(limit.group(1))] if limit else mail.raw
            self.wfile.write(
                f"* {mail.uid} FETCH (UID {mail.uid} BODY[]<0> {{{len(raw)}}}\r\n".encode() + raw + b")\r\n"
            )
        elif verb == "STORE":
            mail.flags.update(re.findall(r"\\\w+", rest))
        elif verb == "COPY":
            self.owner.mails.append(Kept(mail.uid + 1_000, mail.raw, set(), rest.split(" ")[1].strip('"')))

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class ImapServer(MailboxServer):
    handler = _ImapHandler
