#include "core/reports/json_writer.hpp"

#include "core/values/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace assay::reports {

namespace {

using tasks::row_value;

/// The digits and the exponent of the shortest text, which repr() then lays out by rules of its own.
struct shortest {
  bool negative = false;
  std::string digits; ///< Without point; the first is not 0 unless the value is.
  int exponent = 0;   ///< Of ten, of the first digit.
};

shortest take_apart(double value) {
  std::array<char, 64> buffer{};
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  shortest out;
  if (error != std::errc{})
    return out;
  std::string_view text(buffer.data(), static_cast<size_t>(end - buffer.data()));
  out.negative = text.starts_with('-');
  if (out.negative)
    text.remove_prefix(1);
  const auto e = text.find('e');
  for (const char c : text.substr(0, e))
    if (c != '.')
      out.digits += c;
  auto power = text.substr(e + 1);
  if (power.starts_with('+'))
    power.remove_prefix(1);
  std::from_chars(power.data(), power.data() + power.size(), out.exponent);
  return out;
}

bool is_integer(std::string_view number) noexcept {
  return number.find_first_of(".eE") == std::string_view::npos;
}

double to_double(std::string_view number) {
  double out = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), out);
  // Python reads what is too large as infinity, and what is too small as zero.
  if (error == std::errc::result_out_of_range) {
    const auto e = number.find_first_of("eE");
    const bool small = e != std::string_view::npos && number.substr(e + 1).starts_with('-');
    const bool negative = number.starts_with('-');
    out = small ? 0.0 : HUGE_VAL;
    return negative ? -out : out;
  }
  return out;
}

} // namespace

std::string python_float(double value) {
  if (std::isnan(value))
    return "NaN";
  if (std::isinf(value))
    return value < 0 ? "-Infinity" : "Infinity";
  const auto parts = take_apart(value);
  std::string out = parts.negative ? "-" : "";
  const auto& digits = parts.digits;
  const auto size = static_cast<int>(digits.size());
  // repr() writes an exponent below 1e-4 and from 1e16 on.
  if (parts.exponent < -4 || parts.exponent >= 16) {
    out += digits.substr(0, 1);
    if (size > 1)
      out += "." + digits.substr(1);
    const auto power = std::to_string(std::abs(parts.exponent));
    out += parts.exponent < 0 ? "e-" : "e+";
    return out + (power.size() < 2 ? "0" : "") + power;
  }
  if (parts.exponent < 0)
    return out + "0." + std::string(static_cast<size_t>(-parts.exponent - 1), '0') + digits;
  const auto whole = parts.exponent + 1;
  if (size <= whole)
    return out + digits + std::string(static_cast<size_t>(whole - size), '0') + ".0";
  return out + digits.substr(0, static_cast<size_t>(whole)) + "." + digits.substr(static_cast<size_t>(whole));
}

void append_json_text(std::string& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  const auto clean = valid_utf8(text);
  out += '"';
  for (const char c : clean) {
    switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    case '\b':
      out += "\\b";
      break;
    case '\f':
      out += "\\f";
      break;
    default:
      if (static_cast<unsigned char>(c) < 0x20) {
        out += "\\u00";
        out += hex[static_cast<unsigned char>(c) >> 4];
        out += hex[static_cast<unsigned char>(c) & 15];
      } else {
        out += c;
      }
    }
  }
  out += '"';
}

void json_writer::new_line(size_t depth) {
  if (indent_ < 0)
    return;
  out_ += '\n';
  out_.append(depth * static_cast<size_t>(indent_), ' ');
}

void json_writer::before_value() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (levels_.empty())
    return;
  auto& at = levels_.back();
  if (!at.empty)
    out_ += indent_ < 0 ? ", " : ",";
  at.empty = false;
  new_line(levels_.size());
}

void json_writer::close(char end) {
  const bool empty = levels_.back().empty;
  levels_.pop_back();
  if (!empty)
    new_line(levels_.size());
  out_ += end;
}

json_writer& json_writer::begin_object() {
  before_value();
  out_ += '{';
  levels_.push_back({true, true});
  return *this;
}

json_writer& json_writer::end_object() {
  close('}');
  return *this;
}

json_writer& json_writer::begin_array() {
  before_value();
  out_ += '[';
  levels_.push_back({false, true});
  return *this;
}

json_writer& json_writer::end_array() {
  close(']');
  return *this;
}

json_writer& json_writer::key(std::string_view name) {
  before_value();
  append_json_text(out_, name);
  out_ += ": ";
  after_key_ = true;
  return *this;
}

json_writer& json_writer::text(std::string_view value) {
  before_value();
  append_json_text(out_, value);
  return *this;
}

json_writer& json_writer::number(double value) {
  before_value();
  out_ += python_float(value);
  return *this;
}

json_writer& json_writer::number(const std::optional<double>& value) {
  return value ? number(*value) : null();
}

json_writer& json_writer::integer(int64_t value) {
  before_value();
  out_ += std::to_string(value);
  return *this;
}

json_writer& json_writer::count(uint64_t value) {
  before_value();
  out_ += std::to_string(value);
  return *this;
}

json_writer& json_writer::boolean(bool value) {
  before_value();
  out_ += value ? "true" : "false";
  return *this;
}

json_writer& json_writer::null() {
  before_value();
  out_ += "null";
  return *this;
}

json_writer& json_writer::value(const nlohmann::json& value) {
  using kind = nlohmann::json::value_t;
  switch (value.type()) {
  case kind::object:
    begin_object();
    for (const auto& [name, member] : value.items())
      key(name).value(member);
    return end_object();
  case kind::array:
    begin_array();
    for (const auto& element : value)
      this->value(element);
    return end_array();
  case kind::string:
    return text(value.get_ref<const std::string&>());
  case kind::boolean:
    return boolean(value.get<bool>());
  case kind::number_integer:
    return integer(value.get<int64_t>());
  case kind::number_unsigned:
    return count(value.get<uint64_t>());
  case kind::number_float:
    return number(value.get<double>());
  case kind::null:
  case kind::binary:
  case kind::discarded:
    return null();
  }
  return null();
}

json_writer& json_writer::value(const row_value& value) {
  switch (value.type()) {
  case row_value::kind::null:
    return null();
  case row_value::kind::boolean:
    return boolean(value.text() == "true");
  case row_value::kind::number:
    if (!is_integer(value.text()))
      return number(to_double(value.text()));
    before_value();
    out_ += value.text() == "-0" ? "0" : value.text();
    return *this;
  case row_value::kind::text:
    return text(value.text());
  case row_value::kind::array:
    begin_array();
    for (size_t i = 0; i < value.size(); ++i)
      if (const auto* element = value.at(i))
        this->value(*element);
    return end_array();
  case row_value::kind::object:
    break;
  }
  begin_object();
  const auto& names = value.names();
  for (size_t i = 0; i < names.size(); ++i) {
    const auto first = std::find(names.begin(), names.end(), names[i]);
    if (first == names.begin() + static_cast<std::ptrdiff_t>(i))
      if (const auto* member = value.find(names[i]))
        key(names[i]).value(*member);
  }
  return end_object();
}

} // namespace assay::reports
