"""A process the kernel ends at its next request for memory (seccomp, Linux): no code of its own runs any more.

Not the kernel's hunt for memory, which needs a control group; but the same death at the same place, for whoever may not
make one. It is told by SIGSYS instead of SIGKILL.
"""

from __future__ import annotations

import ctypes
import platform
import struct
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Calls:
    """Numbers of system calls."""

    seccomp: int
    asking: tuple[int, ...]
    """mmap, brk, mremap."""


_MACHINES = {"x86_64": _Calls(317, (9, 12, 25)), "aarch64": _Calls(277, (222, 214, 216))}
_NO_NEW_PRIVILEGES, _SET_FILTER, _ALL_THREADS = 38, 1, 1
_LOAD_NUMBER, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_KILL_PROCESS, _ALLOW = 0x8000_0000, 0x7FFF_0000


def can_be_forbidden() -> bool:
    return platform.system() == "Linux" and platform.machine() in _MACHINES


def forbid() -> None:
    """From now on, whichever thread of this process asks for memory ends it. Raises OSError where that is refused."""
    calls, kernel = _MACHINES[platform.machine()], ctypes.CDLL(None, use_errno=True)
    filters = _program(calls.asking)
    head = struct.pack("HxxxxxxP", len(filters) // 8, ctypes.addressof(held := ctypes.create_string_buffer(filters)))
    kernel.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if kernel.syscall(calls.seccomp, _SET_FILTER, _ALL_THREADS, head):
        raise OSError(ctypes.get_errno(), f"seccomp is refused ({len(held)} bytes)")


def _program(numbers: tuple[int, ...]) -> bytes:
    """Classic BPF: each of these calls jumps to the kill at the end, every other one is let through."""
    tests = [struct.pack("HBBI", _IF_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    ends = [struct.pack("HBBI", _RETURN, 0, 0, what) for what in (_ALLOW, _KILL_PROCESS)]
    return b"".join([struct.pack("HBBI", _LOAD_NUMBER, 0, 0, 0), *tests, *ends])
