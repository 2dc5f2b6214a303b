"""Settings: one frozen value read from the environment, all faults reported at once.

Owns the names, defaults and validity of every `PARVAR_…` variable. Must not open, connect to or create anything.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from app.core.instants import DAY, SECOND, Span

_T = TypeVar("_T")
SHORTEST_SECRET = 32
"""Characters. Every signed link hangs on this one value."""


class SettingsError(ValueError):
    """Every fault of the environment, a line each."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A signing key by where it lies: a file, or an environment variable whose name begins with PARVAR_."""

    domain: str
    selector: str
    place: str


@dataclass(frozen=True, slots=True)
class OpenId:
    """An OpenID issuer that may vouch for who enters the dashboard. `issuer` is kept to the letter, slash and all."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """What an installation is told from outside. Paths are absolute; URLs have no slash at the end."""

    database_url: str
    secret: str = field(repr=False)
    base_url: str
    data: Path
    old_secrets: tuple[str, ...] = field(default=(), repr=False)
    """Secrets used before, newest first: what they signed is still read."""
    tracking_url: str = ""
    smtp_url: str = field(default="", repr=False)
    """Relays, separated by commas; empty: mail is only stored (development)."""
    campaigns: Path = Path("campaigns")
    templates: Path = Path("email_templates")
    host: str = "127.0.0.1"
    port: int = 8000
    web_processes: int = 1
    web_threads: int = 32
    trusted_proxies: tuple[str, ...] = ()
    bounce_domain: str = ""
    dkim: tuple[DkimKey, ...] = ()
    """Keys that sign; while keys change there are two selectors for a few days."""
    uncertain: str = "hold"
    """What becomes of mails whose fate is unknown: `hold` or `resend` (once, same Message-ID)."""
    journal_window: int = 16
    """Mails per connection that may be uncertain after a power cut."""
    claim: int = 100
    lanes: Path | None = None
    """A file of lanes above those that come with Parvar."""
    mx: str | None = ""
    """Who is asked for the MX of recipients' domains: `address#port`, empty: whom this machine asks; None: nobody."""
    warm_up: Mapping[str, int] = field(default_factory=dict)
    """New sending domains → the day their warm-up began, counted from 1970 UTC; 0: the first they ever sent on."""
    event_retention: Span = 730 * DAY
    grace: Span = 3 * SECOND
    """How long a click waits for its verdict."""
    bounce_mailbox: str = field(default="", repr=False)
    """Where bounces and replies are fetched from: imaps://user:password@host/folder or pop3s://…"""
    hooks: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Provider → how it proves itself: a secret or key; for `ses` the one topic that may speak."""
    lmtp: tuple[str, int] | None = None
    """Where a mail server may hand over what came back, by LMTP."""
    alarm_webhook: str = ""
    """Called when a breaker stops sending; signed with `alarm_secret`."""
    alarm_secret: str = field(default="", repr=False)
    webhook_networks: tuple[str, ...] = ()
    """Networks inside our own that webhooks may call."""
    openid: OpenId | None = None
    demo: bool = False
    shop_url: str = ""
    """Where the demo's shop answers: it may tell of visits, and pages point newcomers to it."""
    log_format: str = "console"

    @property
    def tracking_base(self) -> str:
        return self.tracking_url or self.base_url

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")


