"""The error of everything that reads other people's files."""

from mnist_models.errors import UnavailableError


class RefusedError(UnavailableError):
    """A file that cannot be used. Its text is a sentence for users: what it is, and what to do."""


DAMAGED = "It is damaged: download or save it again."
# What helps with whatever is no plain network of known layers.
EXPORT_ONNX = (
    "Export it to ONNX where it works (from Keras: `model.export('model.onnx', format='onnx')`; "
    "from PyTorch: `torch.onnx.export(model, torch.zeros(1, 1, 28, 28), 'model.onnx')`) and bring "
    "that file."
)
