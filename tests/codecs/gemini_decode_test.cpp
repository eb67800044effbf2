#include "core/codecs/gemini.hpp"
#include "tests/codecs/codec_support.hpp"

namespace assay::codecs {
namespace {

using nlohmann::json;
using test::answer_in;
using test::answered;
using test::failure_in;
using test::noon_of_tests;

constexpr std::string_view good_body =
    R"({"candidates":[{"content":{"role":"model","parts":[{"text":"Thinking.","thought":true},{"text":"A "},
      {"text":"cat."}]},"finishReason":"STOP","index":0,
      "safetyRatings":[{"category":"HARM_CATEGORY_HARASSMENT","probability":"NEGLIGIBLE"}],"avgLogprobs":-0.1}],
  "usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":3,"thoughtsTokenCount":20,"cachedContentTokenCount":2,
    "totalTokenCount":31,"promptTokensDetails":[{"modality":"TEXT","tokenCount":8}]},
  "modelVersion":"gemini-2.5-flash","responseId":"abc"})";

std::unique_ptr<wire_codec> codec() { return make_gemini_codec({}); }

decoded_answer decode(const http_outcome& outcome) { return codec()->decode_chat(outcome, noon_of_tests()); }

std::string candidate(std::string_view inside) {
  return std::string(R"({"candidates":[{)")
      .append(inside)
      .append(R"(}],"usageMetadata":{"promptTokenCount":8,"totalTokenCount":8},"responseId":"abc"})");
}

std::string error(int code, std::string_view status, std::string_view message,
                  std::string_view details = "[]") {
  return R"({"error":{"code":)" + std::to_string(code) + R"(,"message":")" + std::string(message)
         + R"(","status":")" + std::string(status) + R"(","details":)" + std::string(details) + "}}";
}

std::string quota_details(std::string_view quota_id, std::string_view delay = "") {
  auto text = R"([{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[
    {"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_requests","quotaId":")"
              + std::string(quota_id)
              + R"(","quotaDimensions":{"model":"gemini-2.5-flash"},"quotaValue":"5"}]},
    {"@type":"type.googleapis.com/google.rpc.Help","links":[{"description":"x","url":"https://ai.google.dev"}]})";
  if (!delay.empty())
    text +=
        R"(,{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":")" + std::string(delay) + "\"}";
  return text + "]";
}

// -- answers
// ---------------------------------------------------------------------------------------------------

TEST(gemini_answer, ReadsTextUsageModelAndId) {
  const auto answer = answer_in(decode(answered(200, good_body)));
  EXPECT_EQ(answer.text.view(), "A cat.");
  EXPECT_EQ(answer.reasoning, "Thinking.");
  EXPECT_EQ(answer.finish, finish_reason::stop);
  EXPECT_TRUE(answer.usage_present);
  EXPECT_EQ(answer.usage, (token_usage{8, 23, 2, 20})) << "thoughts are counted apart and billed as output";
  EXPECT_EQ(answer.served_model, "gemini-2.5-flash");
  EXPECT_EQ(answer.request_id, "abc");
  EXPECT_TRUE(answer.more_choices.empty());
}

TEST(gemini_answer, ReadsCallsWithTheirSignatures) {
  const auto answer = answer_in(decode(answered(
      200, candidate(R"("content":{"parts":[{"functionCall":{"name":"weather","args":{"city":"Bonn"}},
        "thoughtSignature":"c2ln"},{"functionCall":{"id":"own","name":"now"}}]},"finishReason":"STOP")"))));
  EXPECT_EQ(answer.finish, finish_reason::tool_calls);
  ASSERT_EQ(answer.tool_calls.size(), 2U);
  const auto& first = answer.tool_calls[0];
  EXPECT_TRUE(first.id.starts_with("gemini_call_") && first.id.ends_with("_0")) << first.id;
  EXPECT_EQ(first, (tool_call{first.id, "weather", R"({"city":"Bonn"})", "c2ln"}));
  EXPECT_EQ(answer.tool_calls[1], (tool_call{"own", "now", "{}"}));
}

