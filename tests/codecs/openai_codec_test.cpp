#include "core/codecs/openai_chat.hpp"
#include "tests/codecs/support.hpp"

namespace assay::codecs {
namespace {

using nlohmann::json;
using namespace test;

provider_profile provider_at(std::string base_url, api_dialect dialect = api_dialect::compatible,
                             wire_protocol protocol = wire_protocol::openai_chat) {
  provider_profile provider;
  provider.id = provider_id("p");
  provider.base_url = std::move(base_url);
  provider.dialect = dialect;
  provider.protocol = protocol;
  return provider;
}

std::unique_ptr<wire_codec> codec_of(api_dialect dialect) {
  return make_codec(provider_at("http://h/v1", dialect));
}

template <class T>
T value_of(decoded<T> decoded) {
  if (const auto* failure = std::get_if<call_failure>(&decoded)) {
    ADD_FAILURE() << to_string(failure->code) << ": " << failure->message;
    return {};
  }
  return std::get<T>(std::move(decoded));
}

template <class T>
errc code_of(const decoded<T>& decoded) {
  const auto* failure = std::get_if<call_failure>(&decoded);
  return failure == nullptr ? errc::internal : failure->code;
}

// -- addresses and keys ------------------------------------------------------------------------------------

TEST(azure, HasItsDeploymentsInThePath) {
  struct row {
    std::string base;
    std::string chat;
    std::string models;
  };
  const std::string version = "?api-version=2024-10-21";
  for (const auto& [base, chat, models] : std::vector<row>{
           {"https://r.openai.azure.com", "/openai/deployments/gpt%204/chat/completions" + version,
            "/openai/models" + version},
           {"https://r.openai.azure.com/openai", "/deployments/gpt%204/chat/completions" + version,
            "/models" + version},
           {"https://r.openai.azure.com/openai/deployments", "/gpt%204/chat/completions" + version, ""},
           {"https://r.openai.azure.com/openai/deployments/d", "/chat/completions" + version, ""},
           {"https://r.openai.azure.com/openai/v1", "/chat/completions", "/models"}}) {
    const auto codec = make_codec(provider_at(base, api_dialect::azure, wire_protocol::azure_openai));
    question asked;
    asked.model = "gpt 4";
    EXPECT_EQ(codec->encode_chat(asked.request()).value().target, chat) << base;
    const auto listed = codec->encode_model_list("");
    EXPECT_EQ(listed ? listed->target : "", models) << base;
  }
}

TEST(azure, SendsTheVersionThatIsConfigured) {
  auto provider =
      provider_at("https://r.openai.azure.com/openai", api_dialect::azure, wire_protocol::azure_openai);
  provider.api_version = "2025-01-01-preview";
  const std::vector<std::string> texts{"a"};
  EXPECT_EQ(make_codec(provider)->encode_embeddings({"d", texts, {}}).value().target,
            "/deployments/d/embeddings?api-version=2025-01-01-preview");
}

TEST(credentials, TravelInTheHeaderOfTheirProvider) {
  const secret key("sk-1");
  EXPECT_EQ(codec_of(api_dialect::openai)->credential(key),
            (std::pair<std::string, secret>{"Authorization", secret("Bearer sk-1")}));
  EXPECT_EQ(codec_of(api_dialect::azure)->credential(key), (std::pair<std::string, secret>{"api-key", key}));
  const secret token("eyJhbGciOi.eyJhdWQiOi.c2ln");
  EXPECT_EQ(codec_of(api_dialect::azure)->credential(token),
            (std::pair<std::string, secret>{"Authorization", secret("Bearer " + token.reveal())}));
  EXPECT_TRUE(codec_of(api_dialect::openrouter)->fixed_headers().empty());
}

// -- answers with more than text ---------------------------------------------------------------------------

chat_answer chat_of(std::string_view body) {
  return value_of<chat_answer>(
      codec_of(api_dialect::compatible)->decode_chat(answered(200, body), noon_of_tests()));
}

TEST(openai_answer, HoldsToolCalls) {
  const auto answer = chat_of(R"({"choices":[{"message":{"role":"assistant","content":null,"tool_calls":[
    {"id":"call_1","type":"function","function":{"name":"add","arguments":"{\"a\":1"}},
    {"id":"call_2","type":"function","function":{"name":"now","arguments":{"tz": "UTC"}}}]},
    "finish_reason":"tool_calls"}]})");
  EXPECT_EQ(answer.tool_calls,
            (std::vector<tool_call>{{"call_1", "add", "{\"a\":1"}, {"call_2", "now", R"({"tz":"UTC"})"}}));
  EXPECT_EQ(answer.finish, finish_reason::tool_calls);
  const auto older =
      chat_of(R"({"choices":[{"message":{"content":null,"function_call":{"name":"f","arguments":"{}"}}}]})");
  EXPECT_EQ(older.tool_calls, (std::vector<tool_call>{{"", "f", "{}"}}));
  EXPECT_TRUE(chat_of(R"({"choices":[{"message":{"content":"x","tool_calls":null}}]})").tool_calls.empty());
}

