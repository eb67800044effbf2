#include "cli/output.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace assay::cli {

namespace {

struct code_range {
  char32_t first;
  char32_t last;
};

// East Asian Width W and F, and what terminals draw as wide emoji (Unicode 15), merged into large ranges.
constexpr std::array<code_range, 30> wide_ranges{{
    {0x1100, 0x115F}, {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},   {0x23F0, 0x23F0},
    {0x25FD, 0x25FE}, {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26A1, 0x26A1},   {0x26BD, 0x26BE},
    {0x2705, 0x2705}, {0x270A, 0x270B},   {0x274C, 0x274C},   {0x2753, 0x2755},   {0x2795, 0x2797},
    {0x2E80, 0x303E}, {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},
    {0xA960, 0xA97C}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF01, 0xFF60},
    {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
}};

// Marks that are drawn over the character before them, and characters without width.
constexpr std::array<code_range, 12> zero_ranges{{
    {0x0300, 0x036F},
    {0x0483, 0x0489},
    {0x0591, 0x05BD},
    {0x0610, 0x061A},
    {0x064B, 0x065F},
    {0x0E34, 0x0E3A},
    {0x1AB0, 0x1AFF},
    {0x1DC0, 0x1DFF},
    {0x200B, 0x200F},
    {0x20D0, 0x20FF},
    {0xFE00, 0xFE0F},
    {0xFE20, 0xFE2F},
}};

template <size_t N>
bool is_in(const std::array<code_range, N>& ranges, char32_t code) noexcept {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const code_range& range) { return code >= range.first && code <= range.last; });
}

/// One character of a UTF-8 text.
struct character {
  char32_t code = 0;
  size_t bytes = 1;
  bool valid = false;
};

character decode(std::string_view text) noexcept {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto lead = byte(0);
  if (lead < 0x80)
    return {lead, 1, true};
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (length == 0 || lead > 0xF4 || text.size() < length)
    return {lead, 1, false};
  char32_t code = lead & (0x7FU >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80)
      return {lead, 1, false};
    code = (code << 6U) | (byte(i) & 0x3FU);
  }
  return {code, length, true};
}

size_t width_of(const character& c) noexcept {
  if (!c.valid)
    return 1;
  if (c.code < 0x20 || c.code == 0x7F || is_in(zero_ranges, c.code))
    return 0;
  return is_in(wide_ranges, c.code) ? 2 : 1;
}

/// @returns the bytes of the escape sequence (CSI) that @p text begins with, or 0.
size_t escape_length(std::string_view text) noexcept {
  if (!text.starts_with("\x1b["))
    return 0;
  size_t i = 2;
  while (i < text.size() && (text[i] < '@' || text[i] > '~'))
    ++i;
  return std::min(i + 1, text.size());
}

bool is_control(const character& c) noexcept { return c.code < 0x20 || (c.code >= 0x7F && c.code <= 0x9F); }

std::string padded(std::string_view text, size_t width, align side) {
  const auto used = display_width(text);
  const std::string blanks(width > used ? width - used : 0, ' ');
  return side == align::right ? blanks + std::string(text) : std::string(text) + blanks;
}

std::string without_trailing_blanks(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

constexpr size_t column_gap = 2;
/// To which a text may be cut.
constexpr size_t least_width = 6;

/// Columns of the terminal that table columns of these widths need; those of width 0 are not there.
size_t width_together(const std::vector<size_t>& sizes) {
  size_t total = 0;
  for (const auto size : sizes)
    total += size == 0 ? 0 : size + (total > 0 ? column_gap : 0);
  return total;
}

} // namespace

size_t display_width(std::string_view text) noexcept {
  size_t width = 0;
  while (!text.empty()) {
    if (const auto skipped = escape_length(text); skipped > 0) {
      text.remove_prefix(skipped);
      continue;
    }
    const auto next = decode(text);
    width += width_of(next);
    text.remove_prefix(next.bytes);
  }
  return width;
}

std::string cut_to_width(std::string_view text, size_t columns) {
  if (display_width(text) <= columns)
    return std::string(text);
  std::string out;
  size_t used = 0;
  while (!text.empty() && columns > 0) {
    const auto next = decode(text);
    if (used + width_of(next) > columns - 1)
      break;
    used += width_of(next);
    out.append(text.substr(0, next.bytes));
    text.remove_prefix(next.bytes);
  }
  return columns > 0 ? out + "…" : out;
}

std::string on_one_line(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto next = decode(text);
    if (next.code == '\n')
      out += "\\n";
    else if (next.code == '\t')
      out += ' ';
    else if (!next.valid || is_control(next))
      out += "\xEF\xBF\xBD";
    else
      out.append(text.substr(0, next.bytes));
    text.remove_prefix(next.bytes);
  }
  return out;
}

