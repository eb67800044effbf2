#include "storage/score_reader.hpp"

#include "core/tasks/task_definition.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>

namespace assay::storage {

namespace {

/// "a, b and c"
std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < names.size(); ++i)
    out += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  return out;
}

fault lacks_task(const run_record& run, const std::string& task) {
  std::vector<std::string> names;
  for (const auto& pinned : run.spec.tasks)
    names.push_back(pinned.id.value);
  return {errc::not_found, to_string(run.spec.id) + " has no task '" + task + "'", "task",
          "it has " + listed(names)};
}

fault lacks_scorer(const run_record& run, const std::string& scorer) {
  std::vector<std::string> names;
  for (const auto& pinned : run.spec.tasks)
    for (const auto& name : pinned.scorer_names)
      if (std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
  return {errc::not_found, to_string(run.spec.id) + " has no scorer '" + scorer + "'", "scorer",
          names.empty() ? "its answers are not scored" : "it has " + listed(names)};
}

/// BLAKE2b (RFC 7693), cut to 64 bits.
uint64_t hash_of(std::string_view prompt, std::string_view target) {
  const uint64_t length = prompt.size();
  std::string text(sizeof length, '\0');
  std::memcpy(text.data(), &length, sizeof length);
  text.append(prompt).append(target);
  std::array<unsigned char, crypto_generichash_BYTES_MIN> digest{};
  crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(text.data()),
                     text.size(), nullptr, 0);
  uint64_t out = 0;
  std::memcpy(&out, digest.data(), sizeof out);
  return out;
}

} // namespace

bool have_different_datasets(std::span<const run_record> runs, const std::string& task) {
  std::map<std::string, std::string> hashes;
  for (const auto& run : runs)
    for (const auto& pinned : run.spec.tasks) {
      if (pinned.dataset_hash.empty() || (!task.empty() && pinned.id.value != task))
        continue;
      if (hashes.emplace(pinned.id.value, pinned.dataset_hash).first->second != pinned.dataset_hash)
        return true;
    }
  return false;
}

result<score_reader> score_reader::start(const run_record& run, const score_choice& choice) {
  score_reader out;
  out.run_ = run.spec.id;
  out.with_contents_ = choice.with_contents;
  out.scores_.name = to_string(run.spec.id);
  out.scores_.model = run.spec.model.value;
  out.scores_.variants = run.spec.prompt_types;
  out.rules_.resize(run.spec.tasks.size());
  bool has_task = false;
  for (size_t i = 0; i < run.spec.tasks.size(); ++i) {
    const auto& pinned = run.spec.tasks[i];
    if (!choice.task.empty() && pinned.id.value != choice.task)
      continue;
    has_task = true;
    task_rule rule;
    if (!choice.scorer.empty()) {
      const auto found = std::find(pinned.scorer_names.begin(), pinned.scorer_names.end(), choice.scorer);
      if (found == pinned.scorer_names.end())
        continue;
      rule.scorer = static_cast<uint8_t>(found - pinned.scorer_names.begin());
    }
    if (pinned.definition.empty()) {
      // Not asked by assay: the first of its scores is the task's.
      rule.scorers.assign(pinned.scorer_names.size(), {1, false});
      if (!rule.scorers.empty())
        rule.scorers.front().primary = true;
    } else {
      const auto task = tasks::parse_task(pinned.definition, pinned.id.value + ".yaml", "/");
      if (!task)
        return task.error();
      rule.scorers = task->scorer_weights();
      rule.failed = task->failed_samples;
      const auto reduction = scoring::epochs_reduction_from_string(task->epochs_reducer);
      if (run.spec.epochs > 1 && reduction && reduction->how != scoring::epochs_reducer::mean)
        rule.reduction = reduction;
    }
    rule.place = out.scores_.tasks.size();
    out.scores_.tasks.push_back({pinned.id.value, pinned.dataset_hash, {}, 0, 0});
    out.rules_[i] = std::move(rule);
  }
  if (!has_task)
    return lacks_task(run, choice.task);
  if (out.scores_.tasks.empty())
    return lacks_scorer(run, choice.scorer);
  return out;
}

