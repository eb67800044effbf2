#pragma once

#include "mock/dialect.hpp"

namespace assay::mock {

/// Reads a GenerateContentRequest and refuses what the provider refuses, in its words. Names may be written
/// in camelCase or snake_case.
api_result<chat_request> read_gemini_chat(std::string_view model, std::string_view body);

/// Reads a CountTokensRequest.
api_result<chat_request> read_gemini_count(std::string_view model, std::string_view body);

/// Reads an EmbedContentRequest, or with @p many a list of them.
api_result<embedding_request> read_gemini_embedding(std::string_view model, std::string_view body, bool many);

/// Gemini's generateContent and its kin.
class gemini_dialect final : public dialect {
public:
  wire protocol() const noexcept override { return wire::gemini; }
  std::string_view key_of(const request_view& request, std::string_view query) const override;
  api_result<chat_request> read_chat(const route& where, std::string_view body) const override;
  api_result<chat_request> read_count(const route& where, std::string_view body) const override;
  api_result<embedding_request> read_embedding(const route& where, std::string_view body) const override;
  std::string chat_body(const chat_answer& answer) const override;
  event_stream stream(const chat_answer& answer, std::string_view query) const override;
  std::string count_body(uint64_t tokens, operation op) const override;
  std::string embedding_body(const call_ticket& call, const embedding_request& request,
                             operation op) const override;
  std::string model_body(const simulated_model& model) const override;
  std::string models_body(const std::vector<simulated_model>& models) const override;
  api_error error_of_status(int status, std::string_view model) const override;
  api_error error_of_limit(const limit_verdict& verdict, std::string_view model) const override;
  api_error error_of(trouble what, std::string_view about) const override;
  api_error too_long(uint64_t window, uint64_t used) const override;
  std::string error_body(const api_error& error, std::string_view request_id) const override;
  std::string error_event(const api_error& error, std::string_view request_id) const override;
  void append_headers(std::string& out, const head_fields& head) const override;
};

} // namespace assay::mock
