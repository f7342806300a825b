from __future__ import annotations

from syncpipe.settings import without_ours


def test_what_configures_us_is_left_out_and_the_rest_stays():
    environ = {"PATH": "/bin", "SYNCPIPE__BROKER__URL": "x", "SYNCPIPE_CONFIG": "y", "SYNC": "z"}
    assert without_ours(environ) == {"PATH": "/bin", "SYNC": "z"}


def test_our_own_environment_is_taken_without_being_changed(monkeypatch):
    monkeypatch.setenv("SYNCPIPE_PROFILE", "production")
    monkeypatch.setenv("OTHER", "1")
    assert "SYNCPIPE_PROFILE" not in without_ours()
    assert without_ours()["OTHER"] == "1"
