"""Tongues: the option by which a command is asked to answer in another language.

Owns that option. Must not say anything in either.
"""

from __future__ import annotations

import click

lang_option = click.option(
    "--lang",
    default="en",
    show_default=True,
    type=click.Choice(["en", "fa"]),
    help="The language of the answer, Persian or English.",
)
