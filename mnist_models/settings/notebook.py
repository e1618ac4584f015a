"""A run as a Jupyter notebook: the parts of its stand-alone script, each under a heading that says
what happens in it."""

from mnist_models.settings.hyperparameters import Hyperparameters
from mnist_models.settings.script import KINDS, parts

ABOUT = """\
# A {kind} that reads handwritten digits

It is trained on MNIST with Keras. Run all cells from top to bottom; that needs TensorFlow, which \
brings Keras, and matplotlib (`pip install tensorflow matplotlib`).

It ends about as well as in the app that wrote this, but not with the same numbers: the random \
numbers differ."""

# The Markdown above each cell, in the order of the cells.
HEADINGS = {
    "setup": """\
## Settings

What can be changed without changing the code below. A smaller learning rate learns more slowly; \
more epochs go over the training images more often.""",
    "data": """\
## Data

MNIST has 60,000 training images and 10,000 test images. It is read from `mnist.npz` beside this \
notebook, or else comes from the internet, once.""",
    "variations": """\
## Varied images

The model sees each training image a little different every time, so that it learns what makes a \
digit rather than single images.""",
    "model": """\
## Model

The layers of the network, from the pixels to one output for each digit. The table lists each \
layer's output shape and its number of parameters.""",
    "training": """\
## Training

The optimizer changes the parameters batch by batch, so that the loss falls. The trained model is \
saved as `model.keras`.""",
    "curves": """\
## Learning curves

Loss and accuracy at the end of each epoch. Where the curve of the training images goes on \
improving and that of the validation images does not, the model overfits.""",
    "test": """\
## Test

How well the model reads the 10,000 test images, none of which it has seen before.""",
    "confusion": """\
## Confusion matrix

A row for each digit that was written, a column for each digit that the model predicts. What is \
off the diagonal is misclassified.""",
    "pictures": """\
## Your own picture

A picture has to be prepared as MNIST's were: light ink on black, 20 pixels high or wide, its \
centre of mass in the middle of 28 × 28 pixels.""",
    "own": """\
Put the picture of a digit beside this notebook and name it here. Until then, a digit of MNIST \
stands in for it.""",
}


def notebook(
    hyperparameters: Hyperparameters, class_share: float = 0.0, *, fine_tuned: bool = False
) -> str:
    """A notebook that builds and trains the network that the hyperparameters describe, shows its
    learning curves and its confusion matrix, and reads the digit in a picture with it.

    It needs what the stand-alone script needs, and matplotlib.

    Args:
        class_share, fine_tuned: See script.script.

    Returns:
        The content of an .ipynb file, without outputs.
    """
    # Importing it takes a sixth of a second, which no page that only offers notebooks should wait.
    from nbformat import v4

    code = parts(hyperparameters, class_share, fine_tuned=fine_tuned, is_notebook=True)
    cells = [v4.new_markdown_cell(ABOUT.format(kind=KINDS[hyperparameters.network]))]
    for name, heading in HEADINGS.items():
        if name in code:
            cells += [v4.new_markdown_cell(heading), v4.new_code_cell(code[name].strip())]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # else a random one, and no two files would be the same
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.writes(v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}))
