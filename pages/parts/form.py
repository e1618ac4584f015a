"""The hyperparameter form: a widget for each hyperparameter, made from its description."""

import dataclasses
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
    for kind in NETWORKS.values():
        for key, value in _widget_values(kind()).items():
            st.session_state.setdefault(key, value)
    st.session_state.setdefault("network", "cnn")
    network = st.segmented_control(
        "Network", list(NETWORKS), format_func=lambda network: NETWORKS[network].title, required=True,
        key="network", persist_state="session",
    )  # fmt: skip
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
            choices = [choice for choice in NETWORKS[network].choices().values() if choice.group == group]
            choices.sort(key=lambda choice: not choice.max_count)  # the layers first
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
    """Moves every widget to these hyperparameters. To be called before the form is drawn, as from a button's callback."""
    st.session_state.update(_widget_values(hyperparameters))
    st.session_state["network"] = hyperparameters.network


def _widget_values(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """The value of each widget by its key, those of layers included that are not there yet."""
    values: dict[str, Any] = {}
    for choice in hyperparameters.choices().values():
        key, value = f"{hyperparameters.network}.{choice.name}", getattr(hyperparameters, choice.name)
        if not choice.max_count:
            values[key] = value
            continue
        values[f"{key}.count"] = len(value)
        for index in range(choice.max_count):
            item = value[index] if index < len(value) else choice.added
            parts = {f".{name}": part for name, part in item} if isinstance(item, BaseModel) else {"": item}
            values |= {f"{key}.{index}{name}": part for name, part in parts.items()}
    return values


def _field(key: str, choice: Choice, slots: dict[str, Any]) -> Any:
    """A hyperparameter's widgets; puts places for error messages, one below each widget, into `slots`."""
    if not choice.max_count:
        return _widget(key, choice, slots)
    count = st.slider(
        choice.label, choice.min_count, choice.max_count, key=f"{key}.count", persist_state="session", help=_help(choice)
    )
    slots[key] = st.empty()
    return [_layer(f"{key}.{index}", f"Layer {index + 1}", choice, slots) for index in range(count)]


def _layer(key: str, title: str, choice: Choice, slots: dict[str, Any]) -> Any:
    """The widgets of one layer of a list."""
    if not isinstance(choice.added, BaseModel):
        return _widget(key, dataclasses.replace(choice, label=title, max_count=0), slots)
    with st.container(border=True):
        st.markdown(f"**{title}**")
        columns = st.columns(LAYER_COLUMNS)
        values = {}
        for place, part in enumerate(choice.added.choices().values()):
            with columns[place % LAYER_COLUMNS]:
                values[part.name] = _widget(f"{key}.{part.name}", part, slots)
    return values


def _widget(key: str, choice: Choice, slots: dict[str, Any]) -> Any:
    """The widget that suits the choice: a switch, a list, a slider or, where a slider could not be exact, a number."""
    label = f"{choice.label}, {choice.unit}" if choice.unit else choice.label
    shared = {"key": key, "persist_state": "session", "help": _help(choice)}
    if choice.options == (False, True):
        value = st.toggle(label, **shared)
    elif choice.options and isinstance(choice.default, int):
        value = st.select_slider(label, choice.options, format_func=lambda option: str(option or "none"), **shared)
    elif choice.options:
        value = st.selectbox(label, choice.options, format_func=lambda option: VALUE_LABELS[option], **shared)
    elif choice.stops:
        # A value between the stops, from a recipe or an older run, gets a stop of its own.
        value = st.select_slider(label, sorted({*choice.stops, st.session_state[key]}), format_func=number, **shared)
    elif choice.high > 1000 * choice.step:
        value = st.number_input(label, choice.low, choice.high, **shared)
    else:
        value = st.slider(
            label, choice.low, choice.high, step=choice.step, format="percent" if choice.percent else None, **shared
        )
    slots[key] = st.empty()
    return value


def _help(choice: Choice) -> str:
    default = choice.default if isinstance(choice.default, tuple) else (choice.default,)
    return f"{choice.help} *Default {', '.join(map(str, default))}:* {choice.reason}"
