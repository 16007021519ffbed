"""Real pictures with words planted wherever a file of their kind can hold them."""

from __future__ import annotations

import base64
import io
import zipfile
import zlib

from PIL import Image, ImageChops, ImageDraw, ImageStat
from PIL.PngImagePlugin import PngInfo

SECRET = "zeisig-geheim-4711"
XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:li>{SECRET}</rdf:li></rdf:RDF></x:xmpmeta>'.encode()


def scene(width: int = 96, height: int = 64, mode: str = "RGB") -> Image.Image:
    """Something with a top and a bottom, colours and an edge."""
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, width, height // 3), fill=(30, 90, 200))
    draw.ellipse((width // 8, height // 2, width // 2, height - 2), fill=(220, 40, 30))
    draw.line((0, height - 1, width, height // 3), fill="black", width=2)
    return picture.convert(mode)


def photo(width: int, height: int) -> Image.Image:
    """As dense as a photo: gradients and grain."""
    grain = Image.effect_noise((width // 8, height // 8), 60).resize((width, height), Image.Resampling.BICUBIC)
    slope = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (grain, slope, Image.blend(grain, slope, 0.5)))


def exif(orientation: int = 1) -> bytes:
    """A maker, a place on the map, a thumbnail's worth of words, and which way is up."""
    tags = Image.Exif()
    tags[0x010F], tags[0x010E], tags[0x013B] = SECRET, SECRET, SECRET  # maker, description, artist
    tags[0x0112] = orientation
    place = tags.get_ifd(0x8825)
    place[1], place[2], place[3], place[4], place[29] = "N", (22.0, 16.0, 42.0), "E", (114.0, 10.0, 27.0), SECRET
    own = tags.get_ifd(0x8769)
    own[0x927C] = SECRET.encode()  # the maker's own note
    own[0xA431] = SECRET  # serial number of the camera's body
    return tags.tobytes()


def archive() -> bytes:
    """A zip that opens although a picture stands before it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("note.txt", SECRET)
    return out.getvalue()


def saved(picture: Image.Image, kind: str, **settings: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **settings)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def planted(orientation: int = 1) -> dict[str, bytes]:
    """Name → a file that shows `scene` and says `SECRET`."""
    picture, profile = scene(), b"\0" * 128 + SECRET.encode()
    texts = PngInfo()
    texts.add_text("Author", SECRET)
    texts.add_text("Comment", SECRET, zip=True)
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    jpeg = {"quality": 95, "subsampling": 0}
    png = saved(picture, "PNG", pnginfo=texts, exif=exif(orientation), icc_profile=profile)
    hidden = scene(mode="RGBA")
    hidden.putalpha(Image.new("L", hidden.size, 0))
    pixels = bytearray(hidden.tobytes())
    for at, octet in enumerate(SECRET.encode() * 3):
        pixels[at * 4] = octet  # red under full transparency
    lots = picture.quantize(32)
    lots.putpalette(((lots.getpalette() or []) + [0] * 600)[:600] + list(SECRET.encode()))  # behind the colours that are used
    return {
        "jpeg": saved(picture, "JPEG", exif=exif(orientation), xmp=XMP, icc_profile=profile, comment=SECRET.encode(), **jpeg),
        "jpeg, a zip behind": saved(picture, "JPEG", exif=exif(orientation), **jpeg) + archive(),
        "jpeg, another picture behind": saved(picture, "JPEG", exif=exif(orientation), **jpeg) + png,
        "png": png,
        "png, a chunk of nobody's": png[:33] + chunk(b"prVt", SECRET.encode()) + png[33:] + archive(),
        "png, words under transparency": saved(Image.frombytes("RGBA", hidden.size, bytes(pixels)), "PNG"),
        "png, words in the palette": saved(lots, "PNG"),
        "webp": saved(picture, "WEBP", quality=95, exif=exif(orientation), xmp=XMP, icc_profile=profile) + archive(),
        "webp, exact": saved(picture, "WEBP", lossless=True, exif=exif(orientation), xmp=XMP),
        "gif": saved(picture, "GIF", comment=SECRET.encode()) + archive(),
        "gif, a second frame": saved(picture, "GIF", save_all=True, append_images=[scene().rotate(90)], comment=SECRET.encode()),
    }


def type_of(data: bytes) -> str:
    """The media type that the first bytes say."""
    marks = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}
    return next(kind for mark, kind in marks.items() if data.startswith(mark))


def url_of(data: bytes, kind: str | None = None) -> str:
    return f"data:{kind or type_of(data)};base64,{base64.b64encode(data).decode()}"


def data_of(url: str) -> bytes:
    head, _, encoded = url.partition(";base64,")
    assert head in ("data:image/png", "data:image/jpeg")
    return base64.b64decode(encoded, validate=True)


def opened(url: str) -> Image.Image:
    picture = Image.open(io.BytesIO(data_of(url)))
    picture.load()
    return picture


def says_nothing(url: str) -> bool:
    """Neither the planted word nor any place that could hold one: no text, profile, comment, EXIF, and nothing after the end."""
    data, picture = data_of(url), opened(url)
    ends = b"IEND\xaeB`\x82" if data.startswith(b"\x89PNG") else b"\xff\xd9"
    left = set(picture.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    return SECRET.encode() not in data and not left and not picture.getexif() and data.endswith(ends) and data.count(ends) == 1


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of a channel, 0 to 255."""
    mean = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean
    return sum(mean) / len(mean)
