"""Letters go to the relay that is kept for them, and nowhere else when it is gone."""

from __future__ import annotations

from app.actions.deliver import Courier
from app.core.instants import MINUTE
from app.mail.smtp_relays import open_transport
from app.mail.smtp_routes import Routes
from app.mail.smtp_url import RelayFaults, parse_relays
from app.store.messages import MessageRow
from tests.actions.post_office import MARKETING, SERVICE, PostOffice
from tests.servers.smtp import Close, SmtpServer, always


def courier(office: PostOffice, setting: str) -> Courier:
    relays = parse_relays(setting)
    assert not isinstance(relays, RelayFaults), relays
    post = office.post(connections=4)
    object.__setattr__(post, "routes", Routes(relays))
    return Courier(post, open_transport(relays), (MARKETING, SERVICE))


def test_letters_leave_by_campaign_by_domain_and_by_class(office: PostOffice) -> None:
    ids = {name: office.mail(office.person(name)) for name in ("alice", "dave")}
    office.change(MessageRow, ids["dave"], campaign="weekly-news")
    office.mail(office.person("erin"), SERVICE)
    with SmtpServer() as main, SmtpServer() as news, SmtpServer() as service:
        setting = (
            f"main=smtp://127.0.0.1:{main.port} news=smtp://127.0.0.1:{news.port}?campaigns=weekly-*&domains=*.com "
        )
        taken = courier(office, setting + f"post=smtp://127.0.0.1:{service.port}?mail=service")
        office.round(taken)
        taken.transport.close()
        assert [mail.recipient for mail in main.mails] == ["alice@example.com"]
        assert [mail.recipient for mail in news.mails] == ["dave@example.com"]
        assert [mail.recipient for mail in service.mails] == ["erin@example.com"]
    assert office.attempts(ids["dave"])[-1].relay == "news"


def test_a_letter_whose_relay_is_gone_is_tried_again_and_no_attempt_counts(office: PostOffice) -> None:
    mail = office.mail(office.person("alice"))
    with SmtpServer() as main, SmtpServer({"connect": always(Close())}) as gone:
        taken = courier(
            office, f"smtp://127.0.0.1:{main.port} iran=smtp://127.0.0.1:{gone.port}?domains=example.com&timeout=5"
        )
        office.round(taken)
        row = office.row(mail)
        assert (row.state, row.attempts, row.reason) == ("waiting", 0, "relay")
        assert row.due_at <= office.clock() + 2 * MINUTE
        taken.transport.close()
        assert main.mails == []
