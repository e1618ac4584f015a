"""The hyperparameter form: a widget for each hyperparameter, made from its description.

The chosen values are read from the session before any widget is drawn, so that what depends on them
can be shown first.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st
from streamlit.elements.lib.mutable_expander_container import ExpanderContainer

from mnist_models.errors import UnavailableError
from mnist_models.runs import race
from mnist_models.settings.hyperparameters import (
    NETWORKS,
    Choice,
    Described,
    DnnHyperparameters,
    Hyperparameters,
    HyperparametersError,
    Problem,
    number,
    validate,
    value_label,
)
from mnist_models.settings.recipes import of_network
from pages.parts.train import class_digits
from pages.parts.train.class_digits import Learning

# In the session: whether the form is unfolded. Not under the key of what is folded: with another
# title that is another element, which begins anew.
IS_OPEN, PANEL = "form-is-open", "settings"
GROUPS = {"network": "Network", "training": "Training", "data": "Data"}
# The number of widgets side by side for one layer.
LAYER_COLUMNS = 2
RACE = "race"
BUDGETS = {"epochs": "Epochs", "seconds": "Seconds", "images": "Images"}
# The widget of each kind of budget: its hyperparameter, its default, and the reason for that.
BUDGET_AMOUNTS = {
    "epochs": ("epochs", 3, "Enough to see who learns faster."),
    "seconds": ("budget_s", 20, "Long enough for both to become good."),
    "images": ("budget_images", 100_000, "Not quite two epochs of the training images."),
}


# A sentence on what is wrong, by the key of the widget that causes it.
Problems = Mapping[str, str]


class Form(NamedTuple):
    """What the visitor chose.

    Attributes:
        entrants: The hyperparameters of one model to train, or of both for a race, by kind; empty
            if there are problems.
        problems: What is wrong with them.
        is_race: Whether both are to race.
        learning: What one model learns from beside MNIST, if that is anything.
    """

    entrants: dict[str, Hyperparameters]
    problems: list[Problem]
    is_race: bool
    learning: Learning | None = None


def read() -> Form:
    """What the visitor has chosen so far; at first, the defaults."""
    for network, kind in NETWORKS.items():
        for key, value in _widget_values(kind(network=network)).items():
            st.session_state.setdefault(key, value)
    for key, value in _race_values(DnnHyperparameters()).items():
        st.session_state.setdefault(key, value)
    chosen = st.session_state.setdefault("network", "cnn")
    is_race = chosen == RACE
    try:
        if is_race:
            return Form(_race(), [], is_race)
        hyperparameters = _one(chosen)
        learning = class_digits.read(chosen, hyperparameters.seed)
    except HyperparametersError as error:
        return Form({}, error.problems, is_race)
    except UnavailableError as error:
        return Form({}, [Problem(class_digits.SHARE, str(error))], is_race)
    return Form({chosen: hyperparameters}, [], is_race, learning)


def _one(network: str) -> Hyperparameters:
    """The hyperparameters of one model. One that goes on from a run has the network of that run.

    Raises:
        HyperparametersError: They cannot be used.
    """
    values = _values(network, NETWORKS[network].choices()) | {"network": network}
    if start := class_digits.started_from(network):
        values |= class_digits.fixed(start)
    return validate(values)


def _race() -> dict[str, Hyperparameters]:
    """The hyperparameters of both models of a race.

    Raises:
        HyperparametersError: They cannot be used.
    """
    unit = st.session_state["race.budget"]
    budget = race.Budget(unit, st.session_state[f"{RACE}.{BUDGET_AMOUNTS[unit][0]}"])
    own = {
        network: {"network": network}
        | _values(
            network, [name for name in kind.choices() if name not in {*race.SHARED, *race.LIMITS}]
        )
        for network, kind in NETWORKS.items()
    }
    return race.entrants(own, _values(RACE, race.SHARED), budget)


def _values(prefix: str, names: Iterable[str]) -> dict[str, Any]:
    """The values of these hyperparameters' widgets, by name."""
    kind = NETWORKS.get(prefix, DnnHyperparameters)
    return {name: _value(f"{prefix}.{name}", kind.choices()[name]) for name in names}


def _value(key: str, choice: Choice) -> Any:
    """The value of a hyperparameter's widgets."""
    if not choice.max_count:
        return st.session_state[key]
    parts = choice.added.choices() if isinstance(choice.added, Described) else {}
    return [
        {name: st.session_state[f"{key}.{index}.{name}"] for name in parts}
        or st.session_state[f"{key}.{index}"]
        for index in range(st.session_state[f"{key}.count"])
    ]


def panel(title: str) -> ExpanderContainer:
    """What the form is drawn in; it folds to a line.

    Args:
        title: The line, in Markdown.
    """
    st.session_state[PANEL] = st.session_state.setdefault(IS_OPEN, True)
    return st.expander(title, key=PANEL, on_change=_keep_open_or_folded)


