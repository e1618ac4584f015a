"""From a drawing or a photo to the 28×28 that a network reads, the way MNIST itself was prepared.

Y. LeCun, C. Cortes and C. Burges (http://yann.lecun.com/exdb/mnist/): a digit's box is scaled to
fit 20×20, its aspect kept, anti-aliased, and placed in 28×28 with its centre of mass at the centre.
Measured on MNIST, the centre of mass stands at index (14, 14), the longer side is 20 in 9,997 of
the 10,000 test images, and five strokes of six are 1.8 to 4 pixels wide. So that the brush hardly
matters either, other strokes are made wider or thinner before they are scaled.
"""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from mnist_models.data.dataset import IMAGE_SIZE_PX

DIGIT_SIZE_PX = 20
CENTER_PX = 14
THINNEST_STROKE_PX = 1.8
THICKEST_STROKE_PX = 4.0
# Strokes are made wider or thinner at four times their final size: a soft edge for little work.
OVERSAMPLING = 4
INK = 255

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
# No photo is as small as this, and none could be distinguished from a drawing.
LARGEST_ICON_PX = 2 * IMAGE_SIZE_PX
# The shade of the paper is a median over half of a thumbnail: more than the widest stroke, less
# than most shadows.
THUMBNAIL_SIZE_PX = 32
MEDIAN_SIZE_PX = 15
# As a share of the paper's light: what differs less from the paper of a photo is a vignette or a
# shade, not ink.
FAINTEST_INK = 0.15


class PictureError(ValueError):
    """A picture that cannot be read. The message is for the person: what was wrong, what is
    allowed, what to do."""


@dataclass(frozen=True)
class Preparation:
    """What the networks read, and the steps that led to it.

    Attributes:
        image: uint8 (28, 28), 0 is paper, 255 is ink.
        ink: uint8 (H, W), how much ink stands at each pixel of the picture.
        box: Left, top, right and bottom of the ink in it; right and bottom are the first without
            ink.
        scaled: uint8 (h, w), the ink in the box, its longer side 20, its strokes neither too thin
            nor too thick.
        stroke_px: How wide the strokes were drawn, in pixels of `scaled`.
    """

    image: np.ndarray
    ink: np.ndarray
    box: tuple[int, int, int, int]
    scaled: np.ndarray
    stroke_px: float


