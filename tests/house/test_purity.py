"""Time and chance come in as values: nothing below the roof reads a clock or draws a number."""

import ast
import re

from tests.house.source import Module, dotted, imports, modules

CLOCKS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "date.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.gmtime",
}
CHANCE = ("random", "uuid.uuid1", "uuid.uuid4")


def _below_the_roof() -> list[Module]:
    return [module for module in modules() if module.name != "app.main"]


def test_no_clock_is_read_below_the_roof() -> None:
    read = [
        f"{module.at(node)} {dotted(node)}"
        for module in _below_the_roof()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and dotted(node) in CLOCKS
    ]
    assert not read, "\n".join(read)


def test_no_number_is_drawn_below_the_roof() -> None:
    drawn = [
        f"{module.at(node)} imports {name}"
        for module in _below_the_roof()
        for name, node in imports(module)
        if any(name == source or name.startswith(f"{source}.") for source in CHANCE)
    ]
    assert not drawn, "\n".join(drawn)


def test_no_transaction_is_ended_inside_the_store() -> None:
    """Transactions are opened in actions and visible there; only the engine, which hands them out, ends them."""
    ended = [
        f"{module.at(node)} {dotted(node.func)}"
        for module in modules()
        if module.room == "store" and not re.match(r"app\.store\.(engine|migrate|gate)", module.name)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and dotted(node.func) in {"session.commit", "session.rollback"}
    ]
    assert not ended, "\n".join(ended)
