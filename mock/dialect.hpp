#pragma once

#include "mock/api_error.hpp"
#include "mock/chat_request.hpp"
#include "mock/limiter.hpp"
#include "mock/request_view.hpp"
#include "mock/routes.hpp"
#include "mock/simulator.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace assay::mock {

struct call_ticket;
struct head_fields;

/// A good chat answer, before a protocol gives it its form.
struct chat_answer {
  const call_ticket& call;
  const chat_request& request;
  const std::vector<simulated_choice>& choices;
  int64_t created = 0;   ///< Unix seconds.
  bool in_batch = false; ///< The answer to a line of a batch.
};

/// A streamed answer as it goes over the wire, without the chunks' framing.
struct event_stream {
  std::vector<std::string> events;
  size_t closing = 0; ///< So many of the last ones tell a whole stream from one that broke off.
  std::string_view content_type = "text/event-stream; charset=utf-8";
};

/// What can be wrong with a request, whatever its body.
enum class trouble : uint8_t {
  missing_key = 1,
  wrong_key,      ///< about: the key.
  no_credit,      ///< For good.
  daily_quota,    ///< Until tomorrow. about: the model.
  filtered,       ///< The prompt is forbidden by the policy.
  unknown_path,   ///< about: the path.
  wrong_method,   ///< about: the path.
  unknown_model,  ///< about: the model.
  unknown_object, ///< about: the id of a file or batch.
  body_too_large,
};

/// Everything in which one wire protocol differs from another. Immutable; one object per protocol.
class dialect {
public:
  virtual ~dialect() = default;
  virtual wire protocol() const noexcept = 0;

  // -- requests

  /// @returns the API key as this protocol carries it, or an empty text.
  virtual std::string_view key_of(const request_view& request, std::string_view query) const = 0;
  /// @returns what the protocol demands of every request and this one lacks (versions).
  virtual std::optional<api_error> check(const request_view& request, const route& where,
                                         std::string_view query) const;
  virtual api_result<chat_request> read_chat(const route& where, std::string_view body) const = 0;
  /// A request to count tokens only.
  virtual api_result<chat_request> read_count(const route& where, std::string_view body) const;
  virtual api_result<embedding_request> read_embedding(const route& where, std::string_view body) const = 0;

  // -- answers

  virtual std::string chat_body(const chat_answer& answer) const = 0;
  virtual event_stream stream(const chat_answer& answer, std::string_view query) const = 0;
  virtual std::string count_body(uint64_t tokens, operation op) const;
  virtual std::string embedding_body(const call_ticket& call, const embedding_request& request,
                                     operation op) const = 0;
  virtual std::string model_body(const simulated_model& model) const = 0;
  virtual std::string models_body(const std::vector<simulated_model>& models) const = 0;
  /// What a stream (else: a waiting body) shows while nothing else comes.
  virtual std::string sign_of_life(bool stream) const;

  // -- errors

  /// The provider's own words for @p status.
  virtual api_error error_of_status(int status, std::string_view model) const = 0;
  /// @param verdict retry_after 0: the body does not say how long to wait.
  virtual api_error error_of_limit(const limit_verdict& verdict, std::string_view model) const = 0;
  virtual api_error error_of(trouble what, std::string_view about) const = 0;
  virtual api_error too_long(uint64_t window, uint64_t used) const = 0;
  virtual std::string error_body(const api_error& error, std::string_view request_id) const = 0;
  /// An error in the middle of a stream.
  virtual std::string error_event(const api_error& error, std::string_view request_id) const = 0;

  // -- heads

  /// Appends the provider's own header lines: ids, limits, how long to wait.
  virtual void append_headers(std::string& out, const head_fields& head) const = 0;
};

/// The one object of this protocol.
const dialect& dialect_of(wire protocol) noexcept;

/// @returns the token of `Bearer <token>`, or an empty text.
std::string_view bearer_of(std::string_view authorization) noexcept;

} // namespace assay::mock
