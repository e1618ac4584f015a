"""Look inside: what each layer of both networks makes of a digit, down to a single number."""

import streamlit as st

from mnist_models.settings import links
from mnist_models.settings.hyperparameters import (
    NETWORKS,
    CnnHyperparameters,
    ConvLayer,
    DnnHyperparameters,
)
from pages.parts import page, resources
from pages.parts.lessons import cached, frame

SCRIPT = "pages/inside.py"
MOST_LAYERS = CnnHyperparameters.choices()["conv_layers"].max_count
MOST_FILTERS = ConvLayer.choices()["filters"].high
# The pixel that is looked at; what a network does not have of it gives way to what it has.
SETTINGS = {
    "inside-layer": frame.Setting(
        "layer", tuple(f"conv_{number}" for number in range(1, MOST_LAYERS + 1))
    ),
    **{
        f"inside-{name}": frame.Setting(name, tuple(range(MOST_FILTERS + 1)))
        for name in ("filter", "row", "column", "channel")
    },
}
# Networks whose first layer is easy to read.
READABLE = {
    "Train a DNN with one small hidden layer: 16 templates are all that it has": DnnHyperparameters(
        hidden_units=(16,), dropout=0.0
    ),
    "Train a CNN with 7×7 kernels: there is more to see in each": CnnHyperparameters(
        conv_layers="16x7/2,32x3/2"
    ),
}


@page.guarded
def main() -> None:
    """The page."""
    frame.begin(SCRIPT, SETTINGS)
    st.header("Look inside, and see what each layer makes of your digit")
    st.markdown(
        "Each layer makes new numbers of those before it, until ten are left. **Notice** that the "
        "DNN's first layer has a weight for every pixel, the CNN's a few small kernels that are "
        "used everywhere. **Try** another digit and see what else speaks for it; then choose one "
        "pixel of a feature map, and follow the arithmetic that leads to it."
    )
    look_inside()


@st.fragment
@page.guarded
def look_inside() -> None:
    """The digit, the two networks, and what is in them. A fragment: what is chosen here redraws
    this and nothing else."""
    image, label = frame.digit()
    runs = frame.networks()
    frame.present(
        SCRIPT,
        image,
        label,
        runs,
        SETTINGS,
        {key: st.session_state[key] for key in SETTINGS if key in st.session_state},
    )
    with resources.while_loading():
        inspectors = {network: cached.inspector(run.id) for network, run in runs.items()}
    # They import TensorFlow, which is there by now.
    from mnist_models.explain.activations import templates
    from pages.parts.lessons.inside import layers, pixel

    looks = {network: inspector.look(image, label) for network, inspector in inspectors.items()}
    layers.colours()
    st.subheader(f"The first layer: what speaks for {label}")
    for column, network in zip(st.columns(len(runs), gap="medium"), runs, strict=True):
        with column:
            st.markdown(f"##### {NETWORKS[network].title}")
            layers.first_layer(
                inspectors[network], looks[network], templates(inspectors[network].stages[0])
            )
    st.subheader("Layer by layer: what is passed on")
    st.caption(
        "A cell is a unit of a dense layer, in no order; a feature map has a pixel for every place "
        "that its filter saw."
    )
    for column, network in zip(st.columns(len(runs), gap="medium"), runs, strict=True):
        with column:
            st.markdown(f"##### {NETWORKS[network].title}")
            layers.layer_by_layer(inspectors[network], looks[network])
    for network, inspector in inspectors.items():
        if inspector.convolutions:
            st.subheader(f"One pixel of the {NETWORKS[network].title}, from the image on")
            pixel.explain(runs[network].id, inspector, looks[network])
    with st.expander("Why do they look like that?"):
        why()


def why() -> None:
    """Why first layers look as they do, and networks that are easier to read."""
    st.markdown(
        "A unit of a deep network's first layer need not look like a digit: it finds a part, and "
        "the next layers put parts together. Where images never have ink, training hardly touches "
        "its weights, and they stay as chance made them. With a single hidden layer, a unit's "
        "template and its ten outgoing weights are all there is to it. A small kernel finds an "
        "edge or the end of a stroke, wherever it is; each pixel of a later layer sees more of the "
        "image, and puts those together."
    )
    for label, hyperparameters in READABLE.items():
        st.page_link(
            "pages/train.py",
            label=label,
            icon=":material/model_training:",
            query_params=links.to_query(hyperparameters),
        )


main()
