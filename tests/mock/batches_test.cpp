#include "bench.hpp"
#include "mock/multipart.hpp"

#include <gtest/gtest.h>

#include <set>

namespace assay::mock {

namespace {

using nlohmann::json;
using header_map = service_bench::header_map;

const header_map form{{"content-type", "multipart/form-data; boundary=XX"}};
const header_map version{{"anthropic-version", "2023-06-01"}, {"host", "mock:1"}};

options slow_batches(const char* faults = "[]") {
  auto value = struck_by(faults);
  value.batch_time = seconds(100);
  return value;
}

std::string form_of(std::string_view content, std::string_view purpose = "batch") {
  return "--XX\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n" + std::string(purpose)
         + "\r\n--XX\r\nContent-Disposition: form-data; name=\"file\"; "
           "filename=\"in.jsonl\"\r\nContent-Type: "
           "application/jsonl\r\n\r\n"
         + std::string(content) + "\r\n--XX--\r\n";
}

json chat_line(const std::string& id, const std::string& model = "sim-p100") {
  return {{"custom_id", id},
          {"method", "POST"},
          {"url", "/v1/chat/completions"},
          {"body", {{"model", model}, {"messages", {{{"role", "user"}, {"content", "2+2?"}}}}}}};
}

std::string lines_of(int count) {
  std::string out;
  for (int i = 0; i < count; ++i)
    out += chat_line("r" + std::to_string(i)).dump() + "\n";
  return out;
}

std::string uploaded(service_bench& bench, std::string_view content, std::string_view prefix = "/v1",
                     std::string_view query = {}) {
  const auto answer =
      bench.send("POST", std::string(prefix) + "/files" + std::string(query), form_of(content), form);
  EXPECT_EQ(answer.status, 200) << answer.body;
  return answer.json()["id"];
}

json created(service_bench& bench, const std::string& file) {
  return bench
      .post("/v1/batches",
            {{"input_file_id", file}, {"endpoint", "/v1/chat/completions"}, {"completion_window", "24h"}})
      .json();
}

std::vector<json> json_lines(const std::string& text) {
  std::vector<json> out;
  for (size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    out.push_back(json::parse(text.substr(at, end - at)));
    at = end + 1;
  }
  return out;
}

std::vector<std::string> ids_of(const std::vector<json>& lines, const char* name = "custom_id") {
  std::vector<std::string> out;
  for (const auto& line : lines)
    out.push_back(line[name]);
  return out;
}

json message_request(const std::string& id, const std::string& model = "sim-p100") {
  return {{"custom_id", id},
          {"params",
           {{"model", model}, {"max_tokens", 50}, {"messages", {{{"role", "user"}, {"content", "2+2?"}}}}}}};
}

} // namespace

TEST(mock_multipart, IsSplitAtItsBoundary) {
  const auto form = form_of("a\r\n--X\r\nb"); // The parts are views of it.
  const auto parts = split_multipart("multipart/form-data; boundary=\"XX\"", form);
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 2);
  EXPECT_EQ((*parts)[0].name, "purpose");
  EXPECT_EQ((*parts)[0].content, "batch");
  EXPECT_EQ((*parts)[1].filename, "in.jsonl");
  EXPECT_EQ((*parts)[1].content_type, "application/jsonl");
  EXPECT_EQ((*parts)[1].content, "a\r\n--X\r\nb");
  EXPECT_FALSE(split_multipart("multipart/form-data", form_of("a")));
  EXPECT_FALSE(split_multipart("application/json; boundary=XX", form_of("a")));
  EXPECT_FALSE(split_multipart("multipart/form-data; boundary=YY", form_of("a")));
  EXPECT_FALSE(split_multipart("multipart/form-data; boundary=XX", form_of("a").substr(0, 100)));
  EXPECT_FALSE(split_multipart("multipart/form-data; boundary=XX", "--XX"));
  EXPECT_EQ(split_multipart("multipart/form-data; boundary=XX", "--XX\r\n\r\n--XX--")->size(), 1);
}

