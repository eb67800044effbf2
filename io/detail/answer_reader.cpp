#include "io/detail/answer_reader.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <array>

namespace assay::io::detail {

namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

constexpr uint32_t max_header_bytes = 64 * 1024;
constexpr int max_interim_answers = 16;
constexpr size_t most_reserved_ahead = 256 * 1024;

/// @param lowered a constant in lower case.
bool equals(std::string_view text, std::string_view lowered) noexcept {
  return text.size() == lowered.size()
         && std::equal(text.begin(), text.end(), lowered.begin(),
                       [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a | 0x20 : a) == b; });
}

bool begins(std::string_view text, std::string_view lowered) noexcept {
  return text.size() >= lowered.size() && equals(text.substr(0, lowered.size()), lowered);
}

/// Of a provider's twenty or more headers these are read by somebody; the others are not even copied.
bool worth_keeping(std::string_view name) noexcept {
  if (name.empty())
    return false;
  switch (name[0] | 0x20) {
  case 'a':
    return begins(name, "anthropic-");
  case 'c':
    return equals(name, "content-type");
  case 'd':
    return equals(name, "date");
  case 'l':
    return equals(name, "location");
  case 'o':
    return equals(name, "openai-processing-ms");
  case 'r':
    return begins(name, "retry-after") || begins(name, "ratelimit-") || equals(name, "request-id");
  case 'x':
    return begins(name, "x-ratelimit-") || equals(name, "x-request-id") || equals(name, "x-should-retry")
           || begins(name, "x-assay-") || equals(name, "x-generation-id");
  default:
    return false;
  }
}

std::string_view view(string_view text) noexcept { return {text.data(), text.size()}; }

} // namespace

class answer_reader::parser : public http::basic_parser<false> {
public:
  explicit parser(answer_reader& owner) : owner_(owner) {
    eager(true);
    header_limit(max_header_bytes);
    body_limit(owner.max_body_);
    skip(owner.header_only_);
  }

private:
  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}

  void on_response_impl(int code, string_view reason, int, error_code&) override {
    owner_.status_ = code;
    header_bytes_ = reason.size();
  }

  void on_field_impl(http::field known, string_view name, string_view value, error_code& ec) override {
    // Beast limits a single line and what is unread, not the sum of many short lines.
    header_bytes_ += name.size() + value.size() + 4;
    if (header_bytes_ > max_header_bytes) {
      ec = http::error::header_limit;
      return;
    }
    if (is_header_done()) // a trailer must not pass for a header
      return;
    if (known == http::field::content_encoding) {
      coding_.append(coding_.empty() ? "" : ",").append(value.data(), value.size());
      return;
    }
    if (worth_keeping(view(name)))
      owner_.headers_.emplace_back(view(name), view(value));
  }

  void on_header_impl(error_code&) override {}

  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code& ec) override {
    length_ = length.value_or(0);
    owner_.in_body_ = true;
    owner_.piecewise_ = owner_.stream_ && owner_.status_ == 200;
    if (coding_.empty())
      return;
    const auto coding = content_coding_from(coding_);
    if (!coding) {
      owner_.fail(errc::malformed_answer,
                  "the answer is compressed in a way nobody asked for (" + coding_ + ")");
      ec = http::error::bad_value;
    } else if (*coding != content_coding::identity) {
      owner_.inflater_ = std::make_unique<inflater>(*coding, owner_.max_body_);
    }
  }

  std::size_t on_body_impl(string_view body, error_code& ec) override {
    if (owner_.inflater_) {
      if (auto fed = owner_.inflater_->feed(view(body), owner_.pieces_); !fed) {
        const bool large = fed.error().code == errc::too_large;
        owner_.fail(large ? errc::too_large : errc::malformed_answer, fed.error().message);
        ec = http::error::bad_value;
      }
      return body.size();
    }
    if (owner_.pieces_.empty() && !owner_.piecewise_) {
      if (length_ == body.size()) { // the usual case: no second copy
        owner_.whole_ = shared_text(view(body));
        return body.size();
      }
      owner_.pieces_.reserve(
          std::max<size_t>(body.size(), std::min<std::uint64_t>(length_, most_reserved_ahead)));
    }
    owner_.pieces_.append(body.data(), body.size());
    return body.size();
  }

  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}

  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code& ec) override {
    return on_body_impl(body, ec);
  }

  void on_finish_impl(error_code& ec) override {
    if (owner_.inflater_ && !owner_.inflater_->complete()) {
      owner_.fail(errc::malformed_answer, "the compressed body ends too early");
      ec = http::error::bad_value;
    }
  }

  answer_reader& owner_;
  std::uint64_t length_ = 0;
  size_t header_bytes_ = 0;
  std::string coding_;
};

