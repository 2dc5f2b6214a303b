"""The tests keep rules of their own: no mocks, no naps, names that say what holds."""

import ast
import re

from tests.house.source import dotted, functions, imports, modules

LONGEST_NAP = 0.2


def test_no_test_hands_in_a_mock() -> None:
    mocked = [
        f"{module.at(node)} imports {name}"
        for module in modules("tests")
        for name, node in imports(module)
        if name.startswith(("unittest.mock", "mock.", "pytest_mock"))
    ]
    assert not mocked, "\n".join(mocked)


def test_no_test_sleeps_longer_than_a_fifth_of_a_second() -> None:
    asleep = [
        f"{module.at(node)} sleeps {node.args[0].value} s"
        for module in modules("tests")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and dotted(node.func) in {"time.sleep", "sleep", "asyncio.sleep"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, int | float)
        and node.args[0].value > LONGEST_NAP
    ]
    assert not asleep, "\n".join(asleep)


def test_tests_have_sentences_for_names() -> None:
    curt = [
        f"{module.at(function)} {function.name}"
        for module in modules("tests")
        for function in functions(module)
        if function.name.startswith("test_") and len(re.findall("_", function.name)) < 3
    ]
    assert not curt, "\n".join(curt)


def test_every_test_can_fail() -> None:
    """A test asserts, expects an error, or calls something that does."""
    idle = [
        f"{module.at(function)} {function.name}"
        for module in modules("tests")
        for function in functions(module)
        if function.name.startswith("test_")
        and not any(isinstance(node, ast.Assert | ast.Call | ast.Raise) for node in ast.walk(function))
    ]
    assert not idle, "\n".join(idle)
