"""What several files of the language share: notes, allowed findings, values of attributes.

Owns these small forms. Must not know which file uses them.
"""

from __future__ import annotations

from app.core.facts import Value
from app.core.text import NO_TEXT
from app.files.forms import Form, Record, maybe, needed, usual
from app.files.nodes import Data, List, Map, Node, Scalar
from app.files.reading import Allowed, Reading
from app.files.scalars import DATE, KEY, SENTENCE, TEXT, refuse_disguise
from app.files.shapes import ListOf, OneValue, refuse_sort

_FINDING = needed("finding", KEY, "The finding's code, as `parvar check` prints it.")
_BECAUSE = needed("because", SENTENCE, "Why it is right all the same; shown to the next reader.")
_UNTIL = maybe("until", DATE, "From this date on the finding is reported again.")


def last_line(node: Node) -> int:
    """The last line anything of this node stands on."""
    match node:
        case Scalar():
            return node.span.end_line - (node.span.end_column == 1 and node.span.end_line > node.span.line)
        case List():
            return max((last_line(item) for item in node.items), default=node.span.line)
        case Map():
            return max((last_line(value) for _, value in node.entries), default=node.span.line)


def _allowed(record: Record) -> Allowed:
    return Allowed(record[_FINDING], record[_BECAUSE], record[_UNTIL] or "", record.place, 0, 0)


ALLOW = usual(
    "allow",
    ListOf(
        Form("allowed finding", (_FINDING, _BECAUSE, _UNTIL), _allowed, "Silences one finding, with a reason."), least=1
    ),
    (),
    "Findings of `parvar check` that are accepted here.",
)
NOTE = usual("note", TEXT, NO_TEXT, "A remark, shown in graph, plan and dashboard.")


def keep_allowed(record: Record, *, is_file: bool = False) -> None:
    """Remember what is allowed inside this map."""
    first, last = (1, 10**9) if is_file else (record.node.span.line, last_line(record.node))
    for allowed in record[ALLOW]:
        record.reading.allowed.append(
            Allowed(allowed.finding, allowed.because, allowed.until, allowed.place, first, last)
        )


class AnyValue(OneValue[Value]):
    """What an attribute or field may hold; compared with its declared type when all files are known."""

    label, example = "a value: text, number, true, false or a list of words", "high"

    def accepts(self, node: Node) -> bool:
        return isinstance(node, Scalar | List)

    def read(self, node: Node, reading: Reading) -> Value:
        if isinstance(node, List):
            return ListOf(SENTENCE).read(node, reading)
        if not isinstance(node, Scalar) or node.is_empty or node.value is None:
            raise refuse_sort(self, node, reading)
        if not isinstance(node.value, str):
            return node.value
        if node.raw and node.raw[0] in "۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩":
            refuse_disguise(node, reading)
        return node.raw

    def own_schema(self) -> dict[str, Data]:
        words: dict[str, Data] = {"type": "array", "items": {"type": "string"}}
        return {"anyOf": [{"type": ["string", "number", "boolean"]}, words]}


VALUE = AnyValue()
