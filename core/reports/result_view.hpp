#pragma once

#include "core/reports/exporter.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Finds numbers in a result document, which may lack any of them. Private to core/reports.
namespace assay::reports::detail {

/// A result document, parsed once.
class result_view {
public:
  explicit result_view(const report_facts& facts);

  const nlohmann::json& document() const noexcept { return document_; }
  /// @returns what the document says of a task, or of one prompt type of it; an empty object when nothing.
  const nlohmann::json& of(const run_record& run, const export_unit& unit) const;
  const nlohmann::json& of_task(uint16_t task) const;

private:
  nlohmann::json document_;
  const nlohmann::json nothing_ = nlohmann::json::object();
};

/// @returns the member when it is an object's and not null.
const nlohmann::json* member(const nlohmann::json& object, std::string_view key);
std::optional<double> number_at(const nlohmann::json& object, std::string_view key);
uint64_t count_at(const nlohmann::json& object, std::string_view key);

/// `exact_match,strict-match` as metric and filter; `none` where a name has no filter.
struct metric_name {
  std::string metric;
  std::string filter;
};
metric_name metric_of(std::string_view scorer);

/// The scorers of a task by filter, filters in the order in which they first appear.
struct filter_group {
  std::string filter;
  std::vector<std::pair<size_t, std::string>> metrics; ///< Index of the scorer, and the metric's name.
};
std::vector<filter_group> filters_of(const std::vector<std::string>& scorers);

} // namespace assay::reports::detail
