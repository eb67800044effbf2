#include "core/codecs/openai_chat.hpp"
#include "tests/codecs/support.hpp"

namespace assay::codecs {
namespace {

using nlohmann::json;
using namespace test;

provider_profile speaking(api_dialect dialect) {
  provider_profile provider;
  provider.id = provider_id("p");
  provider.base_url = "http://h/v1";
  provider.dialect = dialect;
  return provider;
}

encoded_request encode(const question& asked, api_dialect dialect = api_dialect::compatible) {
  auto encoded = make_codec(speaking(dialect))->encode_chat(asked.request());
  if (!encoded) {
    ADD_FAILURE() << to_string(encoded.error());
    return {};
  }
  return std::move(*encoded);
}

json body(const question& asked, api_dialect dialect = api_dialect::compatible) {
  return json::parse(encode(asked, dialect).body.view());
}

fault refused(const question& asked, api_dialect dialect = api_dialect::compatible) {
  const auto encoded = make_codec(speaking(dialect))->encode_chat(asked.request());
  if (encoded) {
    ADD_FAILURE() << encoded->body.view();
    return {};
  }
  return encoded.error();
}

std::vector<std::string> dropped(const question& asked, api_dialect dialect) {
  return encode(asked, dialect).dropped;
}

const std::vector<api_dialect> all_dialects{
    api_dialect::compatible, api_dialect::openai,       api_dialect::azure, api_dialect::deepseek,
    api_dialect::dashscope,  api_dialect::openrouter,   api_dialect::vllm,  api_dialect::ollama,
    api_dialect::llama_cpp,  api_dialect::llama_factory};

// -- messages ----------------------------------------------------------------------------------------------

TEST(openai_messages, ShowPicturesBeforeTheirText) {
  question asked;
  auto near = picture();
  near.detail = "low";
  asked.messages = {shows("What is this?", {near, picture_at("https://x/y.png")})};
  EXPECT_EQ(body(asked)["messages"], json::parse(R"([{"role":"user","content":[
    {"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==","detail":"low"}},
    {"type":"image_url","image_url":{"url":"https://x/y.png"}},
    {"type":"text","text":"What is this?"}]}])"));
}

TEST(openai_messages, KeepPicturesBetweenTheirTexts) {
  question asked;
  auto between = picture_at("https://x/y.png");
  between.text_before = 3;
  asked.messages = {shows("onetwo", {between})};
  EXPECT_EQ(body(asked)["messages"][0]["content"], json::parse(R"([{"type":"text","text":"one"},
    {"type":"image_url","image_url":{"url":"https://x/y.png"}},{"type":"text","text":"two"}])"));
}

TEST(openai_messages, SayWhatPicturesAreInsteadOfBelievingIt) {
  question asked;
  auto lying = picture("/9j/4AAQSkZJRgABAQ==");
  lying.media_type = "image/png";
  asked.messages = {shows("", {lying})};
  const auto parts = body(asked)["messages"][0]["content"];
  ASSERT_EQ(parts.size(), 1U) << "an empty text is no part";
  EXPECT_EQ(parts[0]["image_url"]["url"], "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQ==");
}

TEST(openai_messages, RefusePicturesThatAreNone) {
  question asked;
  for (const auto& bad :
       {picture("PHN2Zz4="), picture("iVBORw0KGgoAAAANSUhEUg\"}"), picture_at("file:///etc/passwd"),
        picture_at("data:image/png;base64,iVBORw0KGgo="), image_part{}}) {
    asked.messages = {asks("one"), shows("two", {picture(), bad})};
    const auto wrong = refused(asked);
    EXPECT_EQ(wrong.code, errc::invalid_argument);
    EXPECT_EQ(wrong.where, "messages[1].images[1]");
  }
}

