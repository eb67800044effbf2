#include "core/codecs/anthropic.hpp"
#include "core/codecs/gemini.hpp"
#include "tests/codecs/codec_support.hpp"

namespace assay::codecs {
namespace {

using test::answered;
using test::mutated;
using test::noon_of_tests;

/// A row of bodies and streams that a protocol really uses; every mutation of them has to end in an answer or
/// in a failure, never in a crash or an exception.
struct material {
  std::vector<std::string> bodies;
  std::vector<std::string> streams;
  std::vector<std::string> other_bodies; ///< Counts, lists, embeddings.
};

const material& anthropic_material() {
  static const material known{
      {R"({"id":"msg_01","type":"message","role":"assistant","model":"claude","content":[{"type":"thinking","thinking":"hm"},
         {"type":"text","text":"A \ud83d\ude00 cat."},{"type":"tool_use","id":"t","name":"n","input":{"a":[1,2.5e300]}}],
         "stop_reason":"end_turn","usage":{"input_tokens":11,"output_tokens":6,"cache_read_input_tokens":1e300}})",
       R"({"type":"message","content":[],"stop_reason":"refusal","stop_details":{"explanation":"no"}})",
       R"({"type":"error","error":{"type":"rate_limit_error","message":"API usage limits",
         "details":{"error_code":"enforced_spend_limit_reached"}},"request_id":"req"})"},
      {"event: message_start\n"
       R"(data: {"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":11,"output_tokens":1}}})"
       "\n\n"
       R"(data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"n","input":{"a":1}}})"
       "\n\n"
       R"(data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{"}})"
       "\n\n: ping\n\n"
       R"(data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}})"
       "\n\n"
       R"(data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":6}})"
       "\n\n"
       R"(data: {"type":"message_stop"})"
       "\n\n",
       "event: error\n"
       R"(data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})"
       "\n\n"},
      {R"({"input_tokens":2095})",
       R"({"data":[{"id":"a","display_name":"A","max_tokens":1}],"has_more":true,"last_id":"a"})"}};
  return known;
}

const material& gemini_material() {
  static const material known{
      {R"({"candidates":[{"content":{"parts":[{"text":"x","thought":true},{"text":"A \ud83d\ude00 cat."},
         {"functionCall":{"name":"n","args":{"a":[1,2.5e300]}},"thoughtSignature":"s"}]},"finishReason":"STOP","index":0,
         "logprobsResult":{"chosenCandidates":[{"token":"A","logProbability":-0.1}],"topCandidates":[{"candidates":[{"token":"A"}]}]}},
         {"index":1,"content":{"parts":[{"text":"b"}]}}],
         "usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":3,"thoughtsTokenCount":1e300,"totalTokenCount":31}})",
       R"({"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"totalTokenCount":8}})",
       R"([{"error":{"code":429,"message":"limit: 0","status":"RESOURCE_EXHAUSTED","details":[
         {"violations":[{"quotaId":"PerDay"}]},{"retryDelay":"37s"}]}}])"},
      {"data: "
       R"({"candidates":[{"content":{"parts":[{"text":"Hel"}]},"index":0}],"usageMetadata":{"promptTokenCount":8}})"
       "\r\n\r\n"
       "data: "
       R"({"candidates":[{"content":{"parts":[{"text":"lo"}]},"finishReason":"STOP"}],"responseId":"a"})"
       "\r\n\r\n",
       "data: "
       R"({"candidates":[{"content":{"parts":[{"text":"Hel"}]},"index":0}]})"
       "\r\n\r\n{\r\n  \"error\": {\r\n  \"code\": 503,\r\n \"message\": \"no\"\r\n }\r\n}\r\n",
       R"([{"candidates":[{"content":{"parts":[{"text":"Hel"}]}}]},)"
       "\r\n"
       R"({"candidates":[{"finishReason":"STOP"}]}])"},
      {R"({"totalTokens":31})", R"({"embeddings":[{"values":[0.5,-1e300]},{"values":[2]}]})",
       R"({"models":[{"name":"models/a","displayName":"A","inputTokenLimit":1}],"nextPageToken":"t"})"}};
  return known;
}

void survive(wire_codec& codec, const material& known, unsigned seed) {
  constexpr int rounds = 6000;
  const auto alphabet = std::string(test::json_alphabet) + "\r";
  std::mt19937 random(seed);
  size_t answers = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto body = mutated(known.bodies[random() % known.bodies.size()], random, alphabet);
    const auto decoded = codec.decode_chat(answered(round % 3 == 0 ? 429 : 200, body), noon_of_tests());
    answers += std::holds_alternative<chat_answer>(decoded) ? 1U : 0U;
    const auto other =
        answered(200, mutated(known.other_bodies[random() % known.other_bodies.size()], random, alphabet));
    codec.decode_count(other, noon_of_tests());
    codec.decode_model_list(other, noon_of_tests());
    codec.decode_embeddings(other, noon_of_tests());
    const auto stream = mutated(known.streams[random() % known.streams.size()], random, alphabet);
    const auto result = test::read_stream(codec, stream, 1 + random() % 200);
    answers += std::holds_alternative<chat_answer>(result.end) ? 1U : 0U;
  }
  EXPECT_GT(answers, 200U) << "the mutations are too destructive to test anything";
}

TEST(native_codecs, NoMutationOfAnAnthropicBodyMakesThemCrash) {
  survive(*make_anthropic_codec({}), anthropic_material(), 12061994);
}

TEST(native_codecs, NoMutationOfAGeminiBodyMakesThemCrash) {
  survive(*make_gemini_codec({}), gemini_material(), 7061994);
}

TEST(native_codecs, AreChosenByTheProtocol) {
  provider_profile provider;
  const auto header = [&](wire_protocol protocol) {
    provider.protocol = protocol;
    return make_codec(provider)->credential(secret("k")).first;
  };
  EXPECT_EQ(header(wire_protocol::anthropic), "x-api-key");
  EXPECT_EQ(header(wire_protocol::gemini), "x-goog-api-key");
  EXPECT_EQ(header(wire_protocol::openai_chat), "Authorization");
}

TEST(native_codecs, AreAsGoodAfterGarbageAsBefore) {
  const auto anthropic = make_anthropic_codec({});
  const auto gemini = make_gemini_codec({});
  for (int i = 0; i < 3; ++i) {
    for (auto* codec : {anthropic.get(), gemini.get()})
      EXPECT_TRUE(std::holds_alternative<call_failure>(
          codec->decode_chat(answered(200, "{\"a\":"), noon_of_tests())));
    EXPECT_TRUE(std::holds_alternative<chat_answer>(
        anthropic->decode_chat(answered(200, anthropic_material().bodies[0]), noon_of_tests())));
    EXPECT_TRUE(std::holds_alternative<chat_answer>(
        gemini->decode_chat(answered(200, gemini_material().bodies[0]), noon_of_tests())));
  }
}

TEST(native_codecs, SurviveDeepNesting) {
  const std::string deep(100'000, '[');
  for (const auto& codec : {make_anthropic_codec({}), make_gemini_codec({})}) {
    EXPECT_TRUE(
        std::holds_alternative<call_failure>(codec->decode_chat(answered(200, deep), noon_of_tests())));
    EXPECT_TRUE(
        std::holds_alternative<call_failure>(test::read_stream(*codec, "data: " + deep + "\n\n").end));
    EXPECT_TRUE(std::holds_alternative<call_failure>(test::read_stream(*codec, deep).end));
  }
}

} // namespace
} // namespace assay::codecs
