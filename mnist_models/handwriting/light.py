"""Paper under uneven light, as if it were evenly lit."""

import numpy as np
from PIL import Image
from scipy import ndimage


def evenly_lit(grey: np.ndarray, mark_px: float) -> np.ndarray:
    """Grey, float32 (H, W), as a share of the light of the paper there, 0 to 1.

    Args:
        mark_px: The side of what is dark and widest.
    """
    step = max(1, round(mark_px / 9))
    reduced = np.asarray(Image.fromarray(grey.clip(0, 255).astype(np.uint8)).reduce(step))
    window = round(1.6 * mark_px / step) | 1
    light = ndimage.grey_closing(reduced, (window, window), mode="nearest").astype(np.float32)
    light = ndimage.gaussian_filter(light, window / 4, mode="nearest")
    whole = Image.fromarray(light).resize(grey.shape[::-1], Image.Resampling.BILINEAR)
    return (grey / np.asarray(whole).clip(1)).clip(0, 1)
