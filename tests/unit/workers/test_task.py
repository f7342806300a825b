from __future__ import annotations

import pytest
from celery.exceptions import Reject

from workers import task


@pytest.mark.parametrize("kind", [task.Apply, task.Record])
def test_a_worker_without_our_strategy_sends_the_message_back_after_a_pause(monkeypatch, kind):
    pauses = []
    monkeypatch.setattr(task.time, "sleep", pauses.append)
    with pytest.raises(Reject) as rejection:
        kind().run("whatever")
    assert rejection.value.requeue is True
    assert pauses == [1.0]
