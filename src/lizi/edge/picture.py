"""One picture → the same picture and nothing else of its file. The only place that loads Pillow (docs/decisions/0008).

Never keeps anything of the file but pixels: they are copied onto a canvas of its own and encoded with fixed
settings, so EXIF, GPS, XMP, ICC, comments, thumbnails, further frames, colours of unused palette entries or
under full transparency, the camera's own JPEG tables and whatever follows the picture are not there to be sent. What the
picture *shows* stays: a face, a street sign, a sensor's noise.
Bound: `PIXELS` decoded, `OUTPUT_PIXELS`, `OUTPUT_EDGE` and `OUTPUT_BYTES` out; the process around it bounds time and memory.
Formats: JPEG (ITU-T T.81), PNG, GIF89a, WebP (RFC 9649); HEIC is in no codec that Pillow brings.
"""

from __future__ import annotations

import binascii
import io
import warnings

# The four are registered here, so that Pillow never goes looking through its forty others.
from PIL import (  # noqa: F401
    ExifTags,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

__all__ = ["OUTPUT_BYTES", "OUTPUT_EDGE", "OUTPUT_PIXELS", "PIXELS", "Unfit", "clean"]

PIXELS = {"JPEG": 50_000_000, "PNG": 25_000_000, "GIF": 25_000_000, "WEBP": 25_000_000}
"""The most that is decoded: 8160 x 6120 is the largest that common phones take, and a JPEG of that size is decoded at
half its width and height. The others can't be, and a canvas of 25 million pixels with its copy is 200 MB."""

Image.MAX_IMAGE_PIXELS = max(PIXELS.values())  # Pillow's own guard, in each of its decoders; it raises at twice this

OUTPUT_PIXELS = 12_500_000
"""A larger picture is scaled down to this: the most that a partner is known to look at is 16,384 tiles of 28 x 28 pixels, 12.8 million."""

OUTPUT_EDGE = 8_000
"""Anthropic refuses a longer side; a screenshot of a long conversation may have one."""

OUTPUT_BYTES = 3_932_160
"""5 MiB in base64: what Anthropic and GLM take at the most; others take 10 MB."""

_TYPES = {b"data:image/png": "PNG", b"data:image/jpeg": "JPEG", b"data:image/gif": "GIF", b"data:image/webp": "WEBP"}
_LOSSLESS = frozenset({"PNG", "GIF"})
"""Screenshots and drawings: they stay exact, as PNG. WebP is nearly always lossy on phones."""

_JPEG = {"quality": 90, "subsampling": 0}
"""90 without halving the colours: 16-pixel letters in colour are off by 39 of 255 at the worst; with 4:2:0 by 195 at any quality."""
_SMALLER_JPEG = {"quality": 75, "subsampling": 0}
_PNG_LEVEL = 1
"""A screenshot is 4 % larger than at level 3 and done in 56 ms; a photo as PNG takes a third of the time of level 6 or less."""
_HALVED = 3
"""A JPEG of more than so many times `OUTPUT_PIXELS` is unpacked at half its width and height: a quarter of the memory and time."""
_SHRINK = 0.7
"""Half the pixels, when a picture is still too many bytes."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.32, tag 0x0112 → what puts the picture upright."""


class Unfit(Exception):
    """Not a picture that can be passed on. The text says why, for the caller's engineer, and holds nothing of the picture."""


def clean(url: bytes) -> bytes:
    """A data: URL → the data: URL of the same picture: JPEG or PNG, upright, the first frame. Raises `Unfit` and nothing else."""
    head, _, encoded = url.partition(b";base64,")
    name = _TYPES.get(head)
    if name is None:
        raise Unfit("is of no type that is taken")
    try:
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError:
        data = b""
    if not data or len(encoded) % 4:  # the decoder forgives too much padding
        raise Unfit("is not valid base64 with padding")
    try:
        image = _decoded(data, name)
        kind, data = _encoded(_upright(_scaled(_canvas(image)), image), name in _LOSSLESS)
    except Unfit:
        raise
    except Image.DecompressionBombError:
        raise _too_many(name) from None
    except MemoryError:
        raise Unfit("needs too much memory; send a smaller one") from None
    except Exception:  # noqa: BLE001 - a decoder of foreign bytes may raise anything: whatever it is, the picture is broken
        raise Unfit(f"is no {name} that can be read to its end") from None
    return b"data:image/" + kind + b";base64," + binascii.b2a_base64(data, newline=False)


def _decoded(data: bytes, name: str) -> Image.Image:
    """The first frame, by the one decoder that is named; the size is known before anything is unpacked."""
    with warnings.catch_warnings():
        # Pillow's own bound on pixels only warns at first; whatever else it warns of is no reason to refuse.
        warnings.simplefilter("ignore")
        image: Image.Image = Image.open(io.BytesIO(data), formats=[name])
        _check(image, name)
        if name == "JPEG" and image.width * image.height > _HALVED * OUTPUT_PIXELS:
            image.draft(None, (image.width // 2, image.height // 2))
        image.load()
        _check(image, name)
    return image


def _check(image: Image.Image, name: str) -> None:
    if image.width * image.height > PIXELS[name]:
        raise _too_many(name)


def _too_many(name: str) -> Unfit:
    return Unfit(f"has more than {PIXELS[name] // 1_000_000} million pixels; send a smaller one")


def _canvas(image: Image.Image) -> Image.Image:
    """The pixels alone, in grey, colour or colour with transparency. The new object has no memory of the file."""
    if image.mode.startswith("I;16"):
        image = image.point(lambda level: level / 256)  # 16 bits of grey; a plain conversion would cut instead of scale
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        if alpha.getextrema() != (255, 255):
            # What lies under full transparency is not seen, but would be sent.
            canvas = Image.new("RGBA", image.size)
            canvas.paste(image, mask=alpha.point([0] + [255] * 255))
            return canvas
    mode = "L" if image.mode in ("1", "L", "I", "I;16") else "RGB"
    canvas = Image.new(mode, image.size)
    canvas.paste(image if image.mode == mode else image.convert(mode))
    return canvas


def _fitting(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, (OUTPUT_PIXELS / (width * height)) ** 0.5, OUTPUT_EDGE / max(width, height))
    return max(1, int(width * scale)), max(1, int(height * scale))


def _scaled(canvas: Image.Image) -> Image.Image:
    size = _fitting(*canvas.size)
    return canvas if size == canvas.size else canvas.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _upright(canvas: Image.Image, image: Image.Image) -> Image.Image:
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - EXIF that can't be read says nothing; viewers show such a picture as it lies
        turn = None
    return canvas if turn is None else canvas.transpose(turn)


def _encoded(canvas: Image.Image, lossless: bool) -> tuple[bytes, bytes]:
    """Kind and bytes. Exact where the source was, or has transparency, and it fits; smaller until it fits."""
    seen_through = canvas.mode == "RGBA"
    while True:
        if lossless or seen_through:
            data = _saved(canvas, "PNG", compress_level=_PNG_LEVEL)
            if len(data) <= OUTPUT_BYTES:
                return b"png", data
        if not seen_through:
            for settings in (_JPEG, _SMALLER_JPEG):
                data = _saved(canvas, "JPEG", **settings)
                if len(data) <= OUTPUT_BYTES:
                    return b"jpeg", data
        width, height = (max(1, int(side * _SHRINK)) for side in canvas.size)
        canvas, lossless = canvas.resize((width, height), Image.Resampling.LANCZOS), False


def _saved(canvas: Image.Image, name: str, **settings: int) -> bytes:
    out = io.BytesIO()
    canvas.save(out, name, **settings)
    return out.getvalue()
