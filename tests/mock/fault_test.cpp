#include "client.hpp"

#include <gtest/gtest.h>

namespace assay::mock {

namespace {

raw_answer struck_by(const std::string& rule, nlohmann::json more = nlohmann::json::object()) {
  const auto server = started(with_faults("[" + rule + "]"));
  return ask(*server, chat("sim-strong", "hello", std::move(more)));
}

const nlohmann::json streamed{{"stream", true}};

} // namespace

TEST(mock_fault, StatusesComeWithTheProvidersBodies) {
  const auto code = [](int status) {
    const auto answer = struck_by(R"({"kind":"status","ms":3000,"status":)" + std::to_string(status) + "}");
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.header("retry-after"), "3");
    const auto error = answer.json()["error"];
    for (const auto* member : {"message", "type", "param", "code"})
      EXPECT_TRUE(error.contains(member)) << member;
    return error["code"].is_null() ? error["type"].get<std::string>() : error["code"].get<std::string>();
  };
  EXPECT_EQ(code(400), "invalid_request_error");
  EXPECT_EQ(code(401), "invalid_api_key");
  EXPECT_EQ(code(429), "rate_limit_exceeded");
  EXPECT_EQ(code(500), "server_error");
  EXPECT_EQ(code(503), "server_is_overloaded");
  EXPECT_EQ(code(529), "overloaded_error");
}

TEST(mock_fault, RateLimitSaysHowLongToWaitAndQuotaDoesNot) {
  const auto limit = struck_by(R"({"kind":"rate_limit","ms":1200})");
  EXPECT_EQ(limit.status, 429);
  EXPECT_EQ(limit.header("retry-after"), "2");
  EXPECT_NE(limit.body.find("Please try again in 1.2s."), std::string::npos);
  const auto quota = struck_by(R"({"kind":"insufficient_quota"})");
  EXPECT_EQ(quota.status, 429);
  EXPECT_EQ(quota.header("retry-after"), "");
  EXPECT_EQ(quota.json()["error"]["code"], "insufficient_quota");
}

TEST(mock_fault, ResetAndCloseEndTheConnectionWithoutAnAnswer) {
  const auto reset = struck_by(R"({"kind":"reset"})");
  EXPECT_TRUE(reset.reset);
  EXPECT_EQ(reset.bytes, "");
  const auto close = struck_by(R"({"kind":"close"})");
  EXPECT_FALSE(close.reset);
  EXPECT_EQ(close.bytes, "");
}

TEST(mock_fault, TruncationSendsLessThanPromised) {
  const auto plain = struck_by(R"({"kind":"truncated_body"})");
  EXPECT_EQ(plain.status, 200);
  EXPECT_FALSE(plain.whole);
  EXPECT_GT(plain.body.size(), 100);
  const auto stream = struck_by(R"({"kind":"truncated_body"})", streamed);
  EXPECT_FALSE(stream.whole);
  EXPECT_NE(stream.body.find("data: {"), std::string::npos);
  EXPECT_EQ(stream.body.find("[DONE]"), std::string::npos);
}

TEST(mock_fault, HangsEndOnlyWithTheClientOrTheirTime) {
  const auto server = started(with_faults(R"([{"kind":"hang_mid_body","times":1},
    {"kind":"hang_before_header","times":1},{"kind":"hang_before_header","ms":1}])"));
  {
    raw_client first(server->port());
    raw_client second(server->port());
    first.send(chat("sim-strong", "hello"));
    const auto head = first.peek(500);
    EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK"));
    second.send(chat("sim-strong", "hello"));
    while (ask(*server, get("/mock/calls")).json()["in_flight"] != 2) {
    }
  }
  while (ask(*server, get("/mock/calls")).json()["dropped"] != 2) {
  }
  raw_client third(server->port());
  third.send(chat("sim-strong", "hello"));
  EXPECT_TRUE(third.ended_by_server());
}

TEST(mock_fault, AWrongLengthLeavesARestInTheConnection) {
  const auto server = started(with_faults(R"([{"kind":"wrong_content_length","times":1}])"));
  raw_client client(server->port());
  client.send(chat("sim-strong", "hello"));
  const auto broken = client.receive();
  EXPECT_EQ(broken.status, 200);
  EXPECT_FALSE(nlohmann::json::accept(broken.body));
  EXPECT_EQ(client.peek(10).size(), 10);
  client.send(chat("sim-strong", "hello"));
  EXPECT_TRUE(client.peek(30).substr(10).starts_with("HTTP/1.1 200 OK"));
}

TEST(mock_fault, GarbageIsNotHttp) {
  const auto answer = struck_by(R"({"kind":"garbage"})");
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(answer.bytes.size(), 64);
}

