"""From a drawing or a photo to the 28×28 that a network reads, the way MNIST itself was prepared.

Y. LeCun, C. Cortes and C. Burges (http://yann.lecun.com/exdb/mnist/): a digit's box is scaled to fit 20×20 with its
aspect kept and anti-aliased, then placed in 28×28 with its centre of mass at the centre. Measured on MNIST, the centre
of mass stands at index (14, 14), the longer side is 20 in all but one image of 2,000, and nine strokes of ten are 1.6
to 4.1 pixels wide. So that the brush hardly matters either, strokes thinner or thicker than that are brought back.
"""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from mnist_models.dataset import IMAGE_SIZE_PX

DIGIT_SIZE_PX = 20
CENTER_PX = 14
STROKE_PX = (1.8, 4.0)
MAX_SIDE_PX = 10_000
MAX_PIXELS = 50_000_000
# Strokes are measured and widened at four times their final size: fine enough for a soft edge, small enough for 1 ms.
OVERSAMPLING = 4
# A picture from a file is shrunk to this before its ink is found.
WORKING_SIZE_PX = 512
# The shade of the paper is found on a thumbnail of this size.
PAPER_SIZE_PX = 32
# Of 255: what is fainter than this on a photo is not ink.
MIN_CONTRAST = 12
WINDOW = 15
MODE="nearest"
RIM = 1/6
LOW,HIGH=.45,.8
TOO_LARGE = f"A picture may have {MAX_SIDE_PX:,} pixels a side and {MAX_PIXELS:,} in all: make it smaller."

INK_FULL = 255


class PictureError(ValueError):
    """A picture that cannot be read. The message is for the person: what was wrong, what is allowed, what to do."""


@dataclass(frozen=True)
class Preparation:
    """What the networks read, and the steps that led to it.

    image: uint8 (28, 28), 0 is paper, 255 is ink.
    ink: uint8 (H, W), how much ink stands at each pixel of the picture.
    box: left, top, right, bottom of the ink in it, right and bottom exclusive.
    scaled: uint8 (h, w), the box scaled, its longer side 20.
    stroke_px: how wide the strokes were, in pixels of `scaled`, before they were made wider or thinner.
    """

    image: np.ndarray
    ink: np.ndarray
    box: tuple[int, int, int, int]
    scaled: np.ndarray
    stroke_px: float


