"""Calls to other systems: signed as Standard Webhooks say, and never to an address inside.

The vector is of https://github.com/standard-webhooks/standard-webhooks (spec/standard-webhooks.md).
"""

from __future__ import annotations

import base64

import pytest

from app.net.webhooks import Call, Refusal, key_of, post, signature
from tests.servers.receiver import Receiver

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
LOOPBACK = ("127.0.0.0/8",)


def call(url: str, secret: str = SECRET) -> Call:
    return Call(url, secret, "msg_1", 1_614_265_330, b'{"test": 2432232314}')


def test_the_signature_is_that_of_the_specification() -> None:
    known = Call(
        "",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        b'{"test": 2432232314}',
    )
    assert signature(known) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_of_another_form_is_a_key_as_it_stands() -> None:
    assert key_of("plain words") == b""
    assert signature(call("", "one")) != signature(call("", "two"))


def test_a_call_arrives_whole_and_signed() -> None:
    with Receiver() as receiver:
        status, _ = post(call(receiver.url), LOOPBACK)
    (got,) = receiver.got
    assert status == 204
    assert (got.path, got.body) == ("/hook?x=1", b'{"test": 2432232314}')
    assert got.headers["webhook-id"] == "msg_1"
    assert got.headers["webhook-signature"] == signature(call(""))


def test_nothing_is_followed_anywhere() -> None:
    with Receiver() as other, Receiver([(302, {"Location": other.url})]) as receiver:
        status, _ = post(call(receiver.url), LOOPBACK)
        assert status == 302
        assert other.got == []


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://10.1.2.3/x",
        "https://localhost/x",
        "https://0.0.0.0/x",
        "http://93.184.215.14/x",
        "https://user@93.184.215.14/x",
        "https://93.184.215.14:99999/x",
        "ftp://93.184.215.14/x",
    ],
)
def test_an_address_inside_or_without_tls_is_never_called(url: str) -> None:
    with pytest.raises(Refusal):
        post(call(url))


def test_nobody_there_is_told_as_such() -> None:
    with Receiver() as receiver:
        url = receiver.url
    with pytest.raises(OSError, match="refused"):
        post(call(url), LOOPBACK)
