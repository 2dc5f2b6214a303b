"""How fast a message is made, beside the plain way: ratios inside one run.

`python -m benchmarks.mail_build [--rounds 7]` prints CPU time per message, medians over interleaved rounds, and ends
with code 1 when a goal is missed: HTML per recipient at least 50 times faster than render + premailer, the whole
message at least 25 times faster than EmailMessage alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from pathlib import Path
from statistics import median

from premailer import transform

from app.mail.compiled import CompiledMail, Refused
from app.mail.components import SiteFacts
from app.mail.context import Links, ListHeaders, MailContext, Recipient, Sender, Tracking
from app.mail.message import Message, render, unpacked
from app.mail.publish import PublishOptions, compile_mail
from app.mail.source import Layouts, SourceText, read_mail
from app.mail.templates import environment
from app.mail.values import Code, Moment, Money, Value

ROOT = Path(__file__).resolve().parent.parent
GOAL_HTML, GOAL_MESSAGE = 50, 25
PARAGRAPH = {
    "en": "Think of last Saturday. How many people came into your shop, liked it, and left without leaving a trace? "
    "You cannot ask them back, because you do not know who they are. A list of addresses changes exactly that.",
    "fa": "همین شنبهٔ گذشته را به یاد بیاورید. چند نفر به فروشگاهتان آمدند، خوششان آمد و بی هیچ نشانی رفتند؟ "
    "نمی‌توانید دوباره دعوتشان کنید، چون نمی‌دانید که بوده‌اند. یک فهرست نشانی همین را عوض می‌کند.",
}


def source(locale: str) -> str:
    """A mail of about 20 KB of HTML: a dozen links, conditions, a loop, a coupon, a table."""
    text = PARAGRAPH[locale]
    links = "\n\n".join(f"{text} [{n}](https://example.com/page/{n}?a=1&b={n}){{name=link{n}}}" for n in range(9))
    loop = "| A | B |\n|---|---|\n| {{ event.name }} | {{ event.total }} |\n"
    items = "{% for item in event.goods %}\n- {{ item }}\n{% endfor %}\n"
    part = f"## {{{{ subscriber.first_name }}}}\n\n{text}\n\n{{% if subscriber.vip %}}\n{text}\n{{% endif %}}\n\n"
    rest = f"## {text[:20]}\n\n{text}\n\n" * (21 if locale == "en" else 18)
    body = f"{part}{links}\n\n{loop}\n{items}\n{{{{ coupon(offer.code, ends=offer.ends) }}}}\n\n{part}{part}{rest}"
    return f"---\nsubject: Hello {{{{ subscriber.first_name }}}}\npreheader: words\n---\n{body}"


def compiled(locale: str) -> CompiledMail:
    layouts = Layouts({"layouts/base.html": (ROOT / "email_templates/layouts/base.html").read_text("utf-8")})
    mail, problems = read_mail(SourceText("bench", locale, f"bench.{locale}.md", source(locale)))
    made = compile_mail(mail, layouts, PublishOptions(facts=SiteFacts("https://example.com", {})))
    if problems or isinstance(made, Refused):
        raise SystemExit(str(problems or made))
    return made


def context(number: int) -> MailContext:
    base = "https://example.com"
    return MailContext(
        public_id=f"{number:032x}",
        at=1_790_000_000_000_000 + number * 1000,
        sender=Sender("Sara of Green Basket", "sara@example.com", "sara@example.com"),
        site={"name": "Green Basket", "url": base, "slogan": "Fresh", "postal_address": "12 Valiasr St, Tehran"},
        links=Links(f"{base}/u/{number:056x}", f"{base}/p/{number:056x}", f"{base}/v/{number:032x}"),
        tracking=Tracking(f"https://t.example.com/c/{number:032x}", f"https://t.example.com/o/{number:032x}.gif"),
        lists=ListHeaders(
            f"{base}/u/{number:056x}",
            "mailto:u@example.com",
            "list.example.com",
            "Green Basket",
            ("a", "b", "c", "parvar"),
        ),
        offer={"code": Code(f"SP-{number:04X}"), "ends": Moment(1_790_500_000_000_000 + number)},
        event={"name": "Basket", "total": Money(18_500_000, "IRR", "toman"), "goods": ("apples", "pears", "سیب")},
    )


def person(number: int, locale: str) -> Recipient:
    name = "سارا" if locale == "fa" else f"Alice {number}"
    values: dict[str, Value] = {"first_name": name, "vip": number % 2 == 0, "address": f"alice{number}@example.com"}
    return Recipient(f"alice{number}@example.com", name, locale, values, "Asia/Tehran")


def timed(work: Callable[[int], object], times: int) -> float:
    """CPU microseconds of one call."""
    start = time.process_time()
    for number in range(times):
        work(number)
    return (time.process_time() - start) / times * 1e6


def contestants(locale: str) -> dict[str, tuple[Callable[[int], object], int]]:
    mail = compiled(locale)
    ready = unpacked(mail, is_counted=True)
    # the plain way renders a template that still has its style sheet
    styled = mail.html.replace(
        "<head>", "<head><style>.pv-body p{margin:0 0 16px 0}.pv-body a{color:#0b6b4f}</style>", 1
    )
    template = environment(locale).from_string(styled)
    finished = render(mail, person(1, locale), context(1))
    fields = [(name, str(value)) for name, value in message_from_bytes(finished.data, policy=default).items()]
    fields = [(name, value) for name, value in fields if not name.lower().startswith(("content-", "mime-"))]

    people = [person(number, locale) for number in range(400)]  # handed in, like everything else
    contexts = [context(number) for number in range(400)]

    def variables(number: int) -> dict[str, object]:
        return ready.variables(people[number], contexts[number])

    return {
        "html, inlined at publish": (lambda n: "".join(ready.html.pieces(variables(n))), 400),
        "html, premailer for each": (
            lambda n: transform(template.render(variables(n)), allow_network=False, disable_validation=True),
            6,
        ),
        "whole message": (lambda n: render(mail, people[n], contexts[n]), 400),
        "EmailMessage alone": (lambda _: plain_message(fields, finished), 12),
    }


def plain_message(fields: list[tuple[str, str]], message: Message) -> bytes:
    """The same message the standard library's way: the same header fields and texts, which are rendered already."""
    made = EmailMessage(policy=SMTP)
    for name, value in fields:
        made[name] = value
    made.set_content(message.text)
    made.add_alternative(message.html, subtype="html")
    return made.as_bytes()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    missed = 0
    for locale in ("en", "fa"):
        entries = contestants(locale)
        results: dict[str, list[float]] = {name: [] for name in entries}
        for _ in range(rounds):
            for name, (work, times) in entries.items():
                results[name].append(timed(work, times))
        took = {name: median(values) for name, values in results.items()}
        made = render(compiled(locale), person(1, locale), context(1))
        print(f"{locale}: {len(made.html.encode()) / 1000:.1f} KB of HTML, {len(made.data) / 1000:.1f} KB on the wire")
        for name, value in took.items():
            print(f"  {name:28} {value:10.1f} µs")
        html = took["html, premailer for each"] / took["html, inlined at publish"]
        whole = took["EmailMessage alone"] / took["whole message"]
        print(f"  HTML against premailer       {html:9.0f}x   goal {GOAL_HTML}x")
        print(f"  message against EmailMessage {whole:9.0f}x   goal {GOAL_MESSAGE}x")
        missed += html < GOAL_HTML or whole < GOAL_MESSAGE
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