TEST(openai_messages, CarryToolCallsAndTheirResults) {
  question asked;
  message_extras calls;
  calls.tool_calls = {{"call_1", "add", R"({"a":1,"b":"\n"})"}};
  message_extras answer;
  answer.tool_call_id = "call_1";
  asked.messages = {asks("1+1?"), says(chat_role::assistant, "", calls), says(chat_role::tool, "2", answer)};
  EXPECT_EQ(body(asked)["messages"], json::parse(R"([{"role":"user","content":"1+1?"},
    {"role":"assistant","content":null,"tool_calls":[
      {"id":"call_1","type":"function","function":{"name":"add","arguments":"{\"a\":1,\"b\":\"\\n\"}"}}]},
    {"role":"tool","tool_call_id":"call_1","content":"2"}])"));
}

TEST(openai_messages, RefuseWhatMakesNoSense) {
  question asked;
  message_extras extras;
  extras.images = {picture()};
  asked.messages = {says(chat_role::assistant, "", extras)};
  EXPECT_EQ(refused(asked).where, "messages[0].images");
  extras = {};
  extras.tool_calls = {{"c", "f", "{}"}};
  asked.messages = {says(chat_role::user, "", extras)};
  EXPECT_EQ(refused(asked).where, "messages[0].tool_calls");
  asked.messages = {says(chat_role::tool, "2", {})};
  EXPECT_EQ(refused(asked).where, "messages[0].tool_call_id");
  asked.messages = {};
  EXPECT_EQ(refused(asked).code, errc::invalid_argument);
}

TEST(openai_messages, NameTheOperatorDeveloperForReasoningModels) {
  question asked;
  asked.messages = {says(chat_role::system, "Be terse."), asks("hi")};
  asked.model = "o3";
  EXPECT_EQ(body(asked, api_dialect::openai)["messages"][0]["role"], "developer");
  EXPECT_EQ(body(asked, api_dialect::azure)["messages"][0]["role"], "developer");
  EXPECT_EQ(body(asked, api_dialect::compatible)["messages"][0]["role"], "system");
  asked.model = "gpt-4o";
  EXPECT_EQ(body(asked, api_dialect::openai)["messages"][0]["role"], "system");
}

// -- parameters --------------------------------------------------------------------------------------------

TEST(openai_parameters, NameTheLimitAsEachServerDoes) {
  question asked;
  asked.parameters.max_tokens = 9;
  const auto field = [&](api_dialect dialect, std::string model) {
    asked.model = std::move(model);
    const auto sent = body(asked, dialect);
    EXPECT_NE(sent.contains("max_tokens"), sent.contains("max_completion_tokens"));
    return sent.contains("max_tokens") ? "max_tokens" : "max_completion_tokens";
  };
  EXPECT_STREQ(field(api_dialect::openai, "gpt-4o"), "max_completion_tokens");
  EXPECT_STREQ(field(api_dialect::openai, "o3"), "max_completion_tokens");
  EXPECT_STREQ(field(api_dialect::azure, "gpt-4o"), "max_tokens");
  EXPECT_STREQ(field(api_dialect::azure, "o3"), "max_completion_tokens");
  EXPECT_STREQ(field(api_dialect::compatible, "gpt-4o"), "max_tokens");
  EXPECT_STREQ(field(api_dialect::compatible, "o3"), "max_completion_tokens");
  for (const auto dialect :
       {api_dialect::deepseek, api_dialect::dashscope, api_dialect::openrouter, api_dialect::vllm,
        api_dialect::ollama, api_dialect::llama_cpp, api_dialect::llama_factory})
    EXPECT_STREQ(field(dialect, "openai/o3"), "max_tokens") << to_string(dialect);
}

TEST(openai_parameters, AreNamedWhenAReasoningModelTakesNone) {
  question asked;
  asked.model = "o3";
  asked.parameters.temperature = 0;
  asked.parameters.stop = {"x"};
  EXPECT_EQ(dropped(asked, api_dialect::openai),
            (std::vector<std::string>{"temperature: o3 takes none", "stop: o3 takes none"}));
  asked.model = "gpt-4o";
  EXPECT_TRUE(dropped(asked, api_dialect::openai).empty());
}

