"""What was finished before: a harness that was interrupted goes on where it ended."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_CODE = {".json", ".lua", ".mjs", ".py", ".sql", ".txt"}
_FILE = "state.json"


@dataclass(frozen=True)
class Run:
    """One run, which may take several goes; its results are of one seed, one form and one code."""

    directory: Path
    seed: int
    short: bool
    commit: str
    code: str
    #: What each finished cell came to, by name.
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    def finish(self, name: str, result: dict[str, Any]) -> None:
        """Keep the result of a cell."""
        self.results[name] = result
        content = {
            "seed": self.seed,
            "short": self.short,
            "commit": self.commit,
            "code": self.code,
            "results": self.results,
        }
        part = self.directory / f"{_FILE}.part"
        part.write_text(json.dumps(content, indent=1))
        part.rename(self.directory / _FILE)

    def random(self, name: str) -> random.Random:
        """Return the chance that decides in a cell, the same for the same seed."""
        return random.Random(f"{self.seed} {name}")


def resumed(
    directory: Path, *, names: list[str], seed: int | None, short: bool, fresh: bool, code: str
) -> Run:
    """Return the run to go on with, or a new one.

    An earlier run goes on if it has the same *code*, form and, where one is given, *seed*, unless
    it is finished and no seed asks for it; *names* are the cells wanted now.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kept = {} if fresh else _read(directory / _FILE)
    same = (kept.get("code"), kept.get("short")) == (code, short)
    unfinished = bool(set(names) - set(kept.get("results", ())))
    if same and (unfinished if seed is None else seed == kept["seed"]):
        return Run(directory, kept["seed"], short, kept["commit"], code, kept["results"])
    drawn = random.SystemRandom().getrandbits(32) if seed is None else seed
    return Run(directory, drawn, short, commit(), code)


def commit() -> str:
    """Return the commit that is checked out, if there is one."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def code_digest(*sources: str) -> str:
    """Return a digest of all code in *sources*, committed or not, that results depend on."""
    digest = hashlib.blake2b(digest_size=8)
    for source in sources:
        for path in sorted((ROOT / source).rglob("*")):
            if path.suffix in _CODE and "node_modules" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """Return what an earlier run has kept; nothing if that cannot be read."""
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
