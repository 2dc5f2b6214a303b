"""Who may import what, beyond the floors: owners of libraries, the pure core, the tracking edge, declared packages."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from tests.house.source import ROOT, imports, modules

# library → the rooms (or modules) that may import it
OWNERS: dict[str, tuple[str, ...]] = {
    "sqlalchemy": ("app.store",),
    "flask_sqlalchemy": ("app.store",),
    "flask_migrate": ("app.store",),
    "alembic": ("app.store",),
    "psycopg": ("app.store",),
    "jinja2": ("app.mail", "app.web"),
    "premailer": ("app.mail",),
    "cssutils": ("app.mail",),
    "css_inline": ("app.mail",),
    "lxml": ("app.mail",),
    "tinycss2": ("app.mail",),
    "inscriptis": ("app.mail",),
    "nh3": ("app.mail",),
    "markdown_it": ("app.mail",),
    "mdit_py_plugins": ("app.mail",),
    "mjml": ("app.mail",),
    "imap_tools": ("app.mail",),
    "smtplib": ("app.mail",),
    "greenlet": ("app.mail.smtp_hub",),
    "imaplib": ("app.mail",),
    "email_validator": ("app.mail",),
    "cryptography": ("app.mail", "app.net", "app.store.sealing"),
    "yaml": ("app.files",),
    "requests": ("app.net",),
    "urllib.request": ("app.net",),
    "dns": ("app.net.names",),
    "flask": ("app.web", "app.store.engine", "app.store.migrating", "app.main"),
    "werkzeug": ("app.web", "app.main"),
    "flask_login": ("app.web",),
    "flask_wtf": ("app.web",),
    "flask_babel": ("app.web",),
    "click": ("app.cli",),
    "rich": ("app.cli",),
    "apscheduler": ("app.worker.clock",),
}


# the type of an open transaction is named where transactions are opened and handed on
SESSION = "sqlalchemy.orm.Session"
SESSION_ROOMS = {"world", "actions", "main", "web"}


def _within(name: str, owner: str) -> bool:
    return name == owner or name.startswith(f"{owner}.")


def test_each_library_is_imported_by_its_owner_only() -> None:
    strayed = [
        f"{module.at(node)} imports {name}, which belongs to {' and '.join(owners)}"
        for module in modules()
        for name, node in imports(module)
        for library, owners in OWNERS.items()
        if _within(name, library) and not any(_within(module.name, owner) for owner in owners)
        if not (name == SESSION and module.room in SESSION_ROOMS)
    ]
    assert not strayed, "\n".join(strayed)


def test_the_core_imports_the_standard_library_and_itself_only() -> None:
    strayed = [
        f"{module.at(node)} imports {name}"
        for module in modules()
        if module.room == "core"
        for name, node in imports(module)
        if not _within(name, "app.core") and name.split(".")[0] not in sys.stdlib_module_names | TYPES_ONLY
    ]
    assert not strayed, "\n".join(strayed)


def test_the_core_touches_no_file_no_network_and_no_log() -> None:
    outside = (
        "logging",
        "os",
        "socket",
        "subprocess",
        "threading",
        "sqlite3",
        "pathlib",
        "http",
        "urllib.request",
        "random",
    )
    strayed = [
        f"{module.at(node)} imports {name}"
        for module in modules()
        if module.room == "core"
        for name, node in imports(module)
        if any(_within(name, forbidden) for forbidden in outside)
    ]
    assert not strayed, "\n".join(strayed)


def test_the_tracking_edge_stands_without_flask_and_without_the_database() -> None:
    allowed = ("app.links", "app.disk", "app.core", "app.web.edge")
    strayed = [
        f"{module.at(node)} imports {name}"
        for module in modules()
        if _within(module.name, "app.web.edge")
        for name, node in imports(module)
        if not any(_within(name, room) for room in allowed)
        and name.split(".")[0] not in sys.stdlib_module_names | TYPES_ONLY
    ]
    assert not strayed, "\n".join(strayed)


TYPES_ONLY = {"_typeshed"}
"""Names that exist for the type checker alone and are never imported by a running program."""


def test_the_map_imports_nothing() -> None:
    (the_map,) = (module for module in modules() if module.name == "app")
    assert not list(imports(the_map))


def test_every_library_in_use_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wishes = [
        *project["dependencies"],
        *(wish for extra in project["optional-dependencies"].values() for wish in extra),
    ]
    declared = {_package(wish) for wish in wishes}
    homes = packages_distributions()
    undeclared = {
        f"{module.at(node)} imports {name}"
        for module in modules()
        for name, node in imports(module)
        if (top := name.split(".")[0]) not in sys.stdlib_module_names | TYPES_ONLY
        and top != "app"
        and not declared & {_package(home) for home in homes.get(top, [top])}
    }
    assert not undeclared, "\n".join(sorted(undeclared))


def _package(wish: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", wish, maxsplit=1)[0]).lower()
