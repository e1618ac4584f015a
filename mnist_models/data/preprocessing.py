"""From a drawing or a photo to the 28×28 that a network reads, the way MNIST itself was prepared.

Y. LeCun, C. Cortes and C. Burges (http://yann.lecun.com/exdb/mnist/): a digit's box is scaled to
fit 20×20, its aspect kept, anti-aliased, and placed in 28×28 with its centre of mass at the centre.
Measured on MNIST, the centre of mass stands at index (14, 14), the longer side is 20 in 9,997 of
the 10,000 test images, and five strokes of six are 1.8 to 4 pixels wide. So that the brush hardly
matters either, other strokes are made wider or thinner before they are scaled.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.data.ink import INK, ink_of
from mnist_models.data.marks import digits_only
from mnist_models.data.pictures import PictureError, fitted, shrink

DIGIT_SIZE_PX = 20
CENTER_PX = 14
THINNEST_STROKE_PX = 1.8
THICKEST_STROKE_PX = 4.0
# Strokes are made wider or thinner at four times their final size: a soft edge for little work.
OVERSAMPLING = 4
# Around a digit of few pixels, so that its soft edge is enlarged with it.
TINY_MARGIN_PX = 2


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


def prepare_picture(picture: Image.Image) -> Preparation:
    """What the networks read of a picture: dark ink on light paper or light on dark, evenly lit or
    not.

    Raises:
        PictureError: When nothing stands out from the paper.
    """
    return prepare_found(ink_of_digits(shrink(picture)))


def ink_of_digits(picture: Image.Image) -> np.ndarray:
    """The ink of the digits in a picture, whatever else is in it: uint8 (H, W), some of it not 0.

    Args:
        picture: Mode L, LA, RGB or RGBA.

    Raises:
        PictureError: When nothing stands out from the paper.
    """
    ink = ink_of(picture)
    if not ink.any():
        message = (
            "Nothing stands out in this picture: choose one with dark ink on light paper, or light "
            "on dark."
        )
        raise PictureError(message)
    return digits_only(ink)


def prepare_found(ink: np.ndarray) -> Preparation:
    """As `prepare_ink`, for ink that was found in a picture and may be tiny: then it is enlarged
    first."""
    left, top, right, bottom = box_of(ink)
    return prepare_ink(_enlarged(ink) if max(right - left, bottom - top) < DIGIT_SIZE_PX else ink)


def center_of_mass(image: np.ndarray) -> tuple[float, float]:
    """Row and column of the centre of mass of an image (H, W) that has some ink in it."""
    rows, columns = image.sum(axis=1, dtype=float), image.sum(axis=0, dtype=float)
    total = rows.sum()
    return float(rows @ np.arange(len(rows)) / total), float(
        columns @ np.arange(len(columns)) / total
    )


def prepare_ink(ink: np.ndarray) -> Preparation:
    """Box, scale and place the ink, uint8 (H, W), of which at least one pixel is not 0."""
    box = box_of(ink)
    scaled, stroke_px = _scale(Image.fromarray(ink).crop(box))
    return Preparation(_place(scaled), ink, box, scaled, stroke_px)


def box_of(ink: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of ink, uint8 (H, W), of which at least one pixel is not 0."""
    picture = Image.fromarray(ink)
    # The ripples that JPEG leaves must not move the box. A fifth of black is safe: MNIST's own
    # boxes hold to a quarter.
    box = picture.point(lambda value: value > INK / 5).getbbox() or picture.getbbox()
    assert box  # there is ink
    return box


def _enlarged(ink: np.ndarray) -> np.ndarray:
    """Tiny ink, larger, so that its box has more than whole pixels to end at."""
    left, top, right, bottom = box_of(ink)
    margin = TINY_MARGIN_PX
    crop = Image.fromarray(ink).crop((left - margin, top - margin, right + margin, bottom + margin))
    return np.asarray(crop.resize((8 * crop.width, 8 * crop.height), Image.Resampling.BICUBIC))


def _scale(crop: Image.Image) -> tuple[np.ndarray, float]:
    """The ink in its box, scaled to 20 px with its strokes made wide or thin enough, and how wide
    they were."""
    fine_size = fitted(crop.size, DIGIT_SIZE_PX * OVERSAMPLING)
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
        crop.resize(fitted(crop.size, DIGIT_SIZE_PX), Image.Resampling.BOX), np.float32
    )
    return (scaled * (INK / scaled.max())).round().astype(np.uint8), stroke_px


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
