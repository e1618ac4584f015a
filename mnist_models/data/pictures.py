"""Files of pictures: opened within limits, and shrunk to what there is to read in them."""

import io
import math
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
MAX_SIDE_PX = 10_000
MAX_PIXELS = 50_000_000
LIMITS = (
    f"A picture may have {MAX_SIDE_PX:,} pixels a side and {MAX_PIXELS:,} in all: make it smaller "
    "and try again."
)
# Larger pictures are shrunk to this on their longer side. A digit that takes a twentieth of it
# still has 25 pixels.
WORKING_SIZE_PX = 512


class PictureError(ValueError):
    """A picture that cannot be read. The message is for the person: what was wrong, what is
    allowed, what to do."""


def open_picture(file: str | Path | BinaryIO | bytes) -> Image.Image:
    """The picture in a file: upright, in mode L, LA, RGB or RGBA, its longer side at most
    `WORKING_SIZE_PX`.

    The size is read from the header and checked before anything is decoded.

    Raises:
        PictureError: When the file is missing, empty, damaged, too large, or not a picture.
    """
    try:
        picture = Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=FORMATS)
    except FileNotFoundError as error:
        raise PictureError(f"There is no file “{file!s}”: check its name and try again.") from error
    except (UnidentifiedImageError, IsADirectoryError) as error:
        raise PictureError(
            "This file is empty or no picture that can be read: choose a PNG or a JPEG."
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(f"This picture is too large. {LIMITS}") from error
    except (OSError, ValueError) as error:
        raise PictureError(
            f"This file cannot be read ({error}): choose another PNG or JPEG file."
        ) from error
    with picture:
        if max(picture.size) > MAX_SIDE_PX or math.prod(picture.size) > MAX_PIXELS:
            raise PictureError(
                f"This picture has {picture.width:,} × {picture.height:,} pixels. {LIMITS}"
            )
        try:
            # A JPEG is decoded at a half, a quarter or an eighth of its size, never below the size
            # asked for.
            picture.draft("RGB", (WORKING_SIZE_PX, WORKING_SIZE_PX))
            return ImageOps.exif_transpose(shrink(picture))
        # Pillow's decoders raise nearly everything when they meet damage: struct.error,
        # SyntaxError, EOFError, ...
        except Exception as error:
            raise PictureError(
                "This picture is damaged or cut short: save it again as a PNG or a JPEG, then "
                "choose it again."
            ) from error


def shrink(picture: Image.Image) -> Image.Image:
    """The picture in mode L or RGB, LA or RGBA where something is transparent, its longer side at
    most `WORKING_SIZE_PX`."""
    if picture.mode.startswith(("I", "F")):
        # 16 or 32 bits have no agreed white: the picture's own darkest and lightest pixels stand
        # for black and white.
        values = np.nan_to_num(np.asarray(picture, np.float32))
        low, high = values.min(), values.max()
        picture = Image.fromarray(((values - low) * (255 / max(high - low, 1))).astype(np.uint8))
    transparent = picture.has_transparency_data
    if picture.mode not in ("L", "LA", "RGB", "RGBA") or "transparency" in picture.info:
        picture = picture.convert("RGBA" if transparent else "RGB")
    if max(picture.size) > WORKING_SIZE_PX:
        picture = picture.resize(
            fitted(picture.size, WORKING_SIZE_PX), Image.Resampling.BOX, reducing_gap=2
        )
    return picture


def fitted(size: tuple[int, int], longer_px: int) -> tuple[int, int]:
    """Width and height with the longer side as asked, the aspect kept, neither less than 1."""
    scale = longer_px / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
