#pragma once

#include <string>
#include <string_view>

namespace assay::mock {

/// Makes the smallest value that a JSON schema allows: required properties only, the fewest items, the first
/// of an enum, the least number. Knows type (also Gemini's `OBJECT`, `nullable`), properties, required,
/// items, prefixItems, minItems, enum, const, default, minimum, maximum, exclusiveMinimum, exclusiveMaximum,
/// multipleOf, minLength, maxLength, the usual formats, anyOf, oneOf, allOf and local $ref. A `pattern` is
/// not looked at.
/// @param answer given to a required or only property named `answer` of type string, if it fits.
/// @returns JSON; `{}` when @p schema is no JSON.
std::string minimal_instance(std::string_view schema, std::string_view answer = {});

} // namespace assay::mock
