"""Fixtures for every floor: a clock that stands still, databases, an SMTP server, Chromium, no way off this machine.

Servers are imported when a test asks for one, so that tests of the core start at once.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.services.clock import Clock
from tests.services.missing import missing
from tests.services.network import keep_to_this_machine

if TYPE_CHECKING:
    from app.store.engine import Database
    from tests.services.postgres import Databases, Server
    from tests.services.smtp import Sink

_WITHOUT_EXPLAINING = [phase for phase in Phase if phase is not Phase.explain]
_BROWSER_FIXTURES = {"page", "context", "browser", "new_context", "chromium"}
_POSTGRES_FIXTURES = {"postgres_server", "postgres_databases", "postgres_url", "postgres_database_url"}


def pytest_configure(config: pytest.Config) -> None:
    """Makes every run alike: no network, no settings of the person who runs it, one profile for the property tests."""
    keep_to_this_machine()
    for name in [name for name in os.environ if name.startswith("PARVAR_") and name != "PARVAR_TORTURE_MINUTES"]:
        del os.environ[name]
    settings.register_profile("quick", max_examples=20, deadline=None)
    settings.register_profile("default", max_examples=100, deadline=None)
    # the same examples in every run: what CI says of a change is about the change
    settings.register_profile(
        "ci", max_examples=100, deadline=None, derandomize=True, print_blob=True, phases=_WITHOUT_EXPLAINING
    )
    settings.register_profile(
        "torture", max_examples=5_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    chosen = "torture" if "PARVAR_TORTURE_MINUTES" in os.environ else "ci" if os.environ.get("CI") else "default"
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", chosen))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks tests by what they use, keeps browser tests in one process, and leaves the long ones to `make torture`."""
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        if used & _BROWSER_FIXTURES or item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))
        if used & _POSTGRES_FIXTURES:
            item.add_marker(pytest.mark.postgres)
    if "PARVAR_TORTURE_MINUTES" not in os.environ:
        long = [item for item in items if item.get_closest_marker("torture")]
        if long:
            config.hook.pytest_deselected(items=long)
            items[:] = [item for item in items if not item.get_closest_marker("torture")]


@pytest.fixture
def clock() -> Clock:
    """Stands at 1 March 2026, 09:00 UTC."""
    return Clock()


# ---------------------------------------------------------------- PostgreSQL and SQLite


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator["Databases"]:
    """Makes databases on TEST_DATABASE_URL, else on a server started for this run; drops what it made."""
    from tests.services.postgres import REMEDY, Databases, start_server

    server: Server | None = None
    address = os.environ.get("TEST_DATABASE_URL")
    if not address:
        server = start_server()
        if server is None:
            missing("PostgreSQL", REMEDY)
        address = server.url()
    databases = Databases(address)
    yield databases
    databases.drop_templates()
    if server is not None:
        server.remove()


@pytest.fixture
def postgres_url(postgres_databases: "Databases") -> Iterator[str]:
    """A new, empty database on PostgreSQL."""
    address = postgres_databases.create()
    yield address
    postgres_databases.drop(address)


@pytest.fixture
def postgres_server() -> Iterator["Server"]:
    """A PostgreSQL of this test's own, to stop, kill and start again."""
    from tests.services.postgres import REMEDY, start_server

    server = start_server()
    if server is None:
        missing("PostgreSQL", REMEDY)
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database without tables, once as an SQLite file and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'parvar.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.services.schema import lay_tables

    template = tmp_path_factory.mktemp("sqlite") / "template.db"
    lay_tables(f"sqlite:///{template}")
    return template


@pytest.fixture
def sqlite_database_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """A new SQLite file with all tables."""
    file = tmp_path / "parvar.db"
    shutil.copyfile(_sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture
def postgres_database_url(postgres_databases: "Databases") -> Iterator[str]:
    """A new database on PostgreSQL with all tables."""
    from tests.services.schema import lay_tables

    address = postgres_databases.create_like("tables", lay_tables)
    yield address
    postgres_databases.drop(address)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A new database with all tables, once as an SQLite file and once on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_database_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator["Database"]:
    """The same, opened: `database.transaction("read" | "write")`."""
    from app.store.engine import open_database

    opened = open_database(database_url)
    yield opened
    opened.dispose()


# ---------------------------------------------------------------- mail


@pytest.fixture
def smtp_sink(tmp_path: Path) -> Iterator["Sink"]:
    """A server on loopback that keeps every mail: `url`, `taken`, `to(whom)`, `wait_for(count)`, `refuse(whom)`."""
    from tests.services.smtp import Sink

    folder = tmp_path / "smtp"
    folder.mkdir()
    with Sink(folder) as sink:
        yield sink


@pytest.fixture(scope="session")
def smtp_sink_program() -> Path:
    """Postfix's `smtp-sink`, for tests that need its speed or want a server that is not Python."""
    found = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        missing("smtp-sink", "apt-get install postfix")
    return Path(found)


# ---------------------------------------------------------------- browser


@pytest.fixture(scope="session")
def chromium() -> Path:
    """This machine's Chromium."""
    from tests.services.chromium import REMEDY, find_chromium

    found = find_chromium()
    if found is None:
        missing("Chromium", REMEDY)
    return found


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], chromium: Path) -> dict[str, Any]:
    """Tells pytest-playwright which Chromium to start, and how."""
    from tests.services.chromium import launch_arguments

    return {**browser_type_launch_args, "executable_path": str(chromium), "args": launch_arguments()}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """Every page is seen by the same visitor, whatever machine this is."""
    return {**browser_context_args, "timezone_id": "Asia/Tehran", "locale": "en-GB", "reduced_motion": "reduce"}
