#include "core/values/event.hpp"

#include <string>

namespace assay {

std::string_view to_string(event_type type) noexcept {
  switch (type) {
  case event_type::evaluation_created:
    return "evaluation_created";
  case event_type::evaluation_started:
    return "evaluation_started";
  case event_type::evaluation_progress:
    return "evaluation_progress";
  case event_type::evaluation_paused:
    return "evaluation_paused";
  case event_type::evaluation_resumed:
    return "evaluation_resumed";
  case event_type::evaluation_completed:
    return "evaluation_completed";
  case event_type::evaluation_failed:
    return "evaluation_failed";
  case event_type::evaluation_cancelled:
    return "evaluation_cancelled";
  case event_type::evaluation_retried:
    return "evaluation_retried";
  case event_type::sample_completed:
    return "sample_completed";
  case event_type::log:
    return "log";
  case event_type::alert:
    return "alert";
  case event_type::ab_test_analysis:
    return "ab_test_analysis";
  case event_type::experiment_progress:
    return "experiment_progress";
  }
  return "unknown";
}

namespace {

/// FNV-1a.
uint32_t hash_of(std::string_view name) noexcept {
  uint32_t hash = 0x811c9dc5U;
  for (const char c : name) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x01000193U;
  }
  return hash;
}

} // namespace

run_id ab_test_channel(std::string_view test) noexcept {
  const auto hash = hash_of(test);
  return run_id{hash == 0 ? uint64_t{1} : uint64_t{hash}};
}

run_id experiment_channel(std::string_view experiment) noexcept {
  return run_id{(uint64_t{1} << 32U) | hash_of(experiment)};
}

shared_text to_frame(const event& value) {
  // The data is JSON text already; parsing it only to print it again would cost more than all the rest.
  const std::string_view data = value.data.empty() ? std::string_view{"{}"} : value.data.view();
  std::string frame;
  frame.reserve(data.size() + 128);
  frame.append(R"({"type":")").append(to_string(value.type));
  frame.append(R"(","data":)").append(data);
  frame.append(R"(,"seq":)").append(std::to_string(value.seq));
  frame.append(R"(,"timestamp":")").append(to_rfc3339(value.at)).append(R"("})");
  return shared_text{frame};
}

} // namespace assay
