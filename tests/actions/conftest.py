"""What tests of several actions begin with: a post office, and a mail somebody got from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.store.engine import Database
from app.store.messages import MessageRow
from tests.actions.post_office import PostOffice, open_office
from tests.servers.smtp import SmtpServer
from tests.services.clock import Clock


@pytest.fixture
def office(database: Database, tmp_path: Path, clock: Clock) -> Iterator[PostOffice]:
    with open_office(database, tmp_path, clock) as office:
        yield office


@pytest.fixture
def sent(office: PostOffice) -> MessageRow:
    """A mail Alice has got."""
    message = office.mail(office.person("alice"))
    with SmtpServer() as server:
        office.courier(server.port).deliver()
    return office.row(message)
