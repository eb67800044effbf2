#pragma once

#include "core/values/shared_text.hpp"
#include "protocol/messages/calls.hpp"

#include <memory>
#include <string_view>

namespace assay {

/// More than this of one answer is not kept.
inline constexpr size_t most_kept_vector_bytes = size_t{4} << 20;

/// @returns the vectors as the response cache keeps them, in place of an answer's text: how many, how long,
/// then their numbers, each four bytes, the lowest first. Empty for none, for vectors of different lengths,
/// and for more than most_kept_vector_bytes.
shared_text pack_vectors(const embedding_vectors& vectors);

/// @returns null for bytes that are none of these.
std::shared_ptr<const embedding_vectors> unpack_vectors(std::string_view bytes);

} // namespace assay