TEST(gemini_answer, GivesCallsIdsThatNoOtherTurnHas) {
  const auto ids_of = [](std::string_view response, std::string_view calls) {
    const auto answer =
        answer_in(decode(answered(200, R"({"candidates":[{"content":{"parts":[)" + std::string(calls)
                                           + R"(]},"finishReason":"STOP"}])" + std::string(response) + "}")));
    std::vector<std::string> ids;
    for (const auto& call : answer.tool_calls)
      ids.push_back(call.id);
    return ids;
  };
  constexpr std::string_view twice = R"({"functionCall":{"name":"now"}},{"functionCall":{"name":"now"}})";
  EXPECT_EQ(ids_of(R"(,"responseId":"abc")", twice),
            (std::vector<std::string>{"gemini_call_e71fa2190541574b_0", "gemini_call_e71fa2190541574b_1"}));
  EXPECT_NE(ids_of(R"(,"responseId":"abd")", twice), ids_of(R"(,"responseId":"abc")", twice));
  // Without the answer's id, by what is called.
  const auto nameless = ids_of("", twice);
  ASSERT_EQ(nameless.size(), 2U);
  EXPECT_NE(nameless[0], nameless[1]);
  EXPECT_NE(ids_of("", R"({"functionCall":{"name":"now","args":{"zone":1}}})")[0], nameless[0]);
  // Servers that copy the protocol give the name of the function to all its calls.
  const auto repeated = ids_of("", R"({"functionCall":{"id":"now","name":"now"}},
    {"functionCall":{"id":"now","name":"now"}})");
  ASSERT_EQ(repeated.size(), 2U);
  EXPECT_EQ(repeated[0], "now");
  EXPECT_TRUE(repeated[1].starts_with("gemini_call_")) << repeated[1];
  for (const auto& id : nameless)
    EXPECT_LE(id.size(), 40U) << "OpenAI takes no longer ones back";
}

TEST(gemini_answer, EndsWithCallsAlsoUnderTheWordOfOtherServers) {
  const auto ended = [](std::string_view parts) {
    return decode(answered(200, candidate(R"("content":{"parts":[)" + std::string(parts)
                                          + R"(]},"finishReason":"FUNCTION_CALL")")));
  };
  const auto answer = answer_in(ended(R"({"functionCall":{"name":"now"}})"));
  EXPECT_EQ(answer.finish, finish_reason::tool_calls);
  ASSERT_EQ(answer.tool_calls.size(), 1U);
  EXPECT_EQ(answer_in(ended(R"({"text":"x"})")).finish, finish_reason::unknown) << "there is no call";
}

TEST(gemini_answer, ReadsSeveralCandidatesInTheirOrder) {
  const auto answer = answer_in(decode(answered(200, R"({"candidates":[
    {"index":1,"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"},
    {"content":{"parts":[{"text":"a"}]},"finishReason":"MAX_TOKENS"},
    {"index":4294967295,"content":{"parts":[{"text":"z"}]}}]})")));
  EXPECT_EQ(answer.text.view(), "a");
  EXPECT_EQ(answer.finish, finish_reason::length);
  ASSERT_EQ(answer.more_choices.size(), 1U);
  EXPECT_EQ(answer.more_choices[0].view(), "b");
}

TEST(gemini_answer, TranslatesLogProbabilities) {
  const auto answer = answer_in(decode(
      answered(200, candidate(R"("content":{"parts":[{"text":"A\""}]},"finishReason":"STOP","logprobsResult":{
        "chosenCandidates":[{"token":"A","tokenId":1,"logProbability":-0.1},{"token":"\"","logProbability":-2}],
        "topCandidates":[{"candidates":[{"token":"A","logProbability":-0.1},{"token":"B","logProbability":-3}]}]})"))));
  EXPECT_EQ(json::parse(answer.logprobs_json), json::parse(R"({"content":[
    {"token":"A","logprob":-0.1,"bytes":null,"top_logprobs":[{"token":"A","logprob":-0.1,"bytes":null},
      {"token":"B","logprob":-3.0,"bytes":null}]},
    {"token":"\"","logprob":-2.0,"bytes":null,"top_logprobs":[]}]})"));
}

