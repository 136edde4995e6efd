"""Distribution functions and quantiles that the intervals need, from the standard library alone.

Incomplete beta and gamma functions by their continued fractions and series (Press et al., Numerical Recipes, 3rd ed.,
6.2 and 6.4); quantiles by Newton steps kept inside a bracket. Good to about ten digits, checked against scipy in the
tests; not made for probabilities below 1e-12.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

_STANDARD = NormalDist()
_TINY = 1e-300
_CLOSE = 1e-15
_STEPS = 10_000
LARGE_DEGREES = 2_000.0
LARGE_SHAPE = 5_000.0
LARGE_TRIALS = 2_000


def normal_quantile(p: float) -> float:
    """The standard normal's quantile for 0 < p < 1."""
    return _STANDARD.inv_cdf(p)


def normal_tail(z: float) -> float:
    """P(Z > z)."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def two_sided_z(level: float) -> float:
    """z such that P(|Z| <= z) = level."""
    return normal_quantile(0.5 + level / 2)


def t_quantile(p: float, degrees: float) -> float:
    """Student's t for any positive number of degrees of freedom, whole or not.

    Above 2,000 degrees the Cornish-Fisher expansion (Abramowitz and Stegun 26.7.5) is exact to more digits than shown.
    """
    if p == 0.5:
        return 0.0
    if p < 0.5:
        return -t_quantile(1 - p, degrees)
    z = normal_quantile(p)
    if degrees > LARGE_DEGREES:
        first = (z**3 + z) / 4
        second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
        third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
        return z + first / degrees + second / degrees**2 + third / degrees**3
    tail = 2 * (1 - p)
    # The tail 2 P(T > t) is I_x(degrees / 2, 1 / 2) at x = degrees / (degrees + t²), and grows with x.
    x = beta_quantile(tail, degrees / 2, 0.5)
    return math.sqrt(degrees * (1 - x) / x) if x > 0 else math.inf


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(_log_beta_kernel(x, a, b))
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(x, a, b) / a
    return 1 - front * _beta_fraction(1 - x, b, a) / b


def beta_quantile(p: float, a: float, b: float) -> float:
    """x with I_x(a, b) = p."""
    if p <= 0:
        return 0.0
    if p >= 1:
        return 1.0

    def density(x: float) -> float:
        return math.exp(_log_beta_kernel(x, a, b)) / (x * (1 - x))

    return _solve(lambda x: beta_cdf(x, a, b) - p, density, 0.0, 1.0, a / (a + b))


def binomial_cdf(k: int, n: int, p: float) -> float:
    """P(X <= k) of n trials; above 2,000 trials the normal approximation with continuity correction."""
    if k < 0:
        return 0.0
    if k >= n:
        return 1.0
    if n > LARGE_TRIALS:
        return 1 - normal_tail((k + 0.5 - n * p) / math.sqrt(n * p * (1 - p)))
    return beta_cdf(1 - p, n - k, k + 1)


def gamma_cdf(x: float, shape: float) -> float:
    """The regularised lower incomplete gamma function P(shape, x)."""
    if x <= 0:
        return 0.0
    front = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x < shape + 1:
        term = total = 1 / shape
        for step in range(1, _STEPS):
            term *= x / (shape + step)
            total += term
            if term < total * _CLOSE:
                break
        return front * total
    b = x + 1 - shape
    c, d = 1 / _TINY, 1 / b
    fraction = d
    for step in range(1, _STEPS):
        weight = -step * (step - shape)
        b += 2
        d = 1 / _nonzero(weight * d + b)
        c = _nonzero(b + weight / c)
        fraction *= d * c
        if abs(d * c - 1) < _CLOSE:
            break
    return 1 - front * fraction


def gamma_quantile(p: float, shape: float) -> float:
    """x with P(shape, x) = p, half a chi-square quantile with 2 · shape degrees of freedom.

    Above a shape of 5,000 Wilson and Hilferty's cube (1931), which is then good to six digits.
    """
    if shape <= 0 or p <= 0:
        return 0.0
    cube = 1 - 1 / (9 * shape) + normal_quantile(p) / (3 * math.sqrt(shape))
    guess = shape * max(cube, 0.01) ** 3
    if shape > LARGE_SHAPE:
        return guess

    def density(x: float) -> float:
        return math.exp((shape - 1) * math.log(x) - x - math.lgamma(shape))

    high = max(guess, 1.0)
    while gamma_cdf(high, shape) < p:
        high *= 2
    return _solve(lambda x: gamma_cdf(x, shape) - p, density, 0.0, high, guess)


def _log_beta_kernel(x: float, a: float, b: float) -> float:
    whole = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return whole + a * math.log(x) + b * math.log1p(-x)


def _beta_fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _nonzero(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for weight in (even, odd):
            d = 1 / _nonzero(1 + weight * d)
            c = _nonzero(1 + weight / c)
            fraction *= d * c
        if abs(d * c - 1) < _CLOSE:
            break
    return fraction


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _solve(
    miss: Callable[[float], float], slope: Callable[[float], float], low: float, high: float, guess: float
) -> float:
    """The root of a growing function inside [low, high]: Newton's step where it stays inside, else the middle."""
    x = guess if low < guess < high else (low + high) / 2
    for _ in range(200):
        off = miss(x)
        if off == 0:
            return x
        low, high = (low, x) if off > 0 else (x, high)
        steep = slope(x)
        step = x - off / steep if steep > 0 else math.nan
        after = step if low < step < high else (low + high) / 2
        if abs(after - x) <= 1e-14 * abs(x):
            return after
        x = after
    return x
