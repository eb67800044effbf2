#include "core/llm/prompt_template.hpp"

#include <nlohmann/json.hpp>

namespace assay::llm {

namespace {

fault failed(std::string message, std::string hint = {}) {
  return {errc::template_failed, std::move(message), "prompt_template", std::move(hint)};
}

/// Takes the text apart. @param literal Gets each character that stands for itself. @param field Gets each
/// field's name, and says what is wrong with it.
template <class Literal, class Field>
result<void> walk(std::string_view text, Literal&& literal, Field&& field) {
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      literal(c);
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == c) {
      literal(c);
      ++i;
      continue;
    }
    // Answers are often wished for in JSON, so a lone brace that closes nothing is itself.
    if (c == '}') {
      literal(c);
      continue;
    }
    const auto end = text.find('}', i);
    if (end == std::string_view::npos)
      return failed("a { is not closed", "write {{ for a brace");
    if (result<void> good = field(std::string(text.substr(i + 1, end - i - 1))); !good)
      return good;
    i = end;
  }
  return {};
}

} // namespace

result<void> check_prompt(std::string_view text) {
  return walk(
      text, [](char) {}, [](const std::string&) { return result<void>{}; });
}

result<std::string> fill_prompt(std::string_view text, const nlohmann::json& item) {
  std::string out;
  out.reserve(text.size());
  const auto fill = [&](const std::string& name) -> result<void> {
    const auto found = item.is_object() ? item.find(name) : item.end();
    if (found == item.end())
      return failed("the item has no field `" + name + "`", "write {{ for a brace");
    out += found->is_string() ? found->get<std::string>()
                              : found->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return {};
  };
  if (auto filled = walk(
          text, [&](char c) { out += c; }, fill);
      !filled)
    return filled.error();
  return out;
}

} // namespace assay::llm
