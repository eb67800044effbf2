#pragma once

#include "mock/api_error.hpp"
#include "mock/batches.hpp"
#include "mock/request_view.hpp"

#include <string>
#include <string_view>

namespace assay::mock {

/// A request about files or batches.
struct store_request {
  const request_view& request;
  std::string_view query;
  route where;
  std::string owner;        ///< The hash of the key.
  std::string base_url;     ///< `http://127.0.0.1:4711`, as the client wrote it.
  std::string path;         ///< Of the request.
  nanoseconds now{0};       ///< Steady.
  nanoseconds unix_zero{0}; ///< Steady time at the beginning of 1970.
  file_store& files;
  batch_store& batches;

  int64_t unix_seconds(nanoseconds at) const { return std::chrono::floor<seconds>(at - unix_zero).count(); }
  /// RFC 3339.
  std::string rfc3339(nanoseconds at) const;
};

/// An answer of status 200.
struct store_answer {
  std::string body;
  std::string_view content_type = "application/json";
  std::string headers{}; ///< More lines, each with its CRLF.
};

/// Files and batches of OpenAI, Azure OpenAI and DashScope.
api_result<store_answer> answer_openai_store(const store_request& call);
/// Message batches of Anthropic.
api_result<store_answer> answer_anthropic_store(const store_request& call);
/// Files and batches of Gemini.
api_result<store_answer> answer_gemini_store(const store_request& call);

/// Write the files of a batch that is over.
void close_openai_batch(batch_job& job, batch_phase phase, file_store& files, int64_t unix_now);
void close_gemini_batch(batch_job& job, batch_phase phase, file_store& files, int64_t unix_now);

/// @returns whether the model of a batch's line is found in the path, not in the line.
std::string_view subject_of(const batch_job& job) noexcept;

} // namespace assay::mock
