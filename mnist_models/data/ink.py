"""The ink in a picture: how much of it stands at each pixel, whatever the paper and the light."""

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.data.paper import find_sheet, inside_rim_lines, rim
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
# Strokes are wide when they cover such a share of the picture, and are wider than this in the
# thumbnail.
WIDE_INK = (0.15, 0.85)
WIDEST_USUAL_STROKE_PX = 5
# The share of a picture in which paper has to be seen to tell its shade.
LEAST_PAPER = 0.05
# As shares of the picture: where paper has lines, and where something darker is written on them.
LEAST_LINED = 0.5
MOST_WRITTEN_ON = 0.35


def ink_of(picture: Image.Image) -> np.ndarray:
    """How much ink stands at each pixel of a picture: uint8 (H, W), 0 is paper, 255 is ink; all 0
    when nothing stands out.

    Args:
        picture: Mode L, LA, RGB or RGBA; what is transparent is paper.
    """
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (INK, INK):
        picture = picture.convert("RGB")
    if picture.mode in ("LA", "RGBA"):
        return _inside_rim_lines(_on_paper(picture.convert("LA")))
    ink = _ink_of_paper(picture)
    if max(picture.size) > LARGEST_ICON_PX and (sheet := find_sheet(picture)):
        left, top, right, bottom = sheet.box
        on_sheet = np.zeros(ink.shape, np.uint8)
        on_sheet[top:bottom, left:right] = _ink_of_paper(sheet.picture)
        if on_sheet.any() and not _is_shadow(ink, on_sheet, sheet.covered):
            return on_sheet
    return ink


def _is_shadow(ink: np.ndarray, on_sheet: np.ndarray, covered: np.ndarray) -> bool:
    """Whether what seems to be a sheet is paper outside of a shadow: what is written goes on beside
    it.

    Args:
        ink: uint8 (H, W), found in the whole picture.
        on_sheet: The same, found on the sheet alone.
        covered: bool (H, W), where the sheet is.
    """
    inked, on_sheet = ink > INK / 5, on_sheet > INK / 5
    if inked[on_sheet].mean() < 0.6:
        return False
    # Beside the edge of a real sheet lie slivers of it and of the table.
    near_px = max(2, round(0.04 * max(ink.shape)))
    outside = ndimage.distance_transform_cdt(~covered) > near_px
    inside = ndimage.distance_transform_cdt(covered) > near_px
    spots, count = ndimage.label(inked, np.ones((3, 3)))
    sizes, there, out, inner = (
        np.bincount(spots[place], minlength=count + 1)[1:]
        for place in (inked, on_sheet, outside, inside)
    )
    goes_on = (out > 0.5 * sizes) | (np.minimum(out, inner) > 0.1 * sizes)
    goes_on[np.setdiff1d(rim(spots), 0) - 1] = False
    return bool(goes_on.any() or sizes[there == 0].sum() < 0.05 * sizes.sum())


def _ink_of_paper(picture: Image.Image) -> np.ndarray:
    """As `ink_of`, for a picture of nothing but paper, mode L or RGB."""
    ink = _inside_rim_lines(np.asarray(picture.convert("L")))
    if ink.any() or picture.mode == "L":
        return ink
    # Yellow ink is as light as white paper, but there is no blue in it.
    inks = [_inside_rim_lines(np.asarray(channel)) for channel in picture.split()]
    return max(inks, key=np.count_nonzero)


def _inside_rim_lines(grey: np.ndarray) -> np.ndarray:
    """As `find_ink`, for a picture that may have lines along its rim."""
    left, top, right, bottom = inside_rim_lines(grey)
    ink = np.zeros(grey.shape, np.uint8)
    ink[top:bottom, left:right] = find_ink(grey[top:bottom, left:right])
    return ink


def find_ink(grey: np.ndarray) -> np.ndarray:
    """How much ink stands at each pixel: uint8 (H, W), 0 is paper, 255 is ink; all 0 when nothing
    stands out.

    Args:
        grey: uint8 (H, W), 0 is black, 255 is white; the ink may be the darker or the lighter of
            the two.
    """
    contrast = grey - np.median(rim(grey)).astype(np.float32)
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
    blank = np.ones(small.shape, bool)
    if (beside := _beside_wide_strokes(small)) is not None:
        small_paper, blank = _shade(small, beside), beside
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
    blank = np.asarray(Image.fromarray(blank).resize(picture.size))[::4, ::4]
    contrast -= np.median(contrast[::4, ::4][blank])
    noise = 1.5 * np.median(np.abs(contrast[::4, ::4][blank]))
    above = np.maximum(contrast - 4 * noise, 0)
    full = (above * contrast).sum() / max(above.sum(), 1)
    if full < max(FAINTEST_INK * small_paper.max(), 6 * noise):
        return np.zeros(grey.shape, np.uint8)
    # Ruled lines and grain are fainter than half of the ink.
    low, high = 0.45 * full, 0.8 * full
    if darker := _darker_than_lines(contrast, low, max(4 * noise, 0.3 * low)):
        low, high = darker
    return _without_specks(((contrast - low) / (high - low)).clip(0, 1))


