#include "protocol/system.hpp"

#include "protocol/actors.hpp"
#include "protocol/errors.hpp"

namespace assay {

protocol_config::protocol_config() {
  add_message_types<caf::id_block::assay>();
  add_error_category(caf::atom("assay"), [](uint8_t code, caf::atom_value, const caf::message& context) {
    std::string text{to_string(static_cast<errc>(code))};
    return context.empty() ? text : text + to_string(context);
  });
}

} // namespace assay
