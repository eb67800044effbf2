#!/usr/bin/python3
"""Compares the statistics with an independent computation of each: exact fractions, plain numerical integration,
and SciPy where it is installed.

    oracle_test.py PROGRAM
"""

import json
import math
import random
import subprocess
import sys
import tempfile
from fractions import Fraction
from statistics import NormalDist, mean, variance

try:
    from scipy import stats as scipy_stats
except ImportError:
    scipy_stats = None

Z = NormalDist().inv_cdf(0.975)


def mcnemar(b, c, mid):
    n, k = b + c, min(b, c)
    observed = Fraction(math.comb(n, k), 2**n)
    p = min(Fraction(1), 2 * sum(Fraction(math.comb(n, i), 2**n) for i in range(k + 1)))
    if mid:
        p -= observed / 2 if b == c else observed
    return float(p)


def fisher(one, two):
    (a, n1), (b, n2) = one, two
    right, total = a + b, n1 + n2
    chances = [Fraction(math.comb(right, i) * math.comb(total - right, n1 - i), math.comb(total, n1))
               for i in range(max(0, right - n2), min(right, n1) + 1)]
    observed = chances[a - max(0, right - n2)]
    return float(sum(c for c in chances if c <= observed))


def two_proportions(one, two):
    (a, n1), (b, n2) = one, two
    p = (a + b) / (n1 + n2)
    z = (a / n1 - b / n2) / math.sqrt(p * (1 - p) * (1 / n1 + 1 / n2))
    return math.erfc(abs(z) / math.sqrt(2))


def wilson(a, n):
    """The roots of (p - a / n)^2 = z^2 p (1 - p) / n."""
    share = a / n
    square, linear, constant = 1 + Z * Z / n, -(2 * share + Z * Z / n), share * share
    root = math.sqrt(linear * linear - 4 * square * constant)
    return (-linear - root) / (2 * square), (-linear + root) / (2 * square)


def newcombe(one, two):
    (l1, u1), (l2, u2) = wilson(*one), wilson(*two)
    p1, p2 = one[0] / one[1], two[0] / two[1]
    return [p1 - p2 - math.sqrt((p1 - l1)**2 + (u2 - p2)**2), p1 - p2 + math.sqrt((u1 - p1)**2 + (p2 - l2)**2)]


def paired_proportions(b, c, n):
    p12, p21 = (b + 1) / (n + 2), (c + 1) / (n + 2)
    half = Z * math.sqrt((p12 + p21 - (p21 - p12)**2) / (n + 2))
    return [max(-1.0, p21 - p12 - half), min(1.0, p21 - p12 + half)]


def student_tail(t, degrees):
    """Two-sided, by Simpson's rule over the density from 0 to |t|."""
    scale = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(degrees * math.pi)
    steps = 20000
    h = abs(t) / steps
    f = [scale * (1 + (i * h)**2 / degrees)**(-(degrees + 1) / 2) for i in range(steps + 1)]
    return 1 - 2 * h / 3 * (f[0] + f[-1] + 4 * sum(f[1:-1:2]) + 2 * sum(f[2:-1:2]))


def paired_t(values):
    return student_tail(mean(values) / math.sqrt(variance(values) / len(values)), len(values) - 1)


def welch(one, two):
    v1, v2 = variance(one) / len(one), variance(two) / len(two)
    degrees = (v1 + v2)**2 / (v1**2 / (len(one) - 1) + v2**2 / (len(two) - 1))
    return student_tail((mean(one) - mean(two)) / math.sqrt(v1 + v2), degrees)


def pass_at_k(n, c, k):
    return float(1 - Fraction(math.comb(n - c, k), math.comb(n, k)))


def power(difference, error):
    normal = NormalDist()
    return normal.cdf(difference / error - Z) + normal.cdf(-difference / error - Z)


def mcnemar_pairs(d, psi):
    beta = NormalDist().inv_cdf(0.8)
    return math.ceil((Z * math.sqrt(psi) + beta * math.sqrt(psi - d * d))**2 / d**2)


def sample_ratio(counts, shares):
    """For two groups: one degree of freedom, so the tail is that of the normal distribution."""
    expected = [sum(counts) * s / sum(shares) for s in shares]
    return math.erfc(math.sqrt(sum((c - e)**2 / e for c, e in zip(counts, expected)) / 2))


