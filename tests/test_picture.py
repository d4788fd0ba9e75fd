import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from container.contract.errors import PictureError
from container.picture import ENDINGS, FORMATS, open_picture, read_picture

GRADIENT = np.linspace(0, 255, 64, dtype=np.uint8).reshape(1, 64).repeat(48, axis=0)
RGB = Image.fromarray(np.dstack([GRADIENT, GRADIENT[:, ::-1], np.full_like(GRADIENT, 90)]))


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (97, 203, 3), dtype=np.uint8))


def encode(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF", "AVIF", "MPO", "DIB", "JPEG2000", "TGA"]
)
def test_every_format_gives_the_same_picture(form: str):
    image = read_picture(encode(RGB, form))
    assert image.mode == "RGB"
    assert image.size == (64, 48)
    assert np.abs(np.asarray(image, dtype=int) - np.asarray(RGB, dtype=int)).mean() < 6


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_is_converted_by_value(form: str):
    image = read_picture(encode(RGB.convert("CMYK"), form))
    assert np.abs(np.asarray(image, dtype=int) - np.asarray(RGB, dtype=int)).mean() < 8


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(form: str):
    deep = Image.fromarray(GRADIENT.astype(np.uint16) * 257)
    pixels = np.asarray(read_picture(encode(deep, form)))
    assert np.abs(pixels[..., 0].astype(int) - GRADIENT).max() <= 1


def test_a_palette_is_looked_up():
    pixels = np.asarray(read_picture(encode(RGB.quantize(256), "PNG")), dtype=int)
    assert np.abs(pixels - np.asarray(RGB, dtype=int)).mean() < 12


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lies_on_white(mode: str):
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0)).convert(mode)
    assert np.asarray(read_picture(encode(image, "PNG"))).min() == 255


def test_a_transparent_colour_of_rgb_lies_on_white():
    data = encode(Image.new("RGB", (8, 8), (10, 20, 30)), "PNG", transparency=(10, 20, 30))
    assert np.asarray(read_picture(data)).min() == 255


def test_a_float_picture_with_a_hole_keeps_its_other_values():
    values = np.full((8, 8), 200, np.float32)
    values[0, 0] = np.nan
    pixels = np.asarray(read_picture(encode(Image.fromarray(values), "TIFF")))
    assert pixels[4, 4].tolist() == [200, 200, 200]


def test_bilevel_and_grey_become_rgb():
    for mode in ("1", "L"):
        assert read_picture(encode(RGB.convert(mode), "PNG")).mode == "RGB"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read_picture(encode(RGB, "JPEG", exif=exif, quality=95))
    assert image.size == ((64, 48) if orientation < 5 else (48, 64))
    upright = np.asarray(RGB, dtype=int)
    if orientation == 6:  # the camera was turned: rows of the file are columns of the scene
        assert np.abs(np.asarray(image, dtype=int) - np.rot90(upright, -1)).mean() < 4


def test_an_odd_exif_tag_does_not_spoil_a_good_picture():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x0128] = 2  # ResolutionUnit, a number
    data = encode(RGB, "JPEG", exif=exif)
    as_text = data.replace(b"\x28\x01\x03\x00", b"\x28\x01\x02\x00").replace(b"\x01\x28\x00\x03", b"\x01\x28\x00\x02")
    assert as_text != data
    assert read_picture(as_text).size == (48, 64)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_its_first_frame(form: str):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "lime", "blue")]
    data = encode(frames[0], form, save_all=True, append_images=frames[1:])
    assert np.abs(np.asarray(read_picture(data), dtype=int) - (255, 0, 0)).max() < 6


def test_a_large_jpeg_is_shrunk_while_it_is_decoded():
    data = encode(RGB.resize((4096, 3072)), "JPEG")
    assert read_picture(data, shrink_to=300).size == (512, 384)
    assert read_picture(data).size == (4096, 3072)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"not a picture at all", "not a picture in a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture in a known format"),
        (encode(RGB, "JPEG")[:400], "cannot be decoded"),
        (encode(RGB, "PNG")[:120], "cannot be decoded"),
        (encode(RGB, "WEBP")[:100], "cannot be decoded"),
        (b"\xff\xd8\xff\xe0" + b"\x00" * 100, "not a picture in a known format"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, reason: str):
    with pytest.raises(PictureError, match=reason):
        read_picture(data)


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    bomb = encode(Image.new("1", (40_000, 40_000)), "PNG")
    assert len(bomb) < 300_000
    with pytest.raises(PictureError, match=r"40000 x 40000 pixels; at most 100,000,000 pixels"):
        read_picture(bomb)


def test_a_progressive_jpeg_is_measured_as_it_is_held_in_memory():
    data = encode(Image.new("L", (12_000, 12_000)), "JPEG", progressive=True)
    with pytest.raises(PictureError, match=r"12000 x 12000 pixels"):
        read_picture(data, shrink_to=256)
    plain = encode(Image.new("L", (12_000, 12_000)), "JPEG")
    assert read_picture(plain, shrink_to=256).size == (1500, 1500)


