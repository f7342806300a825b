"""Our tabs in Flower, and Flower beside them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from flower import urls
from flower.views.error import NotFoundErrorHandler

from syncpipe import app as wiring
from syncpipe.settings.tree import BrokerSettings, Settings
from syncpipe.ui import seams
from tests.unit.ui.flower import FlowerCase

TABS = ("Dead letters", "Pipeline")


class PlainFlower(FlowerCase):
    def test_flowers_own_pages_have_our_tabs(self):
        page = self.ask("/tasks").body.decode()
        for tab in TABS:
            assert page.count(f">{tab}") == 1
        assert 'href="/syncpipe/dead-letters"' in page

    def test_our_pages_show_what_is_wrong_where_there_is_no_store_and_no_broker(self):
        letters, pipeline = (self.ask(f"/syncpipe/{each}") for each in ("dead-letters", "pipeline"))
        assert letters.code == pipeline.code == 200
        assert "SP-E703" in letters.body.decode()
        assert "Not well" in pipeline.body.decode()

    def test_what_is_not_there_is_flowers_to_tell_and_ours_below_the_api(self):
        page, api = self.ask("/syncpipe/nothing"), self.ask("/syncpipe/api/v1/nothing")
        assert (page.code, api.code) == (404, 404)
        assert b"<html" in page.body
        assert self.said(api)["code"] == "SP-E800"

    def test_a_link_from_elsewhere_may_be_followed_and_nothing_be_loaded(self):
        for path in ("/syncpipe/pipeline", "/syncpipe/api/v1/pipeline"):
            for into, code in (("document", 200), ("image", 403)):
                answer = self.ask(path, Sec_Fetch_Site="cross-site", Sec_Fetch_Dest=into)
                assert answer.code == code

    def test_scripts_and_styles_are_ours_and_may_be_kept(self):
        page = self.ask("/syncpipe/pipeline").body.decode()
        assets = [each.split('"')[0] for each in page.split('"/syncpipe/static/')[1:]]
        assert len(assets) >= 5
        for each in assets:
            answer = self.ask(f"/syncpipe/static/{each}")
            assert answer.code == 200
            assert "max-age=" in answer.headers["Cache-Control"]
        assert self.ask("/syncpipe/static/../seams.py").code in {403, 404}
        assert self.ask("/syncpipe/static/%2e%2e/seams.py").code in {403, 404}
        assert self.ask("/syncpipe/static/live.js%00.txt").code == 404


class Prefixed(FlowerCase):
    given: ClassVar = {"url_prefix": "ops/flower"}

    def test_everything_works_below_a_prefix(self):
        page = self.ask("/ops/flower/syncpipe/pipeline")
        assert page.code == 200
        assert 'href="/syncpipe' not in page.body.decode()
        assert 'href="/ops/flower/syncpipe/dead-letters"' in page.body.decode()
        (script,) = {
            each.split('"')[0]
            for each in page.body.decode().split('src="')
            if "syncpipe/static/live.js" in each.split('"')[0]
        }
        assert self.ask(script).code == 200
        assert self.ask("/ops/flower/syncpipe/api/v1/pipeline").code == 200
        assert self.ask("/ops/flower/syncpipe/api/v1/nothing").code == 404
        assert self.ask("/syncpipe/pipeline").code == 404


def test_the_last_tab_of_flowers_is_where_we_look_for_it():
    navigation = Path(urls.settings["template_path"], "navbar.html").read_text(encoding="utf-8")
    assert len(seams._LAST_TAB.findall(navigation)) == 1


def test_installing_twice_adds_nothing_and_changes_what_is_asked():
    backends = [
        seams.install(wiring.build(Settings(broker=BrokerSettings(url=url))))
        for url in ("redis://a", "redis://b")
    ]
    names = [name for rule in urls.handlers if (name := getattr(rule, "name", None))]
    assert len(names) == len(set(names))
    assert urls.settings[seams.BACKEND] is backends[1]
    assert urls.handlers[-1][1] is NotFoundErrorHandler
    for backend in backends:
        backend.close()


@pytest.mark.parametrize(("url", "queue"), [("redis://a", "sp.dead"), ("amqp://a", "sp.dead.v1")])
def test_flower_shows_the_queue_of_dead_letters_by_the_brokers_name(url, queue):
    seams.install(wiring.build(Settings(broker=BrokerSettings(url=url)))).close()
    assert urls.settings["syncpipe_dead_queue"] == queue
    kinds = [rule.handler_class for rule in urls.handlers if hasattr(rule, "handler_class")]
    kinds += [rule[1] for rule in urls.handlers if isinstance(rule, tuple)]
    assert seams._BrokerView in kinds
    assert seams._QueueLengths in kinds
