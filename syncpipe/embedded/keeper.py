"""The process behind :func:`syncpipe.embedded.keep`: holds the services until a signal."""

from __future__ import annotations

import sys
from pathlib import Path

from syncpipe.embedded.services import Options, attached
from syncpipe.errors import EmbeddedError
from syncpipe.supervisor import Stopped


def main(state_dir: str, postgres_major: str, durability: str) -> None:
    """Run the services of *state_dir* until SIGTERM; does not return before."""
    options = Options(postgres_major=int(postgres_major), durable=durability == "durable")
    try:
        with attached(Path(state_dir), options, signals=True) as running:
            running.supervisor.wait()
    except Stopped:
        return
    except EmbeddedError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
