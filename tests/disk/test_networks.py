"""Networks: who may speak for whom, which list an address is on, and that no address is kept."""

import os
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.instants import SECOND
from app.disk.networks import NOWHERE, NetworkLists, Networks, NetworkTable, pack, parse_network

SECRET = b"k" * 32
PLAIN = Networks(SECRET, ())
BEHIND_PROXY = Networks(SECRET, ("10.0.0.0/8", "fd00::/8"))

fours = st.ip_addresses(v=4).map(str)
blocks = st.tuples(fours, st.integers(0, 32)).map(lambda pair: f"{pair[0]}/{pair[1]}")
sixes = st.tuples(st.ip_addresses(v=6).map(str), st.integers(0, 64)).map(lambda pair: f"{pair[0]}/{pair[1]}")


@given(st.lists(st.one_of(blocks, sixes), max_size=12), st.lists(st.ip_addresses(), max_size=12))
def test_a_table_agrees_with_the_plain_way_of_asking(networks: list[str], addresses: list[object]) -> None:
    table = NetworkTable(map(parse_network, networks))
    plain = [ip_network(text, strict=False) for text in networks]
    edges = [net.network_address for net in plain] + [net.broadcast_address for net in plain]
    for address in [*map(str, addresses), *map(str, edges)]:
        packed = ip_address(address).packed
        assert (packed in table) == any(ip_address(address) in net for net in plain)


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "10.0.0/8", "::/129", "x/8", "10.0.0.0/-1", "10.0.0.0/a", "1.2.3"])
def test_a_text_that_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"network|prefix"):
        parse_network(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        (" 192.0.2.7:4711 ", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", None),
        ("", None),
        ("1.2.3.4.5", None),
        ("a\x00b", None),
    ],
)
def test_an_address_is_read_in_the_forms_servers_write_it(text: str, wanted: str | None) -> None:
    assert pack(text) == (None if wanted is None else ip_address(wanted).packed)


def test_neighbours_in_a_24_or_48_look_the_same_and_others_do_not() -> None:
    def network(address: str) -> str:
        return PLAIN.caller(address, "").network

    assert network("192.0.2.7") == network("192.0.2.200") != network("192.0.3.7")
    assert network("2001:db8:1::5") == network("2001:db8:1:ffff::9") != network("2001:db8:2::5")
    assert len(network("192.0.2.7")) == 16
    assert network("192.0.2.7") != Networks(b"other" * 8, ()).caller("192.0.2.7", "").network


def test_only_a_trusted_proxy_may_speak_for_somebody() -> None:
    alice = PLAIN.caller("203.0.113.9", "")
    assert PLAIN.caller("203.0.113.9", "198.51.100.1") == alice
    assert BEHIND_PROXY.caller("203.0.113.9", "198.51.100.1") == alice
    assert BEHIND_PROXY.caller("10.0.0.1", "203.0.113.9") == alice
    assert BEHIND_PROXY.caller("fd00::1", "203.0.113.9, 10.9.9.9") == alice


def test_what_a_client_writes_in_front_of_the_header_is_not_believed() -> None:
    assert BEHIND_PROXY.caller("10.0.0.1", "198.51.100.1, 203.0.113.9") == BEHIND_PROXY.caller("203.0.113.9", "")


def test_a_hop_that_is_no_address_is_passed_over() -> None:
    assert BEHIND_PROXY.caller("10.0.0.1", "unknown") == BEHIND_PROXY.caller("10.0.0.1", "")
    assert BEHIND_PROXY.caller("", "203.0.113.9") == NOWHERE


def test_a_list_gives_its_name_and_its_faults(tmp_path: Path) -> None:
    (tmp_path / "scanners.txt").write_text("# ours\n198.51.100.0/24  # gateway\n\nrubbish\n")
    (tmp_path / "privacy-proxies.csv").write_text("203.0.113.0/28,GB,GB-EN,London,\n2001:db8::/45,,,,\n")
    lists = NetworkLists(tmp_path, lambda: 0)
    networks = Networks(SECRET, (), lists)
    assert networks.caller("198.51.100.77", "").label == "scanners"
    assert networks.caller("203.0.113.15", "").label == "privacy-proxies"
    assert networks.caller("203.0.113.16", "").label == ""
    assert networks.caller("2001:db8:7:1::1", "").label == "privacy-proxies"
    assert lists.faults == ("scanners.txt:4: 'rubbish' is not a network",)


def test_a_changed_list_is_read_again_beside_the_requests(tmp_path: Path) -> None:
    now = [0]
    path = tmp_path / "scanners.txt"
    path.write_text("198.51.100.0/24\n")
    lists = NetworkLists(tmp_path, lambda: now[0])
    packed = pack("203.0.113.1")
    assert packed is not None
    path.write_text("203.0.113.0/24\n")
    os.utime(path, ns=(1, 1))
    assert lists.label(packed) == ""
    now[0] = 6 * SECOND
    lists.label(packed)
    lists.refresh()
    assert lists.label(packed) == "scanners"
    path.unlink()
    lists.refresh()
    assert lists.label(packed) == ""
