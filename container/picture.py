"""Reading one picture, whatever it is, into upright 8-bit RGB: the same code in training and serving."""

import io
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from container.errors import PictureError

# Only these decoders are ever tried: others start programs (EPS), or serve no classifier. JPEG's reads MPO, the
# format of some phones, too.
Image.init()
FORMATS = tuple(name for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF") if name in Image.OPEN)

# A picture is decoded only below this; 100 megapixels are 300 MB as RGB. Phones make up to 200, but as
# JPEG, which is shrunk while it is decoded: so much more of it is taken.
MAX_PIXELS = 100_000_000
_SHRUNK_ON_THE_WAY = 4

Image.MAX_IMAGE_PIXELS = None  # Pillow only warns at its limit; the check below refuses, before any allocation.

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(source: bytes | Path, *, shrink_to: int | None = None, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode one picture to RGB, upright.

    The first frame of an animation is read, EXIF orientation applied, CMYK, palette and 16-bit pictures
    converted by value (not clipped), and transparency laid over white.

    Args:
        source: The file's bytes, or its path.
        shrink_to: The shorter side, in pixels, that is enough. A JPEG is decoded at 1/2, 1/4 or 1/8 of its
            size where the result is still at least that large; other formats are decoded whole.
        max_pixels: Width times height above which a picture is refused before it is decoded.

    Returns:
        An RGB picture of the size in the file (or a power of two smaller, see `shrink_to`).

    Raises:
        PictureError: The data is empty, not a picture of a known format, damaged, truncated or too large.
        MemoryError: There is too little memory for it at the moment.
    """
    where = f" {source}" if isinstance(source, Path) else ""
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
    except OSError as error:
        raise PictureError(f"the picture{where} cannot be opened: {error.strerror}") from error
    if not data:
        raise PictureError(f"the picture{where} is empty (0 bytes)")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        _check_size(image, where, max_pixels, shrink_to)
        image.load()
        turn = exif_turn(image)
        return _to_rgb(image if turn is None else image.transpose(turn))
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # decoders raise anything at all on damaged data
        reason = "not a picture in a known format" if isinstance(error, UnidentifiedImageError) else error
        raise PictureError(f"the picture{where} cannot be decoded: {reason}") from error


def _check_size(image: Image.Image, where: str, max_pixels: int, shrink_to: int | None) -> None:
    """Refuse what is too large before anything is allocated for it; has a JPEG shrunk while it is decoded."""
    width, height = image.size
    limit = max_pixels
    if image.format in ("JPEG", "MPO") and shrink_to is not None:
        image.draft("RGB", (shrink_to, shrink_to))
        # All coefficients of a progressive file are held at once, whatever the scale; those of others are not.
        if not image.info.get("progressive"):
            limit *= _SHRUNK_ON_THE_WAY
    if width * height > limit or image.width * image.height > max_pixels:
        raise PictureError(f"the picture{where} is {width} x {height} pixels; at most {limit:,} pixels are read")


def exif_turn(image: Image.Image) -> Image.Transpose | None:
    """What makes a picture upright by its EXIF orientation; None where it is.

    ImageOps.exif_transpose also writes all of EXIF anew, and fails on odd tags.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - a damaged EXIF block says nothing, and harms nothing
        return None
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _wide_to_rgb(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _wide_to_rgb(image: Image.Image) -> Image.Image:
    """Bring more than 8 bits a channel down to 8; Pillow's own conversion clips everything above 255 to white."""
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        table = ((np.arange(65536, dtype=np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        return Image.fromarray(table[values.astype(np.uint16, copy=False)]).convert("RGB")
    values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0, neginf=0)
    highest = float(values.max(initial=0))
    # What the file's own scale is, its values have to tell: 0 to 1, 8, 16 or 32 bits.
    top = 1.0 if image.mode == "F" and highest <= 1 else 255.0 if highest <= 255 else max(65535.0, highest)
    np.clip(values, 0, top, out=values)
    values *= 255.0 / top
    return Image.fromarray(values.round().astype(np.uint8)).convert("RGB")