TEST(mock_fault, AHugeBodyIsCorrectAndHuge) {
  const auto plain = struck_by(R"({"kind":"huge_body","bytes":3000000})");
  EXPECT_EQ(plain.body.size(), 3'000'000);
  EXPECT_GT(plain.json()["choices"][0]["message"]["content"].get<std::string>().size(), 2'990'000);
  const auto stream = struck_by(R"({"kind":"huge_body","bytes":3000000})", streamed);
  EXPECT_EQ(stream.body.size(), 3'000'000);
  EXPECT_TRUE(stream.body.ends_with("data: [DONE]\n\n"));
}

TEST(mock_fault, AHundredMegabytesArriveWhole) {
  const auto answer = struck_by(R"({"kind":"huge_body"})");
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(answer.body.size(), 100'000'000);
}

TEST(mock_fault, ASlowDripArrivesWhole) {
  const auto answer = struck_by(R"({"kind":"slow_drip","ms":0})");
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(answer.json()["simulated"], true);
}

TEST(mock_fault, InvalidUtf8IsInTheText) {
  for (const auto& more : {nlohmann::json::object(), streamed}) {
    const auto answer = struck_by(R"({"kind":"invalid_utf8"})", more);
    EXPECT_EQ(answer.status, 200);
    EXPECT_NE(answer.body.find("\xFF\xFE"), std::string::npos);
    EXPECT_THROW(answer.json(), nlohmann::json::exception);
  }
}

TEST(mock_fault, HeadersCanContradictThemselves) {
  const auto answer = struck_by(R"({"kind":"duplicate_headers"})");
  EXPECT_EQ(answer.headers.count("content-type"), 2);
  EXPECT_EQ(answer.headers.count("x-request-id"), 2);
  EXPECT_EQ(answer.json()["simulated"], true);
}

TEST(mock_fault, BodiesCanBeEmptyOrHtml) {
  const auto empty = struck_by(R"({"kind":"empty_body"})");
  EXPECT_EQ(empty.status, 200);
  EXPECT_TRUE(empty.whole);
  EXPECT_EQ(empty.body, "");
  const auto html = struck_by(R"({"kind":"html_body"})");
  EXPECT_EQ(html.status, 502);
  EXPECT_EQ(html.header("content-type"), "text/html");
  EXPECT_TRUE(html.body.starts_with("<html>"));
}

TEST(mock_fault, StreamsCanEndWithoutTheirEnd) {
  const auto usage = nlohmann::json{{"stream", true}, {"stream_options", {{"include_usage", true}}}};
  for (const auto& more : {streamed, usage}) {
    const auto open_end = struck_by(R"({"kind":"stream_without_done"})", more);
    EXPECT_TRUE(open_end.whole);
    EXPECT_EQ(open_end.body.find("[DONE]"), std::string::npos);
    EXPECT_EQ(open_end.body.find("\"stop\""), std::string::npos);
    EXPECT_NE(open_end.body.find("\"content\":"), std::string::npos);
  }
  const auto error = struck_by(R"({"kind":"stream_error"})", streamed);
  EXPECT_TRUE(error.whole);
  EXPECT_EQ(error.body.find("[DONE]"), std::string::npos);
  EXPECT_NE(error.body.find("data: {\"error\":"), std::string::npos);
  EXPECT_TRUE(struck_by(R"({"kind":"stream_error"})").json().contains("choices"));
}

TEST(mock_fault, AWaitIsToldInTheWayOfTheScript) {
  const auto headers = [](const char* hint) {
    const auto answer =
        struck_by(std::string(R"({"kind":"rate_limit","ms":2500,"retry_after":")") + hint + "\"}");
    EXPECT_EQ(answer.status, 429);
    const bool in_body = answer.body.find("Please try again in 2.5s") != std::string::npos;
    return answer.header("retry-after") + "/" + answer.header("retry-after-ms") + (in_body ? "/body" : "/");
  };
  EXPECT_EQ(headers("usual"), "3/2500/body");
  EXPECT_EQ(headers("seconds"), "3//body");
  EXPECT_EQ(headers("ms"), "/2500/body");
  EXPECT_EQ(headers("body"), "//body");
  EXPECT_EQ(headers("none"), "//");
  const auto date = headers("date");
  EXPECT_TRUE(date.find(" GMT//body") != std::string::npos) << date;
}

TEST(mock_fault, AChunkCanPromiseMoreThanItHolds) {
  for (const auto& more : {nlohmann::json::object(), streamed}) {
    const auto answer = struck_by(R"({"kind":"truncated_chunk"})", more);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.header("transfer-encoding"), "chunked");
    EXPECT_FALSE(answer.whole);
  }
}

