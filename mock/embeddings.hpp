#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay::mock {

/// @returns a vector of length 1 that follows from model and text alone. The directions of different texts
/// are independent.
/// @param dimensions at least 1.
std::vector<float> embed(std::string_view model, std::string_view text, uint32_t dimensions);

/// Appends `[0.1,-0.2,...]`, the shortest decimals that read back as the same floats.
void append_vector(std::string& out, const std::vector<float>& values);

/// @returns little-endian floats in base64, as OpenAI sends them on request.
std::string base64_of(const std::vector<float>& values);

} // namespace assay::mock
