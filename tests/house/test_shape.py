"""Functions are short, take few things, and modules say what they own."""

import ast
import statistics
from collections.abc import Iterator

import pytest

from tests.house.source import Function, Module, functions, modules

LONGEST_FUNCTION = 40
MEDIAN_FUNCTION = 10
MOST_PARAMETERS = 5
LONGEST_MODULE = 500

EMPTY_WORDS = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "managers", "service", "services"}


def body_lines(function: Function) -> int:
    """The lines of a function from `def` to its end, without its docstring, blank lines and lines of comment alone."""
    body = function.body
    skipped: set[int] = set()
    if ast.get_docstring(function, clean=False) is not None:
        skipped = set(range(body[0].lineno, (body[0].end_lineno or 0) + 1))
    return len({line for line in _lines_with_code(function) if line not in skipped})


def _lines_with_code(function: Function) -> Iterator[int]:
    for node in ast.walk(function):
        first, last = getattr(node, "lineno", None), getattr(node, "end_lineno", None)
        if isinstance(first, int) and isinstance(last, int) and first >= function.lineno:
            yield from (first, last)
            if isinstance(node, ast.Constant | ast.JoinedStr):
                yield from range(first, last + 1)


def parameters(function: Function) -> int:
    """How many things a caller hands in; `self` and `cls` are not handed in."""
    given = function.args
    names = [argument.arg for argument in [*given.posonlyargs, *given.args, *given.kwonlyargs]]
    return len([name for name in names if name not in {"self", "cls"}])


def test_no_function_is_longer_than_forty_lines() -> None:
    long = [
        f"{module.at(function)} {function.name}: {body_lines(function)} lines"
        for module in modules()
        for function in functions(module)
        if body_lines(function) > LONGEST_FUNCTION
    ]
    assert not long, "\n".join(long)


def test_half_of_all_functions_are_shorter_than_ten_lines() -> None:
    lengths = [body_lines(function) for module in modules() for function in functions(module)]
    assert statistics.median(lengths) < MEDIAN_FUNCTION


def _is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("command(" in ast.unparse(decorator) for decorator in function.decorator_list)


def test_no_function_takes_more_than_five_parameters() -> None:
    """The parameters of a command are its options: as many as its user may want."""
    greedy = [
        f"{module.at(function)} {function.name}: {parameters(function)} parameters"
        for module in modules()
        for function in functions(module)
        if parameters(function) > MOST_PARAMETERS and not _is_command(function)
    ]
    assert not greedy, "\n".join(greedy)


def test_no_module_is_much_longer_than_four_hundred_lines() -> None:
    long = [
        f"{module.at(module.tree)}: {module.text.count(chr(10))} lines"
        for module in modules()
        if module.text.count("\n") > LONGEST_MODULE
    ]
    assert not long, "\n".join(long)


def test_every_module_says_what_it_owns() -> None:
    silent = [
        module.at(module.tree) for module in modules() if module.text.strip() and not ast.get_docstring(module.tree)
    ]
    assert not silent, "\n".join(silent)


def test_no_name_is_an_empty_word() -> None:
    empty = [module.name for module in modules() if EMPTY_WORDS & set(module.name.split(".")[-1].split("_"))]
    empty += [
        f"{module.at(node)} {node.name}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith(("Manager", "Helper", "Service", "Utils", "Util"))
    ]
    assert not empty, "\n".join(empty)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("def f():\n    '''Says.\n\n    More.\n    '''\n    # why\n\n    return 1\n", 2),
        ("def f(\n    a,\n    b,\n):\n    return a\n", 4),
        ("def f():\n    x = '''one\n    two\n    three'''\n    return x\n", 5),
    ],
)
def test_the_ruler_counts_code_only(source: str, lines: int) -> None:
    (function,) = functions(Module("app.x", modules()[0].path, source, ast.parse(source)))
    assert body_lines(function) == lines