TEST(gemini_answer, GuardsEveryLevelThatMayBeMissing) {
  const std::vector<std::pair<std::string, finish_reason>> cases{
      {R"("finishReason":"MAX_TOKENS","index":0)", finish_reason::length},
      {R"("content":{"role":"model"},"finishReason":"MAX_TOKENS")", finish_reason::length},
      {R"("content":{"parts":[]},"finishReason":"STOP")", finish_reason::stop},
      {R"("content":{"parts":[{"text":"x","thought":true}]},"finishReason":"MAX_TOKENS")",
       finish_reason::length},
      {R"("content":{"parts":[{"inlineData":{}},7,null,{"text":5}]},"finishReason":"STOP")",
       finish_reason::stop}};
  for (const auto& [inside, finish] : cases) {
    const auto answer = answer_in(decode(answered(200, candidate(inside))));
    EXPECT_TRUE(answer.text.empty()) << inside;
    EXPECT_EQ(answer.finish, finish) << inside;
    EXPECT_EQ(answer.usage, (token_usage{8, 0, 0, 0}));
  }
}

TEST(gemini_answer, KeepsATextThatPolicyCutShort) {
  const auto answer = answer_in(
      decode(answered(200, candidate(R"("content":{"parts":[{"text":"On"}]},"finishReason":"RECITATION")"))));
  EXPECT_EQ(answer.text.view(), "On");
  EXPECT_EQ(answer.finish, finish_reason::content_filter);
}

TEST(gemini_answer, MayBeWithheld) {
  for (const auto* word :
       {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY"}) {
    const auto failure =
        failure_in(decode(answered(200, candidate(R"("finishReason":")" + std::string(word) + "\""))));
    EXPECT_EQ(failure.code, errc::content_filtered) << word;
    EXPECT_EQ(failure.provider_code, word);
    EXPECT_EQ(failure.usage.prompt_tokens, 8U);
    EXPECT_EQ(failure.request_id, "abc");
    EXPECT_TRUE(failure.possibly_billed);
  }
}

TEST(gemini_answer, CanBeARowOfWordsThatMeanNothing) {
  for (const auto* word : {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER", "NEW_REASON"}) {
    const auto failure =
        failure_in(decode(answered(200, candidate(R"("finishReason":")" + std::string(word) + "\""))));
    EXPECT_EQ(failure.code, errc::malformed_answer) << word;
    EXPECT_NE(failure.message.find(word), std::string::npos);
  }
}

TEST(gemini_answer, IsMissingWhenThePromptWasBlocked) {
  const auto failure =
      failure_in(decode(answered(200, R"({"promptFeedback":{"blockReason":"SAFETY","safetyRatings":[]},
    "usageMetadata":{"promptTokenCount":8,"totalTokenCount":8},"modelVersion":"gemini-2.5-flash","responseId":"abc"})")));
  EXPECT_EQ(failure.code, errc::content_filtered);
  EXPECT_EQ(failure.provider_code, "SAFETY");
  EXPECT_NE(failure.message.find("prompt"), std::string::npos);
  EXPECT_TRUE(failure.usage_present);
  EXPECT_EQ(failure.usage, (token_usage{8, 0, 0, 0}));
  EXPECT_EQ(failure.request_id, "abc");
}

TEST(gemini_answer, DoesNotInventCounts) {
  const std::string head = R"({"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}])";
  EXPECT_FALSE(answer_in(decode(answered(200, head + "}"))).usage_present);
  EXPECT_FALSE(
      answer_in(decode(answered(200, head + R"(,"usageMetadata":{"promptTokenCount":"8"}})"))).usage_present);
  EXPECT_EQ(answer_in(decode(answered(
                          200, head + R"(,"usageMetadata":{"totalTokenCount":9,"candidatesTokenCount":4}})")))
                .usage,
            (token_usage{5, 4, 0, 0}));
}

