#pragma once

#include "mock/call_record.hpp"
#include "mock/chat_request.hpp"
#include "mock/limiter.hpp"
#include "mock/simulator.hpp"

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
  const call_ticket* call = nullptr; ///< Adds the provider's headers.
  const limit_verdict* limits = nullptr;
  std::optional<nanoseconds> retry_after;
  microseconds processing{0};
  bool close = false;   ///< Announce `Connection: close`.
  bool doubled = false; ///< Send contradicting duplicates of several headers.
};

/// Writes an answer with Content-Length. @p length_error is added to the true length.
std::string plain_answer(const head_fields& head, std::string_view body, int64_t length_error = 0);

/// Writes the head of an answer of @p length bytes.
std::string plain_head(const head_fields& head, uint64_t length);

/// Writes the head of a chunked answer. An HTTP/1.0 client gets none of the chunk framing and a closed
/// connection.
std::string stream_head(const head_fields& head, bool chunked);
void append_chunk(std::string& out, std::string_view data, bool chunked);

/// A good answer before it goes over the wire, so that faults can damage it.
struct answer_parts {
  const chat_request& request;
  std::vector<simulated_choice> choices;
  head_fields head;
  int64_t created = 0;       ///< Unix seconds.
  bool chunked = true;       ///< HTTP/1.1.
  microseconds token_gap{0}; ///< Between the frames of a stream.
};

/// Fills @p out with the undamaged answer.
void write_answer(reply& out, const answer_parts& parts);
/// Fills @p out with what @p rule makes of the answer. Kinds that send an error instead are not handled here.
void write_damaged(reply& out, answer_parts parts, const fault_rule& rule);
/// Fills @p out with an error answer.
void write_error(reply& out, head_fields head, const api_error& error);

/// {"error": {message, type, param, code}}
std::string error_body(const api_error& error);
/// The provider's own words for @p status: 400, 401, 403, 404, 408, 413, 500, 503, 529 and others.
api_error error_for_status(int status, std::string_view model);
api_error error_for_limit(const limit_verdict& verdict, std::string_view model);
api_error quota_error();

/// A chat.completion object.
std::string completion_body(const call_ticket& call, const std::vector<simulated_choice>& choices,
                            int64_t created);
/// The frames of a stream as JSON texts, without the final [DONE]: role, one per piece of text, finish,
/// usage.
std::vector<std::string> stream_frames(const call_ticket& call, const std::vector<simulated_choice>& choices,
                                       int64_t created, bool include_usage);

} // namespace assay::mock
