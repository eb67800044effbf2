#include "core/codecs/anthropic.hpp"
#include "tests/codecs/codec_support.hpp"

namespace assay::codecs {
namespace {

using nlohmann::json;
using test::ask;
using test::called;
using test::question;
using test::refused;
using test::says;
using test::shows;
using test::tool_said;

/// Takes everything but an end of tokens of its own.
constexpr const char* older = "claude-3-5-sonnet-20241022";

std::unique_ptr<wire_codec> codec_at(std::string base_url = "https://api.anthropic.com/v1") {
  provider_profile provider;
  provider.base_url = std::move(base_url);
  return make_anthropic_codec(provider);
}

test::asked ask(const question& what) { return test::ask(*codec_at(), what); }
fault refusal(const question& what) { return refused(codec_at()->encode_chat(what.request())); }

bool mentions(const std::vector<std::string>& dropped, std::string_view start) {
  return std::any_of(dropped.begin(), dropped.end(),
                     [&](const std::string& text) { return text.starts_with(start); });
}

TEST(anthropic_request, HasTheShapeOfTheMessagesApi) {
  question what{older, {says(chat_role::system, "Be terse."), says(chat_role::user, "2+2?")}};
  what.parameters.max_tokens = 64;
  what.parameters.temperature = 0.5;
  what.parameters.stop = {"END"};
  what.options.top_k = 40;
  what.options.user = "u-1";
  what.stream = true;
  const auto asked = ask(what);
  EXPECT_EQ(asked.target, "/messages");
  EXPECT_EQ(asked.body,
            json::parse(R"({"model":"claude-3-5-sonnet-20241022","max_tokens":64,"system":"Be terse.",
    "messages":[{"role":"user","content":"2+2?"}],"temperature":0.5,"top_k":40,"stop_sequences":["END"],
    "metadata":{"user_id":"u-1"},"stream":true})"));
  EXPECT_TRUE(asked.dropped.empty());
}

TEST(anthropic_request, NamesTheVersionOfTheApiOnceWhateverTheBaseUrl) {
  EXPECT_EQ(test::ask(*codec_at("https://api.anthropic.com"), {older}).target, "/v1/messages");
  EXPECT_EQ(test::ask(*codec_at("https://api.deepseek.com/anthropic/"), {older}).target, "/v1/messages");
  EXPECT_EQ(test::ask(*codec_at("http://v1"), {older}).target, "/v1/messages");
  EXPECT_EQ(test::ask(*codec_at("http://127.0.0.1:9/proxy/v1/"), {older}).target, "/messages");
}

TEST(anthropic_request, SendsTheKeyAndTheVersionInHeadersOfTheirOwn) {
  const auto codec = codec_at();
  EXPECT_EQ(codec->credential(secret("k")), (std::pair<std::string, secret>("x-api-key", secret("k"))));
  EXPECT_EQ(codec->fixed_headers(), (http_headers{{"anthropic-version", "2023-06-01"}}));
}

// -- the length of an answer is required
// -------------------------------------------------------------------------

TEST(anthropic_request, AlwaysHasMaxTokens) {
  EXPECT_EQ(ask({"claude-3-haiku-20240307"}).body["max_tokens"], 4096)
      << "the model's most, from the catalogue";
  EXPECT_EQ(ask({"somebody-elses-model"}).body["max_tokens"], 4096);
  EXPECT_EQ(ask({"claude-haiku-4-5-20251001"}).body["max_tokens"], 21'333) << "more would need a stream";
  question streaming{"claude-haiku-4-5-20251001"};
  streaming.stream = true;
  EXPECT_EQ(ask(streaming).body["max_tokens"], 64'000);
}

// -- turns
// -------------------------------------------------------------------------------------------------------

TEST(anthropic_request, JoinsSystemTextsAndTurnsOfOneRole) {
  const auto body =
      ask({older,
           {says(chat_role::system, "One."), says(chat_role::user, "a"), says(chat_role::user, "b"),
            says(chat_role::system, "Two."), says(chat_role::assistant, "c"), says(chat_role::assistant, ""),
            says(chat_role::user, "d")}})
          .body;
  EXPECT_EQ(body["system"], "One.\n\nTwo.");
  EXPECT_EQ(body["messages"], json::parse(R"([
    {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
    {"role":"assistant","content":[{"type":"text","text":"c"}]},{"role":"user","content":"d"}])"));
}

TEST(anthropic_request, LeavesOutAnEmptyTurnOfTheAssistant) {
  const auto body =
      ask({older, {says(chat_role::user, "a"), says(chat_role::assistant, ""), says(chat_role::user, "b")}})
          .body;
  EXPECT_EQ(body["messages"].size(), 2U);
}

TEST(anthropic_request, RefusesWhatHasNoQuestion) {
  EXPECT_EQ(refusal({older, {}}).code, errc::invalid_argument);
  EXPECT_EQ(refusal({older, {says(chat_role::system, "only")}}).code, errc::invalid_argument);
  const auto empty = refusal(
      {older, {says(chat_role::user, "a"), says(chat_role::assistant, "b"), says(chat_role::user, "")}});
  EXPECT_EQ(empty.code, errc::unsupported);
  EXPECT_EQ(empty.where, "messages[2].content");
}

TEST(anthropic_request, GoesOnWithTheBeginningOfAnAnswerWhereTheModelDoes) {
  const std::vector<chat_message> begun{says(chat_role::user, "Sun?"),
                                        says(chat_role::assistant, "It is ( \n")};
  const auto asked = ask({older, begun});
  EXPECT_EQ(asked.body["messages"][1]["content"][0]["text"], "It is (") << "blanks at the end are refused";
  EXPECT_TRUE(mentions(asked.dropped, "messages[1]"));
  for (const auto* model : {"claude-opus-4-6", "claude-sonnet-5", "claude-opus-5-5"}) {
    const auto fault = refusal({model, begun});
    EXPECT_EQ(fault.code, errc::unsupported) << model;
    EXPECT_EQ(fault.where, "messages[1]");
  }
}

// -- pictures
// ----------------------------------------------------------------------------------------------------

TEST(anthropic_request, SendsPicturesWithTheTypeThatTheirBytesShow) {
  image_part far;
  far.url = "https://x/y.png";
  const auto body = ask({older,
                         {shows("What?", {test::picture(test::png, "image/jpeg"), far,
                                          test::picture("AAAA", "image/gif")})}})
                        .body;
  EXPECT_EQ(body["messages"][0]["content"], json::parse(R"([
    {"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"}},
    {"type":"image","source":{"type":"url","url":"https://x/y.png"}},
    {"type":"image","source":{"type":"base64","media_type":"image/gif","data":"AAAA"}},
    {"type":"text","text":"What?"}])"));
}

TEST(anthropic_request, KeepsPicturesBetweenTheirTexts) {
  image_part far;
  far.url = "https://x/y.png";
  far.text_before = 3;
  auto next = far;
  next.text_before = 4;
  EXPECT_EQ(ask({older, {shows("one two", {far, next})}}).body["messages"][0]["content"], json::parse(R"([
    {"type":"text","text":"one"},{"type":"image","source":{"type":"url","url":"https://x/y.png"}},
    {"type":"image","source":{"type":"url","url":"https://x/y.png"}},{"type":"text","text":"two"}])"))
      << "blanks alone are refused there";
}

TEST(anthropic_request, RefusesPicturesOfUnknownTypes) {
  const auto fault = refusal({older, {shows("What?", {test::picture("AAAA", "image/bmp")})}});
  EXPECT_EQ(fault.code, errc::unsupported);
  EXPECT_EQ(fault.where, "messages[0].images[0]");
}

// -- tools
// -------------------------------------------------------------------------------------------------------

question with_tools(std::string model = older) {
  question what{std::move(model)};
  what.options.tools = {
      {"weather", "Tells it.", R"({"type":"object", "properties":{"city":{"type":"string"}}})", {}},
      {"now", "", "", {}}};
  return what;
}

TEST(anthropic_request, DescribesToolsAndHowToChoose) {
  auto what = with_tools();
  what.options.tool_choice = "weather";
  what.options.parallel_tool_calls = false;
  const auto body = ask(what).body;
  EXPECT_EQ(body["tools"], json::parse(R"([
    {"name":"weather","description":"Tells it.",
     "input_schema":{"type":"object","properties":{"city":{"type":"string"}}}},
    {"name":"now","input_schema":{"type":"object","properties":{}}}])"));
  EXPECT_EQ(body["tool_choice"],
            json::parse(R"({"type":"tool","name":"weather","disable_parallel_tool_use":true})"));
}

TEST(anthropic_request, MapsEveryToolChoice) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"auto", R"({"type":"auto"})"}, {"none", R"({"type":"none"})"}, {"required", R"({"type":"any"})"}};
  for (const auto& [choice, expected] : cases) {
    auto what = with_tools();
    what.options.tool_choice = choice;
    EXPECT_EQ(ask(what).body["tool_choice"], json::parse(expected)) << choice;
  }
  EXPECT_FALSE(ask(with_tools()).body.contains("tool_choice"));
}

TEST(anthropic_request, DoesNotForceAToolOnModelsThatRefuseIt) {
  for (const auto* model : {"claude-opus-5-5", "claude-fable-5-1", "claude-haiku-5-5"}) {
    auto what = with_tools(model);
    what.options.tool_choice = "required";
    const auto asked = ask(what);
    EXPECT_EQ(asked.body["tool_choice"]["type"], "auto") << model;
    EXPECT_TRUE(mentions(asked.dropped, "tool_choice: ")) << model;
  }
}

TEST(anthropic_request, SaysStrictOnlyToModelsThatKnowSchemas) {
  auto what = with_tools("claude-opus-4-5");
  what.options.tools[1].strict = true;
  EXPECT_EQ(ask(what).body["tools"][1]["strict"], true);
  what.model = older;
  const auto asked = ask(what);
  EXPECT_FALSE(asked.body["tools"][1].contains("strict"));
  EXPECT_TRUE(mentions(asked.dropped, "tools[1].strict"));
}

TEST(anthropic_request, TakesCallsAndTheirResultsBack) {
  auto what = with_tools();
  what.messages = {
      says(chat_role::user, "Weather?"),
      called("Let me see.", {{"toolu_1", "weather", R"({"city":"Bonn"})"}, {"toolu_2", "now", ""}}),
      tool_said("toolu_1", "rain"), tool_said("toolu_2", ""), says(chat_role::user, "And?")};
  EXPECT_EQ(ask(what).body["messages"], json::parse(R"([{"role":"user","content":"Weather?"},
    {"role":"assistant","content":[{"type":"text","text":"Let me see."},
      {"type":"tool_use","id":"toolu_1","name":"weather","input":{"city":"Bonn"}},
      {"type":"tool_use","id":"toolu_2","name":"now","input":{}}]},
    {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"rain"},
      {"type":"tool_result","tool_use_id":"toolu_2"},{"type":"text","text":"And?"}]}])"));
}

