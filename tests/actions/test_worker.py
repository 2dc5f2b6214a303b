"""The worker around its couriers: what ends it, what doesn't, and when it begins anew."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable

import pytest

from app.actions.deliver import Courier
from app.disk.journal import JournalFull
from app.mail.smtp import SmtpTransport
from app.mail.transports import Envelope, Hooks, Tally
from app.worker.working import Workshop, begin_anew, deliver_or_end, listen
from tests.actions.post_office import MARKETING, SERVICE, PostOffice, relay_to, with_settings
from tests.servers.smtp import SmtpServer


class Broken(SmtpTransport):
    """A transport with a fault nobody foresaw, after its first mail was drawn."""

    def send(self, envelopes: Iterable[Envelope], hooks: Hooks) -> Tally:
        next(iter(envelopes))
        raise MemoryError


def test_what_nobody_expected_ends_the_worker_and_the_next_life_settles_it(office: PostOffice) -> None:
    ids = office.crowd(3)
    ended: list[bool] = []
    courier = Courier(office.post(), Broken(relay_to(1)), (MARKETING,))
    with pytest.raises(MemoryError):
        deliver_or_end(courier, lambda: ended.append(True))
    assert ended == [True]
    office.die()
    with SmtpServer() as server:
        office.round(office.courier(server.port))
    assert [office.state(one) for one in ids] == ["sent"] * 3


def test_a_relay_that_is_away_ends_nothing(office: PostOffice) -> None:
    office.crowd(2)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    deliver_or_end(office.courier(port), lambda: pytest.fail("the worker must go on"))
    assert set(office.states()) <= {"queued", "waiting"}


def test_a_worker_whose_journal_failed_begins_anew_when_the_disk_has_room(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[bool] = []
    post = office.post()
    service, marketing = (Courier(post, SmtpTransport(relay_to(1)), (kind,)) for kind in (SERVICE, MARKETING))
    shop = Workshop(post, office.folders[0], service, marketing)
    begin_anew(shop, lambda: ended.append(True))
    assert ended == []

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", full)
        post.journal.allow([(1, 1)])
        with pytest.raises(JournalFull):
            post.journal.begin((1, 1), 1)
    assert post.journal.fault
    begin_anew(shop, lambda: ended.append(True))
    assert ended == [True]


def test_a_place_that_is_taken_stops_no_mail(office: PostOffice) -> None:
    assert listen(office.world) is None
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert listen(with_settings(office.world, lmtp=("127.0.0.1", other.getsockname()[1]))) is None
    server = listen(with_settings(office.world, lmtp=("127.0.0.1", 0)))
    assert server is not None
    server.close()
