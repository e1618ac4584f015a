"""Where does it break? A digit rotated, blurred or occluded, and how much of that each model
tolerates."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from mnist_models.data import dataset
from mnist_models.data.corruptions import CORRUPTIONS, Corruption, breaking_points
from mnist_models.data.probabilities import answer, is_recognised
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS, number
from pages.parts import canvas, large_type, page, resources, selection
from pages.parts.lessons import cached, charts, frame, waiting
from pages.parts.lessons.playing import Player

SCRIPT = "pages/breaking.py"
CHOSEN, COUNT = "breaking-distortion", "breaking-images"
RUNS, IS_RUNNING = "breaking-runs", "breaking-is-reading"
FIRST = "turn"
COUNTS = (2_000, dataset.TEST_COUNT)
PICTURE_PX = 150
# As wide as what is said of a prediction: while it plays, none changes places.
PREDICTION_PX = 160


def _key(name: str) -> str:
    return f"breaking-{name}"


SETTINGS = {
    CHOSEN: frame.Setting("distortion", tuple(CORRUPTIONS)),
    COUNT: frame.Setting("images", COUNTS),
    **{_key(name): frame.Setting(name, one.amounts) for name, one in CORRUPTIONS.items()},
}
# By the name of the distortion.
PLAYERS = {name: Player(_key(name), tick_s=0.3) for name in CORRUPTIONS}
# A model with less than this test accuracy counts as broken.
HALF = 0.5


@page.guarded
def main() -> None:
    """The page."""
    if frame.begin(SCRIPT, SETTINGS):
        for player in PLAYERS.values():
            player.stop()
    for key, first in ((CHOSEN, FIRST), (COUNT, COUNTS[0]), (IS_RUNNING, False)):
        st.session_state.setdefault(key, first)
    for name, one in CORRUPTIONS.items():
        # What a link has set, or what was chosen before, comes before the default.
        st.session_state.setdefault(_key(name), one.harmless)
    with st.container(key="breaking"):
        one_digit()
    st.subheader("The whole test set")
    # How often a fragment redraws itself is fixed when it is defined: here, only while the test set
    # is being classified.
    is_running = st.session_state[IS_RUNNING]
    st.fragment(page.guarded(whole_test_set), run_every=waiting.TURN_S if is_running else None)(
        is_running
    )
    why()


@st.fragment
@page.guarded
def one_digit() -> None:
    """The digit, the distortion, and both models along it."""
    stage = frame.set_stage(
        "Here the digit is distorted more and more (a corruption), and classified as it is, "
        "without being centred again. **Notice** which model fails first, and whether it knows: a "
        "wrong answer can be a very confident one. **Try** every distortion, then check on the "
        "whole test set whether your digit was an exception."
    )
    name = st.segmented_control(
        "Distortion",
        list(CORRUPTIONS),
        format_func=lambda name: CORRUPTIONS[name].title,
        key=CHOSEN,
        required=True,
        persist_state="session",
        label_visibility="collapsed",
    )
    assert name is not None  # it is required
    amount = st.session_state[_key(name)]
    frame.present(SCRIPT, stage, SETTINGS, {CHOSEN: name, _key(name): amount})
    if name != st.session_state.setdefault("breaking-shown", name):
        st.session_state["breaking-shown"] = name
        for player in PLAYERS.values():
            player.stop()
        st.rerun()  # the chart of the whole test set stands outside of this part of the page
    PLAYERS[name].fragment(along, stage, name)


def along(stage: frame.Stage, name: str) -> None:
    """The digit, distorted as far as the slider says, and the predictions along the slider.

    Args:
        stage: The digit and the two models.
        name: Of the distortion, a key of CORRUPTIONS.
    """
    image, label, runs, _ = stage
    corruption, key = CORRUPTIONS[name], _key(name)
    PLAYERS[name].choose(
        corruption.amounts,
        lambda is_playing: st.select_slider(
            _scale(corruption),
            corruption.amounts,
            key=key,
            format_func=number,
            persist_state="session",
            help=corruption.help,
            disabled=is_playing,
        ),
    )
    amount = st.session_state[key]
    with resources.while_loading(runs.values()):
        found = {network: cached.read_along(run.id, image, name) for network, run in runs.items()}
    place = corruption.amounts.index(amount)
    distorted = cached.distorted(image, name)
    thresholds = {network: run.measured.confidence_threshold for network, run in runs.items()}
    said = {
        network: [answer(one, thresholds[network]) for one in read]
        for network, read in found.items()
    }
    left, right = st.columns([1, 2.4], gap="medium")
    with left:
        picture = canvas.enlarged(distorted[place], PICTURE_PX)
        st.image(
            picture, width=PICTURE_PX, caption="What the models see", alt="The distorted digit"
        )
    with left.container(horizontal=True):
        for network, read in found.items():
            st.metric(
                f"{NETWORKS[network].title} prediction",
                said[network][place],
                f"probability {read[place].max():.1%}",
                delta_color="off",
                delta_arrow="off",
                width=large_type.px(PREDICTION_PX),
            )
    with right:
        st.markdown(
            finding(
                corruption,
                {
                    network: is_recognised(read, label, thresholds[network])
                    for network, read in found.items()
                },
                label,
            )
        )
        large_type.chart(
            charts.along(
                corruption.amounts,
                {network: read[:, label].tolist() for network, read in found.items()},
                said,
                label,
                amount,
                _scale(corruption),
            ),
            key="breaking-along",
            alt=f"Probability of {label} according to each model, along the distortion",
        )
    frame.keep_address(SCRIPT, SETTINGS, {CHOSEN: name, key: amount})


def _scale(corruption: Corruption) -> str:
    return f"{corruption.title} ({corruption.unit})" if corruption.unit else corruption.title


def _amounts(corruption: Corruption, amounts: list[float]) -> str:
    space = " " if corruption.unit and corruption.unit[0] not in "°%" else ""
    return " and ".join(f"**{number(amount)}**{space}{corruption.unit}" for amount in amounts)


def finding(corruption: Corruption, right: Mapping[str, np.ndarray], label: int) -> str:
    """Where both models break, in words.

    Args:
        corruption: The distortion.
        right: Whether the prediction was correct at each amount, by kind of model.
        label: The digit.
    """
    sentences = []
    for network, found in right.items():
        title, points = NETWORKS[network].title, breaking_points(corruption, found)
        if not points:
            sentences.append(f"The {title} reads it as {label} at every step.")
        elif points == [corruption.harmless]:
            sentences.append(f"The {title} does not read it as {label} even undistorted.")
        else:
            sentences.append(f"The {title} first fails at {_amounts(corruption, points)}.")
    shares = {network: found.mean() for network, found in right.items()}
    (_, worst), (best, most) = sorted(shares.items(), key=lambda share: share[1])
    if worst == most:
        return " ".join(sentences) + " For this digit, both tolerate the same amount."
    return (
        " ".join(sentences)
        + f" Over the whole slider, the {NETWORKS[best].title} is correct more often."
    )


# The whole test set
# --------------------------------------------------------------------------------------------------


def whole_test_set(was_running: bool) -> None:
    """The test accuracy of several models along the slider; what is not known yet can be computed
    here, and stopped.

    Args:
        was_running: Whether this redraws itself to go on with that.
    """
    name = st.session_state[CHOSEN]
    runs = choose_runs()
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    count = left.segmented_control(
        "Test images per step",
        COUNTS,
        format_func=number,
        key=COUNT,
        required=True,
        persist_state="session",
    )
    assert count is not None  # it is required
    robustness_curves = {run_id: cached.robustness_curve(run_id, name, count) for run_id in runs}
    if was_running:
        right.button(
            "Stop",
            icon=":material/stop:",
            key="breaking-stop",
            width="stretch",
            on_click=_set_running,
            args=[False],
        )
        st.progress(
            waiting.share(robustness_curves),
            f"{count:,} test images at each of {len(CORRUPTIONS[name].amounts)} steps, for "
            f"{len(robustness_curves)} models",
        )
        waiting.go_on(robustness_curves)
        if waiting.all_over(robustness_curves):
            _set_running(False)
    else:
        right.button(
            "Run on the test set",
            icon=":material/play_arrow:",
            key="breaking-start",
            type="primary",
            width="stretch",
            disabled=waiting.all_over(robustness_curves),
            on_click=_set_running,
            args=[True],
        )
    if st.session_state[IS_RUNNING] != was_running:
        st.rerun()
    found = {
        runs[run_id]: robustness_curve.result
        for run_id, robustness_curve in robustness_curves.items()
        if robustness_curve.result is not None
    }
    if unsaved := [curve.unsaved for curve in found.values() if curve.unsaved]:
        st.warning(
            page.plain(
                "Some of these curves could not be saved, and are here only until "
                f"the app ends. {unsaved[0]}"
            )
        )
    show({run: curve.accuracies for run, curve in found.items()}, name, count)


def _set_running(is_running: bool) -> None:
    st.session_state[IS_RUNNING] = is_running


def choose_runs() -> dict[str, Run]:
    """The models whose curves are shown, by id; chosen here, at first the two selected above."""
    runs = {
        run_id: run for network in NETWORKS for run_id, run in selection.available(network).items()
    }
    labels = {run_id: run.label for run_id, run in runs.items()}
    chosen: list[str] = st.session_state.setdefault(RUNS, selection.selected_ids())
    if not set(chosen) <= set(labels):  # one was deleted
        st.session_state[RUNS] = [run_id for run_id in st.session_state[RUNS] if run_id in labels]
    chosen = st.multiselect(
        "Models",
        labels,
        key=RUNS,
        format_func=lambda run_id: labels[run_id],
        persist_state="session",
    )
    return {run_id: run for run_id, run in runs.items() if run_id in chosen}


def show(found: Mapping[Run, list[float]], name: str, count: int) -> None:
    """The robustness curves of some models, and in words where each of them breaks.

    Args:
        found: The accuracy at each amount, by run.
        name: The distortion, a key of CORRUPTIONS.
        count: The number of test images at each step.
    """
    corruption = CORRUPTIONS[name]
    if not found:
        st.caption(
            "Press “Run on the test set” to compute the accuracy of each model at each step of the "
            "slider (its robustness curve)."
        )
        return
    for run, accuracies in found.items():
        st.markdown(sentence(run, np.array(accuracies), corruption, count))
    large_type.chart(
        charts.robustness_curves(
            corruption.amounts,
            {run.label: accuracies for run, accuracies in found.items()},
            [run.network for run in found],
            _scale(corruption),
        ),
        key="breaking-sweeps",
        alt=f"Accuracy on {count:,} test images along the distortion",
    )


def why() -> None:
    """Why neither model is better at everything."""
    with st.expander("Why is neither better at everything?"):
        st.markdown(
            "Small patterns survive when a stroke is rotated, slanted, scaled or thickened a "
            "little, so a network that looks for them wherever they are is more robust. But they "
            "are also the first thing that noise and blur destroy. A fully connected network adds "
            "up all 784 pixels, and much of the noise in them cancels out."
        )
        st.markdown(
            "This holds for the pretrained models, over the first 2,000 test images and the whole "
            "of each slider: the CNN is more accurate when digits are rotated, scaled, slanted, "
            "made thicker or thinner, or occluded, the DNN when they are blurred or noisy. Nor is "
            "it all due to architecture: what augmentation has shown a model during training, it "
            "tolerates later."
        )


def sentence(run: Run, accuracies: np.ndarray, corruption: Corruption, count: int) -> str:
    """The accuracy of a run on undistorted test images, and where it falls below a half.

    Args:
        run: The run.
        accuracies: At each amount, 0 to 1.
        corruption: The distortion.
        count: The number of test images at each step.
    """
    undistorted = accuracies[corruption.amounts.index(corruption.harmless)]
    text = (
        f"**{page.plain(run.label)}**: accuracy {undistorted:.1%} on "
        f"{count:,} undistorted test images"
    )
    average = f"on average over the slider {accuracies.mean():.1%}."
    points = breaking_points(corruption, accuracies >= HALF)
    if not points:
        return f"{text}, and at least 50% at every step; {average}"
    return f"{text}, and below 50% from {_amounts(corruption, points)} on; {average}"


main()
