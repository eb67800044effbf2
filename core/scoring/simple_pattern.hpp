#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The fast way of pattern.cpp for the commonest patterns; nobody else includes this.
namespace assay::scoring {

/// A pattern that begins with plain text and goes on with ASCII characters and classes, such as
/// `#### (\-?[0-9\.\,]+)` or `answer is ([A-D])`, found several times as fast as by RE2. Only patterns of
/// which each repetition ends where nothing else could: so there is one reading, and no way back has to be
/// tried.
class simple_pattern {
public:
  /// @returns nothing for every other pattern.
  static std::optional<simple_pattern> read(std::string_view text);

  struct match {
    std::string_view whole;
    std::string_view group; ///< The only group; the whole match when there is none.
  };

  /// @returns the first match at or after @p position. Linear: text that one try has read is not read again
  /// by the next, since no repetition holds the character that a match begins with.
  std::optional<match> find(std::string_view text, size_t position) const;

private:
  using ascii = std::bitset<128>;
  struct item {
    ascii allowed;
    bool optional = false;
    bool repeated = false;
  };
  class reader;

  bool is_deterministic() const;

  std::string prefix_; ///< At least one character.
  std::vector<item> items_;
  /// Items before the group and its end, both counted from the first character of the prefix's rest; none
  /// when the pattern has no group.
  std::optional<size_t> group_begin_;
  size_t group_end_ = 0;
};

} // namespace assay::scoring