TEST(mock_openai_batch, KeepsFilesPerKey) {
  service_bench bench;
  const auto a =
      header_map{{"content-type", "multipart/form-data; boundary=XX"}, {"authorization", "Bearer a"}};
  const auto file = bench.send("POST", "/v1/files", form_of("{}"), a).json();
  EXPECT_EQ(file["object"], "file");
  EXPECT_EQ(file["bytes"], 2);
  EXPECT_EQ(file["purpose"], "batch");
  EXPECT_EQ(file["status"], "processed");
  EXPECT_EQ(file["filename"], "in.jsonl");
  const auto path = "/v1/files/" + file["id"].get<std::string>();
  EXPECT_EQ(bench.get(path, a).json()["id"], file["id"]);
  EXPECT_EQ(bench.get(path + "/content", a).body, "{}");
  EXPECT_EQ(bench.get("/v1/files", a).json()["data"].size(), 1);
  EXPECT_EQ(bench.get(path, {{"authorization", "Bearer b"}}).status, 404);
  EXPECT_EQ(bench.send("DELETE", path, {}, a).json()["deleted"], true);
  EXPECT_EQ(bench.get(path, a).status, 404);
  EXPECT_EQ(bench.send("POST", "/v1/files", "no form", form).status, 400);
  EXPECT_EQ(bench.send("POST", "/v1/files", form_of("x", ""), form).status, 400);
}

TEST(mock_openai_batch, GoesThroughItsStatesAndWritesUnorderedResults) {
  service_bench bench(slow_batches(), small_sums());
  auto batch = created(bench, uploaded(bench, lines_of(40)));
  EXPECT_EQ(batch["status"], "validating");
  EXPECT_EQ(batch["object"], "batch");
  const auto path = "/v1/batches/" + batch["id"].get<std::string>();
  const auto after = [&](seconds time) {
    bench.now += time;
    return bench.get(path).json();
  };
  EXPECT_EQ(after(seconds(4))["status"], "validating");
  batch = after(seconds(46));
  EXPECT_EQ(batch["status"], "in_progress");
  EXPECT_EQ(batch["request_counts"], json({{"total", 40}, {"completed", 20}, {"failed", 0}}));
  EXPECT_TRUE(batch["output_file_id"].is_null());
  EXPECT_EQ(after(seconds(46))["status"], "finalizing");
  batch = after(seconds(4));
  EXPECT_EQ(batch["status"], "completed");
  EXPECT_EQ(batch["completed_at"].get<int64_t>() - batch["created_at"].get<int64_t>(), 100);
  EXPECT_EQ(batch["expires_at"].get<int64_t>() - batch["created_at"].get<int64_t>(), 86'400);
  EXPECT_TRUE(batch["error_file_id"].is_null());
  EXPECT_EQ(batch["usage"]["output_tokens"], 160);
  const auto results =
      json_lines(bench.get("/v1/files/" + batch["output_file_id"].get<std::string>() + "/content").body);
  ASSERT_EQ(results.size(), 40);
  EXPECT_EQ(results[0]["response"]["status_code"], 200);
  EXPECT_EQ(results[0]["response"]["body"]["choices"][0]["message"]["content"], "The answer is 4.");
  EXPECT_TRUE(results[0]["error"].is_null());
  auto ids = ids_of(results);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 40);
  EXPECT_NE(ids.front() + ids[1] + ids[2], "r0r1r2");
  const auto calls = bench.get("/mock/calls?list=100").json();
  EXPECT_EQ(calls["calls"].size(), 40);
  EXPECT_EQ(calls["calls"][0]["custom_id"], "r0");
  EXPECT_EQ(calls["calls"][0]["path"], "batch:/v1/chat/completions");
}

TEST(mock_openai_batch, PutsFailuresIntoASecondFile) {
  service_bench bench(slow_batches(R"([{"kind":"status","status":500,"path":"batch:","calls":[2]}])"),
                      small_sums());
  const auto id = created(bench, uploaded(bench, lines_of(3)))["id"].get<std::string>();
  bench.now += seconds(100);
  const auto batch = bench.get("/v1/batches/" + id).json();
  EXPECT_EQ(batch["status"], "completed");
  EXPECT_EQ(batch["request_counts"], json({{"total", 3}, {"completed", 2}, {"failed", 1}}));
  const auto failed =
      json_lines(bench.get("/v1/files/" + batch["error_file_id"].get<std::string>() + "/content").body);
  ASSERT_EQ(failed.size(), 1);
  EXPECT_EQ(failed[0]["custom_id"], "r1");
  EXPECT_EQ(failed[0]["response"]["status_code"], 500);
  EXPECT_EQ(failed[0]["response"]["body"]["error"]["type"], "server_error");
}

