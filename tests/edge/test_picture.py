"""One picture in, the same picture out and nothing else of its file."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from lizi.edge import picture
from lizi.edge.picture import OUTPUT_BYTES, OUTPUT_EDGE, OUTPUT_PIXELS, Unfit
from planted_pictures import SECRET, chunk, data_of, difference, opened, photo, planted, saved, says_nothing, scene, type_of, url_of

PLANTED = planted()
SEEN = 3.0
"""Of 255, on average: what JPEG at 90 does to hard edges, and a palette of 256 to colours."""


def clean(data: bytes, kind: str | None = None) -> str:
    return picture.clean(url_of(data, kind).encode()).decode()


def refusal(data: bytes, kind: str | None = None) -> str:
    with pytest.raises(Unfit) as caught:
        clean(data, kind)
    return str(caught.value)


@pytest.mark.requirement("S21")
@pytest.mark.parametrize("name", PLANTED)
def test_the_picture_stays_and_what_its_file_said_is_gone(name: str) -> None:
    data = PLANTED[name]
    url = clean(data)
    assert says_nothing(url)
    cleaned = opened(url)
    if "transparency" in name:
        assert set(cleaned.get_flattened_data()) == {(0, 0, 0, 0)}
    else:
        assert cleaned.size == scene().size
        assert difference(cleaned, scene()) < SEEN


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_sent_upright(kind: str, orientation: int) -> None:
    turned = {
        1: (), 2: (Image.Transpose.FLIP_LEFT_RIGHT,), 3: (Image.Transpose.ROTATE_180,), 4: (Image.Transpose.FLIP_TOP_BOTTOM,),
        5: (Image.Transpose.TRANSPOSE,), 6: (Image.Transpose.ROTATE_90,), 7: (Image.Transpose.TRANSVERSE,),
        8: (Image.Transpose.ROTATE_270,),
    }[orientation]  # fmt: skip
    lying = scene()
    for turn in turned:
        lying = lying.transpose(turn)
    tags = Image.Exif()
    tags[0x0112] = orientation
    settings = {"lossless": True} if kind == "WEBP" else {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    url = clean(saved(lying, kind, exif=tags.tobytes(), **settings))
    assert opened(url).size == scene().size
    assert difference(opened(url), scene()) < SEEN
    assert says_nothing(url)


def test_exif_that_cannot_be_read_costs_nothing_but_the_orientation() -> None:
    data = saved(scene(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + SECRET.encode(), quality=95)
    assert says_nothing(clean(data))


@pytest.mark.parametrize(("kind", "mode", "out"), [
    ("PNG", "1", "PNG"), ("PNG", "L", "PNG"), ("PNG", "LA", "PNG"), ("PNG", "P", "PNG"), ("PNG", "RGB", "PNG"), ("PNG", "RGBA", "PNG"),
    ("PNG", "I;16", "PNG"), ("GIF", "P", "PNG"), ("JPEG", "L", "JPEG"), ("JPEG", "RGB", "JPEG"), ("JPEG", "CMYK", "JPEG"),
    ("WEBP", "RGB", "JPEG"), ("WEBP", "RGBA", "JPEG"),
])  # fmt: skip
def test_every_kind_of_pixels_arrives(kind: str, mode: str, out: str) -> None:
    """An alpha channel in which all is opaque is no transparency."""
    if mode == "I;16":
        original = Image.frombytes("I;16", (256, 2), struct.pack("<512H", *(level * 257 for level in range(256)), *([0] * 256)))
        shown = Image.linear_gradient("L").rotate(90).crop((0, 0, 256, 1))
        assert difference(opened(clean(saved(original, "PNG"))).crop((0, 0, 256, 1)), shown) < 1, "16 bits are scaled, not cut"
        return
    original = scene(mode=mode)
    url = clean(saved(original, kind, **({"quality": 95} if kind == "JPEG" else {})))
    cleaned = opened(url)
    assert cleaned.format == out
    assert difference(cleaned, original) < SEEN + 3 * (kind != "PNG"), "the saved file is a little off the scene itself"


def test_transparency_stays_and_hides_nothing() -> None:
    original = scene(mode="RGBA")
    veil = Image.new("L", original.size, 255)
    ImageDraw.Draw(veil).rectangle((0, 0, 40, 64), fill=0)
    ImageDraw.Draw(veil).rectangle((41, 0, 60, 64), fill=128)
    original.putalpha(veil)
    for kind, settings in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        cleaned = opened(clean(saved(original, kind, **settings)))
        assert cleaned.format == "PNG"
        assert cleaned.getchannel("A").tobytes() == veil.tobytes()
        assert cleaned.getpixel((10, 10)) == (0, 0, 0, 0), "what can't be seen is not there"
        assert cleaned.getpixel((50, 10)) == original.getpixel((50, 10))


def test_a_screenshot_stays_exact_and_a_photo_small() -> None:
    screenshot = scene(400, 700)
    ImageDraw.Draw(screenshot).text((10, 300), "12 small letters", fill="red")
    assert opened(clean(saved(screenshot, "PNG"))).convert("RGB").tobytes() == screenshot.tobytes()
    data = saved(photo(1000, 800), "JPEG", quality=92)
    assert len(data_of(clean(data))) < 2 * len(data)


def test_red_letters_in_a_jpeg_stay_legible() -> None:
    """The bound of the choice of quality and subsampling: 40 of 255 at any pixel."""
    screenshot = Image.new("RGB", (300, 80), "#ffd400")
    ImageDraw.Draw(screenshot).text((10, 10), "red on yellow 0123456789", fill="red", font_size=16)
    source = saved(screenshot, "WEBP", lossless=True)
    cleaned = opened(clean(source))
    assert cleaned.format == "JPEG"
    worst = max(abs(one - other) for one, other in zip(cleaned.tobytes(), screenshot.tobytes(), strict=True))
    assert worst <= 40


def test_only_the_first_frame_is_sent() -> None:
    frames = [scene(), scene().rotate(180), Image.new("RGB", scene().size, "green")]
    for kind, settings in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})):
        moving = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **settings)
        cleaned = opened(clean(moving))
        assert getattr(cleaned, "n_frames", 1) == 1
        assert difference(cleaned, scene()) < SEEN


def test_a_thumbnail_and_a_second_picture_of_a_phone_are_gone() -> None:
    """MPO: what some phones write as .jpg."""
    data = saved(scene(), "MPO", save_all=True, append_images=[Image.new("RGB", (96, 64), "green")], quality=95, exif=b"")
    url = clean(data, "image/jpeg")
    assert says_nothing(url)
    assert difference(opened(url), scene()) < SEEN


def test_the_same_picture_gives_the_same_bytes_whatever_its_file_said() -> None:
    """A resent conversation stays the same for the partner's cache, and two phones' files of one picture can't be told apart."""
    bare = saved(scene(), "PNG")
    assert clean(bare) == clean(bare) == clean(PLANTED["png"])


