#include "core/llm/chat_reply.hpp"
#include "core/llm/chat_request.hpp"
#include "core/llm/llm_request.hpp"
#include "tests/codecs/support.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <random>

namespace assay::llm {
namespace {

using nlohmann::json;

const std::vector<std::string>& bodies() {
  static const std::vector<std::string> known{
      R"({"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a"},
         {"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"}}]}],
         "n":2,"stop":["a","b"],"temperature":0.1,"stream":true,"stream_options":{"include_usage":true}})",
      R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function",
         "function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"42"}],
         "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":"auto",
         "response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{}}},"seed":-9223372036854775808})",
      R"({"prompt":"hi","llm_params":{"model":"m","max_tokens":5,"timeout":5},"images":["x"]})",
      R"({"items":[{"a":1}],"prompt_template":"{a}","max_concurrent_requests":3})",
      R"({"model":"e","input":["a","b"],"dimensions":3,"texts":["a"],"text":"b"})"};
  return known;
}

/// A member in another place or of another type, which a mutation of bytes seldom makes.
json shuffled(json in, std::mt19937& random) {
  static const std::vector<json> strange{
      nullptr, true, -1, 1e300, "", "x", json::array(), json::object(), {1, 2}, {{"a", {{"b", nullptr}}}}};
  std::vector<json*> places;
  const auto collect = [&](const auto& again, json& node) -> void {
    places.push_back(&node);
    if (node.is_structured())
      for (auto& inner : node)
        again(again, inner);
  };
  collect(collect, in);
  *places[random() % places.size()] = strange[random() % strange.size()];
  return in;
}

void read_as_everything(const json& body, size_t& taken) {
  if (auto chat = read_chat_request(body)) {
    ++taken;
    EXPECT_FALSE(chat->messages.empty());
    EXPECT_GT(estimated_tokens(chat->messages, chat->parameters), 0u);
  } else {
    EXPECT_FALSE(chat.error().message.empty());
  }
  taken += read_llm_request(body).has_value() ? 1 : 0;
  taken += read_llm_batch(body).has_value() ? 1 : 0;
  taken += read_embedding_request(body).has_value() ? 1 : 0;
  taken += read_llm_embeddings(body).has_value() ? 1 : 0;
  taken += read_llm_count(body).has_value() ? 1 : 0;
}

TEST(mutated_requests, AreReadOrRefusedAndNothingElse) {
  std::mt19937 random(20'260'802);
  size_t taken = 0;
  for (int round = 0; round < 6000; ++round) {
    const auto& whole = bodies()[random() % bodies().size()];
    const auto text = test::mutated(whole, random, test::json_alphabet);
    if (const auto body = json::parse(text, nullptr, false); !body.is_discarded())
      read_as_everything(body, taken);
    read_as_everything(shuffled(json::parse(whole), random), taken);
  }
  EXPECT_GT(taken, 500u) << "most mutations leave something that can be read";
}

/// Whatever a model says, its answer is JSON and its events are events.
TEST(mutated_answers, AreWellFormed) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (unsigned i = random() % 40; i > 0; --i)
      text += static_cast<char>(random() % 256);
    answer_extras extras;
    extras.reasoning = text;
    extras.tool_calls = {{text, text, text}};
    model_answer answer;
    answer.text = text;
    answer.extras = &extras;
    answer.served_model = text;
    EXPECT_FALSE(json::parse(chat_completion({"i", text, 1}, answer), nullptr, false).is_discarded());
    chunk_writer writer({"i", text, 1}, true, 1);
    const auto piece = writer.piece({0, text, text, {{0, text, text, text, {}}}});
    for (size_t at = 0; at < piece.size();) {
      const auto end = piece.find("\n\n", at);
      ASSERT_NE(end, std::string::npos);
      EXPECT_FALSE(json::parse(piece.substr(at + 6, end - at - 6), nullptr, false).is_discarded());
      at = end + 2;
    }
  }
}

} // namespace
} // namespace assay::llm