def _beside_wide_strokes(small: np.ndarray) -> np.ndarray | None:
    """Where paper is, bool (h, w), in a thumbnail, float (h, w), with strokes so wide that a median
    would take them for paper; None where they are not."""
    dark = small <= _two_shades(small)
    # What there is more of along the rim is the paper.
    written = dark if np.mean(rim(dark)) < 0.5 else ~dark
    paper = ~ndimage.binary_dilation(written)
    ink = ndimage.binary_erosion(written, border_value=1)
    is_wide = WIDE_INK[0] <= written.mean() <= WIDE_INK[1]
    if not is_wide or paper.mean() < LEAST_PAPER or not ink.any():
        return None
    apart = abs(small[paper].mean() - small[ink].mean())
    if apart < 0.4 * small.max() or apart < 5 * max(small[paper].std(), small[ink].std()):
        return None
    width = 2 * ndimage.distance_transform_edt(np.pad(written, 1, mode="edge")).max()
    # A shadow is as wide as it is long.
    is_stroke = width >= WIDEST_USUAL_STROKE_PX and written.sum() >= 1.6 * width**2
    return paper if is_stroke else None


def _shade(small: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """The light of the paper, float (h, w), told by where it is seen, bool (h, w)."""
    weight = ndimage.gaussian_filter(paper.astype(np.float32), MEDIAN_SIZE_PX / 3, mode="nearest")
    light = ndimage.gaussian_filter(small * paper, MEDIAN_SIZE_PX / 3, mode="nearest")
    return np.where(weight > 0.02, light / weight.clip(1e-6), small[paper].mean())


def _two_shades(values: np.ndarray) -> float:
    """The value that parts values best into two groups (N. Otsu, A threshold selection method from
    gray-level histograms, 1979)."""
    counts, edges = np.histogram(values, 64)
    middles = (edges[:-1] + edges[1:]) / 2
    below, total = counts.cumsum()[:-1], (counts * middles).cumsum()
    above = counts.sum() - below
    with np.errstate(divide="ignore", invalid="ignore"):
        means = total[:-1] / below - (total[-1] - total[:-1]) / above
    return float(edges[1:-1][np.nanargmax(np.nan_to_num(below * above * means**2))])


def _darker_than_lines(
    contrast: np.ndarray, low: float, least: float
) -> tuple[float, float] | None:
    """From which contrast on there is ink, and from which on nothing but ink, where the paper has
    lines all over it that are fainter than what is written; None where it has none.

    Args:
        contrast: float (H, W).
        low: From which contrast on there would be ink; lines may be fainter anyway.
        least: What stands out from the paper has at least this contrast.
    """
    if _spread(contrast > low) < MOST_WRITTEN_ON:
        return None
    stands_out = contrast > least
    if not stands_out.any():
        return None
    parted = (np.median(contrast[stands_out]) + np.percentile(contrast, 99.95)) / 2
    dark, faint = contrast > parted, stands_out & (contrast <= parted)
    if not dark.any() or _spread(faint) < LEAST_LINED or _spread(dark) > MOST_WRITTEN_ON:
        return None
    level, spread = contrast[faint].mean(), contrast[faint].std()
    full = contrast[dark].mean()
    if level > 0.7 * full:
        return None
    return min(max(0.5 * full, level + 2 * spread), 0.9 * full), full


def _spread(there: np.ndarray) -> float:
    """The share of blocks of an image, bool (H, W), in which something is there."""
    image = Image.fromarray(there.astype(np.uint8) * INK)
    return float(np.mean(np.asarray(image.resize((12, 12), Image.Resampling.BOX)) > 0.02 * INK))


def _without_specks(ink: np.ndarray) -> np.ndarray:
    """Ink float (H, W) of 0 to 1 as uint8, without the spots that are not the digit.

    Left out, if there are others: what runs along a sixth of the rim or more (a shadow, the table
    beyond the paper), then all else on the rim unless the heaviest spot is there too, then what is
    far lighter than that (grain, dust).
    """
    spots, _ = ndimage.label(ink, np.ones((3, 3)))
    mass = np.bincount(spots.ravel(), ink.ravel())
    on_rim = np.bincount(rim(spots), minlength=len(mass))
    inner = np.where(on_rim < on_rim.sum() / 6, mass, 0)
    mass = inner if inner.any() else mass
    if not on_rim[mass.argmax()]:
        mass = np.where(on_rim, 0, mass)
    return ((mass >= 0.05 * mass.max())[spots] * ink * INK).astype(np.uint8)


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
