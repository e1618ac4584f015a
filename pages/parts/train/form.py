"""The hyperparameter form: a widget for each hyperparameter, made from its description.

What is chosen is read from the session before any widget is drawn: what depends on it can be shown
first.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st
from pydantic import BaseModel

from mnist_models.runs import race
from mnist_models.settings.hyperparameters import (
    NETWORKS,
    Choice,
    DnnHyperparameters,
    Hyperparameters,
    HyperparametersError,
    Problem,
    number,
    validate,
    value_label,
)
from mnist_models.settings.recipes import of_network

GROUPS = {"network": "Network", "training": "Training", "data": "Data"}
# How many widgets for one layer stand side by side.
LAYER_COLUMNS = 2
RACE = "race"
BUDGETS = {"epochs": "Epochs", "seconds": "Seconds", "images": "Images seen"}
# The widget of each kind of budget: what it is about, where it starts, and why there.
BUDGET_AMOUNTS = {
    "epochs": ("epochs", 3, "Enough to see who learns faster."),
    "seconds": ("budget_s", 20, "Long enough for both to become good."),
    "images": ("budget_images", 100_000, "Not quite two passes over the training images."),
}


# What is wrong, a sentence each, by the keys of the widgets that cause it.
Problems = Mapping[str, str]


class Form(NamedTuple):
    """What the visitor chose: one network to train, or both for a race, by name; or the problems
    with them."""

    entrants: dict[str, Hyperparameters]
    problems: list[Problem]
    is_race: bool


def read() -> Form:
    """What the visitor has chosen so far, which at first is what the hyperparameters' defaults
    are."""
    for kind in NETWORKS.values():
        for key, value in _widget_values(kind()).items():
            st.session_state.setdefault(key, value)
    for key, value in _race_values(next(iter(NETWORKS.values()))()).items():
        st.session_state.setdefault(key, value)
    chosen = st.session_state.setdefault("network", "cnn")
    is_race = chosen == RACE
    try:
        entrants = (
            _race()
            if is_race
            else {
                chosen: validate(_values(chosen, NETWORKS[chosen].choices()) | {"network": chosen})
            }
        )
    except HyperparametersError as error:
        return Form({}, error.problems, is_race)
    return Form(entrants, [], is_race)


def _race() -> dict[str, Hyperparameters]:
    """What enters a race. Raises HyperparametersError."""
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
    parts = choice.added.choices() if isinstance(choice.added, BaseModel) else {}
    return [
        {name: st.session_state[f"{key}.{index}.{name}"] for name in parts}
        or st.session_state[f"{key}.{index}"]
        for index in range(st.session_state[f"{key}.count"])
    ]


def draw(form: Form) -> None:
    """The form, as `read` found it; problems stand below the widgets that cause them."""
    titles = {network: kind.title for network, kind in NETWORKS.items()} | {RACE: "Race both"}
    chosen = st.segmented_control(
        "Train",
        titles,
        format_func=titles.get,
        required=True,
        key="network",
        persist_state="session",
        wrap=True,
    )
    problems = {
        problem.field if form.is_race else f"{chosen}.{problem.field}": problem.sentence
        for problem in form.problems
    }
    if form.is_race:
        _draw_race(problems)
    else:
        _draw_network(chosen, problems)


def _draw_network(network: str, problems: Problems, without: Collection[str] = ()) -> None:
    """The widgets of one network, but for some hyperparameters."""
    _recipes(network, in_race=bool(without))
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
                st.caption("What these images look like stands below the layers.")


def _recipes(network: str, in_race: bool) -> None:
    recipes = of_network(network)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        recipe = st.selectbox(
            "Start from a recipe",
            recipes,
            format_func=lambda name: recipes[name].title,
            key=f"{network}.recipe",
            persist_state="session",
        )
        st.button(
            "Use it",
            on_click=fill,
            args=[recipes[recipe].hyperparameters, False],
            key=f"{network}.use-recipe",
        )
    reported = recipes[recipe].reported
    st.caption(
        recipes[recipe].origin
        + (f" It reported {reported:.2%} of the test digits read right." if reported else "")
        + (
            " In a race it gives the network and how it learns; what both share stays."
            if in_race
            else ""
        )
    )


def _draw_race(problems: Problems) -> None:
    """The widgets of a race: what both share, then each network's own."""
    kind = next(iter(NETWORKS.values()))
    tabs = st.tabs(["Both", *(kind.title for kind in NETWORKS.values())])
    with tabs[0]:
        st.caption(
            "Fair by construction: the same seed, the same images in the same order, and the same "
            "budget for both."
        )
        unit = st.segmented_control(
            "Budget",
            BUDGETS,
            format_func=BUDGETS.get,
            required=True,
            key="race.budget",
            persist_state="session",
            wrap=True,
        )
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
            _draw_network(network, problems, without={*race.SHARED, *race.LIMITS})


