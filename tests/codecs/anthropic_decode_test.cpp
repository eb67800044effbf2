#include "core/codecs/anthropic.hpp"
#include "tests/codecs/codec_support.hpp"

namespace assay::codecs {
namespace {

using test::answer_in;
using test::answered;
using test::failure_in;
using test::noon_of_tests;

constexpr std::string_view good_body =
    R"({"id":"msg_01","type":"message","role":"assistant","model":"claude-haiku-4-5-20251001",
 "content":[{"type":"text","text":"A cat."}],"stop_reason":"end_turn","stop_sequence":null,
 "usage":{"input_tokens":11,"output_tokens":6,"cache_creation_input_tokens":3,"cache_read_input_tokens":20,
          "output_tokens_details":{"thinking_tokens":2},"service_tier":"standard"}})";

std::unique_ptr<wire_codec> codec() { return make_anthropic_codec({}); }

decoded_answer decode(const http_outcome& outcome) { return codec()->decode_chat(outcome, noon_of_tests()); }

std::string message(std::string_view content, std::string_view stop_reason, std::string_view more = "") {
  return std::string(R"({"type":"message","content":[)")
      .append(content)
      .append(R"(],"stop_reason":")")
      .append(stop_reason)
      .append("\"")
      .append(more)
      .append(R"(,"usage":{"input_tokens":1,"output_tokens":2}})");
}

std::string error(std::string_view type, std::string_view text, std::string_view more = "") {
  return std::string(R"({"type":"error","error":{"type":")")
      .append(type)
      .append(R"(","message":")")
      .append(text)
      .append("\"")
      .append(more)
      .append(R"(},"request_id":"req_body"})");
}

// -- answers
// ---------------------------------------------------------------------------------------------------

TEST(anthropic_answer, ReadsTextUsageModelAndId) {
  const auto answer = answer_in(decode(answered(200, good_body, {{"request-id", "req_7"}})));
  EXPECT_EQ(answer.text.view(), "A cat.");
  EXPECT_EQ(answer.finish, finish_reason::stop);
  EXPECT_TRUE(answer.usage_present);
  EXPECT_EQ(answer.usage, (token_usage{34, 6, 20, 2})) << "what the cache wrote and read is input, too";
  EXPECT_EQ(answer.served_model, "claude-haiku-4-5-20251001");
  EXPECT_EQ(answer.request_id, "req_7");
  EXPECT_FALSE(answer.refused);
}

TEST(anthropic_answer, TakesTheIdOfTheMessageWhenNoHeaderHasOne) {
  EXPECT_EQ(answer_in(decode(answered(200, good_body))).request_id, "msg_01");
}

TEST(anthropic_answer, JoinsTextsAndKeepsThoughtsAndCallsApart) {
  const auto answer = answer_in(decode(answered(
      200,
      message(R"({"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"x"},
        {"type":"text","text":"a"},{"type":"text","text":"b"},{"type":"server_tool_use","id":"x"},
        {"type":"tool_use","id":"toolu_1","name":"weather","input":{"city":"Bonn"}},
        {"type":"tool_use","id":"toolu_2","name":"now"})",
              "tool_use"))));
  EXPECT_EQ(answer.text.view(), "ab");
  EXPECT_EQ(answer.reasoning, "hm");
  EXPECT_EQ(answer.finish, finish_reason::tool_calls);
  EXPECT_EQ(answer.tool_calls,
            (std::vector<tool_call>{{"toolu_1", "weather", R"({"city":"Bonn"})"}, {"toolu_2", "now", "{}"}}));
}

TEST(anthropic_answer, MapsEveryStopReason) {
  const std::vector<std::pair<std::string, finish_reason>> cases{
      {"end_turn", finish_reason::stop},       {"stop_sequence", finish_reason::stop},
      {"max_tokens", finish_reason::length},   {"model_context_window_exceeded", finish_reason::length},
      {"tool_use", finish_reason::tool_calls}, {"pause_turn", finish_reason::unknown},
      {"new_word", finish_reason::unknown}};
  for (const auto& [word, finish] : cases)
    EXPECT_EQ(answer_in(decode(answered(200, message(R"({"type":"text","text":"x"})", word)))).finish, finish)
        << word;
}

TEST(anthropic_answer, MayHaveNoText) {
  EXPECT_TRUE(answer_in(decode(answered(200, message("", "end_turn")))).text.empty());
  EXPECT_TRUE(answer_in(decode(answered(200, message(R"({"type":"thinking","thinking":"."})", "max_tokens"))))
                  .text.empty());
}

