"""The pages: tabs in Flower for dead letters and the pipeline, and the same as JSON.

`install` has to run before Flower's application is made; ``celery -A workers.app flower`` and
``syncpipe ui`` do that. Nothing is connected before somebody looks at a page.
"""

from syncpipe.ui.seams import install
from syncpipe.ui.serving import Launch, serve

__all__ = ["Launch", "install", "serve"]
