#include "core/codecs/gemini.hpp"
#include "tests/codecs/codec_support.hpp"

namespace assay::codecs {
namespace {

using test::answer_in;
using test::answered;
using test::failure_in;
using test::streamed;

constexpr std::string_view first_frame =
    R"({"candidates":[{"content":{"parts":[{"text":"Let me think.","thought":true},{"text":"Hel"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":1,"thoughtsTokenCount":20,"totalTokenCount":29},"modelVersion":"gemini-2.5-flash","responseId":"abc"})";
constexpr std::string_view last_frame =
    R"({"candidates":[{"content":{"parts":[{"text":"lö 😀"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":3,"thoughtsTokenCount":20,"totalTokenCount":31},"modelVersion":"gemini-2.5-flash","responseId":"abc"})";

std::string frame(std::string_view json) { return std::string("data: ").append(json).append("\r\n\r\n"); }
std::string good_stream() { return frame(first_frame) + frame(last_frame); }

streamed read(std::string_view bytes, size_t piece = 1'000'000, http_outcome outcome = answered(200, "")) {
  return test::read_stream(*make_gemini_codec({}), bytes, piece, std::move(outcome));
}

TEST(gemini_stream, IsTheSameHoweverTheBytesAreCut) {
  for (const size_t piece : {1, 2, 3, 7, 64, 1'000'000}) {
    const auto result = read(good_stream(), piece);
    EXPECT_TRUE(result.complete) << piece;
    EXPECT_EQ(result.text(), "Hellö 😀") << piece;
    ASSERT_EQ(result.deltas.size(), 2U);
    EXPECT_EQ(result.deltas[0].reasoning, "Let me think.");
    const auto answer = answer_in(result.end);
    EXPECT_EQ(answer.text.view(), "Hellö 😀");
    EXPECT_EQ(answer.reasoning, "Let me think.");
    EXPECT_EQ(answer.finish, finish_reason::stop);
    EXPECT_EQ(answer.usage, (token_usage{8, 23, 0, 20})) << "counts are cumulative: the last one holds";
    EXPECT_EQ(answer.served_model, "gemini-2.5-flash");
    EXPECT_EQ(answer.request_id, "abc");
  }
}

TEST(gemini_stream, TellsWhatWasCountedSoFar) {
  const auto stream = make_gemini_codec({})->open_stream();
  EXPECT_EQ(stream->usage_so_far(), std::nullopt);
  std::vector<answer_delta> pieces;
  stream->feed(frame(first_frame), pieces);
  EXPECT_EQ(stream->usage_so_far(), (token_usage{8, 21, 0, 20}));
}

TEST(gemini_stream, IsCompleteWithItsFinishReason) {
  const auto cut = read(frame(first_frame));
  EXPECT_FALSE(cut.complete);
  const auto failure = failure_in(cut.end);
  EXPECT_EQ(failure.code, errc::truncated_answer);
  EXPECT_TRUE(failure.possibly_billed);
  EXPECT_EQ(failure.usage, (token_usage{8, 21, 0, 20}));
  EXPECT_EQ(failure.request_id, "abc");
  EXPECT_EQ(failure_in(read("").end).code, errc::truncated_answer);
}

TEST(gemini_stream, TakesUsageThatComesAfterTheFinishReason) {
  const auto bytes = frame(R"({"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]})")
                     + frame(R"({"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":3}})");
  EXPECT_EQ(answer_in(read(bytes).end).usage, (token_usage{8, 3, 0, 0}));
}

TEST(gemini_stream, PutsCallsAndCandidatesTogether) {
  const auto bytes =
      frame(
          R"({"candidates":[{"content":{"parts":[{"functionCall":{"name":"weather","args":{"city":"Bonn"}},"thoughtSignature":"c2ln"}]}}]})")
      + frame(R"({"candidates":[{"index":1,"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"}]})")
      + frame(
          R"({"candidates":[{"content":{"parts":[{"functionCall":{"name":"now"}}]},"finishReason":"STOP"}]})");
  const auto result = read(bytes, 10);
  const auto answer = answer_in(result.end);
  EXPECT_EQ(answer.tool_calls, (std::vector<tool_call>{{"gemini_call_41fe345a2d8864e8_0", "weather",
                                                        R"({"city":"Bonn"})", "c2ln"},
                                                       {"gemini_call_d861ec040f7d09af_1", "now", "{}"}}));
  EXPECT_EQ(answer.finish, finish_reason::tool_calls);
  ASSERT_EQ(answer.more_choices.size(), 1U);
  EXPECT_EQ(answer.more_choices[0].view(), "b");
  ASSERT_EQ(result.deltas.size(), 3U);
  EXPECT_EQ(result.deltas[0].tool_calls[0].arguments, R"({"city":"Bonn"})");
  EXPECT_EQ(result.deltas[1].choice, 1U);
  EXPECT_EQ(result.deltas[2].tool_calls[0].index, 1U);
}

