"""Look inside: what each layer of both models makes of a digit, down to a single number."""

import streamlit as st

from mnist_models.imports.refusal import RefusedError
from mnist_models.settings import links
from mnist_models.settings.hyperparameters import (
    NETWORKS,
    CnnHyperparameters,
    ConvLayer,
    DnnHyperparameters,
)
from pages.parts import page, resources
from pages.parts.lessons import cached, frame
from pages.parts.lessons.playing import Player

SCRIPT = "pages/inside.py"
MOST_LAYERS = CnnHyperparameters.choices()["conv_layers"].max_count
MOST_FILTERS = int(ConvLayer.choices()["filters"].high or 0)
# The pixel that is explained; where a model has no such layer or pixel, the page chooses another.
SETTINGS = {
    "inside-layer": frame.Setting(
        "layer", tuple(f"conv_{number}" for number in range(1, MOST_LAYERS + 1))
    ),
    **{
        f"inside-{name}": frame.Setting(name, tuple(range(MOST_FILTERS + 1)))
        for name in ("filter", "row", "column", "channel")
    },
}
# It slides a kernel along a row of the feature map.
PLAYER = Player("inside-column", tick_s=0.4)
# Models whose first layer is easy to interpret.
READABLE = {
    "Train a DNN with one small hidden layer: 16 templates are all that it has": DnnHyperparameters(
        hidden_units=(16,), dropout=0.0
    ),
    "Train a CNN with 7×7 kernels: there is more to see in each": CnnHyperparameters(
        conv_layers=(ConvLayer(filters=16, kernel=7, stride=2), ConvLayer(filters=32, stride=2))
    ),
}

NO_PICTURES = (
    "The weights of its first layer are not shown: they are not multiplied with the pixels of the "
    "image alone, each in its place. What its layers make of the digit is below."
)
NOT_FOLLOWED = (
    "No pixel can be followed through the {title}: a layer before its convolutions, or a kernel "
    "that is no square, does not tell which part of the image a pixel sees."
)


@page.guarded
def main() -> None:
    """The page."""
    if frame.begin(SCRIPT, SETTINGS):
        PLAYER.stop()
    look_inside()


@st.fragment
@page.guarded
def look_inside() -> None:
    """The digit, the two models, and what is in them. A fragment: a choice redraws this and nothing
    else."""
    stage = frame.set_stage(
        "Each layer turns the previous layer's numbers (activations) into new ones, until ten are "
        "left. **Notice** that the DNN's first layer has one weight per pixel for each unit, the "
        "CNN's a few small kernels that are used everywhere. **Try** another digit and see what is "
        "evidence for that one; then choose one pixel of a feature map, and follow the arithmetic "
        "that leads to it."
    )
    image, label, runs, _ = stage
    values = {key: st.session_state[key] for key in SETTINGS if key in st.session_state}
    frame.present(SCRIPT, stage, SETTINGS, values)
    frame.keep_address(SCRIPT, SETTINGS, values)
    inspectors, problems = {}, {}
    with resources.while_loading():
        for network, run in runs.items():
            try:
                inspectors[network] = cached.inspector(run.id)
            except RefusedError as error:
                problems[network] = str(error)
    # They import TensorFlow, which is there by now.
    from mnist_models.explain.activations import sees_image, templates
    from pages.parts.lessons.inside import layers, pixel

    activations_of = {
        network: inspector.activations(image, label) for network, inspector in inspectors.items()
    }
    layers.colours()
    st.subheader(f"The first layer: evidence for {label}")
    for column, network in zip(st.columns(len(runs), gap="medium"), runs, strict=True):
        with column:
            st.markdown(f"##### {NETWORKS[network].title}")
            if network in problems:
                st.info(page.plain(problems[network]))
                continue
            inspector = inspectors[network]
            first = next(iter(inspector.stages), None)
            if first and sees_image(inspector.network, first):
                layers.first_layer(inspector, activations_of[network], templates(first))
            else:
                st.info(NO_PICTURES)
    if inspectors:
        st.subheader("Layer by layer: activations")
        st.caption(
            "Each cell of a dense layer is one unit (their order has no meaning); each pixel of a "
            "feature map is one position of the filter."
        )
    for column, network in zip(st.columns(len(runs), gap="medium"), runs, strict=True):
        if network in inspectors:
            with column:
                st.markdown(f"##### {NETWORKS[network].title}")
                layers.layer_by_layer(inspectors[network], activations_of[network])
    for network, inspector in inspectors.items():
        if inspector.convolutions:
            st.subheader(f"Follow one pixel through the {NETWORKS[network].title}")
            pixel.explain(runs[network].id, inspector, activations_of[network], PLAYER)
        elif any(stage.is_convolution for stage in inspector.stages):
            st.info(NOT_FOLLOWED.format(title=NETWORKS[network].title))
    with st.expander("Why do they look like that?"):
        why()


def why() -> None:
    """Why first layers look as they do, and models that are easier to interpret."""
    st.markdown(
        "A unit in the first layer of a deep network need not look like a digit: it detects a "
        "part, and the following layers put parts together. Pixels that never have ink hardly "
        "change their weights during training, so these stay as random as they began. With a "
        "single hidden layer, a unit's template and its ten outgoing weights are all there is to "
        "it. A small kernel detects an edge or the end of a stroke, wherever it is; each pixel of "
        "a later layer covers more of the image (its receptive field), and combines those."
    )
    for label, hyperparameters in READABLE.items():
        st.page_link(
            "pages/train.py",
            label=label,
            icon=":material/model_training:",
            query_params=links.to_query(hyperparameters),
        )


main()