TEST(openai_parameters, HaveAtMostFourStopsWhereMoreAreRefused) {
  question asked;
  asked.parameters.stop = {"1", "2", "3", "4", "5"};
  for (const auto dialect : {api_dialect::openai, api_dialect::azure}) {
    EXPECT_EQ(body(asked, dialect)["stop"], json::parse(R"(["1","2","3","4"])"));
    ASSERT_EQ(dropped(asked, dialect).size(), 1U);
    EXPECT_TRUE(dropped(asked, dialect)[0].starts_with("stop: ")) << dropped(asked, dialect)[0];
  }
  EXPECT_EQ(body(asked, api_dialect::vllm)["stop"].size(), 5U);
  EXPECT_TRUE(dropped(asked, api_dialect::vllm).empty());
}

TEST(openai_parameters, ThatLlamaFactoryMisreadsAreLeftOut) {
  question asked;
  asked.parameters.temperature = 0.5;
  asked.parameters.presence_penalty = 0;
  asked.parameters.frequency_penalty = 1;
  asked.parameters.seed = 7;
  const auto sent = encode(asked, api_dialect::llama_factory);
  const auto fields = json::parse(sent.body.view());
  EXPECT_EQ(fields["temperature"], 0.5);
  for (const auto* absent : {"presence_penalty", "frequency_penalty", "seed"})
    EXPECT_FALSE(fields.contains(absent)) << absent;
  EXPECT_EQ(sent.dropped.size(), 3U);
  EXPECT_EQ(sent.dropped[1], "presence_penalty: LLaMA-Factory's API takes none");
}

TEST(openai_parameters, GoWhereTheyAreKnown) {
  question asked;
  asked.options.top_k = 40;
  asked.options.user = "u-1";
  asked.options.safety_settings_json = "[]";
  for (const auto dialect : all_dialects) {
    const bool takes_top_k = dialect == api_dialect::compatible || dialect == api_dialect::vllm
                             || dialect == api_dialect::llama_cpp || dialect == api_dialect::openrouter
                             || dialect == api_dialect::dashscope;
    EXPECT_EQ(body(asked, dialect).contains("top_k"), takes_top_k) << to_string(dialect);
  }
  EXPECT_EQ(body(asked, api_dialect::openai)["user"], "u-1");
  EXPECT_EQ(body(asked, api_dialect::deepseek)["user_id"], "u-1");
  EXPECT_FALSE(body(asked, api_dialect::ollama).contains("user"));
  EXPECT_EQ(dropped(asked, api_dialect::ollama),
            (std::vector<std::string>{"top_k: Ollama takes none", "user: Ollama takes none",
                                      "safety_settings: Ollama takes none"}));
}

TEST(openai_parameters, AskForThoughtsInEachServersWords) {
  question asked;
  asked.options.reasoning_effort = "low";
  asked.model = "o3";
  EXPECT_EQ(body(asked, api_dialect::openai)["reasoning_effort"], "low");
  EXPECT_EQ(body(asked, api_dialect::openrouter)["reasoning"], json::parse(R"({"effort":"low"})"));
  EXPECT_EQ(body(asked, api_dialect::deepseek)["thinking"], json::parse(R"({"type":"enabled"})"));
  EXPECT_EQ(body(asked, api_dialect::deepseek)["reasoning_effort"], "low");
  EXPECT_EQ(body(asked, api_dialect::dashscope)["enable_thinking"], true);
  EXPECT_EQ(dropped(asked, api_dialect::llama_factory).size(), 1U);
  asked.model = "gpt-4o";
  EXPECT_EQ(dropped(asked, api_dialect::openai),
            std::vector<std::string>{"reasoning_effort: gpt-4o takes none"});
  EXPECT_EQ(body(asked, api_dialect::vllm)["reasoning_effort"], "low");
  asked.options.reasoning_effort = "none";
  EXPECT_EQ(body(asked, api_dialect::deepseek)["thinking"], json::parse(R"({"type":"disabled"})"));
  EXPECT_FALSE(body(asked, api_dialect::deepseek).contains("reasoning_effort"));
  EXPECT_EQ(body(asked, api_dialect::dashscope)["enable_thinking"], false);
  asked.model = "gpt-6.2-sol";
  EXPECT_EQ(body(asked, api_dialect::openai)["reasoning_effort"], "low");
  EXPECT_EQ(dropped(asked, api_dialect::openai),
            std::vector<std::string>{"reasoning_effort: gpt-6.2-sol takes no `none`; low is its least"});
}