TEST(anthropic_answer, TellsARefusalFromAnAnswer) {
  const auto spoken = answer_in(decode(answered(200, message(R"({"type":"text","text":"No."})", "refusal"))));
  EXPECT_TRUE(spoken.refused);
  EXPECT_EQ(spoken.finish, finish_reason::content_filter);
  const auto silent = failure_in(decode(answered(
      200, message("", "refusal",
                   R"(,"stop_details":{"type":"refusal","category":"cyber","explanation":"Not that."})"))));
  EXPECT_EQ(silent.code, errc::content_filtered);
  EXPECT_EQ(silent.message, "Not that.");
  EXPECT_TRUE(silent.possibly_billed);
  EXPECT_EQ(silent.usage, (token_usage{1, 2, 0, 0}));
}

TEST(anthropic_answer, DoesNotInventCounts) {
  const auto answer = answer_in(decode(answered(
      200,
      R"({"content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":null}})")));
  EXPECT_FALSE(answer.usage_present);
  EXPECT_EQ(answer.usage, token_usage{});
}

TEST(anthropic_answer, KeepsAPaidAnswerWhoseBytesAreNotUtf8) {
  EXPECT_EQ(answer_in(decode(answered(200, message("{\"type\":\"text\",\"text\":\"caf\xE9\"}", "end_turn"))))
                .text.view(),
            "caf\xEF\xBF\xBD");
}

TEST(anthropic_answer, CallsGarbageMalformed) {
  for (const auto* body :
       {"", " \n", "{", "<html>", "[]", "null", "{}", R"({"content":"text"})", R"({"content":{}})"}) {
    const auto failure = failure_in(decode(answered(200, body)));
    EXPECT_EQ(failure.code, errc::malformed_answer) << body;
    EXPECT_TRUE(failure.possibly_billed) << body;
  }
}

// -- errors
// ----------------------------------------------------------------------------------------------------

struct error_case {
  int status;
  std::string type;
  std::string message;
  errc code;
  std::string more = "";
};

TEST(anthropic_error, IsClassified) {
  const std::vector<error_case> cases{
      {400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum",
       errc::provider_rejected},
      {400, "invalid_request_error", "`temperature` is deprecated for this model.", errc::provider_rejected},
      {400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.",
       errc::quota_exhausted},
      {400, "invalid_request_error", "You have reached your specified API usage limits.",
       errc::quota_exhausted},
      {401, "authentication_error", "invalid x-api-key", errc::credentials_rejected},
      {402, "billing_error", "no credit", errc::quota_exhausted},
      {403, "permission_error", "not yours", errc::credentials_rejected},
      {404, "not_found_error", "model: claude-9", errc::provider_rejected},
      {409, "conflict_error", "again", errc::provider_unavailable},
      {413, "request_too_large", "Request exceeds the maximum size", errc::provider_rejected},
      {429, "rate_limit_error", "This request would exceed your organization's rate limit",
       errc::rate_limited},
      {429, "rate_limit_error", "You have reached your API usage limits", errc::quota_exhausted,
       R"(,"details":{"error_code":"enforced_spend_limit_reached"})"},
      {429, "rate_limit_error", "enforced_spend_limit_reached: no more", errc::quota_exhausted},
      {500, "api_error", "Internal server error", errc::provider_unavailable},
      {504, "timeout_error", "late", errc::provider_unavailable},
      {529, "overloaded_error", "Overloaded", errc::provider_unavailable}};
  for (const auto& one : cases) {
    const auto failure = failure_in(decode(answered(one.status, error(one.type, one.message, one.more))));
    EXPECT_EQ(failure.code, one.code) << one.status << " " << one.message;
    EXPECT_EQ(failure.message, one.message);
    EXPECT_EQ(failure.request_id, "req_body");
    EXPECT_EQ(failure.provider_code, one.more.empty() ? one.type : "enforced_spend_limit_reached");
  }
}

