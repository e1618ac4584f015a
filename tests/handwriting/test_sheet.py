"""A sheet is printed, written on, photographed, and cut up into digits with their labels."""

import io

import numpy as np
import pypdfium2
import pytest
from PIL import Image, ImageOps

from mnist_models.data.pictures import PictureError
from mnist_models.handwriting import sheet
from mnist_models.handwriting.sheet_photo import cut_up
from mnist_models.runs import pretrained
from mnist_models.runs.loading import load_reader
from mnist_models.runs.store import RunStore
from tests.handwriting import photos

# A photo that is quick to make; the sheet has 4 pixels a mm on it.
SIZE = (1200, 1600)
EMPTY = {(0, 0), (0, 9), (3, 4), (9, 0), (9, 9)}


@pytest.fixture(scope="module")
def blank():
    return photos.printed()


def assert_cut_right(boxes, chosen):
    assert [(one.row, one.column) for one in boxes] == [
        place for place in np.ndindex(*chosen.shape) if chosen[place] >= 0
    ]
    for one in boxes:
        assert one.label == sheet.LABELS[one.row, one.column]
        assert one.image.shape == (28, 28) and one.image.dtype == np.uint8


def correlation(one, other):
    return np.corrcoef(one.reshape(-1), other.reshape(-1))[0, 1]


def test_the_pdf_is_one_page_of_a4_with_every_digit_ten_times():
    document = pypdfium2.PdfDocument(sheet.to_pdf())
    assert len(document) == 1
    # In points of 1/72 inch; a dot of the sheet is a quarter of one.
    assert document[0].get_size() == pytest.approx((595.3, 841.9), abs=0.3)
    assert np.bincount(sheet.LABELS.reshape(-1)).tolist() == [10] * 10


def test_nothing_printed_is_in_a_box_or_across_another(blank):
    for row, column in np.ndindex(*sheet.LABELS.shape):
        left, top, right, bottom = (
            round(side * photos.DOTS_PER_MM) for side in sheet.box_mm(row, column)
        )
        assert blank[top + 5 : bottom - 5, left + 5 : right - 5].min() > 0.99
        assert blank[top - 50 : top - 8, left:right].min() < 0.5  # its label


@pytest.mark.parametrize("quarter", range(4))
def test_a_photo_turned_any_way_is_cut_up_right(blank, quarter):
    random = np.random.default_rng(quarter)
    page = blank.copy()
    chosen = photos.fill(page, random, EMPTY)
    size = SIZE if quarter % 2 == 0 else SIZE[::-1]
    boxes = cut_up(photos.photographed(page, random, size, quarter))
    assert_cut_right(boxes, chosen)
    # What was cut out is the digit of MNIST that was drawn, prepared again: alike to most of it.
    test = photos.dataset.load().test.images
    alike = [correlation(one.image, test[chosen[one.row, one.column]]) for one in boxes]
    assert np.median(alike) > 0.9
    # Where it is shown, nothing of the lines is left along its rim.
    assert np.median([np.percentile(one.picture[0], 20) for one in boxes]) > 230


def test_a_sheet_that_is_bent_is_cut_up_along_its_lines(blank):
    random = np.random.default_rng(4)
    page = blank.copy()
    chosen = photos.fill(page, random, EMPTY)
    assert_cut_right(cut_up(photos.photographed(page, random, SIZE, bend_mm=3)), chosen)


def test_a_scan_is_cut_up_and_its_only_digits_found(blank):
    random = np.random.default_rng(5)
    page = blank.copy()
    empty = set(np.ndindex(10, 10)) - {(2, 7), (8, 1)}
    chosen = photos.fill(page, random, empty)
    assert_cut_right(cut_up(photos.jpeg(255 * page)), chosen)


def test_the_cnn_reads_what_was_cut_out_of_a_large_photo(blank, tmp_path):
    random = np.random.default_rng(6)
    page = blank.copy()
    chosen = photos.fill(page, random, darkness=(0.5, 0.95))
    boxes = cut_up(photos.photographed(page, random, (3000, 4000), quarter=2, turned=10))
    assert_cut_right(boxes, chosen)
    run_id = pretrained.ids("shipped")["cnn"]
    cnn = load_reader(RunStore(f"sqlite:///{tmp_path}/runs.sqlite3"), run_id)
    read = cnn.probabilities(np.array([one.image for one in boxes])).argmax(axis=1)
    assert np.mean(read == [one.label for one in boxes]) >= 0.95


def picture(array):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda page: page, "Nothing is written"),
        (lambda page: page[: len(page) // 2], "four black marks"),
        (lambda page: np.full((400, 300), 255, np.uint8), "four black marks"),
        (lambda page: np.zeros((1, 1), np.uint8), "four black marks"),
        (lambda page: np.asarray(ImageOps.mirror(Image.fromarray(page))), "boxes"),
        (lambda page: np.where(abs(np.arange(len(page))[:, None] - 900) > 600, page, 255), "Only"),
    ],
    ids=["blank", "half", "white", "one pixel", "mirrored", "whitened"],
)
def test_what_is_no_written_sheet_gets_a_sentence(blank, make, sentence):
    page = (255 * blank).astype(np.uint8)
    with pytest.raises(PictureError, match=sentence):
        cut_up(picture(make(page).astype(np.uint8)))


def test_a_scan_that_is_a_pdf_gets_a_sentence():
    with pytest.raises(PictureError, match="PDF document"):
        cut_up(sheet.to_pdf())


def test_what_is_left_of_a_bent_line_is_no_digit(blank):
    page = blank.copy()
    chosen = photos.fill(page, np.random.default_rng(7), set(np.ndindex(10, 10)) - {(5, 5)})
    left, top, right, _ = (round(side * photos.DOTS_PER_MM) for side in sheet.box_mm(5, 6))
    rows = top + np.linspace(0, 18, right - left).round().astype(int)  # 1.8 mm lower at its right
    for thick in range(3):
        page[rows + thick, np.arange(left, right)] = 0
    assert_cut_right(cut_up(photos.jpeg(255 * page)), chosen)
