"""Start a program that outlives us.

Run as a script, ``python -I -S detached.py PROGRAM ARGUMENT…``, PROGRAM being a path. The program
is a grandchild of whoever runs this, so it is nobody's zombie later. Its process id is printed; its
output goes where our stderr goes.
"""

from __future__ import annotations

import os
import signal
import sys


def main(argv: list[str]) -> None:
    """Start *argv* in a session of its own and print its process id."""
    pid = os.fork()
    if pid:
        sys.stdout.write(f"{pid}\n")
        return
    os.setsid()
    os.dup2(2, 1)
    # Who starts us may have put them off, and programs inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execv(argv[0], argv)


if __name__ == "__main__":
    main(sys.argv[1:])