TEST(anthropic_error, NamesTheWait) {
  const auto failure = failure_in(decode(
      answered(429, error("rate_limit_error", "slow"), {{"retry-after", "12"}, {"request-id", "req_h"}})));
  EXPECT_EQ(failure.retry_after, milliseconds{12'000});
  EXPECT_EQ(failure.request_id, "req_h");
  EXPECT_FALSE(failure.possibly_billed);
}

TEST(anthropic_error, MayComeFromAGatewayThatKnowsNoJson) {
  const auto failure =
      failure_in(decode(answered(413, "<html><h1>413 Request Entity Too Large</h1></html>")));
  EXPECT_EQ(failure.code, errc::provider_rejected);
  EXPECT_NE(failure.message.find("HTTP 413"), std::string::npos);
}

TEST(anthropic_error, MayComeAfterASuccessfulStatus) {
  const auto failure = failure_in(decode(answered(200, error("overloaded_error", "Overloaded"))));
  EXPECT_EQ(failure.code, errc::provider_unavailable);
  EXPECT_TRUE(failure.possibly_billed);
  EXPECT_EQ(failure_in(decode(answered(200, error("permission_error", "no")))).code,
            errc::credentials_rejected);
}

TEST(anthropic_error, SaysWhyThereWasNoAnswer) {
  http_outcome outcome;
  outcome.error = errc::provider_timeout;
  outcome.error_message = "no byte for 60 s";
  outcome.request_written = true;
  const auto failure = failure_in(decode(outcome));
  EXPECT_EQ(failure.code, errc::provider_timeout);
  EXPECT_EQ(failure.message, "no byte for 60 s");
  EXPECT_TRUE(failure.possibly_billed);
}

// -- limits
// ----------------------------------------------------------------------------------------------------

TEST(anthropic_limits, AreReadInAllFourDimensions) {
  const http_headers headers{{"anthropic-ratelimit-requests-limit", "50"},
                             {"anthropic-ratelimit-requests-remaining", "49"},
                             {"anthropic-ratelimit-requests-reset", "1994-11-06T08:49:38Z"},
                             {"Anthropic-RateLimit-Tokens-Limit", "100000"},
                             {"anthropic-ratelimit-input-tokens-limit", "80000"},
                             {"anthropic-ratelimit-input-tokens-remaining", "0"},
                             {"anthropic-ratelimit-input-tokens-reset", "1994-11-06T09:50:37+01:00"},
                             {"anthropic-ratelimit-output-tokens-limit", "16000"},
                             {"anthropic-ratelimit-output-tokens-reset", "1994-11-06T08:49:00Z"}};
  const auto report = codec()->read_limits(headers, noon_of_tests());
  EXPECT_EQ(report.requests, (rate_limit_reading{50, 49, milliseconds{1000}}));
  EXPECT_EQ(report.tokens, (rate_limit_reading{100'000, {}, {}}));
  EXPECT_EQ(report.input_tokens, (rate_limit_reading{80'000, 0, milliseconds{60'000}}));
  EXPECT_EQ(report.output_tokens, (rate_limit_reading{16'000, {}, milliseconds{0}})) << "a past reset is now";
  EXPECT_FALSE(report.empty());
}

TEST(anthropic_limits, MayBeAProxysOrMissing) {
  EXPECT_TRUE(codec()->read_limits({}, noon_of_tests()).empty());
  EXPECT_EQ(codec()->read_limits({{"x-ratelimit-limit-requests", "60"}}, noon_of_tests()).requests.limit,
            60U);
}

// -- counting and listing
// ----------------------------------------------------------------------------------------

TEST(anthropic_count, IsReadOrExplained) {
  const auto c = codec();
  EXPECT_EQ(std::get<uint32_t>(c->decode_count(answered(200, R"({"input_tokens":2095})"), noon_of_tests())),
            2095U);
  EXPECT_EQ(failure_in(c->decode_count(answered(200, R"({"input_tokens":"2095"})"), noon_of_tests())).code,
            errc::malformed_answer);
  EXPECT_EQ(failure_in(c->decode_count(answered(200, "{"), noon_of_tests())).code, errc::malformed_answer);
  EXPECT_EQ(
      failure_in(c->decode_count(answered(401, error("authentication_error", "no")), noon_of_tests())).code,
      errc::credentials_rejected);
}

TEST(anthropic_models, AreListedUntilThereIsNoMore) {
  const auto c = codec();
  const auto first = std::get<model_page>(c->decode_model_list(
      answered(200, R"({"data":[{"type":"model","id":"claude-opus-5","display_name":"Claude Opus 5",
        "created_at":"2026-05-01T00:00:00Z","max_input_tokens":1000000,"max_tokens":128000},{"id":7},{}],
        "has_more":true,"first_id":"claude-opus-5","last_id":"claude-opus-5"})"),
      noon_of_tests()));
  ASSERT_EQ(first.models.size(), 1U);
  EXPECT_EQ(first.models[0].id, "claude-opus-5");
  EXPECT_EQ(first.models[0].name, "Claude Opus 5");
  EXPECT_EQ(first.models[0].context_window, 1'000'000U);
  EXPECT_EQ(first.models[0].max_output_tokens, 128'000U);
  EXPECT_EQ(first.next_page, "claude-opus-5");
  const auto last = std::get<model_page>(
      c->decode_model_list(answered(200, R"({"data":[],"has_more":false,"last_id":"x"})"), noon_of_tests()));
  EXPECT_TRUE(last.next_page.empty());
  EXPECT_EQ(failure_in(c->decode_model_list(answered(200, R"({"data":{}})"), noon_of_tests())).code,
            errc::malformed_answer);
}

} // namespace
} // namespace assay::codecs
