"""Pictures of digits as people take them: photos with the table in them, cells of tables, ruled
pages. Each takes where the ink is, float (H, W) from 0 to 1, and a random generator."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

PEN = np.array([40.0, 45.0, 75.0])


def placed(digit, size_px, digit_px, random, middle=False):
    """Where the ink is, float (H, W), of a digit of MNIST enlarged on a page.

    Args:
        digit: uint8 (28, 28).
        size_px: Height and width of the page.
        digit_px: The longer side of the digit.
        middle: Whether it stands in the middle, or anywhere but at the rim.
    """
    rows, columns = np.nonzero(digit > 50)
    tight = Image.fromarray(
        np.pad(digit[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1], 1)
    )
    scale = digit_px / max(tight.size)
    tight = tight.resize(
        [max(3, round(side * scale)) for side in tight.size], Image.Resampling.BICUBIC
    )
    page = Image.new("L", (size_px[1], size_px[0]))
    free = np.array([page.width - tight.width, page.height - tight.height])
    share = np.array([0.5, 0.5]) if middle else random.uniform(0.25, 0.75, 2)
    page.paste(tight, tuple((free * share).round().astype(int).tolist()))
    return ((np.asarray(page) / 255 - 0.35) / 0.3).clip(0, 1)


def written(strokes, size_px, digit_px, pen_px, random, middle=False):
    """The same of recorded strokes."""
    points = np.array([point for stroke in strokes for point in stroke], float)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (digit_px - pen_px) / max(*(high - low), 1e-9)
    free = np.array([size_px[1], size_px[0]]) - pen_px - (high - low) * scale
    share = np.array([0.5, 0.5]) if middle else random.uniform(0.25, 0.75, 2)
    corner = pen_px / 2 + free * share
    page = Image.new("L", (3 * size_px[1], 3 * size_px[0]))
    pen = ImageDraw.Draw(page)
    for stroke in strokes:
        at = ((np.array(stroke, float) - low) * scale + corner) * 3
        pen.line([tuple(point) for point in at], 255, round(3 * pen_px), joint="curve")
        for x, y in at:
            r = 1.5 * pen_px
            pen.ellipse((x - r, y - r, x + r, y + r), 255)
    return np.asarray(page.reduce(3)) / 255


def sheet(ink, random, paper=(212.0, 208.0, 200.0), pen=PEN):
    """Paper, float (H, W, 3), with grain and this ink on it, not yet lit."""
    grain = ndimage.zoom(
        random.normal(size=(ink.shape[0] // 3 + 1, ink.shape[1] // 3 + 1)), 3, order=1
    )
    paper = np.array(paper) * (1 + 0.015 * grain[: ink.shape[0], : ink.shape[1], None])
    return paper * (1 - ink[..., None]) + np.array(pen) * ink[..., None]


def photo(scene, random, shadow=False):
    """A phone's JPEG of a scene, float (H, W, 3): uneven light, a lens, a noisy sensor."""
    height, width = scene.shape[:2]
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    angle = random.uniform(0, 2 * np.pi)
    across = x * np.cos(angle) + y * np.sin(angle)
    light = 1 + random.uniform(0, 0.35) * across - random.uniform(0, 0.4) * (x**2 + y**2)
    if shadow:
        soft = random.uniform(0.01, 0.08)
        light *= 1 - random.uniform(0.2, 0.5) * (
            (across + random.uniform(-0.3, 0.3)) / soft + 0.5
        ).clip(0, 1)
    blur = random.uniform(0.4, 1.2)
    scene = ndimage.gaussian_filter(scene * light[..., None], (blur, blur, 0))
    scene = scene + random.normal(0, random.uniform(1, 5), scene.shape)
    file = io.BytesIO()
    Image.fromarray(scene.clip(0, 255).astype(np.uint8)).save(
        file, "JPEG", quality=int(random.integers(65, 93))
    )
    return file.getvalue()


