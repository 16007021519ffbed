"""The program in a folder of its own, and the partner behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lizi.testing import BEHAVIOURS, Behaviour, Partner
from running_program import ANSWER, CONFIG, Program


@pytest.fixture(scope="module")
def partner() -> Iterator[Partner]:
    """Answers by the model's name."""
    by_model = {"acme-silent": BEHAVIOURS["no_usage"], "bolt-broken": BEHAVIOURS["bad_credential"]}
    good = Behaviour(text=ANSWER, input_tokens=1000, output_tokens=500)
    with Partner(lambda captured: by_model.get(captured.asked.model, good)) as running:
        yield running


@pytest.fixture(scope="module")
def lizi(tmp_path_factory: pytest.TempPathFactory, partner: Partner) -> Program:
    """The program in a folder with a configuration."""
    program = Program(tmp_path_factory.mktemp("lizi"))
    program.config.write_text(CONFIG.format(base_url=partner.base_url))
    return program


@pytest.fixture
def alone(tmp_path: Path) -> Callable[..., Program]:
    """The program in a folder of its own, without a service."""

    def make(text: str | None = None) -> Program:
        program = Program(tmp_path)
        program.config.write_text(CONFIG.format(base_url="http://127.0.0.1:9/v1") if text is None else text)
        return program

    return make
