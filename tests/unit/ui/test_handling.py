"""Who may ask, in what way, and what errors look like: through a real Flower."""

from __future__ import annotations

import os
from typing import ClassVar
from unittest.mock import patch

from structlog.testing import capture_logs

from tests.unit.ui.flower import FlowerCase

LETTERS = "/syncpipe/api/v1/dead-letters"
REPLAY = f"{LETTERS}/replay"
PAGES = ("/syncpipe/dead-letters", "/syncpipe/pipeline")


class Unauthenticated(FlowerCase):
    def test_errors_are_json_with_code_message_and_hint(self):
        said = self.said(self.ask(LETTERS))
        assert set(said) == {"code", "message", "hint"}
        assert said["code"] == "SP-E703"
        assert self.ask(LETTERS).code == 503

    def test_other_methods_are_refused(self):
        for path in (LETTERS, f"{LETTERS}/stats", "/syncpipe/api/v1/audit"):
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                body = {} if method == "POST" else None
                answer = self.ask(path, method, body=body)
                assert (path, method, answer.code) == (path, method, 405)
                assert self.said(answer)["code"] == "SP-E800"
        assert self.ask(REPLAY, "GET").code == 405
        assert self.ask(f"{LETTERS}/x/edit", "GET").code == 405
        assert self.ask(f"{LETTERS}/x/reveal", "GET").code == 405

    def test_a_body_that_is_no_json_is_refused(self):
        for said, code in (("text/plain", 415), ("application/x-www-form-urlencoded", 415)):
            assert self.ask(REPLAY, "POST", body="{}", Content_Type=said).code == code
        for body in ("", "x", "[]", "{"):
            answer = self.ask(REPLAY, "POST", body=body, Content_Type="application/json")
            assert (body, answer.code) == (body, 400)
        big = '{"where": "' + "x" * 1_000_001 + '"}'
        assert self.ask(REPLAY, "POST", body=big, Content_Type="application/json").code == 413

    def test_pages_of_others_change_nothing(self):
        for headers in (
            {"Sec_Fetch_Site": "cross-site"},
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
        ):
            assert self.ask(REPLAY, "POST", body={}, **headers).code == 403
            assert self.ask("/syncpipe/dead-letters", "POST", body={}, **headers).code == 403

    def test_whoever_does_not_sit_at_this_machine_sees_nothing(self):
        for path in (*PAGES, LETTERS, "/syncpipe/api/v1/pipeline"):
            for headers in ({"Host": "evil.example"}, {"X_Forwarded_For": "10.0.0.1"}):
                answer = self.ask(path, **headers)
                assert (path, answer.code) == (path, 403)
                assert b"FLOWER_BASIC_AUTH" in answer.body

    def test_no_other_page_may_read_or_frame_ours(self):
        with patch.dict(os.environ, {"FLOWER_UNAUTHENTICATED_API": "true"}):
            for path in (*PAGES, LETTERS):
                headers = self.ask(path).headers
                assert "Access-Control-Allow-Origin" not in headers
                assert headers["X-Frame-Options"] == "DENY"
                assert headers["Cache-Control"] == "no-store"
                assert "default-src 'self'" in headers["Content-Security-Policy"]

    def test_a_fault_of_ours_is_told_without_what_it_says(self):
        fault = ValueError("canary-4111")
        with patch.object(self.backend, "letters", side_effect=fault), capture_logs() as lines:
            answer = self.ask(LETTERS)
            assert (answer.code, self.said(answer)["code"]) == (500, "SP-E000")
            page = self.ask("/syncpipe/dead-letters")
            assert page.code == 500
            assert b"canary" not in answer.body + page.body
        assert [line["error"] for line in lines] == ["ValueError", "ValueError"]
        assert "canary" not in str(lines)


class Authenticated(FlowerCase):
    given: ClassVar = {"basic_auth": ["ann:secret", "bob:other"]}

    def test_nobody_is_heard_without_a_password(self):
        for user in (None, "ann:wrong", "eve:secret", "ann", ""):
            for path in (*PAGES, LETTERS):
                answer = self.ask(path, user=user)
                assert (path, user, answer.code) == (path, user, 401)
                assert "Basic" in answer.headers["WWW-Authenticate"]
        assert self.ask(LETTERS, Authorization="Bearer x").code == 401
        assert self.said(self.ask(LETTERS))["code"] == "SP-E800"

    def test_with_one_others_are_heard_too(self):
        headers = {"Host": "sync.example", "X_Forwarded_For": "10.0.0.1"}
        assert self.ask(PAGES[1], user="ann:secret", **headers).code == 200
        assert self.ask(LETTERS, user="bob:other", **headers).code == 503

    def test_whoever_asks_is_known_by_name(self):
        asked = []
        with patch.object(self.backend, "identity", side_effect=asked.append):
            self.ask(LETTERS, user="bob:other")
        assert asked == ["basic:bob"]


class ByMail(FlowerCase):
    given: ClassVar = {"auth": "ann@example.org"}

    def test_who_is_not_signed_in_is_sent_to_where_they_can(self):
        answer = self.ask(PAGES[0])
        assert answer.code == 302
        assert "/login" in answer.headers["Location"]
        assert self.ask(LETTERS).code == 401
        assert self.ask(REPLAY, "POST", body={}).code == 401


class ReadOnly(FlowerCase):
    given: ClassVar = {"read_only": True}

    def test_nothing_is_changed(self):
        for path in ("replay", "discard", "mute", "export", "x/edit", "x/reveal"):
            answer = self.ask(f"{LETTERS}/{path}", "POST", body={"where": "state:open"})
            assert (path, answer.code) == (path, 403)
            assert "read-only" in self.said(answer)["message"]
        for verb in ("pause", "resume", "cancel"):
            assert self.ask(f"/syncpipe/api/v1/replays/x/{verb}", "POST", body={}).code == 403
        assert self.ask("/syncpipe/dead-letters", "POST", body={}).code == 403
