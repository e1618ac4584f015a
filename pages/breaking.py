"""Where does it break? A digit turned, blurred or half hidden, and how far each network can
follow."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from mnist_models.data import dataset
from mnist_models.data.corruptions import CORRUPTIONS, Corruption, breaking_points
from mnist_models.data.probabilities import digits_of
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS, number
from pages.parts import canvas, large_type, page, resources, selection
from pages.parts.lessons import cached, charts, frame, waiting

SCRIPT = "pages/breaking.py"
CHOSEN, COUNT, RUNS, READING = (
    "breaking-distortion",
    "breaking-images",
    "breaking-runs",
    "breaking-is-reading",
)
FIRST = "turn"
COUNTS = (2_000, dataset.TEST_COUNT)
PICTURE_PX = 150


def _key(name: str) -> str:
    return f"breaking-{name}"


SETTINGS = {
    CHOSEN: frame.Setting("distortion", tuple(CORRUPTIONS)),
    COUNT: frame.Setting("images", COUNTS),
    **{_key(name): frame.Setting(name, one.amounts) for name, one in CORRUPTIONS.items()},
}
# A network that reads fewer of the test digits than this counts as broken.
HALF = 0.5


@page.guarded
def main() -> None:
    """The page."""
    frame.begin(SCRIPT, SETTINGS)
    for key, first in ((CHOSEN, FIRST), (COUNT, COUNTS[0]), (READING, False)):
        st.session_state.setdefault(key, first)
    st.header("Where does it break?")
    st.markdown(
        "Here the digit is spoiled more and more, and read as it is, without being prepared again. "
        "**Notice** which network gives in first, and whether it knows: a wrong answer can be a "
        "very sure one. **Try** every way to spoil it, then ask the whole test set whether your "
        "digit was an exception."
    )
    with st.container(key="breaking"):
        one_digit()
    st.subheader("The whole test set")
    # A fragment redraws itself as often as was fixed when it was defined: only while there is
    # something to be read.
    is_reading = st.session_state[READING]
    st.fragment(page.guarded(whole_test_set), run_every=waiting.TURN_S if is_reading else None)(
        is_reading
    )
    why()


@st.fragment
@page.guarded
def one_digit() -> None:
    """The digit, spoiled as far as the slider says, and the readings along the whole slider."""
    image, label = frame.digit()
    runs = frame.networks()
    name = st.segmented_control(
        "Spoil it",
        list(CORRUPTIONS),
        format_func=lambda name: CORRUPTIONS[name].title,
        key=CHOSEN,
        required=True,
        persist_state="session",
    )
    corruption = CORRUPTIONS[name]
    # What a link has set, or what was chosen before, comes before what a widget could be told to
    # start with.
    st.session_state.setdefault(_key(name), corruption.harmless)
    amount = st.select_slider(
        f"{corruption.title}, {corruption.unit}",
        corruption.amounts,
        key=_key(name),
        format_func=number,
        persist_state="session",
        help=corruption.help,
    )
    frame.present(SCRIPT, image, label, runs, SETTINGS, {CHOSEN: name, _key(name): amount})
    if name != st.session_state.setdefault("breaking-shown", name):
        st.session_state["breaking-shown"] = name
        st.rerun()  # the chart of the whole test set stands outside of this part of the page
    with resources.while_loading():
        found = {network: cached.read_along(run.id, image, name) for network, run in runs.items()}
    place = corruption.amounts.index(amount)
    spoiled = cached.spoiled(image, name)
    left, *columns = st.columns([1, 1, 1], gap="medium", vertical_alignment="center")
    picture = canvas.enlarged(spoiled[place], PICTURE_PX)
    left.image(picture, width=PICTURE_PX, caption="What they read", alt="The digit, spoiled")
    for column, (network, read) in zip(columns, found.items(), strict=True):
        digit = int(digits_of(read[place]))
        column.metric(
            f"The {NETWORKS[network].title} reads",
            str(digit),
            f"{read[place].max():.1%} sure"
            + (f", {label}: {read[place, label]:.1%}" if digit != label else ""),
            delta_color="off",
            delta_arrow="off",
        )
    st.markdown(
        finding(
            corruption,
            {network: digits_of(read) == label for network, read in found.items()},
            label,
        )
    )
    large_type.chart(
        charts.along(
            corruption.amounts,
            {network: read[:, label] for network, read in found.items()},
            {network: digits_of(read).tolist() for network, read in found.items()},
            label,
            amount,
            _scale(corruption),
        ),
        key="breaking-along",
        alt=f"How probable each network finds {label}, the more the digit is spoiled",
    )


def _scale(corruption: Corruption) -> str:
    return f"{corruption.title.lower()}, {corruption.unit}"


def _told(corruption: Corruption, amounts: list[float]) -> str:
    space = "" if corruption.unit.startswith(("°", "%")) else " "
    return " and ".join(f"**{number(amount)}**{space}{corruption.unit}" for amount in amounts)


def finding(corruption: Corruption, right: Mapping[str, np.ndarray], label: int) -> str:
    """Where both networks break, in words. right: whether the digit was read rightly at each
    amount, by network."""
    sentences = []
    for network, found in right.items():
        title, points = NETWORKS[network].title, breaking_points(corruption, found)
        if not points:
            sentences.append(f"The {title} reads it as {label} all along.")
        elif points == [corruption.harmless]:
            sentences.append(f"The {title} does not read it as {label} even unspoiled.")
        else:
            sentences.append(f"The {title} first fails at {_told(corruption, points)}.")
    shares = {network: found.mean() for network, found in right.items()}
    (_, worst), (best, most) = sorted(shares.items(), key=lambda share: share[1])
    if worst == most:
        return " ".join(sentences) + " Of this digit, neither can bear more than the other."
    return (
        " ".join(sentences)
        + f" Along the whole scale, the {NETWORKS[best].title} is right more often."
    )


# The whole test set
# --------------------------------------------------------------------------------------------------------


def whole_test_set(was_reading: bool) -> None:
    """The accuracy of several runs along the slider; what is not known yet can be read here, and
    stopped. was_reading: this redraws itself to go on with that."""
    name = st.session_state[CHOSEN]
    runs = choose_runs()
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    count = left.segmented_control(
        "Test digits at each step",
        COUNTS,
        format_func=number,
        key=COUNT,
        required=True,
        persist_state="session",
    )
    robustness_curves = {run_id: cached.robustness_curve(run_id, name, count) for run_id in runs}
    if was_reading:
        right.button(
            "Stop",
            icon=":material/stop:",
            key="breaking-stop",
            width="stretch",
            on_click=_read,
            args=[False],
        )
        st.progress(
            waiting.share(robustness_curves),
            f"{count:,} digits at each of {len(CORRUPTIONS[name].amounts)} steps, read by "
            f"{len(robustness_curves)} networks",
        )
        waiting.go_on(robustness_curves)
        if waiting.all_over(robustness_curves):
            _read(False)
    else:
        right.button(
            "Read them",
            icon=":material/play_arrow:",
            key="breaking-start",
            type="primary",
            width="stretch",
            disabled=waiting.all_over(robustness_curves),
            on_click=_read,
            args=[True],
        )
    if st.session_state[READING] != was_reading:
        st.rerun()
    found = {
        runs[run_id]: robustness_curve.result
        for run_id, robustness_curve in robustness_curves.items()
        if robustness_curve.is_over
    }
    if unkept := [swept.unkept for swept in found.values() if swept.unkept]:
        st.warning(
            page.plain(
                "Some of these curves could not be kept, and are here only until "
                f"the app ends. {unkept[0]}"
            )
        )
    show({run: swept.accuracies for run, swept in found.items()}, name, count)


def _read(is_reading: bool) -> None:
    st.session_state[READING] = is_reading


def choose_runs() -> dict[str, Run]:
    """The networks whose curves are to be seen, by id; chosen here, at first the two that read
    above."""
    runs = {
        run_id: run for network in NETWORKS for run_id, run in selection.available(network).items()
    }
    labels = {run_id: run.label for run_id, run in runs.items()}
    if not set(st.session_state.setdefault(RUNS, selection.selected_ids())) <= set(
        labels
    ):  # one was deleted
        st.session_state[RUNS] = [run_id for run_id in st.session_state[RUNS] if run_id in labels]
    chosen = st.multiselect(
        "Networks",
        labels,
        key=RUNS,
        format_func=lambda run_id: labels[run_id],
        persist_state="session",
    )
    return {run_id: run for run_id, run in runs.items() if run_id in chosen}


def show(found: Mapping[Run, list[float]], name: str, count: int) -> None:
    """The curves of some runs along a distortion, and in words where each of them breaks."""
    corruption = CORRUPTIONS[name]
    if not found:
        st.caption(
            "Press “Read them” to see how many of the test digits each network reads, at each step "
            "of the slider."
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
        alt=f"How many of {count:,} test digits are read rightly, the more they are spoiled",
    )


def why() -> None:
    """Why neither network is better at everything."""
    with st.expander("Why is neither better at everything?"):
        st.markdown(
            "Small patterns survive when a stroke is turned, slanted, scaled or thickened a "
            "little, so a network that looks for them wherever they are can follow longer. But "
            "they are also the first thing that noise and blur destroy. A dense network adds up "
            "all 784 pixels, and much of the noise in them cancels out."
        )
        st.markdown(
            "So it is over the first 2,000 test digits and the whole of each slider, for the "
            "networks that ship: the CNN reads more of them turned, scaled, slanted, thickened, "
            "thinned or half hidden, the DNN more of them blurred or noisy. Nor is it all "
            "architecture: what augmentation has shown a network while it "
            "learned, it can bear later."
        )


def sentence(run: Run, accuracies: np.ndarray, corruption: Corruption, count: int) -> str:
    """How well a run reads the test set unspoiled, and where it reads fewer than half of it."""
    whole = accuracies[corruption.amounts.index(corruption.harmless)]
    told = f"**{page.plain(run.label)}** reads {whole:.1%} of {count:,} unspoiled test digits"
    points = breaking_points(corruption, accuracies >= HALF)
    if not points:
        return (
            f"{told}, and at least half of them all along; on average over the scale "
            f"{accuracies.mean():.1%}."
        )
    return (
        f"{told}, and fewer than half from {_told(corruption, points)} on; on average over the "
        f"scale {accuracies.mean():.1%}."
    )


main()