TEST(openai_parameters, KeepOpenQwen3FromThinkingUnstreamed) {
  question asked;
  asked.model = "qwen3-32b";
  EXPECT_EQ(body(asked, api_dialect::dashscope)["enable_thinking"], false);
  EXPECT_FALSE(body(asked, api_dialect::vllm).contains("enable_thinking"));
  asked.options.reasoning_effort = "high";
  EXPECT_EQ(body(asked, api_dialect::dashscope)["enable_thinking"], false);
  EXPECT_EQ(dropped(asked, api_dialect::dashscope),
            std::vector<std::string>{"reasoning_effort: DashScope lets qwen3-32b think only when streamed"});
  asked.stream = true;
  EXPECT_EQ(body(asked, api_dialect::dashscope)["enable_thinking"], true);
  asked.stream = false;
  asked.options = {};
  asked.options.extra_json = R"({"enable_thinking":true})";
  EXPECT_EQ(body(asked, api_dialect::dashscope)["enable_thinking"], true) << "the caller knows better";
  for (const auto* other :
       {"qwen-max", "qwen3-max", "qwen3-30b-a3b-instruct-2507", "qwen3.8-max", "qwen2.5-7b-instruct"}) {
    asked = {};
    asked.model = other;
    EXPECT_FALSE(body(asked, api_dialect::dashscope).contains("enable_thinking")) << other;
  }
}

TEST(openai_parameters, UnknownOnesPassThrough) {
  question asked;
  asked.options.extra_json = R"({ "min_p": 0.1, "chat_template_kwargs": {"a": [1, null]}, "x\"y": "z" })";
  for (const auto dialect : all_dialects) {
    const auto sent = body(asked, dialect);
    EXPECT_EQ(sent["min_p"], 0.1) << to_string(dialect);
    EXPECT_EQ(sent["chat_template_kwargs"]["a"].dump(), "[1,null]");
    EXPECT_EQ(sent["x\"y"], "z");
  }
}

TEST(openai_parameters, UnknownOnesCannotReplaceKnownOnes) {
  question asked;
  asked.parameters.temperature = 1;
  for (const auto* extra :
       {R"({"temperature":0})", R"({"messages":[]})", R"({"stream":true})", R"({"n":2})"}) {
    asked.options.extra_json = extra;
    EXPECT_EQ(refused(asked).code, errc::invalid_argument) << extra;
  }
  EXPECT_EQ(refused(asked).where, "extra.n");
  asked.options.extra_json = "[1]";
  EXPECT_EQ(refused(asked).where, "extra");
  asked.options.extra_json = "{";
  EXPECT_EQ(refused(asked).where, "extra");
}

// -- forms and tools ---------------------------------------------------------------------------------------

TEST(openai_forms, AskForJson) {
  question asked;
  asked.options.form = answer_form::json_object;
  EXPECT_EQ(body(asked)["response_format"], json::parse(R"({"type":"json_object"})"));
  asked.options.form = answer_form::json_schema;
  asked.options.schema_json = R"({ "type": "object" })";
  EXPECT_EQ(
      body(asked)["response_format"],
      json::parse(R"({"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"object"}}})"));
  asked.options.schema_name = "ans";
  asked.options.schema_strict = true;
  EXPECT_EQ(
      body(asked)["response_format"],
      json::parse(
          R"({"type":"json_schema","json_schema":{"name":"ans","strict":true,"schema":{"type":"object"}}})"));
}