def read(environ: Mapping[str, str]) -> Settings:
    """Settings from the environment. Raises SettingsError naming every fault and its mending."""
    reader = _Reader(environ)
    settings = Settings(
        database_url=reader.take("DATABASE_URL", "", _database),
        secret=reader.take("SECRET", "", _secret),
        base_url=reader.take("BASE_URL", "http://127.0.0.1:8000", _url),
        data=reader.take("DATA", "data", lambda text: Path(text).resolve()),
        old_secrets=reader.take("OLD_SECRETS", "", _secrets),
        tracking_url=reader.take("TRACKING_URL", "", lambda text: _url(text) if text else ""),
        smtp_url=reader.take("SMTP_URL", "", str),
        campaigns=reader.take("CAMPAIGNS", "campaigns", Path),
        templates=reader.take("TEMPLATES", "email_templates", Path),
        host=reader.take("HOST", "127.0.0.1", str),
        port=reader.take("PORT", "8000", _number(1, 65535)),
        web_processes=reader.take("WEB_PROCESSES", "1", _number(1, 64)),
        web_threads=reader.take("WEB_THREADS", "32", _number(1, 512)),
        trusted_proxies=reader.take("TRUSTED_PROXIES", "", _networks),
        bounce_domain=reader.take("BOUNCE_DOMAIN", "", str),
        dkim=reader.take("DKIM", "", _dkim),
        uncertain=reader.take("UNCERTAIN", "hold", _one_of("hold", "resend")),
        journal_window=reader.take("JOURNAL_WINDOW", "16", _number(1, 16)),
        claim=reader.take("CLAIM", "100", _number(1, 100)),
        lanes=reader.take("LANES", "", lambda text: Path(text).resolve() if text else None),
        mx=reader.take("MX", "on", _name_server),
        warm_up=reader.take("WARM_UP", "", _warm_up),
        event_retention=reader.take("EVENT_RETENTION_DAYS", "730", _number(1, 36500)) * DAY,
        grace=reader.take("GRACE_SECONDS", "3", _number(0, 3600)) * SECOND,
        bounce_mailbox=reader.take("BOUNCE_MAILBOX", "", str),
        hooks=reader.take("HOOKS", "", _pairs),
        lmtp=reader.take("LMTP", "", lambda text: _place(text) if text else None),
        alarm_webhook=reader.take("ALARM_WEBHOOK", "", lambda text: _call(text) if text else ""),
        alarm_secret=reader.take("ALARM_SECRET", "", lambda text: _secret(text) if text else ""),
        webhook_networks=reader.take("WEBHOOK_NETWORKS", "", _networks),
        openid=_openid(reader),
        demo=reader.take("DEMO", "0", _one_of("0", "1")) == "1",
        shop_url=reader.take("SHOP_URL", "", lambda text: _url(text) if text else ""),
        log_format=reader.take("LOG_FORMAT", "console", _one_of("console", "json")),
    )
    return _checked(reader, settings)


def _checked(reader: _Reader, settings: Settings) -> Settings:
    """What no variable can tell by itself; then all faults are raised together."""
    if settings.alarm_webhook and not settings.alarm_secret:
        reader.fault("ALARM_SECRET", "is missing; the calls to PARVAR_ALARM_WEBHOOK are signed with it")
    reader.raise_faults()
    return settings


class _Reader:
    """Takes variables one by one and keeps the faults for the end."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._faults: list[str] = []

    def take(self, name: str, default: str, read: Callable[[str], _T]) -> _T:
        text = self._environ.get(f"PARVAR_{name}", default).strip()
        try:
            return read(text)
        except ValueError as error:
            self._faults.append(f"PARVAR_{name}: {error}")
            return read(_HARMLESS.get(name, default))

    def fault(self, name: str, words: str) -> None:
        self._faults.append(f"PARVAR_{name}: {words}")

    def raise_faults(self) -> None:
        if self._faults:
            raise SettingsError(tuple(self._faults))


_HARMLESS = {"DATABASE_URL": "sqlite:///parvar.db", "SECRET": "0123456789abcdefghijklmnopqrstuvwxyz"}
"""Values that let reading go on after a fault; they never leave this module, for the fault is raised."""


def _openid(reader: _Reader) -> OpenId | None:
    """All three or none."""
    issuer = reader.take("OIDC_ISSUER", "", lambda text: _issuer(text) if text else "")
    given = {"OIDC_ISSUER": issuer, **{name: reader.take(name, "", str) for name in _OIDC_CLIENT}}
    missing = [name for name, text in given.items() if not text]
    if len(missing) == len(given):
        return None
    for name in missing:
        reader.fault(name, "is missing; PARVAR_OIDC_ISSUER, _CLIENT_ID and _CLIENT_SECRET go together")
    return OpenId(*given.values())


_OIDC_CLIENT = ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")


def _issuer(text: str) -> str:
    parts = urlsplit(text)
    if not is_guarded(text) or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is not an https address such as https://login.example.com")
    return text


def is_guarded(url: str) -> bool:
    """Whether what is sent there cannot be read on the way: https, or plain http to this very machine."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _database(text: str) -> str:
    if not text:
        raise ValueError("is missing; write sqlite:////var/lib/parvar/parvar.db or postgresql://user@host/name")
    scheme = text.partition(":")[0]
    if scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        return "postgresql+psycopg:" + text.partition(":")[2]
    if scheme == "sqlite":
        return text
    raise ValueError(f"{scheme!r} is not a database Parvar knows; use sqlite or postgresql")


