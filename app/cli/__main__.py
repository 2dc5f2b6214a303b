"""`python -m app.cli` is `parvar`."""

from app.cli import main

main()