def _keep_open_or_folded() -> None:
    st.session_state[IS_OPEN] = st.session_state[PANEL]


def fold() -> None:
    """Folds the form the next time that it is drawn; nothing that was chosen in it is lost."""
    st.session_state[IS_OPEN] = False


def choose_kind() -> None:
    """Chooses what is trained: a model of one kind, or both in a race."""
    titles = {network: kind.title for network, kind in NETWORKS.items()} | {RACE: "Race both"}
    st.segmented_control(
        "Train",
        titles,
        format_func=titles.__getitem__,
        required=True,
        key="network",
        persist_state="session",
        wrap=True,
    )


def draw(form: Form) -> None:
    """Draws the widgets of all hyperparameters, with problems below those that cause them.

    Args:
        form: As `read` returned it.
    """
    chosen = st.session_state["network"]
    problems = {
        problem.field if form.is_race else f"{chosen}.{problem.field}": problem.sentence
        for problem in form.problems
    }
    if form.is_race:
        _draw_race(problems)
    else:
        _recipes(chosen, in_race=False)
        class_digits.draw(chosen, form.learning, fill)
        start = class_digits.started_from(chosen)
        _draw_network(chosen, problems, without=class_digits.fixed(start) if start else ())


def _draw_network(network: str, problems: Problems, without: Collection[str]) -> None:
    """The widgets of one kind of model, without some hyperparameters."""
    choices = [
        choice for choice in NETWORKS[network].choices().values() if choice.name not in without
    ]
    choices.sort(key=lambda choice: not choice.max_count)  # the layers first
    groups = {group: [choice for choice in choices if choice.group == group] for group in GROUPS}
    groups = {group: some for group, some in groups.items() if some}
    for tab, (group, some) in zip(
        st.tabs([GROUPS[group] for group in groups]), groups.items(), strict=True
    ):
        with tab:
            _fields(network, some, problems)
            if group == "data":
                st.caption("See sample images below the network.")


def _recipes(network: str, in_race: bool) -> None:
    recipes = of_network(network)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        recipe = st.selectbox(
            "Recipe",
            recipes,
            format_func=lambda name: recipes[name].title,
            key=f"{network}.recipe",
            persist_state="session",
        )
        st.button(
            "Apply",
            on_click=fill,
            args=[recipes[recipe].hyperparameters, False],
            key=f"{network}.use-recipe",
        )
    reported = recipes[recipe].reported
    st.caption(
        recipes[recipe].origin
        + (f" It reported a test accuracy of {reported:.2%}." if reported else "")
        + (
            " In a race it sets the layers and the training of this model; what "
            "both share does not change."
            if in_race
            else ""
        )
    )


def _draw_race(problems: Problems) -> None:
    """The widgets of a race: first what both share, then those of each model."""
    kind = next(iter(NETWORKS.values()))
    tabs = st.tabs(["Both", *(kind.title for kind in NETWORKS.values())])
    with tabs[0]:
        st.caption(
            "A fair race: the same seed, the same images in the same order, and "
            "the same budget for both."
        )
        unit = st.segmented_control(
            "Budget",
            BUDGETS,
            format_func=BUDGETS.__getitem__,
            required=True,
            key="race.budget",
            persist_state="session",
            wrap=True,
        )
        assert unit is not None  # it is required
        name, default, reason = BUDGET_AMOUNTS[unit]
        amount = dataclasses.replace(
            kind.choices()[name],
            label=f"Budget: {BUDGETS[unit].lower()}",
            default=default,
            reason=reason,
            low=1,
            unit="",
        )
        _field(f"{RACE}.{name}", amount, problems)
        _fields(
            RACE,
            [choice for choice in kind.choices().values() if choice.name in race.SHARED],
            problems,
        )
    for tab, network in zip(tabs[1:], NETWORKS, strict=True):
        with tab:
            _recipes(network, in_race=True)
            _draw_network(network, problems, without={*race.SHARED, *race.LIMITS})


def fill(hyperparameters: Hyperparameters, switch: bool = True) -> None:
    """Sets every widget of a kind of model, and unfolds the form. Call it before the form is drawn,
    as from a button's callback.

    Args:
        hyperparameters: The values.
        switch: Whether the form is to show this kind of model.
    """
    st.session_state.update(_widget_values(hyperparameters))
    st.session_state[IS_OPEN] = True
    if switch:
        st.session_state["network"] = hyperparameters.network


def fill_layers(hyperparameters: DnnHyperparameters) -> None:
    """Sets the widgets of a DNN's layers, and no others."""
    key = f"{hyperparameters.network}.hidden_units"
    st.session_state.update(
        {
            name: value
            for name, value in _widget_values(hyperparameters).items()
            if name.startswith(key)
        }
    )