TEST(gemini_answer, CallsGarbageMalformed) {
  for (const auto* body : {"", " \n", "{", "<html>", "[]", "null", "{}", R"({"candidates":[]})",
                           R"({"candidates":{}})", R"({"candidates":[{}]})", R"({"candidates":[7]})"}) {
    const auto failure = failure_in(decode(answered(200, body)));
    EXPECT_EQ(failure.code, errc::malformed_answer) << body;
    EXPECT_TRUE(failure.possibly_billed) << body;
  }
}

// -- errors
// ----------------------------------------------------------------------------------------------------

struct error_case {
  int status;
  std::string word;
  std::string message;
  errc code;
  std::string details = "[]";
};

TEST(gemini_error, IsClassified) {
  const std::vector<error_case> cases{
      {400, "INVALID_ARGUMENT", "Invalid JSON payload received.", errc::provider_rejected},
      {400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", errc::credentials_rejected,
       R"([{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}])"},
      {400, "INVALID_ARGUMENT", "Bad key.", errc::credentials_rejected, R"([{"reason":"API_KEY_INVALID"}])"},
      {400, "FAILED_PRECONDITION", "User location is not supported for the API use.",
       errc::provider_rejected},
      {402, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.", errc::quota_exhausted},
      {403, "PERMISSION_DENIED", "Permission denied.", errc::credentials_rejected},
      {404, "NOT_FOUND", "models/x is not found", errc::provider_rejected},
      {429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", errc::rate_limited,
       quota_details("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "37s")},
      {429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", errc::quota_exhausted,
       quota_details("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "37s")},
      {429, "RESOURCE_EXHAUSTED", "Quota exceeded for metric: x, limit: 0, model: gemini-2.5-pro",
       errc::quota_exhausted},
      {429, "RESOURCE_EXHAUSTED", "Quota exceeded for metric: x, limit: 05, model: y", errc::rate_limited},
      {499, "CANCELLED", "The operation was cancelled.", errc::provider_unavailable},
      {500, "INTERNAL", "An internal error has occurred.", errc::provider_unavailable},
      {503, "UNAVAILABLE", "The model is overloaded.", errc::provider_unavailable},
      {504, "DEADLINE_EXCEEDED", "Deadline expired.", errc::provider_unavailable}};
  for (const auto& one : cases) {
    const auto body = error(one.status, one.word, one.message, one.details);
    for (const auto& wrapped : {body, "[" + body + "]"}) {
      const auto failure = failure_in(decode(answered(one.status, wrapped)));
      EXPECT_EQ(failure.code, one.code) << one.status << " " << one.message;
      EXPECT_EQ(failure.message, one.message);
      EXPECT_EQ(failure.provider_code,
                one.code == errc::credentials_rejected && one.status == 400 ? "API_KEY_INVALID" : one.word);
    }
  }
}

TEST(gemini_error, NamesTheWaitInItsBody) {
  const auto wait = [](std::string_view details, std::string_view message = "slow",
                       http_headers headers = {}) {
    return failure_in(
               decode(answered(429, error(429, "RESOURCE_EXHAUSTED", message, details), std::move(headers))))
        .retry_after;
  };
  EXPECT_EQ(wait(quota_details("PerMinute", "37s")), milliseconds{37'000});
  EXPECT_EQ(wait(quota_details("PerMinute", "1.5s")), milliseconds{1500});
  EXPECT_EQ(wait(quota_details("PerMinute", "36998.541104s")), milliseconds{36'998'542});
  EXPECT_EQ(wait(quota_details("PerMinute", "0.2s"), "Please retry in 37.2s."), milliseconds{200});
  EXPECT_EQ(wait("[]", "Please retry in 37.2s."), milliseconds{37'200});
  EXPECT_EQ(wait(quota_details("PerMinute", "37s"), "slow", {{"Retry-After", "5"}}), milliseconds{5000});
  EXPECT_EQ(wait(quota_details("PerMinute", "soon")), std::nullopt);
  EXPECT_EQ(wait("[]"), std::nullopt);
}

TEST(gemini_error, MayComeAfterASuccessfulStatus) {
  const auto failure = failure_in(decode(answered(200, error(503, "UNAVAILABLE", "overloaded"))));
  EXPECT_EQ(failure.code, errc::provider_unavailable);
  EXPECT_TRUE(failure.possibly_billed);
}

TEST(gemini_error, MayComeFromAGatewayThatKnowsNoJson) {
  const auto failure = failure_in(decode(answered(502, "<html>Bad Gateway</html>")));
  EXPECT_EQ(failure.code, errc::provider_unavailable);
  EXPECT_NE(failure.message.find("HTTP 502"), std::string::npos);
}

TEST(gemini_error, SaysWhyThereWasNoAnswer) {
  http_outcome outcome;
  outcome.error = errc::connect_failed;
  EXPECT_EQ(failure_in(decode(outcome)).code, errc::connect_failed);
}

// -- embeddings, counting and listing
// --------------------------------------------------------------------------------

TEST(gemini_embeddings, AreReadInTheirOrder) {
  const auto c = codec();
  const auto answer = std::get<embedding_answer>(c->decode_embeddings(
      answered(
          200,
          R"({"embeddings":[{"values":[0.5,-1]},{"values":[2]}],"usageMetadata":{"promptTokenCount":4}})"),
      noon_of_tests()));
  EXPECT_EQ(answer.vectors, (std::vector<std::vector<float>>{{0.5F, -1.0F}, {2.0F}}));
  EXPECT_EQ(answer.usage.prompt_tokens, 4U);
  EXPECT_TRUE(answer.usage_present);
  for (const auto* body : {"{}", R"({"embeddings":[]})", R"({"embeddings":[{}]})",
                           R"({"embeddings":[{"values":[1,"2"]}]})", "["})
    EXPECT_EQ(failure_in(c->decode_embeddings(answered(200, body), noon_of_tests())).code,
              errc::malformed_answer)
        << body;
  EXPECT_EQ(failure_in(c->decode_embeddings(answered(429, error(429, "RESOURCE_EXHAUSTED", "slow")),
                                            noon_of_tests()))
                .code,
            errc::rate_limited);
}

TEST(gemini_count, IsReadOrExplained) {
  const auto c = codec();
  EXPECT_EQ(std::get<uint32_t>(c->decode_count(
                answered(200, R"({"totalTokens":31,"cachedContentTokenCount":0})"), noon_of_tests())),
            31U);
  EXPECT_EQ(failure_in(c->decode_count(answered(200, "{}"), noon_of_tests())).code, errc::malformed_answer);
}

TEST(gemini_models, AreListedUntilThereIsNoMore) {
  const auto c = codec();
  const auto first = std::get<model_page>(c->decode_model_list(
      answered(
          200,
          R"({"models":[{"name":"models/gemini-2.5-flash","version":"001","displayName":"Gemini 2.5 Flash",
        "inputTokenLimit":1048576,"outputTokenLimit":65536,"supportedGenerationMethods":["generateContent"]},{}],
        "nextPageToken":"Ch="})"),
      noon_of_tests()));
  ASSERT_EQ(first.models.size(), 1U);
  EXPECT_EQ(first.models[0].id, "gemini-2.5-flash");
  EXPECT_EQ(first.models[0].name, "Gemini 2.5 Flash");
  EXPECT_EQ(first.models[0].context_window, 1'048'576U);
  EXPECT_EQ(first.models[0].max_output_tokens, 65'536U);
  EXPECT_EQ(first.next_page, "Ch=");
  EXPECT_TRUE(std::get<model_page>(c->decode_model_list(answered(200, R"({"models":[]})"), noon_of_tests()))
                  .next_page.empty());
  EXPECT_EQ(failure_in(c->decode_model_list(answered(200, "{}"), noon_of_tests())).code,
            errc::malformed_answer);
}

} // namespace
} // namespace assay::codecs
