#include "core/reports/test_counts.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace assay::reports {

namespace {

using nlohmann::json;

/// Weighted means of ones are not always one to the last bit.
constexpr double tolerance = 1e-9;

bool is_timeout(errc error) noexcept {
  return error == errc::provider_timeout || error == errc::deadline_exceeded;
}

json counts_json(const test_counts& counts) {
  json out{{"total", counts.total},
           {"full", counts.full},
           {"partial", counts.partial},
           {"errors", counts.errors},
           {"timeouts", counts.timeouts},
           {"scored", counts.scored},
           {"score_sum", counts.score_sum},
           {"time_ms", counts.time.count()},
           {"prompt_tokens", counts.prompt_tokens},
           {"completion_tokens", counts.completion_tokens}};
  if (counts.cost)
    out["cost"] = counts.cost->nanodollars;
  return out;
}

test_counts counts_from(const json& in) {
  test_counts out;
  out.total = in.at("total").get<uint64_t>();
  out.full = in.at("full").get<uint64_t>();
  out.partial = in.at("partial").get<uint64_t>();
  out.errors = in.at("errors").get<uint64_t>();
  out.timeouts = in.at("timeouts").get<uint64_t>();
  out.scored = in.at("scored").get<uint64_t>();
  out.score_sum = in.at("score_sum").get<double>();
  out.time = milliseconds{in.at("time_ms").get<int64_t>()};
  out.prompt_tokens = in.at("prompt_tokens").get<uint64_t>();
  out.completion_tokens = in.at("completion_tokens").get<uint64_t>();
  if (const auto cost = in.find("cost"); cost != in.end())
    out.cost = money{cost->get<int64_t>()};
  return out;
}

fault unreadable(std::string_view why) {
  return {errc::store_unreadable,
          "counts of the result database are damaged: " + std::string(why),
          {},
          "`assay database rebuild` counts the runs anew"};
}

} // namespace

test_counts& test_counts::operator+=(const test_counts& more) noexcept {
  total += more.total;
  full += more.full;
  partial += more.partial;
  errors += more.errors;
  timeouts += more.timeouts;
  scored += more.scored;
  score_sum += more.score_sum;
  time += more.time;
  prompt_tokens += more.prompt_tokens;
  completion_tokens += more.completion_tokens;
  if (more.cost)
    cost = cost.value_or(money{}) + *more.cost;
  return *this;
}

void count_test(test_counts& into, const sample_record& sample, std::optional<double> score) noexcept {
  if (sample.status == sample_status::answered)
    return;
  ++into.total;
  into.time += sample.duration;
  into.prompt_tokens += sample.usage.prompt_tokens;
  into.completion_tokens += sample.usage.completion_tokens;
  if (sample.cost)
    into.cost = into.cost.value_or(money{}) + *sample.cost;
  if (score && std::isfinite(*score)) {
    ++into.scored;
    into.score_sum += *score;
  }
  if (sample.status == sample_status::failed || !score || !std::isfinite(*score)) {
    ++into.errors;
    into.timeouts += sample.error && is_timeout(*sample.error) ? 1 : 0;
    return;
  }
  into.full += *score >= 1 - tolerance ? 1 : 0;
  into.partial += *score > tolerance && *score < 1 - tolerance ? 1 : 0;
}

uint64_t counted_source::total() const noexcept {
  uint64_t out = 0;
  for (const auto& one : tests)
    out += one.counts.total;
  return out;
}

bool is_counted(const run_record& run) noexcept {
  return is_final(run.state) && run.spec.kind == run_kind::evaluation && run.spec.origin.empty()
         && !run.spec.predict_only;
}

test_counter::test_counter(const run_record& run,
                           std::span<const std::shared_ptr<const tasks::task_definition>> tasks)
    : variants_(run.spec.prompt_types.size()) {
  source_.name = to_string(run.spec.id);
  source_.owner = run.spec.owner;
  source_.generation = run.generation;
  source_.finished_at = run.finished_at.value_or(run.spec.created_at);
  for (const auto& task : tasks) {
    rules_.push_back({task->scorer_weights(), task->failed_samples});
    for (const auto& prompt_type : run.spec.prompt_types)
      source_.tests.push_back(
          {{run.spec.model.value, run.spec.provider.value, task->id.value,
            task->task_type.empty() ? task->category : task->task_type, prompt_type, task->difficulty},
           {}});
  }
}

void test_counter::add(const sample_record& sample) {
  const auto& at = sample.address;
  if (at.task >= rules_.size() || at.variant >= variants_)
    return;
  const auto& rule = rules_[at.task];
  count_test(source_.tests[at.task * variants_ + at.variant].counts, sample,
             stats::counted_score(sample, rule.scorers, rule.failed));
}

counted_source test_counter::finish() const {
  auto out = source_;
  std::erase_if(out.tests, [](const counted_tests& one) { return one.counts.total == 0; });
  return out;
}

std::string to_text(const counted_source& source) {
  json tests = json::array();
  for (const auto& one : source.tests) {
    auto row = counts_json(one.counts);
    row["model"] = one.kind.model;
    row["provider"] = one.kind.provider;
    row["task"] = one.kind.task;
    row["task_type"] = one.kind.task_type;
    row["prompt_type"] = one.kind.prompt_type;
    row["difficulty"] = one.kind.difficulty;
    tests.push_back(std::move(row));
  }
  const json out{{"name", source.name},
                 {"imported", source.imported},
                 {"owner", source.owner.value},
                 {"generation", source.generation},
                 {"finished_at", source.finished_at.time_since_epoch().count()},
                 {"runs", source.runs},
                 {"tests", std::move(tests)}};
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

result<counted_source> counted_source_from_text(std::string_view text) {
  try {
    const auto in = json::parse(text);
    counted_source out;
    out.name = in.at("name").get<std::string>();
    out.imported = in.at("imported").get<bool>();
    out.owner = user_id{in.at("owner").get<std::string>()};
    out.generation = in.at("generation").get<uint16_t>();
    out.finished_at = wall_time{milliseconds{in.at("finished_at").get<int64_t>()}};
    out.runs = in.at("runs").get<std::vector<std::string>>();
    for (const auto& row : in.at("tests"))
      out.tests.push_back(
          {{row.at("model").get<std::string>(), row.at("provider").get<std::string>(),
            row.at("task").get<std::string>(), row.at("task_type").get<std::string>(),
            row.at("prompt_type").get<std::string>(), row.at("difficulty").get<std::string>()},
           counts_from(row)});
    return out;
  } catch (const json::exception& error) {
    return unreadable(error.what());
  }
}

} // namespace assay::reports
