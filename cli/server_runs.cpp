#include "cli/server_runs.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace assay::cli {

namespace {

using nlohmann::json;

std::optional<double> number(const json& from, const char* name) {
  const auto found = from.find(name);
  return found != from.end() && found->is_number() ? std::optional{found->get<double>()} : std::nullopt;
}

std::string text(const json& from, const char* name) {
  const auto found = from.find(name);
  return found != from.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

uint64_t count(const json& from, const char* name) {
  const auto found = from.find(name);
  return found != from.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

} // namespace

run_record record_from(const json& status) {
  run_record out;
  if (const auto id = run_id_from_string(text(status, "evaluation_id")))
    out.spec.id = *id;
  out.spec.model = model_id{text(status, "model_id")};
  out.spec.provider = provider_id{text(status, "provider")};
  out.state = run_state_from_string(text(status, "state")).value_or(run_state::queued);
  if (const auto samples = status.find("samples"); samples != status.end() && samples->is_object()) {
    out.progress.total = count(*samples, "total");
    out.progress.done = count(*samples, "done");
    out.progress.failed = count(*samples, "failed");
    out.progress.possibly_billed = count(*samples, "possibly_billed");
    const auto at_most = count(*samples, "possibly_billed_at_most");
    out.maybe_lost_calls = at_most - std::min(at_most, out.progress.possibly_billed);
    out.progress.cached = count(*samples, "cached");
    out.progress.in_batches = count(*samples, "in_batches");
  }
  out.waiting_for = text(status, "waiting_for");
  out.progress.samples_per_second = number(status, "samples_per_second").value_or(0);
  if (const auto cost = number(status, "cost"))
    out.progress.cost = from_dollars(*cost);
  if (const auto score = number(status, "score")) {
    out.progress.scored = 1;
    out.progress.score_sum = *score;
  }
  out.progress.estimated_completion = from_rfc3339(text(status, "estimated_completion"));
  if (const auto time = number(status, "execution_time"))
    out.active_for = milliseconds{std::llround(*time * 1000)};
  out.started_at = from_rfc3339(text(status, "start_time"));
  out.finished_at = from_rfc3339(text(status, "finished_at"));
  if (const auto message = text(status, "error_message"); !message.empty())
    out.error = fault{errc::internal, message, {}, {}};
  if (const auto error = status.find("error"); error != status.end() && error->is_object())
    out.error = fault{errc_from_string(text(*error, "code")), text(*error, "message"), text(*error, "where"),
                      text(*error, "hint")};
  return out;
}

result<void> check_run_name(const std::string& name) {
  if (name == "last" || run_id_from_string(name))
    return {};
  return fault{errc::not_found, "'" + name + "' is no run", "ID",
               "ids look like eval_1700000000_0000002a; `assay runs` lists them"};
}

result<run_id> find_run_at(const api_client& api, const std::string& name) {
  if (auto good = check_run_name(name); !good)
    return good.error();
  if (const auto id = run_id_from_string(name))
    return *id;
  json answer;
  if (auto refused = api.ask("GET", "/evaluations?limit=1", nullptr, answer))
    return *refused;
  const auto items = answer.value("items", json::array());
  const auto id = items.empty() ? std::nullopt : run_id_from_string(text(items.front(), "evaluation_id"));
  if (!id)
    return fault{errc::not_found, "the server has no run", "ID", {}};
  return *id;
}

} // namespace assay::cli
