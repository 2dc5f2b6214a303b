"""A small site to test pages with: every shape of box, every kind of field, three short mails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

from app.actions.inspect import Inspection, inspect
from app.actions.limits import Limits
from app.actions.publish import Authorship, NotPublished, apply
from app.actions.shelf import Shelf
from app.disk.networks import Networks
from app.disk.spool import Spool
from app.links import Key, Links
from app.settings import Settings
from app.store.engine import Database
from app.store.ledgers import Rate
from app.web.parts import Parts
from app.world import World
from tests.services.clock import Clock

BASE = "http://127.0.0.1:8000"
SHOP = "https://shop.example.com"
GENEROUS = Rate(100_000, 1)
ROOMY = Limits(GENEROUS, GENEROUS, GENEROUS, GENEROUS, GENEROUS, GENEROUS, GENEROUS, GENEROUS)
"""Limits nobody reaches, for tests about something else."""

SITE = """
site:
  name: {en: "Green Basket", fa: "سبد سبز"}
  slogan: {en: "Fresh", fa: "تازه"}
  url: https://shop.example.com
  sender: {name: "Leila", address: leila@example.com, reply_to: leila@example.com}
  postal_address: "12 Valiasr St, Tehran"
  locales: [en, fa]
  timezone: Asia/Tehran
  currency: {code: IRR, show: toman}
attributes:
  first_name: {type: text, max_length: 80, label: {en: "First name", fa: "نام"}}
  budget:
    type: choice
    label: {en: "Budget", fa: "بودجه"}
    options: {low: {en: "Low", fa: "کم"}, high: {en: "High", fa: "زیاد"}}
  interests:
    type: choices
    label: {en: "Interests", fa: "علاقه‌ها"}
    options: {herbs: {en: "Herbs", fa: "سبزی"}, fruit: {en: "Fruit", fa: "میوه"}}
  staff: {type: number, min: 1, max: 500, label: {en: "Staff", fa: "کارکنان"}}
  birthday: {type: day, calendar: jalali, label: {en: "Birthday", fa: "روز تولد"}}
  opened: {type: date, label: {en: "Opened", fa: "گشایش"}}
  phone: {type: phone, label: {en: "Phone", fa: "تلفن"}}
  wholesale: {type: bool, label: {en: "I sell wholesale", fa: "عمده می‌فروشم"}}
  product: {type: hidden}
campaigns: {while: "not tagged('no-nurture')"}
"""
LADDER = "stages:\n  guest: {}\n  lead: {rise: confirmed}\n"
PLAIN = """
box: book
shape: inline
title: {en: "The free book", fa: "کتاب رایگان"}
body: {en: "One\\nTwo", fa: "یک\\nدو"}
button: {en: "Send it", fa: "بفرستید"}
fields: [email, first_name, {ask: budget, after: true}]
consent: {en: "I agree to receive mails.", fa: "می‌پذیرم که نامه بگیرم."}
tracking_consent: optional
reminders: [24h, 72h]
deliver: book/deliver
magnet: {file: book.pdf, valid_for: 7d}
origins: [https://shop.example.com]
"""
FULL = """
box: full
shape: inline
title: {en: "All about you", fa: "همه‌چیز"}
fields: [email, interests, staff, birthday, opened, phone, wholesale, product, {ask: budget, required: true}]
consent: {en: "I agree.", fa: "می‌پذیرم."}
origins: [https://shop.example.com]
"""
SINGLE = """
box: single
title: {en: "At once", fa: "همین حالا"}
fields: [email]
consent: {en: "I agree.", fa: "می‌پذیرم."}
opt_in: single
origins: [https://shop.example.com]
deliver: book/deliver
"""
SHAPED = """
box: {key}
shape: {shape}
title: {{en: "A box", fa: "یک کادر"}}
body: {{en: "Some words.", fa: "چند کلمه."}}
fields: [email, first_name, staff]
steps: [[email], [first_name, staff]]
consent: {{en: "I agree to receive mails.", fa: "می‌پذیرم که نامه بگیرم."}}
storage: session
{rules}
origins: [https://shop.example.com]
"""
CAMPAIGN = """
campaign: welcome
title: "Welcome"
owner: leila@example.com
state: live
enter: {box: book}
sequences:
  any:
    - send: book/deliver
"""
MAIL = "---\nsubject: {subject}\nservice: true\n---\nHello {{{{ subscriber.first_name or 'there' }}}}, {body}\n"


def sources() -> dict[str, str]:
    found = {
        "campaigns/site.yaml": SITE,
        "campaigns/ladder.yaml": LADDER,
        "campaigns/welcome.yaml": CAMPAIGN,
        "campaigns/boxes/book.yaml": PLAIN,
        "campaigns/boxes/full.yaml": FULL,
        "campaigns/boxes/single.yaml": SINGLE,
    }
    for key, shape, rules in (
        ("popup", "popup", "show: [{after: 1s}]"),
        ("slide-in", "slide_in", "show: [{after: 1s}]"),
        ("bar", "bar", "show: [{after: 1s}]"),
        ("full-screen", "full_screen", "show: [{after: 1s}]"),
        ("locker", "locker", ""),
        ("asked", "popup", "show: [{on: click}]"),
        (
            "tested",
            "inline",
            'experiment: {id: faces, control: 0%, arms: {a: {share: 100%, title: "Another face"}}}',
        ),
        (
            "halved",
            "inline",
            "experiment: {id: half, control: 50%, arms: {a: {share: 50%}}}",
        ),
        ("blogged", "popup", 'show: [{after: 1s, pages: ["/blog/*"]}]'),
        ("controlled", "inline", "experiment: {id: none, control: 100%, arms: {a: {share: 0%}}}"),
    ):
        found[f"campaigns/boxes/{key}.yaml"] = SHAPED.format(key=key, shape=shape, rules=rules)
    layout = Path(__file__).parents[2] / "email_templates/layouts/base.html"
    found["email_templates/layouts/base.html"] = layout.read_text("utf-8")
    for locale in ("en", "fa"):
        found[f"email_templates/system/confirm.{locale}.md"] = MAIL.format(
            subject="Confirm", body="[yes]({{ links.confirm }})"
        )
        found[f"email_templates/book/deliver.{locale}.md"] = MAIL.format(
            subject="Your book", body="[book]({{ links.magnet('book') }})"
        )
    return found


def build_world(database: Database, folder: Path, clock: Clock, base_url: str = BASE, **settings: object) -> World:
    numbers = iter(range(1, 1 << 60))
    return World(
        settings=replace(
            Settings(database_url="", secret="x" * 40, base_url=base_url, data=folder),
            **settings,  # type: ignore[arg-type]
        ),
        database=database,
        links=Links((Key(1, b"k" * 32),), base_url, base_url),
        now=clock,
        wall=clock,
        new_id=lambda: next(numbers).to_bytes(16, "big"),
        monotonic=lambda: 0.0,
        secret=b"s" * 32,
    )


@cache
def inspected() -> Inspection:
    return inspect(sources(), date(2026, 3, 1))


def publish(world: World, texts: Mapping[str, str] | None = None) -> None:
    done = apply(world, inspect(texts, date(2026, 3, 1)) if texts else inspected(), Authorship("tests"))
    if isinstance(done, NotPublished):
        raise AssertionError("\n".join(map(str, done.problems)))


def build_parts(world: World, folder: Path, limits: Limits = ROOMY) -> Parts:
    spool = Spool(folder / "spool", bytes(16))
    networks = Networks(b"n" * 32, ("10.0.0.0/8",))
    return Parts(world, Shelf(world.secret), networks, spool, limits, (folder / "magnets",))
