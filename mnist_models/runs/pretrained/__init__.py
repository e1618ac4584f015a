"""The pretrained models that come with the app, a folder for each pair of a DNN and a CNN: the
weights of each (.npz), its predictions for the test images (.readings.npz), checkpoints
(.epoch-1.npz), and a card (.json) that says how it was trained.

Written by `python -m mnist_models train NETWORK --recipe PAIR --output
mnist_models/runs/pretrained/PAIR`; nothing in a card is typed in by hand.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from mnist_models.models.predictions import Predictions
from mnist_models.settings.hyperparameters import NETWORKS, Hyperparameters
from mnist_models.training.checkpoints import Checkpoint, thinned
from mnist_models.training.progress import MEASURES, Curve, Trained

FOLDER = Path(__file__).parent
# Their names, by the recipe they were trained with.
PAIRS = {
    "shipped": "Pretrained {title}",
    "teaching": "{title}, same training",
    "quick": "{title} without augmentation",
    "scrambled": "{title} trained on shuffled pixels",
}
# The pair that is selected unless another one is chosen.
PREFIX = "shipped-"
# For the checkpoints of one model, which everybody downloads.
MOST_CHECKPOINT_BYTES = 5_000_000


def ids(pair: str) -> dict[str, str]:
    """The ids of the two models of a pair, by kind."""
    return {network: f"{pair}-{network}" for network in NETWORKS}


def _file(run_id: str, ending: str) -> Path:
    pair, network = run_id.split("-")
    return FOLDER / pair / f"{network}{ending}"


def _card(run_id: str) -> dict[str, Any]:
    return json.loads(_file(run_id, ".json").read_text(encoding="utf-8"))


def facts() -> dict[str, dict[str, Any]]:
    """The columns of the run of each of these models in the store, by its id."""
    result = {}
    for pair, name in PAIRS.items():
        for network, run_id in ids(pair).items():
            card = _card(run_id)
            result[run_id] = {
                "id": run_id,
                "name": name.format(title=NETWORKS[network].title),
                "network": network,
                "values": card["hyperparameters"],
                "created_at": datetime.fromisoformat(card["created_at"]),
                **{name: card[name] for name in MEASURES},
            }
    return result


def curve(run_id: str) -> Curve:
    """The curve of its training run."""
    return Curve.model_validate(_card(run_id)["curve"])


def weights(run_id: str) -> bytes:
    """Its weights, see classifier.pack_weights."""
    return _file(run_id, ".npz").read_bytes()


def predictions(run_id: str) -> Predictions:
    """Its predictions for the 10,000 test images."""
    return Predictions.unpack(_file(run_id, ".readings.npz").read_bytes())


def checkpoints(run_id: str) -> list[Checkpoint]:
    """Its weights after some of the epochs, in their order."""
    start = _file(run_id, ".epoch-")
    found = [
        Checkpoint(
            float(file.name.removeprefix(start.name).removesuffix(".npz")), file.read_bytes()
        )
        for file in start.parent.glob(f"{start.name}*.npz")
    ]
    return sorted(found)


def write(folder: Path, hyperparameters: Hyperparameters, trained: Trained, command: str) -> None:
    """Writes the weights, predictions, card and checkpoints of a trained model.

    Args:
        folder: Where to; it is made if it does not exist.
        hyperparameters: Those it was trained with.
        trained: What the training run left behind.
        command: The command that trained it, for the card.
    """
    card = {
        "command": command,
        "created_at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "hyperparameters": hyperparameters.model_dump(mode="json"),
        **trained.measures,
        "elapsed_s": round(trained.elapsed_s, 1),
        "curve": trained.curve.model_dump(mode="json"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    network = hyperparameters.network
    # Those of an earlier training run, which may have had other epochs.
    for file in folder.glob(f"{network}.epoch-*.npz"):
        file.unlink()
    (folder / f"{network}.npz").write_bytes(trained.weights)
    (folder / f"{network}.readings.npz").write_bytes(trained.predictions.pack())
    for epoch, weights in thinned(trained.checkpoints, MOST_CHECKPOINT_BYTES, trained.epochs):
        (folder / f"{network}.epoch-{epoch:g}.npz").write_bytes(weights)
    (folder / f"{network}.json").write_text(json.dumps(card) + "\n", encoding="utf-8")
