#pragma once

#include "mock/call_record.hpp"
#include "mock/dialect.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::mock {

/// What happens to the connection after a reply.
enum class reply_end : uint8_t {
  keep = 1,  ///< The next request may come.
  close = 2, ///< FIN.
  reset = 3, ///< RST.
  hang = 4,  ///< Stays open and silent.
};

/// Everything a connection has to do for one request: wait, send these bytes in this way, end like this.
struct reply {
  microseconds delay{0}; ///< Before the first byte.
  std::string bytes;     ///< Head and body as they go over the wire.
  uint64_t filler = 0;   ///< This many letters `a` follow bytes, then tail.
  std::string tail;
  std::vector<size_t> pauses; ///< Offsets in bytes after which to wait for gap; ascending.
  microseconds gap{0};
  bool drip = false; ///< Wait for gap after every byte instead.
  reply_end end = reply_end::keep;
  milliseconds hang_for{0}; ///< 0: until the client leaves.
  bool whole = true;        ///< An undamaged answer, whatever its status.
  bool admitted = false;    ///< Counts as a call in flight of its key.
  call_ticket call;
};

/// The head's part that depends on the call.
struct head_fields {
  int status = 200;
  std::string_view content_type = "application/json";
  const dialect* speaker = nullptr; ///< Adds the provider's headers; needs call.
  const call_ticket* call = nullptr;
  const limit_verdict* limits = nullptr;
  std::optional<nanoseconds> retry_after;
  retry_hint hint = retry_hint::usual;
  microseconds processing{0};
  std::string_view more; ///< Further header lines, each with its CRLF.
  bool close = false;    ///< Announce `Connection: close`.
  bool doubled = false;  ///< Send contradicting duplicates of several headers.
};

/// Writes an answer with Content-Length. @p length_error is added to the true length.
std::string plain_answer(const head_fields& head, std::string_view body, int64_t length_error = 0);

/// Writes the head of an answer of @p length bytes.
std::string plain_head(const head_fields& head, uint64_t length);

/// Writes the head of a chunked answer. An HTTP/1.0 client gets none of the chunk framing and a closed
/// connection.
std::string stream_head(const head_fields& head, bool chunked);
void append_chunk(std::string& out, std::string_view data, bool chunked);
/// Appends the line that begins a chunk of @p size bytes.
void append_chunk_size(std::string& out, size_t size);

/// Appends `retry-after: 3`; rounds up, never less than 1.
void append_retry_seconds(std::string& out, nanoseconds wait);
/// Appends `retry-after-ms: 2500`; rounds up, never less than 1.
void append_retry_ms(std::string& out, nanoseconds wait);

/// A good answer before it goes over the wire, so that faults can damage it.
struct answer_parts {
  const dialect& speaker;
  head_fields head;
  std::string body;    ///< Not looked at when streamed.
  event_stream stream; ///< Not looked at unless streamed.
  bool streamed = false;
  bool chunked = true;       ///< HTTP/1.1.
  microseconds token_gap{0}; ///< Between the events of a stream.
};

/// Stands for the filler of a huge answer in the text of a chat answer: as long as one token.
constexpr std::string_view filler_mark = "@~~@";

/// Fills @p out with the undamaged answer.
void write_answer(reply& out, const answer_parts& parts);
/// Fills @p out with what @p rule makes of the answer. Kinds that send an error instead are not handled here.
void write_damaged(reply& out, answer_parts parts, const fault_rule& rule);
/// Fills @p out with an error answer. @p head names the speaker.
void write_error(reply& out, head_fields head, const api_error& error);

} // namespace assay::mock
