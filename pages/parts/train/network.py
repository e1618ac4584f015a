"""The networks that the form describes: their parameters, their drawings, their layers."""

from collections.abc import Mapping

import streamlit as st

from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import DnnHyperparameters, Hyperparameters
from pages.parts import large_type, page, resources
from pages.parts.charts import architecture
from pages.parts.train import form

# The result of moving a slider is shown first: a browser needs this long to show a number. The
# network and the form, which shows the new value already, follow.
COUNT_FIRST_S = 0.04
# The smallest width of two drawings side by side; where there is less room, they are stacked.
DRAWING_PX = 240


def parameters(hyperparameters: Hyperparameters) -> int:
    """How many parameters a model with these hyperparameters has."""
    with resources.while_loading():
        return sum(layer.parameters for layer in resources.layers(hyperparameters))


def count(hyperparameters: Hyperparameters) -> None:
    """The number of parameters, which the browser shows before it is given anything else."""
    st.metric("Total parameters", f"{parameters(hyperparameters):,}")
    page.let_browser_draw(COUNT_FIRST_S)


def show(hyperparameters: Hyperparameters) -> None:
    """The network, drawn and as a table."""
    _draw(hyperparameters)
    with st.expander("Layers as a table"):
        _table(hyperparameters)


def show_from_file(run: Run) -> None:
    """The number of parameters of a network from a file, and its layers in words.

    Args:
        run: The run to start from.
    """
    assert run.imported  # it came from a file
    st.metric("Total parameters", f"{run.parameters:,}")
    what_it_is, what_it_wants, *_ = run.imported["said"]
    st.markdown(f"{page.plain(what_it_is)} {page.plain(what_it_wants)}")


def count_both(entrants: Mapping[str, Hyperparameters]) -> None:
    """The numbers of parameters of a race, which the browser shows before it is given anything
    else, and the button that makes them equal.

    Args:
        entrants: By kind of model.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", key="sizes"):
        for hyperparameters in entrants.values():
            st.metric(
                f"{hyperparameters.title} parameters",
                f"{parameters(hyperparameters):,}",
                width="content",
            )
        st.button(
            "Match the parameter counts",
            icon=":material/balance:",
            on_click=_match,
            args=[entrants],
            key="match",
            help="Gives the DNN as many parameters as the CNN has: any remaining difference is due "
            "to convolution.",
        )
    if problem := st.session_state.pop("match-problem", None):
        st.error(problem)
    page.let_browser_draw(COUNT_FIRST_S)


def show_both(entrants: Mapping[str, Hyperparameters]) -> None:
    """Both networks of a race side by side, drawn and as tables.

    Args:
        entrants: By kind of model.
    """
    drawings = st.grid(len(entrants), min_column_width=large_type.px(DRAWING_PX), gap="medium")
    for hyperparameters in entrants.values():
        with drawings.cell():
            st.markdown(f"**{hyperparameters.title}**")
            _draw(hyperparameters)
    with st.expander("Layers as tables"):
        for hyperparameters in entrants.values():
            st.markdown(f"**{hyperparameters.title}**")
            _table(hyperparameters)


def _draw(hyperparameters: Hyperparameters) -> None:
    layers = resources.layers(hyperparameters)
    large_type.chart(
        architecture.drawing(hyperparameters.network, layers),
        key=f"network-{hyperparameters.network}",
        alt=f"The layers of this {hyperparameters.title}, from the image to the logits",
    )
    st.caption(architecture.finding(layers))


def _table(hyperparameters: Hyperparameters) -> None:
    """The list of layers with output shapes and parameter counts."""
    layers = resources.layers(hyperparameters)
    st.dataframe(
        {
            "Layer": [layer.name for layer in layers],
            "Parameters": [layer.parameters for layer in layers],
            "Output shape": [" × ".join(map(str, layer.shape)) for layer in layers],
        },
        hide_index=True,
        height="content",
        column_config={
            "Layer": st.column_config.TextColumn(width=large_type.px(130)),
            "Parameters": st.column_config.NumberColumn(
                format="localized", width=large_type.px(90)
            ),
            "Output shape": st.column_config.TextColumn("Output", width=large_type.px(85)),
        },
        key=f"layers-{hyperparameters.network}",
        alt=f"The layers of this {hyperparameters.title}",
    )


def _match(entrants: Mapping[str, Hyperparameters]) -> None:
    """Moves the DNN's sliders so that it has the CNN's number of parameters."""
    dnn, cnn = entrants.values()
    assert isinstance(dnn, DnnHyperparameters)  # the first of NETWORKS
    found = resources.matched(dnn, cnn)
    if isinstance(found, str):
        st.session_state["match-problem"] = found
    else:
        form.fill_layers(found)
