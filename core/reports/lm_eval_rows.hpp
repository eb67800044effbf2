#pragma once

#include "core/reports/exporter.hpp"

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

} // namespace assay::reports::detail
