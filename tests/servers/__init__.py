"""Servers for tests: real sockets, real protocols, and bad manners on request."""