TEST(anthropic_request, KeepsBrokenArgumentsAsATextInsideAnObject) {
  auto what = with_tools();
  for (const auto* broken : {"{\"city\":", "[1]", "\"Bonn\"", "{} {}"}) {
    what.messages = {says(chat_role::user, "?"), called("", {{"t", "weather", broken}}), tool_said("t", "x")};
    EXPECT_EQ(ask(what).body["messages"][1]["content"][0]["input"], json({{"arguments", broken}})) << broken;
  }
}

TEST(anthropic_request, RefusesToolsThatNobodyCouldUse) {
  auto nameless = with_tools();
  nameless.options.tools[0].name.clear();
  EXPECT_EQ(refusal(nameless).where, "tools[0].name");
  auto broken = with_tools();
  broken.options.tools[0].parameters_json = "[]";
  EXPECT_EQ(refusal(broken).where, "tools[0].parameters");
  auto unknown = with_tools();
  unknown.options.tool_choice = "nothing";
  EXPECT_EQ(refusal(unknown).where, "tool_choice");
  auto lost = with_tools();
  lost.messages.push_back(says(chat_role::tool, "42"));
  EXPECT_EQ(refusal(lost).where, "messages[1].tool_call_id");
}

// -- sampling
// ----------------------------------------------------------------------------------------------------

