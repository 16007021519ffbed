"""The port suite of `lizi.ports.Images`: our processes, and the fake that decodes in place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from lizi.edge.images import ImageCleaner
from lizi.errors import InvalidRequest
from lizi.ports import Images
from lizi.testing import FakeImages
from planted_pictures import SECRET, data_of, difference, opened, photo, planted, saved, says_nothing, scene, url_of

PLANTED = planted()
MAKERS: dict[str, Callable[[], Images]] = {"own": ImageCleaner, "fake": FakeImages}


@pytest.fixture(params=sorted(MAKERS))
def make(request: pytest.FixtureRequest) -> Callable[[], Images]:
    return MAKERS[request.param]


@asynccontextmanager
async def _cleaner(make: Callable[[], Images]) -> AsyncIterator[Images]:
    images = make()
    try:
        yield images
    finally:
        if isinstance(images, ImageCleaner):
            await images.close()


def soon() -> float:
    return time.monotonic() + 30


async def test_what_a_file_said_is_gone_and_the_picture_is_there(make: Callable[[], Images]) -> None:
    async with _cleaner(make) as images:
        for name, data in PLANTED.items():
            url = await images.clean(url_of(data), soon())
            assert says_nothing(url), name
            if "transparency" not in name:
                assert difference(opened(url), scene()) < 3, name


async def test_the_same_picture_gives_the_same_answer(make: Callable[[], Images]) -> None:
    async with _cleaner(make) as images:
        assert await images.clean(url_of(PLANTED["jpeg"]), soon()) == await images.clean(url_of(PLANTED["jpeg"]), soon())
        once = await images.clean(url_of(PLANTED["png"]), soon())
        assert data_of(await images.clean(once, soon())) == data_of(once), "what is clean stays as it is"


@pytest.mark.parametrize("url", [
    "data:image/png;base64,", "data:image/png;base64,iVBORw0KGgo=", "data:image/png;base64,!!!!", "data:image/png;base64,é", "data:,", "",
    url_of(PLANTED["png"], "image/jpeg"), url_of(PLANTED["jpeg"], "image/tiff"), url_of(PLANTED["jpeg"][:400]),
    url_of(saved(scene(), "TIFF"), "image/png"), "https://a.test/x.png",
])  # fmt: skip
async def test_what_is_no_picture_is_a_typed_refusal_and_the_next_one_is_served(make: Callable[[], Images], url: str) -> None:
    async with _cleaner(make) as images:
        with pytest.raises(InvalidRequest) as caught:
            await images.clean(url, soon())
        assert caught.value.code == "unsupported_content"
        assert SECRET not in caught.value.message
        assert says_nothing(await images.clean(url_of(PLANTED["png"]), soon()))


async def test_many_at_once_are_all_served_each_with_its_own(make: Callable[[], Images]) -> None:
    async with _cleaner(make) as images:
        sizes = range(20, 50)
        answers = await asyncio.gather(*(images.clean(url_of(saved(scene(size, 20), "PNG")), soon()) for size in sizes))
        assert [opened(url).width for url in answers] == list(sizes)


async def test_a_large_picture_passes_whole(make: Callable[[], Images]) -> None:
    """Many times what a pipe holds, in both directions."""
    original = photo(2400, 1800)
    data = saved(original, "JPEG", quality=97, subsampling=0)
    assert len(data) > 1_500_000
    async with _cleaner(make) as images:
        assert difference(opened(await images.clean(url_of(data), soon())), original) < 3
