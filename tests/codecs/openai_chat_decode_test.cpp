#include "core/codecs/call_failure.hpp"
#include "core/codecs/openai_chat.hpp"
#include "tests/codecs/support.hpp"

#include <gtest/gtest.h>

namespace assay::codecs {
namespace {

using test::answered;
using test::noon_of_tests;

constexpr std::string_view good_body =
    R"({"id":"chatcmpl-B9MH","object":"chat.completion","created":1741570283,"model":"gpt-4o-2024-08-06",
 "choices":[{"index":0,"message":{"role":"assistant","content":"Hi","refusal":null,"annotations":[]},
             "logprobs":null,"finish_reason":"stop"}],
 "usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17,
   "prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},
   "completion_tokens_details":{"reasoning_tokens":3,"audio_tokens":0}},
 "service_tier":"default","system_fingerprint":"fp_x"})";

decoded_answer decode(const http_outcome& outcome, api_dialect dialect = api_dialect::compatible) {
  provider_profile provider;
  provider.dialect = dialect;
  return make_codec(provider)->decode_chat(outcome, noon_of_tests());
}

chat_answer answer_of(const http_outcome& outcome) {
  const auto decoded = decode(outcome);
  if (const auto* failure = std::get_if<call_failure>(&decoded)) {
    ADD_FAILURE() << to_string(failure->code) << ": " << failure->message;
    return {};
  }
  return std::get<chat_answer>(decoded);
}

call_failure failure_of(const http_outcome& outcome, api_dialect dialect = api_dialect::compatible) {
  const auto decoded = decode(outcome, dialect);
  if (const auto* answer = std::get_if<chat_answer>(&decoded)) {
    ADD_FAILURE() << "an answer: " << answer->text.view();
    return {};
  }
  return std::get<call_failure>(decoded);
}

std::string choice_body(std::string_view choice) {
  return std::string(R"({"id":"x","model":"m","choices":[)").append(choice).append("]}");
}

// -- answers
// ----------------------------------------------------------------------------------------------------------

TEST(decode_answer, ReadsTextUsageModelAndId) {
  const auto answer = answer_of(answered(200, good_body, {{"X-Request-Id", "req_7"}}));
  EXPECT_EQ(answer.text.view(), "Hi");
  EXPECT_EQ(answer.finish, finish_reason::stop);
  EXPECT_TRUE(answer.usage_present);
  EXPECT_EQ(answer.usage, (token_usage{12, 5, 4, 3}));
  EXPECT_EQ(answer.served_model, "gpt-4o-2024-08-06");
  EXPECT_EQ(answer.request_id, "req_7");
  EXPECT_FALSE(answer.simulated);
  EXPECT_FALSE(answer.refused);
}

TEST(decode_answer, TakesTheIdOfTheBodyWhenNoHeaderHasOne) {
  EXPECT_EQ(answer_of(answered(200, good_body)).request_id, "chatcmpl-B9MH");
}

TEST(decode_answer, NoticesThatAnAnswerIsSimulated) {
  EXPECT_TRUE(
      answer_of(
          answered(200,
                   R"({"simulated":true,"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]})"))
          .simulated);
}

TEST(decode_answer, ToleratesBlankLinesBeforeTheBodyAndAByteOrderMark) {
  EXPECT_EQ(answer_of(answered(200, "\n\r\n\n" + std::string(good_body))).text.view(), "Hi");
  EXPECT_EQ(answer_of(answered(200, "\xEF\xBB\xBF" + std::string(good_body))).text.view(), "Hi");
}

TEST(decode_answer, KeepsAPaidAnswerWhoseBytesAreNotUtf8) {
  EXPECT_EQ(
      answer_of(
          answered(200, choice_body("{\"message\":{\"content\":\"caf\xE9\"},\"finish_reason\":\"stop\"}")))
          .text.view(),
      "caf\xEF\xBF\xBD");
}

TEST(decode_answer, KeepsAPaidAnswerWithHalfAnEscapedEmoji) {
  const auto text =
      answer_of(
          answered(
              200,
              choice_body(
                  R"({"message":{"content":"ok \\ud83d \ud83d\ude00 \ud83d"},"finish_reason":"length"})")))
          .text;
  EXPECT_EQ(text.view(), "ok \\ud83d \xF0\x9F\x98\x80 \xEF\xBF\xBD");
}

struct answer_case {
  std::string_view what;
  std::string_view choice;
  std::string_view text;
  finish_reason finish;
  bool refused = false;
};

