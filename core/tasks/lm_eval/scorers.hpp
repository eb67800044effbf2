#pragma once

#include "core/tasks/lm_eval/datasets.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

// For the files of this folder only.
namespace assay::tasks::lm_eval {

/// Turns metric_list and filter_list into scorers of assay's own YAML: one for each metric and filter, called
/// `metric,filter` as in lm-evaluation-harness's results. The first one is the task's score.
/// @param config The whole configuration, with its defaults.
/// @returns a JSON list, which is YAML too; what cannot be scored is complained about, or, where the rest of
/// the task means something without it, added to @p notes.
nlohmann::json make_scorers(const raw_config& raw, const nlohmann::json& config, output_type output,
                            std::vector<std::string>& notes, const complaint& complain);

} // namespace assay::tasks::lm_eval