def _secret(text: str) -> str:
    if len(text) < SHORTEST_SECRET:
        raise ValueError(
            f"is {'too short' if text else 'missing'}; at least {SHORTEST_SECRET} random characters, "
            "for example from: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    if len(set(text)) < 8:
        raise ValueError("has too few different characters to be random")
    return text


def _secrets(text: str) -> tuple[str, ...]:
    return tuple(_secret(part.strip()) for part in text.split(",") if part.strip())


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is not an address such as https://mail.example.com")
    return text.rstrip("/")


def _call(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError(f"{text!r} is not an address such as https://alerts.example.com/parvar")
    return text


def _place(text: str) -> tuple[str, int]:
    """`127.0.0.1:2424`; an address of this machine, by number."""
    host, _, port = text.rpartition(":")
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError as fault:
        raise ValueError(f"{text!r} is not an address and a port such as 127.0.0.1:2424") from fault
    return host.strip("[]"), _number(1, 65535)(port)


def _dkim(text: str) -> tuple[DkimKey, ...]:
    return tuple(_dkim_key(part.strip()) for part in text.split(",") if part.strip())


def _dkim_key(text: str) -> DkimKey:
    domain, _, rest = text.partition(":")
    selector, _, place = rest.partition(":")
    if not (domain and selector and place):
        raise ValueError(f"{text!r} is not domain:selector:place, such as example.com:s2026:/etc/parvar/dkim.pem")
    return DkimKey(domain, selector, place)


def _number(low: int, high: int) -> Callable[[str], int]:
    def read_number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return read_number


def _one_of(*words: str) -> Callable[[str], str]:
    def read_word(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        return text

    return read_word


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _pairs(text: str) -> Mapping[str, str]:
    """`name=value` with commas between; a value may hold any character but a comma."""
    found = {}
    for part in _words(text):
        name, mark, value = part.partition("=")
        if not mark or not value.strip():
            raise ValueError("write provider=secret, with commas between several")
        found[name.strip()] = value.strip()
    return found


def _name_server(text: str) -> str | None:
    """`on`, `off`, or a name server by number, perhaps with its port: `127.0.0.1#5353`."""
    if text in ("on", "off"):
        return "" if text == "on" else None
    host, mark, port = text.partition("#")
    try:
        ipaddress.ip_address(host)
    except ValueError as fault:
        raise ValueError(f"{text!r} is not on, off, or a name server such as 127.0.0.1 or 127.0.0.1#5353") from fault
    return f"{host}#{_number(1, 65535)(port)}" if mark else host


def _warm_up(text: str) -> Mapping[str, int]:
    """`example.com` or `example.com@2026-11-20`, with commas between."""
    found = {}
    for part in _words(text):
        domain, _, day = part.lower().partition("@")
        if "." not in domain:
            raise ValueError(f"{part!r} is no domain such as example.com or example.com@2026-11-20")
        found[domain] = (date.fromisoformat(day) - date(1970, 1, 1)).days if day else 0
    return found


def _networks(text: str) -> tuple[str, ...]:
    return tuple(str(ipaddress.ip_network(part.strip())) for part in text.split(",") if part.strip())
