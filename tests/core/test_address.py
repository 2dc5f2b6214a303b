import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.address import address_key, is_role, provider, rate_key, suggest, suggest_domain, tidy

ZWNJ, RLM, LRM, BOM = "\u200c", "\u200f", "\u200e", "\ufeff"


# ── Cleaning ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        pytest.param("alice@example.com", "alice@example.com", id="nothing to do"),
        pytest.param("  Alice@Example.com \n", "Alice@Example.com", id="outer spaces; the case stays"),
        pytest.param("\u00a0alice@example.com\u3000", "alice@example.com", id="spaces of other kinds"),
        pytest.param(f"{RLM}alice@example.com{LRM}", "alice@example.com", id="bidi marks"),
        pytest.param("\u2068alice@example.com\u2069", "alice@example.com", id="isolates"),
        pytest.param(f"{BOM}alice@\u200bexample.com", "alice@example.com", id="zero-width characters"),
        pytest.param(f"ali{ZWNJ}ce@exam{ZWNJ}ple.com", "alice@example.com", id="joiners among Latin letters"),
        pytest.param("ali۱۲۳@example.com", "ali123@example.com", id="Persian digits"),
        pytest.param("ali٤٥٦@example٧.com", "ali456@example7.com", id="Arabic digits"),
        pytest.param("ａｌｉｃｅ＠ｅｘａｍｐｌｅ．ｃｏｍ", "alice@example.com", id="full width"),
        pytest.param("alice@example。com", "alice@example.com", id="ideographic full stop"),
        pytest.param("alice @ example.com", "alice@example.com", id="spaces around the at sign"),
        pytest.param("mailto:alice@example.com", "alice@example.com", id="copied link"),
        pytest.param("MAILTO: <alice@example.com>", "alice@example.com", id="copied link in brackets"),
        pytest.param("<alice@example.com>,", "alice@example.com", id="copied from a list"),
        pytest.param("alice@example.com.", "alice@example.com", id="end of a sentence"),
        pytest.param("alice@example.com،", "alice@example.com", id="Persian comma"),
        pytest.param("alice+news@example.com", "alice+news@example.com", id="a tag stays"),
        pytest.param(f"ali@نامه{ZWNJ}ای.com", f"ali@نامه{ZWNJ}ای.com", id="a joiner in a Persian name stays"),
        pytest.param("ali@سایت۲.ir", "ali@سایت۲.ir", id="a digit in a Persian name stays"),
        pytest.param("ali۲@سایت.example۲.ir", "ali2@سایت.example2.ir", id="label by label"),
        pytest.param("ali ce@example.com", "ali ce@example.com", id="a space inside is left to be refused"),
        pytest.param("alice", "alice", id="no address at all"),
        pytest.param("", "", id="empty"),
        pytest.param("@", "@", id="only the sign"),
    ],
)
def test_what_was_typed_becomes_what_was_meant(typed: str, meant: str) -> None:
    assert tidy(typed) == meant


odd_text = st.text(st.sampled_from("aA1@.<> ,،:;!۱٢＠．。+-mailto" + ZWNJ + RLM + BOM + "یه\u3000ß"), max_size=40)


@given(st.one_of(st.text(), odd_text, odd_text.map(lambda text: "mailto:" + text)))
def test_tidying_never_fails_and_twice_is_once(typed: str) -> None:
    assert tidy(tidy(typed)) == tidy(typed)


@given(st.emails())
def test_a_correct_address_is_left_alone(address: str) -> None:
    assert tidy(address) == address or address.lower().startswith("mailto:")


@given(odd_text)
def test_no_bidi_mark_survives(typed: str) -> None:
    assert not {RLM, LRM, BOM} & set(tidy(typed))


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_letter_case_does_not_make_two_people() -> None:
    assert address_key("Alice", "Example.COM") == address_key("aLICE", "example.com") == "alice@example.com"
    assert address_key("alice", "example.com.") == "alice@example.com"


def test_dots_and_tags_make_two_people() -> None:
    keys = {address_key(local, "gmail.com") for local in ("alice.b", "aliceb", "aliceb+news")}
    assert len(keys) == 3


def test_two_ways_to_write_the_same_letters_are_one_key() -> None:
    assert address_key("andr\u00e9", "example.com") == address_key("andre\u0301", "example.com")


