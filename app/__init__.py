"""Parvar, an email nurture engine: the map of the house.

A pure core decides, a thin shell does. A room imports only from floors below its own; `make check` proves it.

    roof  main      the only wiring: builds the World, creates the web application
    5     web       pages and endpoints: boxes, preferences, hooks, dashboard, inbox, health; web.edge answers tracking
                    in front of Flask
    5     cli       the commands of `parvar`; the way in, so it may call the roof
    5     worker    the clock and what it drives: advance, deliver, ingest, sweep
    4     actions   one module per trip of data: load facts, ask the core, store the answer
    3     world     everything the core may not touch, as one value: settings, two clocks, new ids, transactions, links
    2     store     remembers: the only importer of SQLAlchemy; one file per aggregate
    2     mail      speaks mail: templates, inlining, MIME, SMTP, bounces
    2     files     reads campaigns/ and email_templates/ into core values, or into problems with file, line and column
    2     disk      spool, journal, folder locks, magnets
    2     net       webhooks out, the guard against private addresses, DNS
    2     links     every signed address we hand out, and reading it back
    1     settings  one frozen Settings from the environment; reports every fault at once
    0     core      decides; standard library only

This module imports nothing: importing one room never starts the house.
"""