TEST(openai_answer, HoldsThoughtsLogprobsFurtherAnswersAndCost) {
  const auto answer = chat_of(R"({"id":"gen-1","choices":[
    {"index":0,"message":{"content":"A","reasoning_content":"hm"},"finish_reason":"stop",
     "logprobs":{"content":[{"token":"A","logprob":-9999.0,"bytes":null,"top_logprobs":[]}],"refusal":null}},
    {"index":1,"message":{"content":null}},
    {"index":2,"message":{"content":"C"}}],
    "usage":{"prompt_tokens":2,"completion_tokens":3,"cost":0.5}})");
  EXPECT_EQ(answer.reasoning, "hm");
  EXPECT_EQ(json::parse(answer.logprobs_json)["content"][0]["logprob"], -9999.0);
  ASSERT_EQ(answer.more_choices.size(), 2U);
  EXPECT_EQ(answer.more_choices[0].view(), "");
  EXPECT_EQ(answer.more_choices[1].view(), "C");
  EXPECT_EQ(answer.cost, money{500'000'000});
  EXPECT_EQ(chat_of(R"({"choices":[{"message":{"content":"A","reasoning":"newer vLLM"}}]})").reasoning,
            "newer vLLM");
  EXPECT_EQ(chat_of(R"({"choices":[{"message":{"content":"A"}}],"usage":{"cost":1e300}})").cost,
            std::nullopt);
  EXPECT_EQ(chat_of(R"({"choices":[{"message":{"content":"A"}}],"usage":{"cost":-1}})").cost, std::nullopt);
}

// -- embeddings --------------------------------------------------------------------------------------------

TEST(openai_embeddings, AreAskedFor) {
  const std::vector<std::string> texts{"hi", "a\"b"};
  const auto ask = [&](api_dialect dialect) {
    return json::parse(codec_of(dialect)->encode_embeddings({"m", texts, 256}).value().body.view());
  };
  EXPECT_EQ(ask(api_dialect::compatible),
            json::parse(R"({"model":"m","input":["hi","a\"b"],"dimensions":256})"));
  EXPECT_EQ(ask(api_dialect::openai)["encoding_format"], "base64");
}

TEST(openai_embeddings, RefuseWhatNobodyEmbeds) {
  const auto refused = [](std::vector<std::string> texts, api_dialect dialect = api_dialect::compatible) {
    return codec_of(dialect)->encode_embeddings({"m", texts, {}}).error();
  };
  EXPECT_EQ(refused({}).where, "input");
  EXPECT_EQ(refused({"a", ""}).where, "input[1]");
  EXPECT_EQ(refused(std::vector<std::string>(2049, "a"), api_dialect::openai).code, errc::invalid_argument);
  EXPECT_EQ(refused({"a"}, api_dialect::deepseek).code, errc::unsupported);
  EXPECT_EQ(refused({"a"}, api_dialect::llama_factory).code, errc::unsupported);
}

TEST(openai_embeddings, AreReadAsNumbersAndAsBase64InTheOrderOfTheirIndex) {
  // 1.0f and -2.5f, lowest byte first.
  const auto answer = value_of<embedding_answer>(
      codec_of(api_dialect::openai)
          ->decode_embeddings(answered(200, R"({"object":"list","model":"text-embedding-3-small","data":[
        {"object":"embedding","index":1,"embedding":"AACAPwAAIMA="},
        {"object":"embedding","index":0,"embedding":[0.5,-9,1e-3]}],"usage":{"prompt_tokens":8,"total_tokens":8}})"),
                              noon_of_tests()));
  ASSERT_EQ(answer.vectors.size(), 2U);
  EXPECT_EQ(answer.vectors[0], (std::vector<float>{0.5F, -9.0F, 0.001F}));
  EXPECT_EQ(answer.vectors[1], (std::vector<float>{1.0F, -2.5F}));
  EXPECT_EQ(answer.usage, (token_usage{8, 0, 0, 0}));
  EXPECT_TRUE(answer.usage_present);
  EXPECT_EQ(answer.served_model, "text-embedding-3-small");
}

