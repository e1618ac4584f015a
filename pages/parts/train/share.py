"""Sharing: a link to the settings, the code, and a run as a file."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import streamlit as st

from mnist_models.limits import limits
from mnist_models.models.formats import FORMATS
from mnist_models.runs import race
from mnist_models.runs.tables import Run
from mnist_models.settings import links
from mnist_models.settings.hyperparameters import (
    NETWORKS,
    Hyperparameters,
    HyperparametersError,
    number,
)
from mnist_models.settings.notebook import notebook
from mnist_models.settings.script import script
from pages.parts import addresses, imported, page, resources, selection, uploads, visitors
from pages.parts.charts import learning_curves, pictures
from pages.parts.train import class_digits, form

SCRIPT = "pages/train.py"
# In the session: the settings of the link that was followed last; what is wrong with it, if it
# cannot be used; and what the form has shown since.
TAKEN, PROBLEM, SHOWN = "link-taken", "link-problem", "link-shown"
IMPORT = "Import a run or a model"
# How the files end that can be imported.
SAVED = ["zip", "keras", "h5", "hdf5", "onnx", "tflite", "pt", "pth"]


def follow_link(has_come: bool) -> None:
    """Moves the form to the settings in the page's address, once, or says what is wrong with the
    link.

    Args:
        has_come: Whether the visitor has just come from elsewhere.
    """
    query = {name: text for name, text in st.query_params.items() if name not in links.NOT_OURS}
    if not (links.is_link(query) or links.is_race(query)):
        query = {}
    is_news = has_come or query != st.session_state.get(TAKEN)
    is_own = addresses.is_kept(SCRIPT, st.query_params.to_dict(), has_come)
    if query and is_news and not is_own:
        st.session_state[TAKEN] = query
        st.session_state[PROBLEM] = _follow(query)
        st.session_state.pop(SHOWN, None)
    if problem := st.session_state.get(PROBLEM):
        st.warning(
            "This link cannot be used as it is, so the settings were not changed. "
            f"{page.plain(problem)}"
        )


def _follow(query: Mapping[str, str]) -> str | None:
    """Moves the form.

    Returns:
        What is wrong with the link, a sentence, if it cannot be used.
    """
    if twice := [name for name in query if len(st.query_params.get_all(name)) > 1]:
        return f"It has {twice[0][:40]!r} more than once; write it once."
    try:
        if links.is_race(query):
            entrants = links.race_from_query(query)
            race.check(entrants)
            form.fill_race(entrants)
            class_digits.follow("", None)
        else:
            hyperparameters, wanted = links.from_query(query), links.class_from_query(query)
            form.fill(hyperparameters)
            class_digits.follow(hyperparameters.network, wanted)
    except HyperparametersError as error:
        return str(error)
    return None


def keep_address(chosen: form.Form) -> None:
    """Has the browser's address say what the form shows, and forgets what is wrong with a link once
    it shows something else."""
    shown = _query(chosen) if chosen.entrants else {}
    if shown:
        others = {name: st.query_params[name] for name in links.NOT_OURS if name in st.query_params}
        addresses.keep(SCRIPT, shown | others)
    if st.session_state.get(PROBLEM) and shown != st.session_state.setdefault(SHOWN, shown):
        del st.session_state[PROBLEM]
        st.rerun()  # it stands outside of this part of the page


def _query(chosen: form.Form) -> dict[str, str]:
    if chosen.is_race:
        return links.race_to_query(chosen.entrants)
    query = links.to_query(*chosen.entrants.values())
    if chosen.learning:
        query |= links.class_to_query(chosen.learning.material.source.in_link)
    return query


def settings(chosen: form.Form) -> None:
    """A link to the chosen settings, and the code."""
    with st.container(horizontal=True), st.popover("Share", icon=":material/share:"):
        st.markdown("This link opens the Train page with exactly these settings:")
        address = addresses.of_page(SCRIPT, _query(chosen))
        st.code(address, language=None, wrap_lines=True)
        learning = chosen.learning
        if learning and learning.file_start:
            st.markdown("There is no script for it: its layers come from a file.")
            return
        for hyperparameters in chosen.entrants.values():
            _code(
                hyperparameters,
                learning.material.share if learning else 0.0,
                fine_tuned=learning is not None and learning.start is not None,
            )


def export(run: Run, suffix: str) -> None:
    """What a run can be handed in with: files, a link, the code.

    Args:
        run: The run.
        suffix: Of the keys of its widgets.
    """
    with st.popover("Export", icon=":material/download:"):
        if run.readable:
            st.markdown(
                "The whole run in one file: hyperparameters, curves (CSV and picture), weights, "
                "the Keras model, a stand-alone script and a notebook. It can be used on another "
                f"machine, with this app ({IMPORT}) or without it."
            )
            name = f"{run.network}-{run.id}"
            _download("Everything (.zip)", f"{name}.zip", lambda: _file([run]), suffix)
            st.markdown("Or one part of it:")
            settings_of = run.hyperparameters, run.class_share
            with st.container(horizontal=True):
                _download(
                    "Script (.py)",
                    f"{name}.py",
                    lambda: script(*settings_of, fine_tuned=run.is_fine_tuned),
                    suffix,
                )
                _download(
                    "Notebook (.ipynb)",
                    f"{name}.ipynb",
                    lambda: notebook(*settings_of, fine_tuned=run.is_fine_tuned),
                    suffix,
                )
                _download("Learning curves (.png)", f"{name}.png", lambda: _picture([run]), suffix)
            st.markdown(
                "The model alone, for other programs. In go images of 28×28 pixels, where 0 is "
                "paper; out comes a logit for each digit. The README of the whole run says more."
            )
            with st.container(horizontal=True):
                for kind, (title, ending, _) in FORMATS.items():
                    file = f"{name}{ending}"
                    _download(
                        f"{title} ({Path(file).suffix})",
                        file,
                        functools.partial(resources.model_file, run.id, kind),
                        suffix,
                    )
            st.markdown(
                "The script and the notebook take MNIST from the internet, or from this file if it "
                "is in the same folder:"
            )
            _download("MNIST (mnist.npz, 11 MB)", "mnist.npz", resources.mnist_for_keras, suffix)
            _class_digits(run, suffix)
        st.markdown("A link to its settings:")
        address = addresses.of_page(SCRIPT, run.query)
        st.code(address, language=None, wrap_lines=True)
        _code(run.hyperparameters, run.class_share, fine_tuned=run.is_fine_tuned)


def _class_digits(run: Run, suffix: str) -> None:
    """For a teacher, the digits of the class that a run learned from."""
    if not (run.source and visitors.me().is_teacher):
        return
    if digits := resources.store().class_digits(run.id):
        st.markdown(
            "They also need the class's digits that this run learned from. Only a teacher can save "
            "them, and they are in no exported run:"
        )
        _download("The class's digits (class.npz)", "class.npz", lambda: digits, suffix)


def export_race(runs: Sequence[Run]) -> None:
    """What a race can be handed in with, where each of its runs has a model.

    Args:
        runs: Those of the race.
    """
    with st.popover("Export the race", icon=":material/download:", key="export-race"):
        st.markdown(
            "Both runs in one file: hyperparameters, curves (both in one picture), weights, Keras "
            f"models and stand-alone scripts. {IMPORT} makes it a race again."
        )
        name = f"race-{runs[0].id[:4]}"  # as the list of runs calls it
        with st.container(horizontal=True):
            _download("Everything (.zip)", f"{name}.zip", lambda: _file(runs), "-race")
            _download("Learning curves (.png)", f"{name}.png", lambda: _picture(runs), "-race")


def _download(label: str, name: str, content: Callable[[], str | bytes], suffix: str) -> None:
    """A button for a file, which is made when somebody asks for it, not each time the page is
    drawn."""
    st.download_button(
        label,
        content,
        file_name=name,
        icon=":material/download:",
        key=f"download-{name}{suffix}",
        on_click="ignore",
    )


def _file(runs: Sequence[Run]) -> bytes:
    return resources.exported([run.id for run in runs], _picture(runs))


def _picture(runs: Sequence[Run]) -> bytes:
    """The learning curves of the runs, loss above accuracy, as a PNG."""
    titles = [NETWORKS[run.network].title for run in runs]
    drawn = [
        learning_curves.Drawn(
            title, run.network, resources.ended_curve(run.id), run.values["train_images"]
        )
        for run, title in zip(runs, titles, strict=True)
    ]
    results = [
        f"{run.label}{'' if run.name == title else f' ({title})'}: test accuracy "
        f"{run.measured.test_accuracy:.2%} after {number(round(run.measured.epochs, 2))} epochs"
        for run, title in zip(runs, titles, strict=True)
    ]
    loss, accuracy = (learning_curves.curves(drawn, quantity) for quantity in ("loss", "accuracy"))
    headed = loss | {"title": loss["title"] | {"subtitle": results}}
    return pictures.png([headed, accuracy])


def _code(hyperparameters: Hyperparameters, class_share: float, *, fine_tuned: bool) -> None:
    st.markdown(
        f"Stand-alone Keras script of the {hyperparameters.title}, which does not need this app:"
    )
    st.code(script(hyperparameters, class_share, fine_tuned=fine_tuned), height=300)


def import_run(show: Callable[[str], None]) -> None:
    """Uploads and imports an exported run, or a network that was trained elsewhere.

    Args:
        show: Called with the id of a run once it is imported.
    """
    with st.popover(IMPORT, icon=":material/upload:"):
        st.caption(
            "A run that was exported here, or any saved MNIST network: Keras (.keras, .h5), ONNX, "
            "TensorFlow Lite, PyTorch's state_dict, or a zip of a SavedModel, of a TensorFlow.js "
            "model, or of weights and their JSON. Nothing in a file is executed."
        )
        if "brought" not in st.session_state:  # the visitor has just come to the page
            st.session_state["brought-run"] = None, None
        file = st.file_uploader(
            "Exported run or saved model",
            type=SAVED,
            max_upload_size=limits().upload_mb,
            key="brought",
        )
        # Each file once, however often the page is drawn.
        if file and st.session_state.get("brought-file") != file.file_id:
            st.session_state["brought-file"] = file.file_id
            wait = "Checking the file, building the model, computing test accuracy …"
            bar = st.progress(0.0, wait)

            def progress(share: float) -> None:
                bar.progress(min(share, 1.0), wait)

            run, problem = resources.imported(
                uploads.take(file), file.name, progress, visitors.rights()
            )
            bar.empty()
            st.session_state["brought-run"] = run, problem
            if run and run.imported:
                selection.select(run)
            elif run:
                show(run.id)
        run, problem = st.session_state["brought-run"]
        if problem:
            st.error(page.plain(problem))
        elif run:
            st.success(f"Imported as {page.plain(run.label)}. It is in the list of models.")
    # Below: a popover has no room for it.
    if run and run.imported:
        with st.container(border=True):
            imported.diagnosis(run.id)
