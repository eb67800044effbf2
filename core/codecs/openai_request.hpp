#pragma once

#include "core/codecs/openai_rules.hpp"
#include "core/codecs/wire_codec.hpp"

/// Bodies of requests in OpenAI's protocol. For the .cpp files of this folder only.
namespace assay::codecs {

struct written_body {
  std::string text;
  std::vector<std::string> dropped; ///< encoded_request::dropped.
};

/// The body of a chat completion. A reasoning model gets neither temperature, top_p, penalties nor stop
/// sequences, since it would refuse the request for them; whoever gets the whole answer cuts it itself
/// (cut_at_stop).
result<written_body> write_chat(const chat_request& request, const openai_rules& rules);

/// The messages and tools alone, for a server that counts their tokens.
result<written_body> write_count(const chat_request& request, const openai_rules& rules);

result<written_body> write_embeddings(const embedding_request& request, const openai_rules& rules);

} // namespace assay::codecs
