"""Calling other systems: one signed POST, to an address on the public network unless a network is allowed by name.

Owns the signature (Standard Webhooks), the guard against addresses inside our own network, and the connection itself:
the name is looked up once and exactly that address is called. Must not retry and must not know what a call is about.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

SECONDS = 15.0
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
LARGEST = 20_000
"""Bytes of a body; receivers may refuse more (Standard Webhooks)."""


class Refusal(Exception):
    """This address is not called at all: it is no https address, or it lies inside."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `id` is the same whenever it is tried again; `stamp` is in seconds since 1970."""

    url: str
    secret: str
    id: str
    stamp: int
    body: bytes


def key_of(secret: str) -> bytes:
    """The key in `whsec_…` (base64), or the bytes of any other secret."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True) if secret.startswith("whsec_") else b""
    except (binascii.Error, ValueError):
        return b""


def signature(call: Call) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over id, timestamp and body, with dots between."""
    signed = f"{call.id}.{call.stamp}.".encode() + call.body
    key = key_of(call.secret) or call.secret.encode()
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def post(call: Call, allowed: Sequence[str] = ()) -> tuple[int, str]:
    """Call, and return the status and what Retry-After says. Raises Refusal, and OSError when nobody answers.

    `allowed`: networks inside which may be called all the same, without TLS too. Nothing is redirected anywhere.
    """
    parts = urlsplit(call.url)
    address = address_of(parts, allowed)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    wire = Pinned(parts.hostname or "", port, address, is_secret=parts.scheme == "https")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Parvar",
        "webhook-id": call.id,
        "webhook-timestamp": str(call.stamp),
        "webhook-signature": signature(call),
    }
    try:
        wire.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), call.body, headers)
        answer = wire.getresponse()
        return answer.status, answer.headers.get("Retry-After") or ""
    except http.client.HTTPException as fault:
        raise OSError(f"{type(fault).__name__}: {fault}") from fault
    finally:
        wire.close()


class Pinned(http.client.HTTPConnection):
    """Connects to an address that was judged already; the name is only for TLS and the Host header."""

    def __init__(self, host: str, port: int, address: str, *, is_secret: bool) -> None:
        super().__init__(host, port, timeout=SECONDS)
        self._address = address
        self._is_secret = is_secret

    def connect(self) -> None:
        wire = socket.create_connection((self._address, self.port), SECONDS)
        self.sock = (
            ssl.create_default_context().wrap_socket(wire, server_hostname=self.host) if self._is_secret else wire
        )


def address_of(parts: SplitResult, allowed: Sequence[str]) -> str:
    """The one address that is called. Raises Refusal; OSError when the name is not known."""
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username:
        raise Refusal("write an https address without a user name")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as fault:
        raise Refusal(str(fault)) from fault
    addresses = _addresses(parts.hostname, port)
    inside = [each for each in addresses if any(each in ipaddress.ip_network(one) for one in allowed)]
    if inside:
        return str(inside[0])
    if parts.scheme != "https":
        raise Refusal("only https is called outside the networks that are allowed")
    if not addresses or not all(_is_public(each) for each in addresses):
        raise Refusal("the address lies inside our own network")
    return str(addresses[0])


def _addresses(host: str, port: int) -> list[_Address]:
    """What a name stands for; an address stands for itself, and nobody is asked."""
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _is_public(address: _Address) -> bool:
    mapped = getattr(address, "ipv4_mapped", None)
    return _is_public(mapped) if mapped else address.is_global and not address.is_multicast
