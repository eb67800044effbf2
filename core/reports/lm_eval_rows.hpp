#pragma once

#include "core/reports/exporter.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <optional>
#include <string>

/// What the two files of lm-evaluation-harness have in common. Private to core/reports.
namespace assay::reports::detail {

/// The hashes of one line of samples_*.jsonl: SHA-256 of the document as json.dumps(doc, indent=2,
/// ensure_ascii=False), of the prompt, and of str(target).
struct lm_eval_hashes {
  std::string document;
  std::string prompt;
  std::string target;
};

/// @returns the document as json.dumps writes it. Without a row of the dataset it is {"input", "target"}.
std::string document_text(const sample_row& row, const response_record* response, int indent);
lm_eval_hashes hashes_of(const sample_row& row, const response_record* response);

/// What a prepared task was made from.
struct lm_eval_origin {
  nlohmann::json config;    ///< As in the task's file with what it includes; functions by name.
  uint64_t num_fewshot = 0; ///< Examples that its prompts show.
};

/// @returns nothing when the task is no task of lm-evaluation-harness.
std::optional<lm_eval_origin> lm_eval_origin_of(const pinned_task& task);

/// @returns what `metadata` says, else "Yaml", as that program has it.
nlohmann::json version_of(const lm_eval_origin& origin);

/// @returns `higher_is_better` of the metrics that say it.
std::map<std::string, bool> directions_of(const lm_eval_origin& origin);

} // namespace assay::reports::detail
