#include "core/codecs/error_body.hpp"
#include "core/codecs/gemini_parts.hpp"
#include "core/codecs/json_text.hpp"
#include "core/codecs/sse.hpp"

#include <array>

namespace assay::codecs::gemini {

namespace {

/// Collects the lines of a stream that are no server-sent events: Gemini reports errors in the middle of a
/// stream as bare JSON over several lines, and sends a whole stream as a JSON list when it overlooks alt=sse.
class stray_lines {
public:
  void feed(std::string_view bytes) {
    for (const char c : bytes)
      take(c);
  }

  /// Everything collected, the present line included.
  std::string text() const { return text_ + (kind_ == line_kind::undecided ? head_ : std::string{}); }

private:
  enum class line_kind : uint8_t { undecided, field, stray };

  /// The names that may begin a line of an event stream.
  static constexpr std::array<std::string_view, 5> fields{":", "data:", "event:", "id:", "retry:"};
  /// Enough for every error and most lists; what is longer is not kept.
  static constexpr size_t most = size_t{8} << 20;

  void take(char c) {
    if (c == '\n' || c == '\r') {
      if (kind_ == line_kind::undecided)
        keep(head_);
      keep("\n");
      head_.clear();
      kind_ = line_kind::undecided;
      return;
    }
    if (kind_ == line_kind::field)
      return;
    if (kind_ == line_kind::stray)
      return keep({&c, 1});
    head_ += c;
    decide();
  }

  void decide() {
    bool possible = false;
    for (const auto name : fields) {
      if (head_ == name) {
        kind_ = line_kind::field;
        return;
      }
      possible = possible || name.starts_with(head_);
    }
    if (possible)
      return;
    kind_ = line_kind::stray;
    keep(head_);
  }

  void keep(std::string_view piece) {
    // Ends of lines between events are no stray text.
    if ((text_.empty() && piece == "\n") || text_.size() + piece.size() > most)
      return;
    text_ += piece;
  }

  line_kind kind_ = line_kind::undecided;
  std::string head_;
  std::string text_;
};

class content_stream final : public stream_decoder {
public:
  bool feed(std::string_view bytes, std::vector<answer_delta>& out) override {
    stray_.feed(bytes);
    reader_.feed(bytes);
    sse_event event;
    while (reader_.next(event))
      take(event.data, out);
    return response_.complete() || !error_.empty() || !garbled_.empty() || reader_.overflowed();
  }

  decoded_answer finish(const http_outcome& outcome, wall_time now) override;
  std::optional<token_usage> usage_so_far() const override { return response_.usage(); }

private:
  void take(std::string_view data, std::vector<answer_delta>& out);
  void take_response(dom::element response, std::string_view text, std::vector<answer_delta>* out);
  void take_stray();

  sse_reader reader_;
  stray_lines stray_;
  json_document document_;
  response_parts response_;
  std::string error_;   ///< A response that is an error, as it came.
  std::string garbled_; ///< An event that is not JSON.
};

void content_stream::take_response(dom::element response, std::string_view text,
                                   std::vector<answer_delta>* out) {
  if (!member(response, "error"))
    response_.take(response, out);
  else if (!response_.complete())
    error_ = text;
}

void content_stream::take(std::string_view data, std::vector<answer_delta>& out) {
  // Some gateways end every stream as OpenAI does.
  if (data == "[DONE]")
    return;
  const auto root = document_.parse(data);
  if (!root) {
    // What follows a complete answer cannot make it worse.
    if (!response_.complete())
      garbled_ = excerpt(data, 120);
    return;
  }
  dom::array list;
  if (root->get(list) != simdjson::SUCCESS)
    return take_response(*root, data, &out);
  for (const auto item : list)
    take_response(item, data, &out);
}

void content_stream::take_stray() {
  const auto text = stray_.text();
  if (text.empty())
    return;
  const auto root = document_.parse(text);
  if (!root)
    return;
  dom::array list;
  if (root->get(list) != simdjson::SUCCESS)
    return take_response(*root, text, nullptr);
  for (const auto item : list)
    take_response(item, simdjson::minify(item), nullptr);
}

decoded_answer content_stream::finish(const http_outcome& outcome, wall_time now) {
  if (outcome.status != 0 && !is_success(outcome.status))
    return read_failed_status(outcome, document_, now);
  take_stray();
  if (!error_.empty())
    if (const auto root = document_.parse(error_))
      return response_.completed(read_failure(0, *root, outcome.headers, now));
  if (!garbled_.empty())
    return response_.completed(malformed("an event of the stream is not JSON: " + garbled_, outcome));
  if (response_.complete())
    return std::move(response_).compose(outcome);
  if (reader_.overflowed())
    return response_.completed(malformed("an event of the stream is too large", outcome));
  if (outcome.status == 0)
    return response_.completed(failed_transfer(outcome));
  auto failure = malformed("the stream ended without a finishReason", outcome);
  failure.code = errc::truncated_answer;
  return response_.completed(std::move(failure));
}

} // namespace

std::unique_ptr<stream_decoder> open_stream() { return std::make_unique<content_stream>(); }

} // namespace assay::codecs::gemini
