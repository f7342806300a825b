"""The pool of connections to one target, with database errors translated."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from syncpipe.database import connections
from syncpipe.resilience.classification import Classification
from syncpipe.targets.postgres.refusal import translate

if TYPE_CHECKING:
    from syncpipe.targets.postgres.options import PostgresOptions


class Connections(connections.Connections):
    """Connections to one target; what goes wrong on them is a TargetError."""

    def __init__(self, options: PostgresOptions) -> None:
        """Remember *options*; nothing is opened yet."""
        #: Returns what an error of the driver or the database means.
        self.translated = functools.partial(
            translate, target=options.name, classification=Classification(options.classify)
        )
        super().__init__(options, name=options.name, translate=self.translated)
