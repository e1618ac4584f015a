"""Links: what is written is read back exactly, and whatever somebody makes of one is settings or a
few short sentences."""

import json
import random
import string
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from mnist_models.settings import links
from mnist_models.settings.hyperparameters import (
    NETWORKS,
    CnnHyperparameters,
    DnnHyperparameters,
    HyperparametersError,
    validate,
)
from mnist_models.settings.recipes import RECIPES

OLD = Path(__file__).parents[1] / "old"
ADDRESS = "http://localhost:8501/train"
LONGEST_SENTENCE = 400


def decoded(url):
    """The query of a link as a browser reads it."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True))


def random_value(choice, chance):
    if choice.options:
        return chance.choice(choice.options)
    if choice.max_count:
        count = chance.randint(choice.min_count, choice.max_count)
        if choice.low is None:
            return [
                {
                    "filters": chance.randint(4, 128),
                    "kernel": 3,
                    "stride": chance.choice((1, 1, 2)),
                    "pool": 0,
                }
            ] * count
        return [chance.randint(choice.low, choice.high) for _ in range(count)]
    if isinstance(choice.step, int):
        return chance.randint(choice.low, choice.high)
    return chance.choice(
        (chance.uniform(choice.low, choice.high), choice.low, choice.high, choice.low + 1e-5)
    )


def random_hyperparameters(chance):
    """Some valid ones, every hyperparameter changed now and then."""
    while True:
        network = chance.choice(list(NETWORKS))
        choices = NETWORKS[network].choices()
        changed = chance.sample(sorted(choices), chance.randint(0, len(choices)))
        try:
            return validate(
                {"network": network}
                | {name: random_value(choices[name], chance) for name in changed}
            )
        except HyperparametersError:  # too many images, or too little of the image left
            continue


def problems_of(query, read=links.from_query):
    with pytest.raises(HyperparametersError) as caught:
        read(query)
    return caught.value.problems


# What is written
# ------------------------------------------------------------------------------------------


def test_the_defaults_are_the_network_and_the_version():
    assert links.to_query(DnnHyperparameters()) == {"network": "dnn", "v": "1"}
    assert links.to_query(CnnHyperparameters()) == {"network": "cnn", "v": "1"}


def test_only_what_differs_is_written_and_as_a_person_would_write_it():
    hyperparameters = CnnHyperparameters(
        conv_layers=("32x3", "64x3/2+pool2"),
        dense_units=(),
        batch_norm=False,
        learning_rate=0.0005,
        weight_decay=0.00001,
        dropout=0,
        train_images=48_000,
    )
    assert links.to_query(hyperparameters) == {
        "network": "cnn",
        "v": "1",
        "conv_layers": "32x3,64x3/2+pool2",
        "dense_units": "none",
        "batch_norm": "false",
        "learning_rate": "0.0005",
        "weight_decay": "0.00001",
        "dropout": "0",
        "train_images": "48000",
    }
    assert links.to_query(DnnHyperparameters(hidden_units=(512, 256)))["hidden_units"] == "512,256"


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_comes_back_from_its_link(recipe):
    query = links.to_query(recipe.hyperparameters)
    assert links.from_query(query) == recipe.hyperparameters
    url = links.to_url(ADDRESS, query)
    assert decoded(url) == query and len(url) < 300


def test_any_valid_hyperparameters_come_back_from_their_link():
    chance = random.Random(1)
    for _ in range(400):
        hyperparameters = random_hyperparameters(chance)
        query = links.to_query(hyperparameters)
        assert links.from_query(query) == hyperparameters
        assert links.from_query(decoded(links.to_url(ADDRESS, query))) == hyperparameters
        choices = hyperparameters.choices()
        assert {
            name for name in choices if getattr(hyperparameters, name) != choices[name].default
        } == set(query) - {"network", "v"}


def test_a_number_of_many_digits_comes_back_exactly():
    for rate in (0.1 + 0.2, 1e-05, 0.00012345678901234567, 1 / 3):
        query = links.to_query(DnnHyperparameters(learning_rate=rate))
        assert "e" not in query["learning_rate"]
        assert links.from_query(query).learning_rate == rate


def test_a_url_encodes_what_browsers_would_misread_and_nothing_else():
    query = {"network": "cnn", "conv_layers": "32x3/2,64x3+pool2"}
    assert links.to_url(ADDRESS, query) == f"{ADDRESS}?network=cnn&conv_layers=32x3/2,64x3%2Bpool2"
    assert decoded(links.to_url(ADDRESS, {"network": "a b&c=d#é"})) == {"network": "a b&c=d#é"}


# What is read
# ------------------------------------------------------------------------------------------


def test_a_plus_that_became_a_space_is_read_as_a_plus():
    typed = decoded(f"{ADDRESS}?network=cnn&conv_layers=32x3+pool2,64x3")
    assert typed["conv_layers"] == "32x3 pool2,64x3"
    assert links.from_query(typed) == CnnHyperparameters(conv_layers=("32x3+pool2", "64x3"))


def test_an_address_is_a_link_when_it_names_a_network():
    assert links.is_link({"network": "mlp"}) and links.is_link(
        {"network": "dnn", "run": "1a2b3c4d"}
    )
    assert (
        not links.is_link({})
        and not links.is_link({"run": "1a2b3c4d"})
        and not links.is_link({"race": "1"})
    )
    assert links.is_race({"race": "1"}) and not links.is_race({"network": "dnn"})


def test_the_run_that_an_address_shows_is_no_setting():
    assert links.from_query({"network": "dnn", "run": "1a2b3c4d"}) == DnnHyperparameters()
    assert set(links.race_from_query({"race": "1", "run": "1a2b3c4d"})) == set(NETWORKS)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("epochs", " 5 ", 5),
        ("epochs", "007", 7),
        ("dropout", "0.50", 0.5),
        ("dropout", "0", 0.0),
        ("hidden_units", "64, 32", (64, 32)),
        ("batch_norm", "false", False),
        ("optimizer", "sgd", "sgd"),
    ],
)
def test_what_a_person_may_write_is_read(name, text, value):
    assert getattr(links.from_query({"network": "dnn", name: text}), name) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1e400",
        "1e0",
        "nan",
        "inf",
        "-1",
        "+1",
        "0x1",
        "1_0",
        "５",
        "1.",
        ".5",
        "1,",
        "1\n",
        "\x001",
        "1\u202e",
        "None",
        "true",
        "1" * 400,
        "1" * 1_001,
        "1 1",
        "1;1",
        "[1]",
        "1/1",
        "one",
    ],
)
@pytest.mark.parametrize("name", ["epochs", "dropout", "seed"])
def test_what_is_no_plain_number_is_a_sentence(name, text):
    if (name, text) == ("dropout", "1 1"):
        text = "0 1"
    (problem,) = problems_of({"network": "dnn", name: text})
    label = DnnHyperparameters.choices()[name].label
    assert problem.field == name
    assert (
        problem.sentence.startswith(f"{label} cannot be ") and "; allowed is a" in problem.sentence
    )
    assert len(problem.sentence) < LONGEST_SENTENCE and problem.sentence.isprintable()


@pytest.mark.parametrize("text", ["1", "0", "True", "yes", "on", "t", "", "true\n", "truefalse"])
def test_a_switch_is_true_or_false(text):
    (problem,) = problems_of({"network": "dnn", "batch_norm": text})
    assert problem.sentence == f"Batch normalisation cannot be {text!r}; allowed is true or false."


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "There is no network ''; choose dnn or cnn."),
        ({"network": "DNN"}, "There is no network 'DNN'"),
        ({"network": "dnn", "conv_layers": "32x3"}, "A DNN has no 'conv_layers'"),
        ({"network": "dnn", "model_config": "1"}, "A DNN has no 'model_config'"),
        ({"network": "dnn", "hidden_units": "64,8,8,8,8,8"}, "allowed is 1 to 5 numbers"),
        ({"network": "dnn", "hidden_units": "none"}, "allowed is 1 to 5 numbers"),
        ({"network": "dnn", "hidden_units": "64,,64"}, "Hidden layers cannot be '64,,64'"),
        ({"network": "dnn", "hidden_units": "64,4"}, "Hidden layers cannot be '4'"),
        ({"network": "dnn", "hidden_units": "64," * 300}, "allowed is 1 to 5 numbers"),
        ({"network": "cnn", "conv_layers": "３2x3"}, "allowed is 1 to 4 layers, each like 32x3"),
        (
            {"network": "cnn", "conv_layers": "32x3pool2"},
            "allowed is 1 to 4 layers, each like 32x3",
        ),
        (
            {"network": "cnn", "conv_layers": "32x7/3+pool3,32x3"},
            "its input is only 2×2 px",
        ),
        ({"network": "dnn", "train_images": "60000"}, "choose at most 55,000 training images"),
        ({"network": "dnn", "activation": "step\n"}, "allowed is one of relu"),
    ],
)
def test_what_does_not_fit_is_a_sentence_that_says_what_does(query, words):
    assert words in " ".join(problem.sentence for problem in problems_of(query))


def test_a_hostile_link_is_told_of_in_few_words():
    hostile = "<script>" * 10_000
    for query in (
        {"network": hostile},
        {"network": "dnn", hostile: "1"},
        {"network": "dnn"} | dict.fromkeys(DnnHyperparameters.choices(), hostile),
        {"network": "dnn"} | {f"{hostile}{number}": "1" for number in range(1000)},
        {"network": "cnn", "conv_layers": ",".join(["9x" + "9" * 200] * 4)},
    ):
        problems = problems_of(query)
        assert 1 <= len(problems) <= links.MOST_PROBLEMS
        for problem in problems:
            assert len(problem.sentence) < LONGEST_SENTENCE and len(problem.field) < 60
            assert problem.sentence.count("<script>") <= 60 / len("<script>")


def test_whatever_a_link_says_it_is_settings_or_sentences():
    """Links mangled at random: nothing else is raised, and what is read can be written again."""
    chance = random.Random(2)
    alphabet = string.printable + "５é\u202e\x00€ "
    names = sorted({name for kind in NETWORKS.values() for name in kind.choices()})
    started, read, problems = time.monotonic(), 0, []
    for _ in range(1_500):
        query = links.to_query(random_hyperparameters(chance))
        for _ in range(chance.randint(1, 3)):
            name = chance.choice([*query, *names])
            text = list(query.get(name, ""))
            match chance.randrange(4):
                case 0:
                    text = chance.choices(alphabet, k=chance.choice((1, 5, 50, 2_000)))
                case 1:
                    text.insert(chance.randint(0, len(text)), chance.choice(alphabet))
                case 2:
                    text = text * chance.choice((2, 20))
                case 3 if text:
                    text.pop(chance.randrange(len(text)))
            query[name] = "".join(text)
        try:
            hyperparameters = links.from_query(query)
        except HyperparametersError as error:
            problems.append(error.problems)
        else:
            read += 1
            assert links.from_query(links.to_query(hyperparameters)) == hyperparameters
    assert read > 30 and len(problems) > 30  # both were tried
    for some in problems:
        assert 1 <= len(some) <= links.MOST_PROBLEMS
        assert all(
            len(sentence) < LONGEST_SENTENCE and sentence.isprintable() for _, sentence in some
        )
    assert time.monotonic() - started < 20


# Versions
# ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(1, links.VERSION + 1))
def test_a_link_of_every_version_has_the_defaults_that_it_was_made_with(version):
    """Fails when a default has changed: then VERSION goes up, the old default goes into
    OLD_DEFAULTS, and tests/old gets the defaults of the new version."""
    then = json.loads((OLD / f"defaults-{version}.json").read_text())
    for network, defaults in then.items():
        assert links.from_query({"network": network, "v": str(version)}) == validate(defaults)
    of_a_race = links.race_from_query({"race": "1", "v": str(version)})
    assert of_a_race == {network: validate(defaults) for network, defaults in then.items()}


def test_the_newest_version_has_todays_defaults():
    then = json.loads((OLD / f"defaults-{links.VERSION}.json").read_text())
    assert {name: validate(defaults) for name, defaults in then.items()} == {
        name: kind() for name, kind in NETWORKS.items()
    }


def test_a_changed_default_does_not_change_what_an_older_link_means(monkeypatch):
    query = links.to_query(DnnHyperparameters(dropout=0.3))
    monkeypatch.setattr(links, "VERSION", 3)
    old = {1: {"dnn": {"epochs": "9", "seed": "5"}}, 2: {"dnn": {"epochs": "12"}}}
    monkeypatch.setattr(links, "OLD_DEFAULTS", old)
    expected = {"1": (9, 5), "2": (12, 1), "3": (4, 1)}
    for version, (epochs, seed) in expected.items():
        read = links.from_query(query | {"v": version})
        assert read == DnnHyperparameters(dropout=0.3, epochs=epochs, seed=seed)
    assert links.from_query({"network": "cnn", "v": "1"}) == CnnHyperparameters()
    chosen = DnnHyperparameters(epochs=9)
    assert links.from_query(links.to_query(chosen)) == chosen


@pytest.mark.parametrize("version", ["0", "2", "1.0", "", "１", "x" * 500])
@pytest.mark.parametrize("kind", [{"network": "dnn"}, {"race": "1"}])
def test_a_version_that_is_not_known_gets_a_sentence(version, kind):
    read = links.race_from_query if "race" in kind else links.from_query
    (problem,) = problems_of(kind | {"v": version}, read)
    assert problem.field == "v" and "update the app" in problem.sentence
    assert len(problem.sentence) <= LONGEST_SENTENCE


# Races
# ------------------------------------------------------------------------------------------


def test_a_race_is_written_with_what_both_share_once():
    entrants = {
        "dnn": DnnHyperparameters(hidden_units=(64,), epochs=3, dropout=0.3),
        "cnn": CnnHyperparameters(epochs=3, dropout=0.4, dense_units=()),
    }
    query = links.race_to_query(entrants)
    assert query == {
        "race": "1",
        "v": "1",
        "epochs": "3",
        "dnn.dropout": "0.3",
        "dnn.hidden_units": "64",
        "cnn.dropout": "0.4",
        "cnn.dense_units": "none",
    }
    assert links.race_from_query(query) == entrants


def test_any_race_comes_back_from_its_link():
    chance = random.Random(3)
    for _ in range(100):
        entrants = {}
        while len(entrants) < len(NETWORKS):
            hyperparameters = random_hyperparameters(chance)
            entrants[hyperparameters.network] = hyperparameters
        query = links.race_to_query(entrants)
        assert links.race_from_query(decoded(links.to_url(ADDRESS, query))) == entrants
        assert links.is_race(query) and not links.is_link(query)


def test_what_is_wrong_in_a_race_says_whose_it_is():
    problems = problems_of(
        {"race": "1", "dnn.epochs": "0", "cnn.hidden_units": "64"}, links.race_from_query
    )
    assert {problem.field for problem in problems} == {"dnn.epochs", "cnn.hidden_units"}
    assert "DNN: Epochs cannot be '0'; allowed is a whole number from 1 to 100." in [
        sentence for _, sentence in problems
    ]
    (problem,) = problems_of({"race": "1", "rnn.epochs": "3"}, links.race_from_query)
    assert problem.sentence == "There is no network 'rnn'; choose dnn or cnn."
    assert (
        len(
            problems_of(
                {"race": "1"} | {"y" * 500 + str(n): "1" for n in range(50)}, links.race_from_query
            )
        )
        == 5
    )