TEST(gemini_stream, IsNotCompleteWhileACandidateIsOpen) {
  const auto bytes = frame(
      R"({"candidates":[{"content":{"parts":[{"text":"a"}]}},{"index":1,"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"}]})");
  EXPECT_FALSE(read(bytes).complete);
}

constexpr std::string_view bare_error = R"({
  "error": {
    "code": 503,
    "message": "The model is overloaded.",
    "status": "UNAVAILABLE"
  }
})";

TEST(gemini_stream, FindsABareErrorInTheMiddle) {
  std::string listed = "[" + std::string(bare_error) + "\n]\n";
  for (const auto& text : {std::string(bare_error), std::string(bare_error) + "\r\n", listed}) {
    for (const size_t piece : {1, 4, 1'000'000}) {
      const auto result = read(frame(first_frame) + text, piece);
      EXPECT_EQ(result.text(), "Hel");
      const auto failure = failure_in(result.end);
      EXPECT_EQ(failure.code, errc::provider_unavailable);
      EXPECT_EQ(failure.message, "The model is overloaded.");
      EXPECT_EQ(failure.provider_code, "UNAVAILABLE");
      EXPECT_TRUE(failure.possibly_billed);
      EXPECT_EQ(failure.usage.prompt_tokens, 8U);
    }
  }
}

TEST(gemini_stream, FindsAnErrorInAFrame) {
  const auto failure = failure_in(
      read(
          frame(first_frame)
          + frame(
              R"({"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"7s"}]}})"))
          .end);
  EXPECT_EQ(failure.code, errc::rate_limited);
  EXPECT_EQ(failure.retry_after, milliseconds{7000});
}

TEST(gemini_stream, ReadsAListInPiecesFromAServerThatKnowsNoEvents) {
  const auto bytes = "[" + std::string(first_frame) + "\n,\r\n" + std::string(last_frame) + "]";
  const auto answer = answer_in(read(bytes, 9).end);
  EXPECT_EQ(answer.text.view(), "Hellö 😀");
  EXPECT_EQ(answer.usage, (token_usage{8, 23, 0, 20}));
}

TEST(gemini_stream, TellsABlockedPrompt) {
  const auto result = read(frame(
      R"({"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":8,"totalTokenCount":8}})"));
  EXPECT_TRUE(result.complete);
  const auto failure = failure_in(result.end);
  EXPECT_EQ(failure.code, errc::content_filtered);
  EXPECT_EQ(failure.usage.prompt_tokens, 8U);
}

TEST(gemini_stream, KeepsWhatWasCompleteWhenTheConnectionFailsAfterIt) {
  http_outcome lost;
  lost.error = errc::provider_timeout;
  lost.request_written = true;
  EXPECT_EQ(answer_in(read(good_stream(), 100, lost).end).text.view(), "Hellö 😀");
  EXPECT_EQ(failure_in(read(frame(first_frame), 100, lost).end).code, errc::provider_timeout);
}

TEST(gemini_stream, ReadsTheBodyOfAnotherStatus) {
  EXPECT_EQ(failure_in(read("", 1, answered(503, bare_error)).end).code, errc::provider_unavailable);
}

TEST(gemini_stream, DoesNotPassOffAGarbledStreamAsAnAnswer) {
  EXPECT_EQ(failure_in(read(frame(first_frame) + frame(R"({"candidates":[)") + frame(last_frame)).end).code,
            errc::malformed_answer);
}

TEST(gemini_stream, IsNotSpoiltByWhatFollowsIt) {
  for (const auto& junk : {frame("{"), frame(R"({"error":{"code":500,"message":"x"}})"),
                           std::string(bare_error), std::string(std::size_t{9} << 20, 'x')})
    EXPECT_EQ(answer_in(read(good_stream() + junk).end).text.view(), "Hellö 😀") << junk.substr(0, 40);
}

TEST(gemini_stream, SkipsCommentsAndForeignFields) {
  const auto bytes =
      ": keep-alive\r\n\r\nevent: x\r\nid: 1\r\nretry: 5\r\n" + good_stream() + frame("[DONE]") + "junk\r\n";
  EXPECT_EQ(answer_in(read(bytes, 3).end).text.view(), "Hellö 😀");
}

} // namespace
} // namespace assay::codecs
