#include "core/codecs/openai_chat.hpp"
#include "tests/codecs/support.hpp"

namespace assay::codecs {
namespace {

using namespace test;

struct stream_result {
  decoded_answer answer;
  std::vector<answer_delta> deltas;
  bool said_complete = false;
};

/// @param piece bytes in each feed.
stream_result run(std::string_view bytes, const http_outcome& outcome = answered(200, ""), size_t piece = 7,
                  api_dialect dialect = api_dialect::compatible) {
  provider_profile provider;
  provider.dialect = dialect;
  const auto codec = make_codec(provider);
  const auto stream = codec->open_stream();
  stream_result out;
  while (!bytes.empty()) {
    out.said_complete = stream->feed(bytes.substr(0, piece), out.deltas);
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  out.answer = stream->finish(outcome, noon_of_tests());
  return out;
}

chat_answer answer_of(const stream_result& result) {
  if (const auto* failure = std::get_if<call_failure>(&result.answer)) {
    ADD_FAILURE() << to_string(failure->code) << ": " << failure->message;
    return {};
  }
  return std::get<chat_answer>(result.answer);
}

call_failure failure_of(const stream_result& result) {
  if (const auto* answer = std::get_if<chat_answer>(&result.answer)) {
    ADD_FAILURE() << "an answer: " << answer->text.view();
    return {};
  }
  return std::get<call_failure>(result.answer);
}

std::string event(std::string_view json) { return std::string("data: ").append(json).append("\n\n"); }

/// A chunk with one choice.
std::string chunk(std::string_view delta, std::string_view finish = "null") {
  return event(std::string(R"({"id":"c-1","model":"m-1","choices":[{"index":0,"delta":)")
                   .append(delta)
                   .append(R"(,"finish_reason":)")
                   .append(finish)
                   .append("}]}"));
}

const std::string done = "data: [DONE]\n\n";

const std::string openai_body =
    event(
        R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini","system_fingerprint":"fp","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"r4N7"})")
    + event(
        R"({"id":"chatcmpl-1","model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}],"usage":null})")
    + event(
        R"({"id":"chatcmpl-1","model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":", 世界"},"logprobs":null,"finish_reason":null}],"usage":null})")
    + event(
        R"({"id":"chatcmpl-1","model":"gpt-4o-mini","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null})")
    + event(
        R"({"id":"chatcmpl-1","model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4}}})")
    + done;

TEST(openai_stream, JoinsTheDeltas) {
  for (size_t piece = 1; piece < 300; piece += 13) {
    const auto result = run(openai_body, answered(200, "", {{"x-request-id", "req_1"}}), piece);
    const auto answer = answer_of(result);
    EXPECT_EQ(answer.text.view(), "Hello, 世界");
    EXPECT_EQ(answer.finish, finish_reason::stop);
    EXPECT_TRUE(answer.usage_present);
    EXPECT_EQ(answer.usage, (token_usage{9, 2, 4, 0}));
    EXPECT_EQ(answer.served_model, "gpt-4o-mini");
    EXPECT_EQ(answer.request_id, "req_1");
    ASSERT_EQ(result.deltas.size(), 2U) << "a role alone and an end add nothing";
    EXPECT_EQ(result.deltas[0].text, "Hello");
    EXPECT_TRUE(result.said_complete);
  }
}

TEST(openai_stream, SkipsAzuresFirstFrameAndCommentsAndCarriageReturns) {
  const auto result = run(
      ": OPENROUTER PROCESSING\r\n\r\n: keep-alive\r\n\r\n"
      "data: {\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0}]}\r\n\r\n"
      "data:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\r\n\r\n"
      "data: [DONE]\r\n\r\n");
  EXPECT_EQ(answer_of(result).text.view(), "x");
  EXPECT_FALSE(answer_of(result).usage_present);
}

TEST(openai_stream, TakesTheBareFramesOfLlamaFactory) {
  const auto result = run(
      event(
          R"({"id":"a","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]})")
      + event(
          R"({"id":"a","model":"m","choices":[{"index":0,"delta":{"content":"42"},"finish_reason":null}]})")
      + event(R"({"id":"a","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})") + done);
  EXPECT_EQ(answer_of(result).text.view(), "42");
  EXPECT_EQ(answer_of(result).request_id, "a");
}

TEST(openai_stream, KeepsThoughtsApart) {
  const auto result = run(chunk(R"({"content":null,"reasoning_content":"Let "})")
                          + chunk(R"({"reasoning":"me"})") + chunk(R"({"content":"7"})", "\"stop\"") + done);
  EXPECT_EQ(answer_of(result).text.view(), "7");
  EXPECT_EQ(answer_of(result).reasoning, "Let me");
  EXPECT_EQ(result.deltas[0].reasoning, "Let ");
  EXPECT_TRUE(result.deltas[0].text.empty());
}