def wood(size_px, random, grey):
    """A table, float (H, W, 3), with some grain along it."""
    along = ndimage.gaussian_filter(
        random.normal(size=size_px), (12, 0.8) if random.random() < 0.5 else (0.8, 12)
    )
    tint = np.array([1.08, 1.0, 0.9]) if random.random() < 0.6 else np.ones(3)
    return grey * tint * (1 + random.uniform(0, 0.12) * along[..., None] / along.std() / 2)


def on_table(
    ink, random, sides="LRTB", turned=0.0, grey=60.0, share=(0.05, 0.2), paper=(212.0, 208.0, 200.0)
):
    """A sheet of paper with the table seen along some of its sides, turned by some degrees."""
    height, width = ink.shape
    on = sheet(ink, random, paper)
    edge = [
        random.uniform(*share) * (height if side in "TB" else width)
        if side in sides
        else -max(ink.shape)
        for side in "LTRB"
    ]
    left, top, right, bottom = edge[0], edge[1], width - edge[2], height - edge[3]
    y, x = np.mgrid[:height, :width]
    cos, sin = np.cos(np.radians(turned)), np.sin(np.radians(turned))
    dx, dy = x - width / 2, y - height / 2
    u, v = width / 2 + dx * cos + dy * sin, height / 2 - dx * sin + dy * cos
    inside = np.minimum.reduce([u - left, right - u, v - top, bottom - v]).clip(-0.5, 0.5) + 0.5
    table = wood(ink.shape, random, grey)
    # the paper throws a little shadow
    shade = 1 - 0.25 * ndimage.gaussian_filter(inside, max(ink.shape) / 100)
    return on * inside[..., None] + table * shade[..., None] * (1 - inside[..., None])


def sticky_note(digit, size_px, random, colour, grey=55.0, turned=0.0, share=0.35):
    """A small coloured note on a dark table."""
    height, width = size_px
    side = int(share * min(size_px))
    note_ink = placed(
        digit, (side, side), int(side * random.uniform(0.45, 0.75)), random, middle=True
    )
    note = sheet(note_ink, random, colour)
    turned_note = Image.fromarray(note.clip(0, 255).astype(np.uint8)).rotate(
        turned, Image.Resampling.BICUBIC, expand=True
    )
    mask = Image.new("L", (side, side), 255).rotate(turned, Image.Resampling.BICUBIC, expand=True)
    table = wood(size_px, random, grey)
    whole = Image.fromarray(table.clip(0, 255).astype(np.uint8))
    corner = (
        int((width - mask.width) * random.uniform(0.2, 0.8)),
        int((height - mask.height) * random.uniform(0.2, 0.8)),
    )
    whole.paste(turned_note, corner, mask)
    return np.asarray(whole, float)


def lines(ink, random, apart_px, dark, squared=True, turned=0.0, line_px=1):
    """Ruled or squared paper: its lines are so much darker than the paper."""
    y, x = np.mgrid[: ink.shape[0], : ink.shape[1]].astype(float)
    cos, sin = np.cos(np.radians(turned)), np.sin(np.radians(turned))
    rows, columns = y * cos - x * sin, x * cos + y * sin
    ruled = (rows % apart_px < line_px) | (squared & (columns % apart_px < line_px))
    paper = sheet(ink, random)
    lined = paper * (1 - dark * ruled[..., None] * (1 - ink[..., None]))
    return lined


def margin_lines(ink, random):
    scene = sheet(ink, random)
    for at in (random.uniform(0.08, 0.18), random.uniform(0.85, 0.93)):
        column = int(at * ink.shape[1])
        scene[:, column : column + 2] = (
            scene[:, column : column + 2] * 0.4 + np.array([200, 60, 70]) * 0.6
        )
    return scene


def punched_holes(ink, random):
    """A page with a row of punched holes along one side."""
    height, width = ink.shape
    picture = Image.fromarray(sheet(ink, random).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    radius = max(2, int(random.uniform(0.012, 0.025) * height))
    apart = int(radius * random.uniform(3.2, 12))
    at = int(random.uniform(0.04, 0.08) * width) + radius
    side = random.integers(4)
    for along in range(apart // 2, width if side > 1 else height, apart):
        x, y = ((at, along), (width - at, along), (along, at), (along, height - at))[side]
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), (50, 45, 42))
    return np.asarray(picture, float)


