from __future__ import annotations

import subprocess
import sys

from syncpipe.bench.meter import cpu_s, peak_rss_mb, trees

_PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
subprocess.run([sys.executable, "-c", "sum(range(5_000_000))"])
print(child.pid, flush=True)
input()
child.communicate()
"""


def test_a_tree_has_the_living_and_the_time_of_the_dead():
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        child = int(parent.stdout.readline())
        assert trees([parent.pid]) == {parent.pid, child}
        assert cpu_s([parent.pid]) > cpu_s([child])
        assert peak_rss_mb([parent.pid]) > 1
        parent.communicate("\n")
    assert trees([parent.pid]) == {parent.pid}
    assert cpu_s([parent.pid]) == peak_rss_mb([parent.pid]) == 0