TEST(mock_openai_batch, ExpiresWithWhatItHasUnlessItIsAzures) {
  auto value = slow_batches();
  value.batch_window = seconds(50);
  service_bench bench(value, small_sums());
  const auto id = created(bench, uploaded(bench, lines_of(10)))["id"].get<std::string>();
  const std::string azure = "/openai/batches";
  const auto other = bench
                         .post(azure + "?api-version=1",
                               {{"input_file_id", uploaded(bench, lines_of(10), "/openai", "?api-version=1")},
                                {"endpoint", "/v1/chat/completions"},
                                {"completion_window", "24h"}})
                         .json()["id"]
                         .get<std::string>();
  bench.now += seconds(60);
  const auto batch = bench.get("/v1/batches/" + id).json();
  EXPECT_EQ(batch["status"], "expired");
  EXPECT_EQ(batch["request_counts"]["completed"], 5);
  const auto lost =
      json_lines(bench.get("/v1/files/" + batch["error_file_id"].get<std::string>() + "/content").body);
  ASSERT_EQ(lost.size(), 5);
  EXPECT_TRUE(lost[0]["response"].is_null());
  EXPECT_EQ(lost[0]["error"]["code"], "batch_expired");
  EXPECT_EQ(bench.get(azure + "/" + other + "?api-version=1").json()["status"], "in_progress");
  bench.now += seconds(60);
  EXPECT_EQ(bench.get(azure + "/" + other + "?api-version=1").json()["status"], "completed");
}

TEST(mock_openai_batch, CanBeCancelled) {
  service_bench bench(slow_batches(), small_sums());
  const auto path = "/v1/batches/" + created(bench, uploaded(bench, lines_of(10)))["id"].get<std::string>();
  bench.now += seconds(50);
  EXPECT_EQ(bench.send("POST", path + "/cancel").json()["status"], "cancelling");
  bench.now += seconds(1);
  const auto batch = bench.get(path).json();
  EXPECT_EQ(batch["status"], "cancelled");
  EXPECT_FALSE(batch["cancelled_at"].is_null());
  EXPECT_EQ(json_lines(bench.get("/v1/files/" + batch["output_file_id"].get<std::string>() + "/content").body)
                .size(),
            5);
  EXPECT_EQ(bench.send("POST", path + "/cancel").json()["status"], "cancelled");
}

TEST(mock_openai_batch, FailsWhenItsFileIsNoGood) {
  service_bench bench(slow_batches());
  const auto code = [&](const std::string& content) {
    const auto id = created(bench, uploaded(bench, content))["id"].get<std::string>();
    bench.now += seconds(5);
    const auto batch = bench.get("/v1/batches/" + id).json();
    EXPECT_EQ(batch["status"], "failed");
    return batch["errors"]["data"][0]["code"].get<std::string>() + " "
           + batch["errors"]["data"][0]["line"].dump();
  };
  EXPECT_EQ(code("not json\n"), "invalid_json_line 1");
  EXPECT_EQ(code(chat_line("a").dump() + "\n" + chat_line("a").dump()), "duplicate_custom_id 2");
  EXPECT_EQ(code(chat_line("a").dump() + "\n\n" + chat_line("b", "other").dump()), "mismatched_model 3");
  auto line = chat_line("a");
  line["url"] = "/v1/embeddings";
  EXPECT_EQ(code(line.dump()), "mismatched_url 1");
  EXPECT_EQ(code("\n"), "empty_file 0");
}

TEST(mock_openai_batch, RefusesABatchWithoutItsParts) {
  service_bench bench;
  const auto param = [&](const json& body) {
    const auto answer = bench.post("/v1/batches", body);
    EXPECT_EQ(answer.status, 400);
    return answer.json()["error"]["param"].get<std::string>();
  };
  json body{{"input_file_id", "file-x"}, {"endpoint", "/v1/chat/completions"}, {"completion_window", "24h"}};
  EXPECT_EQ(param(body), "input_file_id");
  body["completion_window"] = "1h";
  EXPECT_EQ(param(body), "completion_window");
  body["endpoint"] = "/v1/nothing";
  EXPECT_EQ(param(body), "endpoint");
  EXPECT_EQ(param({{"requests", json::array()}}), "input_file_id");
  EXPECT_EQ(bench.get("/v1/batches/batch_x").status, 404);
}

