"""The app that most people would write: a canvas, a resize to 28×28, `predict` of both networks,
bars.

The page and the classroom are measured against it. It has the same canvas component, the same two
trained networks, and Streamlit's default settings.

PLAIN_NETWORKS: the folder with dnn.keras and cnn.keras, the shipped networks as Keras files.
"""

import os
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image
from streamlit_drawable_canvas import st_canvas


@st.cache_resource
def load(name):
    return keras.models.load_model(Path(os.environ["PLAIN_NETWORKS"]) / f"{name}.keras")


st.title("Draw a digit")
canvas = st_canvas(
    stroke_width=20,
    stroke_color="#000000",
    background_color="#ffffff",
    height=280,
    width=280,
    return_image_data=True,
    key="canvas",
)
if canvas.image_data is not None:
    grey = Image.fromarray(canvas.image_data.astype(np.uint8)).convert("L").resize((28, 28))
    image = 255 - np.asarray(grey)
    for name, column in zip(("dnn", "cnn"), st.columns(2), strict=True):
        (logits,) = load(name).predict(image[np.newaxis], verbose=0)
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        with column:
            st.metric(name.upper(), int(probabilities.argmax()))
            st.bar_chart(pd.DataFrame({"probability": probabilities}, index=range(10)))
