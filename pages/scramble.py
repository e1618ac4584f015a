"""The scramble: what is left of both networks where no pixel has its neighbours any more."""

from collections.abc import Mapping

import streamlit as st

from mnist_models.data import dataset
from mnist_models.data.preprocessing import Preparation
from mnist_models.runs import pretrained
from mnist_models.runs.tables import Run
from mnist_models.settings import links, recipes
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, large_type, page, resources, selection
from pages.parts.lessons import charts, frame

SCRIPT = "pages/scramble.py"
PICTURE_PX = 140
# Accuracies that differ by less are called the same: another seed does as much.
CLOSE = 0.002


@page.guarded
def main() -> None:
    """The page."""
    runs = {network: learned_scrambled(network) for network in NETWORKS}
    if frame.begin(SCRIPT, settings(runs)):
        board = canvas.board()
        if board.preparation is None:
            canvas.show_test_digit(frame.EXAMPLE)
        board.send(board.drawing)
    st.header("Scramble the pixels, and see who minds")
    st.markdown(
        "Here all 784 pixels of an image change places, always in the same way, before a network "
        "sees it. Two networks learned from images scrambled like that. **Notice** that a dense "
        "network hardly minds: it never knew which pixels are neighbours. A convolutional network "
        "looks for patterns of neighbours, and there are none left. **Try** to draw under "
        "scrambling: you cannot read it, but can they?"
    )
    scrambled = {network: choose(network, some) for network, some in runs.items()}
    plain = pretrained_runs("quick")
    draw_and_read(plain, scrambled)
    st.subheader("What it costs over the whole test set")
    st.markdown(verdict(plain, scrambled))
    large_type.chart(
        charts.mistakes(
            [
                (NETWORKS[network].title, network, kind, _wrong(run))
                for kind, runs in (("as they are", plain), ("scrambled", scrambled))
                for network, run in runs.items()
            ]
        ),
        key="scramble-mistakes",
        alt="How many test digits each network reads wrongly, as they are and scrambled",
    )
    again()
    resources.prepare()


def pretrained_runs(pair: str) -> dict[str, Run]:
    """A pair of networks that comes with the app, by network."""
    return {
        network: resources.store().run(run_id) for network, run_id in pretrained.ids(pair).items()
    }


def _key(network: str) -> str:
    return f"scramble-{network}-run"


def settings(runs: Mapping[str, Mapping[str, Run]]) -> frame.Settings:
    """What a link can set on this page. runs: those that can be chosen, by kind and id."""
    return {
        _key(network): frame.Setting(f"{network}-run", tuple(some))
        for network, some in runs.items()
    }


def learned_scrambled(network: str) -> dict[str, Run]:
    """The networks of this kind that learned from scrambled images, by id: the one that ships, and
    those trained here."""
    return {
        run_id: run
        for run_id, run in selection.available(network).items()
        if run.values.get("scrambled")
    }


def choose(network: str, runs: Mapping[str, Run]) -> Run:
    """One of them, chosen here where there are several."""
    key, ids = _key(network), list(runs)
    if st.session_state.setdefault(key, ids[0]) not in runs:
        st.session_state[key] = ids[0]
    if frame.is_presented() or len(runs) == 1:
        return runs[st.session_state[key]]
    run_id = st.selectbox(
        f"{NETWORKS[network].title} of scrambled pixels",
        ids,
        key=key,
        format_func=lambda run_id: f"{runs[run_id].label} · {runs[run_id].test_accuracy:.2%}",
        persist_state="session",
    )
    return runs[run_id]


