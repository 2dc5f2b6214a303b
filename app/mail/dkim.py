"""DKIM signatures of our own (RFC 6376, 8301, 8463): the headers we promise, signed and oversigned.

Owns the signing of finished messages; the library for the keys is asked for only when a key is read. It must not change
a message, choose keys or publish records.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from app.core.instants import SECOND, Instant

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# Each is signed as often as it occurs and once more, so that none can be added (RFC 6376 section 8.15).
SIGNED = (
    "from", "to", "cc", "reply-to", "subject", "date", "message-id", "in-reply-to", "references", "mime-version",
    "content-type", "content-transfer-encoding", "list-id", "list-unsubscribe", "list-unsubscribe-post", "feedback-id",
    "auto-submitted",
)  # fmt: skip
_FOLD = re.compile(rb"\r\n(?![ \t])")
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
    record = f"v=DKIM1; k=rsa; p={b64encode(public).decode()}"
    return Signer(domain, selector, Algorithm.RSA, lambda data: key.sign(data, padding, digest), record)


def _ed25519(key: Ed25519PrivateKey, domain: str, selector: str) -> Signer:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    record = f"v=DKIM1; k=ed25519; p={b64encode(public).decode()}"
    # RFC 8463 section 3: the hash of the headers is what is signed
    return Signer(domain, selector, Algorithm.ED25519, lambda data: key.sign(sha256(data).digest()), record)


def sign(message: bytes, signers: Sequence[Signer], at: Instant) -> bytes:
    """The message with one DKIM-Signature field per signer in front. Lines must end with CRLF, as ours do."""
    head, _, body = message.partition(b"\r\n\r\n")
    body_hash = b64encode(sha256(_body(body)).digest())
    names, headers = _chosen(head + b"\r\n")
    return b"".join(_signature(signer, names, headers, (body_hash, at // SECOND)) for signer in signers) + message


def _signature(signer: Signer, names: bytes, headers: bytes, facts: tuple[bytes, int]) -> bytes:
    body_hash, second = facts
    field_start = (
        f"v=1; a={signer.algorithm}; c=relaxed/relaxed; d={signer.domain};\r\n".encode()
        + f" s={signer.selector}; t={second};\r\n h=".encode()
        + names
        + b";\r\n bh="
        + body_hash
        + b";\r\n b="
    )
    canonical = headers + b"dkim-signature:" + _value(field_start)
    signed = b64encode(signer._sign(canonical))
    lines = b"\r\n ".join(signed[at : at + 72] for at in range(0, len(signed), 72))
    return b"DKIM-Signature: " + field_start + lines + b"\r\n"


def _chosen(head: bytes) -> tuple[bytes, bytes]:
    """The `h=` list, folded, and the canonical form of what it names (RFC 6376 sections 3.4.2 and 5.4.2)."""
    found: dict[str, list[bytes]] = {}
    for line in _FOLD.split(head):
        name, _, value = line.partition(b":")
        found.setdefault(name.strip().decode("ascii", "replace").lower(), []).append(value)
    names: list[str] = []
    canonical: list[bytes] = []
    for name in SIGNED:
        values = found.get(name, [])
        # the last occurrence is signed first
        canonical.extend(name.encode() + b":" + _value(value) + b"\r\n" for value in reversed(values))
        names.extend([name] * (len(values) + 1))
    return _folded(names), b"".join(canonical)


def _folded(names: list[str]) -> bytes:
    lines, line = [], ""
    for name in names:
        if len(line) + len(name) > 68:
            lines.append(line)
            line = ""
        line += f"{name}:"
    return "\r\n ".join([*lines, line.rstrip(":")]).encode()


def _value(value: bytes) -> bytes:
    """Relaxed canonicalisation of a field's value (RFC 6376 section 3.4.2)."""
    return _RUN.sub(b" ", value.replace(b"\r\n", b"")).strip(b" \t")


def _body(body: bytes) -> bytes:
    """Relaxed canonicalisation of a body (RFC 6376 section 3.4.4)."""
    if b"  " in body or b"\t" in body:
        body = _RUN.sub(b" ", body)
    if b" \r\n" in body:
        body = body.replace(b" \r\n", b"\r\n")
    stripped = body.rstrip(b"\r\n ")
    if not stripped:
        return b""
    return body if len(body) == len(stripped) + 2 and body.endswith(b"\r\n") else stripped + b"\r\n"
