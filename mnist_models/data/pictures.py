"""Files of pictures: opened within limits, and shrunk to what there is to read in them."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pillow_heif
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

# Pillow reads HEIF, which phones save, with the help of pillow-heif.
pillow_heif.register_heif_opener()
# By the names that Pillow gives formats, the ends of names that files of each have.
FORMATS = {
    "PNG": ("png",),
    "JPEG": ("jpg", "jpeg"),
    "WEBP": ("webp",),
    "HEIF": ("heic", "heif"),
    "AVIF": ("avif",),
    "GIF": ("gif",),
    "BMP": ("bmp",),
    "TIFF": ("tif", "tiff"),
}
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
MAX_SIDE_PX = 10_000
MAX_PIXELS = 50_000_000
LIMITS = (
    f"A picture may have {MAX_SIDE_PX:,} pixels a side and {MAX_PIXELS:,} in all: make it smaller "
    "and try again."
)
# A page of digits keeps more than one digit needs.
PAGE_SIZE_PX = 1600
# Larger pictures are shrunk to this on their longer side. A digit that takes a twentieth of it
# still has 25 pixels.
WORKING_SIZE_PX = 512
DAMAGED = (
    "This picture is damaged or cut short: save it again as a PNG or a JPEG, then choose it again."
)
# So much of a file tells what it is.
START_BYTES = 1024
IDX_TYPES = (b"\x08", b"\x09", b"\x0b", b"\x0c", b"\x0d", b"\x0e")
BOX_COLOR = "#D55E00"


class PictureError(ValueError):
    """A picture that cannot be read. The message is for the person: what was wrong, what is
    allowed, what to do."""


def open_picture(
    file: str | Path | BinaryIO | bytes, longest_px: int = WORKING_SIZE_PX
) -> Image.Image:
    """The picture in a file: upright, in mode L, LA, RGB or RGBA, its longer side at most
    `longest_px`.

    The size is read from the header and checked before anything is decoded.

    Raises:
        PictureError: When the file is missing, empty, damaged, too large, or not a picture.
    """
    try:
        picture = Image.open(
            io.BytesIO(file) if isinstance(file, bytes) else file, formats=list(FORMATS)
        )
    except FileNotFoundError as error:
        raise PictureError(f"There is no file “{file!s}”: check its name and try again.") from error
    except (UnidentifiedImageError, IsADirectoryError) as error:
        raise PictureError(_what_else(file)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(f"This picture is too large. {LIMITS}") from error
    except (OSError, ValueError) as error:
        raise PictureError(
            f"This file cannot be read ({error}): choose another PNG or JPEG file."
        ) from error
    except RuntimeError as error:  # a damaged AVIF, of which Pillow does not say that it is one
        raise PictureError(DAMAGED) from error
    with picture:
        if max(picture.size) > MAX_SIDE_PX or math.prod(picture.size) > MAX_PIXELS:
            raise PictureError(
                f"This picture has {picture.width:,} × {picture.height:,} pixels. {LIMITS}"
            )
        try:
            # A JPEG is decoded at a half, a quarter or an eighth of its size, and of a HEIC that
            # holds a smaller copy of itself that is decoded: never below the size asked for.
            picture.draft("RGB", fitted(picture.size, longest_px))
            return ImageOps.exif_transpose(shrink(picture, longest_px))
        # Pillow's decoders raise nearly everything when they meet damage: struct.error,
        # SyntaxError, EOFError, ...
        except Exception as error:
            raise PictureError(DAMAGED) from error


def _what_else(file: str | Path | BinaryIO | bytes) -> str:
    """What to say of a file that is no picture."""
    start = b""
    if isinstance(file, bytes):
        start = file[:START_BYTES]
    elif not isinstance(file, str | Path):
        file.seek(0)
        start = file.read(START_BYTES)
    elif Path(file).is_file():
        with Path(file).open("rb") as opened:
            start = opened.read(START_BYTES)
    if b"<svg" in start.lower():
        return (
            "This is an SVG file, a drawing made of lines and not of pixels: export it as a PNG, "
            "then choose that."
        )
    # Two zeros, the type of the numbers, how many dimensions they have.
    if start[:2] == b"\0\0" and start[2:3] in IDX_TYPES and 0 < ord(start[3:4] or b"\0") < 5:
        return (
            "This is an IDX file, the format in which MNIST is published: it holds many images or "
            "labels. Save one of the images as a PNG, then choose that."
        )
    if start.startswith(b"%PDF"):
        return "This is a PDF document: save its page as a PNG or a JPEG, then choose that."
    return "This file is empty, or is not an image that can be read: choose a PNG or a JPEG."


def shrink(picture: Image.Image, longest_px: int = WORKING_SIZE_PX) -> Image.Image:
    """The picture in mode L or RGB, LA or RGBA where something is transparent, its longer side at
    most `longest_px`."""
    if picture.mode.startswith(("I", "F")):
        # 16 or 32 bits have no agreed white: the picture's own darkest and lightest pixels stand
        # for black and white.
        values = np.nan_to_num(np.asarray(picture, np.float32))
        low, high = values.min(), values.max()
        picture = Image.fromarray(((values - low) * (255 / max(high - low, 1))).astype(np.uint8))
    transparent = picture.has_transparency_data
    if picture.mode not in ("L", "LA", "RGB", "RGBA") or "transparency" in picture.info:
        picture = picture.convert("RGBA" if transparent else "RGB")
    if max(picture.size) > longest_px:
        picture = picture.resize(
            fitted(picture.size, longest_px), Image.Resampling.BOX, reducing_gap=2
        )
    return picture


def fitted(size: tuple[int, int], longer_px: int) -> tuple[int, int]:
    """Width and height with the longer side as asked, the aspect kept, neither less than 1."""
    scale = longer_px / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def with_boxes(
    picture: Image.Image, boxes: Sequence[tuple[int, int, int, int]], texts: Sequence[str]
) -> Image.Image:
    """The picture, mode RGB, with a box around each digit and a text above it.

    Args:
        boxes: Left, top, right and bottom of each, in pixels.
    """
    drawn = Image.new("RGB", picture.size, "white")
    drawn.paste(picture, mask=picture.getchannel("A") if "A" in picture.getbands() else None)
    pen = ImageDraw.Draw(drawn)
    height_px = float(np.median([bottom - top for _, top, _, bottom in boxes]))
    font = ImageFont.load_default(min(max(10, 0.35 * height_px), 40))
    for (left, top, right, bottom), text in zip(boxes, texts, strict=True):
        pen.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=BOX_COLOR, width=2)
        pen.text((left - 2, top - 3), text, fill=BOX_COLOR, font=font, anchor="lb")
    return drawn
