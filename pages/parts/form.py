"""The hyperparameter form: a widget for each hyperparameter, made from its description."""

from typing import Any, NamedTuple

import streamlit as st
from pydantic import BaseModel

from mnist_models.hyperparameters import (
    NETWORKS,
    VALUE_LABELS,
    Choice,
    Hyperparameters,
    HyperparametersError,
    Problem,
    number,
    validate,
)
from mnist_models.recipes import RECIPES

GROUPS = {"network": "Network", "training": "Training", "data": "Data"}
# How many widgets for one layer stand side by side.
LAYER_COLUMNS = 2


class Form(NamedTuple):
    """What the visitor chose: hyperparameters that can be trained, or the problems with them."""

    hyperparameters: Hyperparameters | None
    problems: list[Problem]


def show() -> Form:
    """Draws the form; problems stand below the widgets that cause them."""
    network = st.segmented_control(
        "Network", list(NETWORKS), format_func=lambda network: NETWORKS[network].title, default="cnn", required=True,
        key="network", persist_state="session",
    )  # fmt: skip
    kind = NETWORKS[network]
    recipes = RECIPES[network]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        recipe = st.selectbox(
            "Start from a recipe", recipes, format_func=lambda name: recipes[name].title,
            key=f"{network}.recipe", persist_state="session",
            help=" ".join(f"**{recipe.title}**: {recipe.origin}" for recipe in recipes.values()),
        )  # fmt: skip
        st.button("Use it", on_click=fill, args=[recipes[recipe].hyperparameters], key="use-recipe")
    values: dict[str, Any] = {"network": network}
    slots: dict[str, Any] = {}
    for tab, group in zip(st.tabs(list(GROUPS.values())), GROUPS, strict=True):
        with tab:
            choices = sorted(
                (choice for choice in kind.choices().values() if choice.group == group), key=lambda choice: not choice.max_count
            )
            for choice in choices:
                if not choice.rare:
                    values[choice.name] = _field(f"{network}.{choice.name}", choice, slots)
            if rare := [choice for choice in choices if choice.rare]:
                with st.expander("More"):
                    for choice in rare:
                        values[choice.name] = _field(f"{network}.{choice.name}", choice, slots)
    try:
        return Form(validate(values), [])
    except HyperparametersError as error:
        for problem in error.problems:
            slots[f"{network}.{problem.field}"].error(problem.sentence)
        return Form(None, error.problems)


def fill(hyperparameters: Hyperparameters) -> None:
    """Moves every widget to these hyperparameters, the next time that the form is drawn."""
    network = hyperparameters.network
    st.session_state["network"] = network
    for name in hyperparameters.choices():
        _fill(f"{network}.{name}", getattr(hyperparameters, name))


def _fill(key: str, value: Any) -> None:
    if isinstance(value, tuple):
        st.session_state[f"{key}.count"] = len(value)
        for index, item in enumerate(value):
            _fill(f"{key}.{index}", item)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            _fill(f"{key}.{name}", getattr(value, name))
    else:
        st.session_state[key] = value


def _field(key: str, choice: Choice, slots: dict[str, Any]) -> Any:
    """A hyperparameter's widgets; puts places for error messages, one below each widget, into `slots`."""
    return _list(key, choice, slots) if choice.max_count else _widget(key, choice, choice.default, slots)


def _list(key: str, choice: Choice, slots: dict[str, Any]) -> list[Any]:
    """A slider for how many layers there are, and widgets for each."""
    count = st.slider(
        choice.label, choice.min_count, choice.max_count, len(choice.default), key=f"{key}.count", persist_state="session",
        help=_help(choice),
    )  # fmt: skip
    slots[key] = st.empty()
    items = []
    for index in range(count):
        item = choice.default[min(index, len(choice.default) - 1)] if choice.default else choice.stops[0]
        item_key, title = f"{key}.{index}", f"Layer {index + 1}"
        if not isinstance(item, BaseModel):
            items.append(_stops(item_key, f"{title}, {choice.unit}", choice, item))
            slots[item_key] = st.empty()
            continue
        with st.container(border=True):
            st.markdown(f"**{title}**")
            columns = st.columns(LAYER_COLUMNS)
            values = {}
            for place, part in enumerate(type(item).choices().values()):
                with columns[place % LAYER_COLUMNS]:
                    values[part.name] = _widget(f"{item_key}.{part.name}", part, getattr(item, part.name), slots)
        items.append(values)
    return items


def _widget(key: str, choice: Choice, default: Any, slots: dict[str, Any]) -> Any:
    """The widget that suits the choice: a switch, a list, a slider or, where a slider could not be exact, a number."""
    label = f"{choice.label}, {choice.unit}" if choice.unit else choice.label
    shared = {"key": key, "persist_state": "session", "help": _help(choice)}
    if choice.options == (False, True):
        value = st.toggle(label, default, **shared)
    elif choice.options and isinstance(default, int):
        value = st.select_slider(label, choice.options, default, format_func=lambda option: str(option or "none"), **shared)
    elif choice.options:
        value = st.selectbox(
            label, choice.options, choice.options.index(default), format_func=lambda option: VALUE_LABELS[option], **shared
        )
    elif choice.stops:
        value = _stops(key, label, choice, default)
    elif choice.high > 1000 * choice.step:
        value = st.number_input(label, choice.low, choice.high, default, **shared)
    else:
        value = st.slider(
            label, choice.low, choice.high, default, choice.step, format="percent" if choice.percent else None, **shared
        )
    slots[key] = st.empty()
    return value


def _stops(key: str, label: str, choice: Choice, default: Any) -> Any:
    """A slider over uneven steps; a value between them, from a recipe or an older run, gets a step of its own."""
    stops = sorted({*choice.stops, default, st.session_state.get(key, default)})
    return st.select_slider(label, stops, default, format_func=number, key=key, persist_state="session", help=_help(choice))


def _help(choice: Choice) -> str:
    default = f" Default: {', '.join(map(str, choice.default))}." if choice.max_count else ""
    return f"{choice.help}{default} *Why the default:* {choice.reason}"