TEST(decode_answer, ReadsEveryShapeOfAnAnswer) {
  const std::vector<answer_case> cases{
      {"cut at max_tokens", R"({"message":{"content":"par"},"finish_reason":"length"})", "par",
       finish_reason::length},
      {"all tokens went into reasoning", R"({"message":{"content":null},"finish_reason":"length"})", "",
       finish_reason::length},
      {"refusal", R"({"message":{"content":null,"refusal":"I cannot."},"finish_reason":"stop"})", "I cannot.",
       finish_reason::stop, true},
      {"tool call", R"({"message":{"content":null,"tool_calls":[{}]},"finish_reason":"tool_calls"})", "",
       finish_reason::tool_calls},
      {"deprecated function call", R"({"message":{"content":null},"finish_reason":"function_call"})", "",
       finish_reason::tool_calls},
      {"filtered after some text", R"({"message":{"content":"So"},"finish_reason":"content_filter"})", "So",
       finish_reason::content_filter},
      {"parts",
       R"({"message":{"content":[{"type":"text","text":"a"},{"type":"image"},{"type":"text","text":"b"}]},
        "finish_reason":"stop"})",
       "ab", finish_reason::stop},
      {"empty text", R"({"message":{"content":""},"finish_reason":"stop"})", "", finish_reason::stop},
      {"no finish reason", R"({"message":{"content":"x"},"finish_reason":null})", "x",
       finish_reason::unknown},
      {"unknown finish reason", R"({"message":{"content":"x"},"finish_reason":"tired"})", "x",
       finish_reason::unknown},
      {"DeepSeek's reasoning",
       R"({"message":{"content":"4","reasoning_content":"2+2"},"finish_reason":"stop"})", "4",
       finish_reason::stop},
  };
  for (const auto& one : cases) {
    const auto answer = answer_of(answered(200, choice_body(one.choice)));
    EXPECT_EQ(answer.text.view(), one.text) << one.what;
    EXPECT_EQ(answer.finish, one.finish) << one.what;
    EXPECT_EQ(answer.refused, one.refused) << one.what;
    EXPECT_FALSE(answer.usage_present) << one.what;
  }
}

TEST(decode_answer, IgnoresAnEmptyErrorBesideAGoodAnswer) {
  for (const auto* error : {"null", "\"\"", "{}", "false"}) {
    const auto body = std::string(R"({"error":)") + error
                      + R"(,"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]})";
    EXPECT_EQ(answer_of(answered(200, body)).text.view(), "x") << error;
  }
}

TEST(decode_answer, ReadsDeepSeeksCacheHits) {
  const auto answer =
      answer_of(answered(200, R"({"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],
    "usage":{"prompt_tokens":100,"completion_tokens":1,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}})"));
  EXPECT_EQ(answer.usage.cached_tokens, 64U);
}

TEST(decode_answer, DoesNotBelieveNonsenseInUsage) {
  for (const auto* usage :
       {R"("usage":null)", R"("usage":{"prompt_tokens":-5,"completion_tokens":1})",
        R"("usage":{"prompt_tokens":"many","completion_tokens":1})", R"("usage":[1,2])", R"("usage":{})"}) {
    const auto body =
        std::string(R"({"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],)") + usage + "}";
    const auto answer = answer_of(answered(200, body));
    EXPECT_FALSE(answer.usage_present) << usage;
    EXPECT_EQ(answer.usage, token_usage{}) << usage;
  }
  const auto answer =
      answer_of(answered(200, R"({"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],
    "usage":{"prompt_tokens":10,"total_tokens":15.0}})"));
  EXPECT_TRUE(answer.usage_present);
  EXPECT_EQ(answer.usage.completion_tokens, 5U);
}

// -- failures
// ---------------------------------------------------------------------------------------------------------

struct failure_case {
  std::string_view what;
  int status;
  std::string_view body;
  errc code;
  std::string_view message_has = "";
  bool possibly_billed = false;
};