TEST(mock_fault, AResetCanComeInTheMiddle) {
  const auto answer = struck_by(R"({"kind":"reset_mid_body"})");
  EXPECT_FALSE(answer.whole);
  EXPECT_TRUE(answer.reset || answer.status == 200);
}

TEST(mock_fault, JsonCanBeBroken) {
  const auto plain = struck_by(R"({"kind":"bad_json"})");
  EXPECT_EQ(plain.status, 200);
  EXPECT_TRUE(plain.whole);
  EXPECT_FALSE(nlohmann::json::accept(plain.body));
  const auto stream = struck_by(R"({"kind":"bad_json"})", streamed);
  EXPECT_TRUE(stream.body.ends_with("data: [DONE]\n\n"));
  int broken = 0;
  for (size_t at = 0; at < stream.body.size();) {
    const auto end = stream.body.find("\n\n", at);
    const auto text = stream.body.substr(at + 6, end - at - 6);
    broken += text != "[DONE]" && !nlohmann::json::accept(text) ? 1 : 0;
    at = end + 2;
  }
  EXPECT_EQ(broken, 1);
}

TEST(mock_fault, AnErrorCanComeWithStatus200) {
  const auto plain = struck_by(R"({"kind":"error_in_200","status":503})");
  EXPECT_EQ(plain.status, 200);
  EXPECT_EQ(plain.json()["error"]["code"], "server_is_overloaded");
  const auto stream = struck_by(R"({"kind":"error_in_200","status":503})", streamed);
  EXPECT_TRUE(stream.whole);
  EXPECT_TRUE(stream.body.starts_with("data: {\"error\":"));
}

TEST(mock_fault, SignsOfLifeComeBeforeTheAnswer) {
  const auto plain = struck_by(R"({"kind":"keep_alive","count":2,"ms":0})");
  EXPECT_TRUE(plain.body.starts_with("\n\n{"));
  EXPECT_EQ(plain.json()["simulated"], true);
  const auto stream = struck_by(R"({"kind":"keep_alive","count":2,"ms":0})", streamed);
  EXPECT_NE(stream.body.find(": keep-alive\n\n: keep-alive\n\ndata: "), std::string::npos);
}

TEST(mock_fault, AFilterAndADailyQuotaSpeakAsTheProviderDoes) {
  const auto filtered = struck_by(R"({"kind":"content_filter"})");
  EXPECT_EQ(filtered.status, 200);
  EXPECT_EQ(filtered.json()["choices"][0]["finish_reason"], "content_filter");
  const auto quota = struck_by(R"({"kind":"daily_quota"})");
  EXPECT_EQ(quota.status, 429);
  EXPECT_NE(quota.body.find("requests per day"), std::string::npos);
}

TEST(mock_fault, ListingsFilesAndBatchesCanBeStruckByTheirPath) {
  const auto server = started(with_faults(R"([{"kind":"status","status":503,"path":"/v1/batches"},
    {"kind":"truncated_body","path":"/v1/models"}])"));
  EXPECT_EQ(ask(*server, get("/v1/batches")).status, 503);
  EXPECT_FALSE(ask(*server, get("/v1/models")).whole);
  EXPECT_EQ(ask(*server, get("/v1/files")).status, 200);
  EXPECT_EQ(ask(*server, chat("sim-strong", "x")).status, 200);
}

TEST(mock_fault, RulesCanBeChangedWhileItRuns) {
  const auto server = started(with_faults(R"([{"kind":"status","status":500}])"));
  EXPECT_EQ(ask(*server, chat("sim-strong", "x")).status, 500);
  const auto changed = ask(*server, post("/mock/faults", R"([{"kind":"status","status":503,"every":2}])"));
  EXPECT_EQ(changed.status, 200);
  EXPECT_EQ(changed.json()["faults"][0]["status"], 503);
  EXPECT_EQ(ask(*server, chat("sim-strong", "x")).status, 200);
  EXPECT_EQ(ask(*server, chat("sim-strong", "x")).status, 503);
  EXPECT_EQ(ask(*server, get("/mock/faults")).json()["faults"][0]["struck"], 1);
  const auto refused = ask(*server, post("/mock/faults", R"([{"kind":"explode"}])"));
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.json()["error"]["param"], "faults[0].kind");
  EXPECT_EQ(ask(*server, post("/mock/reset", "")).status, 200);
  EXPECT_EQ(ask(*server, chat("sim-strong", "x")).status, 500);
  EXPECT_EQ(ask(*server, get("/mock/calls")).json()["received"], 1);
}

} // namespace assay::mock
