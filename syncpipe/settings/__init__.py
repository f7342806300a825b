"""The configuration: one frozen tree, checked once; nobody else reads the environment.

====================  ===========================================================================
module                noun
====================  ===========================================================================
:mod:`.tree`          the frozen tree
:mod:`.schema`        which keys there are, derived from the option dataclasses
:mod:`.search`        which files make up the configuration
:mod:`.layer`         what each source says
:mod:`.lines`         on which line of a file a key stands
:mod:`.interpolation` references to variables and files
:mod:`.conversion`    from what was written to the declared type
:mod:`.assembly`      from merged layers to the tree
:mod:`.consistency`   what must fit together
:mod:`.mistake`       one thing wrong, with its place and what to do
:mod:`.secrets`       what may be shown
:mod:`.listing`       the file that lists every key, and the starter file
:mod:`.loading`       `load` and `check`
:mod:`.environment`   the environment for processes that must not be configured by ours
====================  ===========================================================================
"""

from __future__ import annotations

from syncpipe.settings.assembly import Entry
from syncpipe.settings.environment import without_ours
from syncpipe.settings.loading import Loaded, check, load
from syncpipe.settings.mistake import Mistake, Source
from syncpipe.settings.tree import BrokerSettings, LogSettings, Settings

__all__ = [
    "BrokerSettings",
    "Entry",
    "Loaded",
    "LogSettings",
    "Mistake",
    "Settings",
    "Source",
    "check",
    "load",
    "without_ours",
]
