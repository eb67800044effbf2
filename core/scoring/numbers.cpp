#include "core/scoring/numbers.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace assay::scoring {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool starts_with(std::string_view text, size_t at, std::string_view prefix) noexcept {
  return at <= text.size() && text.substr(at, prefix.size()) == prefix;
}

size_t digit_run(std::string_view text, size_t at) noexcept {
  size_t end = at;
  while (end < text.size() && is_digit(text[end]))
    ++end;
  return end - at;
}

std::optional<double> to_double(std::string_view digits) noexcept {
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  // from_chars leaves the value alone when it is out of range.
  if (error != std::errc{} || end != digits.data() + digits.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

/// @returns the bytes of a thousands separator at @p at, or 0. Narrow and no-break spaces count, plain ones
/// do not: "in 1990 200 people" are two numbers.
size_t separator_length(std::string_view text, size_t at) noexcept {
  for (const std::string_view separator : {",", "{,}", "\\,", "\xC2\xA0", "\xE2\x80\xAF", "\xE2\x80\x89"})
    if (starts_with(text, at, separator))
      return separator.size();
  return 0;
}

/// @returns the group of exactly @p size digits behind a separator at @p at, with the separator; or nothing.
std::string_view digit_group(std::string_view text, size_t at, size_t size) noexcept {
  const size_t separator = separator_length(text, at);
  if (separator == 0 || digit_run(text, at + separator) != size)
    return {};
  return text.substr(at, separator + size);
}

/// Reads an unsigned number from its first character on.
class number_reader {
public:
  number_reader(std::string_view text, size_t position)
      : text_(text), begin_(position), position_(position) {}

  std::optional<found_number> read() {
    if (starts_with(text_, position_, "\\"))
      return latex_fraction();
    whole_part();
    const bool plain = fraction_part();
    const size_t before_power = position_;
    power_of_ten();
    found_number number;
    if (plain && position_ == before_power)
      number.integer = digits_;
    const auto value = to_double(digits_);
    if (!value)
      return std::nullopt;
    number.value = *value;
    if (!number.integer.empty() && !divisor(number))
      return std::nullopt;
    percent(number);
    number.end = position_;
    return number;
  }

  /// Where reading ended, also after a failure.
  size_t position() const noexcept { return position_; }

private:
  void whole_part() {
    const size_t first = digit_run(text_, position_);
    digits_.append(text_.substr(position_, first));
    position_ += first;
    if (first == 0 || first > 3)
      return;
    while (true) {
      std::string_view group = digit_group(text_, position_, 3);
      if (group.empty()) {
        // Lakh and crore: groups of two, and three at the end.
        group = digit_group(text_, position_, 2);
        if (group.empty() || digit_group(text_, position_ + group.size(), 3).empty())
          return;
      }
      std::copy_if(group.begin(), group.end(), std::back_inserter(digits_), is_digit);
      position_ += group.size();
    }
  }

  /// @returns whether there is none.
  bool fraction_part() {
    if (!starts_with(text_, position_, "."))
      return true;
    const size_t run = digit_run(text_, position_ + 1);
    if (run == 0)
      return true;
    if (digits_.empty())
      digits_ = "0";
    digits_.append(text_.substr(position_, run + 1));
    position_ += run + 1;
    return false;
  }

  void power_of_ten() {
    size_t at = position_;
    if (at < text_.size() && (text_[at] == 'e' || text_[at] == 'E')) {
      ++at;
    } else {
      while (at < text_.size() && text_[at] == ' ')
        ++at;
      bool times = false;
      for (const std::string_view sign : {"\xC3\x97", "x", "*", "\\times", "\\cdot"}) {
        if (!times && starts_with(text_, at, sign)) {
          at += sign.size();
          times = true;
        }
      }
      while (at < text_.size() && text_[at] == ' ')
        ++at;
      if (!times || !starts_with(text_, at, "10^"))
        return;
      at += 3;
      if (starts_with(text_, at, "{"))
        ++at;
    }
    std::string exponent = "e";
    if (at < text_.size() && (text_[at] == '-' || text_[at] == '+'))
      exponent.push_back(text_[at++]);
    const size_t run = digit_run(text_, at);
    if (run == 0 || run > 4 || (at + run < text_.size() && is_letter(text_[at + run])))
      return;
    digits_.append(exponent[1] == '+' ? "e" : exponent).append(text_.substr(at, run));
    position_ = at + run;
    if (starts_with(text_, position_, "}"))
      ++position_;
  }

  /// Reads /denominator, or a fraction behind a whole number. @returns false over zero.
  bool divisor(found_number& number) {
    if (starts_with(text_, position_, "/")) {
      const size_t run = digit_run(text_, position_ + 1);
      const size_t end = position_ + 1 + run;
      // Three numbers with slashes are a date.
      const bool after_slash = begin_ > 0 && text_[begin_ - 1] == '/';
      if (run == 0 || after_slash || (starts_with(text_, end, "/") && digit_run(text_, end + 1) > 0))
        return true;
      const auto denominator = to_double(text_.substr(position_ + 1, run));
      position_ = end;
      if (!denominator || *denominator == 0)
        return false;
      number.value /= *denominator;
      number.integer.clear();
      return true;
    }
    if (!starts_with(text_, position_, " "))
      return true;
    const size_t top = digit_run(text_, position_ + 1);
    const size_t slash = position_ + 1 + top;
    const size_t bottom = starts_with(text_, slash, "/") ? digit_run(text_, slash + 1) : 0;
    const size_t end = slash + 1 + bottom;
    if (top == 0 || bottom == 0 || starts_with(text_, end, "/"))
      return true;
    const auto numerator = to_double(text_.substr(position_ + 1, top));
    const auto denominator = to_double(text_.substr(slash + 1, bottom));
    if (!numerator || !denominator || *denominator == 0 || *numerator >= *denominator)
      return true;
    number.value += *numerator / *denominator;
    number.integer.clear();
    position_ = end;
    return true;
  }

  std::optional<found_number> latex_fraction() {
    const size_t open = text_.find('{', position_);
    const size_t top = digit_run(text_, open + 1);
    const size_t middle = open + 1 + top;
    position_ = middle;
    if (top == 0 || !starts_with(text_, middle, "}{"))
      return std::nullopt;
    const size_t bottom = digit_run(text_, middle + 2);
    position_ = middle + 2 + bottom;
    if (bottom == 0 || !starts_with(text_, position_, "}"))
      return std::nullopt;
    ++position_;
    const auto numerator = to_double(text_.substr(open + 1, top));
    const auto denominator = to_double(text_.substr(middle + 2, bottom));
    if (!numerator || !denominator || *denominator == 0)
      return std::nullopt;
    found_number number;
    number.value = *numerator / *denominator;
    number.end = position_;
    return number;
  }

  void percent(found_number& number) {
    size_t at = position_;
    if (starts_with(text_, at, " "))
      ++at;
    if (starts_with(text_, at, "\\"))
      ++at;
    if (!starts_with(text_, at, "%"))
      return;
    number.percent = true;
    position_ = at + 1;
  }

  std::string_view text_;
  size_t begin_;
  size_t position_;
  std::string digits_;
};

/// @returns the start of the number with its sign and currency sign, given where its digits begin.
size_t sign_start(std::string_view text, size_t digits, size_t floor, bool& negative) {
  size_t at = digits;
  const auto back = [&](std::string_view sign) {
    if (at >= floor + sign.size() && text.substr(at - sign.size(), sign.size()) == sign) {
      at -= sign.size();
      return true;
    }
    return false;
  };
  const auto sign = [&] {
    if (at <= floor || (text[at - 1] != '-' && text[at - 1] != '+'))
      return false;
    const char before = at >= 2 ? text[at - 2] : ' ';
    if (is_digit(before) || is_letter(before) || before == ')' || before == '-')
      return false;
    negative = text[--at] == '-';
    return true;
  };
  if (sign())
    return at;
  bool currency = false;
  // Pound, yen (both widths) and euro.
  for (const std::string_view mark :
       {"\\$", "$", "\xC2\xA3", "\xC2\xA5", "\xEF\xBF\xA5", "\xEF\xBF\xA1", "\xE2\x82\xAC"})
    currency = currency || back(mark);
  if (currency)
    sign();
  return at;
}

bool is_fraction_command(std::string_view text, size_t at) noexcept {
  return starts_with(text, at, "\\frac{") || starts_with(text, at, "\\dfrac{")
         || starts_with(text, at, "\\tfrac{");
}

} // namespace

std::optional<found_number> next_number(std::string_view text, size_t position) {
  const size_t floor = position;
  while (position < text.size()) {
    const char c = text[position];
    const bool decimal_start =
        c == '.' && position + 1 < text.size() && is_digit(text[position + 1])
        && (position == 0 || (!is_digit(text[position - 1]) && !is_letter(text[position - 1])));
    if (!is_digit(c) && !decimal_start && !(c == '\\' && is_fraction_command(text, position))) {
      ++position;
      continue;
    }
    bool negative = false;
    const size_t begin = sign_start(text, position, floor, negative);
    number_reader reader(text, position);
    auto number = reader.read();
    if (!number) {
      position = std::max(reader.position(), position + 1);
      continue;
    }
    number->begin = begin;
    number->in_word = begin > 0 && is_letter(text[begin - 1]);
    if (negative) {
      number->value = -number->value;
      if (!number->integer.empty())
        number->integer.insert(0, 1, '-');
    }
    return number;
  }
  return std::nullopt;
}

std::optional<found_number> last_number(std::string_view text) {
  std::optional<found_number> last;
  for (size_t position = 0; auto number = next_number(text, position);) {
    position = number->end;
    if (!last || last->in_word || !number->in_word)
      last = std::move(number);
  }
  return last;
}

bool same_number(const found_number& answer, const found_number& target, double tolerance,
                 double relative_tolerance) noexcept {
  const auto close = [&](double a, double b) {
    const double allowed = std::max({tolerance, relative_tolerance * std::abs(b), 1e-12 * std::abs(b)});
    return std::abs(a - b) <= allowed;
  };
  const bool exact = tolerance == 0 && relative_tolerance == 0 && !answer.percent && !target.percent;
  if (exact && !answer.integer.empty() && !target.integer.empty()) {
    const auto canonical = [](std::string_view digits) {
      const bool negative = digits.front() == '-';
      digits.remove_prefix(negative ? 1 : 0);
      digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
      return std::pair{negative && !digits.empty(), digits};
    };
    return canonical(answer.integer) == canonical(target.integer);
  }
  if (close(answer.value, target.value))
    return true;
  if (answer.percent == target.percent)
    return false;
  return answer.percent ? close(answer.value / 100, target.value) : close(answer.value, target.value / 100);
}

} // namespace assay::scoring
