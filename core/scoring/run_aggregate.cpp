#include "core/scoring/run_aggregate.hpp"

#include "core/scoring/overlap_parts.hpp"
#include "core/scoring/text.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace assay::scoring {
namespace {

/// Beyond them, pairs of labels are counted as one pair of others, so that memory stays bounded.
constexpr size_t most_pairs = 10'000;
/// Beyond them, values are rounded to a 10,000th.
constexpr size_t most_values = 20'000;

/// How a label of @p definition is written in a pair.
std::string label_text(const scorer_definition& definition) {
  std::string label = definition.positive;
  if (definition.ignore_case || !definition.labels.empty())
    label = lower_case(label);
  if (definition.ignore_punctuation)
    label = remove_punctuation(label);
  return std::string(strip(label));
}

} // namespace

run_aggregate::run_aggregate(const scorer_definition& definition)
    : type_(definition.type), how_(aggregation_of(definition)), average_(definition.average),
      positive_(label_text(definition)), beta_(definition.beta.value_or(2)), orders_(definition.max_order) {
  if (how_ != aggregation::corpus)
    return;
  counts_.assign(type_ == scorer_type::bleu   ? 2 + 2 * size_t{orders_}
                 : type_ == scorer_type::chrf ? 3 * size_t{definition.char_order + definition.word_order}
                                              : 2,
                 0);
}

void run_aggregate::add(double value, std::string_view extracted) {
  if (!std::isfinite(value))
    return;
  ++samples_;
  sum_ += value;
  if (how_ == aggregation::median) {
    add_median(value, 1);
  } else if (how_ == aggregation::corpus) {
    // A sample that failed has no counts: it brings nothing into the corpus.
    const auto counts = read_counts(extracted);
    if (counts.size() == counts_.size())
      for (size_t i = 0; i < counts.size(); ++i)
        counts_[i] += counts[i];
  } else if (how_ == aggregation::class_f1 || how_ == aggregation::mcc) {
    const size_t tab = extracted.find('\t');
    if (tab == std::string_view::npos)
      return;
    std::pair<std::string, std::string> pair(extracted.substr(0, tab), extracted.substr(tab + 1));
    if (pairs_.size() >= most_pairs && !pairs_.contains(pair))
      pair = pair.first == pair.second ? std::pair<std::string, std::string>("(other)", "(other)")
                                       : std::pair<std::string, std::string>("(another)", "(other)");
    ++pairs_[std::move(pair)];
  }
}

void run_aggregate::add_median(double value, uint64_t times) {
  if (!rounded_ && values_.size() >= most_values) {
    rounded_ = true;
    std::map<double, uint64_t> rounded;
    for (const auto& [exact, count] : values_)
      rounded[std::round(exact * 10'000) / 10'000] += count;
    values_ = std::move(rounded);
  }
  values_[rounded_ ? std::round(value * 10'000) / 10'000 : value] += times;
}

void run_aggregate::merge(const run_aggregate& other) {
  samples_ += other.samples_;
  sum_ += other.sum_;
  for (size_t i = 0; i < std::min(counts_.size(), other.counts_.size()); ++i)
    counts_[i] += other.counts_[i];
  for (const auto& [value, times] : other.values_)
    add_median(value, times);
  for (const auto& [pair, times] : other.pairs_)
    pairs_[pair] += times;
}

std::optional<double> run_aggregate::median() const {
  uint64_t total = 0;
  for (const auto& [value, times] : values_)
    total += times;
  if (total == 0)
    return std::nullopt;
  const uint64_t low = (total - 1) / 2;
  const uint64_t high = total / 2;
  uint64_t seen = 0;
  std::optional<double> first;
  for (const auto& [value, times] : values_) {
    seen += times;
    if (!first && seen > low)
      first = value;
    if (seen > high)
      return (*first + value) / 2;
  }
  return first;
}

std::optional<double> run_aggregate::class_f1() const {
  struct tally {
    double hits = 0;
    double predicted = 0;
    double wanted = 0;
  };
  std::map<std::string, tally> classes;
  double hits = 0;
  double total = 0;
  for (const auto& [pair, times] : pairs_) {
    const auto count = static_cast<double>(times);
    total += count;
    classes[pair.first].predicted += count;
    classes[pair.second].wanted += count;
    if (pair.first == pair.second) {
      classes[pair.first].hits += count;
      hits += count;
    }
  }
  if (total == 0)
    return std::nullopt;
  const auto f1 = [](const tally& one) {
    const double sum = one.predicted + one.wanted;
    return sum > 0 ? 2 * one.hits / sum : 0;
  };
  if (average_ == f1_average::micro)
    return hits / total;
  if (average_ == f1_average::binary) {
    const auto found = classes.find(positive_);
    return found == classes.end() ? 0 : f1(found->second);
  }
  double sum = 0;
  for (const auto& [name, one] : classes)
    sum += average_ == f1_average::weighted ? f1(one) * one.wanted : f1(one);
  return sum / (average_ == f1_average::weighted ? total : static_cast<double>(classes.size()));
}

// Gorodkin's extension to several classes (2004), as scikit-learn computes it.
std::optional<double> run_aggregate::mcc() const {
  std::map<std::string, std::pair<double, double>> sums; // predicted, wanted
  double hits = 0;
  double total = 0;
  for (const auto& [pair, times] : pairs_) {
    const auto count = static_cast<double>(times);
    sums[pair.first].first += count;
    sums[pair.second].second += count;
    hits += pair.first == pair.second ? count : 0;
    total += count;
  }
  if (total == 0)
    return std::nullopt;
  double both = 0;
  double predicted = 0;
  double wanted = 0;
  for (const auto& [name, sum] : sums) {
    both += sum.first * sum.second;
    predicted += sum.first * sum.first;
    wanted += sum.second * sum.second;
  }
  const double below = (total * total - predicted) * (total * total - wanted);
  return below <= 0 ? 0 : (hits * total - both) / std::sqrt(below);
}

std::optional<aggregate_value> run_aggregate::value() const {
  const auto same = [](std::optional<double> value) -> std::optional<aggregate_value> {
    return value ? std::optional(aggregate_value{*value, *value}) : std::nullopt;
  };
  if (samples_ == 0)
    return std::nullopt;
  switch (how_) {
  case aggregation::median:
    return same(median());
  case aggregation::class_f1:
    return same(class_f1());
  case aggregation::mcc:
    return same(mcc());
  case aggregation::corpus:
    if (type_ == scorer_type::bleu)
      return same(bleu_of(counts_, orders_, false));
    if (type_ == scorer_type::chrf)
      return same(chrf_of(counts_, beta_));
    return aggregate_value{std::max(0.0, 1 - ter_of(counts_)), ter_of(counts_)};
  case aggregation::automatic:
  case aggregation::mean:
    break;
  }
  return same(sum_ / static_cast<double>(samples_));
}

} // namespace assay::scoring
