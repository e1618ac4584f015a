"""The two apps that are measured side by side: this project's, and the one that most people would write."""

from pathlib import Path

from mnist_models import import_tensorflow, pretrained
from mnist_models.runs import Run, RunState
from tests.browser.server import Server

PLAIN = Path(__file__).with_name("plain_app.py")
# Streamlit's defaults, but for what lets it start unattended on a machine without internet.
UNATTENDED = ["--server.headless", "true", "--browser.gatherUsageStats", "false", "--browser.serverAddress", "localhost"]


def ours(folder: Path) -> Server:
    """This app as users start it, with a store of its own in the folder."""
    return Server(folder)


def plain(folder: Path) -> Server:
    """The plain app, with the networks that `export_networks` wrote into the folder; started there, so that this project's
    settings are not its own."""
    return Server(folder, PLAIN, cwd=folder, options=UNATTENDED, env={"PLAIN_NETWORKS": str(folder)})


def export_networks(folder: Path) -> None:
    """Writes the shipped networks as the Keras files that the plain app reads."""
    import_tensorflow()
    from mnist_models import networks
    from mnist_models.classifier import unpack_weights

    for network, facts in pretrained.facts().items():
        run = Run(state=RunState.FINISHED, **facts)
        model = networks.build(run.hyperparameters, blank=True)
        unpack_weights(model, pretrained.weights(network))
        model.save(folder / f"{run.network}.keras")
