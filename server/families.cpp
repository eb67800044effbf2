#include "server/families.hpp"

#include "core/control/budget.hpp"
#include "server/auth/api_keys.hpp"

#include <nlohmann/json.hpp>

#include <array>

namespace assay::server {

namespace {

using json = nlohmann::json;

struct meaning {
  unsigned status;
  std::string_view code;
};

/// One row for each errc: what it means in engine, jobs and datalab. The words of engine are api_code's.
struct row {
  errc code;
  unsigned engine;
  meaning jobs;
  meaning datalab;
};

constexpr row same(errc code, unsigned status, std::string_view word) {
  return {code, status, {status, word}, {status, word}};
}

constexpr row of_provider(errc code, unsigned status) { return same(code, status, "EXTERNAL_SERVICE_ERROR"); }

constexpr row of_store(errc code) {
  return {code, 503, {503, "SERVICE_UNAVAILABLE"}, {503, "SERVICE_UNAVAILABLE"}};
}

constexpr std::array table{
    row{errc::invalid_argument, 422, {422, "VALIDATION_ERROR"}, {400, "VALIDATION_ERROR"}},
    row{errc::malformed_input, 400, {400, "INVALID_PARAMETER"}, {400, "VALIDATION_ERROR"}},
    row{errc::not_found, 404, {404, "RESOURCE_NOT_FOUND"}, {404, "NOT_FOUND"}},
    same(errc::conflict, 409, "CONFLICT"),
    same(errc::too_large, 413, "PAYLOAD_TOO_LARGE"),
    row{errc::unsupported, 422, {422, "VALIDATION_ERROR"}, {400, "VALIDATION_ERROR"}},
    same(errc::unauthenticated, 401, "UNAUTHORIZED"),
    row{errc::forbidden, 403, {403, "FORBIDDEN"}, {403, "PERMISSION_ERROR"}},
    same(errc::busy, 503, "SERVICE_UNAVAILABLE"),
    row{errc::rate_limited, 429, {429, "QUOTA_EXCEEDED"}, {429, "EXTERNAL_SERVICE_ERROR"}},
    row{errc::quota_exhausted, 429, {429, "QUOTA_EXCEEDED"}, {429, "EXTERNAL_SERVICE_ERROR"}},
    row{errc::budget_exhausted, 429, {429, "QUOTA_EXCEEDED"}, {429, "CONFIGURATION_ERROR"}},
    row{errc::request_over_budget, 422, {429, "QUOTA_EXCEEDED"}, {429, "CONFIGURATION_ERROR"}},
    of_provider(errc::connect_failed, 502),
    row{errc::provider_timeout, 408, {408, "TIMEOUT_ERROR"}, {408, "TIMEOUT_ERROR"}},
    of_provider(errc::provider_unavailable, 502),
    of_provider(errc::truncated_answer, 502),
    of_provider(errc::malformed_answer, 502),
    of_provider(errc::provider_rejected, 502),
    of_provider(errc::credentials_rejected, 502),
    of_provider(errc::content_filtered, 502),
    of_provider(errc::breaker_open, 503),
    same(errc::cancelled, 409, "CANCELLED"),
    same(errc::time_limit_reached, 408, "TIMEOUT_ERROR"),
    same(errc::dataset_changed, 409, "DATASET_CHANGED"),
    row{errc::dataset_unreadable, 422, {422, "WORKSPACE_INVALID"}, {400, "PROCESSING_ERROR"}},
    row{errc::template_failed, 422, {422, "VALIDATION_ERROR"}, {400, "PROCESSING_ERROR"}},
    row{errc::scorer_failed, 500, {500, "EXECUTION_FAILED"}, {500, "PROCESSING_ERROR"}},
    same(errc::invalid_transition, 409, "INVALID_TRANSITION"),
    of_store(errc::store_locked),
    of_store(errc::store_unreadable),
    of_store(errc::store_full),
    of_store(errc::store_failed),
    of_store(errc::store_incompatible),
    same(errc::actor_lost, 503, "SERVICE_UNAVAILABLE"),
    same(errc::deadline_exceeded, 503, "SERVICE_UNAVAILABLE"),
    same(errc::shutting_down, 503, "SERVICE_UNAVAILABLE"),
    row{errc::internal, 500, {500, "EXECUTION_FAILED"}, {500, "INTERNAL_SERVER_ERROR"}},
};

/// OpenAI's status and `error.code`. What a provider did to us is not what the caller did to us: a key of
/// ours that it refuses is no 401 here.
meaning in_openai(errc code) {
  switch (code) {
  case errc::invalid_argument:
  case errc::malformed_input:
  case errc::provider_rejected:
  case errc::request_over_budget:
    return {400, {}};
  case errc::unsupported:
    return {400, "unsupported_value"};
  case errc::content_filtered:
    return {400, "content_filter"};
  case errc::unauthenticated:
    return {401, "invalid_api_key"};
  case errc::forbidden:
    return {403, {}};
  case errc::not_found:
    return {404, "model_not_found"};
  case errc::provider_timeout:
  case errc::time_limit_reached:
    return {408, "timeout"};
  case errc::conflict:
  case errc::cancelled:
  case errc::invalid_transition:
    return {409, {}};
  case errc::too_large:
    return {413, {}};
  case errc::rate_limited:
    return {429, "rate_limit_exceeded"};
  case errc::quota_exhausted:
  case errc::budget_exhausted:
    return {429, "insufficient_quota"};
  case errc::connect_failed:
  case errc::provider_unavailable:
  case errc::truncated_answer:
  case errc::malformed_answer:
  case errc::credentials_rejected:
    return {502, to_string(code)};
  case errc::internal:
    return {500, {}};
  default:
    return {503, to_string(code)};
  }
}

std::string_view openai_type(const problem& failure) {
  if (failure.code == "insufficient_quota")
    return "insufficient_quota";
  switch (failure.status) {
  case 403:
    return "permission_error";
  case 408:
    return "timeout_error";
  case 429:
    return "rate_limit_error";
  case 503:
    return "service_unavailable_error";
  default:
    return failure.status < 500 ? "invalid_request_error" : "server_error";
  }
}

meaning in_family(family kind, const row& entry) {
  switch (kind) {
  case family::engine:
    return {entry.engine, api_code(entry.code)};
  case family::jobs:
    return entry.jobs;
  case family::datalab:
    return entry.datalab;
  case family::openai:
    return in_openai(entry.code);
  }
  return {entry.engine, api_code(entry.code)};
}

meaning meaning_of(family kind, errc code) {
  for (const auto& entry : table)
    if (entry.code == code)
      return in_family(kind, entry);
  return meaning_of(kind, errc::internal);
}

std::string_view http_code(unsigned status) {
  switch (status) {
  case 405:
    return "METHOD_NOT_ALLOWED";
  case 408:
    return "TIMEOUT_ERROR";
  case 415:
    return "UNSUPPORTED_MEDIA_TYPE";
  case 426:
    return "UPGRADE_REQUIRED";
  case 429:
    return "TOO_MANY_REQUESTS";
  case 431:
    return "HEADERS_TOO_LARGE";
  default:
    return "BAD_REQUEST";
  }
}

json or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(without_api_keys(text)); }

json details_of(const problem& failure) {
  auto details = json::object();
  if (!failure.what.hint.empty())
    details["hint"] = without_api_keys(failure.what.hint);
  if (failure.retry_after)
    details["retry_after"] = failure.retry_after->count();
  if (!failure.allow.empty())
    details["allow"] = failure.allow;
  return details;
}

std::string sentence(const fault& what) {
  return what.message.empty() ? std::string{to_string(what.code)} : without_api_keys(what.message);
}

json meta_of(const exchange_facts& facts) {
  return {{"timestamp", to_rfc3339(facts.now)}, {"request_id", facts.request_id}, {"api_version", "v1"}};
}

} // namespace