TEST(openai_stream, JoinsThePiecesOfToolCalls) {
  const auto result = run(
      chunk(
          R"({"tool_calls":[{"index":0,"id":"c0","type":"function","function":{"name":"add","arguments":""}}]})")
      + chunk(R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]})")
      + chunk(
          R"({"tool_calls":[{"index":1,"id":"c1","type":"function","function":{"name":"now","arguments":"{}"}}]})")
      + chunk(R"({"tool_calls":[{"index":0,"id":"c0","function":{"name":"add","arguments":":1}"}}]})")
      + chunk("{}", "\"tool_calls\"") + done);
  const auto answer = answer_of(result);
  EXPECT_EQ(answer.finish, finish_reason::tool_calls);
  EXPECT_EQ(answer.tool_calls, (std::vector<tool_call>{{"c0", "add", R"({"a":1})"}, {"c1", "now", "{}"}}));
  ASSERT_EQ(result.deltas.size(), 4U);
  EXPECT_EQ(result.deltas[0].tool_calls[0].name, "add");
  EXPECT_EQ(result.deltas[3].tool_calls[0].name, "") << "told once, whatever the server repeats";
  EXPECT_EQ(result.deltas[2].tool_calls[0].index, 1U);
}

TEST(openai_stream, ToolCallsWithoutIndexAreToldApartByTheirIds) {
  const auto result =
      run(chunk(R"({"tool_calls":[{"id":"a","function":{"name":"f","arguments":"1"}}]})")
          + chunk(R"({"tool_calls":[{"function":{"arguments":"2"}}]})")
          + chunk(R"({"tool_calls":[{"id":"b","function":{"name":"g","arguments":{"x":3}}}]})")
          + chunk("{}", "\"tool_calls\"") + done);
  EXPECT_EQ(answer_of(result).tool_calls,
            (std::vector<tool_call>{{"a", "f", "12"}, {"b", "g", "{\"x\":3}"}}));
}

TEST(openai_stream, KeepsSeveralAnswersApart) {
  const auto result =
      run(event(R"({"choices":[{"index":1,"delta":{"content":"B"}},{"index":0,"delta":{"content":"A"}}]})")
          + event(R"({"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":"length"}]})")
          + event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})") + done);
  const auto answer = answer_of(result);
  EXPECT_EQ(answer.text.view(), "A");
  EXPECT_EQ(answer.finish, finish_reason::stop);
  ASSERT_EQ(answer.more_choices.size(), 1U);
  EXPECT_EQ(answer.more_choices[0].view(), "Bb");
  EXPECT_EQ(result.deltas[0].choice, 1U);
}

TEST(openai_stream, JoinsLogprobs) {
  const auto with = [](std::string_view token) {
    return event(R"({"choices":[{"index":0,"delta":{"content":")" + std::string(token)
                 + R"("},"logprobs":{"content":[{"token":")" + std::string(token)
                 + R"(","logprob":-0.5}]}}]})");
  };
  const auto answer = answer_of(run(with("a") + with("b") + chunk("{}", "\"stop\"") + done));
  EXPECT_EQ(nlohmann::json::parse(answer.logprobs_json)["content"].size(), 2U);
}

TEST(openai_stream, SaysThatTheModelRefused) {
  const auto result =
      run(chunk(R"({"refusal":"I can"})") + chunk(R"({"refusal":"not."})") + chunk("{}", "\"stop\"") + done);
  EXPECT_TRUE(answer_of(result).refused);
  EXPECT_EQ(answer_of(result).text.view(), "I cannot.");
  EXPECT_EQ(result.deltas[1].text, "not.");
}