def clean(ink, paper=255, pen=0):
    """A drawing, mode L."""
    return Image.fromarray((paper + (pen - paper) * ink).round().astype(np.uint8))


def framed(ink, random, sides="LRTB", line_px=2, grey=0, paper=255, pen=0):
    """A drawing with a line along these sides of its rim."""
    pixels = np.array(clean(ink, paper, pen))
    for side in sides:
        pixels[
            {
                "T": np.s_[:line_px],
                "B": np.s_[-line_px:],
                "L": np.s_[:, :line_px],
                "R": np.s_[:, -line_px:],
            }[side]
        ] = grey
    return Image.fromarray(pixels)


MORE = ("bar", "caption", "phone", "underline", "circle", "box")


def and_more(ink, random, what):
    """A clean drawing with something else on it."""
    picture = clean(ink)
    pen = ImageDraw.Draw(picture)
    rows, columns = np.nonzero(ink > 0.5)
    top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
    height, width = ink.shape
    digit_px = max(bottom - top, right - left)
    match what:
        case "bar":
            thick = int(random.uniform(0.03, 0.1) * height)
            pen.rectangle(
                (0, height - thick, width, height), 0
            ) if random.random() < 0.7 else pen.rectangle((0, 0, width, thick), 0)
        case "caption":
            text = ("Figure 1: my digit", "digit.png", "page 3 of 7", "Homework, Monday")[
                random.integers(4)
            ]
            font = ImageFont.load_default(max(8, int(height * random.uniform(0.04, 0.065))))
            pen.text(
                (
                    int(width * random.uniform(0.05, 0.3)),
                    min(height * 0.9, bottom + digit_px * random.uniform(0.15, 0.6)),
                ),
                text,
                fill=0,
                font=font,
            )
        case "phone":
            font = ImageFont.load_default(max(8, int(height * 0.045)))
            pen.text((width * 0.06, height * 0.02), "12:45", fill=0, font=font)
            pen.rectangle((width * 0.84, height * 0.03, width * 0.93, height * 0.055), 0)
            pen.rectangle((width * 0.33, height * 0.975, width * 0.67, height * 0.983), 0)
        case "underline":
            y = bottom + digit_px * random.uniform(-0.04, 0.25)
            pen.line(
                (left - digit_px * 0.15, y, right + digit_px * 0.2, y),
                0,
                max(1, int(digit_px * random.uniform(0.02, 0.06))),
            )
        case "circle":
            x, y = (left + right) / 2, (top + bottom) / 2
            rx, ry = digit_px * random.uniform(0.72, 0.9, 2)
            pen.ellipse(
                (x - rx, y - ry, x + rx, y + ry),
                outline=0,
                width=max(1, int(digit_px * random.uniform(0.02, 0.06))),
            )
        case "box":
            margin = digit_px * random.uniform(0.12, 0.35)
            pen.rectangle(
                (left - margin, top - margin, right + margin, bottom + margin),
                outline=0,
                width=max(1, int(digit_px * random.uniform(0.01, 0.05))),
            )
    return picture


def thick_and_tight(digit_strokes, random, pen_share):
    """A photo cropped to a digit of a thick pen, so wide as a share of its height."""
    height = int(random.uniform(120, 240))
    page = written(
        digit_strokes, (2 * height, 2 * height), height, height * pen_share, random, middle=True
    )
    rows, columns = np.nonzero(page > 0.5)
    margin = int(random.uniform(0, 0.06) * height) + 1
    tight = page[
        max(0, rows.min() - margin) : rows.max() + margin,
        max(0, columns.min() - margin) : columns.max() + margin,
    ]
    return sheet(tight, random, pen=(38, 36, 38))
