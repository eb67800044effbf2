#include "core/codecs/gemini.hpp"
#include "tests/codecs/codec_support.hpp"

namespace assay::codecs {
namespace {

using nlohmann::json;
using test::called;
using test::question;
using test::refused;
using test::says;
using test::shows;
using test::tool_said;

constexpr const char* flash = "gemini-2.5-flash";

std::unique_ptr<wire_codec>
codec_at(std::string base_url = "https://generativelanguage.googleapis.com/v1beta") {
  provider_profile provider;
  provider.base_url = std::move(base_url);
  return make_gemini_codec(provider);
}

test::asked ask(const question& what) { return test::ask(*codec_at(), what); }
fault refusal(const question& what) { return refused(codec_at()->encode_chat(what.request())); }

bool mentions(const std::vector<std::string>& dropped, std::string_view start) {
  return std::any_of(dropped.begin(), dropped.end(),
                     [&](const std::string& text) { return text.starts_with(start); });
}

TEST(gemini_request, HasTheShapeOfGenerateContent) {
  question what{flash,
                {says(chat_role::system, "Be terse."), says(chat_role::user, "2+2?"),
                 says(chat_role::assistant, "4"), says(chat_role::user, "Sure?")}};
  what.parameters.temperature = 0;
  what.parameters.top_p = 0.95;
  what.parameters.max_tokens = 64;
  what.parameters.stop = {"END"};
  what.parameters.seed = 1;
  what.parameters.presence_penalty = 0.5;
  what.parameters.frequency_penalty = -0.5;
  what.options.top_k = 40;
  what.options.choices = 2;
  what.options.logprobs = true;
  what.options.top_logprobs = 5;
  const auto asked = ask(what);
  EXPECT_EQ(asked.target, "/models/gemini-2.5-flash:generateContent");
  EXPECT_EQ(asked.body, json::parse(R"({"systemInstruction":{"parts":[{"text":"Be terse."}]},
    "contents":[{"role":"user","parts":[{"text":"2+2?"}]},{"role":"model","parts":[{"text":"4"}]},
                {"role":"user","parts":[{"text":"Sure?"}]}],
    "generationConfig":{"temperature":0.0,"topP":0.95,"topK":40,"candidateCount":2,"maxOutputTokens":64,
      "stopSequences":["END"],"seed":1,"presencePenalty":0.5,"frequencyPenalty":-0.5,
      "responseLogprobs":true,"logprobs":5},
    "safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"},
      {"category":"HARM_CATEGORY_HATE_SPEECH","threshold":"BLOCK_NONE"},
      {"category":"HARM_CATEGORY_SEXUALLY_EXPLICIT","threshold":"BLOCK_NONE"},
      {"category":"HARM_CATEGORY_DANGEROUS_CONTENT","threshold":"BLOCK_NONE"}]})"));
  EXPECT_TRUE(asked.dropped.empty());
}

TEST(gemini_request, LeavesUnsetParametersToTheProvider) {
  const auto hello = test::asks("hi");
  const auto encoded = codec_at()->encode_chat({flash, {&hello, 1}, {}, nullptr, false});
  const auto body = test::read_request(encoded).body;
  EXPECT_EQ(body.size(), 2U) << body;
  EXPECT_EQ(body["safetySettings"].size(), 4U);
}

