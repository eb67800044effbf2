#pragma once

#include "core/values/errors.hpp"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assay::config {

/// Where a value was written.
struct origin {
  std::shared_ptr<const std::string> source; ///< A file, a variable or a flag.
  int line = 0;                              ///< From 1; 0 when there is none.
};

/// "config/local.yaml:12", "environment variable PORT".
std::string to_string(const origin& value);

/// One value of a configuration file, variable or flag, before anybody knows its meaning.
struct node {
  enum class kind : uint8_t { null, scalar, list, map };

  // Out of line, since a node holds nodes and is not complete before its end.
  node();
  ~node();
  node(const node&);
  node(node&&) noexcept;
  node& operator=(const node&);
  node& operator=(node&&) noexcept;

  kind type = kind::null;
  std::string text;     ///< Of a scalar.
  bool quoted = false;  ///< The file says that it is a text.
  bool lenient = false; ///< Comes from a variable or flag, where everything is text.
  std::vector<node> items;
  std::vector<std::pair<std::string, node>> members;
  origin at;

  bool is_map() const noexcept { return type == kind::map; }
  bool is_null() const noexcept { return type == kind::null; }
  const node* find(std::string_view key) const noexcept;
  node* find(std::string_view key) noexcept;

  static node scalar_at(origin where, std::string value);
  static node map_at(origin where);
};

/// Lays @p over on @p base: maps are merged member by member, everything else is replaced.
void merge(node& base, node over);

/// Sets the value at a dotted path, making maps on the way. Names that contain dots are recognised when they
/// exist already (`models.gpt-3.5-turbo.temperature`) or when quoted (`models."gpt-3.5-turbo".temperature`).
void set_at_path(node& root, std::string_view path, node value);

/// @returns the value at a dotted path, or null.
const node* at_path(const node& root, std::string_view path) noexcept;

/// Reads YAML or JSON (by the ending .json). @returns malformed_input naming file and line.
result<node> parse_file(const std::string& path, const std::string& shown_as);

/// Reads YAML text. @param source names it in errors.
result<node> parse_yaml(const std::string& text, const std::string& source);

/// @returns a JSON value as a tree without lines; malformed_input when it is nested too deeply or too large.
/// @param source names it in errors; may be empty.
result<node> tree_of(const nlohmann::json& value, const std::string& source);

} // namespace assay::config
