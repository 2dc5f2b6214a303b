"""Webhooks of mail providers: is this really them, and what do they say?

Owns the proof of origin of each provider: signatures where they sign, a shared secret where they do not.
Must not fetch anything itself: a certificate comes through a function that is handed in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

from app.core.instants import HOUR, MINUTE, SECOND, Instant
from app.mail.inbound_event import InboundEvent
from app.mail.inbound_json import Object, as_object, parse_json, text
from app.mail.inbound_providers import PARSERS, read_payload

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

MAX_BODY: Final = 5 * 1024 * 1024
PROVIDERS: Final = tuple(PARSERS)


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A request as it came: the raw body, the headers (any case), and the secret of the address's path or query."""

    body: bytes
    headers: Mapping[str, str]
    secret: str = ""

    def header(self, name: str) -> str:
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), "")


@dataclass(frozen=True, slots=True)
class HookSettings:
    """How a provider proves itself.

    `secret`: Mailgun's signing key, SendGrid's public key (base64), Resend's `whsec_…`, else a password of our own
    that the
    provider sends by basic or bearer authorisation or in the address. SES: `topic` is the one SNS topic that may speak.
    """

    provider: str
    secret: str = ""
    topic: str = ""


def settings_of(provider: str, value: str) -> HookSettings:
    """What the setting says of one provider: a secret or key; for `ses` the topic."""
    return HookSettings(provider, topic=value) if provider == "ses" else HookSettings(provider, secret=value)


def faults_of(settings: HookSettings) -> tuple[str, ...]:
    """What is wrong with the way a provider is to prove itself, before it ever comes."""
    if settings.provider not in PROVIDERS:
        return (f"{settings.provider!r} is not known; known are {', '.join(PROVIDERS)}",)
    match settings.provider:
        case "ses":
            is_topic = bool(_TOPIC.fullmatch(settings.topic))
            return () if is_topic else ("ses: write the topic's ARN, arn:aws:sns:eu-west-1:123456789012:bounces",)
        case "resend":
            is_key = settings.secret.startswith("whsec_") and len(_unbase64(settings.secret[6:])) >= 16
            return () if is_key else ("resend: write the signing secret, whsec_…",)
        case "sendgrid":
            return () if _is_public_key(settings.secret) else ("sendgrid: write the public key of the event webhook",)
        case _:
            return (
                ()
                if len(settings.secret) >= 12
                else (f"{settings.provider}: the secret is shorter than 12 characters",)
            )


_TOPIC: Final = re.compile(r"arn:aws(?:-[a-z-]+)?:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]{1,256}")