TEST(gemini_request, AsksForAStreamOfEvents) {
  question what{flash};
  what.stream = true;
  EXPECT_EQ(ask(what).target, "/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
}

TEST(gemini_request, NamesModelAndVersionOnceWhateverTheirForm) {
  EXPECT_EQ(ask({"models/gemini-2.5-pro"}).target, "/models/gemini-2.5-pro:generateContent");
  EXPECT_EQ(ask({"google/gemini-2.5-pro"}).target, "/models/gemini-2.5-pro:generateContent");
  EXPECT_EQ(ask({"tunedModels/my-own"}).target, "/tunedModels/my-own:generateContent");
  EXPECT_EQ(ask({"google/tunedModels/my-own"}).target, "/tunedModels/my-own:generateContent");
  EXPECT_EQ(ask({"publishers/google/models/gemini-2.5-pro"}).target,
            "/publishers/google/models/gemini-2.5-pro:generateContent");
  EXPECT_EQ(ask({"team/own"}).target, "/models/team%2Fown:generateContent") << "the whole name";
  EXPECT_EQ(ask({"../models/x"}).target, "/models/..%2Fmodels%2Fx:generateContent");
  EXPECT_EQ(ask({"a//models/x"}).target, "/models/a%2F%2Fmodels%2Fx:generateContent");
  EXPECT_EQ(ask({"models/../x?key=1#"}).target, "/models/..%2Fx%3Fkey%3D1%23:generateContent");
  EXPECT_EQ(test::ask(*codec_at("https://generativelanguage.googleapis.com"), {flash}).target,
            "/v1beta/models/gemini-2.5-flash:generateContent");
}

TEST(gemini_request, SendsTheKeyInAHeader) {
  EXPECT_EQ(codec_at()->credential(secret("k")),
            (std::pair<std::string, secret>("x-goog-api-key", secret("k"))));
  EXPECT_TRUE(codec_at()->fixed_headers().empty());
}

// -- turns
// -------------------------------------------------------------------------------------------------------

TEST(gemini_request, JoinsSystemTextsAndTurnsOfOneRole) {
  const auto body =
      ask({flash,
           {says(chat_role::system, "One."), says(chat_role::user, "a"), says(chat_role::user, "b"),
            says(chat_role::system, "Two."), says(chat_role::assistant, ""), says(chat_role::user, "")}})
          .body;
  EXPECT_EQ(body["systemInstruction"]["parts"][0]["text"], "One.\n\nTwo.");
  EXPECT_EQ(body["contents"], json::parse(R"([{"role":"user","parts":[{"text":"a"},{"text":"b"}]},
    {"role":"user","parts":[{"text":""}]}])"));
}

TEST(gemini_request, RefusesWhatHasNoQuestion) {
  EXPECT_EQ(refusal({flash, {says(chat_role::system, "only")}}).code, errc::invalid_argument);
}

// -- pictures
// ----------------------------------------------------------------------------------------------------

TEST(gemini_request, SendsPicturesWithTheTypeThatTheirBytesShow) {
  const auto body = ask({flash, {shows("What?", {test::picture(test::jpeg, "image/png")})}}).body;
  EXPECT_EQ(body["contents"][0]["parts"], json::parse(R"([
    {"inlineData":{"mimeType":"image/jpeg","data":"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBD"}},{"text":"What?"}])"));
}

TEST(gemini_request, KeepsPicturesBetweenTheirTexts) {
  auto second = test::picture(test::png, "image/png");
  second.text_before = 3;
  auto last = second;
  last.text_before = 99;
  const auto parts = ask({flash, {shows("oneтwo", {test::picture(test::png, "image/png"), second, last})}})
                         .body["contents"][0]["parts"];
  ASSERT_EQ(parts.size(), 5U);
  EXPECT_TRUE(parts[0].contains("inlineData"));
  EXPECT_EQ(parts[1]["text"], "one");
  EXPECT_TRUE(parts[2].contains("inlineData"));
  EXPECT_EQ(parts[3]["text"], "тwo");
  EXPECT_TRUE(parts[4].contains("inlineData"));
}

TEST(gemini_request, RefusesPicturesThatAreNotHere) {
  image_part far;
  far.url = "https://x/y.png";
  const auto fault =
      refusal({flash, {says(chat_role::user, "a"), shows("b", {test::picture(test::png, ""), far})}});
  EXPECT_EQ(fault.code, errc::unsupported);
  EXPECT_EQ(fault.where, "messages[1].images[1]");
  EXPECT_NE(fault.hint.find("anthropic"), std::string::npos);
}

// -- safety
// ------------------------------------------------------------------------------------------------------

TEST(gemini_request, PassesSafetySettingsOn) {
  question what{flash};
  what.options.safety_settings_json = R"([{"category":"HARM_CATEGORY_HARASSMENT", "threshold":"OFF"}])";
  EXPECT_EQ(ask(what).body["safetySettings"],
            json::parse(R"([{"category":"HARM_CATEGORY_HARASSMENT","threshold":"OFF"}])"));
  what.options.safety_settings_json = "{}";
  EXPECT_EQ(refusal(what).code, errc::invalid_argument);
  EXPECT_EQ(refusal(what).where, "safety_settings");
}

// -- tools
// -------------------------------------------------------------------------------------------------------

question with_tools(std::string model = flash) {
  question what{std::move(model)};
  what.options.tools = {
      {"weather", "Tells it.", R"({"type":"object", "properties":{"city":{"type":"string"}}})", {}},
      {"now", "", "", {}}};
  return what;
}

TEST(gemini_request, DescribesToolsAndHowToChoose) {
  auto what = with_tools();
  EXPECT_EQ(ask(what).body["tools"], json::parse(R"([{"functionDeclarations":[
    {"name":"weather","description":"Tells it.",
     "parametersJsonSchema":{"type":"object","properties":{"city":{"type":"string"}}}},{"name":"now"}]}])"));
  EXPECT_FALSE(ask(what).body.contains("toolConfig"));
  const std::vector<std::pair<std::string, std::string>> cases{
      {"auto", R"({"mode":"AUTO"})"},
      {"none", R"({"mode":"NONE"})"},
      {"required", R"({"mode":"ANY"})"},
      {"now", R"({"mode":"ANY","allowedFunctionNames":["now"]})"}};
  for (const auto& [choice, expected] : cases) {
    what.options.tool_choice = choice;
    EXPECT_EQ(ask(what).body["toolConfig"]["functionCallingConfig"], json::parse(expected)) << choice;
  }
}

