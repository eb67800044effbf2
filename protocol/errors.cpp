#include "protocol/errors.hpp"

#include <caf/deep_to_string.hpp>
#include <caf/exit_reason.hpp>
#include <caf/sec.hpp>

namespace assay {

namespace {

/// CAF names its own codes by category atom; `system` holds the runtime's.
fault from_runtime_error(const caf::error& value) {
  fault out{errc::internal, caf::to_string(value), {}, {}};
  if (value == caf::sec::request_timeout) {
    out.code = errc::deadline_exceeded;
    out.message = "an actor did not answer in time";
    out.hint = "the farm is overloaded or stopping; try again";
  } else if (value == caf::sec::request_receiver_down || value.category() == caf::atom("exit")) {
    out.code = errc::actor_lost;
    out.message = "the actor that held the work ended";
    out.hint = "it is restarted by its supervisor; try again";
  }
  return out;
}

} // namespace

caf::error to_caf_error(const fault& value) {
  return caf::make_error(value.code, value.message, value.where, value.hint);
}

fault to_fault(const caf::error& value) {
  if (value.category() != caf::atom("assay"))
    return from_runtime_error(value);
  fault out{static_cast<errc>(value.code()), {}, {}, {}};
  const auto& context = value.context();
  const auto text_at = [&](size_t index) {
    return context.size() > index && context.match_element<std::string>(index)
               ? context.get_as<std::string>(index)
               : std::string{};
  };
  out.message = text_at(0);
  out.where = text_at(1);
  out.hint = text_at(2);
  return out;
}

} // namespace assay
