"""A site's own lanes: laid above those shipped, key by key; every fault told with its place and its mending."""

from pathlib import Path

import pytest

from app.core.instants import HOUR
from app.mail.lanes_file import LanesFault, Slowing, lanes_of, read_lanes, shipped_lanes

OWN = """\
[google]
per_minute = 60

[national]
domains = ["chmail.ir", "ac.ir"]
per_minute = 30
slow = [{ match = "Try LATER", pause = "2h" }]

[yahoo]
slow = []
"""


def faults_of(text: str) -> tuple[str, ...]:
    with pytest.raises(LanesFault) as caught:
        read_lanes(text, "own.toml", shipped_lanes())
    return caught.value.faults


def test_a_number_of_ones_own_leaves_the_rest_of_the_lane_as_shipped(tmp_path: Path) -> None:
    path = tmp_path / "lanes.toml"
    path.write_text(OWN)
    lanes, shipped = lanes_of(path), shipped_lanes()
    assert lanes.lanes["google"].per_minute == 60
    assert lanes.lanes["google"].slow == shipped.lanes["google"].slow != ()
    assert lanes.of("gmail.com").name == "google"
    assert lanes.lanes["yahoo"].slow == ()
    assert lanes.lanes["microsoft"] == shipped.lanes["microsoft"]


def test_a_national_provider_gets_a_lane_with_all_below_its_domains() -> None:
    lanes = read_lanes(OWN, "own.toml", shipped_lanes())
    assert lanes.lanes["national"].slow == (Slowing("try later", 2 * HOUR),)
    for domain in ("chmail.ir", "CHMAIL.ir.", "ac.ir", "cs.ut.ac.ir"):
        assert lanes.of(domain).name == "national"
    for domain, lane in (("mihanmail.ir", "iran"), ("notac.ir", "default"), ("ir", "default")):
        assert lanes.of(domain).name == lane


def test_a_provider_named_in_an_own_lane_leaves_the_shipped_one() -> None:
    lanes = read_lanes('[big]\nproviders = ["gmail", "yahoo"]\n[iran]\nproviders = []\n', "own.toml", shipped_lanes())
    assert lanes.of("gmail.com").name == lanes.of("aol.com").name == "big"
    assert lanes.of("chmail.ir").name == "default"


def test_hosts_of_ones_own_take_the_place_of_those_shipped() -> None:
    lanes = read_lanes('[hoster]\nmx = ["mx.hoster.ir", "google.com"]\n', "own.toml", shipped_lanes())
    assert lanes.of("firm.ir", ("a.mx.hoster.ir",)).name == lanes.of("firm.ir", ("smtp.google.com",)).name == "hoster"
    assert lanes.of("firm.ir", ("mx.googlemail.com",)).name == "google"
    assert lanes.of("gmail.com", ("a.mx.hoster.ir",)).name == "google"


def test_without_a_file_the_shipped_lanes_hold() -> None:
    assert lanes_of(None) is shipped_lanes()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[google]\nper_minute = 'many'\n", "own.toml:2:1: [google] per_minute: write a whole number from 0"),
        (
            "[google]\n  conections = 3\n",
            "own.toml:2:3: [google] 'conections' is not known; did you mean 'connections'?",
        ),
        ("[google]\nconnections = 0\n", "own.toml:2:1: [google] connections: write a whole number from 1 to 256"),
        ("per_minute = 3\n[google]\n", "own.toml:1:1: 'per_minute' stands outside of a lane"),
        ("[a]\nproviders = ['gmial']\n", "own.toml:2:15: [a] providers: 'gmial' is no provider Parvar knows; did you"),
        ("[a]\nproviders = ['a.ir']\n", "own.toml:2:15: [a] providers: 'a.ir' is a domain: write it under domains"),
        ("[a]\ndomains = ['*.ir']\n", "own.toml:2:13: [a] domains: '*.ir' is no domain; write it in small letters"),
        ("[a]\nmx = ['mx.a.ir', '*.b.ir']\n", "own.toml:2:19: [a] mx: '*.b.ir' is no host; write it in small letters"),
        ("[a]\nmx = ['x.ir']\n[b]\nmx = ['x.ir']\n", "own.toml:4:8: [b] mx: 'x.ir' belongs to [a] already"),
        ("[a]\ndomains = 'x.ir'\n", "own.toml:2:1: [a] domains: write a list"),
        ("['a b']\nconnections = 3\n", "own.toml:1:1: [a b] 'a b' is no name of a lane"),
        ("[a]\nslow = [\n {match='x', pause='soon'}]\n", "own.toml:3:10: [a] slow pause: 'soon' is not a duration"),
        ("[a]\nslow = [{pause='1h'}]\n", "own.toml:2:1: [a] slow: write { match = "),
        ("[a]\nslow = [{match='x'}]\n", "own.toml:2:17: [a] slow: give either pause, or per_minute and lasts"),
        ("[a]\nconnections = \n", "own.toml:2:15: this is not TOML: Invalid value"),
        ("[a", "own.toml:1:3: this is not TOML: "),
    ],
)
def test_each_fault_is_told_with_its_place(text: str, fault: str) -> None:
    (only,) = faults_of(text)
    assert only.startswith(fault)


def test_a_domain_in_two_lanes_is_told_at_the_second() -> None:
    text = '[a]\ndomains = ["x.ir"]\n[b]\n# mine\ndomains = [\n  "y.ir",\n  "x.ir",\n]\n'
    assert faults_of(text) == ("own.toml:7:4: [b] domains: 'x.ir' belongs to [a] already; take it out of one of them",)


def test_faults_come_in_the_order_of_the_file() -> None:
    found = faults_of("[b]\nconnections = 0\n[a]\nper_minute = -1\ncolour = 'red'\n")
    assert [fault.split(":")[1] for fault in found] == ["2", "4", "5"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(LanesFault, match=r"missing\.toml: cannot be read: No such file"):
        lanes_of(tmp_path / "missing.toml")
    odd = tmp_path / "odd.toml"
    odd.write_bytes(b"[a]\n# \xff\n")
    with pytest.raises(LanesFault, match="save it as UTF-8"):
        lanes_of(odd)
