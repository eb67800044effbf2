#include "protocol/inspect.hpp"

#include "protocol/errors.hpp"

#include <nlohmann/json.hpp>

namespace assay {

caf::error read_run(const std::string& text, run_record& out) {
  try {
    out = run_from_text(text);
  } catch (const nlohmann::json::exception& problem) {
    return to_caf_error({errc::malformed_input, problem.what(), "run record", {}});
  }
  return caf::none;
}

} // namespace assay
