"""Access tokens for XOAUTH2: where they come from, and a new one when the server wants no more of the old.

Owns the three sources (a command, a file, a token endpoint by RFC 6749 section 6) and the memory of the newest token.
Must not log in, and never shows a token or a secret.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from app.mail.smtp_url import SmtpRelay, TokenSource

Ask: TypeAlias = Callable[[str, Mapping[str, str]], tuple[int, bytes]]
"""Sends a form to an address, and returns the status and the body; may raise OSError."""

PATIENCE: Final = 20.0
EARLY: Final = 60.0
"""Seconds before its end at which a token is not used any more."""
_LARGEST: Final = 64 * 1024


class NoToken(Exception):
    """There is no token to be had; the words hold no secret."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, and for how many seconds it is good; 0 when nobody said."""

    text: str = field(repr=False)
    good_for: float = 0.0


class Tokens:
    """The token of one relay, for all its connections: kept while it is good, fetched again when it was refused."""

    def __init__(self, relay: SmtpRelay, clock: Callable[[], float] = time.monotonic, ask: Ask | None = None) -> None:
        self._relay = relay
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    @property
    def can_refresh(self) -> bool:
        return bool(self._relay.token)

    def get(self, refused: str = "") -> str:
        """A token; when `refused` is the one we have, another one is fetched. Raises NoToken."""
        if not self._relay.token:
            return self._relay.password
        with self._lock:
            if not self._token or self._token == refused or self._clock() >= self._until:
                token = fetch(self._relay.token, self._relay.password, self._ask)
                self._token = token.text
                self._until = self._clock() + max(token.good_for - EARLY, 0.0) if token.good_for else float("inf")
            return self._token


def fetch(source: TokenSource, refresh_token: str, ask: Ask | None = None) -> Token:
    """A new token from its source. Raises NoToken."""
    if source.command:
        return Token(_line(_run(source.command), "the token command"))
    if source.file:
        return Token(_line(_read(source.file), "the token file"))
    return _ask(source, refresh_token, ask)


def _line(text: str, whose: str) -> str:
    found = text.strip()
    if not found or not found.isascii() or any(c.isspace() for c in found):
        raise NoToken(f"{whose} gave no token: one line of text is wanted")
    return found


def _run(command: str) -> str:
    try:
        done = subprocess.run(
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as fault:
        raise NoToken(f"the token command: {type(fault).__name__}") from fault
    if done.returncode:
        raise NoToken(f"the token command ended with {done.returncode}")
    return done.stdout[:_LARGEST].decode("utf-8", "replace")


def _read(file: str) -> str:
    try:
        return Path(file).read_text("utf-8")[:_LARGEST]
    except (OSError, UnicodeDecodeError) as fault:
        raise NoToken(f"the token file: {type(fault).__name__}") from fault


def _ask(source: TokenSource, refresh_token: str, ask: Ask | None) -> Token:
    """RFC 6749 section 6; of a refusal only the error's name is told, such as `invalid_grant` (section 5.2)."""
    fields = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": source.client}
    if source.client_secret:
        fields["client_secret"] = source.client_secret
    if ask is None:
        raise NoToken("the token endpoint: nobody here can ask it")
    try:
        status, body = ask(source.endpoint, fields)
    except OSError as fault:
        raise NoToken(f"the token endpoint: {type(fault).__name__}") from fault
    given = _object(body)
    if status != 200:
        raise NoToken(f"the token endpoint answered {status}{_why(given)}")
    good_for = given.get("expires_in")
    seconds = float(good_for) if isinstance(good_for, int | float) else 0.0
    return Token(_line(str(given.get("access_token", "")), "the token endpoint"), seconds)


def _object(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _why(given: Mapping[str, object]) -> str:
    said = given.get("error")
    return f" ({said})" if isinstance(said, str) and said.replace("_", "").isalpha() and len(said) < 40 else ""