TEST(decode_failure, ClassifiesWhatProvidersReallySend) {
  const std::vector<failure_case> cases{
      {"OpenAI: prompt too long", 400,
       R"({"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error",
         "param":"messages","code":"context_length_exceeded"}})",
       errc::provider_rejected, "maximum context length"},
      {"OpenAI: wrong key", 401,
       R"({"error":{"message":"Incorrect API key provided","type":"invalid_request_error","param":null,
         "code":"invalid_api_key"}})",
       errc::credentials_rejected, "Incorrect API key"},
      {"OpenAI: country", 403,
       R"({"error":{"message":"Country not supported","type":"x","param":null,"code":null}})",
       errc::credentials_rejected},
      {"OpenAI: no such model", 404,
       R"({"error":{"message":"no model","type":"invalid_request_error","param":null,"code":"model_not_found"}})",
       errc::provider_rejected, "no model"},
      {"body too large", 413, "<html>413 Request Entity Too Large</html>", errc::provider_rejected,
       "HTTP 413"},
      {"DeepSeek: invalid parameters", 422,
       R"({"error":{"message":"bad","type":"x","param":null,"code":"y"}})", errc::provider_rejected},
      {"OpenAI: out of money", 429,
       R"({"error":{"message":"You exceeded your current quota, please check your plan and billing details.",
         "type":"insufficient_quota","param":null,"code":"insufficient_quota"}})",
       errc::quota_exhausted, "exceeded your current quota"},
      {"OpenAI: no credits, newer name", 429,
       R"({"error":{"message":"none left","type":"x","param":null,"code":"credit_balance_exhausted"}})",
       errc::quota_exhausted},
      {"OpenAI: rate limit", 429,
       R"({"error":{"message":"Rate limit reached for gpt-4o. Please try again in 18.642s.","type":"tokens",
         "param":null,"code":"rate_limit_exceeded"}})",
       errc::rate_limited, "Rate limit reached"},
      {"OpenAI: ramped too fast", 429,
       R"({"error":{"message":"slow","type":"rate_limit_error","param":null,"code":"slow_down"}})",
       errc::rate_limited},
      {"Azure: 429 as a text", 429, R"({"error":{"code":"429","message":"Please retry after 26 seconds."}})",
       errc::rate_limited},
      {"429 without a body", 429, "", errc::rate_limited, "HTTP 429"},
      {"DeepSeek: no balance", 402,
       R"({"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}})",
       errc::quota_exhausted},
      {"OpenRouter: no credits", 402, R"({"error":{"code":402,"message":"Insufficient credits"}})",
       errc::quota_exhausted},
      {"OpenRouter: no header", 401, R"({"error":{"message":"No cookie auth credentials found","code":401}})",
       errc::credentials_rejected},
      {"OpenRouter: moderation", 403,
       R"({"error":{"code":403,"message":"flagged","metadata":{"reasons":["violence"],"flagged_input":"x"}}})",
       errc::content_filtered},
      {"OpenRouter: upstream", 502, R"({"error":{"code":502,"message":"bad upstream","metadata":{}}})",
       errc::provider_unavailable, "bad upstream", true},
      {"OpenAI: server", 500,
       R"({"error":{"message":"oops","type":"server_error","param":null,"code":null}})",
       errc::provider_unavailable},
      {"OpenAI: overloaded", 503,
       R"({"error":{"message":"overloaded","type":"service_unavailable_error","param":null,"code":"server_is_overloaded"}})",
       errc::provider_unavailable},
      {"Anthropic: overloaded", 529,
       R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})",
       errc::provider_unavailable, "Overloaded"},
      {"gateway timed out", 504, "upstream request timeout", errc::provider_unavailable,
       "upstream request timeout", true},
      {"timeout", 408, R"({"error":{"code":408,"message":"timeout"}})", errc::provider_unavailable},
      {"conflict", 409, "{}", errc::provider_unavailable},
      {"Azure: prompt filtered", 400,
       R"({"error":{"message":"filtered","type":null,"param":"prompt","code":"content_filter","status":400,
         "innererror":{"code":"ResponsibleAIPolicyViolation"}}})",
       errc::content_filtered},
      {"DashScope: inspected", 400,
       R"({"error":{"message":"Input data may contain inappropriate content.","type":"data_inspection_failed",
         "param":null,"code":"data_inspection_failed"},"request_id":"r"})",
       errc::content_filtered},
      {"DashScope: in arrears", 403, R"({"code":"Arrearage","message":"Access denied","request_id":"r"})",
       errc::quota_exhausted},
      {"Azure gateway, no error key", 401,
       R"({"statusCode":401,"message":"Access denied due to invalid key"})", errc::credentials_rejected,
       "Access denied due"},
      {"vLLM: code is an integer", 404,
       R"({"error":{"message":"The model `x` does not exist.","type":"NotFoundError","param":"model","code":404}})",
       errc::provider_rejected, "does not exist"},
      {"vLLM, older: flat", 400,
       R"({"object":"error","message":"too long","type":"BadRequestError","code":400})",
       errc::provider_rejected, "too long"},
      {"vLLM: bare text", 401, R"({"error":"Unauthorized"})", errc::credentials_rejected, "Unauthorized"},
      {"Ollama: bare text", 404, R"({"error":"model 'x' not found"})", errc::provider_rejected,
       "model 'x' not found"},
      {"llama.cpp: loading", 503,
       R"({"error":{"code":503,"message":"Loading model","type":"unavailable_error"}})",
       errc::provider_unavailable, "Loading model"},
      {"FastAPI: detail", 400, R"({"detail":"Invalid length"})", errc::provider_rejected, "Invalid length"},
      {"FastAPI: list of details", 422,
       R"({"detail":[{"loc":["body","model"],"msg":"field required","type":"x"}]})", errc::provider_rejected,
       "field required"},
      {"Google: a list, bad key is 400", 400,
       R"([{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}])",
       errc::credentials_rejected, "API key not valid"},
      {"redirect", 302, "", errc::provider_rejected},
      {"error body without a message", 500, R"({"error":{"code":null}})", errc::provider_unavailable},
      // After HTTP 200, when tokens may have been made.
      {"OpenRouter: error after 200", 200, R"({"error":{"code":502,"message":"Provider returned error"}})",
       errc::provider_unavailable, "Provider returned error", true},
      {"rate limit after 200", 200, R"({"error":{"code":429,"message":"slow"}})", errc::rate_limited, "slow",
       true},
      {"named after 200", 200, R"({"error":{"code":"rate_limit_exceeded","message":"slow"}})",
       errc::rate_limited, "slow", true},
      {"text after 200", 200, R"({"error":"CUDA out of memory"})", errc::provider_unavailable, "CUDA", true},
      {"error in the choice", 200,
       R"({"choices":[{"error":{"code":502,"message":"gone"},"finish_reason":"error"}]})",
       errc::provider_unavailable, "gone", true},
      {"finish_reason error", 200, R"({"choices":[{"message":{"content":"pa"},"finish_reason":"error"}]})",
       errc::provider_unavailable, "finish_reason error", true},
      {"DeepSeek ran out", 200,
       R"({"choices":[{"message":{"content":"pa"},"finish_reason":"insufficient_system_resource"}]})",
       errc::provider_unavailable, "insufficient_system_resource", true},
      {"withheld", 200, R"({"choices":[{"message":{"content":null},"finish_reason":"content_filter"}]})",
       errc::content_filtered, "withheld", true},
      {"no choices", 200, R"({"id":"x","choices":[],"usage":null})", errc::malformed_answer, "empty", true},
      {"choices missing", 200, R"({"id":"x"})", errc::malformed_answer, "choices", true},
      {"choices is no list", 200, R"({"choices":{"0":1}})", errc::malformed_answer, "choices", true},
      {"choice is no object", 200, R"({"choices":["hi"]})", errc::malformed_answer, "choices", true},
      {"message missing", 200, R"({"choices":[{"text":"completions API"}]})", errc::malformed_answer,
       "message", true},
      {"nothing at all", 200, R"({"choices":[{"message":{}}]})", errc::malformed_answer, "neither", true},
      {"cut off", 200, good_body.substr(0, 150), errc::malformed_answer, "not complete JSON", true},
      {"HTML", 200, "<html><body>Sign in</body></html>", errc::malformed_answer,
       "web page, not JSON: Sign in", true},
      {"empty", 200, "", errc::malformed_answer, "empty body", true},
      {"blank lines only", 200, "\n\n\n", errc::malformed_answer, "empty body", true},
      {"a stream nobody asked for", 200, "data: {\"choices\":[]}\n\ndata: [DONE]\n\n", errc::malformed_answer,
       "", true},
      {"a number", 200, "42", errc::malformed_answer, "", true},
      {"a list", 200, "[]", errc::malformed_answer, "", true},
  };
  for (const auto& one : cases) {
    const auto failure = failure_of(answered(one.status, one.body));
    EXPECT_EQ(to_string(failure.code), to_string(one.code)) << one.what << ": " << failure.message;
    EXPECT_NE(failure.message.find(one.message_has), std::string::npos)
        << one.what << ": " << failure.message;
    EXPECT_FALSE(failure.message.empty()) << one.what;
    EXPECT_EQ(failure.possibly_billed, one.possibly_billed) << one.what;
  }
}

