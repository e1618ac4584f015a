"""The pair that reads drawings unless another is chosen knows the ways to write that MNIST hardly
has, and letters: drawn here with lines and arcs, and prepared as the app prepares drawings."""

import numpy as np
import pytest

from mnist_models.data.preprocessing import prepare_ink
from mnist_models.data.strokes import Sheet
from mnist_models.models.classifier import Classifier
from mnist_models.runs import pretrained
from mnist_models.settings.hyperparameters import validate


def arc(center, radius_x, radius_y, start, end):
    """Points of an ellipse; angles in degrees, clockwise on the screen, 0 is to the right."""
    angles = np.deg2rad(np.linspace(start, end, 40))
    return np.array(center) + np.stack(
        [radius_x * np.cos(angles), radius_y * np.sin(angles)], axis=1
    )


LOOP = arc((130, 80), 36, 38, 0, -360)  # begun and ended at its right

# What is drawn, and on a canvas of 280 px, stroke by stroke.
DRAWINGS = {
    "upstroke as long as the stem": (1, [[(60, 170), (160, 50), (160, 210)]]),
    "upstroke half as long": (1, [[(95, 120), (150, 40), (150, 240)]]),
    "foot wider than the 1 is high": (1, [[(140, 60), (140, 200)], [(50, 200), (230, 200)]]),
    "hook and foot": (1, [[(110, 85), (140, 55), (140, 200)], [(60, 200), (220, 200)]]),
    "curly 9": (9, [[*LOOP, *arc((98, 160), 70, 70, -15, 150)]]),
    "9 with a flat tail": (9, [[*LOOP, (175, 170), (165, 225), (50, 225)]]),
    "9 with its loop to the right": (
        9,
        [[(80, 140), (165, 140), *arc((145, 90), 52, 48, 60, -210), (112, 150), (120, 245)]],
    ),
    "closed 4": (4, [[(150, 40), (60, 175), (215, 175)], [(150, 40), (152, 245)]]),
    "crossed 7": (7, [[(80, 50), (200, 45), (130, 240)], [(105, 145), (205, 140)]]),
}


# Letters that no digit looks like, as above.
LETTERS = {
    "H": [[(80, 50), (80, 230)], [(200, 50), (200, 230)], [(80, 140), (200, 140)]],
    "K": [[(90, 50), (90, 230)], [(195, 50), (90, 145), (200, 230)]],
    "W": [[(50, 60), (95, 220), (140, 100), (185, 220), (230, 60)]],
    "Π": [[(60, 60), (220, 60)], [(95, 60), (95, 230)], [(185, 60), (185, 230)]],
    "Σ": [[(205, 55), (80, 55), (150, 140), (80, 225), (205, 225)]],
    "Ψ": [[*arc((140, 70), 65, 80, 180, 0)], [(140, 45), (140, 235)]],
    "ω": [[*arc((95, 150), 45, 60, 230, 0), *arc((185, 150), 45, 60, 180, -50)]],
}


@pytest.fixture(scope="module", params=pretrained.ids("shipped").values())
def model(request):
    facts = pretrained.facts()[request.param]
    return Classifier.from_weights(
        validate(facts["values"]),
        pretrained.weights(request.param),
        confidence_threshold=facts["confidence_threshold"],
    )


def answer(model, strokes, brush_px):
    """What the model says of a drawing."""
    sheet = Sheet()
    for stroke in strokes:
        sheet.draw(np.array(stroke, float), brush_px)
    return model.read(prepare_ink(sheet.ink()).image).answer


@pytest.mark.parametrize("what", DRAWINGS)
@pytest.mark.parametrize("brush_px", [10, 20])
def test_it_is_read_surely(model, what, brush_px):
    digit, strokes = DRAWINGS[what]
    assert answer(model, strokes, brush_px) == digit


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("brush_px", [10, 20])
def test_it_is_not_sure_of_a_letter(model, letter, brush_px):
    assert answer(model, LETTERS[letter], brush_px) is None
