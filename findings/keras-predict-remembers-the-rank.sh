#!/usr/bin/env bash
# Keras 3.15.1: a model whose input is (28, 28) also takes images with a channel, (N, 28, 28, 1), without a word. But once
# `predict` has been given images of the one form, it refuses the other, in either order; calling the model takes both all the
# same. So "it works with my array" can depend on which array came first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check keras==3.15.1 tensorflow-cpu==2.21.0 numpy==2.4.6 2>/dev/null
cat > rank.py <<'PYTHON'
import sys

import keras
import numpy as np

plain = np.zeros((4, 28, 28), "float32")
with_channel = plain[..., np.newaxis]


def model():
    return keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)])


def predicts(network, images):
    try:
        return network.predict(images, verbose=0).shape == (4, 10)
    except ValueError:
        return False


as_seen = True
for first, second in ((plain, with_channel), (with_channel, plain)):
    network = model()
    found = [predicts(network, first), predicts(network, second), network(second).shape == (4, 10)]
    print(f"predict {first.shape}: {found[0]}; then predict {second.shape}: {found[1]}; called with it: {found[2]}")
    as_seen &= found == [True, False, True]
print(f"as described above: {as_seen}")
sys.exit(not as_seen)
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python rank.py 2>/dev/null
