#include "tests/server/edge_fixture.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;

namespace {

class edge_llm_api_test : public edge_test {
protected:
  http_reply ask(const char* path, const json& body, std::string_view headers = {}) {
    return post(path, body.dump(), admin(), headers);
  }
};

TEST_F(edge_llm_api_test, InvokesAModel) {
  start();
  const auto reply = ask(
      "/llm_api/invoke",
      {{"prompt", "hi there"}, {"llm_params", {{"model", "m"}, {"provider", "p"}}}, {"request_id", "r-1"}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto body = reply.json();
  EXPECT_EQ(body["status"], "success");
  EXPECT_EQ(body["request_id"], "r-1");
  EXPECT_EQ(body["result"], "echo: hi there");
  EXPECT_EQ(body["tokens_used"], 8);
  EXPECT_EQ(body["provider"], "fake");
  EXPECT_EQ(body["cost"], 0.0015);
  EXPECT_EQ(body["finish_reason"], "stop");
  EXPECT_EQ(reply.header("x-assay-served-by"), "fake/p/m");
  const auto asked = farm_.questions().at(0);
  EXPECT_EQ(asked.model, "p/m");
  EXPECT_EQ(asked.request.timeout, milliseconds{60'000});
  EXPECT_EQ(asked.request.parameters.max_tokens, 256u);
}

TEST_F(edge_llm_api_test, FailsInTheDataLaboratorysShape) {
  start();
  const auto wrong = ask("/llm_api/invoke", {{"prompt", "x"}, {"top_p", 7}});
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.json()["status"], "error");
  EXPECT_EQ(wrong.json()["error_code"], "VALIDATION_ERROR");
  EXPECT_EQ(wrong.json()["path"], "/llm_api/invoke");
  EXPECT_EQ(ask("/llm_api/invoke", {{"prompt", "x"}, {"model", "missing"}}).status, 404);
  const auto busy = ask("/llm_api/invoke", {{"prompt", "x"}, {"model", "busy"}});
  EXPECT_EQ(busy.status, 429);
  EXPECT_EQ(busy.header("retry-after"), "1");
  EXPECT_EQ(post("/llm_api/invoke", R"({"prompt":"x"})").status, 401);
}

TEST_F(edge_llm_api_test, StreamsOnlyToWhomItHelps) {
  start();
  const json body{{"prompt", "a b"}, {"model", "m"}, {"stream", true}};
  const auto collected = ask("/llm_api/invoke", body, "Accept: application/json, */*\r\n");
  EXPECT_EQ(collected.json()["result"], "echo: a b");
  EXPECT_FALSE(farm_.questions().at(0).request.stream);
  http_connection connection{port()};
  connection.send(request_text("POST", "/llm_api/invoke", body.dump(), admin(),
                               "Accept: text/event-stream\r\nConnection: close\r\n"));
  const auto head = connection.receive();
  EXPECT_EQ(head.status, 200);
  EXPECT_TRUE(connection.closed());
  EXPECT_THAT(connection.rest(), HasSubstr(R"(data: {"delta":" a"})"));
  EXPECT_THAT(connection.rest(), HasSubstr(R"("result":"echo: a b")"));
  EXPECT_THAT(connection.rest(), HasSubstr("data: [DONE]"));
}

TEST_F(edge_llm_api_test, AsksABatchAndKeepsEachItemsError) {
  start();
  const auto reply = ask("/llm_api/batch", {{"items", {{{"x", 1}}, {{"y", 2}}, {{"x", "three"}}}},
                                            {"prompt_template", "say {x}"},
                                            {"system_prompt", "s"},
                                            {"model", "m"},
                                            {"max_concurrent_requests", 2}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto body = reply.json();
  EXPECT_EQ(body["total_requests"], 3);
  EXPECT_EQ(body["completed_requests"], 2);
  EXPECT_EQ(body["failed_requests"], 1);
  EXPECT_EQ(body["total_tokens"], 16);
  EXPECT_DOUBLE_EQ(body["total_cost"].get<double>(), 0.003);
  EXPECT_EQ(body["results"][0]["response"], "echo: say 1");
  EXPECT_EQ(body["results"][0]["item"]["x"], 1);
  EXPECT_THAT(body["results"][1]["error"].get<std::string>(), HasSubstr("no field `x`"));
  EXPECT_EQ(body["results"][2]["index"], 2);
  EXPECT_EQ(body["results"][2]["response"], "echo: say three");
  EXPECT_EQ(body["task_status"], "completed");
  EXPECT_EQ(body["results"][0].contains("prompt"), false);
  const auto asked = farm_.submitted().at(0).request;
  EXPECT_EQ(asked.kind, run_kind::llm_batch);
  EXPECT_TRUE(asked.predict_only);
  EXPECT_EQ(asked.calls.num_concurrent, 2u);
  EXPECT_EQ(asked.calls.timeout, milliseconds{60'000});
  EXPECT_EQ(asked.generation.max_tokens, 256u);
  EXPECT_THAT(asked.own->definition, HasSubstr(R"("system":"s")"));
}

TEST_F(edge_llm_api_test, ABatchOfFailuresIsAnAnswerToo) {
  start();
  const auto reply = ask(
      "/llm_api/batch", {{"items", {{{"x", 1}}, {{"x", 2}}}}, {"prompt_template", "{x}"}, {"model", "busy"}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.json()["failed_requests"], 2);
  EXPECT_EQ(reply.json()["results"][1]["error_code"], "rate_limited");
  EXPECT_EQ(reply.json()["results"][1]["error"], "too many calls");
}

TEST_F(edge_llm_api_test, GivesVectorsAndCounts) {
  start();
  const auto vectors = ask("/llm_api/embeddings", {{"model", "e"}, {"texts", {"a", "b"}}});
  ASSERT_EQ(vectors.status, 200) << vectors.body;
  EXPECT_EQ(vectors.json()["embeddings"], (json{{0.5, 0.0}, {0.5, 1.0}}));
  EXPECT_EQ(vectors.json()["dimensions"], 2);
  const auto count = ask("/llm_api/count_tokens", {{"model", "m"}, {"text", "abc"}});
  ASSERT_EQ(count.status, 200) << count.body;
  EXPECT_EQ(count.json()["token_count"], 42);
  EXPECT_EQ(count.json()["estimated"], true);
  EXPECT_EQ(farm_.questions().at(1).request.kind, call_kind::count_tokens);
}

TEST_F(edge_llm_api_test, ListsProvidersWithTheirModels) {
  auto with = std::make_shared<catalogue>(*options.current_catalogue());
  with->providers.push_back({provider_id{"anthropic"}, wire_protocol::anthropic, "https://a", true});
  with->providers.push_back({provider_id{"nowhere"}, wire_protocol::openai_chat, "", false});
  options.current_catalogue = [with] { return with; };
  start();
  const auto list = get("/llm_api/providers", admin()).json()["providers"];
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0]["id"], "anthropic");
  EXPECT_EQ(list[0]["usable"], true);
  EXPECT_EQ(list[0]["models"][0]["model"], "claude-3-haiku");
}

} // namespace