TEST(mock_openai_batch, RunsEmbeddingsAndListsInPages) {
  service_bench bench(slow_batches());
  const json line{{"custom_id", "e"},
                  {"method", "POST"},
                  {"url", "/v1/embeddings"},
                  {"body", {{"model", "sim-strong"}, {"input", "x"}, {"dimensions", 4}}}};
  const auto file = uploaded(bench, line.dump());
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i)
    ids.push_back(bench
                      .post("/v1/batches", {{"input_file_id", file},
                                            {"endpoint", "/v1/embeddings"},
                                            {"completion_window", "24h"},
                                            {"metadata", {{"n", std::to_string(i)}}}})
                      .json()["id"]);
  bench.now += seconds(100);
  const auto first = bench.get("/v1/batches?limit=2").json();
  EXPECT_EQ(first["has_more"], true);
  EXPECT_EQ(first["first_id"], ids[2]);
  EXPECT_EQ(first["data"][0]["metadata"]["n"], "2");
  const auto rest = bench.get("/v1/batches?limit=2&after=" + first["last_id"].get<std::string>()).json();
  ASSERT_EQ(rest["data"].size(), 1);
  EXPECT_EQ(rest["data"][0]["id"], ids[0]);
  const auto output =
      bench.get("/v1/files/" + rest["data"][0]["output_file_id"].get<std::string>() + "/content");
  EXPECT_EQ(json::parse(output.body)["response"]["body"]["data"][0]["embedding"].size(), 4);
}

TEST(mock_anthropic_batch, KeepsItsCountsAtZeroUntilTheEnd) {
  service_bench bench(slow_batches(), small_sums());
  const auto requests =
      json::array({message_request("a"), message_request("b", "nobody"), message_request("c")});
  auto batch = bench.post("/v1/messages/batches", {{"requests", requests}}, version).json();
  EXPECT_EQ(batch["type"], "message_batch");
  EXPECT_EQ(batch["processing_status"], "in_progress");
  EXPECT_TRUE(batch["results_url"].is_null());
  const auto path = "/v1/messages/batches/" + batch["id"].get<std::string>();
  bench.now += seconds(90);
  batch = bench.get(path, version).json();
  EXPECT_EQ(batch["request_counts"],
            json({{"processing", 3}, {"succeeded", 0}, {"errored", 0}, {"canceled", 0}, {"expired", 0}}));
  EXPECT_EQ(bench.get(path + "/results", version).status, 404);
  EXPECT_EQ(bench.send("DELETE", path, {}, version).status, 400);
  bench.now += seconds(10);
  batch = bench.get(path, version).json();
  EXPECT_EQ(batch["processing_status"], "ended");
  EXPECT_EQ(batch["request_counts"],
            json({{"processing", 0}, {"succeeded", 2}, {"errored", 1}, {"canceled", 0}, {"expired", 0}}));
  EXPECT_EQ(batch["results_url"], "http://mock:1" + path + "/results");
  EXPECT_TRUE(from_rfc3339(batch["ended_at"].get<std::string>()));
  std::map<std::string, json> results;
  for (const auto& line : json_lines(bench.get(path + "/results", version).body))
    results[line["custom_id"]] = line["result"];
  ASSERT_EQ(results.size(), 3);
  EXPECT_EQ(results["a"]["type"], "succeeded");
  EXPECT_EQ(results["a"]["message"]["content"][0]["text"], "The answer is 4.");
  EXPECT_EQ(results["a"]["message"]["usage"]["service_tier"], "batch");
  EXPECT_EQ(results["b"]["type"], "errored");
  EXPECT_EQ(results["b"]["error"]["error"]["type"], "not_found_error");
  EXPECT_TRUE(results["b"]["error"]["request_id"].is_null());
  EXPECT_EQ(bench.send("DELETE", path, {}, version).json()["type"], "message_batch_deleted");
  EXPECT_EQ(bench.get(path, version).status, 404);
}

TEST(mock_anthropic_batch, CancelsAndExpires) {
  auto value = slow_batches();
  value.batch_window = seconds(50);
  service_bench bench(value, small_sums());
  auto requests = json::array();
  for (int i = 0; i < 10; ++i)
    requests.push_back(message_request("m" + std::to_string(i)));
  const auto add = [&] {
    return "/v1/messages/batches/"
           + bench.post("/v1/messages/batches", {{"requests", requests}}, version)
                 .json()["id"]
                 .get<std::string>();
  };
  const auto expiring = add();
  const auto cancelled = add();
  bench.now += seconds(14);
  EXPECT_EQ(bench.send("POST", cancelled + "/cancel", {}, version).json()["processing_status"], "canceling");
  bench.now += seconds(36);
  const auto a = bench.get(expiring, version).json();
  EXPECT_EQ(a["processing_status"], "ended");
  EXPECT_EQ(a["request_counts"]["expired"], 5);
  const auto b = bench.get(cancelled, version).json();
  EXPECT_EQ(b["request_counts"]["canceled"], 9);
  EXPECT_EQ(b["request_counts"]["succeeded"], 1);
  EXPECT_FALSE(b["cancel_initiated_at"].is_null());
  std::multiset<std::string> types;
  for (const auto& line : json_lines(bench.get(cancelled + "/results", version).body))
    types.insert(line["result"]["type"]);
  EXPECT_EQ(types.count("canceled"), 9);
  EXPECT_EQ(bench.get("/v1/messages/batches?limit=1", version).json()["has_more"], true);
}

