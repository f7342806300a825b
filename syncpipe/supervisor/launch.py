"""Become another program that cannot outlive its parent.

Run as a script, ``python -I -S launch.py PARENT SIGNAL USER PROGRAM ARGUMENT…``, PROGRAM being a
path. It is a program of its own, and not a hook between fork and exec, because such a hook can
deadlock a parent that has threads. The order matters: the user changes before the kernel is told
about the parent's death, because changing the user makes the kernel forget it (prctl(2),
PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys

#: Number of the request in <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1
#: Exit status of a shell that cannot run a program.
_CANNOT_RUN = 127


def become(user: str) -> None:
    """Give up root for *user*, with the groups that the user has and no other."""
    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def die_with(parent: int, signum: int) -> None:
    """Ask the kernel for *signum* when *parent* dies; end at once if it is dead already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signum)
    if os.getppid() != parent:
        os._exit(_CANNOT_RUN)


def restore_signals() -> None:
    """Undo what Python does to signals at its start, which a program would inherit."""
    for signum in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(signum, signal.SIG_DFL)


def main(arguments: list[str]) -> None:
    """Become the program that *arguments* name; does not return."""
    parent, signum, user, *argv = arguments
    try:
        if user:
            become(user)
        restore_signals()
        die_with(int(parent), int(signum))
        # Nothing may be imported by now: the new user may not be able to read our Python.
        os.execv(argv[0], argv)
    except (OSError, KeyError) as error:
        sys.exit(f"syncpipe: cannot run {argv[0]}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
