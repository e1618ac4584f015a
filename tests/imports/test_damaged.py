"""Files that were damaged, or made to look odd, in hundreds of ways."""

import numpy as np
import pytest

from tests.imports import damage


@pytest.fixture(scope="module")
def variants():
    return list(damage.variants(360))


def test_damage_is_read_or_refused_in_a_sentence(variants, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcomes = [damage.outcome(content) for _, content in variants]  # all else is raised
    refusals = [one for one in outcomes if one != damage.READ]
    assert len(refusals) > 100  # so that the damage is some
    assert [one for one in refusals if not (one[0].isupper() and one[-1] in ".)")] == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_whole_is_read():
    for name, content in damage.originals().items():
        assert damage.outcome(content) == damage.READ, name


def test_the_same_seed_makes_the_same_damage(variants):
    again = [content for _, content in damage.variants(24)]
    # Zips hold the hour in which they were made.
    assert sum(a == b for a, (_, b) in zip(again, variants, strict=False)) > 6
    assert np.mean([a != b for a, b in zip(again[1:], again, strict=False)]) == 1