TEST(decode_failure, DashScopesQuotaIsAThrottleWhenSoOptioned) {
  const auto outcome =
      answered(429, R"({"error":{"message":"Requests rate limit exceeded","type":"insufficient_quota",
    "param":null,"code":"insufficient_quota"}})");
  EXPECT_EQ(failure_of(outcome).code, errc::quota_exhausted);
  EXPECT_EQ(failure_of(outcome, api_dialect::dashscope).code, errc::rate_limited);
}

TEST(decode_failure, WaitsForABudgetOfCallsInFlightWhenToldHowLong) {
  const std::string_view body = R"({"error":{"code":402,"message":"busy","metadata":
    {"limit_source":"openrouter_in_flight_budget"}}})";
  EXPECT_EQ(failure_of(answered(402, body)).code, errc::quota_exhausted);
  const auto failure = failure_of(answered(402, body, {{"Retry-After", "3"}}));
  EXPECT_EQ(failure.code, errc::rate_limited);
  EXPECT_EQ(failure.retry_after, seconds{3});
}

TEST(decode_failure, CarriesWaitRetryHintCodeAndId) {
  const auto failure = failure_of(answered(
      429, R"({"error":{"message":"Please try again in 1s.","type":"tokens","code":"rate_limit_exceeded"}})",
      {{"retry-after-ms", "250"}, {"x-should-retry", "false"}, {"x-request-id", "req_1"}}));
  EXPECT_EQ(failure.retry_after, milliseconds{250});
  EXPECT_EQ(failure.should_retry, false);
  EXPECT_EQ(failure.provider_code, "rate_limit_exceeded");
  EXPECT_EQ(failure.request_id, "req_1");
}

