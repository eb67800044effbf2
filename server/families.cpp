#include "server/families.hpp"

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

meaning in_family(family kind, const row& entry) {
  switch (kind) {
  case family::engine:
    return {entry.engine, api_code(entry.code)};
  case family::jobs:
    return entry.jobs;
  case family::datalab:
    return entry.datalab;
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

json or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

json details_of(const problem& failure) {
  auto details = json::object();
  if (!failure.what.hint.empty())
    details["hint"] = failure.what.hint;
  if (failure.retry_after)
    details["retry_after"] = failure.retry_after->count();
  if (!failure.allow.empty())
    details["allow"] = failure.allow;
  return details;
}

std::string sentence(const fault& what) {
  return what.message.empty() ? std::string{to_string(what.code)} : what.message;
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
  }
  return "engine";
}

std::optional<family> family_from_string(std::string_view name) noexcept {
  for (const auto kind : {family::engine, family::jobs, family::datalab})
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
  for (const auto base : {"/data_filtering", "/data_generation", "/evaluation", "/llamafactory", "/llm_api",
                          "/quality_assessment", "/api/tasks"})
    if (below(base))
      return family::datalab;
  return family::engine;
}

problem problem_of(family kind, fault what) {
  const auto [status, code] = meaning_of(kind, what.code);
  problem out;
  out.status = status;
  out.code = code;
  out.what = std::move(what);
  if (status == 503)
    out.retry_after = seconds{1};
  return out;
}

problem http_problem(family kind, unsigned status, std::string message, std::string hint) {
  problem out;
  out.status = status;
  out.code =
      kind == family::datalab && status < 500 && status != 408 ? "VALIDATION_ERROR" : http_code(status);
  out.what = fault{errc::invalid_argument, std::move(message), {}, std::move(hint)};
  return out;
}

std::string success_body(family kind, const json& payload, const exchange_facts& facts) {
  switch (kind) {
  case family::engine:
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
  const auto line =
      failure.status == 422 && !failure.what.where.empty() ? failure.what.where + ": " + message : message;
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
         {"path", facts.path}});
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
