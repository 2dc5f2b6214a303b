"""Sealing: small secrets that have to be read again, kept encrypted with keys made of the site's secret.

Owns the form of a sealed text (AES-256-GCM, NIST SP 800-38D). Must not know what is sealed.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MARK = "sealed1:"
NONCE = 12
"""Bytes; random, never twice under one key."""
TAG = 16
"""Bytes of the proof behind the text."""


class BrokenSealError(ValueError):
    """None of our secrets opens it, or it belongs to something else."""


def seal(text: str, secret: str, about: str, nonce: bytes) -> str:
    """A text sealed for one thing, e.g. `totp:7`: moved to another row it does not open."""
    closed = _cipher(secret).encrypt(nonce[:NONCE], text.encode(), about.encode())
    return MARK + base64.b64encode(nonce[:NONCE] + closed).decode()


def unseal(kept: str, secrets: Sequence[str], about: str) -> str:
    """The text again; what was kept before there were seals comes back as it is. Raises BrokenSealError."""
    if not kept.startswith(MARK):
        return kept
    from cryptography.exceptions import InvalidTag

    try:
        raw = base64.b64decode(kept.removeprefix(MARK), validate=True)
    except ValueError as fault:  # not base64, or not even ASCII
        raise BrokenSealError("not a sealed text") from fault
    if len(raw) < NONCE + TAG:
        raise BrokenSealError("too short for a sealed text")
    for secret in secrets:
        try:
            return _cipher(secret).decrypt(raw[:NONCE], raw[NONCE:], about.encode()).decode()
        except InvalidTag:
            continue
    raise BrokenSealError("none of the secrets opens this")


def is_sealed_by(kept: str, secret: str, about: str) -> bool:
    """Whether the present secret sealed it; what it did not should be sealed anew."""
    try:
        return kept.startswith(MARK) and unseal(kept, (secret,), about) is not None
    except BrokenSealError:
        return False


def _cipher(secret: str) -> AESGCM:
    """Imported when it is needed: most processes never seal anything."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(blake2b(secret.encode(), digest_size=32, person=b"parvar sealing").digest())