TEST(openai_forms, RefuseBrokenSchemas) {
  question asked;
  asked.options.form = answer_form::json_schema;
  for (const auto* schema : {"", "{", "[]", "7"}) {
    asked.options.schema_json = schema;
    EXPECT_EQ(refused(asked).code, errc::invalid_argument) << schema;
  }
  asked.options.schema_json = "{}";
  asked.options.schema_name = "two words";
  EXPECT_EQ(refused(asked).where, "response_format.json_schema.name");
}

TEST(openai_tools, AreDescribedAndChosen) {
  question asked;
  asked.options.tools = {{"add", "Adds.", R"({"type":"object","properties":{}})", true}, {"now", "", "", {}}};
  asked.options.tool_choice = "auto";
  asked.options.parallel_tool_calls = false;
  auto sent = body(asked);
  EXPECT_EQ(sent["tools"], json::parse(R"([
    {"type":"function","function":{"name":"add","description":"Adds.","parameters":{"type":"object","properties":{}},
      "strict":true}},
    {"type":"function","function":{"name":"now"}}])"));
  EXPECT_EQ(sent["tool_choice"], "auto");
  EXPECT_EQ(sent["parallel_tool_calls"], false);
  asked.options.tool_choice = "now";
  EXPECT_EQ(body(asked)["tool_choice"], json::parse(R"({"type":"function","function":{"name":"now"}})"));
  asked.options.tool_choice = "nobody";
  EXPECT_EQ(refused(asked).where, "tool_choice");
  asked.options.tool_choice = "required";
  EXPECT_EQ(
      dropped(asked, api_dialect::ollama),
      (std::vector<std::string>{"tool_choice: Ollama takes none", "parallel_tool_calls: Ollama takes none"}));
  asked.options.tool_choice = "none";
  EXPECT_FALSE(body(asked, api_dialect::ollama).contains("tools")) << "what is not shown cannot be called";
}

TEST(openai_tools, RefuseWhatCannotBeCalled) {
  question asked;
  asked.options.tools = {{"", "", "", {}}};
  EXPECT_EQ(refused(asked).where, "tools[0].name");
  asked.options.tools = {{"f", "", "[]", {}}};
  EXPECT_EQ(refused(asked).where, "tools[0].parameters");
  asked.options.tools = {};
  asked.options.tool_choice = "required";
  EXPECT_EQ(refused(asked).where, "tool_choice");
}

TEST(openai_choices, AndLogprobsAreAskedFor) {
  question asked;
  asked.options.choices = 3;
  asked.options.top_logprobs = 5;
  const auto sent = body(asked, api_dialect::openai);
  EXPECT_EQ(sent["n"], 3);
  EXPECT_EQ(sent["logprobs"], true) << "top_logprobs alone is refused";
  EXPECT_EQ(sent["top_logprobs"], 5);
  asked.options.choices = 0;
  EXPECT_EQ(refused(asked).where, "n");
}

// -- what a dialect lacks ----------------------------------------------------------------------------------

