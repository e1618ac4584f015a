"""Recipes: hyperparameters to start from, our own and those of earlier projects."""

import pytest

from mnist_models.models import networks
from mnist_models.settings import recipes
from mnist_models.settings.hyperparameters import NETWORKS, validate
from mnist_models.settings.recipes import EARLIER, OWN, RECIPES


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_starts_from_its_defaults_or_from_what_ships(network):
    names = list(recipes.of_network(network))
    assert names[:2] == [f"quick-{network}", f"shipped-{network}"]
    assert RECIPES[names[0]].hyperparameters == NETWORKS[network]()


def test_every_recipe_is_listed_once_under_one_network():
    assert list(RECIPES.values()) == [*OWN, *EARLIER]
    assert {name for network in NETWORKS for name in recipes.of_network(network)} == set(RECIPES)
    assert sum(len(recipes.of_network(network)) for network in NETWORKS) == len(RECIPES)


@pytest.mark.parametrize("recipe", [*OWN, *EARLIER], ids=lambda recipe: recipe.name)
def test_a_recipe_is_named_described_and_valid(recipe):
    assert RECIPES[recipe.name] is recipe
    assert recipe.title and recipe.origin.endswith(".")
    assert type(recipe.hyperparameters) is NETWORKS[recipe.hyperparameters.network]
    assert validate(recipe.hyperparameters.model_dump()) == recipe.hyperparameters


# What the earlier projects told of their networks; None where they told nothing.
TOLD = {
    "homework-dnn": ("dnn", None, 0.9768),
    "homework-cnn": ("cnn", None, 0.9928),
    "ann": ("dnn", 535_818, 0.978),
    "cnn-beside-the-ann": ("cnn", None, None),
    "optimal-cnn-model-1": ("cnn", 110_474, 0.99),
    "optimal-cnn-model-2": ("cnn", 119_850, 0.9867),
    "simple-nn": ("dnn", 91_860, 0.9696),
    "simple-cnn": ("cnn", 544_522, 0.9922),
    "fully-connected": ("dnn", None, None),
    "cnn-with-linear-head": ("cnn", None, None),
}


def test_the_earlier_projects_networks_are_all_there():
    assert [recipe.name for recipe in EARLIER] == list(TOLD)


@pytest.mark.parametrize("name", TOLD)
def test_a_network_of_an_earlier_project_is_the_one_that_was_told_of(name):
    network, parameters, reported = TOLD[name]
    recipe = RECIPES[name]
    assert recipe.hyperparameters.network == network
    assert recipe.reported == reported
    if parameters:
        assert networks.build(recipe.hyperparameters, blank=True).count_params() == parameters


def test_own_recipes_report_nothing_since_they_can_be_trained():
    assert {recipe.reported for recipe in OWN} == {None}


@pytest.mark.parametrize(
    "spelling",
    [
        "Optimal CNN, model 2",
        "optimal-cnn-model-2",
        "OPTIMAL CNN MODEL 2",
        " optimal_cnn_model_2 ",
        "optimal cnn-Model 2!",
    ],
)
def test_a_recipe_is_found_however_its_words_are_joined(spelling):
    assert recipes.find(spelling) is RECIPES["optimal-cnn-model-2"]
    assert recipes.find(spelling, "cnn") is RECIPES["optimal-cnn-model-2"]


def test_the_networks_name_may_be_left_out_where_it_is_known():
    assert recipes.find("Quick", "dnn") is RECIPES["quick-dnn"]
    assert recipes.find("shipped", "cnn") is RECIPES["shipped-cnn"]
    assert recipes.find("homework", "dnn") is RECIPES["homework-dnn"]
    assert recipes.find("quick-dnn", "dnn") is RECIPES["quick-dnn"]


@pytest.mark.parametrize(
    ("name", "network"),
    [("quick", None), ("", None), ("", "dnn"), ("simple", "cnn nn"), ("none", "cnn")],
)
def test_a_recipe_that_is_none_is_not_found(name, network):
    assert recipes.find(name, network) is None


def test_a_name_has_only_what_a_link_and_a_command_line_can_hold():
    assert recipes.slug("  Optimal CNN, model 1. ") == "optimal-cnn-model-1"
    for name, recipe in RECIPES.items():
        assert name == recipes.slug(name) == (recipe.command_name or recipes.slug(recipe.title))
        assert name.replace("-", "").isalnum() and name.isascii()
