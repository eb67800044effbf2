#pragma once

#include "core/experiments/experiment.hpp"
#include "core/stats/comparison.hpp"
#include "core/stats/latency_histogram.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::reports {

/// What a report needs of one child's run.
struct child_facts {
  stats::run_scores scores;
  stats::latency_histogram durations; ///< Of its samples.
  uint64_t samples = 0;               ///< That are finished.
  uint64_t errors = 0;
};

/// The comprehensive report of an experiment, also of one that has not ended: experiment_info,
/// model_performance, task_analysis, configuration_analysis, prompt_type_analysis, significance, cost,
/// latency, recommendations with their evidence, and every child. Scores of a model are means over its
/// children; consistency is 1 - (best - worst). Comparisons are paired by sample and corrected by Holm.
/// @param facts By child; nothing for children without a run that can be read. Takes some seconds for a
/// million samples: belongs on a worker.
nlohmann::json experiment_report(const experiments::experiment& what,
                                 const std::vector<std::optional<child_facts>>& facts, wall_time now);

enum class report_form : uint8_t { json = 1, markdown = 2, html = 3, csv = 4 };

std::optional<report_form> report_form_from_string(std::string_view word) noexcept;

/// @param report As experiment_report() makes it. The page is one file without scripts, drawings inside; CSV
/// has one row a child.
std::string render_report(const nlohmann::json& report, report_form form);

} // namespace assay::reports