def test_a_path_is_named_in_the_error(tmp_path: Path):
    with pytest.raises(PictureError, match=r"nowhere\.png cannot be opened: No such file"):
        read_picture(tmp_path / "nowhere.png")


def test_no_format_starts_a_program():
    assert "EPS" not in FORMATS
    assert {"JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "AVIF", "JPEG2000", "TGA"} == set(FORMATS)
    assert {".jpg", ".jfif", ".mpo", ".apng", ".dib", ".tif", ".pnm", ".jp2", ".tga", ".heic"} <= ENDINGS
    assert not {".eps", ".pdf", ".txt", ".ico", ""} & ENDINGS


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
            "a Git LFS pointer, .*: run git lfs pull",
        ),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "it is HEIC, which is not supported: convert it to JPEG"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00", "it is a video or another ISO media file"),
        (b"\n<!DOCTYPE html>\n<html>login", "it is a web page saved in place"),
        (b"\xef\xbb\xbf<html>login", "it is a web page saved in place"),
        (b'<?xml version="1.0"?>\n<svg xmlns=', "it is SVG, which is not supported"),
        (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied', "it is an error message in XML"),
        (b"PK\x03\x04", "it is a zip archive: unpack it"),
        (b"8BPS\x00\x01", "it is a Photoshop file"),
    ],
)
def test_what_is_no_picture_is_named_for_what_it_is(data: bytes, reason: str):
    with pytest.raises(PictureError, match=reason):
        read_picture(data)


CUT = [
    {}, {"progressive": True}, {"restart_marker_rows": 1}, {"restart_marker_blocks": 1}, {"optimize": True},
]  # fmt: skip


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("how", CUT, ids=str)
def test_a_jpeg_that_lacks_only_its_end_marker_is_read(mode: str, how: dict[str, object]):
    values = np.random.default_rng(0).integers(0, 256, (97, 203, len(mode)), dtype=np.uint8).squeeze()
    data = encode(Image.fromarray(values, mode), "JPEG", **how)
    whole = read_picture(data)
    assert read_picture(data[:-1]) == read_picture(data[:-2]) == whole
    assert read_picture(data[:-2], shrink_to=50) == read_picture(data, shrink_to=50)
    for cut in (4, 12, 100, len(data) // 2):
        with pytest.raises(PictureError, match=r"cannot be decoded: .*truncated"):
            read_picture(data[:-cut])


def test_a_large_jpeg_that_is_cut_takes_no_more_memory_than_a_whole_one():
    data = encode(Image.new("RGB", (4000, 3000), (9, 80, 200)), "JPEG")
    program = (
        "import resource, sys\nfrom container.contract.errors import PictureError\n"
        "from container.picture import read_picture\n"
        "def used(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "data = sys.stdin.buffer.read(); read_picture(data, max_pixels=12_000_000); before = used()\n"
        "assert read_picture(data[:-2], max_pixels=12_000_000).size == (4000, 3000)\n"
        "try: read_picture(data[:-5000], max_pixels=12_000_000)\n"
        "except PictureError: print(used() - before)"
    )
    ran = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True)
    assert int(ran.stdout) < 20_000  # kB; the pixels are 36 MB


def chunk(name: bytes, content: bytes, *, wrong: bool = False) -> bytes:
    checksum = zlib.crc32(name + content) ^ wrong
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


LONG = zlib.compress(b"a" * (2 << 20))
CHUNKS = {
    "long text": chunk(b"zTXt", b"Comment\0\0" + LONG),
    "long international text": chunk(b"iTXt", b"Comment\0\1\0\0\0" + LONG),
    "long profile": chunk(b"iCCP", b"icc\0\0" + LONG),
    "much text": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * (1 << 20))) * 65,
    "broken profile": chunk(b"iCCP", b"icc\0\0no zlib"),
    "wrong checksum": chunk(b"tEXt", b"Comment\0hello", wrong=True),
    "wrong checksum of a time": chunk(b"tIME", b"1234567", wrong=True),
    "short chunk": chunk(b"pHYs", b""),
}


@pytest.mark.parametrize("name", CHUNKS)
@pytest.mark.parametrize("place", ["before", "after"])
def test_what_a_png_has_beside_its_pixels_does_not_matter(name: str, place: str):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(RGB.convert("RGBA"), "PNG", exif=exif)
    at = data.index(b"IDAT" if place == "before" else b"IEND") - 4
    spoilt = data[:at] + CHUNKS[name] + data[at:]
    assert read_picture(spoilt) == read_picture(data)
    assert read_picture(spoilt).size == (48, 64)
    assert open_picture(spoilt).size == (64, 48)


def test_a_png_with_wrong_pixels_stays_unreadable():
    data = bytearray(encode(NOISE, "PNG"))
    data[data.index(b"IDAT") + 500] ^= 1
    with pytest.raises(PictureError, match="cannot be decoded"):
        read_picture(bytes(data))
    with pytest.raises(PictureError, match="cannot be decoded"):
        read_picture(CHUNKS["long text"].join([bytes(data[:33]), bytes(data[33:])]))
