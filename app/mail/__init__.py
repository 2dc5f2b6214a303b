"""The mail room: sources become compiled mails, a compiled mail and a person become one message on the wire.

Owns templates, inlining, the text part, MIME, DKIM and SMTP. It is handed every value, address and signed link; it
must not read the database, make links or decide who gets what.
"""
