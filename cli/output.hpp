#pragma once

#include "core/values/errors.hpp"
#include "core/values/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What commands print: texts that line up and, on terminals, have colours.
namespace assay::cli {

/// @returns how many columns a terminal needs for @p text: two for East Asian wide and full-width characters
/// and emoji, none for combining marks and escape sequences. Bytes that are not UTF-8 count as one column.
size_t display_width(std::string_view text) noexcept;

/// @returns @p text cut to @p columns, with `…` at its end when something was cut off.
std::string cut_to_width(std::string_view text, size_t columns);

/// @returns @p text with line breaks and control characters made visible, so that it stays on its line and
/// cannot steer the terminal.
std::string on_one_line(std::string_view text);

/// @returns @p text without control characters other than line breaks and tabs, indented by @p indent blanks.
std::string as_block(std::string_view text, size_t indent);

enum class colour : uint8_t { none, bold, dim, red, green, yellow, cyan };

/// Whether colours and redrawn lines make sense on a file descriptor.
struct terminal {
  bool is_terminal = false;
  bool colours = false;
  size_t columns = 0; ///< 0 when unknown.
};

/// Looks at @p fd. Colours need a terminal, no NO_COLOR in the environment, no --no-color and no TERM=dumb.
terminal inspect_terminal(int fd, bool no_colour);

/// @returns @p text in that colour, or as it is on a terminal without.
std::string paint(const terminal& where, colour which, std::string_view text);

enum class align : uint8_t { left, right };

/// What becomes of a column where a table has too little room.
enum class squeeze : uint8_t {
  cut,   ///< Texts are cut, the widest first; numbers, which stand on the right, never are.
  whole, ///< Never cut: what one has to type again, such as an id.
  spare, ///< Left out when cutting the others is not enough.
};

/// Rows of cells whose columns line up by display width.
class table {
public:
  struct column {
    std::string title;
    align side = align::left;
    squeeze narrow = squeeze::cut;
  };

  explicit table(std::vector<column> columns) : columns_(std::move(columns)) {}

  /// Missing cells are empty.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  /// A rule between the rows before and after.
  void add_rule() { rows_.emplace_back(); }

  bool empty() const noexcept { return rows_.empty(); }
  /// Columns of the whole table.
  size_t width() const;
  /// @param most Columns at most; 0: no limit. To fit, columns without any text go, then texts are cut, then
  /// spare columns go, the widest first. A table that is too wide even so stays too wide.
  std::string render(const terminal& where, size_t most = 0) const;

private:
  std::vector<size_t> widths() const;
  /// Widths by column, 0 for one that is left out.
  std::vector<size_t> fitted(size_t most) const;

  std::vector<column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// "0.900", or "-" when there is none.
std::string show_number(std::optional<double> value, int decimals);
/// "12,345"
std::string show_count(uint64_t value);
/// "1.5 GiB"
std::string show_bytes(uint64_t bytes);
/// "2024-01-01 12:00:00" in UTC.
std::string show_time(wall_time time);

/// "error: where: message" and, on a line of its own, what to do.
std::string render_fault(const fault& reason, const terminal& where);

} // namespace assay::cli
