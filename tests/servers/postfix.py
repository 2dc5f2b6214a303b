"""A Postfix of a test's own: its configuration, queue and mailboxes in one folder, on a free loopback port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

_MASTER = """\
127.0.0.1:{port} inet n - n - 20 smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
anvil unix - - n - 1 anvil
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
"""
_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = postfix.invalid
mydestination =
local_recipient_maps =
alias_maps =
virtual_mailbox_domains = example.org
virtual_mailbox_base = {folder}/boxes
virtual_mailbox_maps = inline:{{ {boxes} }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_recipient_restrictions = reject_unauth_destination, reject_unlisted_recipient
smtpd_tls_security_level = none
smtpd_client_connection_count_limit = 0
{more}
"""


def find_daemons() -> Path | None:
    """Where Postfix keeps its programs; None when it is not installed or cannot be run by this user."""
    if os.geteuid() != 0 or not shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        return None
    return next(
        (place for place in map(Path, ("/usr/lib/postfix/sbin", "/usr/libexec/postfix")) if place.is_dir()), None
    )


class Postfix:
    """`boxes` are the local parts that exist at example.org; `more` goes into main.cf."""

    def __init__(self, folder: Path, daemons: Path, boxes: tuple[str, ...], more: str = "") -> None:
        import pwd

        self._folder = folder
        user = pwd.getpwnam("postfix")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        for name, owner in (("queue", 0), ("data", user.pw_uid), ("boxes", user.pw_uid)):
            (folder / name).mkdir()
            os.chown(folder / name, owner, user.pw_gid if owner else 0)
        place_of = ", ".join(f"{{ {one}@example.org = {one}/ }}" for one in boxes)
        text = _MAIN.format(folder=folder, daemons=daemons, boxes=place_of, uid=user.pw_uid, gid=user.pw_gid, more=more)
        (folder / "main.cf").write_text(text)
        (folder / "master.cf").write_text(_MASTER.format(port=self.port))

    def __enter__(self) -> Self:
        self._postfix("start")
        deadline = time.monotonic() + 15
        while not self._answers():
            if time.monotonic() > deadline:
                raise AssertionError(f"Postfix does not answer: {self.log()[-2000:]}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._postfix("stop")

    def log(self) -> str:
        file = self._folder / "log"
        return file.read_text() if file.exists() else ""

    def mails(self, box: str) -> list[bytes]:
        """What lies in a mailbox, as delivered."""
        return [file.read_bytes() for file in sorted((self._folder / "boxes" / box / "new").glob("*"))]

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                return probe.recv(3) == b"220"
        except OSError:
            return False

    def _postfix(self, command: str) -> None:
        for parent in (self._folder, *self._folder.parents):
            if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)  # its programs run as another user
        done = subprocess.run(
            ["/usr/sbin/postfix", "-c", str(self._folder), command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"postfix {command}: {done.stderr} {self.log()[-2000:]}")
