"""Recipes: hyperparameters to start from, for each network."""

import pytest

from mnist_models.hyperparameters import NETWORKS, validate
from mnist_models.recipes import RECIPES

EVERY = [(network, recipe) for network, some in RECIPES.items() for recipe in some.values()]


def test_every_network_starts_from_its_defaults_or_from_what_ships():
    assert list(RECIPES) == list(NETWORKS)
    for network, some in RECIPES.items():
        assert list(some)[:2] == ["quick", "shipped"]
        assert some["quick"].hyperparameters == NETWORKS[network]()


@pytest.mark.parametrize(("network", "recipe"), EVERY)
def test_a_recipe_is_named_described_and_valid(network, recipe):
    assert RECIPES[network][recipe.name] is recipe
    assert recipe.title and recipe.origin.endswith(".")
    assert type(recipe.hyperparameters) is NETWORKS[network]
    assert validate(recipe.hyperparameters.model_dump()) == recipe.hyperparameters
