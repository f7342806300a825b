"""Every address of ours."""

from __future__ import annotations

from typing import Any

from tornado.web import StaticFileHandler, url

from syncpipe.ui.assets import STATIC
from syncpipe.ui.pipeline import PipelineApi, PipelinePage


def handlers() -> list[Any]:
    """Return the handler of each address."""
    return [
        url(r"/syncpipe/dead-letters", PipelinePage, name="sp-dead-letters"),
        url(r"/syncpipe/pipeline", PipelinePage, name="sp-pipeline"),
        url(r"/syncpipe/api/v1/pipeline", PipelineApi, name="sp-api-pipeline"),
        url(r"/syncpipe/static/(.*)", StaticFileHandler, {"path": str(STATIC)}, name="sp-static"),
    ]
