"""Hyperparameters as a link, short enough to read aloud: only what differs from the defaults, as
text.

A link carries the version of the defaults that it was made with, so that it means the same when
they have changed. When a default changes, VERSION goes up by one, and the old default is recorded
under the old version in OLD_DEFAULTS; the tests hold every version to the defaults that it had.

A link may come from anybody. What is read from one is text of a few forms, and nothing of it is
repeated at length.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from mnist_models.settings.hyperparameters import (
    NETWORKS,
    Choice,
    Hyperparameters,
    HyperparametersError,
    Problem,
    validate,
)

# What else the pages keep in their address: the run that is shown, a bet on it, and whether it is
# shown alone.
NOT_OURS = ("run", "bet", "hide")
# What a run learned from beside MNIST, in words: the digits and the weights are nowhere but in the
# store that has them.
CLASS, CLASS_SHARE, CLASS_START = OF_CLASS = ("class", "class_share", "class_start")
# A link without a version is of the first one.
VERSION_NAME, VERSION = "v", 1
# By version and network, the defaults, as text, that the next version changed.
OLD_DEFAULTS: dict[int, dict[str, dict[str, str]]] = {}
MOST_CHARACTERS = 1_000
# A wrong link gets a few short sentences, whatever it holds.
MOST_PROBLEMS = 5
REPEATED_CHARACTERS = 40


def to_query(hyperparameters: Hyperparameters) -> dict[str, str]:
    """The network, and each hyperparameter that differs from its default, by name: {"network":
    "dnn", "v": "1", "epochs": "10"}."""
    values = {
        name: (getattr(hyperparameters, name), choice.default)
        for name, choice in hyperparameters.choices().items()
    }
    differing = {
        name: to_text(value) for name, (value, default) in values.items() if value != default
    }
    return {"network": hyperparameters.network, VERSION_NAME: str(VERSION)} | differing


class FromClass(NamedTuple):
    """What a link says of a class's digits.

    Attributes:
        collection: The name of their collection.
        share: Of the images that are learned from, 0 to 1: how many are the class's.
        start: What lists call the run that the training starts from; None for random weights.
    """

    collection: str
    share: float
    start: str | None = None


def class_to_query(data: FromClass) -> dict[str, str]:
    """The same as a link has it."""
    query = {CLASS: data.collection, CLASS_SHARE: to_text(data.share)}
    return query | ({CLASS_START: data.start} if data.start else {})


def class_from_query(query: Mapping[str, str]) -> FromClass | None:
    """What `class_to_query` wrote; None in a link without.

    Raises:
        HyperparametersError: The share is none; a sentence.
    """
    if CLASS not in query:
        return None
    text = query.get(CLASS_SHARE, "")
    if not re.fullmatch(r"[01](\.[0-9]{1,20})?", text) or not 0 < float(text) <= 1:
        raise HyperparametersError(
            [
                Problem(
                    CLASS_SHARE,
                    f"The share of the class's digits cannot be {repeated(text)}; allowed is a "
                    "number above 0, up to 1.",
                )
            ]
        )
    return FromClass(query[CLASS], float(text), query.get(CLASS_START))


def to_text(value: Any) -> str:
    """One hyperparameter as a link has it: 0.0005, true, 512,256 or 32x3,64x3+pool2; the empty list
    is `none`."""
    match value:
        case bool():
            return str(value).lower()
        case float():  # every digit that tells it from its neighbours, and no exponent
            return f"{Decimal(repr(value)):f}".removesuffix(".0")
        case tuple():
            return ",".join(map(to_text, value)) or "none"
    return str(value)


def is_link(query: Mapping[str, str]) -> bool:
    """Whether an address carries the settings of a network, if only a part of them."""
    return not is_race(query) and any(
        name in kind.model_fields for name in query for kind in NETWORKS.values()
    )


def from_query(query: Mapping[str, str]) -> Hyperparameters:
    """The hyperparameters that `to_query` wrote; what is not in it has the default that it had
    when the link was made.

    Raises:
        HyperparametersError: A few short sentences, however much is wrong.
    """
    network = query.get("network", "")
    if network not in NETWORKS:
        raise HyperparametersError([_no_network(network)])
    version = read_version(query)
    texts = {
        name: _with_plus(text)
        for name, text in query.items()
        if name not in (*NOT_OURS, *OF_CLASS, "network", VERSION_NAME)
    }
    if problems := list(_problems(network, texts)):
        raise HyperparametersError(problems[:MOST_PROBLEMS])
    try:
        return validate({"network": network} | _defaults_of(version, network) | texts)
    except HyperparametersError as error:
        raise HyperparametersError(error.problems[:MOST_PROBLEMS]) from None


def read_version(query: Mapping[str, str]) -> int:
    """The version of a link.

    Raises:
        HyperparametersError: This app does not know it.
    """
    text = query.get(VERSION_NAME, "1")
    if text not in map(str, range(1, VERSION + 1)):
        raise HyperparametersError(
            [
                Problem(
                    VERSION_NAME,
                    f"Its version is {repeated(text)}, and this app knows versions up to "
                    f"{VERSION}: update the app, or ask for a link made with this one.",
                )
            ]
        )
    return int(text)


def _defaults_of(version: int, network: str) -> dict[str, str]:
    """The defaults of a version that have changed since."""
    defaults: dict[str, str] = {}
    for changed in range(VERSION - 1, version - 1, -1):  # the oldest change is the one that counts
        defaults |= OLD_DEFAULTS.get(changed, {}).get(network, {})
    return defaults


def race_to_query(entrants: Mapping[str, Hyperparameters]) -> dict[str, str]:
    """The hyperparameters of a race, by network: what all have in common once, the rest as
    "dnn.epochs"."""
    queries = {network: to_query(hyperparameters) for network, hyperparameters in entrants.items()}
    for query in queries.values():
        del query["network"], query[VERSION_NAME]
    first, *others = queries.values()
    shared = {
        name: text
        for name, text in first.items()
        if all(other.get(name) == text for other in others)
    }
    own = {
        f"{network}.{name}": text
        for network, query in queries.items()
        for name, text in query.items()
        if name not in shared
    }
    return {"race": "1", VERSION_NAME: str(VERSION)} | shared | own


def is_race(query: Mapping[str, str]) -> bool:
    """Whether an address carries the settings of a race."""
    return "race" in query


def race_from_query(query: Mapping[str, str]) -> dict[str, Hyperparameters]:
    """The hyperparameters of a race of all networks, by network, that `race_to_query` wrote.

    Raises HyperparametersError, whose fields are such as "dnn.epochs".
    """
    read_version(query)  # said once, not for each network
    entrants, problems = {}, []
    if query.get("race") != "1":
        problems.append(
            Problem("race", f"A link to a race has race=1, not {repeated(query.get('race', ''))}.")
        )
    strangers = [name for name in query if "." in name and name.split(".")[0] not in NETWORKS]
    if strangers:
        problems.append(_no_network(strangers[0].split(".")[0]))
    shared = {name: text for name, text in query.items() if "." not in name and name != "race"}
    for network, kind in NETWORKS.items():
        prefix = f"{network}."
        own = {
            name.removeprefix(prefix): text
            for name, text in query.items()
            if name.startswith(prefix)
        }
        try:
            entrants[network] = from_query(shared | own | {"network": network})
        except HyperparametersError as error:
            problems += [
                Problem(prefix + field, f"{kind.title}: {sentence}")
                for field, sentence in error.problems
            ]
    if problems:
        raise HyperparametersError(problems[:MOST_PROBLEMS])
    return entrants


def to_url(address: str, query: Mapping[str, str]) -> str:
    """A link from a page's address, without a query so far, and a query. Commas and slashes stay as
    they are; a plus does not, since browsers read it as a space."""
    return f"{address}?{urlencode(query, quote_via=quote, safe=',/')}"


def _with_plus(text: str) -> str:
    """The text with the plus signs that a browser, or a person who typed the link, turned into
    spaces."""
    return text.replace(" pool", "+pool")


def _problems(network: str, texts: Mapping[str, str]) -> Iterator[Problem]:
    """What is no text that `to_text` could have written, nor one that a person would write in its
    place.

    `validate` would take more for a number than is meant here, such as 1e3, 5_0 and the digits of
    other alphabets.
    """
    kind = NETWORKS[network]
    choices = kind.choices()
    for name, text in texts.items():
        if name not in choices:
            yield Problem(
                _cut(name),
                f"A {kind.title} has no {repeated(name)}: take it out of the link, or make a new "
                "link on the Train page.",
            )
            continue
        choice = choices[name]
        items = text.split(",") if choice.max_count else ()
        fits = (
            len(text) <= MOST_CHARACTERS and text.isascii() and re.fullmatch(_pattern(choice), text)
        )
        if not fits or len(items) > choice.max_count:
            yield Problem(
                name, f"{choice.label} cannot be {repeated(text)}; allowed is {_allowed(choice)}."
            )


def _pattern(choice: Choice) -> str:
    """The form of its text. Options and convolutions are compared in full when they are
    validated."""
    if _is_switch(choice):
        return "true|false"
    if choice.low is None:
        return ".*"
    number = " *[0-9]+ *" if isinstance(choice.step, int) else r" *[0-9]+(\.[0-9]+)? *"
    return f"(none)?|{number}(,{number})*" if choice.max_count else number


def _is_switch(choice: Choice) -> bool:
    return isinstance(choice.default, bool)


def _allowed(choice: Choice) -> str:
    return "true or false" if _is_switch(choice) else choice.allowed


def _no_network(name: str) -> Problem:
    return Problem(
        "network", f"There is no network {repeated(name)}; choose {' or '.join(NETWORKS)}."
    )


def _cut(text: str) -> str:
    return text if len(text) <= REPEATED_CHARACTERS else text[:REPEATED_CHARACTERS] + "…"


def repeated(text: str) -> str:
    """What a sentence repeats of a link: its beginning, in quotes, with nothing that would not
    print."""
    return repr(_cut(text)) if text.isprintable() else ascii(_cut(text))[:REPEATED_CHARACTERS]
