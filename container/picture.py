"""Reading one picture, whatever it is, into upright 8-bit RGB: the same code in training and serving."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from container.errors import PictureError

# Only these decoders are ever tried: others start programs (EPS), or serve no classifier. JPEG's reads MPO, the
# format of some phones, too.
Image.init()
FORMATS = tuple(name for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF") if name in Image.OPEN)

# A picture is decoded only below this; 100 megapixels are 300 MB as RGB. Phones make up to 200, but as
# JPEG, which is shrunk while it is decoded.
MAX_PIXELS = 100_000_000

Image.MAX_IMAGE_PIXELS = None  # Pillow only warns at its limit; the check below refuses, before any allocation.


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
        if image.format in ("JPEG", "MPO") and shrink_to is not None:
            image.draft("RGB", (shrink_to, shrink_to))
        width, height = image.size
        if width * height > max_pixels:
            raise PictureError(
                f"the picture{where} is {width} x {height} pixels; at most {max_pixels:,} pixels are read"
            )
        image.load()
        return _to_rgb(ImageOps.exif_transpose(image))
    except PictureError:
        raise
    except Exception as error:  # decoders raise anything at all on damaged data
        reason = "not a picture in a known format" if isinstance(error, UnidentifiedImageError) else error
        raise PictureError(f"the picture{where} cannot be decoded: {reason}") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _wide_to_rgb(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _wide_to_rgb(image: Image.Image) -> Image.Image:
    """Bring more than 8 bits a channel down to 8; Pillow's own conversion clips everything above 255 to white."""
    values = np.asarray(image, dtype=np.float64)
    top = 65535.0 if values.max(initial=0) > 255 else 255.0
    if image.mode.startswith("I;16"):
        top = 65535.0
    elif image.mode == "F" and values.max(initial=0) <= 1:
        top = 1.0
    return Image.fromarray((values.clip(0, top) * (255.0 / top)).round().astype(np.uint8), "L").convert("RGB")
