"""What every address of ours has in common: who may ask, and what errors look like."""

from __future__ import annotations

import asyncio
import json
import traceback
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import structlog
from flower.views import BaseHandler
from tornado.web import HTTPError, StaticFileHandler, authenticated

from syncpipe.errors import SyncpipeError
from syncpipe.ui import guard, words
from syncpipe.ui.assets import asset
from syncpipe.ui.body import Body, fit
from syncpipe.ui.refusal import Refusal, described

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.core.access import Identity
    from syncpipe.ui.backend import Backend

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: Nothing from elsewhere, nothing inline but the styles of charts, and in nobody's frame.
_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
)


class Guarded(BaseHandler):
    """Answers only whom it may; Flower decides who they are."""

    def set_default_headers(self) -> None:
        """Let no other page read or frame this, and nobody keep it."""
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("X-Frame-Options", "DENY")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Security-Policy", _POLICY)

    def options(self, *_: object, **__: object) -> None:
        """Refuse what Flower would answer for other origins."""
        raise HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)

    def check_xsrf_cookie(self) -> None:
        """Return: `prepare` looks at the origin instead, whoever asks."""

    def prepare(self) -> None:
        """Refuse who may not ask, and what must not be asked that way."""
        options, request = self.application.options, self.request
        if not (options.basic_auth or options.auth):
            guard.require_loopback(request.remote_ip or "", request.host, request.headers)
        self.require_user()
        if request.method == "GET":
            guard.require_looked_at(request.headers)
        else:
            guard.require_same_origin(request.host, request.headers)
        if request.method == "POST":
            guard.require_json(request.headers.get("Content-Type", ""))
            self._require_writable()

    def require_user(self) -> None:
        """Return if Flower knows who asks; a body of JSON needs no page to sign in."""
        if not self.current_user:
            raise HTTPError(HTTPStatus.UNAUTHORIZED)

    def body(self) -> Body:
        """Return the object that was sent. Raises Refusal."""
        return Body(self.request.body)

    @property
    def backend(self) -> Backend:
        """What this process asks."""
        backend: Backend = self.settings["syncpipe"]
        return backend

    @property
    def read_only(self) -> bool:
        """Whether nothing may be changed, whoever asks."""
        return bool(self.application.options.read_only)

    @property
    def identity(self) -> Identity:
        """Who asks, and what that allows."""
        options = self.application.options
        if options.auth:
            actor = f"oauth:{self.current_user}"
        elif options.basic_auth:
            actor = guard.basic_name(self.request.headers["Authorization"])
        else:
            actor = guard.ANONYMOUS
        return self.backend.identity(actor)

    def text(self, name: str, default: str = "") -> str:
        """Return an argument of the address as it was written. Raises Refusal."""
        found = self.get_argument(name, default, strip=False, escape=False)
        return fit(name, found if isinstance(found, str) else default)

    async def ask(self, question: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Return what *question* returns; it runs where it blocks no other page."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.backend.executor, partial(question, *args, **kwargs))

    def _require_writable(self) -> None:
        """Return if something may be changed here. Raises Refusal."""
        if self.read_only:
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "This Flower is read-only.",
                "Use another, or the command line.",
            )

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log what nobody expected: where, but not what it says, which may be in operations.

        Of what we refuse, the answer tells.
        """
        if not isinstance(value, SyncpipeError | HTTPError):
            structlog.get_logger("syncpipe.ui").error(
                "request-failed",
                path=self.request.path,
                error=typ.__name__,
                at="".join(traceback.format_tb(tb)),
            )

    def failure(self, status: int, exc_info: Any) -> dict[str, Any]:
        """Set the status of what went wrong, and return what is said of it."""
        error = exc_info[1] if exc_info else None
        status, said = described(error, status)
        self.set_status(status)
        if status == HTTPStatus.UNAUTHORIZED and not self.application.options.auth:
            self.set_header("WWW-Authenticate", 'Basic realm="flower"')
        return said


class Page(Guarded):
    """A page, or a part of one, for people."""

    def require_user(self) -> None:
        """Let them sign in first."""
        _signed_in(self)

    def get_template_namespace(self) -> dict[str, Any]:
        """Add what our templates use."""
        return {**super().get_template_namespace(), "asset": asset, "words": words}

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Show what went wrong, and what to do."""
        said = self.failure(status_code, kwargs.get("exc_info"))
        if not hasattr(self, "_current_user"):
            self.current_user = None  # so that the page does not ask again
        part = "X-Part" in self.request.headers
        self.render("sp-error-part.html" if part else "sp-error.html", error=said)


@authenticated
def _signed_in(_handler: Page) -> None:
    """Do nothing; who is not signed in is sent to where they can."""


class Api(Guarded):
    """Answers in JSON."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with code, message and hint."""
        self.answer(self.failure(status_code, kwargs.get("exc_info")))

    def answer(self, value: object) -> None:
        """End with *value*; what JSON does not have becomes text."""
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.finish(json.dumps(value, default=str, ensure_ascii=False))


class UnknownApi(Api):
    """What stands for every address that there is not."""

    def prepare(self) -> None:
        """Say so, to whom it may."""
        super().prepare()
        raise HTTPError(HTTPStatus.NOT_FOUND)


class Static(StaticFileHandler):
    """Scripts and styles, for everybody."""

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Refuse what no file can be called, which tornado asks the system for."""
        if "\0" in absolute_path:
            raise HTTPError(HTTPStatus.NOT_FOUND)
        return super().validate_absolute_path(root, absolute_path)
