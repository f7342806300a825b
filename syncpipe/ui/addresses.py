"""Every address of ours."""

from __future__ import annotations

from typing import Any

from tornado.web import url

from syncpipe.ui import letters_api, records_api
from syncpipe.ui.assets import STATIC
from syncpipe.ui.handling import Static, UnknownApi
from syncpipe.ui.letters_page import LettersPage
from syncpipe.ui.pipeline import PipelineApi, PipelinePage

_API = "/syncpipe/api/v1"


def handlers() -> list[Any]:
    """Return the handler of each address; the first that fits counts."""
    letters, replays, audit = f"{_API}/dead-letters", f"{_API}/replays", f"{_API}/audit"
    return [
        url(r"/syncpipe/dead-letters", LettersPage, name="sp-dead-letters"),
        url(r"/syncpipe/pipeline", PipelinePage, name="sp-pipeline"),
        url(r"/syncpipe/static/(.*)", Static, {"path": str(STATIC)}, name="sp-static"),
        url(f"{_API}/pipeline", PipelineApi, name="sp-api-pipeline"),
        url(letters, letters_api.ListApi, name="sp-api-letters"),
        url(f"{letters}/count", letters_api.CountApi),
        url(f"{letters}/groups", letters_api.GroupsApi),
        url(f"{letters}/stats", letters_api.StatsApi),
        url(f"{letters}/export", letters_api.ExportApi),
        url(f"{letters}/mute", letters_api.MuteApi),
        url(f"{letters}/(replay|discard|restore|purge)", letters_api.ActApi),
        url(f"{letters}/([^/]+)/reveal", letters_api.RevealApi),
        url(f"{letters}/([^/]+)/edit", letters_api.EditApi),
        url(f"{letters}/([^/]+)", letters_api.ShowApi),
        url(replays, records_api.ReplaysApi, name="sp-api-replays"),
        url(f"{replays}/([^/]+)", records_api.ReplayApi),
        url(f"{replays}/([^/]+)/(pause|resume|cancel)", records_api.ReplayActApi),
        url(audit, records_api.AuditApi, name="sp-api-audit"),
        url(f"{audit}/verify", records_api.VerifyApi),
        url(f"{audit}/export", records_api.AuditExportApi),
        url(f"{_API}(?:/.*)?", UnknownApi),
    ]
