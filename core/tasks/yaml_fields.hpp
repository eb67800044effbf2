#pragma once

#include "core/values/errors.hpp"

#include <yaml-cpp/yaml.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Typed reading of YAML for task_definition.cpp and task_options.cpp; nobody else includes this.
namespace assay::tasks {

/// Remembers what is wrong in a file.
class yaml_faults {
public:
  explicit yaml_faults(std::string file) : file_(std::move(file)) {}

  void add(const YAML::Mark& mark, std::string_view path, std::string message, std::string hint = {});
  bool empty() const noexcept { return all_.empty(); }
  const std::vector<fault>& all() const noexcept { return all_; }

private:
  std::string file_;
  std::vector<fault> all_;
};

/// One mapping of the file. Every getter names its default and reports a value of another type.
class yaml_fields {
public:
  /// Reports when @p node is no mapping, names a key twice, or has a key that is not in @p known.
  yaml_fields(YAML::Node node, std::string path, yaml_faults& faults,
              std::initializer_list<std::string_view> known);

  bool has(std::string_view key) const { return get(key).IsDefined(); }
  YAML::Node get(std::string_view key) const;
  std::string text(std::string_view key, std::string fallback = {}) const;
  bool flag(std::string_view key, bool fallback) const;
  /// @param low Smallest value allowed. @param high Largest.
  std::optional<double> number(std::string_view key, double low, double high) const;
  std::optional<int64_t> integer(std::string_view key, int64_t low, int64_t high) const;
  /// A single text counts as a list of one.
  std::vector<std::string> texts(std::string_view key) const;

  void wrong(std::string_view key, std::string message, std::string hint = {}) const;
  std::string path_of(std::string_view key) const;
  yaml_faults& faults() const noexcept { return *faults_; }

private:
  std::optional<std::string> scalar(std::string_view key, std::string_view expected) const;

  YAML::Node node_;
  std::string path_;
  yaml_faults* faults_;
};

/// @returns "a list", "a mapping", "the text `x`", ... for messages.
std::string describe(const YAML::Node& node);

} // namespace assay::tasks