@pytest.mark.parametrize(
    ("local", "domain", "key"),
    [
        ("Alice.B+news", "GMail.com", "aliceb@gmail.com"),
        ("aliceb", "googlemail.com", "aliceb@gmail.com"),
        ("alice.b+x+y", "example.com", "alice.b@example.com"),
        ("alice.b", "protonmail.com", "aliceb@proton.me"),
        ("+news", "gmail.com", "+news@gmail.com"),
        ("...", "gmail.com", "...@gmail.com"),
    ],
)
def test_limits_of_rate_fold_what_reaches_one_mailbox(local: str, domain: str, key: str) -> None:
    assert rate_key(local, domain) == key


@given(st.emails())
def test_one_key_of_identity_has_one_key_of_rate(address: str) -> None:
    local, _, domain = address.rpartition("@")
    key_local, _, key_domain = address_key(local, domain).rpartition("@")
    assert rate_key(local, domain) == rate_key(key_local, key_domain)
    assert address_key(key_local, key_domain) == address_key(local, domain)


# ── What a name tells ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "local", ["info", "Sales", "postmaster", "NOREPLY", "no-reply", "info+web", "list-request", "owner-list"]
)
def test_an_office_is_no_person(local: str) -> None:
    assert is_role(local)


@pytest.mark.parametrize("local", ["alice", "information", "sara.sales", "bob", "", "wsales"])
def test_a_person_is_no_office(local: str) -> None:
    assert not is_role(local)


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("gmail.com", "gmail"),
        ("GoogleMail.com", "gmail"),
        ("yahoo.com", "yahoo"),
        ("yahoo.co.uk", "yahoo"),
        ("yahoo.com.br", "yahoo"),
        ("ymail.com", "yahoo"),
        ("outlook.com", "outlook"),
        ("hotmail.fr", "outlook"),
        ("live.nl", "outlook"),
        ("msn.com", "outlook"),
        ("icloud.com", "icloud"),
        ("me.com", "icloud"),
        ("chmail.ir", "chmail"),
        ("example.com", "example.com"),
        ("Example.com.", "example.com"),
        ("yahoo.example.com", "yahoo.example.com"),
        ("notgmail.com", "notgmail.com"),
        ("live.example", "live.example"),
    ],
)
def test_a_provider_is_known_by_its_domains(domain: str, name: str) -> None:
    assert provider(domain) == name


# ── Typos ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmail.co", "gmail.com"),
        ("gmial.con", "gmail.com"),
        ("outloook.con", "outlook.com"),
        ("gmail.ir", "gmail.com"),
        ("gnail.com", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("ggmail.com", "gmail.com"),
        ("GMIAL.COM", "gmail.com"),
        ("yaho.com", "yahoo.com"),
        ("yahoo.co", "yahoo.com"),
        ("yhaoo.com", "yahoo.com"),
        ("hotmial.com", "hotmail.com"),
        ("hotmail.cm", "hotmail.com"),
        ("outlok.com", "outlook.com"),
        ("iclod.com", "icloud.com"),
        ("chmial.ir", "chmail.ir"),
        ("chmail.com", "chmail.ir"),
        ("mihanmal.ir", "mihanmail.ir"),
        ("mihanmail.com", "mihanmail.ir"),
        ("company.con", "company.com"),
    ],
)
def test_a_slip_gets_a_hint(typed: str, meant: str) -> None:
    assert suggest_domain(typed) == meant
    assert suggest("Alice", typed) == f"Alice@{meant}"


@pytest.mark.parametrize(
    "domain",
    ["gmail.com", "mail.com", "email.com", "ymail.com", "yahoo.de", "yahoo.co.uk", "hotmail.it", "gmx.de", "me.com",
     "example.com", "company.ir", "university.edu", "love.com", "zoo.com", "mail.ru", "", "localhost", "a" * 5000],
)  # fmt: skip
def test_an_honest_domain_gets_none(domain: str) -> None:
    assert suggest_domain(domain) is None
    assert suggest("alice", domain) is None


@given(st.sampled_from(["gmail.com", "hotmail.com", "outlook.com", "mihanmail.ir", "icloud.com"]), st.data())
def test_any_single_slip_in_a_common_domain_gets_a_hint_that_is_a_known_provider(
    domain: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(domain) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    slip = data.draw(
        st.sampled_from(
            [
                domain[:at] + domain[at + 1 :],
                domain[:at] + letter + domain[at:],
                domain[:at] + letter + domain[at + 1 :],
            ]
        )
    )
    hint = suggest_domain(slip)
    if provider(slip) == slip:
        assert hint is not None
        assert provider(hint) != hint


@given(st.text(max_size=300))
def test_a_hint_never_fails_and_is_never_the_same(domain: str) -> None:
    assert suggest_domain(domain) != domain
