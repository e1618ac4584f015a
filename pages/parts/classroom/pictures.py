"""Digits that a class wrote, as small pictures."""

import functools

import numpy as np
from PIL import Image

from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.runs.classes import pixels
from pages.parts import canvas


@functools.lru_cache(maxsize=10_000)
def small_picture(image: bytes) -> str:
    """A data URL of an image as it is kept, 28×28 pixels, dark ink on white paper."""
    return canvas.data_address(Image.fromarray(255 - pixels(image)))


def picture_address(picture: np.ndarray) -> str:
    """A data URL of a picture, uint8 (H, W), 0 is black."""
    return canvas.data_address(Image.fromarray(picture))


def mosaic(images: np.ndarray, in_a_row: int = 20) -> Image.Image:
    """Digits side by side in rows, as dark ink on white paper.

    Args:
        images: uint8 (N, 28, 28), 0 is paper.
        in_a_row: How many stand side by side.
    """
    rows = -(-len(images) // in_a_row)
    sheet = np.zeros((rows * in_a_row, IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8)
    sheet[: len(images)] = images
    tiles = sheet.reshape(rows, in_a_row, IMAGE_SIZE_PX, IMAGE_SIZE_PX).swapaxes(1, 2)
    return Image.fromarray(255 - tiles.reshape(rows * IMAGE_SIZE_PX, in_a_row * IMAGE_SIZE_PX))
