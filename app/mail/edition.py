"""Editions: one mail on one occasion, for all who get it; forms are drawn up for them and filled in.

Owns the forms of this process: which there are, what each is proved by, and how many. Must not decide what differs from
reader to reader: who she is and what she may be asked is handed in.
"""

from __future__ import annotations

from binascii import a2b_base64, a2b_qp
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from app.core.replacing import replace
from app.mail import blanks, headers
from app.mail.blanks import Blanks, Code, Pieces, Wire
from app.mail.compiled import CompiledMail
from app.mail.context import Particulars, Reader, Recipient
from app.mail.forms import Line, Needs, Question, Stands, Stencil, Swaps, Word, ask, stand_ins
from app.mail.message import DATE, SUBJECT, TO, Message, RenderFault, Unpacked, on_one_line, telling, unpacked
from app.mail.part import Filled

_MOST_FORMS = 512
_PRICE = 8
"""What drawing up a form costs, in letters."""
_CREDIT = 512 * _PRICE
"""For the forms of one edition; each letter filled in gives one back. One that runs out says something else to
everybody."""
_OWN: Final = {DATE: blanks.DATE, TO: blanks.TO, SUBJECT: blanks.SUBJECT}
"""Fields of the header that are written for each reader."""


@dataclass(frozen=True, slots=True)
class Form:
    """A mail drawn up for everybody of whom a question has the same answer."""

    edition: Edition
    """Held, for forms are found by its identity."""
    stands: Stands
    subject: Line
    sender_domain: str
    texts: tuple[Filled, Filled]
    """The text part and the HTML with stand-ins in them."""
    cut: Callable[[bytes], tuple[bytes, ...]]
    code: Code | None
    whole: Wire

    def message(self, reader: Reader, words: list[Word], way: str) -> Message:
        """The letter to one reader. Raises UnsendableAddress."""
        to = headers.ascii_address(reader.address)
        subject = on_one_line(self.subject.filled([word.text for word in words]), way)
        stretches = self.cut(reader.tokens)
        values = [
            headers.date_of(reader.at).encode(),
            headers.addressed("To", reader.name, to).encode(),
            headers.subject(subject).encode(),
        ]
        for word in words:
            values += word[2:]
        values += stretches
        if self.code:
            values += self.code.spelt(values)
        count = len(self.stands) - len(words)
        reals = (*stretches[:count], *[word.plain for word in words])
        message_id = f"<{stretches[count - 1].decode()}@{self.sender_domain}>"
        return Message(self.whole.filled(values), subject, message_id, to, self.texts, Swaps(self.stands, reals))


_forms: dict[tuple[int, Question], Form] = {}
_lock = Lock()
"""For keeping forms; they are found without."""


class Edition:
    """One mail on one occasion: what a context says besides tokens is the same for all its readers.

    Shared by threads: forms come and go, and one drawn up twice is the same twice.
    """

    def __init__(self, compiled: CompiledMail, *, is_counted: bool) -> None:
        self._mail = unpacked(compiled, is_counted=is_counted)
        self._credit = _CREDIT
        self.needs: Needs | None = self._mail.needs
        """What forms of it ask; None for a mail that is rendered for each reader."""

    def filled_in(self, reader: Reader) -> Message | None:
        """From a form drawn up for readers like her; None when there is none. Raises UnsendableAddress."""
        if self.needs is None:
            return None
        question, words = ask(self.needs, reader.attributes)
        form = _forms.get((id(self), question))
        if form is None:
            return None
        self._credit += 1
        return form.message(reader, words, self._mail.direction)

    def drawn_up(self, reader: Reader, particulars: Particulars) -> Message:
        """Rendered for this reader, and once more with stand-ins: a form is kept when both come to the same.

        Raises RenderFault and UnsendableAddress.
        """
        with telling(self._mail.compiled):
            plain = self._mail.message(particulars.person, particulars.context(particulars.tokens(reader.tokens)))
        try:
            if self.needs is not None:
                with telling(self._mail.compiled):
                    self._draw_up(self.needs, reader, particulars, plain)
        except RenderFault:  # with stand-ins only: she gets her letter, and the others theirs without forms
            self.needs = None
        return plain

    def _draw_up(self, needs: Needs, reader: Reader, particulars: Particulars, plain: Message) -> None:
        question, words = ask(needs, reader.attributes)
        stands = stand_ins(particulars.sizes, words)
        self._credit -= _PRICE
        if self._credit < 0:
            self.needs = None
        elif stands is not None and (form := self._form(needs, stands, particulars)) is not None:
            if not _is_same(form.message(reader, words, self._mail.direction), plain, self._mail):
                self.needs = None
                return
            with _lock:
                if len(_forms) >= _MOST_FORMS:
                    _forms.pop(next(iter(_forms)))
                _forms[id(self), question] = form

    def _form(self, needs: Needs, stands: Stands, particulars: Particulars) -> Form | None:
        mail, sizes = self._mail, particulars.sizes
        count = len(sizes)
        person = _speaking(particulars.person, needs, stands[count:])
        context = particulars.context(stands[:count])
        variables, gaps = mail.variables(person, context), Blanks(stands, sizes)
        subject = Stencil(stands[count:]).line(mail.subject(variables, context))
        html = mail.html.blanked(mail.html.pieces(variables), gaps)
        text = mail.text.blanked(mail.text.pieces(mail.for_text(variables, context)), gaps, is_plain=True)
        domain = headers.ascii_address(context.sender.address).rpartition("@")[2]
        head = _head(mail.head(person, context, "", f"<{context.public_id}@{domain}>"), gaps)
        if html is None or text is None or head is None:
            return None
        whole = gaps.wire([*head, mail.frame.opening, *text[1], mail.frame.between, *html[1]], mail.frame.closing)
        return Form(self, stands, subject, domain, (text[0], html[0]), gaps.cutter(), gaps.code(), whole)


def _speaking(person: Recipient, needs: Needs, stands: Stands) -> Recipient:
    """Somebody of whom these words are said, but for those that nothing may stand for."""
    words = {name: stand for name, stand in zip(needs.said, stands, strict=True) if stand}
    return replace(person, attributes={**person.attributes, **words})


def _head(fields: list[str], gaps: Blanks) -> Pieces | None:
    """The header with blanks for what each reader has of her own."""
    made: Pieces = []
    for place, field in enumerate(fields):
        own = _OWN.get(place)
        pieces = gaps.line(field) if own is None else [own]
        if pieces is None:
            return None
        made += pieces
    return made


def _is_same(one: Message, other: Message, mail: Unpacked) -> bool:
    """Whether two ways of writing come to the same mail, wherever the lines of their encoding end."""
    return (
        (one.subject, one.message_id, one.envelope_to) == (other.subject, other.message_id, other.envelope_to)
        and (one.text, one.html) == (other.text, other.html)
        and _decoded(one.data, mail) == _decoded(other.data, mail)
    )


def _decoded(data: bytes, mail: Unpacked) -> tuple[bytes, bytes, bytes]:
    """The header, and the bytes of both texts. Raises ValueError for a message in another frame."""
    opening, between, closing = mail.frame
    head, found, bodies = data.partition(opening)
    text, divided, html = bodies.partition(between)
    if not found or not divided or not html.endswith(closing):
        raise ValueError("this is no message of this mail")
    return head, _raw(text, mail.text.is_base64), _raw(html.removesuffix(closing), mail.html.is_base64)


def _raw(wire: bytes, is_base64: bool) -> bytes:
    return a2b_base64(wire) if is_base64 else a2b_qp(wire)
