"""A winner is named only where the test pictures show a difference that is more than chance."""

from math import comb

import numpy as np
import pytest

from slipway.chance import Scored, judge, p_value, read_predictions
from slipway.compare import compare
from slipway.requests.objective import objective
from slipway.tuning.trial import Trial, Tuning
from tests.slipway.compare.test_parts import result

HEAD = "picture,true,predicted\n"


def predictions(right: list[bool]) -> Scored:
    rows = (f"{number}.jpg,cat,{'cat' if good else 'dog'}\n" for number, good in enumerate(right))
    return read_predictions(HEAD + "".join(rows))


def test_pictures_are_paired_if_they_are_the_same_ones():
    # 1 picture that only the first classified correctly, and 9 that only the second did: 2 * (1 + 10) / 2**10.
    first, second = predictions([True] * 81 + [False] * 9), predictions([False] + [True] * 89)
    assert p_value(first, second) == pytest.approx(2 * (1 + 10) / 2**10)
    assert p_value(second, first) == p_value(first, second)


def test_without_the_pictures_the_numbers_are_compared():
    # Fisher's lady tasting tea: 3 of 4 cups, p = 0.486.
    assert p_value(Scored(correct=3, total=4), Scored(correct=1, total=4)) == pytest.approx(34 / 70)
    assert p_value(Scored(correct=4, total=4), Scored(correct=0, total=4)) == pytest.approx(2 / comb(8, 4))


def test_equal_models_have_a_winner_in_at_most_one_of_twenty_cases():
    random = np.random.default_rng(5)
    named = 0
    for _ in range(400):
        hard = random.random(200)
        models = {name: predictions((random.random(200) < 0.4 + 0.6 * hard).tolist()) for name in "abcd"}
        named += judge(models).winner is not None
    assert named <= 20


def test_a_better_model_wins():
    random = np.random.default_rng(5)
    good, bad = ((random.random(500) < share).tolist() for share in (0.95, 0.85))
    verdict = judge({"bad": predictions(bad), "good": predictions(good)})
    assert verdict.winner == "good"
    assert verdict.summary == "good is the most accurate"


def test_models_that_may_be_as_good_are_named():
    verdict = judge(
        {
            "a": Scored(correct=95, total=100),
            "b": Scored(correct=93, total=100),
            "c": Scored(correct=40, total=100),
        }
    )
    assert verdict.winner is None
    assert verdict.summary == "No difference that these 100 pictures can show between a and b"
    close = judge({"a": Scored(correct=95, total=100), "b": Scored(correct=93, total=100)})
    assert close.summary == "No difference that these 100 pictures can show"


def test_one_model_and_none():
    assert judge({"a": Scored(correct=9, total=10)}).winner == "a"
    assert judge({}) is None


@pytest.mark.parametrize("text", ["", "picture,true\na,cat\n", HEAD])
def test_a_damaged_file_is_an_error(text):
    with pytest.raises(ValueError, match=r"test_predictions\.csv has no rows with picture, true and predicted"):
        read_predictions(text)


def test_a_comparison_pairs_the_pictures_of_its_jobs():
    """90 and 95 of 100: alone they tell nothing, but every picture of the first is right in the second too."""
    first, second = predictions([False] * 10 + [True] * 90), predictions([False] * 3 + [True] * 97)
    pictures = {"train": 9, "validation": 1, "test": 100}
    one = result("resnet18", test_accuracy=90.0, pictures=pictures)
    two = result("resnet34", test_accuracy=97.0, pictures=pictures)
    assert compare([one, two]).to_json()["winner"] is None
    paired = compare([result("resnet18", predictions=first), result("resnet34", predictions=second)])
    assert paired.verdict.winner == paired.to_json()["winner"] == "resnet34"
    assert all("predictions" not in each or each["predictions"] is None for each in paired.to_json()["results"])


def test_a_search_says_which_trials_are_as_good():
    def trial(name: str, objective: float, wrong: int | None) -> Trial:
        tested = None if wrong is None else predictions([False] * wrong + [True] * (100 - wrong))
        return Trial(name=name, hyperparameters={}, status="completed", objective=objective, tested=tested)

    def chance(*trials: Trial) -> str:
        made = Tuning(name="s", objective=objective("eval_loss_epoch"), strategy="Random", trials=trials)
        assert all("tested" not in each for each in made.to_json()["trials"])
        return made.chance

    best, near, far = trial("t0", 0.1, 3), trial("t1", 0.2, 4), trial("t2", 0.9, 40)
    assert chance(best, near, far) == "There is no difference that the 100 test pictures can show between it and t1."
    assert chance(best, far) == "On the 100 test pictures, it is better than each other trial by more than chance."
    assert chance(trial("t0", 0.1, None), near).startswith("Whether that is more than chance is not known")
    assert chance(best) == ""