def _is_public_key(text: str) -> bool:
    try:
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        load_der_public_key(_unbase64(text))
    except (ImportError, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class HookEvents:
    """Proven; here is what it says (maybe nothing we can name)."""

    events: tuple[InboundEvent, ...]


@dataclass(frozen=True, slots=True)
class HookConfirm:
    """Proven; the provider asks to confirm the subscription by fetching this address."""

    url: str


@dataclass(frozen=True, slots=True)
class HookRefused:
    """Not proven or not readable; `status` is the HTTP status to answer with."""

    status: int
    reason: str


HookResult: TypeAlias = HookEvents | HookConfirm | HookRefused
Fetch: TypeAlias = Callable[[str], bytes]
"""Fetches a certificate from Amazon; cached and guarded by whoever hands it in. May raise OSError."""


def read_hook(request: HookRequest, settings: HookSettings, now: Instant, fetch: Fetch) -> HookResult:
    """Prove and read one webhook request. Never raises on what strangers sent."""
    if len(request.body) > MAX_BODY:
        return HookRefused(413, "too large")
    if settings.provider == "ses":
        return _read_sns(request, settings, fetch)
    prove = _PROOFS.get(settings.provider, _is_shared_secret_right)
    if settings.provider not in PARSERS:
        return HookRefused(404, "unknown provider")
    if not settings.secret or not prove(request, settings, now):
        return HookRefused(401, "not proven")
    if parse_json(request.body) is None:
        return HookRefused(400, "not JSON")
    return HookEvents(read_payload(settings.provider, request.body))


# ---------------------------------------------------------------- shared secrets: Postmark, Brevo, Mailjet, SparkPost


def _is_shared_secret_right(request: HookRequest, settings: HookSettings, now: Instant) -> bool:  # noqa: ARG001
    scheme, _, value = request.header("Authorization").partition(" ")
    given = request.secret
    if scheme.lower() == "bearer":
        given = value.strip()
    elif scheme.lower() == "basic":
        given = _unbase64(value).decode("utf-8", "replace").partition(":")[2]
    return _same(given, settings.secret)


def _same(given: str, expected: str) -> bool:
    return bool(expected) and hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _unbase64(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=False)
    except (binascii.Error, ValueError):
        return b""


# ---------------------------------------------------------------- Mailgun

# Mailgun tries for eight hours; what comes twice carries the same event id
_MAILGUN_TOLERANCE: Final = 9 * HOUR


def _is_mailgun(request: HookRequest, settings: HookSettings, now: Instant) -> bool:
    payload = parse_json(request.body)
    stamp, token = text(payload, "signature", "timestamp"), text(payload, "signature", "token")
    expected = hmac.new(settings.secret.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    given = (text(payload, "signature", name) for name in ("signature", "parent-signature"))
    return any(_same(one, expected) for one in given) and _is_fresh(stamp, now, _MAILGUN_TOLERANCE)


def _is_fresh(stamp: str, now: Instant, tolerance: int) -> bool:
    return stamp.isascii() and stamp.isdigit() and len(stamp) < 13 and abs(now - int(stamp) * SECOND) <= tolerance


# ---------------------------------------------------------------- Resend (Standard Webhooks)


def _is_standard_webhook(request: HookRequest, settings: HookSettings, now: Instant) -> bool:
    hook_id = request.header("svix-id") or request.header("webhook-id")
    stamp = request.header("svix-timestamp") or request.header("webhook-timestamp")
    given = request.header("svix-signature") or request.header("webhook-signature")
    key = _unbase64(settings.secret.removeprefix("whsec_"))
    signed = f"{hook_id}.{stamp}.".encode() + request.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    is_signed = any(_same(one.removeprefix("v1,"), expected) for one in given.split(" ") if one.startswith("v1,"))
    return bool(key) and is_signed and _is_fresh(stamp, now, 5 * MINUTE)


# ---------------------------------------------------------------- SendGrid

_SENDGRID_TOLERANCE: Final = 25 * HOUR  # it tries for a day


def _is_sendgrid(request: HookRequest, settings: HookSettings, now: Instant) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    stamp = request.header("X-Twilio-Email-Event-Webhook-Timestamp")
    signature = _unbase64(request.header("X-Twilio-Email-Event-Webhook-Signature"))
    try:
        key = load_der_public_key(_unbase64(settings.secret))
        if not isinstance(key, EllipticCurvePublicKey):
            return False
        key.verify(signature, stamp.encode() + request.body, ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return _is_fresh(stamp, now, _SENDGRID_TOLERANCE)


_PROOFS: Final[Mapping[str, Callable[[HookRequest, HookSettings, Instant], bool]]] = {
    "mailgun": _is_mailgun,
    "sendgrid": _is_sendgrid,
    "resend": _is_standard_webhook,
}


# ---------------------------------------------------------------- SES through SNS

_SNS_HOST: Final = re.compile(r"sns\.[a-z0-9-]{3,30}\.amazonaws\.com(?:\.cn)?")
_SIGNED: Final = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


def _read_sns(request: HookRequest, settings: HookSettings, fetch: Fetch) -> HookResult:
    envelope = as_object(parse_json(request.body))
    kind = text(envelope, "Type")
    if kind not in _SIGNED:
        return HookRefused(400, "not an SNS message")
    if not settings.topic or not _same(text(envelope, "TopicArn"), settings.topic):
        return HookRefused(401, "another topic")
    if not _is_signed_by_amazon(envelope, fetch):
        return HookRefused(401, "not proven")
    if kind == "SubscriptionConfirmation":
        url = text(envelope, "SubscribeURL")
        return HookConfirm(url) if _is_amazons(url) else HookRefused(400, "a subscription elsewhere")
    message = envelope.get("Message")
    return HookEvents(read_payload("ses", message) if kind == "Notification" and isinstance(message, str) else ())


def _is_amazons(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https" and port in {None, 443} and "@" not in parts.netloc and bool(_SNS_HOST.fullmatch(host))
    )


def _is_signed_by_amazon(envelope: Object, fetch: Fetch) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import load_pem_x509_certificate

    url = text(envelope, "SigningCertURL")
    digest = _digest(text(envelope, "SignatureVersion"))
    if digest is None or not _is_amazons(url) or not urlsplit(url).path.endswith(".pem"):
        return False
    try:
        key = load_pem_x509_certificate(fetch(url)).public_key()
        if not isinstance(key, RSAPublicKey):
            return False
        key.verify(_unbase64(text(envelope, "Signature")), _signed_text(envelope), PKCS1v15(), digest)
    except (InvalidSignature, ValueError, OSError):
        return False
    return True


def _digest(version: str) -> HashAlgorithm | None:
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    return {"1": SHA1(), "2": SHA256()}.get(version)  # noqa: S303 - version 1 is what older topics still send


def _signed_text(envelope: Object) -> bytes:
    """The names and values that Amazon signs, in its order; an absent Subject is left out."""
    lines = []
    for name in _SIGNED[text(envelope, "Type")]:
        value = envelope.get(name)
        if isinstance(value, str):
            lines.append(f"{name}\n{value}\n")
    return "".join(lines).encode()