# --- bounds -----------------------------------------------------------------------------------


def header_only(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that says it is huge; its pixels are zeros."""
    row = zlib.compress(b"\0" * 5_000_000, 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", row) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_before_anything_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(*_: object) -> None:
        raise AssertionError("it was unpacked")

    bomb = header_only(50_000, 50_000)
    assert len(bomb) < 10_000
    for kind in ("PngImagePlugin.PngImageFile", "GifImagePlugin.GifImageFile"):
        monkeypatch.setattr(f"PIL.{kind}.load", unpack)
    assert "more than 25 million pixels" in refusal(bomb)
    gif = saved(scene(), "GIF")
    assert "more than 25 million pixels" in refusal(gif[:6] + struct.pack("<HH", 65_535, 65_535) + gif[10:])


def test_the_bound_on_pixels_is_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "PIXELS", {"PNG": 96 * 64, "JPEG": 96 * 64})
    for kind in ("PNG", "JPEG"):
        assert opened(clean(saved(scene(96, 64), kind))).size == (96, 64)
        assert "million pixels" in refusal(saved(scene(97, 64), kind))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_large_picture_is_scaled_to_what_partners_look_at(kind: str) -> None:
    settings = {"WEBP": {"quality": 50, "method": 0}, "PNG": {"compress_level": 1}, "JPEG": {}}[kind]
    size = (6400, 6000) if kind == "JPEG" else (4900, 4900)
    url = clean(saved(photo(*size), kind, **settings))
    cleaned = opened(url)
    assert OUTPUT_PIXELS // 2 < cleaned.width * cleaned.height <= OUTPUT_PIXELS
    assert abs(cleaned.width / cleaned.height - size[0] / size[1]) < 0.01
    assert len(data_of(url)) <= OUTPUT_BYTES


def test_a_long_screenshot_keeps_its_width_as_far_as_partners_take_it() -> None:
    assert opened(clean(saved(Image.new("RGB", (600, 7_900), "white"), "PNG"))).size == (600, 7_900)
    assert opened(clean(saved(Image.new("RGB", (1, 60_000), "white"), "PNG"))).size == (1, OUTPUT_EDGE)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_what_no_encoder_makes_small_is_made_smaller_until_it_fits(mode: str) -> None:
    """Noise is the worst that there is."""
    bands = [Image.effect_noise((1800, 1800), 90) for _ in mode]
    if mode == "RGBA":
        bands[3] = bands[3].point(lambda level: max(1, level))
    url = clean(saved(Image.merge(mode, bands), "PNG", compress_level=1))
    assert len(data_of(url)) <= OUTPUT_BYTES
    assert opened(url).mode == mode


# --- what is no picture ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_truncated_picture_is_refused(kind: str) -> None:
    data = saved(photo(200, 120), kind)
    for size in (12, len(data) // 4, len(data) // 2, len(data) * 9 // 10):
        assert "read to its end" in refusal(data[:size], type_of(data))


def test_what_is_no_picture_is_refused() -> None:
    png = saved(scene(), "PNG")
    assert "base64" in refusal(b"", "image/png")
    assert "read to its end" in refusal(png, "image/jpeg"), "the decoder is the one that was named"
    assert "read to its end" in refusal(b"\x89PNG\r\n\x1a\n" + archive_like(), "image/png")
    assert "no type that is taken" in refusal(png, "image/tiff")
    for kind in ("TIFF", "BMP", "ICNS", "PPM"):
        for claimed in ("image/png", "image/jpeg", "image/gif", "image/webp"):
            assert "read to its end" in refusal(saved(scene(64, 64), kind), claimed)
    for broken in ("!!!!", "QUJD=", "QQ=A", "é", "QUJ"):
        with pytest.raises(Unfit, match="base64"):
            picture.clean(f"data:image/png;base64,{broken}".encode())


def archive_like() -> bytes:
    return b"PK\x03\x04" + SECRET.encode()


def test_no_refusal_repeats_what_was_sent() -> None:
    for data in (saved(scene(), "PNG")[:60] + SECRET.encode(), b"\x89PNG\r\n\x1a\n\0\0\0\x12" + SECRET.encode()):
        assert SECRET not in refusal(data, "image/png")


def test_no_decoder_but_the_four_is_ever_tried() -> None:
    assert set(picture._TYPES.values()) == {"PNG", "JPEG", "GIF", "WEBP"}
    before = set(Image.OPEN)
    for data in PLANTED.values():
        clean(data)
    refusal(b"II*\0" + b"\0" * 64, "image/png")
    assert set(Image.OPEN) == before, "Pillow went looking through its plugins"


# --- any bytes ---------------------------------------------------------------------------------

SMALL = [
    saved(scene(24, 16), "PNG", exif=Image.Exif()),
    saved(scene(24, 16), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
    saved(scene(24, 16), "WEBP"),
    saved(scene(24, 16), "WEBP", lossless=True),
    saved(scene(24, 16), "GIF"),
    saved(scene(24, 16), "GIF", save_all=True, append_images=[scene(24, 16).rotate(90)]),
]
CHANGES = st.lists(st.tuples(st.integers(0, 5_000), st.binary(max_size=4), st.integers(0, 4)), max_size=6)


@example(data=b"\xff\xd8\xff", kind="image/jpeg")
@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.tuples(st.sampled_from(SMALL), CHANGES).map(lambda made: mutated(*made)),
    ),
    kind=st.sampled_from(["image/png", "image/jpeg", "image/gif", "image/webp"]),
)
def test_any_bytes_give_a_clean_picture_or_a_typed_refusal(data: bytes, kind: str) -> None:
    try:
        kind = type_of(data)
    except StopIteration:
        pass  # no picture any more: any label will do
    try:
        url = clean(data, kind)
    except Unfit:
        return
    again = opened(url)
    assert again.width * again.height <= OUTPUT_PIXELS
    assert not set(again.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def mutated(data: bytes, changes: list[tuple[int, bytes, int]]) -> bytes:
    for at, new, gone in changes:
        at %= len(data) + 1
        data = data[:at] + new + data[at + gone :]
    return data


def test_a_mutation_in_each_single_byte_is_survived() -> None:
    for data in SMALL:
        for at in range(0, len(data), 3):
            changed = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
            try:
                Image.open(io.BytesIO(data_of(clean(changed, type_of(data))))).load()
            except Unfit:
                continue
