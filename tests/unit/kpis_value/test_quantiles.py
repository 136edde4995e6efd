"""The quantiles against scipy, which the product does not have."""

from __future__ import annotations

from typing import Any

import pytest

from kpis.value.quantiles import beta_quantile, binomial_cdf, gamma_quantile, t_quantile


@pytest.mark.parametrize("degrees", [1, 1.3, 2, 3.7, 10, 29, 100.5, 1_999, 2_001, 50_000])
@pytest.mark.parametrize("p", [0.025, 0.6, 0.9, 0.975, 0.995, 0.9995])
def test_student_t(p: float, degrees: float, stats: Any) -> None:
    assert t_quantile(p, degrees) == pytest.approx(stats.t.ppf(p, degrees), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("shape", [0.5, 1, 2, 7, 40, 1_000, 4_999, 5_001, 1_000_000])
@pytest.mark.parametrize("p", [0.005, 0.025, 0.5, 0.975, 0.995])
def test_gamma(p: float, shape: float, stats: Any) -> None:
    assert gamma_quantile(p, shape) == pytest.approx(stats.gamma.ppf(p, shape), rel=1e-6)


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (1, 3), (40, 2), (700, 900)])
@pytest.mark.parametrize("p", [0.001, 0.025, 0.5, 0.975])
def test_beta(p: float, a: float, b: float, stats: Any) -> None:
    assert beta_quantile(p, a, b) == pytest.approx(stats.beta.ppf(p, a, b), rel=1e-9)


@pytest.mark.parametrize(("n", "p", "tolerance"), [(7, 0.5, 1e-12), (2_000, 0.9, 1e-10), (5_000, 0.9, 3e-3)])
def test_binomial(n: int, p: float, tolerance: float, stats: Any) -> None:
    """Above 2,000 trials it is an approximation, and this is how good."""
    for k in range(-1, n + 2, max(1, n // 50)):
        assert binomial_cdf(k, n, p) == pytest.approx(stats.binom.cdf(k, n, p), abs=tolerance)
