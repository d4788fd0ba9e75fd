"""Reads a picture of any supported format into upright 8-bit RGB; used by training and serving alike."""

import io
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from container.contract.errors import PictureError
from container.damaged import what_it_is, with_end_marker, without_ancillary_chunks
from container.folder import printable
from container.picture_limits import MAX_PIXELS, MAX_SIDE
from container.transparency import over_white

# Only these decoders are tried: others start programs (EPS), or are of no use here. JPEG's also reads MPO, the format
# of some phones. TGA comes last, because such files have no signature.
Image.init()
FORMATS = tuple(
    name
    for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "AVIF", "JPEG2000", "TGA")
    if name in Image.OPEN
)

# HEIC counts too, so that such files get a proper error message rather than being ignored.
ENDINGS = frozenset(
    ending for ending, name in Image.registered_extensions().items() if name in FORMATS or name == "MPO"
) | {".heic", ".heif", ".hif"}
"""Endings of the files in a channel that are taken as pictures, in lower case."""

# Phones make JPEGs of twice as many pixels as the limit. JPEGs are decoded at a reduced scale, so more is allowed.
_REDUCED_SCALE_FACTOR = 4

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


def read_picture(
    source: bytes | Path, *, shrink_to: int | None = None, max_pixels: int = MAX_PIXELS, flatten: bool = True
) -> Image.Image:
    """Decode one picture to RGB, upright.

    The first frame of an animation is read, EXIF orientation is applied, CMYK, palette and 16-bit pictures are
    converted by value (not clipped), and transparency is composited over white. Damaged metadata is ignored, and a JPEG
    may lack its end marker.

    Args:
        source: The file's bytes, or its path.
        shrink_to: The shorter side, in pixels, that is enough. A JPEG is decoded at 1/2, 1/4 or 1/8 of its
            size if the result is still at least that large; other formats are decoded at full size.
        max_pixels: Width times height above which a picture is refused before it is decoded.
        flatten: Composite transparency over white; otherwise a transparent picture is returned as RGBA.

    Returns:
        An RGB picture of the size in the file (or a power of two smaller, see `shrink_to`).

    Raises:
        PictureError: The data is empty, not a picture of a known format, damaged, truncated or too large.
        MemoryError: There is too little memory at the moment.
    """
    where = f" {printable(source)}" if isinstance(source, Path) else ""
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
    except OSError as error:
        raise PictureError(f"the picture{where} cannot be opened: {error.strerror}") from error
    if not data:
        raise PictureError(f"the picture{where} is empty (0 bytes)")
    try:
        try:
            picture = _decode(data, where, max_pixels, shrink_to)
        except (PictureError, MemoryError):
            raise
        except Exception:  # decoders raise anything on damaged data
            mended = _mend(data, max_pixels)
            if mended is None:
                raise
            picture = _decode(mended, where, max_pixels, shrink_to)
        return over_white(picture) if flatten and picture.mode == "RGBA" else picture
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # as above
        reason = what_it_is(data) if isinstance(error, UnidentifiedImageError) else error
        raise PictureError(f"the picture{where} cannot be decoded: {reason}") from error


def open_picture(data: bytes) -> Image.Image:
    """Read a picture's header, as `read_picture` does before it decodes.

    Raises:
        Exception: It cannot be read, for any reason.
    """
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception:
        mended = without_ancillary_chunks(data)
        if mended is None:
            raise
        return Image.open(io.BytesIO(mended), formats=FORMATS)


def _decode(data: bytes, where: str, max_pixels: int, shrink_to: int | None) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    _check_size(image, where, max_pixels, shrink_to)
    image.load()
    turn = exif_turn(image)
    return _to_8_bits(image if turn is None else image.transpose(turn))


def _mend(data: bytes, max_pixels: int) -> bytes | None:
    """Repair a file that a decoder refused, leaving its pixels unchanged; None if that is impossible."""
    return without_ancillary_chunks(data) or with_end_marker(data, max_pixels)


def _check_size(image: Image.Image, where: str, max_pixels: int, shrink_to: int | None) -> None:
    """Refuse a picture that is too large, before any allocation; sets a JPEG's reduced scale."""
    width, height = image.size
    if max(width, height) > MAX_SIDE:
        raise PictureError(
            f"the picture{where} is {width} x {height} pixels; at most {MAX_SIDE:,} per side are allowed"
        )
    limit = max_pixels
    if image.format in ("JPEG", "MPO") and shrink_to is not None:
        image.draft("RGB", (shrink_to, shrink_to))
        # A progressive file's coefficients are all held at once, whatever the scale.
        if not image.info.get("progressive"):
            limit *= _REDUCED_SCALE_FACTOR
    if width * height > limit or image.width * image.height > max_pixels:
        raise PictureError(f"the picture{where} is {width} x {height} pixels; at most {limit:,} pixels are allowed")


def exif_turn(image: Image.Image) -> Image.Transpose | None:
    """Return the turn that makes a picture upright, by its EXIF orientation; None if it is upright.

    ImageOps.exif_transpose also rewrites the EXIF data, and fails on odd tags.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - a damaged EXIF block is ignored
        return None
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Convert to RGB, or RGBA if it is transparent."""
    if image.mode.startswith("I") or image.mode == "F":
        return _wide_to_rgb(image)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _wide_to_rgb(image: Image.Image) -> Image.Image:
    """Scale more than 8 bits per channel down to 8; Pillow's conversion would clip everything above 255 to white."""
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        table = ((np.arange(65536, dtype=np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        return Image.fromarray(table[values.astype(np.uint16, copy=False)]).convert("RGB")
    values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0, neginf=0)
    highest = float(values.max(initial=0))
    # The file does not say its scale, so it is inferred from the values: 0 to 1, 8, 16 or 32 bits.
    top = 1.0 if image.mode == "F" and highest <= 1 else 255.0 if highest <= 255 else max(65535.0, highest)
    np.clip(values, 0, top, out=values)
    values *= 255.0 / top
    return Image.fromarray(values.round().astype(np.uint8)).convert("RGB")
