"""What a teacher does with collections: begin, open, close, rename, delete one; bring digits from
paper and from files; give the digits away as files; look after nicknames."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from mnist_models.data.pictures import SUFFIXES, PictureError
from mnist_models.errors import UnavailableError
from mnist_models.handwriting import exports, files, sheet, sheet_photo
from mnist_models.handwriting.collection import Collection
from mnist_models.limits import limits
from mnist_models.runs.class_tables import ClassCollection
from mnist_models.runs.classes import gathered
from mnist_models.runs.tables import NAME_CHARACTERS
from pages.parts import addresses, canvas, page, resources, uploads, visitors
from pages.parts.classroom import joining
from pages.parts.classroom.pictures import mosaic, picture_address

# In the session: why the last thing that was asked for was not done, a sentence; what was brought
# and is not kept yet, and what was said of it.
PROBLEM, BROUGHT = "class-teacher-problem", "class-brought"
NAME, WHOSE, PAPER, FILE = "new-collection", "class-whose", "class-paper", "class-file"
# So many digits of a file are shown.
MOST_SHOWN = 60
HIDDEN_PX = 56
FORMATS: dict[str, tuple[str, Callable]] = {
    "npz": ("NPZ, as Keras's mnist.npz", exports.to_npz),
    "idx.zip": ("IDX, as MNIST is published", exports.to_idx),
    "csv": ("CSV, as on Kaggle", exports.to_csv),
    "zip": ("Pictures in folders 0–9", exports.to_zip),
}


def collections(chosen: ClassCollection | None) -> None:
    """All that a teacher does with collections.

    Args:
        chosen: The one that the page shows, if there is one.
    """
    listed = resources.classes().collections()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if chosen:
            joining.choose(listed, chosen)
        with st.popover("New collection", icon=":material/add:"):
            st.text_input(
                "Name of the new collection",
                placeholder="such as 9b, Monday",
                max_chars=NAME_CHARACTERS,
                key=NAME,
            )
            st.button("Begin", type="primary", key="begin-collection", on_click=_begin)
        if chosen:
            _change(chosen)
        _restore()
    page.show_problem(PROBLEM)
    if chosen:
        with st.container(horizontal=True, gap="small"):
            _invite(chosen)
            _paper()
            _file()
            _give_away(chosen)
            _writers(chosen)
            _hidden(chosen)
        _keep_brought(chosen)


def _begin() -> None:
    def begin() -> None:
        begun = resources.classes().create(st.session_state[NAME], visitors.me())
        st.query_params[joining.COLLECTION] = begun.id
        st.session_state[NAME] = ""

    page.attempt(PROBLEM, begin)


def _change(chosen: ClassCollection) -> None:
    st.button(
        "Close" if chosen.is_open else "Open",
        icon=":material/lock:" if chosen.is_open else ":material/lock_open:",
        key="open-or-close",
        help="Nobody can give digits to a closed collection.",
        on_click=page.attempt,
        args=[PROBLEM, resources.classes().set_open, chosen.id, visitors.me()],
        kwargs={"is_open": not chosen.is_open},
    )
    with st.popover("Rename or delete", icon=":material/edit:"):
        key = f"collection-name-{chosen.id}"
        st.text_input("Name", chosen.name, max_chars=NAME_CHARACTERS, key=key)
        st.button(
            "Rename",
            key="rename-collection",
            on_click=lambda: page.attempt(
                PROBLEM, resources.classes().rename, chosen.id, st.session_state[key], visitors.me()
            ),
        )
        st.button(
            "Delete with all its digits",
            icon=":material/delete:",
            key="delete-collection",
            help="It can be restored for a day.",
            on_click=page.attempt,
            args=[PROBLEM, resources.classes().delete, chosen.id, visitors.me()],
        )


def _restore() -> None:
    if deleted := resources.classes().deleted():
        with st.popover("Recently deleted", icon=":material/restore_from_trash:"):
            st.caption("They can be restored for a day.")
            for one in deleted:
                st.button(
                    f"Restore {page.plain(one.name)}",
                    icon=":material/undo:",
                    key=f"restore-{one.id}",
                    on_click=page.attempt,
                    args=[PROBLEM, resources.classes().restore, one.id, visitors.me()],
                )


def _invite(chosen: ClassCollection) -> None:
    with st.popover("Invite the class", icon=":material/qr_code_2:", key="invite"):
        st.markdown("Phones in the same network open this page here:")
        addresses.show(
            addresses.of_page("pages/class.py", {joining.COLLECTION: chosen.id}),
            "the page on which the class writes",
        )
        addresses.explain()


def _paper() -> None:
    with st.popover("From paper", icon=":material/description:", key="from-paper"):
        st.markdown(
            "Print this sheet, one for each pupil. Photographed or scanned, it is cut up here: "
            "each digit gets the label printed above its box."
        )
        st.download_button(
            "Sheet to print (PDF)",
            sheet.to_pdf,
            file_name="digits.pdf",
            icon=":material/download:",
            on_click="ignore",
        )
        st.file_uploader(
            "Photo or scan of a sheet",
            type=list(SUFFIXES),
            max_upload_size=limits().upload_mb,
            key=PAPER,
            on_change=_bring,
            args=[PAPER],
        )


def _file() -> None:
    with st.popover("From a file", icon=":material/upload_file:", key="from-file"):
        st.caption(
            "NPZ as mnist.npz, IDX (images and labels in a zip), CSV as in Kaggle's Digit "
            "Recognizer, a zip of pictures in folders 0–9, and EMNIST's and QMNIST's own files."
        )
        st.file_uploader(
            "File of digits",
            max_upload_size=limits().upload_mb,
            key=FILE,
            on_change=_bring,
            args=[FILE],
        )


def _bring(key: str) -> None:
    """Reads what was brought; it is shown before it is kept."""
    file = st.session_state[key]
    if not uploads.is_new(file):
        return
    content = uploads.take(file)
    st.session_state.pop(BROUGHT, None)

    def read() -> None:
        try:
            st.session_state[BROUGHT] = (
                _of_sheet(file.name, content) if key == PAPER else _of_file(file.name, content)
            )
        except PictureError as error:
            raise UnavailableError(f"{file.name}: {error}") from error

    page.attempt(PROBLEM, read)


@dataclass(frozen=True)
class Brought:
    """Digits that were brought and are not kept yet.

    Attributes:
        name: Of the file.
        digits: Their writers are numbered from 0.
        said: What was found, in sentences.
        pictures: Of a sheet, what was written in each box, uint8 (h, w); None for a file of digits.
    """

    name: str
    digits: Collection
    said: str
    pictures: list[np.ndarray] | None = None


def _of_sheet(name: str, content: bytes) -> Brought:
    boxes = sheet_photo.cut_up(content)
    digits = Collection(
        np.stack([box.image for box in boxes]),
        np.array([box.label for box in boxes], np.uint8),
        np.zeros(len(boxes), np.int64),
    )
    said = "Look at each: its label can be corrected, and what is not ticked is left out."
    return Brought(name, digits, said, [box.picture for box in boxes])


def _of_file(name: str, content: bytes) -> Brought:
    found = files.read(name, content)
    most = limits().digits_imported
    digits = found.collection.take(np.arange(min(len(found.collection), most)))
    said = found.said
    if len(digits) < len(found.collection):
        said += f" The first {most:,} are taken."
    _, writers = np.unique(digits.writers, return_inverse=True)
    return Brought(name, replace(digits, writers=writers.astype(np.int64)), said)


def _show(brought: Brought) -> Collection:
    """Shows what was brought.

    Returns:
        What of it is to be kept.
    """
    digits = brought.digits
    if brought.pictures is None:
        st.image(
            mosaic(digits.images[:MOST_SHOWN]),
            f"The first {min(len(digits), MOST_SHOWN)}; their labels: "
            f"{' '.join(map(str, digits.labels[:MOST_SHOWN]))}",
            alt="The digits in the file",
        )
        return digits
    table = st.data_editor(
        {
            "Box": [picture_address(picture) for picture in brought.pictures],
            "Label": digits.labels.tolist(),
            "Keep": [True] * len(digits),
        },
        column_config={
            "Box": st.column_config.ImageColumn(width=70),
            "Label": st.column_config.NumberColumn(
                min_value=0, max_value=9, step=1, required=True, width=70
            ),
            "Keep": st.column_config.CheckboxColumn(width=70),
        },
        row_height=52,
        height=420,
        hide_index=True,
        key="boxes",
        disabled=["Box"],
        width=300,
    )
    labelled = replace(digits, labels=np.array(table["Label"], np.uint8))
    return labelled.take(np.array(table["Keep"], bool))


def _keep_brought(chosen: ClassCollection) -> None:
    """What was brought, to look at, and whether to keep it."""
    brought: Brought | None = st.session_state.get(BROUGHT)
    if brought is None:
        return
    with st.container(border=True):
        st.markdown(f"**{page.plain(brought.name)}**: {page.plain(brought.said)}")
        kept = _show(brought)
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            whose = st.text_input(
                "Written by",
                value="Paper" if brought.pictures else "File",
                max_chars=NAME_CHARACTERS,
                key=WHOSE,
                help="A nickname for the writer; several are numbered.",
                width=200,
            )
            st.button(
                f"Keep {len(kept):,} digits",
                type="primary",
                icon=":material/check:",
                key="keep-brought",
                disabled=not len(kept),
                on_click=_keep,
                args=[chosen.id, kept, whose],
            )
            st.button(
                "Discard",
                icon=":material/close:",
                key="discard-brought",
                on_click=lambda: st.session_state.pop(BROUGHT, None),
            )


def _keep(collection_id: str, digits: Collection, whose: str) -> None:
    count = int(digits.writers.max()) + 1

    def keep() -> None:
        resources.classes().add(collection_id, digits, [whose] * count, visitors.me())
        del st.session_state[BROUGHT]

    page.attempt(PROBLEM, keep)


def _give_away(chosen: ClassCollection) -> None:
    with st.popover("Download", icon=":material/download:", key="give-away"):
        st.caption("All digits of this collection that are not hidden. Nicknames are not in it.")
        for ending, (title, form) in FORMATS.items():
            st.download_button(
                title,
                functools.partial(_exported, chosen.id, form),
                file_name=f"digits-{chosen.id}.{ending}",
                icon=":material/download:",
                key=f"download-{ending}",
                on_click="ignore",
            )


def _exported(collection_id: str, form: Callable[[Collection], bytes]) -> bytes:
    return form(gathered(resources.classes().given(collection_id)))


def _writers(chosen: ClassCollection) -> None:
    """Everybody who wrote; a nickname can be changed, or removed with all it gave."""
    with st.popover("Writers", icon=":material/groups:", key="writers"):
        found = resources.classes().writers(chosen.id)
        if not found:
            st.caption("Nobody has given a digit yet.")
            return
        counts = {writer.id: (writer.nickname, count) for writer, count in found}
        writer_id = st.selectbox(
            "Writer",
            counts,
            format_func=lambda one: f"{counts[one][0]}: {counts[one][1]} digits",
            key=f"writer-{len(counts)}",
        )
        nickname, count = counts[writer_id]
        key = f"nickname-{writer_id}"
        st.text_input("Nickname", nickname, max_chars=NAME_CHARACTERS, key=key)
        st.button(
            "Change the nickname",
            key="change-nickname",
            on_click=lambda: page.attempt(
                PROBLEM,
                resources.classes().rename_writer,
                writer_id,
                st.session_state[key],
                visitors.me(),
            ),
        )
        st.button(
            f"Remove with all {count} digits, for good",
            icon=":material/person_remove:",
            key="remove-writer",
            on_click=page.attempt,
            args=[PROBLEM, resources.classes().remove_writer, writer_id, visitors.me()],
        )


def _hidden(chosen: ClassCollection) -> None:
    """The digits that were taken from view, each of which can be brought back."""
    hidden = resources.classes().hidden(chosen.id)
    if not hidden:
        return
    with st.popover("Hidden digits", icon=":material/visibility_off:", key="hidden-digits"):
        for one in hidden:
            number = one.drawing.number
            with st.container(horizontal=True, vertical_alignment="center"):
                st.image(canvas.enlarged(one.image, HIDDEN_PX), alt="A hidden digit")
                st.button(
                    f"Show this {one.drawing.label} by {page.plain(one.nickname)} again",
                    icon=":material/visibility:",
                    key=f"unhide-{number}",
                    on_click=page.attempt,
                    args=[PROBLEM, resources.classes().set_hidden, number, visitors.me()],
                    kwargs={"is_hidden": False},
                )