TEST(decode_failure, KeepsTheUsageOfAWithheldAnswer) {
  const auto failure = failure_of(answered(200, R"({"choices":[{"message":{"content":""},
    "finish_reason":"content_filter"}],"usage":{"prompt_tokens":9,"completion_tokens":2}})"));
  EXPECT_TRUE(failure.usage_present);
  EXPECT_EQ(failure.usage.prompt_tokens, 9U);
}

TEST(decode_failure, PassesOnWhatTheTransportSaid) {
  http_outcome outcome;
  outcome.error = errc::provider_timeout;
  outcome.error_message = "no answer within 600 s";
  outcome.request_written = true;
  auto failure = failure_of(outcome);
  EXPECT_EQ(failure.code, errc::provider_timeout);
  EXPECT_EQ(failure.message, "no answer within 600 s");
  EXPECT_TRUE(failure.possibly_billed);
  outcome.error = errc::connect_failed;
  outcome.request_written = false;
  failure = failure_of(outcome);
  EXPECT_EQ(failure.code, errc::connect_failed);
  EXPECT_FALSE(failure.possibly_billed);
}

TEST(decode_failure, CutsLongMessagesAndRepairsTheirBytes) {
  const auto failure = failure_of(answered(500, "\xFF" + std::string(100'000, 'x')));
  EXPECT_LT(failure.message.size(), 600U);
  EXPECT_NE(failure.message.find("\xEF\xBF\xBD"), std::string::npos);
}

TEST(describe_body, MakesOneLineOfAWebPage) {
  EXPECT_EQ(describe_body(502, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
                               "<center><h1>502 Bad Gateway</h1></center>\r\n<hr>nginx</body></html>"),
            "HTTP 502: Bad Gateway");
  EXPECT_EQ(describe_body(503, " <!DOCTYPE html><style>p {color: red}</style><SCRIPT>if (a < b) x()</SCRIPT>"
                               "<p>Down for\nmaintenance</p>"),
            "HTTP 503: Down for maintenance");
  EXPECT_LT(describe_body(500, "<p>" + std::string(5000, 'x')).size(), 120U);
}

TEST(describe_body, KeepsOtherTexts) {
  EXPECT_EQ(describe_body(500, ""), "HTTP 500");
  EXPECT_EQ(describe_body(500, "a < b\n and c > d"), "HTTP 500: a < b and c > d");
  for (const std::string_view broken :
       {"<", "<title", "<title>", "<script", "<a href=", "<>", "</title><title>x"})
    EXPECT_TRUE(describe_body(502, broken).starts_with("HTTP 502")) << broken;
}

TEST(decode_answer, ADecoderIsAsGoodAfterGarbageAsBefore) {
  const auto codec = make_codec({});
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(
        std::holds_alternative<call_failure>(codec->decode_chat(answered(200, "{\"a\":"), noon_of_tests())));
    EXPECT_TRUE(
        std::holds_alternative<chat_answer>(codec->decode_chat(answered(200, good_body), noon_of_tests())));
  }
}

} // namespace
} // namespace assay::codecs