void score_reader::count(const sample_record& sample) {
  if (sample.status == sample_status::answered || sample.address.task >= rules_.size()
      || !rules_[sample.address.task])
    return;
  const auto& rule = *rules_[sample.address.task];
  auto& into = scores_.tasks[rule.place];
  ++into.samples;
  into.errors += sample.status == sample_status::failed ? 1 : 0;
  if (rule.reduction)
    return add_repeat(sample, rule);
  if (const auto score = value_of(sample, rule))
    into.scores.push_back({sample.address.sample, sample.address.variant, sample.address.epoch, *score});
}

std::optional<double> score_reader::value_of(const sample_record& sample, const task_rule& rule) {
  if (!rule.scorer || sample.status != sample_status::scored)
    return stats::counted_score(sample, rule.scorers, rule.failed);
  const auto found = std::find_if(sample.scores.begin(), sample.scores.end(),
                                  [&](const score_value& value) { return value.scorer == *rule.scorer; });
  if (found == sample.scores.end() || !std::isfinite(found->value))
    return std::nullopt;
  return found->value;
}

/// As a result counts repeats: each scorer's values become one, and then the scorers' one score.
void score_reader::add_repeat(const sample_record& sample, const task_rule& rule) {
  const auto& at = sample.address;
  if (open_
      && (open_->address.task != at.task || open_->address.variant != at.variant
          || open_->address.sample != at.sample))
    close_sample();
  if (!open_) {
    open_.emplace();
    open_->address = at;
    open_->values.resize(rule.scorers.size());
  }
  if (sample.status != sample_status::scored || !stats::primary_score(sample.scores, rule.scorers)) {
    if (rule.failed == stats::failed_samples::zero)
      for (auto& values : open_->values)
        values.push_back(0);
    return;
  }
  for (const auto& score : sample.scores)
    if (score.scorer < open_->values.size())
      open_->values[score.scorer].push_back(score.value);
}

void score_reader::close_sample() {
  if (!open_)
    return;
  const auto& rule = *rules_[open_->address.task];
  sample_record whole;
  whole.address = open_->address;
  whole.status = sample_status::scored;
  for (size_t i = 0; i < open_->values.size(); ++i)
    if (const auto value = scoring::reduce_epochs(*rule.reduction, open_->values[i]))
      whole.scores.push_back({static_cast<uint8_t>(i), *value, {}});
  open_.reset();
  if (whole.scores.empty())
    return;
  if (const auto score = value_of(whole, rule))
    scores_.tasks[rule.place].scores.push_back({whole.address.sample, whole.address.variant, 0, *score});
}

result<void> score_reader::note_content(snapshot& view, const sample_address& at) {
  // All epochs ask the same.
  if (at.epoch != 0 || at.task >= rules_.size() || !rules_[at.task])
    return {};
  auto place = at;
  place.step = 0;
  for (uint16_t generation = at.generation + 1; generation-- > 0;) {
    place.generation = generation;
    const auto found = view.find_response(run_, place);
    if (!found)
      return found.error();
    if (!*found || (*found)->prompt.empty())
      continue;
    scores_.tasks[rules_[at.task]->place].contents.push_back(
        {at.sample, at.variant, hash_of((*found)->prompt.view(), (*found)->target.view())});
    return {};
  }
  return {};
}

result<bool> score_reader::read_page(snapshot& view) {
  auto page = view.page_samples(run_, after_, max_page_rows);
  if (!page)
    return page.error();
  for (const auto& sample : page->samples) {
    count(sample);
    if (!with_contents_)
      continue;
    if (auto noted = note_content(view, sample.address); !noted)
      return noted.error();
  }
  after_ = page->next;
  if (!after_)
    close_sample();
  return after_.has_value();
}

result<stats::run_scores> read_scores(const std::shared_ptr<store>& from, const run_record& run,
                                      const score_choice& choice) {
  auto reader = score_reader::start(run, choice);
  if (!reader)
    return reader.error();
  for (;;) {
    auto view = snapshot::open(from);
    if (!view)
      return view.error();
    const auto more = reader->read_page(*view);
    if (!more)
      return more.error();
    if (!*more)
      return reader->take();
  }
}

} // namespace assay::storage
