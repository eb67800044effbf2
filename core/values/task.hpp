#pragma once

#include "core/values/ids.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace assay {

/// What lists show of a task (GET /tasks).
struct task_summary {
  task_id id;
  std::string name;
  std::string category;   ///< `single_turn`, `multi_turn`, ...
  std::string difficulty; ///< beginner, intermediate or advanced.
  std::string description;
  std::vector<std::string> languages;
  std::vector<std::string> tags;
  uint32_t estimated_duration = 0; ///< Seconds.
  std::vector<std::string> prompt_types;
  uint64_t sample_count = 0;  ///< 0 when not counted yet.
  std::string task_type = {}; ///< `code`, `reasoning`, ...; may be empty.
};

void to_json(nlohmann::json& out, const task_summary& task);

/// @returns beginner, intermediate or advanced for it or for its alias easy, medium, hard; else an empty
/// text.
std::string canonical_difficulty(std::string_view word);

} // namespace assay
