"""The pytest plugin: the fixture ``syncpipe_memory``.

It imports nothing of syncpipe until a test asks for the fixture.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncpipe.testing.kit import Harness


@pytest.fixture
def syncpipe_memory() -> Iterator[Callable[..., Harness]]:
    """Makes harnesses, ``syncpipe_memory(Collection("orders", ("crm",)))``, closed afterwards."""
    from syncpipe.testing.kit import Harness  # noqa: PLC0415 - unrelated test runs stay fast

    with contextlib.ExitStack() as stack:

        def make(*arguments: object, **options: object) -> Harness:
            return stack.enter_context(Harness(*arguments, **options))  # type: ignore[arg-type]

        yield make
