"""Sequential test of two models on what only one of them gets right; valid at every look.

Each observation names the better one of two models. Under the hypothesis that the challenger is
not the better one more often than the champion, whatever came before, the mixture of likelihood
ratios ::

    E(wins, losses) = 2 ∫ (2p)^wins (2(1 - p))^losses dp,   p from 1/2 to 1

is a supermartingale that begins at 1. By Ville's inequality it ever reaches 1/alpha with a
probability of at most alpha, so that one may look after every observation, for ever.

References
----------
Robbins (1970): Statistical methods related to the law of the iterated logarithm. Annals of
Mathematical Statistics 41. Howard, Ramdas, McAuliffe, Sekhon (2021): Time-uniform, nonparametric,
nonasymptotic confidence sequences. Annals of Statistics 49, section 3. Johari, Pekelis, Walsh
(2017): Always valid inference. KDD.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Signs", "fewest_wins", "log_evidence"]

_NEGLIGIBLE = 1e-18
_STEPS = 60
"""Halvings of an interval: more than a float has digits."""


@dataclass(frozen=True)
class Signs:
    """Observations in which one of two models was the better one.

    Attributes
    ----------
    wins, losses
        Number of those of the challenger, and of the champion.
    """

    wins: int = 0
    losses: int = 0

    @property
    def total(self) -> int:
        """Number of observations."""
        return self.wins + self.losses

    def is_better(self, alpha: float) -> bool:
        """Return whether the challenger is shown to be better, wrongly with at most `alpha`."""
        return log_evidence(self.wins, self.losses) >= -math.log(alpha)

    def is_worse(self, alpha: float) -> bool:
        """Return whether the challenger is shown to be worse, wrongly with at most `alpha`."""
        return log_evidence(self.losses, self.wins) >= -math.log(alpha)

    def share(self, alpha: float) -> tuple[float, float]:
        """Return limits of the share of wins that hold at all times with probability 1 - `alpha`.

        The share is the same in all observations here. It is the beta-binomial confidence sequence
        with a uniform mixture.
        """
        if not self.total:
            return 0.0, 1.0
        peak = self.wins / self.total
        reach = (
            math.lgamma(self.wins + 1)
            + math.lgamma(self.losses + 1)
            - math.lgamma(self.total + 2)
            + math.log(alpha)
        )

        def is_inside(p: float) -> bool:
            if not 0 < p < 1:
                return (p == 0 and not self.wins) or (p == 1 and not self.losses)
            return self.wins * math.log(p) + self.losses * math.log1p(-p) > reach

        return _limit(0.0, peak, is_inside), _limit(1.0, peak, is_inside)


def _limit(outer: float, inner: float, is_inside: Callable[[float], bool]) -> float:
    """Return the place between two where a test that holds at the inner one begins to fail."""
    if is_inside(outer):
        return outer
    for _ in range(_STEPS):
        middle = (outer + inner) / 2
        if is_inside(middle):
            inner = middle
        else:
            outer = middle
    return outer


def log_evidence(wins: int, losses: int) -> float:
    """Return the logarithm of E; for whole numbers the integral is a tail of a binomial.

    With n = wins + losses + 1, E is the sum of the binomials (n over k) for k up to `wins`, divided
    by n times (n - 1 over wins).
    """
    n = wins + losses + 1
    scale = math.log(n) + _log_binomial(n - 1, wins)
    if 2 * wins < n:
        ratios = (k / (n + 1 - k) for k in range(wins, 0, -1))
        return _log_binomial(n, wins) + math.log(_series(ratios)) - scale
    ratios = ((n - k) / (k + 1) for k in range(wins + 1, n))
    others = math.exp(_log_binomial(n, wins + 1) + math.log(_series(ratios)) - n * math.log(2))
    return n * math.log(2) + math.log1p(-others) - scale


def _series(ratios: Iterable[float]) -> float:
    """Return 1 + r1 + r1 r2 + … for falling ratios, as far as a float can tell."""
    term = total = 1.0
    for ratio in ratios:
        term *= ratio
        total += term
        if term < _NEGLIGIBLE * total:
            break
    return total


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def fewest_wins(total: int, alpha: float) -> int | None:
    """Return how many wins of so many observations suffice; None where all are not enough."""
    low, high = 0, total
    if log_evidence(total, 0) < -math.log(alpha):
        return None
    while low < high:
        middle = (low + high) // 2
        if log_evidence(middle, total - middle) >= -math.log(alpha):
            high = middle
        else:
            low = middle + 1
    return high
