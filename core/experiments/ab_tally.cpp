#include "core/experiments/ab_tally.hpp"

#include "core/stats/effect_size.hpp"
#include "core/stats/hypothesis_tests.hpp"
#include "core/stats/multiple_tests.hpp"
#include "core/stats/power.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace assay::experiments {

namespace {

using json = nlohmann::json;

constexpr size_t grid = 200;
constexpr uint64_t least_for_limits = 100;

json mean_or_null(const stats::running_stats& of) {
  return of.count() == 0 ? json(nullptr) : json(of.mean());
}

json interval_json(const stats::interval& of) { return {{"low", of.low}, {"high", of.high}}; }

stats::proportion share_of(const stats::running_stats& of) {
  return {static_cast<uint64_t>(std::llround(of.mean() * static_cast<double>(of.count()))), of.count()};
}

} // namespace

ab_tally::ab_tally(const ab_test& test)
    : test_(test), binary_(test.metric.kind == metric_kind::success_rate) {
  const auto kind = binary_                    ? pair_evidence::values::binary
                    : test.metric.is_bounded() ? pair_evidence::values::bounded
                                               : pair_evidence::values::unbounded;
  const size_t n = test_.variants.size();
  for (size_t i = 0; i < n; ++i)
    arms_.push_back(
        {0, 0, {}, {}, {}, {}, {}, stats::bounded_mean_sequence(test_.confidence_level, 0, 1, grid)});
  for (size_t i = 0; i < n; ++i)
    for (size_t j = i + 1; j < n; ++j) {
      pairs_.emplace_back(i, j);
      evidence_.emplace_back(kind, test_.paired ? 1 : test_.variants[i].share,
                             test_.paired ? 1 : test_.variants[j].share);
    }
}

result<void> ab_tally::check(const observation& value) const {
  if (count_ >= most_observations)
    return fault{errc::too_large,
                 "the test has all the observations it takes",
                 {},
                 "at most " + std::to_string(most_observations) + " a test: stop it and start another"};
  const auto seen = test_.paired ? units_.find(value.unit) : units_.end();
  if (seen != units_.end() && (seen->second.variants & (1U << value.variant)) != 0)
    return fault{errc::conflict,
                 "unit '" + value.unit + "' has been observed under '" + test_.variants[value.variant].name
                     + "' already",
                 "unit", "a paired test takes every unit once under each variant"};
  return {};
}

void ab_tally::note_unit(const observation& value, std::optional<double> metric) {
  auto& seen = units_[value.unit];
  const uint32_t bit = 1U << value.variant;
  seen.variants |= bit;
  seen.values.resize(arms_.size());
  seen.values[value.variant] = metric;
  for (size_t k = 0; k < pairs_.size(); ++k) {
    const auto [i, j] = pairs_[k];
    if ((i == value.variant || j == value.variant) && seen.values[i] && seen.values[j])
      evidence_[k].add_pair(*seen.values[i], *seen.values[j]);
  }
  // Of a unit that all have seen only that it was seen is still needed.
  if (seen.variants + 1 == 1U << arms_.size()) {
    seen.values.clear();
    seen.values.shrink_to_fit();
  }
}

void ab_tally::compare(const observation& value, double metric) {
  for (size_t k = 0; k < pairs_.size(); ++k) {
    if (pairs_[k].first == value.variant)
      evidence_[k].add_first(metric);
    else if (pairs_[k].second == value.variant)
      evidence_[k].add_second(metric);
  }
}

result<void> ab_tally::add(const observation& value) {
  if (auto fits = check(value); !fits)
    return fits.error();
  const auto metric = metric_of(test_, value);
  if (test_.paired) {
    note_unit(value, metric);
  } else if (metric) {
    compare(value, *metric);
  }
  ++count_;
  auto& mine = arms_[value.variant];
  ++mine.samples;
  mine.successes += value.success ? 1 : 0;
  if (value.quality)
    mine.quality.add(*value.quality);
  if (value.response_time)
    mine.response_time.add(*value.response_time);
  if (value.cost)
    mine.cost.add(*value.cost);
  if (const auto performance = performance_of(test_.variants[value.variant], value))
    mine.performance.add(*performance);
  if (metric) {
    mine.metric.add(*metric);
    if (test_.metric.is_bounded())
      mine.bounds.add(*metric);
  }
  return {};
}