std::string_view to_string(family value) noexcept {
  switch (value) {
  case family::engine:
    return "engine";
  case family::jobs:
    return "jobs";
  case family::datalab:
    return "datalab";
  case family::openai:
    return "openai";
  }
  return "engine";
}

std::optional<family> family_from_string(std::string_view name) noexcept {
  for (const auto kind : {family::engine, family::jobs, family::datalab, family::openai})
    if (to_string(kind) == name)
      return kind;
  return std::nullopt;
}

family family_of_path(std::string_view path) noexcept {
  const auto below = [&](std::string_view base) {
    return path.starts_with(base) && (path.size() == base.size() || path[base.size()] == '/');
  };
  if (below("/api/v1"))
    return family::jobs;
  if (below("/v1"))
    return family::openai;
  for (const auto base : {"/data_filtering", "/data_generation", "/evaluation", "/llamafactory", "/llm_api",
                          "/quality_assessment", "/api/tasks"})
    if (below(base))
      return family::datalab;
  return family::engine;
}

problem problem_of(family kind, fault what, std::optional<seconds> retry_after) {
  const auto [status, code] = meaning_of(kind, what.code);
  problem out;
  out.status = status;
  out.code = code;
  out.what = std::move(what);
  if (status == 503 || out.what.code == errc::rate_limited)
    out.retry_after = seconds{1};
  if (retry_after)
    out.retry_after = retry_after;
  return out;
}