TEST(openai_embeddings, ThatAreBrokenAreMalformed) {
  for (const auto* data :
       {R"([{"index":0,"embedding":[1]},{"index":0,"embedding":[2]}])", R"([{"index":7,"embedding":[1]}])",
        R"([{"index":0,"embedding":[]}])", R"([{"index":0,"embedding":"AAA="}])",
        R"([{"index":0,"embedding":"!"}])", R"([{"index":0,"embedding":["x"]}])", R"([{"index":0}])",
        R"([7])", R"({})", R"("x")"})
    EXPECT_EQ(
        code_of<embedding_answer>(
            codec_of(api_dialect::openai)
                ->decode_embeddings(answered(200, std::string(R"({"data":)") + data + "}"), noon_of_tests())),
        errc::malformed_answer)
        << data;
  EXPECT_EQ(
      code_of<embedding_answer>(
          codec_of(api_dialect::openai)
              ->decode_embeddings(answered(400, R"({"error":{"message":"too long"}})"), noon_of_tests())),
      errc::provider_rejected);
}

// -- models ------------------------------------------------------------------------------------------------

model_page models_in(std::string_view body) {
  return value_of<model_page>(
      codec_of(api_dialect::compatible)->decode_model_list(answered(200, body), noon_of_tests()));
}

TEST(openai_models, AreListedWithWhatIsSaidOfThem) {
  const auto encoded = codec_of(api_dialect::compatible)->encode_model_list("");
  EXPECT_EQ(encoded.value().target, "/models");
  EXPECT_TRUE(encoded.value().body.empty()) << "a GET";
  const auto page = models_in(R"({"object":"list","data":[
    {"id":"gpt-4o","object":"model","created":1,"owned_by":"openai"},
    {"id":"qwen","owned_by":"vllm","max_model_len":32768},
    {"id":"a/b:free","name":"B","context_length":131072,"top_provider":{"max_completion_tokens":8192}},
    {"id":"l","meta":{"n_ctx_train":4096}},
    {"object":"model"}, 7]})");
  ASSERT_EQ(page.models.size(), 4U);
  EXPECT_EQ(page.models[0].id, "gpt-4o");
  EXPECT_EQ(page.models[0].context_window, 0U);
  EXPECT_EQ(page.models[1].context_window, 32768U);
  EXPECT_EQ(page.models[2].name, "B");
  EXPECT_EQ(page.models[2].max_output_tokens, 8192U);
  EXPECT_EQ(page.models[3].context_window, 4096U);
  EXPECT_TRUE(page.next_page.empty());
  EXPECT_EQ(models_in(R"([{"id":"bare"}])").models.size(), 1U) << "some servers leave the object out";
  EXPECT_EQ(codec_of(api_dialect::compatible)->encode_model_list("2").error().code, errc::invalid_argument);
  EXPECT_EQ(code_of<model_page>(codec_of(api_dialect::compatible)
                                    ->decode_model_list(answered(200, R"({"data":"x"})"), noon_of_tests())),
            errc::malformed_answer);
}

// -- counting ----------------------------------------------------------------------------------------------

TEST(openai_counts, AreMadeWhereThereIsACall) {
  question asked;
  const auto llama = codec_of(api_dialect::llama_cpp);
  const auto vllm = codec_of(api_dialect::vllm);
  const auto counted = llama->encode_count(asked.request());
  EXPECT_EQ(counted.value().target, "/chat/completions/input_tokens");
  EXPECT_FALSE(counted.value().at_origin);
  EXPECT_EQ(json::parse(counted.value().body.view()),
            json::parse(R"({"model":"m","messages":[{"role":"user","content":"hi"}]})"));
  EXPECT_EQ(vllm->encode_count(asked.request()).value().target, "/tokenize");
  EXPECT_TRUE(vllm->encode_count(asked.request()).value().at_origin) << "not below /v1";
  EXPECT_EQ(value_of<uint32_t>(llama->decode_count(answered(200, R"({"input_tokens":11})"), noon_of_tests())),
            11U);
  EXPECT_EQ(value_of<uint32_t>(vllm->decode_count(
                answered(200, R"({"count":5,"max_model_len":9,"tokens":[1]})"), noon_of_tests())),
            5U);
  EXPECT_EQ(code_of<uint32_t>(vllm->decode_count(answered(200, R"({"count":"5"})"), noon_of_tests())),
            errc::malformed_answer);
  for (const auto dialect : {api_dialect::compatible, api_dialect::openai, api_dialect::azure,
                             api_dialect::deepseek, api_dialect::ollama, api_dialect::llama_factory}) {
    EXPECT_EQ(codec_of(dialect)->encode_count(asked.request()).error().code, errc::unsupported);
    EXPECT_FALSE(codec_of(dialect)->counts_tokens());
  }
  EXPECT_TRUE(llama->counts_tokens());
  EXPECT_TRUE(vllm->counts_tokens());
}

