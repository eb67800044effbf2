#pragma once

#include "core/codecs/json_reader.hpp"
#include "core/codecs/wire_codec.hpp"

/// Answers about vectors and models in OpenAI's protocol. For the .cpp files of this folder only.
namespace assay::codecs {

/// @returns the vectors in the order of their `index`, or nothing when one is missing, doubled or no vector.
/// A vector is a list of numbers or base64 of little-endian 32-bit floats.
std::optional<std::vector<std::vector<float>>> read_vectors(dom::element data);

/// Reads {"data":[{"id":...}]}, also with what OpenRouter, vLLM and Groq say about sizes, and the bare list
/// that some servers send. Entries without an id are skipped.
std::optional<std::vector<listed_model>> read_models(dom::element root);

} // namespace assay::codecs
