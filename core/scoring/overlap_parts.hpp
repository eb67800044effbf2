#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The counts that corpus metrics are made of, for overlap_scorers.cpp and run_aggregate.cpp alone.
namespace assay::scoring {

/// @param counts Words of the answers, of the references, then common and all n-grams of each length.
/// @param sentence Lengths that the answer has no n-gram of do not count.
/// @returns BLEU, 0..1, smoothed by halving (NIST's, `exp` of sacrebleu).
double bleu_of(std::span<const double> counts, uint32_t orders, bool sentence);

/// @param counts For each length: n-grams of the answers, of the references, common.
double chrf_of(std::span<const double> counts, double beta);

/// @param counts Edits, words of the references. @returns the edit rate, 0 or more.
double ter_of(std::span<const double> counts);

/// Numbers with spaces between.
std::string write_counts(std::span<const double> counts);
/// @returns nothing when one of them is no number of 0 or more.
std::vector<double> read_counts(std::string_view text);

} // namespace assay::scoring
