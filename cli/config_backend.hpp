#pragma once

#include "core/values/errors.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace assay::cli {

/// Where model configurations are kept: behind a running server, or in the data folder when none runs.
/// Answers have the API's form.
class config_backend {
public:
  virtual ~config_backend() = default;

  /// @param out An array.
  virtual std::optional<fault> list(nlohmann::json& out) = 0;
  /// @param version 0: the present one.
  virtual std::optional<fault> show(const std::string& id, uint64_t version, nlohmann::json& out) = 0;
  /// Replaces all fields. @param if_version Only when this is the present version.
  virtual std::optional<fault> put(const std::string& id, const nlohmann::json& fields,
                                   std::optional<uint64_t> if_version, nlohmann::json& out) = 0;
  virtual std::optional<fault> erase(const std::string& id, std::optional<uint64_t> if_version,
                                     nlohmann::json& out) = 0;
  /// @param out An array, newest first.
  virtual std::optional<fault> history(const std::string& id, nlohmann::json& out) = 0;
  /// @param id Empty: all. @param out YAML.
  virtual std::optional<fault> export_yaml(const std::string& id, std::string& out) = 0;
  /// @param source Names the text in errors.
  virtual std::optional<fault> import_yaml(const std::string& text, const std::string& source, bool dry_run,
                                           nlohmann::json& out) = 0;
  virtual std::optional<fault> optimized(const std::string& id, const std::string& task_type,
                                         const std::string& strategy, nlohmann::json& out) = 0;
};

} // namespace assay::cli