TEST(anthropic_request, CutsTheTemperatureAtOne) {
  question what{older};
  what.parameters.temperature = 1.7;
  const auto asked = ask(what);
  EXPECT_EQ(asked.body["temperature"], 1.0);
  EXPECT_TRUE(mentions(asked.dropped, "temperature: "));
}

TEST(anthropic_request, NamesEveryParameterThatItLeavesOut) {
  question what{older};
  what.parameters.seed = 7;
  what.parameters.frequency_penalty = 0.5;
  what.parameters.presence_penalty = 0.5;
  what.parameters.stop = {"\n\n", " "};
  what.options.form = answer_form::json_object;
  what.options.extra_json = R"({"min_p":0.1})";
  what.options.safety_settings_json = "[]";
  what.options.reasoning_effort = "high";
  what.messages.back() = says(chat_role::user, "hi", message_extras{{}, {}, {}, "ann"});
  const auto asked = ask(what);
  for (const auto* name :
       {"seed: ", "frequency_penalty: ", "presence_penalty: ", "stop: ", "response_format: ", "extra: ",
        "safety_settings: ", "reasoning_effort: claude-3-5-sonnet-20241022", "name: "})
    EXPECT_TRUE(mentions(asked.dropped, name)) << name;
  EXPECT_EQ(asked.dropped.size(), 9U);
  EXPECT_EQ(asked.body.size(), 3U) << asked.body;
}