stats::interval ab_tally::interval_of(const arm& one) const {
  if (test_.metric.is_bounded())
    return one.bounds.confidence();
  return stats::asymptotic_sequence_interval(one.metric.mean(), one.metric.standard_deviation(),
                                             one.metric.count(), test_.confidence_level);
}

void ab_tally::fill_single_look(pair_comparison& out, const pair_evidence& evidence) const {
  const auto& a = arms_[out.first].metric;
  const auto& b = arms_[out.second].metric;
  const double alpha = 1 - test_.confidence_level;
  double error = 0;
  if (test_.paired) {
    const auto& differences = evidence.differences();
    out.fixed_p = binary_ ? stats::mcnemar_exact(evidence.only_first(), evidence.only_second()).p
                          : stats::paired_t(differences).p;
    out.effect_size = stats::cohens_d_paired(differences);
    error = differences.standard_error();
  } else {
    const auto first = share_of(a);
    const auto second = share_of(b);
    out.fixed_p = binary_ ? stats::is_large_enough(first, second) ? stats::two_proportions_z(first, second).p
                                                                  : stats::fisher_exact(first, second).p
                          : stats::welch_t(a, b).p;
    out.effect_size =
        binary_ ? std::optional<double>{stats::cohens_h(a.mean(), b.mean())} : stats::cohens_d(a, b);
    error = std::hypot(a.standard_error(), b.standard_error());
  }
  const double wanted = test_.minimum_effect.value_or(std::abs(out.difference));
  if (error > 0 && wanted > 0)
    out.power = stats::power_of(wanted, error, alpha);
}

pair_comparison ab_tally::compare_now(size_t pair, bool full) const {
  const auto& evidence = evidence_[pair];
  const auto& differences = evidence.differences();
  pair_comparison out;
  out.first = pairs_[pair].first;
  out.second = pairs_[pair].second;
  out.difference = arms_[out.first].metric.mean() - arms_[out.second].metric.mean();
  out.p = evidence.p();
  out.compared = differences.count();
  if (!full)
    return out;
  if (differences.count() >= least_for_limits)
    out.interval = stats::asymptotic_sequence_interval(differences.mean(), differences.standard_deviation(),
                                                       differences.count(), test_.confidence_level);
  if (arms_[out.first].metric.count() > 1 && arms_[out.second].metric.count() > 1)
    fill_single_look(out, evidence);
  return out;
}

ab_verdict ab_tally::verdict(bool full) const {
  ab_verdict out;
  std::vector<double> raw;
  for (size_t k = 0; k < pairs_.size(); ++k) {
    out.pairs.push_back(compare_now(k, full));
    raw.push_back(out.pairs.back().p);
  }
  const auto adjusted = stats::holm(raw);
  for (size_t k = 0; k < pairs_.size(); ++k)
    out.pairs[k].adjusted_p = adjusted[k];
  if (!test_.paired && count_ > 0) {
    std::vector<uint64_t> counts;
    std::vector<double> shares;
    for (size_t i = 0; i < arms_.size(); ++i) {
      counts.push_back(arms_[i].samples);
      shares.push_back(test_.variants[i].share);
    }
    out.sample_ratio_p = stats::sample_ratio_mismatch(counts, shares).p;
    // Small counts make chi-square's tail too thin.
    out.sample_ratio_mismatch = count_ >= 10 * arms_.size() && out.sample_ratio_p < mismatch_below;
  }
  if (std::ranges::any_of(arms_, [](const arm& one) { return one.metric.count() == 0; })) {
    out.undecided_because = "a variant has no value of the metric yet";
    return out;
  }
  size_t best = 0;
  for (size_t i = 1; i < arms_.size(); ++i) {
    const double gain = arms_[i].metric.mean() - arms_[best].metric.mean();
    if (test_.metric.less_is_better() ? gain < 0 : gain > 0)
      best = i;
  }
  out.leader = best;
  double worst = 0;
  for (const auto& one : out.pairs)
    if (one.first == best || one.second == best)
      worst = std::max(worst, one.adjusted_p);
  out.confidence = 1 - worst;
  if (std::ranges::any_of(arms_, [&](const arm& one) { return one.samples < test_.minimum_samples; }))
    out.undecided_because =
        "every variant needs " + std::to_string(test_.minimum_samples) + " samples before there is a winner";
  else if (out.sample_ratio_mismatch)
    out.undecided_because = "the variants have not the numbers of samples that the split promises: the "
                            "assignment is broken, and nothing can be concluded";
  else if (worst > 1 - test_.confidence_level + 1e-12)
    out.undecided_because = "'" + test_.variants[best].name + "' leads, but not by enough";
  else
    out.winner = best;
  return out;
}