std::string as_block(std::string_view text, size_t indent) {
  const std::string margin(indent, ' ');
  std::string out = margin;
  while (!text.empty()) {
    const auto next = decode(text);
    if (next.code == '\n')
      out += "\n" + margin;
    else if (next.code == '\t')
      out += '\t';
    else if (!next.valid || is_control(next))
      out += "\xEF\xBF\xBD";
    else
      out.append(text.substr(0, next.bytes));
    text.remove_prefix(next.bytes);
  }
  return out;
}

terminal inspect_terminal(int fd, bool no_colour) {
  terminal out;
  out.is_terminal = ::isatty(fd) == 1;
  if (!out.is_terminal)
    return out;
  const char* kind = std::getenv("TERM");
  const char* refused = std::getenv("NO_COLOR");
  const bool dumb = kind == nullptr || std::string_view(kind) == "dumb";
  out.colours = !no_colour && !dumb && (refused == nullptr || *refused == '\0');
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0)
    out.columns = size.ws_col;
  return out;
}

std::string paint(const terminal& where, colour which, std::string_view text) {
  if (!where.colours || which == colour::none || text.empty())
    return std::string(text);
  constexpr std::array<const char*, 7> codes{"0", "1", "2", "31", "32", "33", "36"};
  return "\x1b[" + std::string(codes[static_cast<size_t>(which)]) + "m" + std::string(text) + "\x1b[0m";
}

std::vector<size_t> table::widths() const {
  std::vector<size_t> out;
  for (const auto& column : columns_)
    out.push_back(display_width(column.title));
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size() && i < out.size(); ++i)
      out[i] = std::max(out[i], display_width(row[i]));
  return out;
}

size_t table::width() const { return width_together(widths()); }

std::vector<size_t> table::fitted(size_t most) const {
  const auto full = widths();
  if (most == 0 || width_together(full) <= most)
    return full;
  auto base = full;
  for (size_t i = 0; i < base.size(); ++i)
    if (!rows_.empty() && std::all_of(rows_.begin(), rows_.end(), [i](const auto& row) {
          return i >= row.size() || row[i].empty();
        }))
      base[i] = 0;
  const auto can_be_cut = [this](size_t i) {
    return columns_[i].side == align::left && columns_[i].narrow == squeeze::cut;
  };
  while (true) {
    auto sizes = base;
    for (auto total = width_together(sizes); total > most; --total) {
      size_t widest = sizes.size();
      for (size_t i = 0; i < sizes.size(); ++i)
        if (can_be_cut(i) && sizes[i] > least_width && (widest == sizes.size() || sizes[i] > sizes[widest]))
          widest = i;
      if (widest == sizes.size())
        break;
      --sizes[widest];
    }
    size_t spare = base.size();
    for (size_t i = 0; i < base.size(); ++i)
      if (columns_[i].narrow == squeeze::spare && base[i] > 0
          && (spare == base.size() || base[i] > base[spare]))
        spare = i;
    if (width_together(sizes) <= most || spare == base.size())
      return sizes;
    base[spare] = 0;
  }
}

std::string table::render(const terminal& where, size_t most) const {
  const auto sizes = fitted(most);
  const std::string gap(column_gap, ' ');
  const auto line_of = [&](const auto& cell) {
    std::string line;
    for (size_t i = 0; i < sizes.size(); ++i)
      if (sizes[i] > 0)
        line +=
            (line.empty() ? "" : gap) + padded(cut_to_width(cell(i), sizes[i]), sizes[i], columns_[i].side);
    return without_trailing_blanks(line);
  };
  std::string out =
      paint(where, colour::bold, line_of([&](size_t i) -> std::string_view { return columns_[i].title; }))
      + "\n";
  for (const auto& row : rows_)
    out += (row.empty() ? paint(where, colour::dim, std::string(width_together(sizes), '-'))
                        : line_of([&](size_t i) -> std::string_view {
                            return i < row.size() ? std::string_view(row[i]) : std::string_view{};
                          }))
           + "\n";
  return out;
}

std::string show_number(std::optional<double> value, int decimals) {
  if (!value)
    return "-";
  char text[64];
  const int length = std::snprintf(text, sizeof text, "%.*f", decimals, *value);
  return {text, static_cast<size_t>(length)};
}

std::string show_count(uint64_t value) {
  auto digits = std::to_string(value);
  for (size_t at = digits.size(); at > 3; at -= 3)
    digits.insert(at - 3, ",");
  return digits;
}

std::string show_bytes(uint64_t bytes) {
  constexpr std::array<const char*, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  return show_number(value, unit == 0 ? 0 : 1) + " " + units[unit];
}

std::string show_time(wall_time time) {
  auto text = to_rfc3339(std::chrono::floor<seconds>(time));
  std::replace(text.begin(), text.end(), 'T', ' ');
  if (text.ends_with('Z'))
    text.pop_back();
  return text;
}

std::string render_fault(const fault& reason, const terminal& where) {
  std::string out = paint(where, colour::red, "error:") + " ";
  if (!reason.where.empty())
    out += reason.where + ": ";
  out += reason.message + "\n";
  if (!reason.hint.empty())
    out += "       " + reason.hint + "\n";
  return out;
}

} // namespace assay::cli
