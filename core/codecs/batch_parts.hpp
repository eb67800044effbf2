#pragma once

#include "core/codecs/batch_codec.hpp"
#include "core/codecs/error_body.hpp"
#include "core/codecs/json_reader.hpp"

#include <string>
#include <string_view>
#include <variant>

/// What the batch APIs have in common. For the .cpp files of this folder only.
namespace assay::codecs {

/// @returns the body of a success as JSON, or why there is none.
std::variant<dom::element, call_failure> read_batch_body(json_document& document, const http_outcome& outcome,
                                                         wall_time now, const decode_options& options);

/// Reads one batch of the provider; nothing where @p root is none.
using batch_reader = std::optional<batch_status> (*)(dom::element root);

/// @param complaint What is said of a body that is no batch.
decoded<batch_status> decode_batch_status(json_document& document, const http_outcome& outcome, wall_time now,
                                          const decode_options& options, const char* complaint,
                                          batch_reader read);

/// A page of batches, without where the next one begins.
struct listed_batches {
  dom::element root;
  batch_page page;
};

/// @param list The member that holds them. @param required Whether it is there when there are none.
std::variant<listed_batches, call_failure> decode_batch_list(json_document& document,
                                                             const http_outcome& outcome, wall_time now,
                                                             const decode_options& options, const char* list,
                                                             bool required, batch_reader read);

/// @returns whether an id of the provider may stand in a path: it is never trusted to be one.
bool is_plain_id(std::string_view id) noexcept;

/// @returns a moment that is a number of seconds since 1970.
std::optional<wall_time> unix_time_member(dom::element parent, const char* name);

/// @returns a number that stands there as a number or as a text.
uint64_t number_or_text_member(dom::element parent, const char* name);

/// A call that the batch did not come to.
batch_row untried_row(std::string_view custom_id, std::string reason);

/// Reads @p body as the online answer to one call of a batch. What failed in a batch is not charged, but for
/// an answer that was withheld.
decoded_answer read_batched_answer(wire_codec& codec, int status, dom::element body, wall_time now);

/// Calls @p visit with each line that is JSON.
template <class Visit>
void each_line(json_document& document, std::string_view body, Visit&& visit) {
  while (!body.empty()) {
    const auto end = std::min(body.find('\n'), body.size());
    const auto line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos)
      continue;
    if (const auto root = document.parse(line))
      visit(*root);
  }
}

std::unique_ptr<batch_codec> make_openai_batch_codec(const provider_profile& provider);
std::unique_ptr<batch_codec> make_anthropic_batch_codec(const provider_profile& provider);
std::unique_ptr<batch_codec> make_gemini_batch_codec(const provider_profile& provider);

} // namespace assay::codecs