// -- whatever comes ----------------------------------------------------------------------------------------

TEST(openai_decoders, NoMutationOfABodyMakesThemCrash) {
  const std::vector<std::string> bodies{
      R"({"id":"x","model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"Hi","refusal":null,
        "tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]},"logprobs":{"content":[]},"finish_reason":"stop"},
        {"index":1,"message":{"content":"Ho"}}],"usage":{"prompt_tokens":12,"completion_tokens":5,"cost":0.1}})",
      R"([{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}])",
      R"({"error":{"message":"Please try again in 18.642s.","type":"tokens","param":null,"code":"429"}})",
      R"({"detail":[{"loc":["body"],"msg":"field required"}]})",
      R"({"choices":[{"message":{"content":"\ud83d\ude00"},"finish_reason":"length"}],"usage":{"prompt_tokens":1e300}})",
      R"({"data":[{"index":0,"embedding":[0.5,1]},{"index":1,"embedding":"AACAPwAAIMA="}],"model":"e"})",
      R"({"data":[{"id":"gpt-4o","context_length":1000,"top_provider":{"max_completion_tokens":1}}]})",
      R"({"input_tokens":11,"count":7})"};
  std::mt19937 random(12061994);
  const auto codec = codec_of(api_dialect::vllm);
  size_t good = 0;
  for (int round = 0; round < 20'000; ++round) {
    const auto outcome = answered(round % 5 == 0 ? 429 : 200,
                                  mutated(bodies[random() % bodies.size()], random, json_alphabet));
    good += std::holds_alternative<chat_answer>(codec->decode_chat(outcome, noon_of_tests())) ? 1U : 0U;
    good += std::holds_alternative<embedding_answer>(codec->decode_embeddings(outcome, noon_of_tests())) ? 1U
                                                                                                         : 0U;
    good += std::holds_alternative<model_page>(codec->decode_model_list(outcome, noon_of_tests())) ? 1U : 0U;
    good += std::holds_alternative<uint32_t>(codec->decode_count(outcome, noon_of_tests())) ? 1U : 0U;
  }
  EXPECT_GT(good, 500U) << "the mutations are too destructive to test anything";
}

TEST(openai_decoders, NoMutationOfAStreamMakesThemCrash) {
  const std::string stream =
      ": hello\r\n\r\n"
      R"(data: {"id":"c","model":"m","choices":[],"prompt_filter_results":[]})"
      "\n\n"
      R"(data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"He","reasoning":"hm"},"logprobs":{"content":[{"token":"a"}]},"finish_reason":null}],"usage":null})"
      "\n\n"
      R"(data: {"choices":[{"index":0,"delta":{"content":"llo","tool_calls":[{"index":0,"id":"c0","function":{"name":"f","arguments":"{\"a\":1}"}}]}},{"index":1,"delta":{"content":"x"},"finish_reason":"length"}]})"
      "\n\n"
      R"(data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"
      "\n\n"
      R"(data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"cost":0.25}})"
      "\n\n"
      "data: [DONE]\n\n";
  std::mt19937 random(18121999);
  const auto codec = codec_of(api_dialect::compatible);
  size_t answers = 0;
  for (int round = 0; round < 5'000; ++round) {
    const auto bytes = mutated(stream, random, json_alphabet);
    const auto decoder = codec->open_stream();
    std::vector<answer_delta> deltas;
    for (size_t at = 0; at < bytes.size();) {
      const auto piece = 1 + random() % 200;
      decoder->feed(std::string_view(bytes).substr(at, piece), deltas);
      at += piece;
    }
    const auto decoded = decoder->finish(answered(200, ""), noon_of_tests());
    answers += std::holds_alternative<chat_answer>(decoded) ? 1U : 0U;
  }
  EXPECT_GT(answers, 500U) << "the mutations are too destructive to test anything";
}

} // namespace
} // namespace assay::codecs
