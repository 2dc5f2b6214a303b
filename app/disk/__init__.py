"""The disk room: the spool, the journal, the locked folder of a node, magnets.

Owns every file that Parvar itself appends to outside the database.
Must not know what a message or a click means.
"""
