"""What is read is what read_picture reads, and no more of it than will be seen."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from container.contract.errors import PictureError
from container.picture import read_picture
from container.train.data.reading import read_pixels

ORIENTATION = 0x0112


def whole(width: int, height: int) -> tuple[float, float]:
    return width, height


def scene(width: int = 240, height: int = 160) -> Image.Image:
    """Smooth, and different in every corner."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 255 - (across + down) / 2], -1).astype(np.uint8))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_upright(tmp_path: Path, orientation: int):
    file = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    scene().save(file, quality=95, exif=exif)
    expected = np.asarray(read_picture(file))
    read = read_pixels(file, whole)
    assert (read.height, read.width) == expected.shape[:2]
    assert difference(read.pixels, expected) < 2


@pytest.mark.parametrize(("least", "divisor"), [(20, 8), (21, 4), (41, 2), (81, 1), (200, 1)])
def test_a_jpeg_is_decoded_as_small_as_is_enough(tmp_path: Path, least: int, divisor: int):
    file = tmp_path / "a.jpg"
    scene().save(file, quality=95)
    read = read_pixels(file, lambda width, height: (least * width / height, least))
    assert (read.width, read.height) == (240, 160)
    assert read.pixels.shape == (160 // divisor, 240 // divisor, 3)
    expected = np.asarray(scene().resize((240 // divisor, 160 // divisor), Image.Resampling.BOX))
    assert difference(read.pixels, expected) < 3


def test_a_lying_jpeg_is_as_large_as_asked_for_when_it_stands(tmp_path: Path):
    file = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    scene().save(file, exif=exif)
    asked: list[tuple[int, int]] = []

    def enough(width: int, height: int) -> tuple[float, float]:
        asked.append((width, height))
        return width / 2, height / 2

    read = read_pixels(file, enough)
    assert asked == [(160, 240)]
    assert (read.width, read.height, read.pixels.shape) == (160, 240, (120, 80, 3))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours_of_jpeg_are_read(tmp_path: Path, mode: str):
    file = tmp_path / "a.jpg"
    scene().convert(mode).save(file, quality=95)
    assert difference(read_pixels(file, whole).pixels, np.asarray(read_picture(file))) < 2


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif", "a.tiff"])
def test_other_formats_are_read(tmp_path: Path, name: str):
    file = tmp_path / name
    scene().save(file)
    assert np.array_equal(read_pixels(file, whole).pixels, np.asarray(read_picture(file)))


def test_what_lacks_only_its_end_or_has_odd_extras_is_read(tmp_path: Path):
    cut, odd = tmp_path / "a.jpg", tmp_path / "a.png"
    scene().save(cut, exif=Image.Exif())
    expected = np.asarray(read_picture(cut))
    cut.write_bytes(cut.read_bytes()[:-2])
    assert difference(read_pixels(cut, whole).pixels, expected) < 2
    assert read_pixels(cut, lambda _width, _height: (30, 20)).pixels.shape == (20, 30, 3)
    text = PngInfo()
    text.add_text("Comment", "a" * (2 << 20), zip=True)
    scene().save(odd, pnginfo=text)
    assert np.array_equal(read_pixels(odd, whole).pixels, np.asarray(scene()))


def test_a_damaged_or_missing_one_is_named_as_ever(tmp_path: Path):
    file = tmp_path / "a.jpg"
    scene().save(file)
    file.write_bytes(file.read_bytes()[:-500])
    (tmp_path / "empty.jpg").write_bytes(b"")
    for path in (file, tmp_path / "empty.jpg", tmp_path / "none.jpg"):
        with pytest.raises(PictureError) as expected:
            read_picture(path)
        with pytest.raises(PictureError) as caught:
            read_pixels(path, whole)
        assert str(caught.value) == str(expected.value)
        assert str(path) in str(caught.value)


def test_a_jpeg_too_large_to_decode_whole_is_shrunk(tmp_path: Path):
    """200 megapixels, as some telephones make them."""
    file = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("RGB", (16_000, 12_500), (10, 200, 30)).save(file, exif=exif)
    read = read_pixels(file, lambda width, height: (width / 10, height / 10))
    assert (read.width, read.height) == (12_500, 16_000)
    assert read.pixels.shape == (2000, 1563, 3)
    assert np.abs(read.pixels[1000, 700].astype(int) - (10, 200, 30)).max() < 4
