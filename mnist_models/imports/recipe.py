"""Plain Python that prepares a picture for somebody's network: NumPy and Pillow, nothing of this
project."""

from mnist_models.imports.feeding import SCALES, Feeding

TEMPLATE = '''\
import numpy as np
from PIL import Image, ImageOps


def prepare(path):
    """A picture of one digit, as the network wants it.

    Laid out: {layout}.
    Values: {scale}.
    """
    grey = ImageOps.exif_transpose(Image.open(path)).convert("L")
    ink = np.asarray(grey, np.float32)
    edge = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
    ink = np.abs(ink - np.median(edge))  # paper is 0, whether it was light or dark
    ink[ink < 0.25 * ink.max()] = 0  # shades of the paper are no ink
    digit = Image.fromarray(ink)
    digit = digit.crop(Image.fromarray(ink > 0).getbbox())
    scale = 20 / max(digit.size)  # its longer side: 20 pixels
    size = [max(1, round(side * scale)) for side in digit.size]
    digit = np.asarray(digit.resize(size, Image.Resampling.BOX))
    digit = digit * (255 / digit.max())
    height, width = digit.shape
    top = round(14 - np.arange(height) @ digit.sum(axis=1) / digit.sum())
    left = round(14 - np.arange(width) @ digit.sum(axis=0) / digit.sum())
    top, left = min(max(top, 0), 28 - height), min(max(left, 0), 28 - width)
    x = np.zeros((28, 28), np.float32)  # its centre of mass: the middle
    x[top : top + height, left : left + width] = digit
{steps}
    return np.asarray({arranged}, np.float32){channels}
'''


def recipe(feeding: Feeding) -> str:
    """The source of a module with a function `prepare`: the path of a picture in, float32 (1,
    *shape) out."""
    layout = feeding.layout
    side = layout.side_px
    steps = []
    if layout.transposed:
        steps.append("x = x.T  # as EMNIST's files have it")
    if layout.fit == "padded":
        before = (side - 28) // 2
        steps.append(f"x = np.pad(x, ({before}, {side - 28 - before}))")
    elif layout.fit == "cropped":
        before = (28 - side) // 2
        steps.append(f"x = x[{before}:{before + side}, {before}:{before + side}]")
    elif layout.fit == "resized":
        steps.append(f"x = np.asarray(Image.fromarray(x).resize(({side}, {side}), 2))  # bilinear")
    steps.append(f"x = {SCALES[feeding.scale].code}")
    arranged, channels = "x", f".reshape(1, {', '.join(map(str, layout.shape))})"
    if layout.channels > 1:
        axis = 0 if layout.channels_first else -1
        arranged = f"np.stack([x] * {layout.channels}, axis={axis})"
    return TEMPLATE.format(
        layout=layout.title,
        scale=SCALES[feeding.scale].title,
        steps="\n".join(f"    {step}" for step in steps),
        arranged=arranged,
        channels=channels,
    )
