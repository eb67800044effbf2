#include "protocol/outcomes.hpp"

#include <algorithm>
#include <utility>

namespace assay {

call_outcome failed_outcome(call&& request, fault reason, wall_time now) {
  call_outcome out;
  out.id = request.id;
  out.failures = std::move(request.failures);
  out.possibly_billed = std::ranges::any_of(out.failures, &attempt_record::possibly_billed);
  out.error = std::move(reason);
  out.finished_at = now;
  return out;
}

} // namespace assay