TEST(gemini_request, TakesCallsAndTheirResultsBack) {
  auto what = with_tools();
  what.messages = {says(chat_role::user, "Weather?"),
                   called("Let me see.", {{"gemini_call_0", "weather", R"({"city":"Bonn"})", "c2ln"},
                                          {"call_7", "now", ""}}),
                   tool_said("gemini_call_0", "rain"), tool_said("call_7", R"({"time":12})"),
                   says(chat_role::user, "And?")};
  EXPECT_EQ(ask(what).body["contents"], json::parse(R"([{"role":"user","parts":[{"text":"Weather?"}]},
    {"role":"model","parts":[{"text":"Let me see."},
      {"functionCall":{"name":"weather","args":{"city":"Bonn"}},"thoughtSignature":"c2ln"},
      {"functionCall":{"name":"now","id":"call_7","args":{}}}]},
    {"role":"user","parts":[{"functionResponse":{"name":"weather","response":{"output":"rain"}}},
      {"functionResponse":{"name":"now","id":"call_7","response":{"time":12}}}]},
    {"role":"user","parts":[{"text":"And?"}]}])"));
}

TEST(gemini_request, TellsResultsInTheOrderOfTheirCalls) {
  auto what = with_tools();
  what.messages = {says(chat_role::user, "?"),
                   called("", {{"gemini_call_1_0", "now", "{}"}, {"gemini_call_1_1", "now", "{}"}}),
                   tool_said("gemini_call_1_1", "late"),
                   tool_said("gemini_call_1_0", "early"),
                   called("", {{"gemini_call_2_0", "now", "{}"}}),
                   tool_said("gemini_call_2_0", "later")};
  const auto contents = ask(what).body["contents"];
  EXPECT_EQ(contents[2]["parts"],
            json::parse(R"([{"functionResponse":{"name":"now","response":{"output":"early"}}},
                            {"functionResponse":{"name":"now","response":{"output":"late"}}}])"));
  EXPECT_EQ(contents[4]["parts"][0]["functionResponse"]["response"]["output"], "later");
}

TEST(gemini_request, SignsCallsOfOthersWhereGeminiInsists) {
  auto what = with_tools("gemini-3.1-pro-preview");
  what.messages = {says(chat_role::user, "?"),
                   called("", {{"a", "now", "{}"}, {"b", "now", "{}"}}),
                   tool_said("a", "1"),
                   tool_said("b", "2"),
                   called("", {{"c", "now", "{}", "c2ln"}}),
                   tool_said("c", "3")};
  const auto contents = ask(what).body["contents"];
  EXPECT_EQ(contents[1]["parts"][0]["thoughtSignature"], "skip_thought_signature_validator");
  EXPECT_FALSE(contents[1]["parts"][1].contains("thoughtSignature"))
      << "of calls made together one is signed";
  EXPECT_EQ(contents[3]["parts"][0]["thoughtSignature"], "c2ln");
  what.model = flash;
  EXPECT_FALSE(ask(what).body["contents"][1]["parts"][0].contains("thoughtSignature"));
}