def fill_race(entrants: Mapping[str, Hyperparameters]) -> None:
    """Sets every widget to the hyperparameters of a race, and shows them.

    Args:
        entrants: By kind of model.
    """
    for hyperparameters in entrants.values():
        fill(hyperparameters)
    st.session_state.update(_race_values(hyperparameters))
    budget = race.Budget.of(hyperparameters)
    st.session_state["race.budget"] = budget.kind
    st.session_state[f"race.{BUDGET_AMOUNTS[budget.kind][0]}"] = budget.amount
    st.session_state["network"] = RACE


def _race_values(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """The values of the widgets that both models of a race share, by key."""
    shared = {f"{RACE}.{name}": getattr(hyperparameters, name) for name in race.SHARED}
    amounts = {f"{RACE}.{name}": amount for name, amount, _ in BUDGET_AMOUNTS.values()}
    return {**shared, **amounts, f"{RACE}.budget": "epochs"}


def _widget_values(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """The values of the widgets of a kind of model by key, including those of layers that are not
    shown yet."""
    values: dict[str, Any] = {}
    for choice in hyperparameters.choices().values():
        key, value = (
            f"{hyperparameters.network}.{choice.name}",
            getattr(hyperparameters, choice.name),
        )
        if not choice.max_count:
            values[key] = value
            continue
        values[f"{key}.count"] = len(value)
        for index in range(choice.max_count):
            item = value[index] if index < len(value) else choice.added
            parts = (
                {f".{name}": part for name, part in item}
                if isinstance(item, Described)
                else {"": item}
            )
            values |= {f"{key}.{index}{name}": part for name, part in parts.items()}
    return values


def _fields(prefix: str, choices: Sequence[Choice], problems: Problems) -> None:
    """The widgets of several hyperparameters; those that are seldom changed are folded away."""
    for choice in choices:
        if not choice.rare:
            _field(f"{prefix}.{choice.name}", choice, problems)
    if rare := [choice for choice in choices if choice.rare]:
        with st.expander("More"):
            for choice in rare:
                _field(f"{prefix}.{choice.name}", choice, problems)


def _field(key: str, choice: Choice, problems: Problems) -> None:
    """A hyperparameter's widgets."""
    if not choice.max_count:
        _widget(key, choice, problems)
        return
    count = st.slider(
        choice.label,
        choice.min_count,
        choice.max_count,
        key=f"{key}.count",
        persist_state="session",
        help=_help(choice),
    )
    _show_problem(key, problems)
    for index in range(count):
        _layer(
            f"{key}.{index}",
            f"{choice.unit.capitalize()} in layer {index + 1}"
            if choice.unit
            else f"Layer {index + 1}",
            choice,
            problems,
        )


def _layer(key: str, title: str, choice: Choice, problems: Problems) -> None:
    """The widgets of one layer of a list."""
    if not isinstance(choice.added, Described):
        _widget(key, dataclasses.replace(choice, label=title, max_count=0), problems)
        return
    with st.container(border=True):
        st.markdown(f"**{title}**")
        columns = st.columns(LAYER_COLUMNS)
        for place, part in enumerate(choice.added.choices().values()):
            with columns[place % LAYER_COLUMNS]:
                _widget(f"{key}.{part.name}", part, problems)


def _widget(key: str, choice: Choice, problems: Problems) -> None:
    """The widget that suits a choice: a toggle, a list, a slider or, if a slider would not be
    exact, a number field."""
    label = (
        f"{choice.label} ({choice.unit})"
        if choice.unit and choice.unit not in choice.label.lower()
        else choice.label
    )
    shared: dict[str, Any] = {"key": key, "persist_state": "session", "help": _help(choice)}
    if choice.options == (False, True):
        st.toggle(label, **shared)
    elif choice.options and isinstance(choice.default, int):
        st.select_slider(
            label, choice.options, format_func=lambda option: str(option or "none"), **shared
        )
    elif choice.options:
        st.selectbox(label, choice.options, format_func=value_label, **shared)
    elif choice.stops:
        # A value between the stops, from a recipe or an older run, gets a stop of its own.
        st.select_slider(
            label, sorted({*choice.stops, st.session_state[key]}), format_func=number, **shared
        )
    elif choice.low is None or choice.high is None:
        raise ValueError(f"{choice.name} has neither options nor bounds")
    elif choice.high > 1000 * choice.step:
        st.number_input(label, choice.low, choice.high, **shared)
    else:
        st.slider(
            label,
            choice.low,
            choice.high,
            step=choice.step,
            format="percent" if choice.percent else None,
            **shared,
        )
    _show_problem(key, problems)


def _show_problem(key: str, problems: Problems) -> None:
    """What is wrong with a widget, below it. The place is there in any case, so that widgets do not
    move or lose their focus."""
    place = st.empty()
    if key in problems:
        place.error(problems[key])


def _help(choice: Choice) -> str:
    default = choice.default if isinstance(choice.default, tuple) else (choice.default,)
    return f"{choice.help} *Default {', '.join(map(str, default))}:* {choice.reason}"
