"""The networks that come with the app, a folder for each pair of a DNN and a CNN: for each its
weights (.npz), what it reads in the test images (.readings.npz), its weights after earlier epochs
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
# What they are called, by the recipe that they were trained with.
PAIRS = {
    "shipped": "{title} that ships",
    "quick": "{title} without augmentation",
    "scrambled": "{title} of scrambled pixels",
}
# The pair that reads unless another one is chosen.
PREFIX = "shipped-"
# For the snapshots of one network, which everybody downloads.
MOST_SNAPSHOT_BYTES = 5_000_000


def ids(pair: str) -> dict[str, str]:
    """The ids of the networks of a pair, by network."""
    return {network: f"{pair}-{network}" for network in NETWORKS}


def _file(run_id: str, ending: str) -> Path:
    pair, network = run_id.split("-")
    return FOLDER / pair / f"{network}{ending}"


def _card(run_id: str) -> dict[str, Any]:
    return json.loads(_file(run_id, ".json").read_text(encoding="utf-8"))


def facts() -> dict[str, dict[str, Any]]:
    """What the store tells of each of these networks, by its id: the columns of a run."""
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
    """How its training went."""
    return Curve.model_validate(_card(run_id)["curve"])


def weights(run_id: str) -> bytes:
    """Its weights, see classifier.pack_weights."""
    return _file(run_id, ".npz").read_bytes()


def predictions(run_id: str) -> Predictions:
    """What it reads in the 10,000 test images."""
    return Predictions.unpack(_file(run_id, ".readings.npz").read_bytes())


def checkpoints(run_id: str) -> list[Checkpoint]:
    """Its weights after some earlier epochs, in their order."""
    start = _file(run_id, ".epoch-")
    found = [
        Checkpoint(
            float(file.name.removeprefix(start.name).removesuffix(".npz")), file.read_bytes()
        )
        for file in start.parent.glob(f"{start.name}*.npz")
    ]
    return sorted(found)


def write(folder: Path, hyperparameters: Hyperparameters, trained: Trained, command: str) -> None:
    """Writes a trained network's weights, readings, card and snapshots; command: the one that
    trained it."""
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
    for file in folder.glob(
        f"{network}.epoch-*.npz"
    ):  # of an earlier training, which may have had other epochs
        file.unlink()
    (folder / f"{network}.npz").write_bytes(trained.weights)
    (folder / f"{network}.readings.npz").write_bytes(trained.predictions.pack())
    for epoch, weights in thinned(trained.checkpoints, MOST_SNAPSHOT_BYTES, trained.epochs):
        (folder / f"{network}.epoch-{epoch:g}.npz").write_bytes(weights)
    (folder / f"{network}.json").write_text(json.dumps(card) + "\n", encoding="utf-8")
