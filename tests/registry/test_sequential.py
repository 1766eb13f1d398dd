"""The sequential test of two models: its numbers, its errors under endless looking, its power."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from tunesmith.registry.sequential import Signs, fewest_wins, log_evidence

ALPHA = 0.05
LOOKS = 1500


def first_crossing(share: float, runs: int, seed: int) -> npt.NDArray[np.int64]:
    """Return after how many observations each of several contests is decided; `LOOKS` for never.

    The challenger is the better one in a share of the observations, and the test is looked at
    after each.
    """
    never = LOOKS + 1
    needed = np.array([fewest_wins(n, ALPHA) or never for n in range(1, LOOKS + 1)])
    wins = (np.random.default_rng(seed).random((runs, LOOKS)) < share).cumsum(axis=1)
    crossed = wins >= needed
    return np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, LOOKS)


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (5, 0), (0, 9), (30, 50), (200, 190)])
def test_the_evidence_is_the_integral(wins: int, losses: int) -> None:
    places = (np.arange(20_000) + 0.5) / 20_000
    p = 0.5 + places / 2
    integral = np.mean((2 * p) ** wins * (2 * (1 - p)) ** losses)
    assert log_evidence(wins, losses) == pytest.approx(math.log(integral), abs=1e-6)


def test_large_numbers_are_no_trouble() -> None:
    assert log_evidence(260_000, 240_000) > 100
    assert log_evidence(250_000, 250_000) < 0
    assert math.isfinite(log_evidence(0, 500_000))


@pytest.mark.parametrize("share", [0.5, 0.45, 0.3])
def test_endless_looking_promotes_a_challenger_that_is_no_better_at_most_alpha(
    share: float,
) -> None:
    decided = first_crossing(share, 2000, seed=1) < LOOKS
    # Three standard deviations of 2,000 contests above alpha would be 0.065: it stays below alpha.
    assert decided.mean() <= ALPHA


def test_a_fixed_test_at_every_look_would_not() -> None:
    """Show that the simulation can fail: the binomial test of one look, at every look."""
    rng = np.random.default_rng(1)
    wins = (rng.random((500, LOOKS)) < 0.5).cumsum(axis=1)
    n = np.arange(1, LOOKS + 1)
    z = (wins - n / 2) / np.sqrt(n / 4)
    assert ((z[:, 20:] > 1.645).any(axis=1)).mean() > 3 * ALPHA


@pytest.mark.parametrize(("share", "within"), [(0.6, 900), (0.7, 220), (0.9, 40)])
def test_a_better_challenger_is_found(share: float, within: int) -> None:
    crossings = first_crossing(share, 500, seed=2)
    assert np.quantile(crossings, 0.9) <= within


def test_better_and_worse_are_mirror_images() -> None:
    assert Signs(30, 8).is_better(0.025)
    assert not Signs(30, 8).is_worse(0.025)
    assert Signs(8, 30).is_worse(0.025)
    assert not Signs(4, 3).is_better(0.025)
    assert not Signs().is_better(0.4)


def test_the_limits_of_the_share_hold_at_every_look() -> None:
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(200):
        wins = (rng.random(300) < 0.7).cumsum()
        for n in range(1, 301, 20):
            low, high = Signs(int(wins[n - 1]), int(n - wins[n - 1])).share(ALPHA)
            if not low <= 0.7 <= high:
                missed += 1
                break
    assert missed / 200 <= ALPHA
    assert Signs().share(ALPHA) == (0.0, 1.0)
    assert Signs(0, 9).share(ALPHA)[0] == 0
    assert Signs(9, 0).share(ALPHA)[1] == 1
    low, high = Signs(30, 10).share(ALPHA)
    assert low < 0.75 < high