std::optional<seconds> known_wait(const fault& what, wall_time now) {
  // A place comes with the end of a run, which is no matter of a second.
  if (what.code == errc::rate_limited && what.where.ends_with("max_queued_runs"))
    return seconds{30};
  if (what.code != errc::budget_exhausted || what.where == control::setting_of_run_budget)
    return std::nullopt;
  const auto scope = what.where.ends_with("monthly_budget") ? control::budget_scope::model_month
                                                            : control::budget_scope::day;
  const auto next = control::next_period(scope, now);
  return next ? std::optional{std::chrono::ceil<seconds>(*next - now)} : std::nullopt;
}

problem http_problem(family kind, unsigned status, std::string message, std::string hint) {
  problem out;
  out.status = status;
  out.code = kind == family::openai                                     ? ""
             : kind == family::datalab && status < 500 && status != 408 ? "VALIDATION_ERROR"
                                                                        : http_code(status);
  out.what = fault{errc::invalid_argument, std::move(message), {}, std::move(hint)};
  return out;
}

std::string success_body(family kind, const json& payload, const exchange_facts& facts) {
  switch (kind) {
  case family::engine:
  case family::openai:
    return to_text(payload);
  case family::jobs:
    return to_text({{"success", true}, {"data", payload}, {"meta", meta_of(facts)}});
  case family::datalab: {
    json out{{"status", "success"},
             {"message", nullptr},
             {"request_id", facts.request_id},
             {"timestamp", to_rfc3339(facts.now)},
             {"execution_time_ms", facts.elapsed.count()}};
    if (payload.is_object())
      out.update(payload);
    return to_text(out);
  }
  }
  return {};
}

std::string error_body(family kind, const problem& failure, const exchange_facts& facts) {
  const auto message = sentence(failure.what);
  // Clients that show `detail` or `message` alone would not say which value is wrong.
  const auto line = failure.status == 422 && !failure.what.where.empty()
                        ? without_api_keys(failure.what.where) + ": " + message
                        : message;
  switch (kind) {
  case family::engine:
    return to_text({{"error",
                     {{"code", failure.code},
                      {"message", message},
                      {"field", or_null(failure.what.where)},
                      {"details", details_of(failure)}}},
                    {"detail", line},
                    {"message", line},
                    {"request_id", facts.request_id}});
  case family::jobs:
    return to_text({{"success", false},
                    {"data", nullptr},
                    {"meta", meta_of(facts)},
                    {"errors",
                     {{{"code", failure.code},
                       {"message", message},
                       {"field", or_null(failure.what.where)},
                       {"details", details_of(failure)}}}}});
  case family::datalab:
    return to_text(
        {{"status", "error"},
         {"message", message},
         {"error_code", failure.code},
         {"error_details", {{"field", or_null(failure.what.where)}, {"details", details_of(failure)}}},
         {"request_id", facts.request_id},
         {"timestamp", to_rfc3339(facts.now)},
         {"execution_time_ms", facts.elapsed.count()},
         {"path", without_api_keys(facts.path)}});
  case family::openai: {
    // Where no field is named, it was a path that does not exist.
    const bool no_model = failure.what.code == errc::not_found && failure.what.where.empty();
    // What a provider, a limit or a setting of ours did is no parameter of the caller's.
    const bool of_ours =
        failure.status == 429 || failure.status >= 500 || failure.what.code == errc::request_over_budget;
    const auto field = of_ours ? json() : or_null(failure.what.where);
    const auto details = details_of(failure);
    auto text = message;
    if (field.is_string())
      text.insert(0, field.get<std::string>() + ": ");
    if (const auto hint = details.find("hint"); hint != details.end())
      text.append(" (").append(hint->get<std::string>()).append(")");
    return to_text({{"error",
                     {{"message", std::move(text)},
                      {"type", openai_type(failure)},
                      {"param", field},
                      {"code", no_model ? json() : or_null(failure.code)}}}});
  }
  }
  return {};
}

response error_response(family kind, const problem& failure, const exchange_facts& facts) {
  response out;
  out.status = failure.status;
  out.body = error_body(kind, failure, facts);
  if (failure.retry_after)
    out.headers.push_back({"Retry-After", std::to_string(failure.retry_after->count())});
  std::string allow;
  for (const auto& method : failure.allow)
    allow += (allow.empty() ? "" : ", ") + method;
  if (!allow.empty())
    out.headers.push_back({"Allow", std::move(allow)});
  if (failure.status == 401)
    out.headers.push_back({"WWW-Authenticate", "Bearer"});
  return out;
}

std::string to_text(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

} // namespace assay::server