@st.fragment
@page.guarded
def draw_and_read(plain: Mapping[str, Run], scrambled: Mapping[str, Run]) -> None:
    """The canvas, what becomes of it, and what four networks read. A fragment: a stroke redraws
    this and nothing else."""
    left, middle, right = st.columns([1.3, 0.7, 1], gap="medium")
    with left:
        with st.container(key="canvas"):
            preparation = canvas.draw(st.session_state.get("brush", canvas.BRUSH_PX))
        board = canvas.board()
        with st.container(horizontal=True, gap="xsmall"):
            st.button("Clear", icon=":material/delete:", on_click=board.clear, key="scramble-clear")
            st.button(
                "Example",
                icon=":material/casino:",
                on_click=canvas.show_any_test_digit,
                key="scramble-example",
            )
    if preparation is None:
        right.caption("Nothing yet. Draw a digit on the canvas.")
        return
    with middle:
        pictures(preparation)
    with right, resources.while_loading():
        for kind, runs in (("As it is", plain), ("Scrambled", scrambled)):
            st.markdown(f"**{kind}**")
            with st.container(horizontal=True):
                for network, run in runs.items():
                    read = resources.classifier(run.id).read(preparation.image)
                    st.metric(
                        f"The {NETWORKS[network].title} reads",
                        str(read.digit),
                        f"{read.probability:.1%}",
                        delta_color="off",
                        delta_arrow="off",
                    )
    label = board.label if board.label is not None else frame.guess(preparation.image)
    chosen = {_key(network): run.id for network, run in scrambled.items()}
    of_link = settings({network: {run.id: run} for network, run in scrambled.items()})
    frame.present(SCRIPT, preparation.image, label, {}, of_link, chosen)


def pictures(preparation: Preparation) -> None:
    """The digit as the networks read it, and as those of scrambled pixels are given it."""
    image = preparation.image
    for picture, caption in ((image, "As it is"), (dataset.scrambled(image[None])[0], "Scrambled")):
        st.image(
            canvas.enlarged(picture, PICTURE_PX),
            width=PICTURE_PX,
            caption=caption,
            alt=f"The digit: {caption.lower()}",
        )


def _wrong(run: Run) -> int:
    return round((1 - run.test_accuracy) * dataset.TEST_COUNT)


def verdict(plain: Mapping[str, Run], scrambled: Mapping[str, Run]) -> str:
    """What scrambling cost each network, and who wins without neighbours, in words."""
    told = " ".join(_cost(plain[network], run) for network, run in scrambled.items())
    worst, best = sorted(scrambled.values(), key=lambda run: run.test_accuracy)
    if best.test_accuracy - worst.test_accuracy < CLOSE:
        return told + " Without neighbours, neither is better than the other."
    told += (
        f" Without neighbours, the {NETWORKS[best.network].title} is the better reader of the two"
    )
    if plain[best.network].test_accuracy > plain[worst.network].test_accuracy:
        return told + " still."
    return told + "."


def _cost(plain: Run, scrambled: Run) -> str:
    """What one network reads as it is and scrambled; a cost only where nothing else is
    different."""
    title = NETWORKS[plain.network].title
    if plain.hyperparameters.model_copy(update={"scrambled": True}) != scrambled.hyperparameters:
        return (
            f"{page.plain(scrambled.label)} reads **{scrambled.test_accuracy:.2%}** of the test "
            "digits scrambled."
        )
    points = 100 * (plain.test_accuracy - scrambled.test_accuracy)
    return (
        f"The {title} reads **{plain.test_accuracy:.2%}** of the test digits as they are, and "
        f"**{scrambled.test_accuracy:.2%}** scrambled: {abs(points):.2f} percentage points "
        f"{'less' if points > 0 else 'more'}."
    )


def again() -> None:
    """Ways on: train such a pair, and draw for it."""
    entrants = {network: recipes.find("scrambled", network).hyperparameters for network in NETWORKS}
    with st.container(horizontal=True):
        st.page_link(
            "pages/train.py",
            label="Train both on scrambled pixels, and watch them race",
            icon=":material/model_training:",
            query_params=links.race_to_query(entrants),
        )
        st.page_link(
            "pages/slide.py",
            label="Slide a digit under the scrambled pair",
            icon=":material/open_with:",
            query_params=pretrained.ids("scrambled"),
        )


main()