def prepare_drawing(rgba: np.ndarray) -> Preparation | None:
    """What the networks read of a drawing: dark ink on white or transparent paper. None when it is
    blank.

    Args:
        rgba: uint8 (H, W, 4), (H, W, 3) or (H, W), any size.
    """
    if rgba.ndim == 2:
        ink = INK - rgba
    else:
        # The darkest channel, so that ink of any colour counts in full.
        ink = INK - np.minimum(np.minimum(rgba[..., 0], rgba[..., 1]), rgba[..., 2])
        if rgba.shape[2] == 4:
            ink = (ink.astype(np.uint16) * rgba[..., 3] // 255).astype(np.uint8)
    return prepare_ink(ink) if ink.any() else None


def open_picture(file: str | Path | BinaryIO | bytes) -> Image.Image:
    """The picture in a file: upright, grey (mode L or LA), its longer side at most
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
            picture.draft("L", (WORKING_SIZE_PX, WORKING_SIZE_PX))
            return ImageOps.exif_transpose(_shrink_grey(picture))
        # Pillow's decoders raise nearly everything when they meet damage: struct.error,
        # SyntaxError, EOFError, ...
        except Exception as error:
            raise PictureError(
                "This picture is damaged or cut short: save it again as a PNG or a JPEG, then "
                "choose it again."
            ) from error


def prepare_picture(picture: Image.Image) -> Preparation:
    """What the networks read of a picture: dark ink on light paper or light on dark, evenly lit or
    not.

    Raises:
        PictureError: When nothing stands out from the paper.
    """
    ink = find_ink(_on_paper(_shrink_grey(picture)))
    if not ink.any():
        message = (
            "Nothing stands out in this picture: choose one with dark ink on light paper, or light "
            "on dark."
        )
        raise PictureError(message)
    return prepare_ink(ink)


def find_ink(grey: np.ndarray) -> np.ndarray:
    """How much ink stands at each pixel: uint8 (H, W), 0 is paper, 255 is ink; all 0 when nothing
    stands out.

    Args:
        grey: uint8 (H, W), 0 is black, 255 is white; the ink may be the darker or the lighter of
            the two.
    """
    contrast = grey - np.median(_rim(grey)).astype(np.float32)
    strongest = contrast.flat[np.abs(contrast).argmax()]
    if strongest == 0:
        return np.zeros(grey.shape, np.uint8)
    contrast /= strongest
    inked = np.mean(contrast > 0.5)
    blank = np.mean(contrast == 0)
    between = 1 - inked - blank
    if between < min(3 * inked, 2 * blank) or max(grey.shape) <= LARGEST_ICON_PX:
        # Paper of one colour, as on a screen or a good scan: all that is between is the soft edge
        # of a stroke.
        return (contrast.clip(0) * INK).round().astype(np.uint8)
    return _find_ink_in_photo(grey)


def center_of_mass(image: np.ndarray) -> tuple[float, float]:
    """Row and column of the centre of mass of an image (H, W) that has some ink in it."""
    rows, columns = image.sum(axis=1, dtype=float), image.sum(axis=0, dtype=float)
    total = rows.sum()
    return float(rows @ np.arange(len(rows)) / total), float(
        columns @ np.arange(len(columns)) / total
    )


def _find_ink_in_photo(grey: np.ndarray) -> np.ndarray:
    """As `find_ink`, for paper that is unevenly lit, noisy, grained or ruled."""
    picture = Image.fromarray(grey)
    small_size = _fitted(picture.size, min(THUMBNAIL_SIZE_PX, max(picture.size)))
    small = np.asarray(picture.resize(small_size, Image.Resampling.BOX), np.float32)
    # A median, unlike a mean, leaves the edge of a shadow where it is.
    small_paper = ndimage.median_filter(small, MEDIAN_SIZE_PX, mode="nearest")
    paper = np.asarray(
        Image.fromarray(small_paper).resize(picture.size, Image.Resampling.BICUBIC)
    ).clip(1)
    # Ink strays far from the paper, light and noise only a little: cubes tell on which side of the
    # paper the ink is.
    if ((small_paper - small) ** 3).sum() >= 0:
        # Shade takes the same share of light from paper and ink: dark ink is measured as a share of
        # the paper's light.
        contrast = (paper - grey) * (small_paper.max() / paper)
    else:
        contrast = grey - paper
    # A sixteenth of the pixels tell the medians well enough.
    contrast -= np.median(contrast[::4, ::4])
    noise = 1.5 * np.median(np.abs(contrast[::4, ::4]))
    above = np.maximum(contrast - 4 * noise, 0)
    full = (above * contrast).sum() / max(above.sum(), 1)
    if full < max(FAINTEST_INK * small_paper.max(), 6 * noise):
        return np.zeros(grey.shape, np.uint8)
    # Ruled lines and grain are fainter than half of the ink.
    low, high = 0.45 * full, 0.8 * full
    return _without_specks(((contrast - low) / (high - low)).clip(0, 1))


def _without_specks(ink: np.ndarray) -> np.ndarray:
    """Ink float (H, W) of 0 to 1 as uint8, without the spots that are not the digit.

    Left out, if there are others: what runs along a sixth of the rim or more (a shadow, the table
    beyond the paper), then all else on the rim unless the heaviest spot is there too, then what is
    far lighter than that (grain, dust).
    """
    spots, _ = ndimage.label(ink, np.ones((3, 3)))
    mass = np.bincount(spots.ravel(), ink.ravel())
    on_rim = np.bincount(_rim(spots), minlength=len(mass))
    inner = np.where(on_rim < on_rim.sum() / 6, mass, 0)
    mass = inner if inner.any() else mass
    if not on_rim[mass.argmax()]:
        mass = np.where(on_rim, 0, mass)
    return ((mass >= 0.05 * mass.max())[spots] * ink * INK).astype(np.uint8)


def _rim(image: np.ndarray) -> np.ndarray:
    """The pixels along the four sides of an image."""
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _shrink_grey(picture: Image.Image) -> Image.Image:
    """The picture in mode L, or LA where something is transparent, its longer side at most
    `WORKING_SIZE_PX`."""
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
            _fitted(picture.size, WORKING_SIZE_PX), Image.Resampling.BOX, reducing_gap=2
        )
    return picture.convert("LA" if transparent else "L")


def _on_paper(picture: Image.Image) -> np.ndarray:
    """The picture, mode L or LA, as uint8 (H, W): what is transparent becomes paper that the ink
    stands out from."""
    if picture.mode == "L":
        return np.asarray(picture)
    grey, alpha = np.moveaxis(np.asarray(picture, np.float32), -1, 0)
    alpha = alpha / 255
    light = (grey * alpha).sum() > 127 * alpha.sum()
    # What can be seen is ink where most is transparent, and is paper where most is not.
    paper = 255 * (light == (alpha.mean() > 0.5))
    return (grey * alpha + paper * (1 - alpha)).round().astype(np.uint8)


def prepare_ink(ink: np.ndarray) -> Preparation:
    """Box, scale and place the ink, uint8 (H, W), of which at least one pixel is not 0."""
    picture = Image.fromarray(ink)
    # The ripples that JPEG leaves must not move the box. A fifth of black is safe: MNIST's own
    # boxes hold to a quarter.
    box = picture.point(lambda value: value > INK / 5).getbbox() or picture.getbbox()
    assert box  # there is ink
    scaled, stroke_px = _scale(picture.crop(box))
    return Preparation(_place(scaled), ink, box, scaled, stroke_px)


def _scale(crop: Image.Image) -> tuple[np.ndarray, float]:
    """The ink in its box, scaled to 20 px with its strokes made wide or thin enough, and how wide
    they were."""
    fine_size = _fitted(crop.size, DIGIT_SIZE_PX * OVERSAMPLING)
    fine = np.asarray(crop.resize(fine_size, Image.Resampling.BICUBIC), np.float32)
    # Strokes end at half of the usual ink, not of black: a line thinner than a pixel is never
    # black.
    strokes = np.pad(fine, 1) >= (fine**2).sum() / fine.sum() / 2
    depth = ndimage.distance_transform_edt(strokes)
    # Across a stroke the distance to its nearer edge rises from 0 to half its width: on average a
    # quarter of it.
    width = 4 * (depth[strokes] - 0.5).mean()
    stroke_px = float(width / OVERSAMPLING)
    wanted_px = min(max(stroke_px, THINNEST_STROKE_PX), THICKEST_STROKE_PX)
    if wanted_px != stroke_px:
        # The box grows with its strokes: (width + 2 grow) / (longer side + 2 grow) = wanted / 20.
        grow = (
            (wanted_px * max(fine.shape) - DIGIT_SIZE_PX * width) / (DIGIT_SIZE_PX - wanted_px) / 2
        )
        if grow > 0:
            distance = ndimage.distance_transform_edt(~np.pad(strokes, math.ceil(grow)))
            strokes = (grow + 1 - distance).clip(0, 1)
        else:
            strokes = (depth + grow).clip(0, 1)
        crop = Image.fromarray((strokes * INK).astype(np.uint8))
        crop = crop.crop(crop.getbbox())
    scaled = np.asarray(
        crop.resize(_fitted(crop.size, DIGIT_SIZE_PX), Image.Resampling.BOX), np.float32
    )
    return (scaled * (INK / scaled.max())).round().astype(np.uint8), stroke_px


def _fitted(size: tuple[int, int], longer_px: int) -> tuple[int, int]:
    """Width and height with the longer side as asked, the aspect kept, neither less than 1."""
    scale = longer_px / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _place(scaled: np.ndarray) -> np.ndarray:
    """The scaled ink in 28×28, shifted by whole pixels so that its centre of mass stands at the
    centre."""
    image = np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8)
    top, left = (
        min(max(round(CENTER_PX - center), 0), IMAGE_SIZE_PX - side)
        for center, side in zip(center_of_mass(scaled), scaled.shape, strict=True)
    )
    image[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return image
