"""Which files make up the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from syncpipe.settings.mistake import Mistake, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Variable that names the file.
FILE_VARIABLE = "SYNCPIPE_CONFIG"
#: Variable that names the profile.
PROFILE_VARIABLE = "SYNCPIPE_PROFILE"
#: Where the file is looked for when nothing names it, the first that exists: the user's own, that
#: of private services which are running, the one that lists every default.
PLACES = (Path("syncpipe.toml"), Path(".syncpipe/syncpipe.toml"), Path("config/syncpipe.toml"))


def find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return *path*, or the file that the environment names, or the first of `PLACES` that exists.

    What is named is returned even if it does not exist: reading it will say so.
    """
    if path is not None:
        return path
    if named := environ.get(FILE_VARIABLE):
        return Path(named)
    return next((place for place in PLACES if place.is_file()), None)


def find_profile(
    profile: str | None, file: Path | None, environ: Mapping[str, str]
) -> tuple[Path | None, list[Mistake]]:
    """Return ``NAME.toml`` beside *file*, NAME being *profile* or what the environment names."""
    name = profile or environ.get(PROFILE_VARIABLE)
    if not name:
        return None, []
    folder = file.parent if file is not None else Path("config")
    path = folder / f"{name}.toml"
    if path.is_file():
        return path, []
    others = sorted(each.stem for each in folder.glob("*.toml") if each != file)
    hint = (
        f"Profiles there: {', '.join(others)}." if others else f"Write {path}, or name no profile."
    )
    return None, [Mistake(Source("profile", str(path)), "", f"There is no profile {name!r}.", hint)]
