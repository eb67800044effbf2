#include "core/values/task.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cctype>

namespace assay {

void to_json(nlohmann::json& out, const task_summary& task) {
  out = nlohmann::json{
      {"task_id", task.id.value},
      {"name", task.name},
      {"category", task.category},
      {"difficulty", task.difficulty},
      {"description", task.description},
      {"languages", task.languages},
      {"tags", task.tags},
      {"estimated_duration", task.estimated_duration},
      {"task_type", task.task_type},
      {"prompt_types", task.prompt_types},
      {"sample_count", nullptr},
  };
  if (task.sample_count != 0)
    out["sample_count"] = task.sample_count;
}

std::string canonical_difficulty(std::string_view word) {
  struct alias {
    std::string_view from;
    std::string_view to;
  };
  static constexpr std::array<alias, 6> aliases{{{"beginner", "beginner"},
                                                 {"easy", "beginner"},
                                                 {"intermediate", "intermediate"},
                                                 {"medium", "intermediate"},
                                                 {"advanced", "advanced"},
                                                 {"hard", "advanced"}}};
  std::string lower;
  for (const char c : word)
    lower.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  for (const auto& entry : aliases)
    if (entry.from == lower)
      return std::string(entry.to);
  return {};
}

} // namespace assay
