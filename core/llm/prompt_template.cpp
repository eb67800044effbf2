#include "core/llm/prompt_template.hpp"

#include <nlohmann/json.hpp>

namespace assay::llm {

namespace {

fault failed(std::string message, std::string hint = {}) {
  return {errc::template_failed, std::move(message), "prompt_template", std::move(hint)};
}

} // namespace

result<std::string> fill_prompt(std::string_view text, const nlohmann::json& item) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == c) {
      out += c;
      ++i;
      continue;
    }
    // Answers are often wished for in JSON, so a lone brace that closes nothing is itself.
    if (c == '}') {
      out += c;
      continue;
    }
    const auto end = text.find('}', i);
    if (end == std::string_view::npos)
      return failed("a { is not closed", "write {{ for a brace");
    const std::string name(text.substr(i + 1, end - i - 1));
    const auto found = item.is_object() ? item.find(name) : item.end();
    if (found == item.end())
      return failed("the item has no field `" + name + "`", "write {{ for a brace");
    out += found->is_string() ? found->get<std::string>()
                              : found->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    i = end;
  }
  return out;
}

} // namespace assay::llm
