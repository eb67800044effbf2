#include "core/tasks/row_value.hpp"

#include <nlohmann/json.hpp>
#include <simdjson.h>

#include <utility>

namespace assay::tasks {
namespace {

constexpr size_t depth_limit = 100;

/// @returns whether the text may hold an escaped surrogate.
bool has_surrogate(std::string_view json) noexcept {
  for (size_t at = json.find("\\u"); at != std::string_view::npos; at = json.find("\\u", at + 2))
    if (at + 2 < json.size() && (json[at + 2] == 'd' || json[at + 2] == 'D'))
      return true;
  return false;
}

} // namespace

/// Receives the parser's events. The stack holds the open arrays and objects, each with the name it will have
/// in the one around it.
class row_builder {
public:
  bool null() { return scalar(row_value::kind::null, "null"); }
  bool boolean(bool value) { return scalar(row_value::kind::boolean, value ? "true" : "false"); }
  bool number_integer(int64_t value) { return scalar(row_value::kind::number, std::to_string(value)); }
  bool number_unsigned(uint64_t value) { return scalar(row_value::kind::number, std::to_string(value)); }
  bool number_float(double, const std::string& written) { return scalar(row_value::kind::number, written); }
  bool string(std::string& value) { return scalar(row_value::kind::text, std::move(value)); }
  bool binary(nlohmann::json::binary_t&) { return false; }
  bool start_object(size_t) { return open(row_value::kind::object); }
  bool start_array(size_t) { return open(row_value::kind::array); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    stack_.back().names_.push_back(std::move(name));
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error ...": the line is ours.
    std::string_view text = error.what();
    if (const size_t at = text.find("column "); at != std::string_view::npos)
      text.remove_prefix(at);
    problem_ = text;
    return false;
  }

  const std::string& problem() const noexcept { return problem_; }
  row_value take() { return std::move(root_); }

private:
  bool scalar(row_value::kind type, std::string text) {
    row_value value;
    value.type_ = type;
    value.text_ = std::move(text);
    return add(std::move(value));
  }
  bool add(row_value value) {
    if (stack_.empty())
      root_ = std::move(value);
    else
      stack_.back().items_.push_back(std::move(value));
    return true;
  }
  bool open(row_value::kind type) {
    if (stack_.size() == depth_limit) {
      problem_ = "nested over 100 levels deep";
      return false;
    }
    row_value value;
    value.type_ = type;
    value.text_.clear();
    stack_.push_back(std::move(value));
    return true;
  }
  bool close() {
    row_value value = std::move(stack_.back());
    stack_.pop_back();
    return add(std::move(value));
  }

  std::vector<row_value> stack_;
  row_value root_;
  std::string problem_;
};

/// Copies what simdjson parsed. It reads several times faster than the other parser, but keeps of a fraction
/// only its binary value, so rows with one are left to the other.
class fast_row_builder {
public:
  /// @returns false for what must be left to the other parser.
  static bool build(const simdjson::dom::element& element, row_value& out, size_t depth = 0) {
    using simdjson::dom::element_type;
    switch (element.type()) {
    case element_type::STRING:
      return scalar(out, row_value::kind::text, std::string(element.get_string().value_unsafe()));
    case element_type::INT64:
      return scalar(out, row_value::kind::number, std::to_string(element.get_int64().value_unsafe()));
    case element_type::UINT64:
      return scalar(out, row_value::kind::number, std::to_string(element.get_uint64().value_unsafe()));
    case element_type::BOOL:
      return scalar(out, row_value::kind::boolean, element.get_bool().value_unsafe() ? "true" : "false");
    case element_type::NULL_VALUE:
      return true;
    case element_type::DOUBLE:
      return false;
    case element_type::ARRAY:
    case element_type::OBJECT:
      break;
    }
    if (depth == depth_limit)
      return false;
    out.text_.clear();
    if (element.is_object()) {
      out.type_ = row_value::kind::object;
      const simdjson::dom::object members = element.get_object().value_unsafe();
      for (const auto& [name, value] : members) {
        out.names_.emplace_back(name);
        if (!build(value, out.items_.emplace_back(), depth + 1))
          return false;
      }
      return true;
    }
    out.type_ = row_value::kind::array;
    const simdjson::dom::array items = element.get_array().value_unsafe();
    for (const auto& value : items)
      if (!build(value, out.items_.emplace_back(), depth + 1))
        return false;
    return true;
  }

private:
  static bool scalar(row_value& out, row_value::kind type, std::string text) {
    out.type_ = type;
    out.text_ = std::move(text);
    return true;
  }
};

struct row_parser::buffers {
  simdjson::dom::parser parser;
};

row_parser::row_parser() : buffers_(std::make_unique<buffers>()) {}
row_parser::~row_parser() = default;

result<row_value> row_parser::parse(std::string_view json) {
  // simdjson 3.0 lets half a surrogate pair through.
  if (!has_surrogate(json)) {
    const auto parsed = buffers_->parser.parse(json.data(), json.size());
    row_value value;
    if (parsed.error() == simdjson::SUCCESS && fast_row_builder::build(parsed.value_unsafe(), value))
      return value;
  }
  // Also for the reason of a failure.
  return parse_row_value(json);
}

row_value row_value::of_text(std::string text) {
  row_value value;
  value.type_ = kind::text;
  value.text_ = std::move(text);
  return value;
}

row_value row_value::of_object(std::vector<std::string> names, std::vector<row_value> values) {
  row_value value;
  value.type_ = kind::object;
  value.text_.clear();
  value.names_ = std::move(names);
  value.items_ = std::move(values);
  return value;
}

const row_value* row_value::find(std::string_view name) const noexcept {
  for (size_t i = names_.size(); i-- > 0;)
    if (names_[i] == name)
      return &items_[i];
  return nullptr;
}

const row_value* row_value::at(size_t index) const noexcept {
  return type_ == kind::array && index < items_.size() ? &items_[index] : nullptr;
}

void row_value::append_to(std::string& out) const {
  if (type_ == kind::text)
    out.append(text_);
  else
    append_json(out);
}

void row_value::append_json(std::string& out) const {
  switch (type_) {
  case kind::null:
  case kind::boolean:
  case kind::number:
    out.append(text_);
    return;
  case kind::text:
    out.append(nlohmann::json(text_).dump());
    return;
  case kind::array:
  case kind::object:
    break;
  }
  const bool object = type_ == kind::object;
  out.push_back(object ? '{' : '[');
  for (size_t i = 0; i < items_.size(); ++i) {
    if (i > 0)
      out.append(", ");
    if (object)
      out.append(nlohmann::json(names_[i]).dump()).append(": ");
    items_[i].append_json(out);
  }
  out.push_back(object ? '}' : ']');
}

result<row_value> parse_row_value(std::string_view json) {
  row_builder builder;
  if (!nlohmann::json::sax_parse(json, &builder))
    return fault{errc::malformed_input, "not valid JSON: " + builder.problem(), {}, {}};
  return builder.take();
}

} // namespace assay::tasks
