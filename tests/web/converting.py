"""A small site that sells: an offer, a question, friends who refer, and somebody who got the mails."""

from __future__ import annotations

from datetime import date
from functools import cache
from itertools import count

from app.actions.inspect import Inspection, inspect
from app.actions.publish import Authorship, NotPublished, apply
from app.core.person import MessageState
from app.store.messages import MessageRow
from app.store.runs import RunRow
from tests.web.desk import Desk
from tests.web.small_site import sources

EVENTS = """
events:
  restocked: {key: request_id, fields: {name: text, url: link}}
  price_dropped: {key: request_id, fields: {name: text, price: money}}
"""
OFFER = """
offer: spring
title: {en: "15% off", fa: "۱۵٪ تخفیف"}
gives: {percent: 15%}
codes: {pool: spring}
ends: {days: 5, at: "21:00"}
after_end: /offers/ended
"""
NPS = """
survey: nps
question: {en: "Would you recommend us?", fa: "ما را معرفی می‌کنید؟"}
scale: 0-10
low_label: {en: "Never", fa: "هرگز"}
high_label: {en: "Gladly", fa: "با کمال میل"}
thanks: {en: "That helps.", fa: "کمک بزرگی است."}
"""
NEXT = """
survey: next
question: {en: "What next?", fa: "بعدی چه باشد؟"}
options:
  herbs: {en: "Herbs", fa: "سبزی"}
  fruit: {en: "Fruit", fa: "میوه"}
"""
ASKING = """
campaign: asking
title: {en: "Asking", fa: "پرسش"}
state: live
enter: {box: book}
sequences:
  any:
    - ask: ask/nps
      survey: nps
      at_most: 7d
      answers: {9-10: [], 0-8: [], none: []}
    - ask: ask/next
      survey: next
      at_most: 7d
      answers: {herbs: [], fruit: [], none: []}
"""
MAIL = "---\nsubject: A question\n---\nHello,\n\n{{{{ survey('{0}') }}}}\n"


@cache
def selling() -> Inspection:
    """The site with everything that converts, checked once for all tests."""
    more = {
        "campaigns/offers/spring.yaml": OFFER,
        "campaigns/surveys/nps.yaml": NPS,
        "campaigns/surveys/next.yaml": NEXT,
        "campaigns/asking.yaml": ASKING,
    }
    known = sources()
    known["campaigns/site.yaml"] += EVENTS
    for locale in ("en", "fa"):
        for key in ("nps", "next"):
            more[f"email_templates/ask/{key}.{locale}.md"] = MAIL.format(key)
    return inspect({**known, **more}, date(2026, 3, 1))


def sell(desk: Desk) -> None:
    """Publish the site again with everything that converts."""
    done = apply(desk.world, selling(), Authorship("tests"))
    assert not isinstance(done, NotPublished), done


_numbers = count(1)


def asked(desk: Desk, who: int, mail: str = "ask/nps") -> int:
    """A mail with a question that has reached its reader."""
    now = desk.clock()
    with desk.world.transaction("write") as session:
        run = RunRow(
            campaign="asking", subscriber_id=who, run_key=str(next(_numbers)), turn=1, version="", entered_at=now,
            state="waiting",
        )  # fmt: skip
        session.add(run)
        session.flush()
        row = MessageRow(
            public_id=desk.world.new_id(), subscriber_id=who, run_id=run.id, step=mail, campaign="asking",
            mail_key=mail,
            mail_class="marketing", state=MessageState.SENT.value, wanted_at=now, slot_at=now, due_at=now,
            created_at=now, settled_at=now,
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row.id


def answer_path(desk: Desk, message: int, answer: int | str) -> str:
    return desk.world.links.survey_url(message, 1, answer).removeprefix(desk.world.settings.base_url)
