#include "core/values/errors.hpp"

#include <array>

namespace assay {

std::string_view to_string(errc code) noexcept {
  switch (code) {
  case errc::invalid_argument:
    return "invalid_argument";
  case errc::malformed_input:
    return "malformed_input";
  case errc::not_found:
    return "not_found";
  case errc::conflict:
    return "conflict";
  case errc::too_large:
    return "too_large";
  case errc::unsupported:
    return "unsupported";
  case errc::unauthenticated:
    return "unauthenticated";
  case errc::forbidden:
    return "forbidden";
  case errc::busy:
    return "busy";
  case errc::rate_limited:
    return "rate_limited";
  case errc::quota_exhausted:
    return "quota_exhausted";
  case errc::budget_exhausted:
    return "budget_exhausted";
  case errc::request_over_budget:
    return "request_over_budget";
  case errc::connect_failed:
    return "connect_failed";
  case errc::provider_timeout:
    return "provider_timeout";
  case errc::provider_unavailable:
    return "provider_unavailable";
  case errc::truncated_answer:
    return "truncated_answer";
  case errc::malformed_answer:
    return "malformed_answer";
  case errc::provider_rejected:
    return "provider_rejected";
  case errc::credentials_rejected:
    return "credentials_rejected";
  case errc::content_filtered:
    return "content_filtered";
  case errc::breaker_open:
    return "breaker_open";
  case errc::cancelled:
    return "cancelled";
  case errc::time_limit_reached:
    return "time_limit_reached";
  case errc::dataset_changed:
    return "dataset_changed";
  case errc::dataset_unreadable:
    return "dataset_unreadable";
  case errc::template_failed:
    return "template_failed";
  case errc::scorer_failed:
    return "scorer_failed";
  case errc::invalid_transition:
    return "invalid_transition";
  case errc::store_locked:
    return "store_locked";
  case errc::store_unreadable:
    return "store_unreadable";
  case errc::store_full:
    return "store_full";
  case errc::store_failed:
    return "store_failed";
  case errc::store_incompatible:
    return "store_incompatible";
  case errc::actor_lost:
    return "actor_lost";
  case errc::deadline_exceeded:
    return "deadline_exceeded";
  case errc::shutting_down:
    return "shutting_down";
  case errc::internal:
    return "internal";
  }
  return "unknown";
}

std::string_view api_code(errc code) noexcept {
  switch (code) {
  case errc::invalid_argument:
    return "VALIDATION_ERROR";
  case errc::malformed_input:
    return "MALFORMED_INPUT";
  case errc::not_found:
    return "NOT_FOUND";
  case errc::conflict:
    return "CONFLICT";
  case errc::too_large:
    return "PAYLOAD_TOO_LARGE";
  case errc::unsupported:
    return "UNSUPPORTED";
  case errc::unauthenticated:
    return "UNAUTHORIZED";
  case errc::forbidden:
    return "FORBIDDEN";
  case errc::busy:
  case errc::actor_lost:
  case errc::deadline_exceeded:
  case errc::shutting_down:
    return "SERVICE_UNAVAILABLE";
  case errc::rate_limited:
    return "RATE_LIMITED";
  case errc::quota_exhausted:
    return "QUOTA_EXCEEDED";
  case errc::budget_exhausted:
  case errc::request_over_budget:
    return "BUDGET_EXCEEDED";
  case errc::connect_failed:
  case errc::provider_unavailable:
  case errc::truncated_answer:
  case errc::malformed_answer:
  case errc::provider_rejected:
  case errc::credentials_rejected:
  case errc::content_filtered:
  case errc::breaker_open:
    return "EXTERNAL_SERVICE_ERROR";
  case errc::provider_timeout:
  case errc::time_limit_reached:
    return "TIMEOUT_ERROR";
  case errc::cancelled:
    return "CANCELLED";
  case errc::dataset_changed:
    return "DATASET_CHANGED";
  case errc::dataset_unreadable:
    return "DATASET_UNREADABLE";
  case errc::template_failed:
    return "TEMPLATE_FAILED";
  case errc::scorer_failed:
    return "SCORER_FAILED";
  case errc::invalid_transition:
    return "INVALID_TRANSITION";
  case errc::store_locked:
  case errc::store_unreadable:
  case errc::store_full:
  case errc::store_failed:
  case errc::store_incompatible:
    return "STORE_UNAVAILABLE";
  case errc::internal:
    return "INTERNAL_SERVER_ERROR";
  }
  return "INTERNAL_SERVER_ERROR";
}

std::string_view to_string(retry_class value) noexcept {
  switch (value) {
  case retry_class::never:
    return "never";
  case retry_class::transient:
    return "transient";
  case retry_class::wait:
    return "wait";
  case retry_class::other_key:
    return "other_key";
  case retry_class::other_provider:
    return "other_provider";
  }
  return "unknown";
}

errc errc_from_string(std::string_view name) noexcept {
  for (unsigned number = 1; number <= static_cast<unsigned>(errc::internal); ++number) {
    const auto code = static_cast<errc>(number);
    if (to_string(code) == name)
      return code;
  }
  return errc::internal;
}

bool blames_caller(errc code) noexcept {
  switch (code) {
  case errc::invalid_argument:
  case errc::malformed_input:
  case errc::unsupported:
  case errc::provider_rejected:
  case errc::request_over_budget:
  case errc::cancelled:
    return true;
  default:
    return false;
  }
}

retry_class retry_class_of(errc code) noexcept {
  switch (code) {
  case errc::connect_failed:
  case errc::provider_timeout:
  case errc::provider_unavailable:
  case errc::truncated_answer:
  case errc::malformed_answer:
  case errc::actor_lost:
  case errc::deadline_exceeded:
    return retry_class::transient;
  case errc::rate_limited:
    return retry_class::wait;
  case errc::quota_exhausted:
  case errc::credentials_rejected:
    return retry_class::other_key;
  case errc::breaker_open:
    return retry_class::other_provider;
  default:
    return retry_class::never;
  }
}

std::string to_string(const fault& value) {
  std::string text;
  if (!value.where.empty())
    text.append(value.where).append(": ");
  text.append(value.message.empty() ? to_string(value.code) : std::string_view{value.message});
  if (!value.hint.empty())
    text.append(" (").append(value.hint).append(")");
  return text;
}

void throw_exception_from_error(const fault& value, const boost::source_location&) {
  throw fault_exception(value);
}

} // namespace assay
