"""Signing: the DKIM keys of an installation, read once when a worker starts.

Owns where keys lie. Must not sign: what signs is the mail room.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from app.mail.dkim import KeyFault, Signer, read_signer
from app.settings import DkimKey

IN_ENVIRONMENT = "PARVAR_"
"""A place that begins so is the name of an environment variable that holds the PEM text itself."""


def signers_of(keys: Iterable[DkimKey], environ: Mapping[str, str] = os.environ) -> tuple[Signer, ...]:
    """The signers in the order of the setting. Raises KeyFault naming the key that cannot be used."""
    return tuple(_signer(key, environ) for key in keys)


def _signer(key: DkimKey, environ: Mapping[str, str]) -> Signer:
    name = f"the DKIM key {key.selector} of {key.domain}"
    try:
        return read_signer(_pem(key.place, environ), key.domain, key.selector)
    except OSError as fault:
        raise KeyFault(f"{name}: {key.place} cannot be read ({fault.strerror})") from fault
    except KeyFault as fault:
        raise KeyFault(f"{name}: {fault}") from fault


def _pem(place: str, environ: Mapping[str, str]) -> bytes:
    if not place.startswith(IN_ENVIRONMENT):
        return Path(place).read_bytes()
    if place not in environ:
        raise KeyFault(f"the variable {place} is not set")
    return environ[place].replace("\\n", "\n").encode()
