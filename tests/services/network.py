"""The guard that keeps tests on this machine: no name is looked up and no address called but loopback.

An audit hook sees every socket of this process, whoever made it, and nothing needs to be patched. Programs that tests
start are not seen; Chromium gets a resolver rule of its own.
"""

import ipaddress
import socket
import sys

# smtplib asks for it to say EHLO
_OWN_NAME = socket.gethostname()


class NetworkBlocked(RuntimeError):
    """A test wanted to leave this machine."""


def is_local(host: object) -> bool:
    """True for loopback addresses, `localhost`, its subdomains, this machine's own name, and for no host at all."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name is None or name == "":
        return True
    if not isinstance(name, str):
        return False
    if name in {"localhost", _OWN_NAME} or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _target(event: str, args: tuple[object, ...]) -> object:
    if event == "socket.getaddrinfo":
        return args[0]
    address = args[1] if len(args) > 1 else None
    # a path or bytes is a socket of the file system
    return address[0] if isinstance(address, tuple) and address else None


_WATCHED = frozenset(
    {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"}
)


def _watch(event: str, args: tuple[object, ...]) -> None:
    if event not in _WATCHED:
        return
    host = args[0] if event == "socket.gethostbyname" else _target(event, args)
    if not is_local(host):
        raise NetworkBlocked(f"tests stay on this machine, but {event} wanted {host!r}")


def keep_to_this_machine() -> None:
    """Installs the guard for the rest of this process; it cannot be taken off."""
    sys.addaudithook(_watch)
