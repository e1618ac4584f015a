"""A race: what both share, which budgets there are, and who is said to have won."""

import numpy as np
import pytest

from mnist_models.models.predictions import Predictions
from mnist_models.runs import race
from mnist_models.runs.race import Budget
from mnist_models.runs.tables import Run, RunState
from mnist_models.settings.hyperparameters import NETWORKS, DnnHyperparameters, HyperparametersError

SHARED = {name: DnnHyperparameters.choices()[name].default for name in race.SHARED}
OWN = {
    "dnn": {"hidden_units": [32], "learning_rate": 0.01},
    "cnn": {"dense_units": [], "dropout": 0.5},
}


def test_both_enter_with_the_same_data_seed_and_budget_and_with_their_own_layers():
    entered = race.entrants(OWN, SHARED | {"seed": 9, "wrong_labels": 0.2}, Budget("epochs", 4))
    assert list(entered) == list(NETWORKS)
    dnn, cnn = entered.values()
    for name in (*race.SHARED, *race.LIMITS):
        assert getattr(dnn, name) == getattr(cnn, name), name
    assert (dnn.seed, dnn.wrong_labels, dnn.epochs) == (9, 0.2, 4)
    assert (dnn.hidden_units, dnn.learning_rate) == ((32,), 0.01)
    assert (cnn.dense_units, cnn.dropout) == ((), 0.5)


@pytest.mark.parametrize(
    "budget", [Budget("epochs", 7), Budget("seconds", 20), Budget("images", 130_000)]
)
def test_a_budget_comes_back_from_the_hyperparameters(budget):
    entered = race.entrants(OWN, SHARED, budget)
    assert {Budget.of(hyperparameters) for hyperparameters in entered.values()} == {budget}


def test_nothing_but_the_budget_ends_one_of_them():
    impatient = {
        network: values | {"early_stopping": 3, "epochs": 2} for network, values in OWN.items()
    }
    for hyperparameters in race.entrants(impatient, SHARED, Budget("seconds", 5)).values():
        assert (
            hyperparameters.early_stopping,
            hyperparameters.epochs,
            hyperparameters.budget_s,
        ) == (0, 4, 5)


def test_more_images_than_the_epochs_allow_say_how_many_they_do():
    with pytest.raises(HyperparametersError, match="choose at most 10,000") as caught:
        race.entrants(OWN, SHARED | {"train_images": 100}, Budget("images", 10_001))
    assert [problem.field for problem in caught.value.problems] == ["race.budget_images"]
    assert (
        race.entrants(OWN, SHARED | {"train_images": 100}, Budget("images", 10_000))["cnn"].epochs
        == 100
    )


def test_problems_are_told_once_where_both_share_the_choice_and_else_of_the_network_that_has_them():
    wrong = {
        "dnn": {"hidden_units": [3]},
        "cnn": {"conv_layers": ["8x7+pool3", "8x7+pool3", "8x7"]},
    }
    with pytest.raises(HyperparametersError) as caught:
        race.entrants(wrong, SHARED, Budget("epochs", 1))
    assert {problem.field for problem in caught.value.problems} == {
        "dnn.hidden_units.0",
        "cnn.conv_layers.1.pool",
    }
    with pytest.raises(HyperparametersError) as caught:
        race.entrants(OWN, SHARED | {"train_images": 60_000}, Budget("epochs", 1))
    assert [problem.field for problem in caught.value.problems] == ["race.train_images"]


# Who won
# ------------------------------------------------------------------------------------------


LABELS = np.arange(1000, dtype=np.uint8) % 10


def wrong_on(*places):
    digits = LABELS.copy()
    digits[list(places)] = (digits[list(places)] + 1) % 10
    return Predictions(digits, np.zeros((1000, 10)))


def racer(network):
    return Run(
        network=network,
        state=RunState.FINISHED,
        parameters=1234,
        elapsed_s=2.5,
        epochs=1.5,
        values={"train_images": 1000},
    )


def verdict(dnn, cnn):
    return race.verdict([racer("dnn"), racer("cnn")], [dnn, cnn], LABELS)


def test_the_better_one_has_won_by_so_many_digits():
    text = verdict(wrong_on(*range(30)), wrong_on(*range(10)))
    assert text.startswith(
        "**The CNN won** by 20 of 1,000 test digits: test accuracy CNN **99.00%**, DNN **97.00%**."
    )
    assert "CNN: 1,234 parameters, 1,500 images, 2 s." in text
    assert verdict(wrong_on(*range(10)), wrong_on(*range(30))).startswith("**The DNN won** by 20")


def test_a_lead_that_chance_can_explain_wins_nothing():
    """20 digits apart as above, but on digits that differ: 30 that only one misclassifies against
    10, and 35 against 25."""
    assert "won" in verdict(wrong_on(*range(30)), wrong_on(*range(100, 110)))
    assert verdict(wrong_on(*range(35)), wrong_on(*range(100, 125))).startswith(
        "**Too close to call**"
    )
    assert verdict(wrong_on(5), wrong_on(5)).startswith("**Too close to call**")


@pytest.mark.parametrize(
    ("bet", "misread", "told"),
    [
        ("cnn", (30, 10), "The bet was on the CNN, and it won."),
        ("dnn", (30, 10), "The bet was on the DNN, but the CNN won."),
        ("dnn", (10, 30), "The bet was on the DNN, and it won."),
        (race.TIE, (10, 30), "The bet was that it would be too close to call, but the DNN won."),
        (race.TIE, (10, 11), "The bet was that it would be too close to call, and it is."),
        (
            "cnn",
            (11, 10),
            "The bet was on the CNN, but it is too close to call: nobody has won the bet.",
        ),
    ],
)
def test_a_bet_is_settled_as_the_verdict_says(bet, misread, told):
    predictions = [wrong_on(*range(count)) for count in misread]
    won = race.winner([racer("dnn"), racer("cnn")], predictions, LABELS)
    assert bet in race.BETS and won in race.BETS
    assert race.settled(bet, won) == told
    assert ("won**" in verdict(*predictions)) == (won != race.TIE)
