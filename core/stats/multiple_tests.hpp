#pragma once

#include <span>
#include <vector>

namespace assay::stats {

/// p values corrected for having tested several things, in the order of @p p. Compare them with alpha itself.

/// Keeps the chance of any mistake below alpha, whatever the tests have to do with each other: the i-th
/// smallest times (m - i + 1), never falling, at most 1 (Holm 1979).
std::vector<double> holm(std::span<const double> p);

/// Keeps the expected share of mistakes among the findings below alpha, for tests that are independent or
/// positively dependent: the i-th smallest times m / i, from the largest down never rising (Benjamini and
/// Hochberg 1995).
std::vector<double> benjamini_hochberg(std::span<const double> p);

} // namespace assay::stats