json ab_tally::variant_json(size_t index) const {
  const auto& one = arms_[index];
  json out{{"sample_size", one.samples},
           {"success_rate",
            one.samples == 0 ? json(nullptr)
                             : json(static_cast<double>(one.successes) / static_cast<double>(one.samples))},
           {"quality_score", mean_or_null(one.quality)},
           {"performance_score", mean_or_null(one.performance)},
           {"response_time_avg", mean_or_null(one.response_time)},
           {"cost_avg", mean_or_null(one.cost)},
           {"total_cost", one.cost.mean() * static_cast<double>(one.cost.count())},
           {"metric", {{"name", to_string(test_.metric)}, {"mean", mean_or_null(one.metric)}}},
           {"interval", nullptr}};
  const uint64_t needed = test_.metric.is_bounded() ? 1 : least_for_limits;
  if (one.metric.count() >= needed)
    out["interval"] = interval_json(interval_of(one));
  return out;
}

json ab_tally::analysis() const {
  const auto seen = verdict(true);
  const auto name = [&](size_t index) { return test_.variants[index].name; };
  json variants = json::object();
  for (size_t i = 0; i < arms_.size(); ++i)
    variants[name(i)] = variant_json(i);
  json comparisons = json::array();
  uint64_t set_aside = 0;
  for (size_t k = 0; k < pairs_.size(); ++k) {
    const auto& one = seen.pairs[k];
    set_aside += evidence_[k].set_aside();
    comparisons.push_back({{"first", name(one.first)},
                           {"second", name(one.second)},
                           {"difference", one.difference},
                           {"interval", one.interval ? interval_json(*one.interval) : json(nullptr)},
                           {"p", one.p},
                           {"p_adjusted", one.adjusted_p},
                           {"significant", one.adjusted_p <= 1 - test_.confidence_level + 1e-12},
                           {"single_look_p", one.fixed_p},
                           {"effect_size", one.effect_size ? json(*one.effect_size) : json(nullptr)},
                           {"power", one.power},
                           {"compared", one.compared}});
  }
  json warnings = json::array();
  if (seen.sample_ratio_mismatch)
    warnings.push_back("sample ratio mismatch: " + seen.undecided_because);
  if (set_aside > 0)
    warnings.push_back(std::to_string(set_aside)
                       + " observations were set aside from comparisons: the other variant is far behind");
  return {{"test_id", test_.id},
          {"success_metric", to_string(test_.metric)},
          {"paired", test_.paired},
          {"winner", seen.winner ? json(name(*seen.winner)) : json(nullptr)},
          {"leader", seen.leader ? json(name(*seen.leader)) : json(nullptr)},
          {"significant", seen.winner.has_value()},
          {"confidence", seen.confidence},
          {"confidence_level", test_.confidence_level},
          {"minimum_samples", test_.minimum_samples},
          {"undecided_because", seen.winner ? json(nullptr) : json(seen.undecided_because)},
          {"total_samples", count_},
          {"variants", std::move(variants)},
          {"comparisons", std::move(comparisons)},
          {"sample_ratio",
           {{"p", test_.paired ? json(nullptr) : json(seen.sample_ratio_p)},
            {"mismatch", seen.sample_ratio_mismatch}}},
          {"warnings", std::move(warnings)}};
}

} // namespace assay::experiments
