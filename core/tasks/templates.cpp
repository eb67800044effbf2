#include "core/tasks/templates.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace assay::tasks {
namespace {

constexpr size_t fields_shown = 20;

fault broken(std::string message, std::string hint) {
  return {errc::template_failed, std::move(message), {}, std::move(hint)};
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos)
    return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

} // namespace

result<text_template::place> text_template::compile_field(std::string_view written) {
  constexpr std::string_view hint = "write {{ and }} for literal braces";
  const std::string_view name = trimmed(written);
  if (name.empty())
    return broken("an empty field {}", std::string(hint));
  if (name.find_first_of("\"\n\r") != std::string_view::npos)
    return broken("`{" + std::string(written.substr(0, 40)) + "}` is no field", std::string(hint));
  place compiled;
  compiled.name = name;
  // A name that is no path, such as the header `Price [USD]`, is only looked up whole.
  std::vector<step> steps;
  for (size_t i = 0; i < name.size();) {
    if (name[i] == '[') {
      size_t index = 0;
      const char* end = name.data() + name.size();
      const auto [stop, error] = std::from_chars(name.data() + i + 1, end, index);
      if (error != std::errc{} || stop == end || *stop != ']' || steps.empty())
        return compiled;
      steps.emplace_back(index);
      i = static_cast<size_t>(stop - name.data()) + 1;
      if (i < name.size() && name[i] == '.')
        ++i;
      else if (i < name.size() && name[i] != '[')
        return compiled;
    } else {
      const size_t end = std::min(name.find_first_of(".[", i), name.size());
      if (end == i)
        return compiled;
      steps.emplace_back(std::string(name.substr(i, end - i)));
      i = end < name.size() && name[end] == '.' ? end + 1 : end;
    }
  }
  compiled.steps = std::move(steps);
  return compiled;
}

result<text_template> text_template::compile(std::string_view source) {
  text_template compiled;
  compiled.source_ = source;
  std::string literal;
  for (size_t i = 0; i < source.size(); ++i) {
    const char c = source[i];
    if ((c == '{' || c == '}') && i + 1 < source.size() && source[i + 1] == c) {
      literal.push_back(c);
      ++i;
    } else if (c == '}') {
      return broken("a } without its { at character " + std::to_string(i + 1),
                    "write }} for a literal brace");
    } else if (c == '{') {
      const size_t end = source.find_first_of("{}", i + 1);
      if (end == std::string_view::npos || source[end] == '{')
        return broken("a { without its } at character " + std::to_string(i + 1),
                      "write {{ for a literal brace");
      auto field = compile_field(source.substr(i + 1, end - i - 1));
      if (field.has_error())
        return field.error();
      field->before = std::exchange(literal, {});
      compiled.places_.push_back(std::move(*field));
      i = end;
    } else {
      literal.push_back(c);
    }
  }
  compiled.tail_ = std::move(literal);
  return compiled;
}

const row_value* text_template::find(const row_value& fields, const place& wanted) noexcept {
  if (const row_value* whole = fields.find(wanted.name))
    return whole;
  if (wanted.steps.empty())
    return nullptr;
  const row_value* value = &fields;
  for (const step& next : wanted.steps) {
    const auto* name = std::get_if<std::string>(&next);
    value = name != nullptr ? value->find(*name) : value->at(std::get<size_t>(next));
    if (value == nullptr)
      return nullptr;
  }
  return value;
}

result<std::string> text_template::render(const row_value& fields) const {
  std::string out;
  for (const place& wanted : places_) {
    out.append(wanted.before);
    const row_value* value = find(fields, wanted);
    if (value == nullptr) {
      std::string present = "fields present: ";
      const auto& names = fields.names();
      for (size_t i = 0; i < std::min(names.size(), fields_shown); ++i)
        present.append(i == 0 ? "" : ", ").append(names[i]);
      if (names.size() > fields_shown)
        present.append(", ...");
      return broken("the template names the field `" + wanted.name + "`, which the sample lacks",
                    std::move(present));
    }
    value->append_to(out);
  }
  out.append(tail_);
  return out;
}

std::vector<std::string> text_template::fields() const {
  std::vector<std::string> names;
  names.reserve(places_.size());
  for (const place& wanted : places_)
    names.push_back(wanted.name);
  return names;
}

} // namespace assay::tasks
