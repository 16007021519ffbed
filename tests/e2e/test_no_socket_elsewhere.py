"""Region is a hard constraint: a real worker opens no socket to a place that a request may not go to, whatever fails meanwhile.

The worker notes every address that it connects to, sends to or looks up, and the partners elsewhere are real listening sockets that
count who comes. Routes of every strategy name them first, and in the end nobody else is left.
"""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e.outside import admin, ask, chat, until
from lizi.terms import public_key, sign
from lizi.testing import Behaviour, Partner
from planted_pictures import saved, scene, url_of
from running_service import Running, running

GOOD = Behaviour(text="Tea is what I like most.", chunks=4)
DOWN = Behaviour(status=503, error={"error": {"message": "overloaded"}})
CUT = Behaviour(fault="cut")
UNPAID = Behaviour(status=402, error={"error": {"message": "Insufficient Balance"}})
BUSY = Behaviour(status=429, error={"error": {"message": "slow down"}})
SLOW = Behaviour(first_byte_ms=5000)  # beyond the deadline that the configuration gives
PRIVATE = base64.b64encode(bytes(32)).decode()
RECORD = """partner = "lent"
data = ["text", "image"]
regions = ["cn"]
retention_days = 0
training = false
contract = "A-17"
since = 2020-01-01
until = 2999-01-01
"""
STRATEGIES = ("ordered", "weighted", "balanced", "cheapest")
PICTURE = {"type": "image_url", "image_url": {"url": url_of(saved(scene(8, 8), "PNG"))}}


class Elsewhere:
    """A place where nobody should come: takes connections, counts them, answers nothing."""

    def __init__(self) -> None:
        self.seen = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._socket.getsockname())
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        try:
            while True:
                taken, _ = self._socket.accept()
                self.seen += 1
                taken.close()
        except OSError:  # closed: the test is over
            return

    def close(self) -> None:
        self._socket.close()


def configuration(home: list[str], us: Elsewhere, lent: Elsewhere) -> str:
    one, two = home
    targets = (
        '{{ partner = "us", model = "m", {can} }}, {{ partner = "lent", model = "m", {can} }}, '
        '{{ partner = "one", model = "m", rank = 1, {can} }}, {{ partner = "two", model = "m", rank = 1, {can} }}'
    ).format(can='capabilities = ["images", "tools", "json_object"]')
    models = "".join(f'[models.{name}]\nstrategy = "{name}"\ntargets = [{targets}]\n' for name in STRATEGIES)
    return (
        f'[partners.us]\nbase_url = "http://{us.address}/v1"\nregion = "us"\n'
        f'[partners.lent]\nbase_url = "http://{lent.address}/v1"\nregion = "us"\nterms = "lent.toml"\n'
        f'[partners.one]\nbase_url = "{one}"\nregion = "cn"\n'
        f'[partners.two]\nbase_url = "{two}"\nregion = "cn"\n'
        f'[veil.terms_keys]\nlegal = "{public_key(PRIVATE)}"\n'
        f"[routing]\nretry_floor = 1000\nattempts = 8\n[deadlines]\nfirst_token_ms = 2000\nconnect_ms = 1000\n{models}"
    )


class Stage:
    """A service with two partners at home and two elsewhere, and a key that is bound to home."""

    def __init__(self, service: Running, home: list[str], us: Elsewhere, lent: Elsewhere) -> None:
        self.service, self.us, self.lent = service, us, lent
        self.home = {f"connect {base_url.removeprefix('http://').removesuffix('/v1')}" for base_url in home}
        self.key = admin(service, "POST", "/keys", {"app": "phones", "plan": {"regions": ["cn"]}})["key"]

    @property
    def opened(self) -> set[str]:
        """Every line that the worker noted."""
        return set((self.service.folder / "sockets").read_text().splitlines())

    def bodies(self) -> Iterator[dict[str, Any]]:
        for model in STRATEGIES:
            yield chat(model=model)
            yield chat(model=model, stream=True)
            yield chat(model=model, messages=[{"role": "user", "content": [{"type": "text", "text": "What is it?"}, PICTURE]}])
            yield chat(model=model, response_format={"type": "json_object"})  # never kept: each is asked again, or by another form

    def all(self, key: str, *, times: int = 1) -> set[int]:
        return {ask(self.service, body, key=key)[0] for _ in range(times) for body in self.bodies()}


@contextmanager
def staged(folder: Path, *home: str) -> Iterator[Stage]:
    (folder / "lent.toml").write_text(RECORD)
    (folder / "lent.toml.sig").write_text(sign(RECORD.encode(), PRIVATE))
    us, lent = Elsewhere(), Elsewhere()
    try:
        with running(folder, more=configuration(list(home), us, lent), worker="recording_worker") as service:
            yield Stage(service, list(home), us, lent)
    finally:
        us.close()
        lent.close()


@pytest.mark.requirement("S42")
def test_a_request_bound_to_one_region_opens_no_socket_to_another_whatever_fails(tmp_path: Path) -> None:
    with Partner(GOOD) as one, Partner(GOOD) as two, staged(tmp_path, one.base_url, two.base_url) as stage:
        assert stage.all(stage.key) <= {200, 502}, "502: the answer is no JSON object, which was asked for"
        assert any("image_url" in str(request.json) for request in (*one.requests, *two.requests))
        assert stage.opened <= stage.home
        one.play(DOWN)
        assert 200 in stage.all(stage.key, times=3), "the other one at home answers, and the first is probed"
        for trouble in (DOWN, CUT, UNPAID, BUSY):
            one.play(trouble)
            two.play(trouble)
            assert min(stage.all(stage.key)) >= (200 if trouble is CUT else 400)
        one.play(SLOW)
        two.play(SLOW)
        assert ask(stage.service, chat(model="ordered", stream=True), key=stage.key)[0] == 504
        one.play(GOOD)
        two.play(GOOD)
        until(lambda: 200 in stage.all(stage.key), "health probes find that home is back")
        assert stage.opened == stage.home, "and nothing else was ever opened, sent to or looked up"
        assert (stage.us.seen, stage.lent.seen) == (0, 0)


@pytest.mark.requirement("S42")
def test_nobody_at_home_at_all_is_no_reason_to_go_elsewhere(tmp_path: Path) -> None:
    """No process listens at home: each attempt's connection is refused by the kernel."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        home = ["http://{}:{}/v1".format(*each.getsockname()) for each in (one, two)]
    with staged(tmp_path, *home) as stage:
        assert min(stage.all(stage.key, times=3)) >= 400
        assert stage.opened == stage.home
        assert (stage.us.seen, stage.lent.seen) == (0, 0)


def test_the_proof_would_see_a_socket_elsewhere_and_terms_bind_keys_without_regions(tmp_path: Path) -> None:
    """The same requests by a key that may go anywhere do go there; the partner whose terms allow home alone is not met even then."""
    with Partner(DOWN) as one, Partner(DOWN) as two, staged(tmp_path, one.base_url, two.base_url) as stage:
        stage.all(stage.service.key)
        assert f"connect {stage.us.address}" in stage.opened
        assert stage.us.seen > 0
        assert f"connect {stage.lent.address}" not in stage.opened
        assert stage.lent.seen == 0
