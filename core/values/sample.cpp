#include "core/values/sample.hpp"

#include "core/values/json_fields.hpp"
#include "core/values/text.hpp"

namespace assay {

namespace {

double in_milliseconds(microseconds duration) noexcept {
  return static_cast<double>(duration.count()) / 1000.0;
}

nlohmann::json status_or_null(uint16_t http_status) {
  return http_status == 0 ? nlohmann::json(nullptr) : nlohmann::json(http_status);
}

nlohmann::json text_or_null(std::string_view text) {
  return text.empty() ? nlohmann::json(nullptr) : nlohmann::json(valid_utf8(text));
}

nlohmann::json timing_to_json(const call_timing& timing) {
  return {
      {"queued_ms", in_milliseconds(timing.queued)},
      {"limiter_ms", in_milliseconds(timing.limiter)},
      {"connect_ms", in_milliseconds(timing.connect)},
      {"first_byte_ms", in_milliseconds(timing.first_byte)},
      {"transfer_ms", in_milliseconds(timing.transfer)},
      {"local_lag_ms", in_milliseconds(timing.local_lag)},
  };
}

nlohmann::json retries_to_json(const std::vector<attempt_record>& failures) {
  auto out = nlohmann::json::array();
  for (const auto& failure : failures)
    out.push_back({
        {"attempt", out.size() + 1},
        {"error", to_string(failure.error)},
        {"class", to_string(retry_class_of(failure.error))},
        {"http_status", status_or_null(failure.http_status)},
        {"waited_ms", failure.waited.count()},
        {"possibly_billed", failure.possibly_billed},
        {"message", valid_utf8(failure.message)},
        {"key", text_or_null(failure.key)},
        {"target", text_or_null(failure.target)},
    });
  return out;
}

void add_scores(nlohmann::json& out, const sample_record& sample,
                const std::vector<std::string>& scorer_names) {
  auto scores = nlohmann::json::object();
  for (const auto& score : sample.scores) {
    const auto name = score.scorer < scorer_names.size() ? scorer_names[score.scorer]
                                                         : "scorer_" + std::to_string(score.scorer);
    scores[name] = {{"value", score.value}, {"extracted", valid_utf8(score.extracted)}};
    if (score.scorer == 0)
      out["score"] = score.value;
  }
  out["scores"] = std::move(scores);
}

/// What only the kept response knows; the same keys as null when there is none.
void add_response(nlohmann::json& out, const response_record* response) {
  if (!response) {
    for (const auto* key : {"prompt", "answer", "target", "finish_reason", "timing", "http_status",
                            "served_model", "request_id", "key", "served_by", "error_message", "finished_at",
                            "usage_estimated", "simulated", "saved_cost"})
      out[key] = nullptr;
    out["retries"] = nlohmann::json::array();
    return;
  }
  out["prompt"] = text_or_null(response->prompt);
  out["answer"] = valid_utf8(response->answer);
  out["target"] = text_or_null(response->target);
  out["finish_reason"] = nullptr;
  if (response->finish != finish_reason::unknown)
    out["finish_reason"] = to_string(response->finish);
  out["timing"] = timing_to_json(response->timing);
  out["http_status"] = status_or_null(response->http_status);
  out["served_model"] = text_or_null(response->served_model);
  out["request_id"] = text_or_null(response->request_id);
  out["key"] = text_or_null(response->key);
  out["served_by"] = text_or_null(response->served_by);
  out["error_message"] = text_or_null(response->error_message);
  out["finished_at"] = to_rfc3339(response->finished_at);
  out["usage_estimated"] = response->usage_estimated;
  out["simulated"] = response->simulated;
  out["saved_cost"] = json_fields::dollars_or_null(response->saved);
  // The last failure of a call that failed was not followed by another try; it is the sample's error.
  auto followed = response->failures;
  if (response->error && !followed.empty())
    followed.pop_back();
  out["retries"] = retries_to_json(followed);
}

} // namespace

std::string_view to_string(finish_reason reason) noexcept {
  switch (reason) {
  case finish_reason::unknown:
    return "unknown";
  case finish_reason::stop:
    return "stop";
  case finish_reason::length:
    return "length";
  case finish_reason::content_filter:
    return "content_filter";
  case finish_reason::tool_calls:
    return "tool_calls";
  }
  return "unknown";
}

std::string_view to_string(sample_status status) noexcept {
  switch (status) {
  case sample_status::answered:
    return "answered";
  case sample_status::scored:
    return "scored";
  case sample_status::failed:
    return "failed";
  }
  return "unknown";
}

nlohmann::json sample_to_json(const sample_record& sample, const std::vector<std::string>& scorer_names) {
  const auto& at = sample.address;
  const auto part = [](unsigned number) { return ":" + std::to_string(number); };
  nlohmann::json out{
      {"id", std::to_string(at.task) + part(at.variant) + part(at.sample) + part(at.epoch)},
      {"evaluation_id", to_string(sample.run)},
      {"task", at.task},
      {"variant", at.variant},
      {"sample", at.sample},
      {"epoch", at.epoch},
      {"step", at.step},
      {"generation", at.generation},
      {"status", to_string(sample.status)},
      {"score", nullptr},
      {"usage", sample.usage},
      {"cost", json_fields::dollars_or_null(sample.cost)},
      {"duration_ms", sample.duration.count()},
      {"tries", sample.tries},
      {"error", nullptr},
      {"possibly_billed", sample.possibly_billed},
      {"cached", sample.cached},
  };
  if (sample.judge_cost)
    out["judge_cost"] = json_fields::dollars_or_null(sample.judge_cost);
  if (sample.error)
    out["error"] = to_string(*sample.error);
  add_scores(out, sample, scorer_names);
  return out;
}

nlohmann::json sample_to_json(const sample_record& sample, const response_record* response,
                              const std::vector<std::string>& scorer_names) {
  auto out = sample_to_json(sample, scorer_names);
  add_response(out, response);
  return out;
}

} // namespace assay
