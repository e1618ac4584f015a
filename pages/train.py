"""Train: choose hyperparameters, train a model or race both, watch them learn."""

import streamlit as st

from mnist_models.runs.tables import NAME_CHARACTERS, StoreError
from mnist_models.settings.hyperparameters import NETWORKS, DnnHyperparameters, Hyperparameters
from pages.parts import large_type, page, resources, selection
from pages.parts.train import form, images, share, watch

# A browser needs this long to show a number and a short table.
COUNT_FIRST_S = 0.04
# In large type, the smallest width of a column of the form, and of the form beside the curves.
FORM_PX, RUN_PX = 230, 400


@page.guarded
def main() -> None:
    """The page."""
    page.begin("pages/train.py")
    st.header("Train a network and watch it learn")
    st.markdown(
        "Move the sliders, start training, and watch the loss fall; or race a fully connected "
        "network (DNN) against a convolutional one (CNN). Draw for your network as soon as it is "
        "trained. Training goes on when you leave this page."
    )
    share.follow_link()
    left, right = large_type.columns([1.55, 1], RUN_PX)
    with left:
        choose_and_start()
    with right:
        run, below = st.container(), st.container()
        with below:  # drawn first: an imported run is watched at once
            share.import_run(watch.show)
        with run:
            watch.choose()


@st.fragment
@page.guarded
def choose_and_start() -> None:
    """The form, the layers it builds, and the button. A fragment: moving a slider redraws this and
    nothing else."""
    left, right = large_type.columns([1.05, 1], FORM_PX)
    chosen = form.read()
    with right:
        if st.session_state.pop("run-has-begun", False):  # the next one has a name of its own
            st.session_state["run-name"] = ""
            st.toast("Training started. Its curves are under “Run”.", icon=":material/show_chart:")
        name = st.text_input(
            "Name of the run",
            placeholder="optional",
            max_chars=NAME_CHARACTERS,
            key="run-name",
            persist_state="session",
        )
        label = (
            "Race both"
            if chosen.is_race
            else f"Train this {NETWORKS[st.session_state['network']].title}"
        )
        start = st.button(
            label,
            type="primary",
            icon=":material/flag:" if chosen.is_race else ":material/play_arrow:",
            disabled=not chosen.entrants,
            key="train-start",
            width="stretch",
        )
        if chosen.problems:
            st.error(" ".join(problem.sentence for problem in chosen.problems))
        elif chosen.is_race:
            summary_of_race(chosen.entrants)
        else:
            summary(*chosen.entrants.values())
    # The result of moving a slider is drawn first; the form, which shows the new value already,
    # after that.
    page.let_browser_draw(COUNT_FIRST_S)
    with left:
        form.draw(chosen)
    share.keep_address_true(chosen)
    with right:
        if chosen.entrants:
            share.settings(chosen)
            images.show_samples(next(iter(chosen.entrants.values())))
    if start:
        begin(chosen, name.strip() or None)


def begin(chosen: form.Form, name: str | None) -> None:
    """Starts what was chosen, and shows it.

    Args:
        chosen: The form.
        name: Of the run, or None.
    """
    try:
        if chosen.is_race:
            run_ids = resources.engine().race(chosen.entrants.values(), name)
        else:
            (hyperparameters,) = chosen.entrants.values()
            run_ids = [resources.engine().start(hyperparameters, name)]
    except StoreError as error:
        st.error(page.plain(error))
        return
    selection.select_when_finished(dict(zip(chosen.entrants, run_ids, strict=True)))
    st.session_state["run-has-begun"] = True
    watch.show(run_ids[0])
    st.rerun()


def summary(hyperparameters: Hyperparameters) -> None:
    """The list of layers with output shapes and parameter counts, and the total."""
    with resources.while_loading():
        layers = resources.layers(hyperparameters)
    st.metric("Total parameters", f"{sum(layer.parameters for layer in layers):,}")
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


def summary_of_race(entrants: dict[str, Hyperparameters]) -> None:
    """Both parameter counts, both lists of layers, and the button that makes the counts equal."""
    with st.container(horizontal=True, key="sizes"):
        for hyperparameters in entrants.values():
            with resources.while_loading():
                total = sum(layer.parameters for layer in resources.layers(hyperparameters))
            st.metric(f"{hyperparameters.title} parameters", f"{total:,}", width="content")
    st.button(
        "Match the parameter counts",
        icon=":material/balance:",
        on_click=match,
        args=[entrants],
        key="match",
        width="stretch",
    )
    st.caption(
        "Gives the DNN as many parameters as the CNN has: any remaining "
        "difference is due to convolution."
    )
    if problem := st.session_state.pop("match-problem", None):
        st.error(problem)
    for hyperparameters in entrants.values():
        with st.expander(f"Layers of the {hyperparameters.title}"):
            summary(hyperparameters)


def match(entrants: dict[str, Hyperparameters]) -> None:
    """Moves the DNN's sliders so that it has the CNN's number of parameters."""
    dnn, cnn = entrants.values()
    assert isinstance(dnn, DnnHyperparameters)  # the first of NETWORKS
    found = resources.matched(dnn, cnn)
    if isinstance(found, str):
        st.session_state["match-problem"] = found
    else:
        form.fill_layers(found)


main()
