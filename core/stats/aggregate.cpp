#include "core/stats/aggregate.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace assay::stats {
namespace {

bool counts(const scorer_weight& scorer) noexcept { return scorer.primary && scorer.weight > 0; }

} // namespace

std::optional<double> primary_score(std::span<const score_value> scores,
                                    std::span<const scorer_weight> scorers) noexcept {
  double sum = 0;
  double weights = 0;
  for (size_t i = 0; i < scorers.size(); ++i) {
    if (!counts(scorers[i]))
      continue;
    const auto score = std::find_if(scores.begin(), scores.end(),
                                    [&](const score_value& value) { return value.scorer == i; });
    if (score == scores.end() || !std::isfinite(score->value))
      return std::nullopt;
    sum += score->value * scorers[i].weight;
    weights += scorers[i].weight;
  }
  if (weights == 0)
    return std::nullopt;
  return sum / weights;
}

std::optional<double> counted_score(const sample_record& sample, std::span<const scorer_weight> scorers,
                                    failed_samples rule) noexcept {
  if (sample.status == sample_status::answered)
    return std::nullopt;
  if (sample.status == sample_status::scored) {
    if (sample.scores.empty())
      return std::nullopt;
    if (const auto score = primary_score(sample.scores, scorers))
      return score;
  }
  return rule == failed_samples::zero ? std::optional{0.0} : std::nullopt;
}

task_accumulator::task_accumulator(std::vector<scorer_weight> scorers, failed_samples rule)
    : scorers_(std::move(scorers)), rule_(rule), values_(scorers_.size()), own_(scorers_.size()) {
  for (size_t i = 0; i < scorers_.size(); ++i)
    if (scorers_[i].own)
      own_[i] = *scorers_[i].own;
}

void task_accumulator::add(std::span<const score_value> scores) {
  const auto primary = primary_score(scores, scorers_);
  if (!primary) {
    add_failed();
    return;
  }
  ++samples_;
  primary_.add(*primary);
  for (const score_value& score : scores)
    if (score.scorer < values_.size() && std::isfinite(score.value)) {
      values_[score.scorer].add(score.value);
      if (auto& own = own_[score.scorer])
        own->add(score.value, score.extracted);
    }
}

void task_accumulator::add_failed() {
  ++samples_;
  ++errors_;
  if (rule_ == failed_samples::exclude)
    return;
  primary_.add(0);
  for (score_accumulator& value : values_)
    value.add(0);
  for (auto& own : own_)
    if (own)
      own->add(0, {});
}

void task_accumulator::merge(const task_accumulator& other) {
  for (size_t i = 0; i < std::min(values_.size(), other.values_.size()); ++i)
    values_[i].merge(other.values_[i]);
  for (size_t i = 0; i < std::min(own_.size(), other.own_.size()); ++i)
    if (own_[i] && other.own_[i])
      own_[i]->merge(*other.own_[i]);
  primary_.merge(other.primary_);
  samples_ += other.samples_;
  errors_ += other.errors_;
}

task_score task_accumulator::finish() const {
  task_score out;
  out.samples = samples_;
  out.errors = errors_;
  for (const score_accumulator& value : values_)
    out.scorers.push_back(value.finish());
  out.primary = primary_.finish();
  for (const auto& own : own_)
    out.own.push_back(own ? own->value() : std::nullopt);
  if (out.primary.count == 0)
    return out;
  // Each counted sample has every primary value, so the mean of the samples' weighted means is the weighted
  // mean of the scorers' means.
  out.score = out.primary.mean;
  if (std::none_of(out.own.begin(), out.own.end(), [](const auto& own) { return own.has_value(); }))
    return out;
  double sum = 0;
  double weights = 0;
  for (size_t i = 0; i < scorers_.size(); ++i)
    if (const auto metric = metric_of(out, i); metric && counts(scorers_[i])) {
      sum += *metric * scorers_[i].weight;
      weights += scorers_[i].weight;
    }
  if (weights > 0)
    out.score = sum / weights;
  return out;
}

std::optional<double> metric_of(const task_score& score, size_t scorer) noexcept {
  if (scorer < score.own.size() && score.own[scorer])
    return score.own[scorer]->score;
  if (scorer >= score.scorers.size() || score.scorers[scorer].count == 0)
    return std::nullopt;
  return score.scorers[scorer].mean;
}

std::optional<double> overall_score(std::span<const std::optional<double>> task_scores) noexcept {
  running_stats scores;
  for (const auto& score : task_scores)
    if (score)
      scores.add(*score);
  if (scores.count() == 0)
    return std::nullopt;
  return scores.mean();
}

} // namespace assay::stats