TEST(mock_anthropic_batch, ChecksItsRequests) {
  service_bench bench;
  const auto message = [&](const json& body) {
    const auto answer = bench.post("/v1/messages/batches", body, version);
    EXPECT_EQ(answer.status, 400);
    return answer.json()["error"]["message"].get<std::string>();
  };
  EXPECT_EQ(message({{"input_file_id", "x"}}), "requests: Field required");
  EXPECT_NE(message({{"requests", json::array()}}).find("at least 1"), std::string::npos);
  EXPECT_NE(message({{"requests", {message_request("a"), message_request("a")}}}).find("not unique"),
            std::string::npos);
  EXPECT_NE(message({{"requests", {message_request("no blanks")}}}).find("pattern"), std::string::npos);
  EXPECT_EQ(bench.post("/v1/messages/batches", {{"requests", {message_request("a")}}}).status, 400);
}

TEST(mock_gemini_batch, RunsInlineRequestsAndKeepsTheirMetadata) {
  service_bench bench(slow_batches(), small_sums());
  const json request{{"contents", {{{"parts", {{{"text", "2+2?"}}}}}}}};
  const json body{
      {"batch",
       {{"displayName", "job"},
        {"inputConfig",
         {{"requests",
           {{"requests",
             {{{"request", request}, {"metadata", {{"key", "r1"}}}},
              {{"request", {{"contents", json::array()}}}, {"metadata", {{"key", "r2"}}}}}}}}}}}}};
  auto operation = bench.post("/v1beta/models/sim-p100:batchGenerateContent", body).json();
  EXPECT_EQ(operation["metadata"]["state"], "BATCH_STATE_PENDING");
  EXPECT_EQ(operation["metadata"]["displayName"], "job");
  EXPECT_FALSE(operation.contains("done"));
  const auto path = "/v1beta/" + operation["name"].get<std::string>();
  bench.now += seconds(50);
  EXPECT_EQ(bench.get(path).json()["metadata"]["state"], "BATCH_STATE_RUNNING");
  bench.now += seconds(50);
  operation = bench.get(path).json();
  EXPECT_EQ(operation["metadata"]["state"], "BATCH_STATE_SUCCEEDED");
  EXPECT_EQ(operation["done"], true);
  EXPECT_EQ(operation["metadata"]["batchStats"]["successfulRequestCount"], "1");
  const auto answers = operation["metadata"]["output"]["inlinedResponses"]["inlinedResponses"];
  ASSERT_EQ(answers.size(), 2);
  EXPECT_EQ(answers[0]["metadata"]["key"], "r1");
  EXPECT_EQ(answers[0]["response"]["candidates"][0]["content"]["parts"][0]["text"], "The answer is 4.");
  EXPECT_EQ(answers[1]["error"]["status"], "INVALID_ARGUMENT");
  EXPECT_EQ(bench.get("/v1beta/batches").json()["operations"].size(), 1);
  EXPECT_EQ(bench.get("/mock/calls?list=1").json()["calls"][0]["custom_id"], "r1");
  EXPECT_EQ(bench.send("DELETE", path).status, 200);
  EXPECT_EQ(bench.get(path).status, 404);
}

