"""The page about commands is written out of the commands, those below groups too, and is as they are now."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = spec_from_file_location("cli_reference", ROOT / "scripts" / "cli_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_about_commands_is_as_they_are_now(writer: ModuleType) -> None:
    assert writer.PAGE.read_text("utf-8") == writer.page(), "run: python scripts/cli_reference.py"


def test_commands_of_a_group_stand_below_it_with_their_options(writer: ModuleType) -> None:
    lines = list(writer.section("messages"))
    resolve = lines.index("### parvar messages resolve")
    assert lines[0] == "## parvar messages"
    assert "parvar messages resolve [OPTIONS] [IDS]..." in lines[resolve:]
    assert "| `--resend` | Send them again, under the same Message-ID. |" in lines[resolve:]


def test_every_option_says_what_it_is_for(writer: ModuleType) -> None:
    options = [line for line in writer.page().splitlines() if line.startswith("| `-")]
    assert not [line for line in options if line.endswith("` |  |") or "` | [" in line]
