#include "tests/server/fake_batch.hpp"

#include <nlohmann/json.hpp>

#include <fstream>
#include <string>

namespace assay::server::test {

namespace {

using nlohmann::json;

/// Adds one row's end. @returns whether it was answered.
bool end_row(storage::write_batch& batch, const run_record& record, uint32_t number, const json& row,
             bool busy) {
  sample_record sample;
  sample.run = record.spec.id;
  sample.address.sample = number;
  sample.status = sample_status::failed;
  if (!row.contains("prompt")) {
    sample.error = errc::template_failed;
    batch.samples.push_back(std::move(sample));
    return false;
  }
  response_record answer;
  answer.run = record.spec.id;
  answer.address = sample.address;
  if (busy) {
    sample.error = errc::rate_limited;
    answer.error = errc::rate_limited;
    answer.error_message = "too many calls";
  } else {
    sample.status = sample_status::scored;
    sample.usage = {3, 5, 0, 0};
    sample.cost = money{1'500'000};
    answer.answer = shared_text{"echo: " + row["prompt"].get<std::string>()};
    answer.finish = finish_reason::stop;
    answer.usage = sample.usage;
    answer.cost = sample.cost;
  }
  batch.samples.push_back(std::move(sample));
  batch.responses.push_back(std::move(answer));
  return !busy;
}

} // namespace

storage::write_batch answered_batch(const submit_run& asked, run_record& record) {
  const auto& model = asked.request.model.value;
  const auto& own = asked.request.own.value();
  auto& task = record.spec.tasks.emplace_back();
  task.id = task_id{"llm_batch"};
  task.definition = own.definition;
  task.dataset_path = own.dataset;
  record.spec.provider = provider_id{"fake"};
  record.state = run_state::completed;
  record.progress.cost = money{0};
  storage::write_batch out;
  std::ifstream rows(own.dataset);
  std::string line;
  for (uint32_t number = 0; std::getline(rows, line); ++number) {
    ++record.progress.total;
    if (model == "slow" && number > 0) {
      record.state = run_state::running;
      continue;
    }
    ++record.progress.done;
    if (end_row(out, record, number, json::parse(line), model == "busy")) {
      record.progress.usage += token_usage{3, 5, 0, 0};
      *record.progress.cost = money{record.progress.cost->nanodollars + 1'500'000};
    } else {
      ++record.progress.failed;
    }
  }
  if (record.state == run_state::completed)
    record.finished_at = wall_time{seconds{1'704'110'460}};
  out.runs.push_back(record);
  return out;
}

} // namespace assay::server::test