TEST(openai_stream, ReadsTheCostThatOpenRouterNames) {
  const auto answer = answer_of(run(
      chunk(R"({"content":"x"})", "\"stop\"")
      + event(R"({"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0.00014}})") + done));
  EXPECT_EQ(answer.cost, money{140'000});
}

TEST(openai_stream, TakesTheLastOfContinuousUsage) {
  const auto frame = [](int tokens) {
    return event(
        R"({"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":5,"completion_tokens":)"
        + std::to_string(tokens) + "}}");
  };
  const auto answer = answer_of(run(frame(1) + frame(2) + frame(3) + chunk("{}", "\"stop\"") + done));
  EXPECT_EQ(answer.usage.completion_tokens, 3U);
}

// -- ends --------------------------------------------------------------------------------------------------

TEST(openai_stream, ThatEndsEarlyIsTruncated) {
  const auto half = chunk(R"({"content":"Hel"})");
  auto failure = failure_of(run(half));
  EXPECT_EQ(failure.code, errc::truncated_answer);
  EXPECT_TRUE(failure.possibly_billed);
  EXPECT_EQ(failure_of(run("")).code, errc::truncated_answer);
  EXPECT_EQ(failure_of(run(half + "data: [DONE]")).code, errc::truncated_answer) << "no blank line, no event";
  EXPECT_FALSE(run(half).said_complete);
}

TEST(openai_stream, ThatFinishedWithoutDoneIsComplete) {
  EXPECT_EQ(answer_of(run(chunk(R"({"content":"x"})", "\"stop\""))).text.view(), "x");
  const auto two = event(
      R"({"choices":[{"index":0,"delta":{"content":"A"},"finish_reason":"stop"},{"index":1,"delta":{"content":"B"}}]})");
  EXPECT_EQ(failure_of(run(two)).code, errc::truncated_answer) << "one of two answers is not";
}

TEST(openai_stream, ThatFailedOnTheWayKeepsTheReason) {
  http_outcome outcome;
  outcome.error = errc::provider_timeout;
  outcome.error_message = "no answer within 600 s";
  outcome.request_written = true;
  const auto failure = failure_of(run(chunk(R"({"content":"x"})"), outcome));
  EXPECT_EQ(failure.code, errc::provider_timeout);
  EXPECT_TRUE(failure.possibly_billed);
  EXPECT_EQ(answer_of(run(chunk(R"({"content":"x"})", "\"stop\"") + done, outcome)).text.view(), "x")
      << "what came after the end does not matter";
}

TEST(openai_stream, WithoutAnyAnswerIsMalformed) {
  EXPECT_EQ(failure_of(run(done)).code, errc::malformed_answer);
  EXPECT_EQ(failure_of(run("data: {\"cho\n\n" + done)).code, errc::malformed_answer);
}

TEST(openai_stream, ReportsErrorsAfterSuccess) {
  struct row {
    std::string_view data;
    errc code;
  };
  for (
      const auto& [data, code] : std::vector<row>{
          {R"({"error":{"message":"Rate limit reached","type":"rate_limit_error","code":"slow_down"}})",
           errc::rate_limited},
          {R"({"error":{"code":502,"message":"Bad upstream"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]})",
           errc::provider_unavailable},
          {R"({"error":{"message":"boom","type":"server_error"}})", errc::provider_unavailable},
          {R"({"error":"Unauthorized"})", errc::provider_unavailable},
          {R"({"choices":[{"index":0,"delta":{},"finish_reason":"error"}]})", errc::provider_unavailable},
          {R"({"object":"error","message":"too long","type":"BadRequestError","code":400})",
           errc::provider_rejected},
      }) {
    const auto result = run(chunk(R"({"content":"x"})") + event(data) + done);
    const auto failure = failure_of(result);
    EXPECT_EQ(failure.code, code) << data;
    EXPECT_TRUE(failure.possibly_billed) << data;
    EXPECT_TRUE(result.said_complete) << data;
    EXPECT_EQ(result.deltas.size(), 1U);
  }
  EXPECT_EQ(failure_of(run("event: error\ndata: overloaded\n\n")).message, "overloaded");
}

TEST(openai_stream, IsRefusedLikeAnyOtherRequest) {
  const auto body =
      R"({"error":{"message":"Incorrect API key provided","type":"invalid_request_error","param":null,"code":"invalid_api_key"}})";
  EXPECT_EQ(failure_of(run("", answered(401, body))).code, errc::credentials_rejected);
}

TEST(openai_stream, ByThePolicyIsNoAnswer) {
  EXPECT_EQ(failure_of(run(chunk("{}", "\"content_filter\"") + done)).code, errc::content_filtered);
  EXPECT_EQ(answer_of(run(chunk(R"({"content":"part"})", "\"content_filter\"") + done)).finish,
            finish_reason::content_filter);
}

TEST(openai_stream, AnsweredInOnePieceIsUnderstood) {
  const auto body = R"(
{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"whole"},"finish_reason":"stop"}]})";
  EXPECT_EQ(answer_of(run(body)).text.view(), "whole");
  EXPECT_EQ(failure_of(run(R"({"error":{"code":502,"message":"bad"}})")).code, errc::provider_unavailable);
  EXPECT_EQ(failure_of(run(R"({"detail":"Cannot stream function calls."})")).message,
            "Cannot stream function calls.");
}

TEST(openai_stream, BoundsWhatABrokenServerCanMakeItKeep) {
  std::string many;
  for (int i = 0; i < 1000; ++i)
    many += event(R"({"choices":[{"index":)" + std::to_string(i) + R"(,"delta":{"content":"x"}}]})");
  EXPECT_EQ(failure_of(run(many)).code, errc::malformed_answer);
  std::string calls;
  for (int i = 0; i < 2000; ++i)
    calls += chunk(R"({"tool_calls":[{"index":)" + std::to_string(4'000'000'000U + static_cast<unsigned>(i))
                   + R"(,"id":"a"}]})");
  EXPECT_EQ(failure_of(run(calls, answered(200, ""), 1000)).code, errc::malformed_answer);
}

} // namespace
} // namespace assay::codecs
