#pragma once

#include "core/codecs/http_message.hpp"
#include "io/gzip.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace assay::io::detail {

/// Turns the bytes of one HTTP/1.x answer into status, the headers worth keeping and the decompressed body.
/// Interim answers (1xx) are passed over.
class answer_reader {
public:
  enum class progress { more, done, failed };

  answer_reader();
  ~answer_reader();
  answer_reader(const answer_reader&) = delete;
  answer_reader& operator=(const answer_reader&) = delete;

  /// Starts a new answer.
  /// @param max_body limit of the body, before and after decompression.
  /// @param header_only the answer ends with its headers (CONNECT).
  /// @param stream a body with status 200 is handed out by take_piece().
  void begin(size_t max_body, bool header_only = false, bool stream = false);

  /// Reads on. @param bytes what the last call left over, followed by what is new. @param used how many of
  /// them are dealt with; the caller keeps the rest for the next call.
  progress feed(std::string_view bytes, size_t& used);

  /// The peer has ended the stream in good order.
  progress end_of_stream();

  /// @returns whether any byte of an answer has come.
  bool started() const noexcept { return started_; }

  /// @returns whether the connection may carry another request; meaningful when done.
  bool keep_alive() const;

  int status() const noexcept { return status_; }

  /// @returns whether anything of a body has come.
  bool in_body() const noexcept { return in_body_; }

  http_headers take_headers() noexcept { return std::move(headers_); }

  /// The whole body, or nothing for one that is handed out in pieces.
  shared_text take_body();

  /// Of a streamed body: what has come since the last call, decompressed. Also after the answer failed.
  shared_text take_piece();

  /// Why the answer failed.
  errc error() const noexcept { return error_; }
  const std::string& message() const noexcept { return message_; }

  /// Gives back what a finished answer held.
  void release();

private:
  class parser;
  void fail(errc code, std::string message);
  progress failed_by(const std::string& what, bool limit_body, bool limit_header, bool partial);

  std::unique_ptr<parser> parser_;
  size_t max_body_ = 0;
  bool header_only_ = false;
  bool stream_ = false;
  bool in_body_ = false;
  bool piecewise_ = false;
  bool started_ = false;
  int interim_ = 0;
  int status_ = 0;
  errc error_ = errc::internal;
  std::string message_;
  http_headers headers_;
  shared_text whole_;  ///< The body when it came in one piece.
  std::string pieces_; ///< The body otherwise, or what of a streamed one has not been taken.
  std::unique_ptr<inflater> inflater_;
};

} // namespace assay::io::detail
