#!/usr/bin/env bash
# Keras 3.15.1: a Normalization layer that has learned its mean and variance (`adapt`) computes with copies of them, made when it
# is built, adapted or loaded from a file, and not when weights are set. So after `copy.set_weights(model.get_weights())`, also on
# `keras.models.clone_model(model)`, both models have the same weights, number for number, and the copy still does not normalise:
# no error, no warning, other predictions. Saving that copy and loading the file mends it, so the model that is tested is not the
# one that is deployed. `finalize_state()` of the layer takes the copies over.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check keras==3.15.1 tensorflow-cpu==2.21.0 numpy==2.4.6 2>/dev/null
cat > copy_weights.py <<'PYTHON'
import sys

import keras
import numpy as np

images = np.array([[0, 100], [50, 200], [100, 0], [150, 150]], np.float32)
model = keras.Sequential([keras.Input((2,)), keras.layers.Normalization()])
model.layers[0].adapt(images)


def copied() -> keras.Model:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def shown(network: keras.Model) -> list:
    return [[round(float(number), 2) for number in row] for row in network.predict(images[:2], verbose=0)]


copy, early = copied(), copied()
same_weights = all(np.array_equal(*pair) for pair in zip(model.get_weights(), copy.get_weights(), strict=True))
early.layers[0].finalize_state()
original, as_set, finalized = shown(model), shown(copy), shown(early)
copy.layers[0].finalize_state()
too_late = shown(copy)
copy.save("copy.keras")
loaded = shown(keras.models.load_model("copy.keras"))
print("Keras", keras.__version__)
print("the model gives", original)
print(f"its copy has the same weights ({same_weights}) and gives", as_set)
print("a copy with finalize_state() before it predicts gives", finalized)
print("the copy with finalize_state() after it has predicted gives", too_late)
print("the copy, saved and loaded, gives", loaded)
as_seen = as_set == too_late == images[:2].tolist() and original == finalized == loaded != as_set
sys.exit(not (same_weights and as_seen))
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python copy_weights.py 2>/dev/null
