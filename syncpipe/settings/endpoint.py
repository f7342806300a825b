"""What must fit together in the options of an HTTP target, and in what a target's errors mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.resilience.classification import (
    HTTP_FAULTS,
    ErrorClass,
    is_http_key,
    is_sqlstate_key,
)
from syncpipe.settings.mistake import did_you_mean
from syncpipe.targets.http.options import HttpOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncpipe.settings.tree import TargetOptions

#: A path below the target's table, what is wrong there, and what to write instead.
Finding = tuple[tuple[str, ...], str, str]

_URL_HINT = "Write https://host/path; a secret belongs into token or headers."
_HEADER_HINT = (
    "Name what the endpoint wants beside what every request has, in printable ASCII without spaces "
    "at its ends."
)
_TOKEN_HINT = "Write it in printable ASCII without spaces, without the word Bearer."  # noqa: S105 - a hint


def endpoint_findings(target: HttpOptions) -> Iterator[Finding]:
    """Yield what no request to the endpoint of *target* could be made of."""
    from syncpipe.targets.http.address import (  # noqa: PLC0415 - loads slowly
        header_fault,
        token_fault,
        url_fault,
    )

    for key, url in (("url", target.url), ("health_url", target.health_url)):
        if url and (fault := url_fault(url)):
            yield (key,), fault, _URL_HINT
    if target.token is not None and (fault := token_fault(target.token)):
        yield ("token",), fault, _TOKEN_HINT
    for name, value in target.headers.items():
        if fault := header_fault(name, value):
            yield ("headers", name), fault, _HEADER_HINT
        elif target.token is not None and name.lower() == "authorization":
            fault, hint = "The token is sent in this header.", "Leave out one of them."
            yield ("headers", name), fault, hint
    names = [name.lower() for name in target.headers]
    if twice := next((name for name in target.headers if names.count(name.lower()) > 1), None):
        yield ("headers", twice), "A header is named twice.", "Name each header once."


def meaning_findings(target: TargetOptions) -> Iterator[Finding]:
    """Yield what *target* can never answer, or what can be no answer's meaning."""
    http = isinstance(target, HttpOptions)
    for key, class_ in target.classify.items():
        if not (is_http_key(key) if http else is_sqlstate_key(key)):
            yield ("classify", key), f"No error is called {key!r} here.", _key_hint(key, http=http)
        if class_ is ErrorClass.CRASH:
            others = ", ".join(each.value for each in ErrorClass if each is not class_)
            hint = f"Write one of: {others}."
            yield ("classify", key), "No answer means that a process of ours has died.", hint


def _key_hint(key: str, *, http: bool) -> str:
    if not http:
        return 'Write an SQLSTATE or its beginning, such as "23505" or "23".'
    if key.isdigit():
        return f'Write "http {key}".' if is_http_key(f"http {key}") else 'Write "http 409".'
    return did_you_mean(key, {"http 409", *HTTP_FAULTS})
