"""`parvar codes`, as it is typed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli.codes import codes


@pytest.fixture
def settings(sqlite_database_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "PARVAR_DATABASE_URL": sqlite_database_url,
        "PARVAR_SECRET": "a secret of the tests 0123456789 and more",
        "PARVAR_BASE_URL": "http://127.0.0.1:8000",
        "PARVAR_DATA": str(tmp_path),
    }


def typed(settings: dict[str, str], *words: str) -> Result:
    return CliRunner().invoke(codes, list(words), env=settings)


def test_codes_are_imported_counted_and_listed(settings: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "codes.txt"
    file.write_text("SP-1\nSP-2\nSP-1\n", encoding="utf-8")
    done = typed(settings, "import", "spring", str(file))
    assert done.exit_code == 0
    assert "line 3: SP-1: the same as line 1" in done.stderr
    assert "spring: 2 codes taken, 1 lines refused, 3 read" in done.stdout
    listed = json.loads(typed(settings, "list", "--json").stdout)
    assert [(each["pool"]["pool"], each["pool"]["total"], each["pool"]["free"]) for each in listed] == [
        ("spring", 2, 2)
    ]
    assert "spring" in typed(settings, "list").stdout
    again = typed(settings, "import", "spring", str(file))
    assert again.exit_code == 1
    assert "imported before" in again.stderr


def test_a_file_that_is_no_text_is_refused_in_words(settings: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "codes.xlsx"
    file.write_bytes(b"PK\x03\x04\xff\xfe")
    done = typed(settings, "import", "spring", str(file))
    assert done.exit_code == 1
    assert "is not UTF-8 text" in done.stderr


def test_an_empty_house_says_how_to_begin(settings: dict[str, str]) -> None:
    assert "parvar codes import" in typed(settings, "list").stdout
    assert "as it was meant" in typed(settings, "misused").stdout
