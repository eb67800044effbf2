#include "core/codecs/anthropic.hpp"
#include "tests/codecs/codec_support.hpp"

namespace assay::codecs {
namespace {

using test::answer_in;
using test::answered;
using test::failure_in;
using test::streamed;

constexpr std::string_view good_stream = R"(event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"claude-3-opus","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":11,"output_tokens":1,"cache_read_input_tokens":5}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lö 😀"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3}}

event: message_delta
data: {"type":"message_delta","delta":{},"usage":{"output_tokens":6}}

event: message_stop
data: {"type":"message_stop"}

)";

streamed read(std::string_view bytes, size_t piece = 1'000'000, http_outcome outcome = answered(200, "")) {
  return test::read_stream(*make_anthropic_codec({}), bytes, piece, std::move(outcome));
}

std::string event(std::string_view json) { return std::string("data: ").append(json).append("\n\n"); }

/// The stream until (not including) what contains @p mark.
std::string_view until(std::string_view mark) {
  return good_stream.substr(0, good_stream.rfind("event:", good_stream.find(mark)));
}

TEST(anthropic_stream, IsTheSameHoweverTheBytesAreCut) {
  for (const size_t piece : {1, 2, 3, 7, 64, 1'000'000}) {
    const auto result = read(good_stream, piece);
    EXPECT_TRUE(result.complete) << piece;
    EXPECT_EQ(result.text(), "Hellö 😀") << piece;
    const auto answer = answer_in(result.end);
    EXPECT_EQ(answer.text.view(), "Hellö 😀");
    EXPECT_EQ(answer.finish, finish_reason::stop);
    EXPECT_EQ(answer.served_model, "claude-3-opus");
    EXPECT_EQ(answer.request_id, "msg_1");
    EXPECT_EQ(answer.usage, (token_usage{16, 6, 5, 0})) << "counts are cumulative: the last one holds";
  }
}

TEST(anthropic_stream, TellsWhatWasCountedSoFar) {
  const auto stream = make_anthropic_codec({})->open_stream();
  EXPECT_EQ(stream->usage_so_far(), std::nullopt);
  std::vector<answer_delta> pieces;
  stream->feed(until("message_delta"), pieces);
  EXPECT_EQ(stream->usage_so_far(), (token_usage{16, 1, 5, 0})) << "the prompt, at its start";
}

TEST(anthropic_stream, ToleratesCarriageReturnsAndMissingEventNames) {
  std::string other;
  for (const char c : good_stream)
    other += c == '\n' ? "\r\n" : std::string(1, c);
  EXPECT_EQ(answer_in(read(other).end).text.view(), "Hellö 😀");
  std::string nameless;
  for (size_t at = 0; at < good_stream.size();) {
    const auto end = good_stream.find('\n', at) + 1;
    if (!good_stream.substr(at).starts_with("event:"))
      nameless += good_stream.substr(at, end - at);
    at = end;
  }
  EXPECT_EQ(answer_in(read(nameless + "data: [DONE]\n\n").end).text.view(), "Hellö 😀");
}

TEST(anthropic_stream, PutsToolCallsTogether) {
  const auto bytes =
      event(
          R"({"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":1,"output_tokens":1}}})")
      + event(
          R"({"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}})")
      + event(R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}})")
      + event(
          R"({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}})")
      + event(
          R"({"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}})")
      + event(
          R"({"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}})")
      + event(
          R"({"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"city\":"}})")
      + event(
          R"({"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":" \"Bonn\"}"}})")
      + event(
          R"({"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_2","name":"now","input":{}}})")
      + event(
          R"({"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_3","name":"all","input":{"a":1}}})")
      + event(R"({"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}})")
      + event(R"({"type":"message_stop"})");
  const auto result = read(bytes);
  const auto answer = answer_in(result.end);
  EXPECT_EQ(answer.reasoning, "hm");
  EXPECT_EQ(answer.finish, finish_reason::tool_calls);
  EXPECT_EQ(answer.tool_calls, (std::vector<tool_call>{{"toolu_1", "weather", R"({"city": "Bonn"})"},
                                                       {"toolu_2", "now", "{}"},
                                                       {"toolu_3", "all", R"({"a":1})"}}));
  std::string pieces;
  for (const auto& delta : result.deltas)
    for (const auto& call : delta.tool_calls)
      pieces += std::to_string(call.index) + call.id + call.name + call.arguments + ";";
  EXPECT_EQ(pieces, R"(0toolu_1weather;0{"city":;0 "Bonn"};1toolu_2now;2toolu_3all;2{"a":1};)");
}

TEST(anthropic_stream, IsTruncatedWithoutMessageStop) {
  const auto result = read(until("\"message_stop\""));
  EXPECT_FALSE(result.complete);
  const auto failure = failure_in(result.end);
  EXPECT_EQ(failure.code, errc::truncated_answer);
  EXPECT_TRUE(failure.possibly_billed);
  EXPECT_EQ(failure.usage, (token_usage{16, 6, 5, 0}));
  EXPECT_EQ(failure.request_id, "msg_1");
  EXPECT_EQ(failure_in(read("").end).code, errc::truncated_answer);
  EXPECT_EQ(failure_in(read(good_stream.substr(0, good_stream.size() - 1)).end).code, errc::truncated_answer)
      << "an event is complete with its blank line only";
}

