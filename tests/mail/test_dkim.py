"""Our signatures, read by an independent verifier."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dkim import select_headers
from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st

from app.mail.compiled import Attachment
from app.mail.dkim import SIGNED, KeyFault, Signer, _body_hash, _chosen, read_signer, sign
from app.mail.lint import as_attachment
from app.mail.message import render
from tests.mail.mailing import NOON, alice, compiled, context

RSA_KEY: RSAPrivateKey = generate_rsa(65537, 2048)


def pem(key: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


RSA = read_signer(pem(RSA_KEY), "example.com", "s2026")
ED25519 = read_signer(pem(Ed25519PrivateKey.generate()), "example.com", "e2026")
MESSAGE = render(compiled("Hello {{ subscriber.first_name }},\n\nmuch  space\tand more"), alice(), context()).data


def dns(*signers: Signer) -> Callable[..., bytes | None]:
    records = {f"{signer.record_name}.".encode(): signer.record.encode() for signer in signers}
    return lambda name, timeout=5: records.get(name)


def is_verified(message: bytes, *signers: Signer) -> list[bool]:
    return [_is_verified(message, number, dns(*signers)) for number in range(len(signers))]


def _is_verified(message: bytes, number: int, records: Callable[..., bytes | None]) -> bool:
    try:
        return bool(dkim.DKIM(message).verify(idx=number, dnsfunc=records))
    except dkim.ValidationError:
        return False


def test_both_signatures_are_verified_by_dkimpy() -> None:
    assert is_verified(sign(MESSAGE, [RSA, ED25519], NOON), RSA, ED25519) == [True, True]


def test_a_pkcs1_key_signs_too() -> None:
    old = RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    signer = read_signer(old, "example.com", "s2026")
    assert is_verified(sign(MESSAGE, [signer], NOON), signer) == [True]


def test_the_message_itself_is_not_touched() -> None:
    signed = sign(MESSAGE, [RSA, ED25519], NOON)
    assert signed.endswith(MESSAGE)
    assert max(len(line) for line in signed.split(b"\r\n")) <= 998


@pytest.mark.parametrize(
    "name", [b"List-Unsubscribe-Post", b"Feedback-ID", b"List-Unsubscribe", b"Subject", b"From", b"To"]
)
def test_a_changed_header_breaks_the_signature(name: bytes) -> None:
    signed = sign(MESSAGE, [RSA], NOON)
    changed = re.sub(rb"(\r\n" + name + rb": )", rb"\1x", signed, count=1)
    assert changed != signed
    assert is_verified(changed, RSA) == [False]


@pytest.mark.parametrize(
    "line",
    [
        b"From: eve@example.com\r\n",
        b"Subject: other\r\n",
        b"List-Unsubscribe-Post: x\r\n",
        b"Reply-To: eve@example.com\r\n",
        b"Cc: eve@example.com\r\n",
    ],
)
def test_an_added_header_breaks_the_signature(line: bytes) -> None:
    signed = sign(MESSAGE, [RSA], NOON)
    head, _, body = signed.partition(b"\r\n\r\n")
    assert is_verified(head + b"\r\n" + line + b"\r\n" + body, RSA) == [False]


def test_a_changed_body_breaks_the_signature_and_changed_white_space_does_not() -> None:
    signed = sign(MESSAGE, [RSA], NOON)
    assert is_verified(signed.replace(b"much", b"such", 1), RSA) == [False]
    assert is_verified(signed + b"\r\n\r\n", RSA) == [True]


def test_a_key_under_another_selector_does_not_verify() -> None:
    other = read_signer(pem(Ed25519PrivateKey.generate()), "example.com", "e2026")
    assert is_verified(sign(MESSAGE, [ED25519], NOON), other) == [False]


@given(body=st.text(st.sampled_from("ab \t\r\n."), max_size=60), subject=st.text(st.sampled_from("ab \t"), max_size=30))
def test_any_spacing_is_canonicalised_as_dkimpy_does(body: str, subject: str) -> None:
    lines = re.split("\r\n|\r|\n", body)
    message = (
        f"From: a@example.com\r\nSubject: {subject}\r\n folded{subject}\r\n\r\n".encode()
        + "\r\n".join([*lines, ""]).encode()
    )
    assert is_verified(sign(message, [ED25519], NOON), ED25519) == [True]


FIELD = st.tuples(
    st.sampled_from(["From", "FROM ", "Subject", "subject", "Reply-To", "List-ID", "X-Other", "MIME-Version\t"]),
    st.lists(st.text(st.sampled_from("ab: \t;%"), max_size=12), min_size=1, max_size=3),
)


@given(fields=st.lists(FIELD, max_size=8))
def test_any_headers_are_canonicalised_as_dkimpy_does(fields: list[tuple[str, list[str]]]) -> None:
    lines = [f"{name}:" + "\r\n\t".join(f"{line}." for line in value) for name, value in fields]
    message = "\r\n".join(["From: a@example.com", *lines, "", "body", ""]).encode()
    _chosen(b"From: b@example.com\r\nX-Last: another header\r\nSubject: before")
    head = message[: message.index(b"\r\n\r\n")]
    names, canonical = _chosen(head)
    assert _chosen(head) == (names, canonical), "once its fields are known"
    left = [(name.encode(), value.encode()) for name, _, value in (line.partition(":") for line in lines)]
    left.insert(0, (b"From", b" a@example.com"))
    listed = names.replace(b"\r\n ", b"").split(b":")
    signed = select_headers(Relaxed.canonicalize_headers(left), listed)
    assert canonical == b"".join(name + b":" + value for name, value in signed)
    assert set(SIGNED) == set(listed)


def test_values_are_read_where_they_stand_once_the_fields_are_known() -> None:
    known = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: one"
    for head, wanted in (
        (known, b"one"),
        (known.replace(b"one", b"two: three"), b"two: three"),
        (known.replace(b"one", b"folded\r\n on two  lines"), b"folded on two lines"),
        (known.replace(b"one", b""), b""),
        (known.replace(b"one", b"a blank at its end "), b"a blank at its end"),
        (known.replace(b" one", b"none before it"), b"none before it"),
    ):
        assert f"subject:{wanted.decode()}\r\n".encode() in _chosen(head)[1]
        assert b"to:b@example.com\r\n" in _chosen(head)[1]


LINES = st.lists(st.text(st.sampled_from("ab =.\t"), max_size=20), max_size=6)


@given(lines=LINES)
def test_any_body_is_hashed_as_dkimpy_does(lines: list[str]) -> None:
    body = "".join(f"{line}\r\n" for line in lines).encode()
    assert _body_hash(b"A: b\r\n\r\n" + body, 8, False) == sha256(Relaxed.canonicalize_body(body)).digest()


@given(lines=LINES)
def test_a_body_that_need_not_be_looked_through_has_the_same_hash(lines: list[str]) -> None:
    body = "".join(f"{' '.join(line.split())}\r\n" for line in lines).encode()
    assert _body_hash(b"A: b\r\n\r\n" + body, 8, True) == sha256(Relaxed.canonicalize_body(body)).digest()


WORDS = st.text(st.sampled_from("ab.=  \t\n<>&ب\u200c\1"), max_size=40)
FILES = st.builds(as_attachment, st.text(st.sampled_from('a b\t"ب.'), max_size=9).map("a{}.ics".format), st.binary())


@given(name=WORDS, other=WORDS, locale=st.sampled_from(["en", "fa"]), files=st.lists(FILES, max_size=2))
def test_nothing_we_write_has_to_be_looked_through(name: str, other: str, locale: str, files: list[Attachment]) -> None:
    mail = compiled("a  b\tc {{ subscriber.first_name }}  \n{{ subscriber.note }}\n\n    code  block\n", locale)
    data = render(mail, alice(locale, first_name=name, note=other), context(locale, attachments=tuple(files))).data
    assert sign(data, [ED25519], NOON, is_relaxed=True) == sign(data, [ED25519], NOON)


def test_a_look_is_only_left_out_when_it_is_asked_for() -> None:
    spaced = MESSAGE.replace(b"much", b"much  \t")
    assert spaced != MESSAGE
    assert is_verified(sign(spaced, [RSA, ED25519], NOON), RSA, ED25519) == [True, True]
    assert is_verified(sign(spaced, [ED25519], NOON, is_relaxed=True), ED25519) == [False]


def test_what_is_remembered_is_told_apart() -> None:
    other = read_signer(pem(Ed25519PrivateKey.generate()), "example.com", "e2027")
    elsewhere = read_signer(pem(Ed25519PrivateKey.generate()), "example.net", "e2026")
    without = MESSAGE.replace(b"Auto-Submitted: ", b"X-Auto: ", 1)
    assert without != MESSAGE
    for signer in (ED25519, other, elsewhere, ED25519):
        for message in (MESSAGE, without, MESSAGE):
            assert is_verified(sign(message, [signer], NOON), signer) == [True]


def test_keys_that_cannot_sign_are_refused_in_words() -> None:
    curve = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for key, words in ((b"nonsense", "cannot be read"), (curve, "RSA and Ed25519 keys only")):
        with pytest.raises(KeyFault, match=words):
            read_signer(key, "example.com", "s")
    with pytest.raises(KeyFault, match="host names"):
        read_signer(pem(RSA_KEY), "example.com", "s;t")


def test_a_signer_never_shows_its_key() -> None:
    assert "sign" not in repr(RSA).lower().replace("signer", "")
    assert RSA.record.startswith("v=DKIM1; k=rsa; p=MII")
    assert RSA.record_name == "s2026._domainkey.example.com"
