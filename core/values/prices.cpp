#include "core/values/prices.hpp"

#include "core/values/json_fields.hpp"

namespace assay {

void to_json(nlohmann::json& out, const token_prices& value) {
  out = nlohmann::json{{"input_per_mtok", value.input_per_mtok}, {"output_per_mtok", value.output_per_mtok}};
  json_fields::write(out, "cached_input_per_mtok", value.cached_input_per_mtok);
}

void from_json(const nlohmann::json& in, token_prices& out) {
  out = token_prices{};
  json_fields::read(in, "input_per_mtok", out.input_per_mtok);
  json_fields::read(in, "output_per_mtok", out.output_per_mtok);
  json_fields::read(in, "cached_input_per_mtok", out.cached_input_per_mtok);
}

} // namespace assay