TEST(openai_dialects, RefuseBeforeTheCallWhatTheCallerWouldMiss) {
  const auto lacks = [](api_dialect dialect, auto change) {
    question asked;
    change(asked);
    const auto reason = refused(asked, dialect);
    EXPECT_EQ(reason.code, errc::unsupported) << to_string(dialect) << ": " << reason.message;
    EXPECT_FALSE(reason.hint.empty()) << reason.message;
  };
  const auto image = [](question& q) { q.messages = {shows("?", {picture()})}; };
  const auto image_url = [](question& q) { q.messages = {shows("?", {picture_at("http://x/y")})}; };
  const auto gif = [](question& q) { q.messages = {shows("?", {picture("R0lGODlhAQABAAAAACw=")})}; };
  const auto two = [](question& q) { q.options.choices = 2; };
  const auto logprobs = [](question& q) { q.options.logprobs = true; };
  const auto json_object = [](question& q) { q.options.form = answer_form::json_object; };
  const auto schema = [](question& q) {
    q.options.form = answer_form::json_schema;
    q.options.schema_json = "{}";
  };
  lacks(api_dialect::deepseek, image);
  lacks(api_dialect::deepseek, two);
  lacks(api_dialect::deepseek, schema);
  lacks(api_dialect::ollama, image_url);
  lacks(api_dialect::ollama, gif);
  lacks(api_dialect::ollama, two);
  lacks(api_dialect::llama_factory, logprobs);
  lacks(api_dialect::llama_factory, json_object);
  lacks(api_dialect::llama_factory, schema);
  lacks(api_dialect::llama_factory, [](question& q) {
    q.stream = true;
    q.options.tools = {{"f", "", "", {}}};
  });
  lacks(api_dialect::llama_factory, [](question& q) {
    q.stream = true;
    q.options.choices = 2;
  });
  lacks(api_dialect::openai, [](question& q) {
    q.model = "o3";
    q.options.logprobs = true;
  });
}

TEST(openai_dialects, LlamaFactoryWantsTurns) {
  const auto user = asks("u");
  const auto assistant = says(chat_role::assistant, "a");
  const auto system = says(chat_role::system, "s");
  question asked;
  for (const auto& good : std::vector<std::vector<chat_message>>{
           {user}, {system, user}, {user, assistant, user}, {system, user, assistant, user}}) {
    asked.messages = good;
    EXPECT_TRUE(make_codec(speaking(api_dialect::llama_factory))->encode_chat(asked.request()));
  }
  for (const auto& bad : std::vector<std::vector<chat_message>>{{system},
                                                                {user, user},
                                                                {user, assistant},
                                                                {user, system, user},
                                                                {assistant, user},
                                                                {system, system, user}}) {
    asked.messages = bad;
    EXPECT_EQ(refused(asked, api_dialect::llama_factory).code, errc::unsupported);
    EXPECT_TRUE(make_codec(speaking(api_dialect::compatible))->encode_chat(asked.request()));
  }
}

TEST(openai_dialects, AskForUsageOfStreamsWhereItComes) {
  question asked;
  asked.stream = true;
  for (const auto dialect : all_dialects) {
    const auto sent = body(asked, dialect);
    EXPECT_EQ(sent["stream"], true);
    EXPECT_EQ(sent.contains("stream_options"), dialect != api_dialect::llama_factory) << to_string(dialect);
  }
}

TEST(openai_dialects, EveryBodyIsJsonWithEverythingAtOnce) {
  question asked;
  asked.messages = {says(chat_role::system, "s"), shows("t", {picture()}), says(chat_role::assistant, "a"),
                    asks("b")};
  asked.parameters = {1.0, 0.5, 0.1, 0.2, 64, -7, {"x", "\""}};
  asked.options.top_k = 3;
  asked.options.tools = {{"f", "d", "{}", false}};
  asked.options.tool_choice = "f";
  asked.options.reasoning_effort = "high";
  asked.options.user = "u\"";
  asked.options.extra_json = R"({"a":1})";
  for (const auto dialect : all_dialects)
    for (const auto* model : {"gpt-4o", "o3", "qwen3-8b"}) {
      if (dialect == api_dialect::deepseek)
        asked.messages[1] = asks("t");
      asked.model = model;
      const auto sent = encode(asked, dialect);
      EXPECT_TRUE(json::accept(sent.body.view())) << sent.body.view();
    }
}

} // namespace
} // namespace assay::codecs
