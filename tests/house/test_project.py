"""The files around the code: locks without addresses, commands that say what they do, texts that fit any machine."""

import re
import subprocess
import tomllib
from functools import cache

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.house.source import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock")

# spelled in pieces, or this file would find itself
TRACES = {
    "a path of one machine": r"(?<![\w.])/(?:ro" + r"ot|wo" + r"rk|ho" + r"me/\w+|Us" + r"ers/\w+)/[\w.]",
    "the host of a package index": r"py" + r"pi\.org|pyth" + r"onhosted|npm" + r"js\.(?:org|com)|crates" + r"\.io",
    "a note to oneself": r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b",
    "the word of a tracker": r"(?i)\bissue #?\d+\b",
}


@cache
def _files() -> tuple[str, ...]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout of Git: there is no list of files")
    return tuple(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


def _text(name: str) -> str:
    try:
        return (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@pytest.mark.parametrize("kind", list(TRACES))
def test_no_file_holds_traces_of_where_it_was_written(kind: str) -> None:
    pattern = re.compile(TRACES[kind])
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name in _files()
        if not name.startswith("requirements")
        for number, line in enumerate(_text(name).splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_address(name: str) -> None:
    assert not re.search(r"https?:|--(?:extra-)?index-url|--find-links|--trusted-host", _text(name))


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_hashes(name: str) -> None:
    bare = [block.split()[0] for block in _blocks(name) if "--hash=sha256:" not in block]
    assert not bare, bare


def test_the_locks_hold_what_the_project_wishes_for() -> None:
    project = tomllib.loads(_text("pyproject.toml"))
    wishes = list(project["project"]["dependencies"])
    for group in project["dependency-groups"].values():
        wishes += [wish for wish in group if isinstance(wish, str)]
    locked = _versions("requirements-dev.lock")
    unmet = [wish for wish in wishes if not _is_met(Requirement(wish), locked)]
    assert not unmet, f"{unmet}: run `make lock`"


def test_both_locks_hold_the_same_versions() -> None:
    run, dev = _versions("requirements.lock"), _versions("requirements-dev.lock")
    assert {name: dev.get(name) for name in run} == run


def _blocks(name: str) -> list[str]:
    return re.findall(r"(?m)^[a-z0-9].*(?:\n    .*)*", _text(name))


def _versions(name: str) -> dict[str, frozenset[Version]]:
    found: dict[str, frozenset[Version]] = {}
    for block in _blocks(name):
        package, version = re.split(r"==|\s", block, maxsplit=2)[:2]
        key = canonicalize_name(package)
        found[key] = found.get(key, frozenset()) | {Version(version)}
    return found


def _is_met(wish: Requirement, locked: dict[str, frozenset[Version]]) -> bool:
    versions = locked.get(canonicalize_name(wish.name), frozenset())
    return bool(versions) and all(wish.specifier.contains(version) for version in versions)


def test_make_lists_its_targets_and_has_a_dozen_at_most() -> None:
    targets = re.findall(r"(?m)^([a-z]+):(?!=)", _text("Makefile"))
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert [line.split()[1] for line in listed.splitlines()] == targets
    assert len(targets) <= 12


@pytest.mark.parametrize("script", ["check", "lock", "services", "setup", "test"])
def test_the_scripts_are_plain_shell(script: str) -> None:
    path = ROOT / "scripts" / script
    assert path.stat().st_mode & 0o111
    assert path.read_text().startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", path], check=True)


def test_no_two_decisions_share_a_number() -> None:
    numbers = [path.name[:4] for path in sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))]
    assert numbers
    assert len(numbers) == len(set(numbers))
