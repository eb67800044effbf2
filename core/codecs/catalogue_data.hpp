#pragma once

#include <string_view>

namespace assay::codecs {

/// The text of config/catalogue/models.json as it was when this binary was built.
std::string_view catalogue_json() noexcept;

} // namespace assay::codecs
