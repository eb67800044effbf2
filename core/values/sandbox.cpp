#include "core/values/sandbox.hpp"

namespace assay {

std::string_view to_string(sandbox_end end) noexcept {
  switch (end) {
  case sandbox_end::exited:
    return "exited";
  case sandbox_end::signalled:
    return "signalled";
  case sandbox_end::cpu_limit:
    return "cpu_limit";
  case sandbox_end::wall_limit:
    return "wall_limit";
  case sandbox_end::memory_limit:
    return "memory_limit";
  case sandbox_end::output_limit:
    return "output_limit";
  case sandbox_end::file_limit:
    return "file_limit";
  case sandbox_end::withdrawn:
    return "withdrawn";
  }
  return "unknown";
}

} // namespace assay
