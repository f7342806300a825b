"""``${env:NAME}`` and ``${file:PATH}`` inside texts, so that secrets stay out of files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from syncpipe.settings.conversion import UnfitError

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\{([^}]*)\}")


def interpolate(value: object, environ: Mapping[str, str]) -> object:
    """Return *value* with references replaced, in texts and lists of texts.

    What is put in is not looked at again. One newline at the end of a file is left out.

    Raises:
        UnfitError: a variable is not set, a file cannot be read, or the reference has another form.

    """
    if isinstance(value, list):
        return [interpolate(each, environ) for each in value]
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: _referent(match[1], environ), value)
    return value


def refers(value: object) -> bool:
    """Tell whether *value* is a text with references."""
    return isinstance(value, str) and _REFERENCE.search(value) is not None


def is_reference(value: object) -> bool:
    """Tell whether *value* is a text with one reference and nothing else."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def _referent(reference: str, environ: Mapping[str, str]) -> str:
    kind, _, name = reference.partition(":")
    match kind:
        case "env" if name in environ:
            return environ[name]
        case "env":
            raise UnfitError(f"The variable {name!r} is not set.", f"Set {name}, then start again.")
        case "file":
            return _contents(Path(name))
    raise UnfitError(
        f"${{{reference}}} is not a reference.", "Write ${env:NAME} or ${file:/run/secrets/name}."
    )


def _contents(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        fault = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UnfitError(
            f"{path} cannot be read: {fault}.", "Put the secret there, readable for this user."
        ) from error
