#pragma once

#include "core/reports/exporter.hpp"
#include "core/reports/json_writer.hpp"

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

/// What the parts of an EvalLog have in common. Private to core/reports.
namespace assay::reports::detail {

/// Members that are null, or empty objects.
void write_nulls(json_writer& out, std::initializer_list<const char*> keys);
void write_empty_objects(json_writer& out, std::initializer_list<const char*> keys);

/// A ModelUsage. @param cost Dollars.
void write_usage(json_writer& out, uint64_t input, uint64_t output, uint64_t cached, uint64_t reasoning,
                 const std::optional<double>& cost);
/// An EvalError.
void write_error(json_writer& out, std::string_view message);

/// @returns `provider/model`.
std::string model_name(const run_record& run);

/// Writes everything that stands before the samples: opens the log's object and ends with the key of the
/// samples.
void write_log_head(json_writer& out, const report_facts& facts, const export_unit& unit);

} // namespace assay::reports::detail
