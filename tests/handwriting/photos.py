"""Sheets as they come back: printed, written on, and photographed or scanned."""

import io

import numpy as np
import pypdfium2
from PIL import Image, ImageFilter
from scipy import ndimage

from mnist_models.data import dataset
from mnist_models.handwriting import sheet
from tests.data import scenes

DOTS_PER_MM = 10


def printed():
    """The sheet's PDF as another program draws it: float (H, W), 0 is black, 1 is white."""
    document = pypdfium2.PdfDocument(sheet.to_pdf())
    assert len(document) == 1
    page = document[0].render(scale=DOTS_PER_MM * 25.4 / 72, grayscale=True)
    return np.asarray(page.to_pil().convert("L"), np.float32) / 255


def fill(page, random, empty=(), digit_mm=(7, 12), darkness=(0.7, 0.95)):
    """Test digits of MNIST in all boxes but those that stay empty, drawn into the page; which
    digit of the test set stands where, int (10, 10), -1 where none does."""
    test = dataset.load().test
    chosen = np.full(sheet.LABELS.shape, -1)
    for row, column in np.ndindex(*chosen.shape):
        if (row, column) in empty:
            continue
        digit = random.choice(np.flatnonzero(test.labels == sheet.LABELS[row, column]))
        left, top, right, bottom = (round(side * DOTS_PER_MM) for side in sheet.box_mm(row, column))
        margin = round(0.6 * DOTS_PER_MM)
        size = (bottom - top - 2 * margin, right - left - 2 * margin)
        ink = scenes.placed(
            test.images[digit], size, random.uniform(*digit_mm) * DOTS_PER_MM, random
        )
        part = page[top + margin : bottom - margin, left + margin : right - margin]
        part *= 1 - random.uniform(*darkness) * ink
        chosen[row, column] = digit
    return chosen


def photographed(
    page, random, size=(4000, 3000), quarter=0, turned=4.0, tilt=0.06, fills=0.85,
    table=(60.0, 160.0), bend_mm=0.0,
):  # fmt: skip
    """A JPEG of a page on a table: turned by quarters and some degrees, tilted, unevenly lit.

    Args:
        size: Width and height in pixels.
        tilt: How far each corner is from where it would be from straight above; a share of the
            sheet's height.
    """
    if bend_mm:
        y, x = np.mgrid[: page.shape[0], : page.shape[1]].astype(np.float32)
        y += bend_mm * DOTS_PER_MM * np.sin(np.pi * x / page.shape[1])
        page = ndimage.map_coordinates(page, [y, x], order=1, mode="nearest")
    page = np.rot90(page, quarter)
    height, width = page.shape
    scale = fills * min(size[0] / width, size[1] / height)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    angle = np.radians(random.uniform(-turned, turned))
    around = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    seen = (corners - (width / 2, height / 2)) @ around.T * scale
    seen += random.uniform(-tilt, tilt, (4, 2)) * max(width, height) * scale
    seen += np.array(size) / 2
    rows = []
    for (x, y), (u, v) in zip(seen, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    perspective = np.linalg.solve(np.array(rows), corners.reshape(-1))
    # Seen smaller, each pixel holds many of the page.
    page = Image.fromarray((255 * page).astype(np.uint8))
    page = page.filter(ImageFilter.GaussianBlur(0.4 / scale))
    there, on_sheet = (
        np.asarray(
            picture.transform(
                size, Image.Transform.PERSPECTIVE, perspective.tolist(), Image.Resampling.BICUBIC
            ),
            np.float32,
        )
        / 255
        for picture in (page, Image.new("L", page.size, 255))
    )
    grey = random.uniform(*table)
    grain = ndimage.zoom(
        random.normal(size=(size[1] // 20 + 1, size[0] // 4 + 1)), (20, 4), order=1
    )
    scene = (30 + 180 * there) * on_sheet + (1 - on_sheet) * grey * (
        1 + 0.05 * grain[: size[1], : size[0]]
    )
    y, x = np.mgrid[-0.5 : 0.5 : size[1] * 1j, -0.5 : 0.5 : size[0] * 1j]
    angle = random.uniform(0, 2 * np.pi)
    scene *= 1 + 0.5 * (x * np.cos(angle) + y * np.sin(angle)) - 0.3 * (x**2 + y**2)
    scene += random.normal(0, 4, scene.shape)
    return jpeg(scene)


def jpeg(scene):
    stream = io.BytesIO()
    Image.fromarray(scene.clip(0, 255).astype(np.uint8)).convert("RGB").save(
        stream, "JPEG", quality=85
    )
    return stream.getvalue()