TEST(anthropic_request, SaysNothingOfPenaltiesThatAreZero) {
  question what{older};
  what.parameters.frequency_penalty = 0;
  what.parameters.presence_penalty = 0;
  EXPECT_TRUE(ask(what).dropped.empty());
}

TEST(anthropic_request, KeepsTheStopsThatAreNotBlank) {
  question what{older};
  what.parameters.stop = {"\n\n", "```"};
  EXPECT_EQ(ask(what).body["stop_sequences"], json::parse(R"(["```"])"));
}

TEST(anthropic_request, GivesEachModelTheSamplingThatItTakes) {
  struct sampling_case {
    std::string model;
    bool temperature;
    bool top_p;
    bool top_k;
  };
  const std::vector<sampling_case> cases{{"claude-3-haiku-20240307", true, true, true},
                                         {"claude-sonnet-4-20250514", true, true, true},
                                         {"claude-opus-4-1-20250805", true, false, true},
                                         {"claude-sonnet-4-5", true, false, true},
                                         {"claude-opus-4-6", true, false, true},
                                         {"claude-opus-4-7", false, false, false},
                                         {"claude-sonnet-5", false, false, false},
                                         {"claude-opus-5-5", false, false, false},
                                         {"anthropic/claude-opus-4.7", false, false, false},
                                         {"claude-opus-4-5@20251101", true, false, true},
                                         {"us.anthropic.claude-opus-4-6-v1:0", true, false, true},
                                         {"claude-fable-5", false, false, false},
                                         {"claude-opus-latest", false, false, false},
                                         {"claude-2.1", true, true, true},
                                         {"deepseek-chat", true, true, true}};
  for (const auto& one : cases) {
    question what{one.model};
    what.parameters.temperature = 0.2;
    what.parameters.top_p = 0.9;
    what.options.top_k = 5;
    const auto asked = ask(what);
    EXPECT_EQ(asked.body.contains("temperature"), one.temperature) << one.model;
    EXPECT_EQ(asked.body.contains("top_p"), one.top_p) << one.model;
    EXPECT_EQ(asked.body.contains("top_k"), one.top_k) << one.model;
    EXPECT_EQ(asked.dropped.size(),
              3U - (one.temperature ? 1 : 0) - (one.top_p ? 1 : 0) - (one.top_k ? 1 : 0))
        << one.model;
  }
}

TEST(anthropic_request, SendsTopPAloneToModelsThatTakeOneOfTheTwo) {
  question what{"claude-sonnet-4-5"};
  what.parameters.top_p = 0.9;
  EXPECT_EQ(ask(what).body["top_p"], 0.9);
}

// -- thinking
// ----------------------------------------------------------------------------------------------------

struct thinking_case {
  std::string model;
  std::string effort;
  std::string thinking; ///< JSON; empty for none.
  std::string effort_sent;
  bool dropped = false;
};

TEST(anthropic_request, TellsEachModelToThinkInItsOwnWay) {
  const std::string adaptive = R"({"type":"adaptive"})";
  const std::vector<thinking_case> cases{
      {"claude-3-5-haiku-20241022", "high", "", "", true},
      {"claude-3-7-sonnet-20250219", "low", R"({"type":"enabled","budget_tokens":1024})", ""},
      {"claude-sonnet-4-5", "medium", R"({"type":"enabled","budget_tokens":8192})", ""},
      {"claude-haiku-4-5", "2000", R"({"type":"enabled","budget_tokens":2000})", ""},
      {"claude-haiku-4-5", "none", "", ""},
      {"claude-haiku-4-5", "fierce", "", "", true},
      {"claude-opus-4-6", "max", adaptive, "max"},
      {"claude-opus-4-7", "minimal", adaptive, "low"},
      {"claude-opus-4-8", "none", "", ""},
      {"claude-sonnet-5", "none", R"({"type":"disabled"})", ""},
      {"claude-haiku-5-5", "none", R"({"type":"disabled"})", ""},
      {"claude-opus-5", "high", adaptive, "high"},
      {"claude-opus-5-5", "none", "", "low", true},
      {"claude-sonnet-5-5", "none", "", "low", true},
      {"claude-fable-5", "xhigh", adaptive, "xhigh"}};
  for (const auto& one : cases) {
    question what{one.model};
    what.options.reasoning_effort = one.effort;
    const auto asked = ask(what);
    const auto about = one.model + " " + one.effort;
    EXPECT_EQ(asked.body.value("thinking", json()), one.thinking.empty() ? json() : json::parse(one.thinking))
        << about;
    EXPECT_EQ(asked.body.value("/output_config/effort"_json_pointer, ""), one.effort_sent) << about;
    EXPECT_EQ(mentions(asked.dropped, "reasoning_effort: "), one.dropped) << about;
  }
}

TEST(anthropic_request, LeavesRoomForTheAnswerBesideTheThoughts) {
  question what{"claude-3-7-sonnet-20250219"};
  what.options.reasoning_effort = "high";
  EXPECT_EQ(ask(what).body["thinking"]["budget_tokens"], 24'576);
  EXPECT_EQ(ask(what).body["max_tokens"], 24'576 + 4096);
  what.parameters.max_tokens = 8000;
  EXPECT_EQ(ask(what).body["thinking"]["budget_tokens"], 6000);
  EXPECT_EQ(ask(what).body["max_tokens"], 8000);
  what.parameters.max_tokens = 1300;
  const auto asked = ask(what);
  EXPECT_FALSE(asked.body.contains("thinking"));
  EXPECT_TRUE(mentions(asked.dropped, "reasoning_effort: max_tokens"));
}

TEST(anthropic_request, GivesUpSamplingThatThinkingForbids) {
  question what{"claude-sonnet-4-5"};
  what.options.reasoning_effort = "low";
  what.parameters.temperature = 0;
  what.parameters.top_p = 0.5;
  what.options.top_k = 3;
  const auto asked = ask(what);
  for (const auto* name : {"temperature", "top_p", "top_k"}) {
    EXPECT_FALSE(asked.body.contains(name)) << name;
    EXPECT_TRUE(mentions(asked.dropped, name)) << name;
  }
  what.parameters = {};
  what.parameters.temperature = 1;
  EXPECT_EQ(ask(what).body["temperature"], 1.0);
}

TEST(anthropic_request, DoesNotThinkWhereTheServerWouldRefuseIt) {
  auto forced = with_tools("claude-sonnet-4-5");
  forced.options.reasoning_effort = "low";
  forced.options.tool_choice = "required";
  EXPECT_FALSE(ask(forced).body.contains("thinking"));
  auto after_tool = with_tools("claude-sonnet-4-5");
  after_tool.options.reasoning_effort = "low";
  after_tool.messages = {says(chat_role::user, "?"), called("", {{"t", "now", "{}"}}),
                         tool_said("t", "noon")};
  EXPECT_FALSE(ask(after_tool).body.contains("thinking"));
  question begun{"claude-sonnet-4-5", {says(chat_role::user, "?"), says(chat_role::assistant, "It")}};
  begun.options.reasoning_effort = "low";
  EXPECT_FALSE(ask(begun).body.contains("thinking"));
  for (const auto& what : {forced, after_tool, begun})
    EXPECT_TRUE(mentions(ask(what).dropped, "reasoning_effort: "));
}

// -- the form of an answer
// -----------------------------------------------------------------------------------------

TEST(anthropic_request, AsksForASchemaBesideTheEffort) {
  question what{"claude-opus-4-6"};
  what.options.form = answer_form::json_schema;
  what.options.schema_json = R"({"type": "object"})";
  EXPECT_EQ(ask(what).body["output_config"],
            json::parse(R"({"format":{"type":"json_schema","schema":{"type":"object"}}})"));
  what.options.reasoning_effort = "low";
  EXPECT_EQ(ask(what).body["output_config"],
            json::parse(R"({"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}})"));
}

TEST(anthropic_request, RefusesWhatAnthropicCannotDo) {
  question several{older};
  several.options.choices = 2;
  EXPECT_EQ(refusal(several).code, errc::unsupported);
  EXPECT_NE(refusal(several).hint.find("gemini"), std::string::npos);
  question logprobs{older};
  logprobs.options.logprobs = true;
  EXPECT_EQ(refusal(logprobs).code, errc::unsupported);
  question schema{"claude-3-haiku-20240307"};
  schema.options.form = answer_form::json_schema;
  schema.options.schema_json = "{}";
  EXPECT_EQ(refusal(schema).code, errc::unsupported);
  schema.model = "claude-opus-4-6";
  schema.options.schema_json = "{";
  EXPECT_EQ(refusal(schema).code, errc::invalid_argument);
  EXPECT_EQ(refusal(schema).where, "schema");
}

TEST(anthropic_request, RefusesEmbeddingsAndNamesWhoHasThem) {
  const std::vector<std::string> inputs{"a"};
  const auto fault = refused(codec_at()->encode_embeddings({"claude-opus-5", inputs, {}}));
  EXPECT_EQ(fault.code, errc::unsupported);
  for (const auto* provider : {"openai", "gemini"})
    EXPECT_NE(fault.hint.find(provider), std::string::npos) << provider;
}

TEST(anthropic_request, SurvivesEveryByteInAPrompt) {
  std::string all;
  for (int i = 0; i < 256; ++i)
    all += static_cast<char>(i);
  auto what = with_tools("claude-opus-5");
  what.messages = {says(chat_role::system, all), says(chat_role::user, all), called(all, {{all, all, all}}),
                   tool_said(all, all)};
  EXPECT_EQ(ask(what).body["messages"].size(), 3U);
}

// -- counting and listing
// ------------------------------------------------------------------------------------------

TEST(anthropic_request, CountsWhatItWouldAsk) {
  auto what = with_tools("claude-opus-5");
  what.messages.insert(what.messages.begin(), says(chat_role::system, "Be terse."));
  what.parameters.temperature = 0;
  what.parameters.max_tokens = 10;
  const auto asked = test::read_request(codec_at()->encode_count(what.request()));
  EXPECT_EQ(asked.target, "/messages/count_tokens");
  EXPECT_EQ(asked.body["system"], "Be terse.");
  EXPECT_EQ(asked.body["tools"].size(), 2U);
  for (const auto* absent : {"max_tokens", "temperature", "stream"})
    EXPECT_FALSE(asked.body.contains(absent)) << absent;
}

TEST(anthropic_request, ListsModelsPageByPage) {
  EXPECT_EQ(test::read_request(codec_at()->encode_model_list("")).target, "/models?limit=1000");
  EXPECT_EQ(test::read_request(codec_at()->encode_model_list("a b&c")).target,
            "/models?limit=1000&after_id=a%20b%26c");
}

} // namespace
} // namespace assay::codecs
