"""Numbers as pictures."""

import base64
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from pages.parts.lessons import pictures

SVG = "{http://www.w3.org/2000/svg}"


def opened(picture: pictures.Picture) -> ElementTree.Element:
    kind, data = picture.address.split(",")
    assert kind == "data:image/svg+xml;base64"
    return ElementTree.fromstring(base64.b64decode(data))


def pixels(image: ElementTree.Element) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(image.get("href").split(",")[1]))))


def test_zero_is_white_and_the_largest_number_has_the_full_colour_on_either_side():
    colours = pictures.coloured(np.array([[0.0, 4.0], [-4.0, 2.0]]))
    assert colours.dtype == np.uint8
    assert [tuple(map(int, colour)) for colour in colours.reshape(4, 3)] == [
        (255, 255, 255),
        pictures.ABOVE,
        pictures.BELOW,
        (217, 172, 130),
    ]
    assert (pictures.coloured(np.zeros(3)) == 255).all()
    assert tuple(pictures.coloured(np.array([9.0]), largest=4.0)[0]) == pictures.ABOVE


def test_a_sheet_has_a_tile_and_a_label_for_each():
    tiles = pictures.coloured(np.random.default_rng(0).normal(size=(5, 3, 3)))
    picture = pictures.sheet(tiles, list("abcde"), columns=2, tile_px=40, framed=3)
    svg = opened(picture)
    assert [text.text for text in svg.iter(f"{SVG}text")] == list("abcde")
    images = list(svg.iter(f"{SVG}image"))
    for image, tile in zip(images, tiles, strict=True):
        np.testing.assert_array_equal(pixels(image), tile)
    places = [(float(image.get("x")), float(image.get("y"))) for image in images]
    assert len({x for x, _ in places}) == 2 and len({y for _, y in places}) == 3
    assert picture.width_px == float(svg.get("width")) == 2 * (40 + pictures.GAP_PX)


def test_a_strip_paints_nothing_where_there_are_no_numbers():
    (image,) = opened(pictures.strip(np.arange(1.0, 11.0), columns=4, cell_px=9)).iter(
        f"{SVG}image"
    )
    np.testing.assert_array_equal(
        pixels(image)[..., 3] > 0, [[True] * 4, [True] * 4, [True, True, False, False]]
    )


def test_each_number_of_a_grid_is_written_in_its_cell():
    values = np.array([[0.001, -1.5], [2.0, -0.004]])
    texts = [
        text.text
        for text in opened(pictures.grid(pictures.coloured(values), values, 100)).iter(f"{SVG}text")
    ]
    assert texts == ["0.00", "-1.50", "2.00", "0.00"]


@pytest.mark.parametrize(
    ("value", "written"), [(1.234, "+1.23"), (-0.5, "-0.50"), (-0.001, "0.00"), (0.0, "0.00")]
)
def test_zero_has_no_sign(value, written):
    assert pictures.decimal(value, "+") == written
