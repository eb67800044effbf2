#include "core/scoring/answer_list.hpp"

#include "core/scoring/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::scoring {

std::optional<std::vector<std::string>> right_texts(const scorer_definition& definition,
                                                    std::string_view target) {
  std::vector<std::string> texts;
  if (definition.separator == "json") {
    const auto list = nlohmann::json::parse(target, nullptr, false);
    if (!list.is_array())
      return std::nullopt;
    for (const auto& item : list) {
      if (!item.is_string())
        return std::nullopt;
      texts.push_back(item.get<std::string>());
    }
  } else if (!definition.separator.empty()) {
    for (size_t begin = 0; begin <= target.size();) {
      const size_t end = std::min(target.find(definition.separator, begin), target.size());
      texts.emplace_back(strip(target.substr(begin, end - begin)));
      begin = end + definition.separator.size();
    }
  } else if (!target.empty() || definition.targets.empty()) {
    texts.emplace_back(target);
  }
  texts.insert(texts.end(), definition.targets.begin(), definition.targets.end());
  return texts;
}

} // namespace assay::scoring
