#include "core/scoring/pattern.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <utility>

namespace assay::scoring {
namespace {

constexpr size_t pattern_limit = 4096;
constexpr size_t scan_budget = 64U << 20U;
constexpr size_t large_window = 64U << 10U;
constexpr size_t small_window = 4U << 10U;
constexpr size_t group_limit = 16;

} // namespace

struct pattern::compiled {
  compiled(std::string_view text, const re2::RE2::Options& options)
      : expression(re2::StringPiece(text.data(), text.size()), options) {}
  re2::RE2 expression;
};

pattern::pattern(std::unique_ptr<compiled> value) : compiled_(std::move(value)) {}
pattern::pattern(pattern&&) noexcept = default;
pattern& pattern::operator=(pattern&&) noexcept = default;
pattern::~pattern() = default;

result<pattern> pattern::compile(std::string_view text, std::string_view option, bool ignore_case) {
  if (text.size() > pattern_limit)
    return fault{errc::invalid_argument, "the pattern is over 4096 bytes long", std::string(option),
                 "shorten it"};
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_case_sensitive(!ignore_case);
  auto value = std::make_unique<compiled>(text, options);
  if (!value->expression.ok())
    return fault{
        errc::invalid_argument, "not a valid pattern: " + value->expression.error(), std::string(option),
        "patterns are RE2 syntax: no look-around and no back-references; quote them in YAML with '...'"};
  if (static_cast<size_t>(value->expression.NumberOfCapturingGroups()) >= group_limit)
    return fault{errc::invalid_argument, "the pattern has more than 15 groups", std::string(option),
                 "use (?:...) for groups that need no capture"};
  return pattern(std::move(value));
}

uint32_t pattern::groups() const noexcept {
  return static_cast<uint32_t>(compiled_->expression.NumberOfCapturingGroups());
}

std::optional<pattern_match> pattern::find(std::string_view text, uint32_t group, match_choice which) const {
  std::array<re2::StringPiece, group_limit> pieces;
  const re2::StringPiece input(text.data(), text.size());
  const int wanted = static_cast<int>(group < group_limit ? group + 1 : group_limit);
  const auto view = [](const re2::StringPiece& piece) -> std::optional<std::string_view> {
    if (piece.data() == nullptr)
      return std::nullopt;
    return std::string_view(piece.data(), piece.size());
  };
  std::optional<pattern_match> found;
  // Looking for the last match starts over nearer to the end when the budget is spent.
  for (const size_t window : {text.size(), large_window, small_window}) {
    size_t position = text.size() - std::min(window, text.size());
    size_t scanned = 0;
    while (position <= text.size() && scanned <= scan_budget
           && compiled_->expression.Match(input, position, text.size(), re2::RE2::UNANCHORED, pieces.data(),
                                          wanted)) {
      found = pattern_match{view(pieces[0]).value_or(std::string_view{}),
                            group < group_limit ? view(pieces[group]) : std::nullopt};
      if (which == match_choice::first)
        return found;
      // A search may look at all the rest, wherever its match ends.
      scanned += text.size() - position;
      const size_t end = static_cast<size_t>(pieces[0].data() - text.data()) + pieces[0].size();
      position = pieces[0].empty() ? end + 1 : end;
    }
    if (scanned <= scan_budget)
      break;
  }
  return found;
}

} // namespace assay::scoring