TEST(gemini_request, FindsTheNameOfAToolByItsCall) {
  auto what = with_tools();
  what.messages = {says(chat_role::user, "?"), tool_said("nobody", "42")};
  EXPECT_EQ(refusal(what).code, errc::invalid_argument);
  EXPECT_EQ(refusal(what).where, "messages[1].tool_call_id");
  message_extras named;
  named.name = "now";
  what.messages[1] = says(chat_role::tool, "42", std::move(named));
  EXPECT_EQ(ask(what).body["contents"][1]["parts"][0]["functionResponse"]["name"], "now");
}

// -- parameters
// ----------------------------------------------------------------------------------------------------

TEST(gemini_request, FoldsSeedsThatAreTooLong) {
  question what{flash};
  for (const int64_t seed : {int64_t{-1}, int64_t{1} << 31, int64_t{0x1234'5678'9ABC'DEF0}, INT64_MIN}) {
    what.parameters.seed = seed;
    const auto asked = ask(what);
    const auto sent = asked.body["generationConfig"]["seed"].get<int64_t>();
    EXPECT_GE(sent, 0) << seed;
    EXPECT_LE(sent, INT32_MAX) << seed;
    EXPECT_TRUE(mentions(asked.dropped, "seed: ")) << seed;
  }
  what.parameters.seed = INT32_MAX;
  EXPECT_EQ(ask(what).body["generationConfig"]["seed"], INT32_MAX);
  EXPECT_TRUE(ask(what).dropped.empty());
}

TEST(gemini_request, SendsAtMostFiveStops) {
  question what{flash};
  what.parameters.stop = {"1", "2", "3", "4", "5", "6"};
  const auto asked = ask(what);
  EXPECT_EQ(asked.body["generationConfig"]["stopSequences"], json::parse(R"(["1","2","3","4","5"])"));
  EXPECT_TRUE(mentions(asked.dropped, "stop: "));
}

TEST(gemini_request, SaysNothingOfPenaltiesThatAreZero) {
  question what{flash};
  what.parameters.frequency_penalty = 0;
  what.parameters.presence_penalty = 0;
  EXPECT_FALSE(ask(what).body.contains("generationConfig"));
}

TEST(gemini_request, NamesEveryParameterThatItLeavesOut) {
  auto what = with_tools();
  what.options.tools[0].strict = true;
  what.options.parallel_tool_calls = false;
  what.options.user = "u";
  what.options.extra_json = "{}";
  what.messages.back() = says(chat_role::user, "hi", message_extras{{}, {}, {}, "ann"});
  const auto dropped = ask(what).dropped;
  for (const auto* name : {"strict: ", "parallel_tool_calls: ", "user: ", "extra: ", "name: "})
    EXPECT_TRUE(mentions(dropped, name)) << name;
  EXPECT_EQ(dropped.size(), 5U);
}

TEST(gemini_request, AsksForJson) {
  question what{flash};
  what.options.form = answer_form::json_object;
  EXPECT_EQ(ask(what).body["generationConfig"], json::parse(R"({"responseMimeType":"application/json"})"));
  what.options.form = answer_form::json_schema;
  what.options.schema_json = R"({"type": "object"})";
  EXPECT_EQ(ask(what).body["generationConfig"],
            json::parse(R"({"responseMimeType":"application/json","responseJsonSchema":{"type":"object"}})"));
  what.options.schema_json = "";
  EXPECT_EQ(refusal(what).where, "schema");
}

TEST(gemini_request, RefusesMoreThanEightAnswers) {
  question what{flash};
  what.options.choices = 9;
  EXPECT_EQ(refusal(what).code, errc::unsupported);
}

TEST(gemini_request, TellsEachModelToThinkInItsOwnWay) {
  struct thinking_case {
    std::string model;
    std::string effort;
    std::string thinking; ///< JSON; empty for none.
    bool dropped = false;
  };
  const std::vector<thinking_case> cases{
      {"gemini-2.0-flash", "high", "", true},
      {"gemini-2.0-flash", "none", ""},
      {"gemini-2.5-flash", "none", R"({"thinkingBudget":0})"},
      {"gemini-2.5-flash-lite", "low", R"({"thinkingBudget":1024})"},
      {"gemini-2.5-flash", "medium", R"({"thinkingBudget":8192})"},
      {"gemini-2.5-pro", "high", R"({"thinkingBudget":24576})"},
      {"gemini-2.5-pro", "none", R"({"thinkingBudget":128})", true},
      {"gemini-2.5-pro", "-1", R"({"thinkingBudget":-1})"},
      {"gemini-2.5-pro", "fierce", "", true},
      {"gemini-2.5-flash-image", "high", "", true},
      {"gemini-3-flash-preview", "minimal", R"({"thinkingLevel":"MINIMAL"})"},
      {"gemini-3.1-pro-preview", "minimal", R"({"thinkingLevel":"LOW"})"},
      {"gemini-3.1-pro-preview", "medium", R"({"thinkingLevel":"MEDIUM"})"},
      {"gemini-3.8-flash", "none", R"({"thinkingLevel":"LOW"})", true},
      {"gemini-4-argon", "max", R"({"thinkingLevel":"HIGH"})"},
      {"gemini-flash-latest", "low", R"({"thinkingLevel":"LOW"})"},
      {"gemini-3.5-flash", "512", R"({"thinkingBudget":512})"},
      {"gemma-3-27b-it", "low", "", true}};
  for (const auto& one : cases) {
    question what{one.model};
    what.options.reasoning_effort = one.effort;
    const auto asked = ask(what);
    const auto about = one.model + " " + one.effort;
    EXPECT_EQ(asked.body.value("/generationConfig/thinkingConfig"_json_pointer, json()),
              one.thinking.empty() ? json() : json::parse(one.thinking))
        << about;
    EXPECT_EQ(mentions(asked.dropped, "reasoning_effort: "), one.dropped) << about;
  }
}

TEST(gemini_request, SurvivesEveryByteInAPrompt) {
  std::string all;
  for (int i = 0; i < 256; ++i)
    all += static_cast<char>(i);
  auto what = with_tools("gemini-3-flash-preview");
  what.messages = {says(chat_role::system, all), says(chat_role::user, all),
                   called(all, {{all, all, all, all}}), tool_said(all, all)};
  EXPECT_EQ(ask(what).body["contents"].size(), 3U);
}

// -- embeddings, counting and listing
// --------------------------------------------------------------------------------

TEST(gemini_request, EmbedsManyTextsAtOnce) {
  const std::vector<std::string> inputs{"hi", "\"there\""};
  const auto asked = test::read_request(codec_at()->encode_embeddings({"gemini-embedding-001", inputs, 768}));
  EXPECT_EQ(asked.target, "/models/gemini-embedding-001:batchEmbedContents");
  EXPECT_EQ(asked.body, json::parse(R"({"requests":[
    {"model":"models/gemini-embedding-001","content":{"parts":[{"text":"hi"}]},"outputDimensionality":768},
    {"model":"models/gemini-embedding-001","content":{"parts":[{"text":"\"there\""}]},"outputDimensionality":768}]})"));
  EXPECT_EQ(refused(codec_at()->encode_embeddings({"m", {}, {}})).code, errc::invalid_argument);
  const std::vector<std::string> many(101, "x");
  EXPECT_EQ(refused(codec_at()->encode_embeddings({"m", many, {}})).code, errc::too_large);
}

TEST(gemini_request, CountsWhatItWouldAsk) {
  const auto plain = test::read_request(codec_at()->encode_count(question{flash}.request()));
  EXPECT_EQ(plain.target, "/models/gemini-2.5-flash:countTokens");
  EXPECT_EQ(plain.body, json::parse(R"({"contents":[{"role":"user","parts":[{"text":"hi"}]}]})"));
  auto what = with_tools();
  what.messages.push_back(says(chat_role::system, "Be terse."));
  const auto whole =
      test::read_request(codec_at()->encode_count(what.request())).body["generateContentRequest"];
  EXPECT_EQ(whole["model"], "models/gemini-2.5-flash");
  for (const auto* present : {"contents", "systemInstruction", "tools"})
    EXPECT_TRUE(whole.contains(present)) << present;
  EXPECT_FALSE(whole.contains("generationConfig"));
}

TEST(gemini_request, ListsModelsPageByPage) {
  EXPECT_EQ(test::read_request(codec_at()->encode_model_list("")).target, "/models?pageSize=1000");
  EXPECT_EQ(test::read_request(codec_at()->encode_model_list("Ch=/")).target,
            "/models?pageSize=1000&pageToken=Ch%3D%2F");
}

} // namespace
} // namespace assay::codecs
