#pragma once

#include "mock/batch_apis.hpp"
#include "mock/call_record.hpp"
#include "mock/fault_script.hpp"
#include "mock/limiter.hpp"
#include "mock/reply.hpp"
#include "mock/request_view.hpp"
#include "mock/simulator.hpp"

#include <atomic>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace assay::mock {

/// The provider itself, without sockets: turns a request into a reply. Thread-safe.
class service {
public:
  /// @param book may be null. Fails when the record cannot be opened.
  static result<std::unique_ptr<service>> create(options value, std::shared_ptr<const answer_book> book);

  /// Answers any request. A reply with a call in it must be given back to finished() exactly once.
  reply handle(const request_view& request);
  /// The answer to bytes that are no acceptable HTTP request: 400, 413 or 431; closes the connection.
  reply reject(int status) const;
  /// @param whole the entire reply went to the kernel.
  void finished(const reply& sent, bool whole);

  const options& settings() const noexcept { return options_; }

private:
  /// A request and what its path says.
  struct incoming {
    const request_view& request;
    std::string_view path;
    std::string_view query;
    route where;
    const dialect& speaker;
  };
  /// What a model is asked, and which model that is.
  struct question {
    operation op = operation::chat;
    chat_request chat;       ///< For embeddings only model, hash and tokens.
    embedding_request texts; ///< For embeddings only.
    std::optional<simulated_model> model;
    fault_rule rule;
  };

  service(options value, std::shared_ptr<const answer_book> book, std::unique_ptr<call_record> record);

  // model_calls.cpp
  reply model_call(const incoming& in);
  static api_result<question> read_question(const dialect& speaker, const route& where,
                                            std::string_view body);
  /// Begins a call: numbers it and writes it down.
  void receive(call_ticket& call, const api_result<question>& asked);
  /// @returns why the question gets no answer: unknown model, long prompt, fault, transient error. Sets
  /// head's hints.
  std::optional<api_error> refuse(const dialect& speaker, question& asked, call_ticket& call,
                                  const fault_candidate& candidate, head_fields& head);
  std::optional<api_error> error_of_fault(const dialect& speaker, const fault_rule& rule,
                                          std::string_view model, head_fields& head) const;
  /// Lets the model speak; sets the call's tokens.
  std::vector<simulated_choice> speak(const question& asked, call_ticket& call) const;
  void fill_parts(answer_parts& parts, const incoming& in, const question& asked, const call_ticket& call,
                  const std::vector<simulated_choice>& choices) const;
  std::optional<simulated_model> model_named(wire protocol, const std::string& name) const;
  line_outcome answer_line(const batch_job& job, const batch_line& line);

  // service.cpp
  /// Listings, files and batches.
  reply side_call(const incoming& in);
  api_result<store_answer> side_answer(const incoming& in, std::string_view key);
  std::optional<api_error> check_key(const dialect& speaker, std::string_view key) const;
  std::string known_hash_of(std::string_view key);

  // control.cpp
  reply control(const request_view& request, std::string_view path, std::string_view query);
  std::optional<nlohmann::json> control_answer(const request_view& request, std::string_view path,
                                               std::string_view query, std::optional<fault>& problem);
  reply record_slice(const request_view& request, std::string_view query) const;

  const options options_;
  const nanoseconds unix_zero_; ///< The clock's time at the beginning of 1970.
  limiter limiter_;
  fault_script faults_;
  simulator simulator_;
  std::unique_ptr<call_record> record_;
  file_store files_;
  batch_store batches_;
  std::atomic<uint64_t> side_calls_{0}; ///< Requests that ask no model; makes their ids.
  std::shared_mutex key_mutex_;
  std::unordered_map<uint64_t, std::string> key_hashes_; ///< By a quick hash, so that no key is kept.
};

/// An answer in JSON that no provider speaks: health and control.
reply json_reply(const request_view& request, const nlohmann::json& body, int status = 200);

} // namespace assay::mock
