"""What the processes of the embedded cluster do when they start: Dask calls `dask_setup` in each (a
"preload").

They end with the process that started them, however it ends, and they leave the processor to the
web server when it needs it.
"""

import multiprocessing
import os
import threading
import time
from typing import Any

from mnist_models import tensorflow_loader

# The environment variable that holds the number of the process that started the cluster: it may
# have ended before this module was imported, and then the parent that is found is already another
# one.
OWNER = "MNIST_MODELS_OWNER"
# The environment variable that, set to 0, leaves everything until it is needed: processes that
# train start with the first training and import TensorFlow then.
WARM_UP = "MNIST_MODELS_WARM_UP"
PARENT_CHECK_S = 0.5
NICENESS = 10


def dask_setup(process: Any) -> None:
    """Called by Dask in each process of the embedded cluster as it starts.

    Args:
        process: Dask's scheduler, nanny (which restarts a worker that died) or worker.
    """
    # Of a worker; the scheduler and the nannies are started by the owner itself.
    nanny = multiprocessing.parent_process()
    parent = nanny.pid if nanny else int(os.environ[OWNER])
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    if type(process).__name__ == "Worker":
        os.nice(NICENESS)
        if warms_up():
            # In the background, so that the worker is there at once; a training that comes earlier
            # waits for the same import.
            threading.Thread(target=warm_up, daemon=True).start()


def _end_with_parent(parent: int | None) -> None:
    # A process whose parent has ended gets another parent. Polling is all that works on Linux and
    # macOS alike.
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os._exit(0)


def warms_up() -> bool:
    """Whether processes that train are started, and made ready, before somebody trains."""
    return os.environ.get(WARM_UP) != "0"


def warm_up() -> None:
    """Imports TensorFlow, reads the digits and learns from a few of them, which are seconds that
    the first training saves."""
    tensorflow_loader.load()
    from mnist_models.settings.hyperparameters import CnnHyperparameters
    from mnist_models.training.loop import train

    train(CnnHyperparameters(train_images=1_000, epochs=1, validation_images=100))
