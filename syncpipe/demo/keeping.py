"""A stage that outlives us, for people to play on."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from syncpipe.demo.stage import CONFIG_NAME, Stage, build_stage, names_of_workers
from syncpipe.embedded import end, find, keep
from syncpipe.errors import ChildFailed, NotRunning
from syncpipe.settings import without_ours
from syncpipe.supervisor import detach, signals_postponed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Seconds that the workers get to come up.
_START_S = 60.0
#: Seconds between two looks.
_LOOK_S = 0.1


def keep_stage(state_dir: Path, processes: int, say: Callable[[str], object]) -> Stage:
    """Start services and worker processes that outlive us, and return when all serve.

    Nothing is left behind when that fails or is interrupted. Raises SyncpipeError.
    """
    keep(state_dir)
    try:
        say("started a private Redis and a private PostgreSQL")
        return _hired(state_dir, processes, say)
    except BaseException:
        end_stage(state_dir)
        raise


def end_stage(state_dir: Path) -> bool:
    """Stop what of the workers and services of *state_dir* runs; return whether anything did.

    Raises EmbeddedError when it belongs to another user.
    """
    running = end(state_dir)
    with suppress(FileNotFoundError):
        (state_dir / CONFIG_NAME).unlink()
    return running


def _hired(state_dir: Path, processes: int, say: Callable[[str], object]) -> Stage:
    services = find(state_dir)
    if services is None:
        raise NotRunning(f"The services of {state_dir} have ended.")
    stage = build_stage(services)
    log = stage.logs / "workers.log"
    argv = (
        *(sys.executable, "-m", "syncpipe.cli", "worker", "--config", str(stage.config)),
        *("--processes", str(processes)),
    )
    with signals_postponed():
        crew = detach(argv, log=log, env=without_ours())
        services.adopt(crew)
    deadline = time.monotonic() + _START_S
    while len(names_of_workers(stage)) < processes:
        if not crew.alive() or time.monotonic() > deadline:
            raise ChildFailed(f"The workers did not start; {log} says why.")
        time.sleep(_LOOK_S)
    say(f"started {processes} worker process{'es' if processes > 1 else ''}")
    return stage
