"""The two networks that come with the app: for each its weights (.npz), what it reads in the test images (.readings.npz), and a
card (.json) that says how it was trained.

Written by `python -m mnist_models train NETWORK --recipe shipped --output mnist_models/pretrained`; nothing in a card is
typed in by hand.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from mnist_models.hyperparameters import NETWORKS, Hyperparameters
from mnist_models.progress import MEASURES, Curve, Trained
from mnist_models.readings import Readings

FOLDER = Path(__file__).parent
PREFIX = "shipped-"


def _card(run_id: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{run_id.removeprefix(PREFIX)}.json").read_text(encoding="utf-8"))


def facts() -> dict[str, dict[str, Any]]:
    """What the store tells of each shipped network, by its id: the columns of a run."""
    result = {}
    for network, kind in NETWORKS.items():
        card = _card(network)
        result[PREFIX + network] = {
            "id": PREFIX + network,
            "name": f"{kind.title} that ships",
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
    return (FOLDER / f"{run_id.removeprefix(PREFIX)}.npz").read_bytes()


def readings(run_id: str) -> Readings:
    """What it reads in the 10,000 test images."""
    return Readings.unpack((FOLDER / f"{run_id.removeprefix(PREFIX)}.readings.npz").read_bytes())


def write(folder: Path, hyperparameters: Hyperparameters, trained: Trained, command: str) -> None:
    """Writes a trained network's weights, readings and card; command: the one that trained it."""
    card = {
        "command": command,
        "created_at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "hyperparameters": hyperparameters.model_dump(mode="json"),
        **trained.measures,
        "elapsed_s": round(trained.elapsed_s, 1),
        "curve": trained.curve.model_dump(mode="json"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{hyperparameters.network}.npz").write_bytes(trained.weights)
    (folder / f"{hyperparameters.network}.readings.npz").write_bytes(trained.readings.pack())
    (folder / f"{hyperparameters.network}.json").write_text(json.dumps(card) + "\n", encoding="utf-8")