def betting(grid, values):
    """The capitals of every point in logarithms, none of them left out early."""
    alpha, open_points = 0.05, [True] * (grid + 1)
    above, below = [0.0] * (grid + 1), [0.0] * (grid + 1)
    total, squares = 0.0, 0.0
    for t, x in enumerate(values, start=1):
        bet = math.sqrt(2 * math.log(2 / alpha) / ((0.25 + squares) / t * t * math.log(1 + t)))
        for i in range(grid + 1):
            m = i / grid
            above[i] += math.log(1 + min(bet, 0.5 / m if m else bet) * (x - m))
            below[i] += math.log(1 - min(bet, 0.5 / (1 - m) if m < 1 else bet) * (x - m))
            if max(above[i], below[i]) >= math.log(2 / alpha):
                open_points[i] = False
        total += x
        squares += (x - (0.5 + total) / (t + 1))**2
    inside = [i for i, is_open in enumerate(open_points) if is_open]
    return [max(inside[0] - 1, 0) / grid, min(inside[-1] + 1, grid) / grid]


def sequential_mcnemar(pairs):
    b = c = 0
    p = Fraction(1)
    for one, two in pairs:
        b, c = b + (one and not two), c + (two and not one)
        beta = Fraction(math.factorial(b) * math.factorial(c), math.factorial(b + c + 1))
        p = min(p, 1 / (2**(b + c) * beta))
    return float(p)


def cases():
    draw = random.Random(4)
    out = [("mcnemar", [b, c, mid]) for b, c in [(0, 1), (1, 7), (4, 4), (12, 30), (90, 140)] for mid in (False, True)]
    for one, two in [((3, 4), (1, 4)), ((2, 17), (10, 13)), ((56, 70), (48, 80)), ((1, 40), (9, 45))]:
        out += [(what, [one, two]) for what in ("fisher", "two_proportions", "newcombe")]
    out += [("paired_proportions", [b, c, n]) for b, c, n in [(0, 0, 10), (2, 12, 100), (1, 0, 5)]]
    values = [[draw.gauss(0.1, 1) for _ in range(n)] for n in (3, 12, 50)]
    out += [("paired_t", v) for v in values] + [("welch", [values[0], values[1]]), ("welch", [values[1], values[2]])]
    out += [("pass_at_k", [n, c, k]) for n, c, k in [(10, 3, 1), (10, 3, 5), (200, 7, 100), (5, 5, 5), (5, 0, 2)]]
    out += [("power", [d, e]) for d, e in [(0.02, 0.01), (0.05, 0.02), (0.001, 0.05)]]
    out += [("mcnemar_pairs", [d, psi]) for d, psi in [(0.1, 0.4), (0.05, 0.2)]]
    out += [("sample_ratio", [[5100, 4900], [1, 1]]), ("sample_ratio", [[880, 120], [9, 1]])]
    out += [("betting", [100, [float(draw.random() < p) for _ in range(n)]]) for p, n in [(0.5, 60), (0.9, 300)]]
    out += [("betting", [50, [draw.random() for _ in range(200)]])]
    out += [("sequential_mcnemar", [[draw.random() < 0.5, draw.random() < 0.8] for _ in range(60)])]
    return out


def scipy_says(what, given):
    """SciPy's word, or nothing where it has no such function or is not there."""
    if scipy_stats is None:
        return None
    if what == "mcnemar" and not given[2]:
        return scipy_stats.binomtest(min(given[:2]), sum(given[:2]), 0.5).pvalue
    if what == "fisher":
        (a, n1), (b, n2) = given
        return scipy_stats.fisher_exact([[a, n1 - a], [b, n2 - b]])[1]
    if what == "paired_t":
        return scipy_stats.ttest_1samp(given, 0).pvalue
    if what == "welch":
        return scipy_stats.ttest_ind(*given, equal_var=False).pvalue
    if what == "sample_ratio":
        counts, shares = given
        return scipy_stats.chisquare(counts, [sum(counts) * s / sum(shares) for s in shares]).pvalue
    return None


def near(found, expected):
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(near, found, expected))
    return abs(found - expected) <= 1e-9 * max(1.0, abs(expected))


def main():
    given = cases()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([{"what": what, "in": value} for what, value in given], file)
        file.flush()
        found = json.loads(subprocess.run([sys.argv[1], file.name], capture_output=True, check=True, text=True).stdout)
    wrong = 0
    for (what, value), answer in zip(given, found):
        ours = globals()[what](value) if what in ("paired_t", "sequential_mcnemar") else globals()[what](*value)
        for name, expected in (("the oracle", ours), ("SciPy", scipy_says(what, value))):
            if expected is not None and not near(answer, expected):
                wrong += 1
                print(f"{what} {str(value)[:80]}: {answer}, {name} says {expected}")
    by_scipy = "and SciPy's" if scipy_stats else "(SciPy is not installed)"
    print(f"{len(given)} cases against the oracle's {by_scipy}: {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
