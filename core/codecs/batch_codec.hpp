#pragma once

#include "core/codecs/http_message.hpp"
#include "core/codecs/wire_codec.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What the farm asks of a provider's batch API: many calls in one job, for less money, answered within a
/// day. Pure, as the codecs of single calls. Sources: OpenAI's OpenAPI specification and Batch guide, Azure's
/// batch page, Anthropic's SDK (Message Batches), ai.google.dev (Batch API).
namespace assay::codecs {

/// One HTTP request of a batch's life, without origin and credentials.
struct batch_message {
  std::string target; ///< As encoded_request::target.
  shared_text body;
  std::string content_type; ///< Empty: application/json.
  http_method method = http_method::by_body;
  bool at_origin = false;
};

/// How the farm knows its own batches again.
struct batch_label {
  std::string run;
  std::string chunk;

  bool empty() const noexcept { return run.empty() && chunk.empty(); }
  bool operator==(const batch_label&) const = default;
};

/// What one batch may hold.
struct batch_limits {
  size_t max_calls = 0;
  size_t max_bytes = 0; ///< Of all its lines.
};

enum class batch_stage : uint8_t {
  working = 1,
  ended = 2,  ///< Done, expired or cancelled: what there is can be fetched.
  failed = 3, ///< The provider took none of its calls.
};

/// A batch as its provider shows it.
struct batch_status {
  std::string id;
  batch_stage stage = batch_stage::working;
  std::string problem;  ///< With batch_stage::failed: the provider's words.
  bool crowded = false; ///< With batch_stage::failed: too much was enqueued; later there is room.
  std::optional<wall_time> created_at;
  uint64_t calls = 0; ///< 0 when it does not say yet.
  batch_label label;  ///< Empty where the provider keeps none.
  /// Where the results are, for encode_results; may be empty although it has ended.
  std::vector<std::string> results;
};

struct batch_page {
  std::vector<batch_status> batches; ///< Newest first.
  std::string next;                  ///< For the next encode_list; empty at the end.
};

/// An uploaded file.
struct batch_file {
  std::string id;
  bool ready = true; ///< A batch may name it.
};

/// What became of one call of a batch.
struct batch_row {
  std::string custom_id;
  bool tried = true; ///< False: the batch ended before the provider came to it; it costs nothing.
  decoded_answer answer;
};

/// @returns the name of a call in its batch: letters, digits, `_` and `-`, at most 64.
std::string batch_custom_id(const batch_label& label, uint32_t row);
/// @returns which call of the batch it names; nothing when it is none of @p label.
std::optional<uint32_t> batch_row_of(std::string_view custom_id, const batch_label& label);

/// One provider's batch API. Not for use by two threads at once. Answers are decoded without throwing on any
/// input except for lack of memory.
class batch_codec {
public:
  virtual ~batch_codec() = default;

  virtual batch_limits limits() const noexcept = 0;
  /// The lines are uploaded as a file before the batch is made.
  virtual bool uploads() const noexcept = 0;
  /// Batches show the label with which they were made. Otherwise only their results tell whose they are.
  virtual bool labels() const noexcept = 0;

  /// Appends one call to @p lines, which belong to one batch and one model. Fails as
  /// wire_codec::encode_chat, and then leaves @p lines as they were.
  virtual result<void> append_line(std::string& lines, std::string_view custom_id,
                                   const chat_request& request) = 0;

  /// Only where uploads().
  virtual batch_message encode_upload(std::string_view lines, const batch_label& label) = 0;
  virtual batch_message encode_file(std::string_view file) = 0;
  virtual decoded<batch_file> decode_file(const http_outcome& outcome, wall_time now) = 0;

  /// @param input where uploads(), the file's id; else the lines.
  virtual batch_message encode_create(std::string_view input, std::string_view model,
                                      const batch_label& label) = 0;
  virtual batch_message encode_poll(std::string_view batch) = 0;
  virtual batch_message encode_cancel(std::string_view batch) = 0;
  /// Of what was created or polled.
  virtual decoded<batch_status> decode_status(const http_outcome& outcome, wall_time now) = 0;

  /// @param page empty, or batch_page::next of the page before.
  virtual batch_message encode_list(std::string_view page) = 0;
  virtual decoded<batch_page> decode_list(const http_outcome& outcome, wall_time now) = 0;

  /// @param where one of batch_status::results.
  virtual batch_message encode_results(std::string_view where) = 0;
  /// Reads one body of results. Lines that are none are passed over, so their calls have no row.
  /// @param rows gets them in the order of the body, which is any.
  virtual void decode_rows(std::string_view body, wall_time now, std::vector<batch_row>& rows) = 0;
};

/// @returns the batch API of a provider as configured, or null when its address has none.
std::unique_ptr<batch_codec> make_batch_codec(const provider_profile& provider);

} // namespace assay::codecs