def fill(hyperparameters: Hyperparameters, switch: bool = True) -> None:
    """Moves every widget of a network to these hyperparameters. To be called before the form is
    drawn, as from a button's callback. switch: whether the form then shows this network."""
    st.session_state.update(_widget_values(hyperparameters))
    if switch:
        st.session_state["network"] = hyperparameters.network


def fill_layers(hyperparameters: DnnHyperparameters) -> None:
    """Moves the widgets of a DNN's layers, and no others."""
    key = f"{hyperparameters.network}.hidden_units"
    st.session_state.update(
        {
            name: value
            for name, value in _widget_values(hyperparameters).items()
            if name.startswith(key)
        }
    )


def fill_race(entrants: Mapping[str, Hyperparameters]) -> None:
    """Moves every widget to the hyperparameters of a race, by network, and shows them."""
    for hyperparameters in entrants.values():
        fill(hyperparameters)
    st.session_state.update(_race_values(hyperparameters))
    budget = race.Budget.of(hyperparameters)
    st.session_state["race.budget"] = budget.kind
    st.session_state[f"race.{BUDGET_AMOUNTS[budget.kind][0]}"] = budget.amount
    st.session_state["network"] = RACE


def _race_values(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """The value of each widget of a race that is not one network's own, by its key."""
    shared = {f"{RACE}.{name}": getattr(hyperparameters, name) for name in race.SHARED}
    amounts = {f"{RACE}.{name}": amount for name, amount, _ in BUDGET_AMOUNTS.values()}
    return {**shared, **amounts, f"{RACE}.budget": "epochs"}


def _widget_values(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """The value of each widget of a network by its key, those of layers included that are not there
    yet."""
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
                if isinstance(item, BaseModel)
                else {"": item}
            )
            values |= {f"{key}.{index}{name}": part for name, part in parts.items()}
    return values


def _fields(prefix: str, choices: Sequence[Choice], problems: Problems) -> None:
    """The widgets of several hyperparameters, those that are seldom changed folded away."""
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
    _tell(key, problems)
    for index in range(count):
        _layer(f"{key}.{index}", f"Layer {index + 1}", choice, problems)


def _layer(key: str, title: str, choice: Choice, problems: Problems) -> None:
    """The widgets of one layer of a list."""
    if not isinstance(choice.added, BaseModel):
        _widget(key, dataclasses.replace(choice, label=title, max_count=0), problems)
        return
    with st.container(border=True):
        st.markdown(f"**{title}**")
        columns = st.columns(LAYER_COLUMNS)
        for place, part in enumerate(choice.added.choices().values()):
            with columns[place % LAYER_COLUMNS]:
                _widget(f"{key}.{part.name}", part, problems)


def _widget(key: str, choice: Choice, problems: Problems) -> None:
    """The widget that suits the choice: a switch, a list, a slider or, where a slider could not be
    exact, a number."""
    label = (
        f"{choice.label}, {choice.unit}"
        if choice.unit and choice.unit not in choice.label.lower()
        else choice.label
    )
    shared = {"key": key, "persist_state": "session", "help": _help(choice)}
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
    _tell(key, problems)


def _tell(key: str, problems: Problems) -> None:
    """What is wrong with a widget, below it. (A place in any case: widgets do not jump, and keep
    their focus.)"""
    place = st.empty()
    if key in problems:
        place.error(problems[key])


def _help(choice: Choice) -> str:
    default = choice.default if isinstance(choice.default, tuple) else (choice.default,)
    return f"{choice.help} *Default {', '.join(map(str, default))}:* {choice.reason}"
