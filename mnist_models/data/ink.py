"""The ink in a picture: how much of it stands at each pixel, whatever the paper and the light."""

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.data.pictures import fitted

INK = 255
# No photo is as small as this, and none could be distinguished from a drawing.
LARGEST_ICON_PX = 2 * IMAGE_SIZE_PX
# The shade of the paper is a median over half of a thumbnail: more than the widest stroke, less
# than most shadows.
THUMBNAIL_SIZE_PX = 32
MEDIAN_SIZE_PX = 15
# As a share of the paper's light: what differs less from the paper of a photo is a vignette or a
# shade, not ink.
FAINTEST_INK = 0.15


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


def _find_ink_in_photo(grey: np.ndarray) -> np.ndarray:
    """As `find_ink`, for paper that is unevenly lit, noisy, grained or ruled."""
    picture = Image.fromarray(grey)
    small_size = fitted(picture.size, min(THUMBNAIL_SIZE_PX, max(picture.size)))
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


def on_paper(picture: Image.Image) -> np.ndarray:
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
