"""A peer beside us: Django's mail stack with django-newsletter, on the same list and sink. Runs in a venv of its own.

    python _peer_newsletter.py PORT NAMES HTML TEXT     prints mails a second

`NAMES` is a file with a line for each reader, `HTML` and `TEXT` are files with what our own mail says. Imports nothing
of ours.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from datetime import timedelta
from pathlib import Path


def main(port: int, names: list[str], html: str, text: str) -> None:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _templates(place / "newsletter" / "message", html, text)
        _settings(place, port)
        submission = _list(names)
        taken = _counted()
        began = time.perf_counter()
        submission.submit()
        took = time.perf_counter() - began
        if sum(taken) != len(names):  # it logs what fails and goes on
            sys.exit(f"only {sum(taken)} of {len(names)} mails were taken")
        print(len(names) / took)


def _counted() -> list[int]:
    """How many mails the server took, kept while it sends."""
    from django.core.mail.backends.smtp import EmailBackend

    taken: list[int] = []
    send = EmailBackend.send_messages

    def sent(self, messages) -> int:
        done = send(self, messages) or 0
        taken.append(done)
        return done

    EmailBackend.send_messages = sent
    return taken


def _templates(place: Path, html: str, text: str) -> None:
    """Our own words, with a name and two links of this reader's in them."""
    place.mkdir(parents=True)
    raw = "{% verbatim %}", "{% endverbatim %}"
    place.joinpath("message.html").write_text(
        f"<p>{{{{ subscription.name }}}}</p>{raw[0]}{html}{raw[1]}{_LINKS}", "utf-8"
    )
    place.joinpath("message.txt").write_text(f"{{{{ subscription.name }}}}\n{raw[0]}{text}{raw[1]}{_LINKS}", "utf-8")
    place.joinpath("message_subject.txt").write_text("{{ message.title }}", "utf-8")


_LINKS = "http://{{ site }}/{{ subscription.pk }}/unsubscribe http://{{ site }}/{{ subscription.pk }}/update"


def _settings(place: Path, port: int) -> None:
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="x" * 40,
        USE_TZ=True,
        SITE_ID=1,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(place / "peer.db")}},
        INSTALLED_APPS=[f"django.contrib.{name}" for name in ("auth", "contenttypes", "sites")]
        + ["sorl.thumbnail", "newsletter"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [str(place)]}],
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=port,
        ROOT_URLCONF="newsletter.urls",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        NEWSLETTER_THUMBNAIL="sorl-thumbnail",
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def _list(names: list[str]):
    from django.utils.timezone import now
    from newsletter.models import Message, Newsletter, Submission, Subscription

    letter = Newsletter.objects.create(title="Green Basket", slug="basket", email="sara@example.com", sender="Sara")
    Subscription.objects.bulk_create(
        Subscription(newsletter=letter, name_field=name, email_field=f"p{n}@example.org", subscribed=True)
        for n, name in enumerate(names)
    )
    message = Message.objects.create(title="Hello", slug="hello", newsletter=letter)
    submission = Submission.from_message(message)
    submission.subscriptions.set(Subscription.objects.all())
    submission.publish_date = now() - timedelta(minutes=1)
    submission.prepared = True
    submission.save()
    return submission


if __name__ == "__main__":
    names, html, text = (Path(name).read_text("utf-8") for name in sys.argv[2:5])
    main(int(sys.argv[1]), names.split("\n"), html, text)