def prepare_drawing(rgba: np.ndarray) -> Preparation | None:
    """What the networks read of a drawing: dark ink on white or transparent paper; None when it is blank.

    rgba: uint8 (H, W, 4), (H, W, 3) or (H, W), any size.
    """
    if rgba.ndim == 2:
        ink = INK_FULL - rgba
    else:
        # The darkest channel, so that a coloured brush is ink as good as black.
        darkness = INK_FULL - np.minimum(np.minimum(rgba[..., 0], rgba[..., 1]), rgba[..., 2])
        ink = darkness if rgba.shape[2] == 3 else (darkness.astype(np.uint16) * rgba[..., 3] // 255).astype(np.uint8)
    return _prepare(ink) if ink.any() else None


def open_picture(file: str | Path | BinaryIO) -> Image.Image:
    """The picture in a file, upright, its longer side at most `WORKING_SIZE_PX`, in mode L or LA.

    Raises PictureError when the file is missing, empty, damaged, too large, or not a picture. Its size is read from its
    header and checked before anything is decoded.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures; the limit below is this project's own.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(file)
    except FileNotFoundError as error:
        raise PictureError(f"There is no file “{file}”: check its name, then try again.") from error
    except (UnidentifiedImageError, IsADirectoryError) as error:
        raise PictureError("This is not a picture that can be read: choose a PNG or a JPEG file.") from error
    except Image.DecompressionBombError as error:
        raise PictureError(TOO_LARGE) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureError(f"This file cannot be read ({error}): choose a PNG or a JPEG file.") from error
    with picture:
        if max(picture.size) > MAX_SIDE_PX or math.prod(picture.size) > MAX_PIXELS:
            raise PictureError(f"This picture is {picture.width:,} × {picture.height:,} pixels. {TOO_LARGE}")
        try:
            picture.draft("L", (WORKING_SIZE_PX, WORKING_SIZE_PX))
            return ImageOps.exif_transpose(_grey(picture))
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise PictureError("This picture is damaged or cut short: save it again, then choose it again.") from error


def prepare_picture(picture: Image.Image) -> Preparation:
    """What the networks read of a picture: dark ink on light paper or light on dark, evenly lit or not.

    Raises PictureError when the picture is all one colour.
    """
    ink = find_ink(_on_paper(_grey(picture)))
    if not ink.any():
        raise PictureError("This picture is all one colour: choose one in which a digit stands out from its paper.")
    return _prepare(ink)


def find_ink(grey: np.ndarray) -> np.ndarray:
    """How much ink stands at each pixel: uint8 (H, W), 0 is paper, 255 is ink, all 0 when nothing stands out.

    grey: uint8 (H, W), 0 is black, 255 is white.
    """
    contrast = grey - np.bincount(_rim(grey)).argmax().astype(np.float32)
    strongest = contrast[np.unravel_index(np.abs(contrast).argmax(), contrast.shape)]
    if strongest == 0:
        return np.zeros(grey.shape, np.uint8)
    contrast /= strongest
    inked = np.mean(contrast > 0.5)
    blank = np.mean(np.abs(contrast) <= 2 / abs(strongest))
    between = 1 - inked - blank
    if between < 3 * inked and between < blank:
        # Paper of one colour: drawn on a screen or scanned well, and every grey is the soft edge of a stroke.
        return (contrast.clip(0) * INK_FULL).round().astype(np.uint8)
    return _find_ink_in_photo(grey)


def _find_ink_in_photo(grey: np.ndarray) -> np.ndarray:
    """As `find_ink`, for paper that is unevenly lit, noisy, grained, or ruled."""
    picture = Image.fromarray(grey)
    small = picture.resize(_fitted(picture.size, min(PAPER_SIZE_PX, max(picture.size))), Image.Resampling.BOX)
    small = np.asarray(small, np.float32)
    # A median keeps the edge of a shadow where it is, as a mean would not.
    small_paper = ndimage.median_filter(small, WINDOW, mode=MODE)
    paper = np.asarray(Image.fromarray(small_paper).resize(picture.size, Image.Resampling.BICUBIC)).clip(1)
    # Ink strays far from the paper, light and noise stray little: cubes tell whether it is the darker or the lighter.
    darker = ((small_paper - small) ** 3).sum() >= 0
    # Shade takes the same share of the light from paper and ink: darkness is measured as a share of the paper's light.
    contrast = (paper - grey) * (small_paper.max() / paper) if darker else grey - paper
    contrast -= np.median(contrast)
    noise = 1.5 * np.median(np.abs(contrast))
    above = np.maximum(contrast - 4 * noise, 0)
    full = (above * contrast).sum() / max(above.sum(), 1)
    if full < max(MIN_CONTRAST, 6 * noise):
        return np.zeros(grey.shape, np.uint8)
    low, high = LOW * full, HIGH * full
    return _without_specks(np.clip((contrast - low) / (high - low) * INK_FULL, 0, INK_FULL).astype(np.uint8))


def _rim(image: np.ndarray) -> np.ndarray:
    """The pixels along the four sides of an image."""
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _without_specks(ink: np.ndarray) -> np.ndarray:
    """The ink without spots far smaller than the digit, and without the table or the shadow along the rim."""
    spots, _ = ndimage.label(ink, np.ones((3, 3)))
    mass = np.bincount(spots.ravel(), ink.ravel())
    rim = np.bincount(_rim(spots), minlength=len(mass))
    inner = np.where(rim > RIM*rim.sum(), 0, mass)
    mass = inner if inner.any() else mass
    return np.where((mass >= 0.05 * mass.max())[spots], ink, 0).astype(np.uint8)


def _grey(picture: Image.Image) -> Image.Image:
    """The picture in mode L, LA or F, no larger than the working size."""
    if picture.mode.startswith(("I", "F")):
        # 16 bits a pixel, or more: from the darkest to the lightest.
        values = np.asarray(picture, np.float32)
        low, high = values.min(), values.max()
        picture = Image.fromarray(((values - low) * (255 / max(high - low, 1e-6))).astype(np.uint8))
    transparent = picture.has_transparency_data
    if picture.mode not in ("L", "LA", "RGB", "RGBA"):
        picture = picture.convert("RGBA" if transparent else "RGB")
    if max(picture.size) > WORKING_SIZE_PX:
        picture = picture.resize(_fitted(picture.size, WORKING_SIZE_PX), Image.Resampling.BOX, reducing_gap=2)
    return picture.convert("LA" if transparent else "L")


def _on_paper(picture: Image.Image) -> np.ndarray:
    """The picture as uint8 (H, W), what is transparent in it replaced by paper that its ink stands out from."""
    if picture.mode != "LA":
        return np.asarray(picture)
    grey, alpha = np.moveaxis(np.asarray(picture, np.float32), -1, 0)
    alpha /= 255
    light = (grey * alpha).sum() > 127 * alpha.sum()
    # Mostly transparent: what is seen is ink. Mostly opaque: what is seen is paper.
    paper = 255 * (light == (alpha.mean() > 0.5))
    return (grey * alpha + paper * (1 - alpha)).round().astype(np.uint8)


def center_of_mass(image: np.ndarray) -> tuple[float, float]:
    """Row and column of the centre of mass of an image with some ink in it."""
    rows, columns = image.sum(axis=1, dtype=float), image.sum(axis=0, dtype=float)
    total = rows.sum()
    return float(rows @ np.arange(len(rows)) / total), float(columns @ np.arange(len(columns)) / total)


def _prepare(ink: np.ndarray) -> Preparation:
    """Box, scale and place the ink, uint8 (H, W), at least one pixel of which is not 0."""
    picture = Image.fromarray(ink)
    # Faint edges, like the ripples that JPEG leaves, do not move the box: in MNIST too it holds at a quarter of black.
    box = picture.point(lambda value: value > INK_FULL // 5).getbbox() or picture.getbbox()
    scaled, stroke_px = _scale(picture.crop(box))
    return Preparation(_place(scaled), ink, box, scaled, stroke_px)


def _scale(crop: Image.Image) -> tuple[np.ndarray, float]:
    """The ink cropped to its box, scaled to 20 px on its longer side, its strokes neither too thin nor too thick."""
    fine = np.asarray(crop.resize(_fitted(crop.size, DIGIT_SIZE_PX * OVERSAMPLING), Image.Resampling.BICUBIC), np.float32)
    # A line thinner than a pixel is never black: half of the usual ink, not half of black, is where strokes end.
    stroke = np.pad(fine, 1) >= (fine**2).sum() / fine.sum() / 2
    inside = ndimage.distance_transform_edt(stroke)
    # Across a stroke the distance to its nearer edge rises from 0 to half its width: on average a quarter of it.
    width = 4 * (inside[stroke] - 0.5).mean()
    stroke_px = width / OVERSAMPLING
    wanted_px = min(max(stroke_px, STROKE_PX[0]), STROKE_PX[1])
    if wanted_px > stroke_px:
        # Widening by `grow` on each side also widens the box: (width + 2 grow) / (side + 2 grow) = wanted / 20.
        grow = (wanted_px * max(fine.shape) - DIGIT_SIZE_PX * width) / (DIGIT_SIZE_PX - wanted_px) / 2
        margin = math.ceil(grow)
        outside = ndimage.distance_transform_edt(~np.pad(stroke, margin))
        wide = np.clip(grow + 1 - outside, 0, 1) * INK_FULL
        crop = Image.fromarray(wide.astype(np.uint8))
        crop = crop.crop(crop.getbbox())
    scaled = crop.resize(_fitted(crop.size, DIGIT_SIZE_PX), Image.Resampling.BOX)
    scaled = np.asarray(scaled, np.float32)
    return (scaled * (INK_FULL / scaled.max())).round().astype(np.uint8), stroke_px


def _fitted(size: tuple[int, int], longer_px: int) -> tuple[int, int]:
    """Width and height with the longer side as asked, the aspect kept, neither less than 1."""
    scale = longer_px / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _place(scaled: np.ndarray) -> np.ndarray:
    """The scaled ink in 28×28, shifted by whole pixels so that its centre of mass stands at the centre."""
    image = np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8)
    top, left = (
        min(max(round(CENTER_PX - center), 0), IMAGE_SIZE_PX - side)
        for center, side in zip(center_of_mass(scaled), scaled.shape, strict=True)
    )
    image[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return image
