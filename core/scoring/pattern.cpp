#include "core/scoring/pattern.hpp"

#include "core/scoring/filters.hpp"
#include "core/scoring/simple_pattern.hpp"

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
  std::optional<simple_pattern> simple; ///< The same pattern, where it is that simple.

  /// @param after Where the search for the match after this one begins.
  std::optional<std::string_view> next(std::string_view text, size_t position, size_t& after) const {
    if (simple) {
      const auto match = simple->find(text, position);
      if (!match)
        return std::nullopt;
      // Never empty: it begins with the pattern's own text.
      after = static_cast<size_t>(match->whole.data() - text.data()) + match->whole.size();
      return match->group;
    }
    std::array<re2::StringPiece, group_limit> pieces;
    const int groups = expression.NumberOfCapturingGroups();
    const re2::StringPiece input(text.data(), text.size());
    if (!expression.Match(input, position, text.size(), re2::RE2::UNANCHORED, pieces.data(), groups + 1))
      return std::nullopt;
    const auto end = static_cast<size_t>(pieces[0].data() - text.data()) + pieces[0].size();
    after = pieces[0].empty() ? end + 1 : end;
    size_t chosen = 0;
    if (groups > 0) {
      chosen = 1;
      while (chosen < static_cast<size_t>(groups) && pieces[chosen].empty())
        ++chosen;
    }
    return std::string_view(pieces[chosen].data(), pieces[chosen].size());
  }
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
  if (!value->expression.ok()) {
    if (const std::string construct = beyond_re2(text); !construct.empty())
      return fault{errc::invalid_argument, "the pattern has a " + construct + ", which RE2 cannot do",
                   std::string(option), "write it without, or let a Python function of the task do it"};
    return fault{
        errc::invalid_argument, "not a valid pattern: " + value->expression.error(), std::string(option),
        "patterns are RE2 syntax: no look-around and no back-references; quote them in YAML with '...'"};
  }
  if (static_cast<size_t>(value->expression.NumberOfCapturingGroups()) >= group_limit)
    return fault{errc::invalid_argument, "the pattern has more than 15 groups", std::string(option),
                 "use (?:...) for groups that need no capture"};
  if (!ignore_case)
    value->simple = simple_pattern::read(text);
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

std::vector<std::string_view> pattern::find_all(std::string_view text) const {
  std::vector<std::string_view> found;
  size_t position = 0;
  size_t scanned = 0;
  while (position <= text.size() && scanned <= scan_budget) {
    size_t next = 0;
    const auto match = compiled_->next(text, position, next);
    if (!match)
      break;
    found.push_back(*match);
    scanned += text.size() - position;
    position = next;
  }
  return found;
}

std::optional<std::string_view> pattern::find_first(std::string_view text) const {
  size_t next = 0;
  return compiled_->next(text, 0, next);
}

std::string pattern::without_matches(std::string_view text) const {
  std::string out;
  size_t position = 0;
  size_t scanned = 0;
  if (compiled_->simple) {
    for (auto match = compiled_->simple->find(text, 0); match;
         match = compiled_->simple->find(text, position)) {
      const auto begin = static_cast<size_t>(match->whole.data() - text.data());
      out.append(text.substr(position, begin - position));
      position = begin + match->whole.size();
    }
    return out.append(text.substr(position));
  }
  const re2::StringPiece input(text.data(), text.size());
  re2::StringPiece whole;
  size_t kept = 0;
  while (position <= text.size() && scanned <= scan_budget
         && compiled_->expression.Match(input, position, text.size(), re2::RE2::UNANCHORED, &whole, 1)) {
    scanned += text.size() - position;
    const auto begin = static_cast<size_t>(whole.data() - text.data());
    out.append(text.substr(kept, begin - kept));
    kept = begin + whole.size();
    position = whole.empty() ? kept + 1 : kept;
  }
  return out.append(text.substr(kept));
}

} // namespace assay::scoring
