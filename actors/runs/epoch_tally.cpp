#include "actors/runs/epoch_tally.hpp"

#include <utility>

namespace assay {

namespace {

/// Whole samples have no texts that an aggregate of its own could be made of.
std::vector<stats::scorer_weight> without_own(std::vector<stats::scorer_weight> scorers) {
  for (auto& scorer : scorers)
    scorer.own = nullptr;
  return scorers;
}

bool is_repeat_of(const sample_address& a, const sample_address& b) noexcept {
  return a.task == b.task && a.variant == b.variant && a.sample == b.sample;
}

} // namespace

epoch_tally::epoch_tally(std::vector<stats::scorer_weight> scorers, stats::failed_samples rule,
                         const scoring::epochs_reduction& reduction, bool repeats)
    : scorers_(std::move(scorers)), rule_(rule), reduction_(reduction), repeats_(repeats),
      scores_(repeats ? without_own(scorers_) : scorers_, rule) {
  for (const auto& scorer : scorers_) {
    auto& own = own_.emplace_back();
    if (repeats && scorer.own)
      own = *scorer.own;
  }
}

void epoch_tally::add_row(stats::task_accumulator& to, const sample_record& sample) const {
  if (sample.status != sample_status::scored)
    to.add_failed();
  else if (sample.scores.empty())
    to.add_unscored();
  else
    to.add(sample.scores);
}

void epoch_tally::add(const sample_record& sample) {
  if (!repeats_)
    return add_row(scores_, sample);
  if (open_ && !is_repeat_of(open_->address, sample.address)) {
    close(scores_);
    open_.reset();
  }
  ++rows_;
  if (!open_) {
    open_.emplace();
    open_->address = sample.address;
    open_->values.resize(scorers_.size());
  }
  const bool counts = sample.status == sample_status::scored
                      && (sample.scores.empty() || stats::primary_score(sample.scores, scorers_));
  if (!counts) {
    ++errors_;
    open_->failed = true;
    if (rule_ == stats::failed_samples::zero)
      for (auto& values : open_->values)
        values.push_back(0);
    return;
  }
  open_->scored = true;
  for (const auto& score : sample.scores)
    if (score.scorer < open_->values.size()) {
      open_->values[score.scorer].push_back(score.value);
      if (auto& own = own_[score.scorer])
        own->add(score.value, score.extracted);
    }
}

void epoch_tally::close(stats::task_accumulator& to) const {
  std::vector<score_value> reduced;
  for (size_t i = 0; i < open_->values.size(); ++i)
    if (const auto value = scoring::reduce_epochs(reduction_, open_->values[i]))
      reduced.push_back({static_cast<uint8_t>(i), *value, {}});
  if (!reduced.empty())
    to.add(reduced);
  else if (open_->failed || !open_->scored)
    to.add_failed();
  else
    to.add_unscored();
}

void epoch_tally::add_own(stats::task_score& out) const {
  bool any = false;
  for (size_t i = 0; i < own_.size() && i < out.own.size(); ++i) {
    out.own[i] = own_[i] ? own_[i]->value() : std::nullopt;
    any = any || out.own[i].has_value();
  }
  if (!any || !out.score)
    return;
  double sum = 0;
  double weights = 0;
  for (size_t i = 0; i < scorers_.size(); ++i)
    if (const auto metric = stats::metric_of(out, i);
        metric && scorers_[i].primary && scorers_[i].weight > 0) {
      sum += *metric * scorers_[i].weight;
      weights += scorers_[i].weight;
    }
  if (weights > 0)
    out.score = sum / weights;
}

stats::task_score epoch_tally::finish() const {
  if (!repeats_)
    return scores_.finish();
  auto scores = scores_;
  if (open_)
    close(scores);
  auto out = scores.finish();
  add_own(out);
  out.samples = rows_;
  out.errors = errors_;
  return out;
}

} // namespace assay