answer_reader::answer_reader() = default;
answer_reader::~answer_reader() = default;

void answer_reader::begin(size_t max_body, bool header_only, bool stream) {
  release();
  max_body_ = max_body;
  header_only_ = header_only;
  stream_ = stream;
  in_body_ = piecewise_ = started_ = false;
  interim_ = 0;
  status_ = 0;
  error_ = errc::internal;
  message_.clear();
}

answer_reader::progress answer_reader::feed(std::string_view bytes, size_t& used) {
  used = 0;
  if (!bytes.empty())
    started_ = true;
  while (used < bytes.size()) {
    if (!parser_)
      parser_ = std::make_unique<parser>(*this);
    error_code ec;
    const auto rest = bytes.substr(used);
    used += parser_->put(boost::asio::const_buffer(rest.data(), rest.size()), ec);
    if (ec == http::error::need_more) {
      if (bytes.size() - used < max_header_bytes)
        return progress::more;
      ec = http::error::header_limit; // an endless chunk extension or trailer
    }
    if (ec)
      return failed_by(ec.message(), ec == http::error::body_limit, ec == http::error::header_limit, false);
    if (!parser_->is_done())
      return progress::more;
    if (status_ >= 200)
      return progress::done;
    if (status_ == 101 || ++interim_ > max_interim_answers) {
      fail(errc::malformed_answer, status_ == 101 ? "the server switched protocols unasked"
                                                  : "the server sends interim answers without end");
      return progress::failed;
    }
    parser_.reset();
    headers_.clear();
  }
  return progress::more;
}

answer_reader::progress answer_reader::end_of_stream() {
  if (!parser_) {
    fail(errc::truncated_answer, "the connection ended before the answer");
    return progress::failed;
  }
  error_code ec;
  parser_->put_eof(ec);
  if (ec)
    return failed_by(ec.message(), false, false, ec == http::error::partial_message);
  return progress::done;
}

answer_reader::progress answer_reader::failed_by(const std::string& what, bool limit_body, bool limit_header,
                                                 bool partial) {
  if (!message_.empty()) // a callback has said more
    return progress::failed;
  if (limit_body)
    fail(errc::too_large, "the answer's body is over the limit of " + std::to_string(max_body_) + " bytes");
  else if (limit_header)
    fail(errc::malformed_answer, "the answer's headers are over 64 KiB");
  else if (partial)
    fail(errc::truncated_answer, "the connection ended inside the answer");
  else
    fail(errc::malformed_answer, "the answer is not valid HTTP/1.1: " + what);
  return progress::failed;
}

void answer_reader::fail(errc code, std::string message) {
  error_ = code;
  message_ = std::move(message);
}

bool answer_reader::keep_alive() const { return parser_ && parser_->is_done() && parser_->keep_alive(); }

shared_text answer_reader::take_body() {
  if (piecewise_)
    return {};
  if (!pieces_.empty())
    return shared_text(pieces_);
  return std::move(whole_);
}

shared_text answer_reader::take_piece() {
  if (!piecewise_)
    return {};
  shared_text piece(pieces_);
  pieces_.clear();
  return piece;
}

void answer_reader::release() {
  parser_.reset();
  headers_.clear();
  whole_ = {};
  if (pieces_.capacity() > 0)
    std::string().swap(pieces_);
  inflater_.reset();
}

} // namespace assay::io::detail
