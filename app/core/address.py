"""Mail addresses before and after validation: cleaning what was typed, the keys, and what a domain tells.

Owns the two keys, role accounts, providers and typo hints.
Must not validate or encode: that an address is correct, and its domain's A-label, is said at the mail edge.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

# ── Cleaning ─────────────────────────────────────────────────────────────────────────────────────────────────────────

# bidi marks, embeddings and isolates; soft hyphen, zero-width space, word joiner, byte order mark: never of an address
_INVISIBLE: Final = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u00ad\u200b\u2060\ufeff"
_JOINERS: Final = "\u200c\u200d"
_TRAILING: Final = ".,;:!،؛。"
_MARKS: Final = {ord(char): None for char in _INVISIBLE}
_WIDE: Final = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {0x3002: ".", 0xFF61: "."}
_DIGITS: Final = {zero + digit: str(digit) for zero in (0x0660, 0x06F0) for digit in range(10)}
_PLAIN: Final = _DIGITS | {ord(char): None for char in _JOINERS}


def tidy(typed: str) -> str:
    """What a person meant by what she typed or pasted; still to be validated. Never raises.

    Outer spaces, `mailto:`, angle brackets, closing punctuation, bidi marks and zero-width characters go; full-width
    characters become plain ones, Persian and Arabic digits Latin ones. In a label of the domain that has other
    letters than Latin ones, digits and joiners stay, for there they may be part of the name (RFC 5892,
    CONTEXTJ and CONTEXTO).
    """
    cleaned = _tidy_once(typed)
    while cleaned != typed:
        typed, cleaned = cleaned, _tidy_once(cleaned)
    return cleaned


def _tidy_once(typed: str) -> str:
    text = typed.translate(_MARKS).translate(_WIDE).strip().strip(_JOINERS).strip()
    if text[:7].lower() == "mailto:":
        text = text[7:]
    text = text.rstrip(_TRAILING).strip()
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1].strip()
    local, at, domain = text.rpartition("@")
    if not at:
        return domain.translate(_PLAIN)
    return f"{local.rstrip().translate(_PLAIN)}@{'.'.join(map(_tidy_label, domain.strip().split('.')))}"


def _tidy_label(label: str) -> str:
    plain = label.translate(_PLAIN)
    return plain if plain.isascii() else label


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def address_key(local: str, domain: str) -> str:
    """The key under which an address is unique. `domain` is the A-label.

    Letter case does not make two people, though mail keeps the case it was given; dots and `+tags` do.
    """
    return f"{unicodedata.normalize('NFC', unicodedata.normalize('NFC', local).casefold())}@{_bare(domain)}"


def rate_key(local: str, domain: str) -> str:
    """The key that limits of rate count under: `+tags` fold for all domains, dots where the provider ignores them.

    Never a person's identity: two people may share it.
    """
    key, _, host = address_key(local, domain).rpartition("@")
    host = _SAME_HOST.get(host, host)
    folded = key.partition("+")[0] or key
    if host in _IGNORES_DOTS:
        folded = folded.replace(".", "") or folded
    return f"{folded}@{host}"


def _bare(domain: str) -> str:
    return domain.lower().rstrip(".")


_SAME_HOST: Final = {
    "googlemail.com": "gmail.com",
    "protonmail.com": "proton.me",
    "pm.me": "proton.me",
    "ya.ru": "yandex.ru",
}
_IGNORES_DOTS: Final = frozenset({"gmail.com", "proton.me"})


# ── Role accounts ────────────────────────────────────────────────────────────────────────────────────────────────────

# RFC 2142, and names that likewise belong to an office rather than to a person
_ROLE_NAMES: Final = """
abuse noc security postmaster hostmaster usenet news webmaster www uucp ftp info marketing sales support
admin administrator billing bounce bounces careers compliance contact devnull donotreply enquiries feedback help
helpdesk hello hr inquiries jobs list listserv mail mailer-daemon mailerdaemon majordomo no-reply noreply office
orders owner press privacy purchasing registrar root spam subscribe sysadmin team unsubscribe
"""
_ROLES: Final = frozenset(_ROLE_NAMES.split())


def is_role(local: str) -> bool:
    """Whether the local part names an office (`info`, `sales`, `postmaster`; RFC 2142) rather than a person."""
    name = local.casefold().partition("+")[0]
    return name in _ROLES or name.endswith(("-request", "-owner", "-bounces")) or name.startswith("owner-")


# ── Providers ────────────────────────────────────────────────────────────────────────────────────────────────────────

_PROVIDERS: Final = {
    "gmail": "gmail.com googlemail.com",
    "yahoo": "ymail.com rocketmail.com myyahoo.com aol.com aim.com verizon.net",
    "outlook": "msn.com passport.com windowslive.com",
    "icloud": "icloud.com me.com mac.com",
    "proton": "proton.me protonmail.com pm.me",
    "yandex": "yandex.com yandex.ru ya.ru",
    "mailru": "mail.ru inbox.ru list.ru bk.ru internet.ru",
    "gmx": "gmx.net gmx.de gmx.com gmx.at gmx.ch web.de mail.com email.com",
    "zoho": "zoho.com zohomail.com",
    "fastmail": "fastmail.com fastmail.fm",
    "comcast": "comcast.net",
    "orange": "orange.fr wanadoo.fr",
    "libero": "libero.it",
    "naver": "naver.com",
    "qq": "qq.com foxmail.com",
    "netease": "163.com 126.com",
    "chmail": "chmail.ir",
    "mihanmail": "mihanmail.ir",
}
PROVIDERS: Final = frozenset(_PROVIDERS)
"""The names `provider` gives to consumer domains."""
_PROVIDER_OF: Final = {domain: name for name, domains in _PROVIDERS.items() for domain in domains.split()}
_REGIONAL: Final = re.compile(r"(yahoo|outlook|hotmail|live)\.(?:com|(?:com?\.)?[a-z]{2})")
_FAMILY: Final = {"yahoo": "yahoo", "outlook": "outlook", "hotmail": "outlook", "live": "outlook"}


def provider(domain: str) -> str:
    """Who runs the mailboxes of a consumer domain (`gmail`, `yahoo`, `outlook`, `icloud`, …), else the domain itself.

    Judged by name alone: a company's own domain at such a provider is told by its MX, elsewhere.
    """
    bare = _bare(domain)
    regional = _REGIONAL.fullmatch(bare)
    return _FAMILY[regional[1]] if regional else _PROVIDER_OF.get(bare, bare)


# ── Typos ────────────────────────────────────────────────────────────────────────────────────────────────────────────

# By how likely they are meant: the first of the nearest is proposed. Very short ones (me.com, live.com, zoho.com) are
# left out, for too many honest domains are one letter away.
_COMMON_DOMAINS: Final = """
gmail.com yahoo.com hotmail.com outlook.com icloud.com chmail.ir mihanmail.ir googlemail.com ymail.com
protonmail.com yandex.com yandex.ru fastmail.com yahoo.co.uk hotmail.co.uk rocketmail.com yahoo.fr hotmail.fr
comcast.net
"""
_COMMON: Final = tuple(_COMMON_DOMAINS.split())
_CHARS: Final = tuple(map(frozenset, _COMMON))
_MOST_CHARS: Final = 4
"""Letters only one of two texts has, when two edits lie between them: an edit brings one and takes one at most."""
_ONE_HOME: Final = {"gmail": "gmail.com", "hotmail": "hotmail.com", "chmail": "chmail.ir", "mihanmail": "mihanmail.ir"}
_WRONG_ENDINGS: Final = {
    "con": "com",
    "cmo": "com",
    "ocm": "com",
    "comm": "com",
    "vom": "com",
    "xom": "com",
    "nte": "net",
}


@lru_cache(maxsize=4096)
def suggest_domain(domain: str) -> str | None:
    """The domain probably meant (`gmial.com` → `gmail.com`), or None. A hint to show, never a correction to make.

    Within two edits (insert, delete, replace, swap) of a common domain, one edit when that is short; else an ending
    that does not exist. Known providers are never doubted. Idea: mailcheck.
    """
    bare = _bare(domain)
    if provider(bare) != bare or len(bare) > 253:
        return _suggest_for_regional(bare)
    name, dot, ending = bare.rpartition(".")
    if name in _ONE_HOME:
        return _ONE_HOME[name]
    chars = frozenset(bare)
    alike = (rank for rank, common in enumerate(_CHARS) if len(chars ^ common) <= _MOST_CHARS)
    near = [(_edits(bare, _COMMON[rank]), rank) for rank in alike if abs(len(bare) - len(_COMMON[rank])) <= 2]
    close = [(edits, rank) for edits, rank in near if edits <= (2 if len(_COMMON[rank]) > 8 else 1)]
    if close:
        return _COMMON[min(close)[1]]
    return f"{name}.{_WRONG_ENDINGS[ending]}" if dot and ending in _WRONG_ENDINGS else None


def _suggest_for_regional(bare: str) -> str | None:
    """`yahoo.co` and `hotmail.cm` look regional but are slips of `.com`."""
    name, _, ending = bare.partition(".")
    return f"{name}.com" if name in _FAMILY and ending in ("co", "cm", "om") else None


def suggest(local: str, domain: str) -> str | None:
    """The whole address probably meant, or None."""
    better = suggest_domain(domain)
    return None if better is None else f"{local}@{better}"


def _edits(one: str, other: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that turn one into the other (optimal alignment)."""
    before, last = list[int](), list(range(len(other) + 1))
    for row, char in enumerate(one, 1):
        line = [row]
        for column, against in enumerate(other, 1):
            best = min(last[column] + 1, line[-1] + 1, last[column - 1] + (char != against))
            if row > 1 and column > 1 and char == other[column - 2] and one[row - 2] == against:
                best = min(best, before[column - 2] + 1)
            line.append(best)
        before, last = last, line
    return last[-1]
