"""What a DKIM signature costs beside the bare one: CPU µs, medians of interleaved rounds.

    python -m benchmarks.signing [--rounds 15] [--mails 200]

The mails are those of mail_build cut to 24 KB; dkimpy signs the same ones. Ends with code 1 when our own part, all that
is not the signature itself, is above its goal.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median

import dkim

from app.mail.dkim import Signer, _body_hash, _chosen, sign
from app.mail.message import render
from benchmarks._sending import pem_of, signer_of
from benchmarks.mail_build import compiled, context, person

GOAL = 35.0
AT = 1_790_000_000_000_000
SIZE = 24_600


def mails(count: int) -> list[bytes]:
    """Messages of 24 KB that differ as those to different people do; cut after a line, closed as before."""
    mail = compiled("en")
    made = [render(mail, person(number, "en"), context(number)).data for number in range(count)]
    return [data[: data.rfind(b"\r\n", 0, SIZE)] + b"\r\n--=_pv_a--\r\n" for data in made]


def by_dkimpy(data: bytes) -> object:
    relaxed = b"relaxed", b"relaxed"
    return dkim.sign(data, b"bench", b"example.com", pem_of("rsa"), canonicalize=relaxed)


def candidates() -> dict[str, Callable[[bytes], object]]:
    ed25519, rsa = signer_of("ed25519"), signer_of("rsa")

    def ours(*signers: Signer, is_relaxed: bool = True) -> Callable[[bytes], object]:
        return lambda data: sign(data, signers, AT, is_relaxed=is_relaxed)

    return {
        "bare ed25519": lambda data: ed25519._sign(data[:1200]),
        "bare rsa": lambda data: rsa._sign(data[:1200]),
        "  hash of the body": lambda data: _body_hash(data, 700, is_relaxed=True),
        "  headers": lambda data: _chosen(data[: data.find(b"\r\n\r\n")]),
        "ed25519": ours(ed25519),
        "rsa": ours(rsa),
        "both": ours(rsa, ed25519),
        "ed25519, body looked through": ours(ed25519, is_relaxed=False),
    }


def timed(work: Callable[[bytes], object], messages: Sequence[bytes]) -> float:
    """CPU microseconds of one call."""
    began = time.process_time()
    for data in messages:
        work(data)
    return (time.process_time() - began) / len(messages) * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--mails", type=int, default=200)
    given = parser.parse_args()
    messages = mails(given.mails)
    costs: dict[str, list[float]] = {}
    for _ in range(given.rounds):
        for name, work in candidates().items():
            costs.setdefault(name, []).append(timed(work, messages))
        costs.setdefault("rsa by dkimpy", []).append(timed(by_dkimpy, messages[:5]))
    cost = {name: median(each) for name, each in costs.items()}
    return _report(cost, len(messages[0]))


def _report(cost: dict[str, float], size: int) -> int:
    print(f"{size} bytes a mail; CPU µs")
    bare = {kind: cost[f"bare {kind}"] for kind in ("ed25519", "rsa")} | {
        "both": cost["bare ed25519"] + cost["bare rsa"]
    }
    missed = False
    for name, each in cost.items():
        above = each - bare[name] if name in bare else 0.0
        print(f"{name:32}{each:8.1f}" + (f"   {above:.1f} above the bare signature" if name in bare else ""))
        missed |= above > GOAL and name != "both"
    print(f"goal: at most {GOAL:.0f} above the bare signature")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
