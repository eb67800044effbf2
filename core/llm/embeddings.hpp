#pragma once

#include "core/values/model.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace assay::llm {

/// @returns the body of POST /v1/embeddings. @param as_base64 Vectors as the bytes of their numbers, lowest
/// byte first, in base64, as OpenAI's clients like them.
std::string embedding_list(std::string_view model, const std::vector<std::vector<float>>& vectors,
                           const token_usage& usage, bool as_base64);

/// Appends a JSON list of numbers, each with as many digits as it needs.
void append_vector(std::string& out, const std::vector<float>& vector);

} // namespace assay::llm
