"""Relays as an operator writes them: `smtp://user:pass@host:587?starttls=required`, `smtps://`, `file:///dir`,
`maildir:///dir`.

Owns the settings of one relay and the reading of them, every fault at once, never showing a password.
Must not connect anywhere.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_T = TypeVar("_T")
_N = TypeVar("_N", int, float)


class Tls(StrEnum):
    """How the connection is protected. `when_offered` is for relays on one's own network: it still verifies once TLS
    has begun.
    """

    IMPLICIT = "implicit"
    REQUIRED = "required"
    WHEN_OFFERED = "when_offered"
    NEVER = "never"


class Login(StrEnum):
    """Which way to log in; `auto` takes the best one offered (RFC 4954, 4616, 2195; XOAUTH2 is Google's and
    Microsoft's).
    """

    AUTO = "auto"
    PLAIN = "plain"
    LOGIN = "login"
    CRAM_MD5 = "cram-md5"
    XOAUTH2 = "xoauth2"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait at each stage; the defaults are the minima of RFC 5321 §4.5.3.2, and 30 s to connect."""

    connect: float = 30.0
    greeting: float = 300.0
    command: float = 300.0
    data: float = 120.0
    body: float = 180.0
    final: float = 600.0

    def scaled(self, command: float) -> Timeouts:
        """All of them shortened or stretched so that a command waits for `command` seconds."""
        ratio = command / self.command
        return Timeouts(
            *(value * ratio for value in (self.connect, self.greeting, self.command, self.data, self.body, self.final))
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """What one relay bears: connections at once, mails and seconds on one connection, mails per second (0 = no
    limit).
    """

    connections: int = 4
    per_connection: int = 1_000
    max_age: float = 300.0
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Where access tokens come from: a command, a file, or an endpoint that takes our refresh token (RFC 6749)."""

    command: str = ""
    file: str = ""
    endpoint: str = ""
    client: str = ""
    client_secret: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.command or self.file or self.endpoint)


@dataclass(frozen=True, slots=True)
class Takes:
    """What a relay is kept for; without any of these it takes whatever no other one is kept for.

    `campaigns`: keys, `*` at the end for more; `domains`: recipients', `*.` in front for all below; `mail`: `service`
    or `marketing`.
    """

    campaigns: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    mail: str = ""

    def __bool__(self) -> bool:
        return bool(self.campaigns or self.domains or self.mail)


@dataclass(frozen=True, slots=True)
class SmtpRelay:
    """One SMTP server we hand mails to."""

    name: str
    host: str
    port: int
    tls: Tls
    user: str = ""
    password: str = field(default="", repr=False)
    login: Login = Login.AUTO
    helo: str = ""
    ca_file: str = ""
    weight: int = 1
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    may_pipeline: bool = True
    dsn: str = "FAILURE,DELAY"
    takes: Takes = Takes()
    token: TokenSource = TokenSource()


@dataclass(frozen=True, slots=True)
class FileRelay:
    """A folder that mails are written into; `is_maildir` chooses the layout."""

    name: str
    folder: Path
    is_maildir: bool = False
    weight: int = 1
    takes: Takes = Takes()


Relay: TypeAlias = SmtpRelay | FileRelay


@dataclass(frozen=True, slots=True)
class RelayFaults:
    """Everything that is wrong with a relay setting, in plain sentences."""

    faults: tuple[str, ...]


_BETWEEN: Final = re.compile(r"[\s,]*\s[\s,]*|,(?=(?:[A-Za-z][\w-]*=)?[A-Za-z]+://)")
_NAMED: Final = re.compile(r"^([a-z][a-z0-9_-]{0,30})=(.+)$", re.IGNORECASE | re.DOTALL)


def parse_relays(text: str) -> tuple[Relay, ...] | RelayFaults:
    """Relays from a setting: URLs apart by white space or commas, each optionally `name=URL`.

    All faults are reported together.
    """
    relays: list[Relay] = []
    faults: list[str] = []
    for number, word in enumerate(filter(None, _BETWEEN.split(text.strip(" \t\r\n,"))), start=1):
        found = _NAMED.match(word)
        name, url = (found.group(1), found.group(2)) if found else (f"relay{number}" if number > 1 else "relay", word)
        reader = _Reader(name, url)
        relays.extend(reader.relays())
        faults.extend(reader.faults)
    names = [relay.name for relay in relays]
    faults.extend(
        f"{name}: the name is given to two relays" for name in sorted({n for n in names if names.count(n) > 1})
    )
    if relays and all(relay.takes for relay in relays) and not faults:
        faults.append("every relay is kept for something; one without campaigns=, domains= and mail= takes the rest")
    if not relays and not faults:
        faults.append("no relay is given: write for example smtp://user:password@mail.example.com:587")
    return RelayFaults(tuple(faults)) if faults else tuple(relays)


class _Reader:
    """Reads one URL and collects what is wrong with it."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.faults: list[str] = []
        self._options: dict[str, str] = {}
        self._url: SplitResult | None
        try:
            self._url = urlsplit(url)
            _ = self._url.port
        except ValueError:
            self._url = None

    def fault(self, text: str) -> None:
        self.faults.append(f"{self.name}: {text}")

    def relays(self) -> tuple[Relay, ...]:
        if self._url is None:
            self.fault("this is no URL (is the port a number, are special characters of the password percent-encoded?)")
            return ()
        self._read_options(self._url.query)
        build = {"smtp": self._smtp, "smtps": self._smtp, "file": self._file, "maildir": self._file}.get(
            self._url.scheme
        )
        if build is None:
            self.fault(
                f"'{self._url.scheme or 'no scheme'}' is not known; use smtp://, smtps://, file:// or maildir://"
            )
            return ()
        relay = build(self._url)
        for key in sorted(self._options):
            self.fault(f"the option '{key}' is not known; known are: {', '.join(_OPTIONS)}")
        return () if self.faults else (relay,)

    def _read_options(self, query: str) -> None:
        for key, value in parse_qsl(query, keep_blank_values=True):
            if key in self._options:
                self.fault(f"the option '{key}' is given twice")
            self._options[key] = value

    def _file(self, url: SplitResult) -> Relay:
        if url.netloc:
            self.fault(f"a folder is written with three slashes: {url.scheme}:///{url.netloc}{url.path}")
        if url.path in {"", "/"}:
            self.fault("name the folder, as in file:///var/mail/out")
        return FileRelay(
            self.name,
            Path(unquote(url.path)),
            url.scheme == "maildir",
            self._whole("weight", 1, 1, 1_000),
            self._takes(),
        )

    def _smtp(self, url: SplitResult) -> Relay:
        host = url.hostname or ""
        if not host:
            self.fault("the host is missing, as in smtp://mail.example.com:587")
        if url.path not in {"", "/"} or url.fragment:
            self.fault("nothing may follow the port but ?options (percent-encode '/', '?' and '#' in a password)")
        tls = self._tls(url.scheme, host)
        user, password = unquote(url.username or ""), unquote(url.password or "")
        token = self._token()
        relay = SmtpRelay(
            self.name,
            host,
            url.port or _default_port(url.scheme, tls),
            tls,
            user,
            password,
            self._login(user, password, token),
            token=token,
        )
        if user and tls is Tls.NEVER and not is_loopback(host):
            self.fault("a password is not sent over an open connection; use starttls=required or smtps://")
        return replace(
            relay,
            helo=self._options.pop("helo", ""),
            ca_file=self._ca(),
            weight=self._whole("weight", 1, 1, 1_000),
            limits=self._limits(),
            timeouts=Timeouts().scaled(self._number("timeout", 300.0, 1.0, 3_600.0)),
            may_pipeline=self._choice("pipelining", {"on": True, "off": False}, True),
            dsn=self._choice(
                "dsn",
                {"failure": "FAILURE", "failure,delay": "FAILURE,DELAY", "never": "NEVER", "off": ""},
                "FAILURE,DELAY",
            ),
            takes=self._takes(),
        )

    def _takes(self) -> Takes:
        mail = self._choice("mail", {"all": "", "service": "service", "marketing": "marketing"}, "")
        return Takes(self._words("campaigns", _CAMPAIGN), self._words("domains", _DOMAIN), mail)

    def _words(self, key: str, form: re.Pattern[str]) -> tuple[str, ...]:
        text = self._options.pop(key, None)
        if text is None:
            return ()
        words = tuple(word.strip().lower() for word in text.split(","))
        for word in words:
            if not form.fullmatch(word):
                self.fault(f"{key}={text}: {word!r} is none; write them with commas between, a * {_STAR[key]}")
        return words

    def _tls(self, scheme: str, host: str) -> Tls:
        if scheme == "smtps":
            if "starttls" in self._options:
                self.fault("smtps:// has TLS from the first byte; leave starttls out")
                self._options.pop("starttls")
            return Tls.IMPLICIT
        default = Tls.NEVER if is_loopback(host) else Tls.REQUIRED
        return self._choice("starttls", {tls.value: tls for tls in Tls if tls is not Tls.IMPLICIT}, default)

    def _token(self) -> TokenSource:
        source = self._options.pop("token", "")
        client, secret = self._options.pop("client_id", ""), self._options.pop("client_secret", "")
        kind, _, rest = source.partition(":")
        match kind:
            case "":
                found = TokenSource()
            case "exec" if rest.startswith("/"):
                found = TokenSource(command=rest)
            case "file" if rest.startswith("/"):
                found = TokenSource(file=rest)
            case "https" if client:
                found = TokenSource(endpoint=source, client=client, client_secret=secret)
            case "http" if client and is_loopback(urlsplit(source).hostname or ""):
                found = TokenSource(endpoint=source, client=client, client_secret=secret)
            case _:
                self.fault("write token=exec:/command, token=file:/path, or token=https://… with client_id=")
                found = TokenSource()
        return found

    def _login(self, user: str, password: str, token: TokenSource) -> Login:
        login = self._choice("auth", {login.value: login for login in Login}, Login.AUTO)
        if token and login is not Login.XOAUTH2:
            self.fault("token= is for auth=xoauth2")
        if token.endpoint and not password:
            self.fault("token=https://… needs the refresh token as the password")
        if bool(user) != bool(password) and not (user and token):
            self.fault("give both a user and a password, or neither")
        if login is not Login.AUTO and not user:
            self.fault("auth= needs a user and a password in front of the host")
        return login

    def _ca(self) -> str:
        path = self._options.pop("ca", "")
        if path and not Path(path).is_file():
            self.fault("the file named by ca= cannot be read")
        return path

    def _limits(self) -> Limits:
        usual = Limits()
        return Limits(
            connections=self._whole("connections", usual.connections, 1, 256),
            per_connection=self._whole("per_connection", usual.per_connection, 1, 1_000_000),
            max_age=self._number("max_age", usual.max_age, 1.0, 86_400.0),
            rate=self._number("rate", usual.rate, 0.0, 1_000_000.0),
        )

    def _choice(self, key: str, choices: Mapping[str, _T], default: _T) -> _T:
        value = self._options.pop(key, None)
        if value is None:
            return default
        if value not in choices:
            self.fault(f"{key}={value} is not known; use one of: {', '.join(choices)}")
        return choices.get(value, default)

    def _whole(self, key: str, default: int, least: int, most: int) -> int:
        return self._within(key, default, (least, most), int)

    def _number(self, key: str, default: float, least: float, most: float) -> float:
        return self._within(key, default, (least, most), float)

    def _within(self, key: str, default: _N, bounds: tuple[_N, _N], read: Callable[[str], _N]) -> _N:
        text = self._options.pop(key, None)
        if text is None:
            return default
        try:
            value = read(text)
        except ValueError:
            value = bounds[0] - 1
        if not bounds[0] <= value <= bounds[1]:
            self.fault(f"{key}={text} must be a number from {bounds[0]:g} to {bounds[1]:g}")
            return default
        return value


_CAMPAIGN: Final = re.compile(r"[a-z0-9][a-z0-9_-]*\*?|\*")
_DOMAIN: Final = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*")
_STAR: Final = {"campaigns": "at the end for more", "domains": "and a dot in front for all below"}
_OPTIONS: Final = (
    "auth", "ca", "campaigns", "client_id", "client_secret", "connections", "domains", "dsn", "helo", "mail", "max_age",
    "per_connection", "pipelining", "rate", "starttls", "timeout", "token", "weight",
)  # fmt: skip


def _default_port(scheme: str, tls: Tls) -> int:
    if scheme == "smtps":
        return 465
    return 25 if tls is Tls.NEVER else 587


def is_loopback(host: str) -> bool:
    """True for this machine itself."""
    if host.lower() in {"localhost", "localhost.localdomain", "ip6-localhost"}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
