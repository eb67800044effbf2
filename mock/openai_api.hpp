#pragma once

#include "mock/dialect.hpp"

namespace assay::mock {

/// Reads the body of POST /v1/chat/completions and refuses what the provider refuses, in its words.
/// @param deployment stands for the model when the path names it (Azure).
api_result<chat_request> read_openai_chat(std::string_view body, std::string_view deployment = {});

/// Reads what vLLM and llama.cpp are asked to count: the body of a chat, or vLLM's `prompt`.
api_result<chat_request> read_openai_count(std::string_view body);

/// Reads the body of POST /v1/embeddings.
api_result<embedding_request> read_openai_embedding(std::string_view body, std::string_view deployment = {});

/// OpenAI's chat completions and embeddings, and the base of those who follow it.
class openai_dialect : public dialect {
public:
  wire protocol() const noexcept override { return wire::openai; }
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

protected:
  /// The answer's `id`.
  virtual std::string answer_id(const call_ticket& call) const;
  virtual void append_usage(std::string& out, const call_ticket& call) const;
  /// Members of every answer and frame beside the common ones, each followed by a comma.
  virtual std::string_view common_members() const;
  /// Members of a plain answer only, each after a comma.
  virtual std::string_view answer_members() const { return {}; }
  /// Members of a message, each after a comma.
  virtual std::string_view message_members() const { return ",\"refusal\":null,\"annotations\":[]"; }
  /// Members of a choice that is complete, each after a comma.
  virtual std::string choice_members(choice_end) const { return {}; }
  /// What a stream sends before its first frame; @p start is a frame up to its choices.
  virtual void open_stream(std::vector<std::string>&, const std::string& start) const { (void)start; }
  virtual bool crlf() const noexcept { return false; }
  /// Whether a stream tells its usage without being asked.
  virtual bool always_tells_usage() const noexcept { return false; }

private:
  std::string frame_start(const chat_answer& answer) const;
};

/// Azure OpenAI: the deployment in the path, its own key header, whole seconds in the limits, content
/// filters.
class azure_dialect final : public openai_dialect {
public:
  wire protocol() const noexcept override { return wire::azure; }
  std::string_view key_of(const request_view& request, std::string_view query) const override;
  std::optional<api_error> check(const request_view& request, const route& where,
                                 std::string_view query) const override;
  api_error error_of_limit(const limit_verdict& verdict, std::string_view model) const override;
  api_error error_of(trouble what, std::string_view about) const override;
  void append_headers(std::string& out, const head_fields& head) const override;

protected:
  std::string_view answer_members() const override;
  std::string choice_members(choice_end end) const override;
  void open_stream(std::vector<std::string>& events, const std::string& start) const override;
};

/// OpenRouter: numbers as error codes, comments in streams, costs.
class openrouter_dialect final : public openai_dialect {
public:
  wire protocol() const noexcept override { return wire::openrouter; }
  std::string models_body(const std::vector<simulated_model>& models) const override;
  std::string model_body(const simulated_model& model) const override;
  std::string sign_of_life(bool stream) const override;
  api_error error_of_status(int status, std::string_view model) const override;
  api_error error_of_limit(const limit_verdict& verdict, std::string_view model) const override;
  api_error error_of(trouble what, std::string_view about) const override;
  std::string error_body(const api_error& error, std::string_view request_id) const override;
  std::string error_event(const api_error& error, std::string_view request_id) const override;
  void append_headers(std::string& out, const head_fields& head) const override;

protected:
  std::string answer_id(const call_ticket& call) const override;
  void append_usage(std::string& out, const call_ticket& call) const override;
  std::string_view common_members() const override;
  std::string choice_members(choice_end end) const override;
  void open_stream(std::vector<std::string>& events, const std::string& start) const override;
  bool crlf() const noexcept override { return true; }
  bool always_tells_usage() const noexcept override { return true; }
};

/// DeepSeek: cache hits in the usage, 402 and 422, signs of life, no limit headers.
class deepseek_dialect final : public openai_dialect {
public:
  wire protocol() const noexcept override { return wire::deepseek; }
  std::string models_body(const std::vector<simulated_model>& models) const override;
  api_error error_of_status(int status, std::string_view model) const override;
  api_error error_of_limit(const limit_verdict& verdict, std::string_view model) const override;
  api_error error_of(trouble what, std::string_view about) const override;
  void append_headers(std::string& out, const head_fields& head) const override;

protected:
  std::string answer_id(const call_ticket& call) const override;
  void append_usage(std::string& out, const call_ticket& call) const override;
  std::string_view common_members() const override;
  std::string_view message_members() const override { return {}; }
};

/// DashScope's compatible mode: lower-case codes, insufficient_quota that means "slower".
class dashscope_dialect final : public openai_dialect {
public:
  wire protocol() const noexcept override { return wire::dashscope; }
  api_error error_of_status(int status, std::string_view model) const override;
  api_error error_of_limit(const limit_verdict& verdict, std::string_view model) const override;
  api_error error_of(trouble what, std::string_view about) const override;
  std::string error_body(const api_error& error, std::string_view request_id) const override;
  void append_headers(std::string& out, const head_fields& head) const override;

protected:
  std::string_view common_members() const override;
  std::string_view message_members() const override { return {}; }
};

} // namespace assay::mock
