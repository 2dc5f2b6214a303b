"""DKIM signatures of our own (RFC 6376, 8301, 8463): the headers we promise, signed and oversigned.

Owns the signing of finished messages; the library for the keys is asked for only when a key is read. It must not change
a message, choose keys or publish records.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from app.core.instants import SECOND, Instant

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# Each is signed as often as it occurs and once more, so that none can be added (RFC 6376 section 8.15).
SIGNED = (
    b"from", b"to", b"cc", b"reply-to", b"subject", b"date", b"message-id", b"in-reply-to", b"references",
    b"mime-version", b"content-type", b"content-transfer-encoding", b"list-id", b"list-unsubscribe",
    b"list-unsubscribe-post", b"feedback-id", b"auto-submitted",
)  # fmt: skip
_RUN = re.compile(rb"\t[ \t]*| [ \t]+")
_SELECTOR = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.IGNORECASE)
LEAST_BITS = 1024


class Algorithm(StrEnum):
    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"


class KeyFault(ValueError):
    """A key that cannot sign: unreadable, of another kind, too short, or with a wrong selector."""


@dataclass(frozen=True, slots=True)
class Signer:
    """One key under one selector of one domain. Rotation: publish the new record, then hand in the new signer."""

    domain: str
    selector: str
    algorithm: Algorithm
    _sign: Callable[[bytes], bytes] = field(repr=False, compare=False)
    record: str = ""

    @property
    def record_name(self) -> str:
        """Where the public key stands in the DNS."""
        return f"{self.selector}._domainkey.{self.domain}"


def read_signer(pem: bytes, domain: str, selector: str) -> Signer:
    """A signer from a private key in PEM (PKCS#8 or PKCS#1), RSA of at least 1024 bits or Ed25519. Raises KeyFault."""
    if not _SELECTOR.fullmatch(selector) or not _SELECTOR.fullmatch(domain):
        raise KeyFault("domain and selector are host names in ASCII")
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as fault:
        raise KeyFault("signing needs the extra `dkim`: pip install parvar[dkim]") from fault
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as fault:
        raise KeyFault("the private key cannot be read; it must be PEM without a password") from fault
    if isinstance(key, RSAPrivateKey):
        return _rsa(key, domain, selector)
    if isinstance(key, Ed25519PrivateKey):
        return _ed25519(key, domain, selector)
    raise KeyFault("DKIM knows RSA and Ed25519 keys only")


def _rsa(key: RSAPrivateKey, domain: str, selector: str) -> Signer:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if key.key_size < LEAST_BITS:
        raise KeyFault(f"an RSA key of {key.key_size} bits is refused by receivers; use 2048")
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    padding, digest = PKCS1v15(), SHA256()
    record = f"v=DKIM1; k=rsa; p={_base64(public).decode()}"
    return Signer(domain, selector, Algorithm.RSA, lambda data: key.sign(data, padding, digest), record)


def _ed25519(key: Ed25519PrivateKey, domain: str, selector: str) -> Signer:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    record = f"v=DKIM1; k=ed25519; p={_base64(public).decode()}"
    # RFC 8463 section 3: the hash of the headers is what is signed
    return Signer(domain, selector, Algorithm.ED25519, lambda data: key.sign(sha256(data).digest()), record)


def sign(message: bytes, signers: Sequence[Signer], at: Instant, *, is_relaxed: bool = False) -> bytes:
    """The message with one DKIM-Signature field per signer in front. Lines must end with CRLF, as ours do.

    `is_relaxed`: no line of the body holds a tab, two blanks in a row or a blank at its end, so that they need not be
    looked through. All that app.mail.message makes is so.
    """
    end = message.find(b"\r\n\r\n")
    head, start = (message, len(message)) if end < 0 else (message[:end], end + 4)
    names, canonical = _chosen(head)
    body_hash = _base64(_body_hash(message, start, is_relaxed))
    facts = b"%d" % (at // SECOND), body_hash
    made = [_signature(signer, names, canonical, facts) for signer in signers]
    return b"".join([*made, message])


# ── Signatures ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _signature(signer: Signer, names: bytes, headers: bytes, facts: tuple[bytes, bytes]) -> bytes:
    """`facts`: the second and the body hash."""
    written, canonical = _frame(signer.domain, signer.selector, signer.algorithm, names)
    # RFC 6376 section 3.7: the field itself comes last, without its signature and without a CRLF
    signed = signer._sign(headers + canonical % facts)
    return written % (*facts, _in_lines(_base64(signed)))


@lru_cache(maxsize=64)
def _frame(domain: str, selector: str, algorithm: Algorithm, names: bytes) -> tuple[bytes, bytes]:
    """The field as it is written and as it is signed, with gaps for the second, the hash and the signature."""
    start = f"v=1; a={algorithm}; c=relaxed/relaxed; d={domain};\r\n s={selector}; t=%b;\r\n h=".encode()
    start += names + b";\r\n bh=%b;\r\n b="
    return b"DKIM-Signature: " + start + b"%b\r\n", b"dkim-signature:" + start.replace(b"\r\n ", b" ")


def _base64(data: bytes) -> bytes:
    return b2a_base64(data, newline=False)


def _in_lines(signed: bytes) -> bytes:
    return b"\r\n ".join([signed[at : at + 72] for at in range(0, len(signed), 72)])


# ── Headers (RFC 6376 sections 3.4.2 and 5.4.2) ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is signed of fields that stand in one order: the `h=` list, folded; a form; where its values stand."""

    names: bytes
    form: bytes
    places: tuple[int, ...]
    read: Callable[[bytes], re.Match[bytes] | None]
    """Finds the values in a header of just these fields, written as ours are."""

    def canonical(self, values: Sequence[bytes]) -> bytes:
        return self.form % tuple([values[place] for place in self.places])


_last: list[_Plan] = []
"""The plan of the last header: the next one mostly has the same fields, for one mail goes to many."""


def _chosen(head: bytes) -> tuple[bytes, bytes]:
    """The `h=` list, folded, and the canonical form of what it names."""
    head = head.replace(b"\r\n ", b" ")
    if b"  " in head or b"\t" in head:
        head = _RUN.sub(b" ", head.replace(b"\r\n\t", b" "))
    for plan in _last:
        found = plan.read(head)
        if found is not None:
            return plan.names, plan.canonical(found.groups())
    names, _, values = zip(*[line.partition(b":") for line in head.split(b"\r\n")], strict=True)
    _last[:] = [plan := _plan(names)]
    return plan.names, plan.canonical([value.strip(b" ") for value in values])


@lru_cache(maxsize=64)
def _plan(found: tuple[bytes, ...]) -> _Plan:
    there = [name.strip(b" ").lower() for name in found]
    names: list[bytes] = []
    places: list[int] = []
    for name in SIGNED:
        # the last occurrence is signed first
        of_it = [place for place in range(len(there) - 1, -1, -1) if there[place] == name]
        places.extend(of_it)
        names.extend([name] * (len(of_it) + 1))
    form = b"".join([there[place] + b":%b\r\n" for place in places])
    read = re.compile(b"\r\n".join([re.escape(name) + b": (.*[^ \n]|)" for name in found])).fullmatch
    return _Plan(_folded(names), form, tuple(places), read)


def _folded(names: Sequence[bytes]) -> bytes:
    lines, line = [], b""
    for name in names:
        if len(line) + len(name) > 68:
            lines.append(line)
            line = b""
        line += name + b":"
    return b"\r\n ".join([*lines, line.rstrip(b":")])


# ── Body (RFC 6376 section 3.4.4) ────────────────────────────────────────────────────────────────────────────────────


def _body_hash(message: bytes, start: int, is_relaxed: bool) -> bytes:
    """SHA-256 of the relaxed body, which begins at `start`; it is not copied when it is its own relaxed form."""
    if is_relaxed and message.endswith(b"\r\n") and not message.endswith(b"\r\n\r\n"):
        return sha256(memoryview(message)[start:]).digest()
    return sha256(_body(message[start:])).digest()


def _body(body: bytes) -> bytes:
    """Relaxed canonicalisation of a body."""
    if b"  " in body or b"\t" in body:
        body = _RUN.sub(b" ", body)
    if b" \r\n" in body:
        body = body.replace(b" \r\n", b"\r\n")
    stripped = body.rstrip(b"\r\n ")
    if not stripped:
        return b""
    return body if len(body) == len(stripped) + 2 and body.endswith(b"\r\n") else stripped + b"\r\n"