TEST(mock_gemini_batch, ReadsAnUploadedFileAndWritesAnother) {
  service_bench bench(slow_batches(), small_sums());
  const auto begun = bench.send(
      "POST", "/upload/v1beta/files", R"({"file":{"displayName":"in","mimeType":"application/jsonl"}})",
      {{"x-goog-upload-protocol", "resumable"}, {"x-goog-upload-command", "start"}, {"host", "mock:1"}});
  const auto url = begun.header("x-goog-upload-url");
  ASSERT_TRUE(url.starts_with("http://mock:1/upload/v1beta/files?upload_id=")) << url;
  const auto target = url.substr(std::string("http://mock:1").size());
  const auto line = [](const std::string& key) {
    return json({{"key", key}, {"request", {{"contents", {{{"parts", {{{"text", "2+2?"}}}}}}}}}}).dump()
           + "\n";
  };
  const auto half = bench.send("POST", target, line("a"), {{"x-goog-upload-command", "upload"}});
  EXPECT_EQ(half.header("x-goog-upload-status"), "active");
  const auto done = bench.send("POST", target, line("b"), {{"x-goog-upload-command", "upload, finalize"}});
  EXPECT_EQ(done.header("x-goog-upload-status"), "final");
  const auto file = done.json()["file"];
  EXPECT_EQ(file["displayName"], "in");
  EXPECT_EQ(file["state"], "ACTIVE");
  const auto name = bench
                        .post("/v1beta/models/sim-p100:batchGenerateContent",
                              {{"batch", {{"inputConfig", {{"fileName", file["name"]}}}}}})
                        .json()["name"]
                        .get<std::string>();
  bench.now += seconds(100);
  const auto operation = bench.get("/v1beta/" + name).json();
  const auto output = operation["metadata"]["output"]["responsesFile"].get<std::string>();
  const auto results = json_lines(bench.get("/download/v1beta/" + output + ":download?alt=media").body);
  auto keys = ids_of(results, "key");
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(keys, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(results[0]["response"]["candidates"][0]["finishReason"], "STOP");
}

TEST(mock_gemini_batch, CancelsExpiresAndFails) {
  auto value = slow_batches();
  value.batch_window = seconds(50);
  service_bench bench(value);
  const json requests{{"requests", {{{"request", {{"contents", {{{"parts", {{{"text", "x"}}}}}}}}}}}}};
  const auto add = [&] {
    return "/v1beta/"
           + bench
                 .post("/v1beta/models/sim-strong:batchGenerateContent",
                       {{"batch", {{"inputConfig", {{"requests", requests}}}}}})
                 .json()["name"]
                 .get<std::string>();
  };
  const auto expiring = add();
  const auto cancelled = add();
  EXPECT_EQ(bench.send("POST", cancelled + ":cancel").body, "{}");
  bench.now += seconds(50);
  EXPECT_EQ(bench.get(expiring).json()["metadata"]["state"], "BATCH_STATE_EXPIRED");
  EXPECT_EQ(bench.get(cancelled).json()["metadata"]["state"], "BATCH_STATE_CANCELLED");
  EXPECT_EQ(bench.post("/v1beta/models/sim-strong:batchGenerateContent", {{"batch", json::object()}}).status,
            400);
}

TEST(mock_gemini_batch, EmbedsInABatch) {
  service_bench bench(slow_batches());
  const json request{{"content", {{"parts", {{{"text", "x"}}}}}}, {"outputDimensionality", 4}};
  const auto name =
      bench
          .post("/v1beta/models/sim-strong:asyncBatchEmbedContent",
                {{"batch", {{"inputConfig", {{"requests", {{"requests", {{{"request", request}}}}}}}}}}})
          .json()["name"]
          .get<std::string>();
  bench.now += seconds(100);
  const auto output = bench.get("/v1beta/" + name).json()["metadata"]["output"];
  EXPECT_EQ(
      output["inlinedEmbedContentResponses"]["inlinedResponses"][0]["response"]["embedding"]["values"].size(),
      4);
}

TEST(mock_batches, AreForgottenByAReset) {
  service_bench bench(slow_batches());
  uploaded(bench, "x");
  bench.post("/v1/messages/batches", {{"requests", {message_request("a")}}}, version);
  EXPECT_EQ(bench.send("POST", "/mock/reset").status, 200);
  EXPECT_TRUE(bench.get("/v1/files").json()["data"].empty());
  EXPECT_TRUE(bench.get("/v1/messages/batches", version).json()["data"].empty());
}

TEST(mock_batches, RefuseWhatHasNoRoom) {
  auto value = slow_batches();
  value.max_stored = 1000;
  service_bench bench(value);
  EXPECT_EQ(bench.send("POST", "/v1/files", form_of(std::string(900, 'x')), form).status, 200);
  EXPECT_EQ(bench.send("POST", "/v1/files", form_of(std::string(900, 'x')), form).status, 400);
  auto requests = json::array();
  for (int i = 0; i < 10; ++i)
    requests.push_back(message_request("m" + std::to_string(i)));
  EXPECT_EQ(bench.post("/v1/messages/batches", {{"requests", requests}}, version).status, 400);
}

} // namespace assay::mock