TEST(anthropic_stream, ReportsAnErrorInTheMiddle) {
  struct error_case {
    std::string type;
    errc code;
  };
  const std::vector<error_case> cases{
      {"overloaded_error", errc::provider_unavailable}, {"api_error", errc::provider_unavailable},
      {"rate_limit_error", errc::rate_limited},         {"invalid_request_error", errc::provider_rejected},
      {"permission_error", errc::credentials_rejected}, {"billing_error", errc::quota_exhausted},
      {"something_new", errc::provider_unavailable}};
  for (const auto& one : cases) {
    const auto bytes =
        std::string(until("content_block_stop")) + "event: error\n"
        + event(R"({"type":"error","error":{"type":")" + one.type + R"(","message":"Overloaded"}})");
    const auto result = read(bytes, 5);
    EXPECT_EQ(result.text(), "Hellö 😀");
    const auto failure = failure_in(result.end);
    EXPECT_EQ(failure.code, one.code) << one.type;
    EXPECT_EQ(failure.message, "Overloaded");
    EXPECT_EQ(failure.provider_code, one.type);
    EXPECT_TRUE(failure.possibly_billed);
    EXPECT_EQ(failure.usage.prompt_tokens, 16U);
  }
}

TEST(anthropic_stream, KeepsWhatWasCompleteWhenTheConnectionFailsAfterIt) {
  http_outcome lost;
  lost.error = errc::connect_failed;
  lost.request_written = true;
  EXPECT_EQ(answer_in(read(good_stream, 100, lost).end).text.view(), "Hellö 😀");
  lost.error = errc::provider_timeout;
  lost.error_message = "no byte for 30 s";
  const auto failure = failure_in(read(until("content_block_stop"), 100, lost).end);
  EXPECT_EQ(failure.code, errc::provider_timeout);
  EXPECT_EQ(failure.message, "no byte for 30 s");
  EXPECT_EQ(failure.usage.prompt_tokens, 16U);
}

TEST(anthropic_stream, ReadsTheBodyOfAnotherStatus) {
  const auto failure = failure_in(
      read("", 1,
           answered(529, R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})"))
          .end);
  EXPECT_EQ(failure.code, errc::provider_unavailable);
  EXPECT_FALSE(failure.possibly_billed);
}

TEST(anthropic_stream, DoesNotPassOffAGarbledStreamAsAnAnswer) {
  const auto bytes = std::string(until("content_block_stop")) + event(R"({"type":"content_block_delta",)")
                     + event(R"({"type":"message_stop"})");
  EXPECT_EQ(failure_in(read(bytes).end).code, errc::malformed_answer);
}

TEST(anthropic_stream, IsNotSpoiltByWhatFollowsIt) {
  for (const auto& junk :
       {event("{"), event(R"({"type":"error","error":{"type":"api_error","message":"x"}})"),
        std::string(std::size_t{9} << 20, 'x')})
    EXPECT_EQ(answer_in(read(std::string(good_stream) + junk).end).text.view(), "Hellö 😀")
        << junk.substr(0, 40);
}

TEST(anthropic_stream, HasALargestEvent) {
  const auto result = read("data: " + std::string(std::size_t{9} << 20, 'x'));
  EXPECT_TRUE(result.complete) << "nothing more will come of it";
  EXPECT_EQ(failure_in(result.end).code, errc::malformed_answer);
}

TEST(anthropic_stream, IgnoresWhatItDoesNotKnow) {
  const auto bytes =
      event(R"({"type":"new_event","index":{}})") + event("[]") + event("7")
      + event(R"({"type":"content_block_delta"})") + event(R"({"type":"content_block_delta","delta":[]})")
      + event(R"({"type":"content_block_start","content_block":{"type":"new_block"}})")
      + event(
          R"({"type":"content_block_delta","index":4294967295,"delta":{"type":"input_json_delta","partial_json":"x"}})")
      + std::string(good_stream);
  EXPECT_EQ(answer_in(read(bytes).end).text.view(), "Hellö 😀");
}

TEST(anthropic_stream, TellsARefusal) {
  const auto bytes =
      event(R"({"type":"message_start","message":{"usage":{"input_tokens":4,"output_tokens":0}}})")
      + event(
          R"({"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"explanation":"No."}},"usage":{"output_tokens":1}})")
      + event(R"({"type":"message_stop"})");
  const auto failure = failure_in(read(bytes).end);
  EXPECT_EQ(failure.code, errc::content_filtered);
  EXPECT_EQ(failure.message, "No.");
  EXPECT_EQ(failure.usage, (token_usage{4, 1, 0, 0}));
}

} // namespace
} // namespace assay::codecs
