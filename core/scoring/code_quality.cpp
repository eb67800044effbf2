#include "core/scoring/code_scorer.hpp"
#include "core/scoring/pattern.hpp"
#include "core/scoring/text.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace assay::scoring {
namespace {

constexpr double long_line = 100;
constexpr size_t code_limit = 256U << 10U;

/// What a line is, beside its text.
struct code_line {
  std::string_view text; ///< Stripped.
  size_t indent = 0;
  size_t length = 0; ///< Characters.
  bool comment = false;
};

pattern built_in(std::string_view text) { return pattern::compile(text, "built-in").value(); }

/// How names are found, and which are well formed, in one language.
struct naming_rules {
  std::vector<pattern> defined;
  pattern good;
  std::vector<pattern> types; ///< Names of types, which begin with a capital.
  pattern functions;          ///< A line that begins a function.
};

const naming_rules& rules_of(std::string_view language) {
  static const naming_rules python = [] {
    naming_rules out{{},
                     built_in("^_*[a-z][a-z0-9_]*$|^_*[A-Z][A-Z0-9_]*$|^_+$"),
                     {},
                     built_in(R"(^\s*(?:async\s+)?def\s)")};
    out.defined.push_back(built_in(R"((?m)^\s*(?:async\s+)?def\s+(\w+))"));
    out.defined.push_back(built_in(R"((?m)^\s*([A-Za-z_]\w*)\s*(?::[^=\n]+)?=[^=])"));
    out.types.push_back(built_in(R"((?m)^\s*class\s+(\w+))"));
    return out;
  }();
  static const naming_rules javascript = [] {
    naming_rules out{
        {},
        built_in("^[_$]*[a-z][A-Za-z0-9]*$|^[A-Z][A-Z0-9_]*$|^[A-Z][A-Za-z0-9]*$"),
        {},
        built_in(R"(\bfunction\b|=>\s*\{\s*$|^\s*(?:async\s+|static\s+)*[A-Za-z_$][\w$]*\s*\([^)]*\)\s*\{)")};
    out.defined.push_back(built_in(R"(\bfunction\s+([\w$]+))"));
    out.defined.push_back(built_in(R"(\b(?:const|let|var)\s+([\w$]+))"));
    out.types.push_back(built_in(R"(\bclass\s+(\w+))"));
    return out;
  }();
  static const naming_rules cpp = [] {
    naming_rules out{
        {},
        built_in("^[a-z][a-z0-9_]*$|^[a-z][A-Za-z0-9]*_?$|^[A-Z][A-Z0-9_]*$|^[A-Z][A-Za-z0-9]*$"),
        {},
        built_in(R"(^\s*[\w:<>,&*\s~]+\([^;]*\)\s*(?:const|noexcept|override|\s)*\{)")};
    out.defined.push_back(built_in(
        R"(\b(?:int|long|short|double|float|bool|char|auto|void|size_t|string|u?int(?:8|16|32|64)_t)\b[\s&*>]+(\w+))"));
    out.types.push_back(built_in(R"(\b(?:class|struct|enum)\s+(\w+))"));
    return out;
  }();
  static const naming_rules shell = [] {
    naming_rules out{{},
                     built_in("^[a-z_][a-z0-9_]*$|^[A-Z_][A-Z0-9_]*$"),
                     {},
                     built_in(R"(^\s*(?:function\s+\w+|\w+\s*\(\s*\)))")};
    out.defined.push_back(built_in(R"((?m)^\s*(?:local\s+|export\s+|readonly\s+)?(\w+)=)"));
    out.defined.push_back(built_in(R"((?m)^\s*(\w+)\s*\(\s*\))"));
    return out;
  }();
  static const naming_rules sql = [] {
    naming_rules out{{},
                     built_in("^[a-z_][a-z0-9_]*$|^[A-Z_][A-Z0-9_]*$"),
                     {},
                     built_in(R"(^\s*(?i:create\s+(?:function|procedure))\b)")};
    out.defined.push_back(built_in(R"((?i:\bas\s+)([A-Za-z_]\w*)\b)"));
    return out;
  }();
  if (language == "javascript")
    return javascript;
  if (language == "cpp")
    return cpp;
  if (language == "shell")
    return shell;
  return language == "sql" ? sql : python;
}

/// Splits code into its lines that are not blank, and knows comments.
std::vector<code_line> lines_of(std::string_view code, std::string_view language) {
  std::vector<code_line> lines;
  const bool hashes = language == "python" || language == "shell";
  const bool slashes = language == "javascript" || language == "cpp";
  bool block = false;         // inside /* */
  std::string_view docstring; // the quotes that are open
  for (size_t at = 0; at < code.size();) {
    const size_t end = std::min(code.find('\n', at), code.size());
    const std::string_view whole = code.substr(at, end - at);
    at = end + 1;
    code_line line;
    line.text = strip(whole);
    if (line.text.empty())
      continue;
    for (const char c : whole) {
      if (c != ' ' && c != '\t')
        break;
      line.indent += c == '\t' ? 4 : 1;
    }
    for (size_t i = 0; i < whole.size(); ++line.length)
      i += decode(whole, i).length;
    const std::string_view text = line.text;
    if (!docstring.empty()) {
      line.comment = true;
      if (text.find(docstring) != std::string_view::npos)
        docstring = {};
    } else if (block) {
      line.comment = true;
      block = text.find("*/") == std::string_view::npos;
    } else if (language == "python" && (text.starts_with("\"\"\"") || text.starts_with("'''"))) {
      line.comment = true;
      if (text.find(text.substr(0, 3), 3) == std::string_view::npos)
        docstring = text.substr(0, 3);
    } else if ((slashes || language == "sql") && text.starts_with("/*")) {
      line.comment = true;
      block = text.find("*/", 2) == std::string_view::npos;
    } else {
      line.comment = (hashes && text.starts_with('#') && !text.starts_with("#!"))
                     || (slashes && text.starts_with("//")) || (language == "sql" && text.starts_with("--"));
    }
    lines.push_back(line);
  }
  return lines;
}

double falling(double value, double good, double bad) {
  return std::clamp((bad - value) / (bad - good), 0.0, 1.0);
}

double comment_measure(const std::vector<code_line>& lines) {
  const auto comments = static_cast<double>(
      std::count_if(lines.begin(), lines.end(), [](const auto& line) { return line.comment; }));
  const auto all = static_cast<double>(lines.size());
  // Ten lines explain themselves.
  if (comments == 0 && all <= 10)
    return 1;
  const double ratio = comments / all;
  return ratio < 0.05 ? ratio / 0.05 : falling(ratio, 0.4, 1);
}

/// @returns how deep the code of the lines nests: levels of indentation, or of braces.
size_t deepest(const std::vector<code_line>& lines, std::string_view language) {
  size_t most = 0;
  if (language == "python" || language == "shell") {
    std::vector<size_t> open{0};
    for (const code_line& line : lines) {
      if (line.comment)
        continue;
      while (open.size() > 1 && line.indent < open.back())
        open.pop_back();
      if (line.indent > open.back())
        open.push_back(line.indent);
      most = std::max(most, open.size() - 1);
    }
    return most;
  }
  const char opening = language == "sql" ? '(' : '{';
  const char closing = language == "sql" ? ')' : '}';
  size_t depth = 0;
  for (const code_line& line : lines) {
    if (line.comment)
      continue;
    char quote = 0;
    for (size_t i = 0; i < line.text.size(); ++i) {
      const char c = line.text[i];
      if (quote != 0) {
        if (c == '\\')
          ++i;
        else if (c == quote)
          quote = 0;
      } else if (c == '"' || c == '\'' || c == '`') {
        quote = c;
      } else if (c == opening) {
        most = std::max(most, ++depth);
      } else if (c == closing && depth > 0) {
        --depth;
      }
    }
  }
  return most;
}

/// The lines of each function: from where it begins to the next one, or to the code's end.
double function_measure(const std::vector<code_line>& lines, const pattern& begins) {
  std::vector<double> lengths;
  double here = 0;
  bool inside = false;
  for (const code_line& line : lines) {
    if (line.comment)
      continue;
    if (begins.find(line.text, 0, match_choice::first)) {
      if (inside)
        lengths.push_back(here);
      here = 0;
      inside = true;
    }
    ++here;
  }
  lengths.push_back(here);
  double sum = 0;
  for (const double length : lengths)
    sum += falling(length, 40, 120);
  return sum / static_cast<double>(lengths.size());
}

double naming_measure(std::string_view code, const naming_rules& rules) {
  static const pattern capital = built_in("^_*[A-Z][A-Za-z0-9]*$");
  static const pattern short_ones = built_in("^[a-zA-Z_]$");
  static const pattern usual = built_in("^[ijkmnxyzabcdefpqst_]$");
  double names = 0;
  double good = 0;
  const auto fits = [](const pattern& expression, std::string_view name) {
    return expression.find(name, 0, match_choice::first).has_value();
  };
  for (const pattern& defined : rules.defined)
    for (const std::string_view name : defined.find_all(code)) {
      ++names;
      good += fits(rules.good, name) && (!fits(short_ones, name) || fits(usual, name)) ? 1 : 0;
    }
  for (const pattern& type : rules.types)
    for (const std::string_view name : type.find_all(code)) {
      ++names;
      good += fits(capital, name) ? 1 : 0;
    }
  return names == 0 ? 1 : good / names;
}

} // namespace

code_measures measure_code(std::string_view code, std::string_view language) {
  // The patterns search what is left after each name, so very long code is measured by its beginning.
  code = cut(code, code_limit);
  const auto lines = lines_of(code, language);
  code_measures out;
  if (lines.empty())
    return out;
  const naming_rules& rules = rules_of(language);
  const auto fitting = std::count_if(lines.begin(), lines.end(), [](const auto& line) {
    return static_cast<double>(line.length) <= long_line;
  });
  out.comments = comment_measure(lines);
  out.line_length = static_cast<double>(fitting) / static_cast<double>(lines.size());
  out.function_length = function_measure(lines, rules.functions);
  out.nesting = falling(static_cast<double>(deepest(lines, language)), 4, 8);
  out.naming = naming_measure(code, rules);
  out.total = (out.comments + out.line_length + out.function_length + out.nesting + out.naming) / 5;
  return out;
}

} // namespace assay::scoring
