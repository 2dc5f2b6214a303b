"""The demo: what is made ready before it starts, and the addresses it prints.

Owns the demo's words and its sample codes. Must not run anything.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import click

from app.actions.inspect import inspect_folder
from app.actions.publish import Authorship, NotPublished, apply
from app.actions.shelf import Shelf
from app.actions.stock import import_codes
from app.cli.files import print_problems
from app.cli.migrating import migrate_or_exit
from app.core.offers import CodePool, Offer
from app.core.saying.notes import EXAMPLES as EXAMPLES_NOTE
from app.main import EXAMPLES, build_world, today
from app.settings import Settings
from app.world import World

CODES: Final = 500
"""Sample codes of each pool: more than any example offer's `low_at`, and than a demo has people."""
_LETTERS: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""What nobody mixes up when reading aloud."""


def prepare(settings: Settings, *, fresh: bool) -> None:
    """A migrated database with the example campaigns published and codes for their offers."""
    if fresh:
        _forget(settings)
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrate_or_exit(settings)
    world = build_world(settings)
    click.echo("reading campaigns and mails …")
    published = apply(world, inspect_folder(EXAMPLES, today()), Authorship("demo", EXAMPLES_NOTE))
    if isinstance(published, NotPublished):
        print_problems(published.problems)
        raise click.ClickException("the example campaigns have errors")
    fill_pools(world)
    world.database.dispose()


def fill_pools(world: World) -> None:
    """Sample codes for every pool a live offer names, imported as a shop's are. Another start brings the same ones."""
    with world.transaction("read") as session:
        shelved = Shelf(world.secret).look(session)
    offers: list[Offer] = list(shelved.workspace.offers.values()) if shelved else []
    for pool in sorted({offer.codes.pool for offer in offers if isinstance(offer.codes, CodePool)}):
        import_codes(world, offers, pool, _sample_codes(world.secret, pool))


def _sample_codes(secret: bytes, pool: str) -> Iterator[str]:
    """Such as `FB-7K2MQX` of the pool first-basket: short enough to type, and nobody else's demo has them."""
    prefix = "".join(word[:1] for word in pool.split("-")).upper()
    for number in range(CODES):
        drawn = hashlib.blake2b(f"{pool}:{number}".encode(), digest_size=6, key=secret[:64], person=b"parvar demo")
        yield f"{prefix}-{''.join(_LETTERS[byte % 32] for byte in drawn.digest())}"


def _forget(settings: Settings) -> None:
    for path in settings.data.iterdir() if settings.data.is_dir() else ():
        if path.name != "secret":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def keep_environment(data: Path, environ: Mapping[str, str]) -> Path:
    """Write what a shell needs to run commands beside the demo; the file's name as the person gave the folder."""
    path = data / "env"
    bin_folder = Path(sys.executable).parent
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environ.items()]
    lines.append(f'export PATH={shlex.quote(str(bin_folder))}:"$PATH"')
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    return path


def announce(settings: Settings, shop_port: int, environment: Path) -> None:
    """Where to look."""
    base = settings.base_url
    lines = [
        ("the shop, with the box", f"http://127.0.0.1:{shop_port}/"),
        ("its Persian side", f"http://127.0.0.1:{shop_port}/fa/"),
        ("every mail lands here", f"{base}/inbox"),
        ("the dashboard", f"{base}/dashboard"),
    ]
    click.echo("\nParvar is running. Open:")
    for words, url in lines:
        click.echo(f"  {words:<24} {url}")
    click.echo("\nCommands for it, in another terminal:")
    click.echo(f"  . {_here(environment)}   then, for example: parvar explain ADDRESS")
    click.echo("\nStop it with Ctrl-C; --fresh begins anew.\n")


def _here(path: Path) -> str:
    """A path a shell reads with `.`, which looks for bare names elsewhere."""
    text = shlex.quote(str(path))
    return text if text.startswith(("/", "'", ".")) else f"./{text}"
