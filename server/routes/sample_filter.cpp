#include "server/routes/sample_filter.hpp"

#include "core/reports/exporter.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace assay::server {

namespace {

std::optional<double> score_of(const run_record& run, const sample_record& sample,
                               const std::string& scorer) {
  if (scorer.empty())
    return reports::shown_score(sample);
  const auto& names = reports::scorer_names(run, sample.address.task);
  for (const auto& score : sample.scores)
    if (score.scorer < names.size() && names[score.scorer] == scorer)
      return score.value;
  return std::nullopt;
}

bool has_error(const sample_record& sample, const std::string& wanted) {
  if (wanted == "any")
    return sample.error.has_value();
  if (wanted == "none")
    return !sample.error;
  return sample.error && to_string(*sample.error) == wanted;
}

fault unknown_name(const char* what, const std::string& name, const char* field,
                   const std::vector<std::string>& known) {
  std::string names;
  for (const auto& one : known)
    names += (names.empty() ? "" : ", ") + one;
  return {errc::invalid_argument, std::string("the evaluation has no ") + what + " '" + name + "'", field,
          "it has " + names};
}

result<std::optional<uint16_t>> index_of(const std::string& name, const std::vector<std::string>& known,
                                         const char* what, const char* field) {
  if (name.empty())
    return std::optional<uint16_t>{};
  const auto found = std::find(known.begin(), known.end(), name);
  if (found == known.end())
    return unknown_name(what, name, field, known);
  return std::optional{static_cast<uint16_t>(found - known.begin())};
}

result<std::optional<double>> number_in(const request_context& context, const char* name) {
  const auto text = context.text(name);
  if (text.empty())
    return std::optional<double>{};
  double out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(out))
    return fault{errc::invalid_argument, "must be a number, not '" + text + "'", name, {}};
  return std::optional{out};
}

std::vector<std::string> task_names(const run_record& run) {
  std::vector<std::string> out;
  for (const auto& task : run.spec.tasks)
    out.push_back(task.id.value);
  return out;
}

} // namespace

bool fits(const run_record& run, const sample_record& sample, const sample_filter& filter) {
  const auto& at = sample.address;
  if ((filter.task && at.task != *filter.task) || (filter.variant && at.variant != *filter.variant))
    return false;
  if (!filter.status.empty() && to_string(sample.status) != filter.status)
    return false;
  if (!filter.error.empty() && !has_error(sample, filter.error))
    return false;
  if (!filter.lowest && !filter.highest && filter.scorer.empty())
    return true;
  const auto score = score_of(run, sample, filter.scorer);
  return score && *score >= filter.lowest.value_or(-std::numeric_limits<double>::infinity())
         && *score <= filter.highest.value_or(std::numeric_limits<double>::infinity());
}

result<sample_filter> filter_in(const request_context& context, const run_record& run) {
  sample_filter out;
  out.status = context.text("status");
  out.error = context.text("error");
  out.scorer = context.text("scorer");
  const auto lowest = number_in(context, "score_min");
  if (!lowest)
    return lowest.error();
  const auto highest = number_in(context, "score_max");
  if (!highest)
    return highest.error();
  out.lowest = *lowest;
  out.highest = *highest;
  const auto task = index_of(context.text("task"), task_names(run), "task", "task");
  if (!task)
    return task.error();
  out.task = *task;
  const auto variant =
      index_of(context.text("prompt_type"), run.spec.prompt_types, "prompt type", "prompt_type");
  if (!variant)
    return variant.error();
  out.variant = *variant;
  if (!out.scorer.empty()) {
    std::vector<std::string> known;
    for (const auto& one : run.spec.tasks)
      for (const auto& name : one.scorer_names)
        if (std::find(known.begin(), known.end(), name) == known.end())
          known.push_back(name);
    if (std::find(known.begin(), known.end(), out.scorer) == known.end())
      return unknown_name("scorer", out.scorer, "scorer", known);
  }
  return out;
}

std::optional<sample_address> begin_of(const sample_filter& filter, std::optional<sample_address> after) {
  if (!filter.task)
    return after;
  const auto variant = filter.variant.value_or(0);
  if (*filter.task == 0 && variant == 0)
    return after;
  const auto task = static_cast<uint16_t>(variant > 0 ? *filter.task : *filter.task - 1);
  const sample_address before{task,       static_cast<uint16_t>(variant > 0 ? variant - 1 : UINT16_MAX),
                              UINT32_MAX, UINT16_MAX,
                              UINT16_MAX, UINT16_MAX};
  return after && *after > before ? after : std::optional{before};
}

bool is_past(const sample_filter& filter, const sample_address& at) {
  if (!filter.task)
    return false;
  return at.task > *filter.task
         || (at.task == *filter.task && filter.variant && at.variant > *filter.variant);
}

} // namespace assay::server
