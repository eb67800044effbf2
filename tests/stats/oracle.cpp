// Prints what the library says to the cases of oracle_test.py, as one JSON object.
#include "core/stats/confidence_sequence.hpp"
#include "core/stats/effect_size.hpp"
#include "core/stats/hypothesis_tests.hpp"
#include "core/stats/pass_at_k.hpp"
#include "core/stats/power.hpp"
#include "core/stats/sequential_tests.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <iostream>

using namespace assay::stats;
using nlohmann::json;

namespace {

running_stats stats_of(const json& values) {
  running_stats out;
  for (const auto& value : values)
    out.add(value.get<double>());
  return out;
}

proportion proportion_of(const json& pair) { return {pair[0].get<uint64_t>(), pair[1].get<uint64_t>()}; }

json ends(const interval& of) { return json::array({of.low, of.high}); }

json answer(const std::string& what, const json& in) {
  if (what == "mcnemar")
    return mcnemar_exact(in[0].get<uint64_t>(), in[1].get<uint64_t>(), in[2].get<bool>()).p;
  if (what == "fisher")
    return fisher_exact(proportion_of(in[0]), proportion_of(in[1])).p;
  if (what == "two_proportions")
    return two_proportions_z(proportion_of(in[0]), proportion_of(in[1])).p;
  if (what == "newcombe")
    return ends(newcombe_interval(proportion_of(in[0]), proportion_of(in[1])));
  if (what == "paired_proportions")
    return ends(
        paired_proportions_interval(in[0].get<uint64_t>(), in[1].get<uint64_t>(), in[2].get<uint64_t>()));
  if (what == "paired_t")
    return paired_t(stats_of(in)).p;
  if (what == "welch")
    return welch_t(stats_of(in[0]), stats_of(in[1])).p;
  if (what == "pass_at_k")
    return pass_at_k({in[0].get<uint32_t>(), in[1].get<uint32_t>()}, in[2].get<uint32_t>()).value();
  if (what == "power")
    return power_of(in[0].get<double>(), in[1].get<double>());
  if (what == "mcnemar_pairs")
    return pairs_needed_for_mcnemar(in[0].get<double>(), in[1].get<double>());
  if (what == "sample_ratio") {
    const auto counts = in[0].get<std::vector<uint64_t>>();
    const auto shares = in[1].get<std::vector<double>>();
    return sample_ratio_mismatch(counts, shares).p;
  }
  if (what == "betting") {
    bounded_mean_sequence sequence(0.95, 0, 1, in[0].get<size_t>());
    for (const auto& value : in[1])
      sequence.add(value.get<double>());
    return ends(sequence.confidence());
  }
  if (what == "sequential_mcnemar") {
    sequential_mcnemar test;
    for (const auto& pair : in)
      test.add(pair[0].get<bool>(), pair[1].get<bool>());
    return test.p();
  }
  return nullptr;
}

} // namespace

int main(int count, char** arguments) {
  if (count != 2)
    return 2;
  std::ifstream file(arguments[1]);
  json out = json::array();
  for (const auto& one : json::parse(file))
    out.push_back(answer(one["what"].get<std::string>(), one["in"]));
  std::cout << out.dump() << '\n'; // allowed(stdout): what the program is for
  return 0;
}
