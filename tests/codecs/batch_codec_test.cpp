#include "core/codecs/batch_codec.hpp"
#include "tests/codecs/codec_support.hpp"

#include <sstream>

namespace assay::codecs {
namespace {

using nlohmann::json;
using test::answered;
using test::noon_of_tests;

const batch_label label{"eval_1700000000_00000001", "018bcfe56800"};

provider_profile provider(wire_protocol protocol, std::string base_url) {
  provider_profile out;
  out.protocol = protocol;
  out.dialect = protocol == wire_protocol::openai_chat ? api_dialect::openai : api_dialect::compatible;
  out.base_url = std::move(base_url);
  return out;
}

std::unique_ptr<batch_codec> openai() {
  return make_batch_codec(provider(wire_protocol::openai_chat, "https://api.openai.com/v1"));
}
std::unique_ptr<batch_codec> anthropic() {
  return make_batch_codec(provider(wire_protocol::anthropic, "https://api.anthropic.com"));
}
std::unique_ptr<batch_codec> gemini() {
  return make_batch_codec(
      provider(wire_protocol::gemini, "https://generativelanguage.googleapis.com/v1beta"));
}

std::string lines_of(batch_codec& codec, std::initializer_list<std::string_view> texts) {
  std::string lines;
  uint32_t row = 0;
  for (const auto text : texts) {
    test::question what;
    what.messages = {test::asks(text)};
    EXPECT_TRUE(codec.append_line(lines, batch_custom_id(label, row++), what.request()));
  }
  return lines;
}

batch_status status_in(decoded<batch_status> decoded) {
  if (const auto* failure = std::get_if<call_failure>(&decoded)) {
    ADD_FAILURE() << failure->message;
    return {};
  }
  return std::get<batch_status>(std::move(decoded));
}

std::vector<batch_row> rows_in(batch_codec& codec, std::string_view body) {
  std::vector<batch_row> rows;
  codec.decode_rows(body, noon_of_tests(), rows);
  return rows;
}

TEST(batch_names, SayWhichCallOfWhichBatchItIs) {
  const auto id = batch_custom_id(label, 17);
  EXPECT_EQ(id, "eval_1700000000_00000001-018bcfe56800-17");
  EXPECT_LE(batch_custom_id(label, 49'999).size(), 64u);
  EXPECT_EQ(batch_row_of(id, label), 17u);
  for (const std::string_view other :
       {"", "17", "eval_1700000000_00000001-018bcfe56800-", "eval_1700000000_00000001-018bcfe56800-1x",
        "eval_1700000000_00000001-018bcfe56800--1", "eval_1700000000_00000001-018bcfe56801-17",
        "eval_1700000000_00000001-018bcfe56800-99999999999"})
    EXPECT_FALSE(batch_row_of(other, label)) << other;
}

// -- OpenAI ------------------------------------------------------------------------------------------------

TEST(openai_batches, EachLineIsARequestOfItsOwn) {
  const auto codec = openai();
  std::istringstream lines(lines_of(*codec, {"a", "b\nc"}));
  std::vector<json> read;
  for (std::string line; std::getline(lines, line);)
    read.push_back(json::parse(line));
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[1]["custom_id"], batch_custom_id(label, 1));
  EXPECT_EQ(read[1]["method"], "POST");
  EXPECT_EQ(read[1]["url"], "/v1/chat/completions");
  EXPECT_EQ(read[1]["body"]["model"], "m");
  EXPECT_EQ(read[1]["body"]["messages"][0]["content"], "b\nc");
}

TEST(openai_batches, TheFileGoesUpAsAForm) {
  const auto codec = openai();
  const auto lines = "{\"x\":\"assay-" + label.chunk + "\"}\n";
  const auto upload = codec->encode_upload(lines, label);
  EXPECT_EQ(upload.target, "/files");
  const std::string_view type = upload.content_type;
  ASSERT_TRUE(type.starts_with("multipart/form-data; boundary="));
  const auto boundary = std::string(type.substr(type.find('=') + 1));
  EXPECT_EQ(lines.find(boundary), std::string::npos) << "what the lines hold cannot end a part";
  const auto body = upload.body.str();
  EXPECT_TRUE(body.starts_with("--" + boundary + "\r\n"));
  EXPECT_TRUE(body.ends_with("\r\n--" + boundary + "--\r\n"));
  EXPECT_NE(body.find("name=\"purpose\"\r\n\r\nbatch\r\n"), std::string::npos);
  EXPECT_NE(body.find("\r\n\r\n" + lines), std::string::npos);
}

TEST(openai_batches, TheBatchNamesFileAndLabel) {
  const auto codec = openai();
  const auto create = codec->encode_create("file-abc", "m", label);
  EXPECT_EQ(create.target, "/batches");
  const auto body = json::parse(create.body.view());
  EXPECT_EQ(body["input_file_id"], "file-abc");
  EXPECT_EQ(body["endpoint"], "/v1/chat/completions");
  EXPECT_EQ(body["completion_window"], "24h");
  EXPECT_EQ(body["metadata"]["assay_run"], label.run);
  EXPECT_EQ(body["metadata"]["assay_chunk"], label.chunk);
  EXPECT_EQ(codec->encode_poll("batch_abc").target, "/batches/batch_abc");
  EXPECT_EQ(codec->encode_poll("../x").target.find("../"), std::string::npos);
  EXPECT_EQ(codec->encode_cancel("batch_abc").target, "/batches/batch_abc/cancel");
  EXPECT_EQ(codec->encode_cancel("batch_abc").method, http_method::post);
  EXPECT_EQ(codec->encode_list("batch_abc").target, "/batches?limit=100&after=batch_abc");
  EXPECT_EQ(codec->encode_results("file-out").target, "/files/file-out/content");
}

TEST(openai_batches, AFileMayHaveToBeLookedAtFirst) {
  const auto codec = openai();
  const auto read = [&](std::string_view body) {
    return codec->decode_file(answered(200, body), noon_of_tests());
  };
  EXPECT_TRUE(std::get<batch_file>(read(R"({"id":"file-abc","status":"processed"})")).ready);
  EXPECT_TRUE(std::get<batch_file>(read(R"({"id":"file-abc"})")).ready);
  EXPECT_FALSE(std::get<batch_file>(read(R"({"id":"file-abc","status":"pending"})")).ready);
  EXPECT_EQ(std::get<call_failure>(read(R"({"id":"file-abc","status":"error","status_details":"bad"})")).code,
            errc::provider_rejected);
  EXPECT_TRUE(std::holds_alternative<call_failure>(read("{}")));
}

TEST(openai_batches, ABatchIsReadAsTheVendorShowsIt) {
  const auto codec = openai();
  const auto status = status_in(codec->decode_status(
      answered(200, R"({"id":"batch_abc","object":"batch","endpoint":"/v1/chat/completions","errors":null,
 "input_file_id":"file-abc","completion_window":"24h","status":"completed","output_file_id":"file-out","error_file_id":"file-err",
 "created_at":1711471533,"request_counts":{"total":100,"completed":95,"failed":5},
 "metadata":{"assay_run":"eval_1700000000_00000001","assay_chunk":"018bcfe56800"}})"),
      noon_of_tests()));
  EXPECT_EQ(status.id, "batch_abc");
  EXPECT_EQ(status.stage, batch_stage::ended);
  EXPECT_EQ(status.calls, 100u);
  EXPECT_EQ(status.label, label);
  EXPECT_EQ(status.created_at, wall_time{seconds{1711471533}});
  EXPECT_EQ(status.results, (std::vector<std::string>{"file-out", "file-err"}));
}

TEST(openai_batches, EveryWordOfTheVendorHasAStage) {
  const auto codec = openai();
  const std::vector<std::pair<std::string, batch_stage>> words{
      {"validating", batch_stage::working}, {"in_progress", batch_stage::working},
      {"finalizing", batch_stage::working}, {"cancelling", batch_stage::working},
      {"completed", batch_stage::ended},    {"expired", batch_stage::ended},
      {"cancelled", batch_stage::ended},    {"failed", batch_stage::failed},
      {"news", batch_stage::working}};
  for (const auto& [word, stage] : words)
    EXPECT_EQ(status_in(codec->decode_status(
                            answered(200, R"({"id":"b","status":")" + word + R"(","metadata":null})"),
                            noon_of_tests()))
                  .stage,
              stage)
        << word;
}

TEST(openai_batches, AFullLineIsToldFromABadFile) {
  const auto codec = openai();
  const auto failed = [&](std::string_view code) {
    return status_in(codec->decode_status(
        answered(200, R"({"id":"b","status":"failed","errors":{"object":"list","data":[{"code":")"
                          + std::string(code) + R"(","message":"Words","line":null}]}})"),
        noon_of_tests()));
  };
  EXPECT_TRUE(failed("token_limit_exceeded").crowded);
  EXPECT_FALSE(failed("invalid_json_line").crowded);
  EXPECT_EQ(failed("invalid_json_line").problem, "Words");
}

TEST(openai_batches, RowsAreReadInAnyOrderAndShape) {
  const auto codec = openai();
  const auto rows = rows_in(
      *codec,
      R"({"id":"batch_req_123","custom_id":"request-2","response":{"status_code":200,"request_id":"req_1","body":{"id":"chatcmpl-1","object":"chat.completion","model":"gpt","choices":[{"index":0,"message":{"role":"assistant","content":"4"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}},"error":null})"
      "\n\nnot json\n"
      R"({"custom_id":"request-1","response":{"status_code":429,"request_id":"r","body":{"error":{"message":"slow","type":"rate_limit_error"}}},"error":null})"
      "\n"
      R"({"id":"batch_req_123","custom_id":"request-7","response":null,"error":{"code":"batch_expired","message":"This request could not be executed before the completion window expired."}})");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].custom_id, "request-2");
  const auto& answer = std::get<chat_answer>(rows[0].answer);
  EXPECT_EQ(answer.text.view(), "4");
  EXPECT_EQ(answer.usage.prompt_tokens, 3u);
  const auto& slow = std::get<call_failure>(rows[1].answer);
  EXPECT_EQ(slow.code, errc::rate_limited);
  EXPECT_FALSE(slow.possibly_billed);
  EXPECT_TRUE(rows[1].tried);
  EXPECT_FALSE(rows[2].tried);
  EXPECT_EQ(std::get<call_failure>(rows[2].answer).code, errc::provider_unavailable);
}

TEST(openai_batches, AListShowsLabelsAndItsNextPage) {
  const auto codec = openai();
  const auto page = std::get<batch_page>(codec->decode_list(
      answered(
          200,
          R"({"object":"list","data":[{"id":"b1","status":"completed","metadata":null},{"id":"b2","status":"in_progress","metadata":{"assay_run":"r","assay_chunk":"c"}}],"has_more":true,"last_id":"b2"})"),
      noon_of_tests()));
  ASSERT_EQ(page.batches.size(), 2u);
  EXPECT_TRUE(page.batches[0].label.empty());
  EXPECT_EQ(page.batches[1].label, (batch_label{"r", "c"}));
  EXPECT_EQ(page.next, "b2");
}

TEST(openai_batches, AzureHasThemBesideItsDeployments) {
  const auto classic =
      make_batch_codec(provider(wire_protocol::azure_openai, "https://x.openai.azure.com/openai"));
  EXPECT_EQ(classic->encode_poll("b").target, "/batches/b?api-version=2024-10-21");
  EXPECT_EQ(classic->encode_list({}).target, "/batches?api-version=2024-10-21&limit=100");
  EXPECT_EQ(json::parse(classic->encode_create("f", "m", label).body.view())["endpoint"],
            "/chat/completions");
  const auto v1 =
      make_batch_codec(provider(wire_protocol::azure_openai, "https://x.openai.azure.com/openai/v1"));
  EXPECT_EQ(v1->encode_poll("b").target, "/batches/b");
  EXPECT_EQ(json::parse(v1->encode_create("f", "m", label).body.view())["endpoint"], "/v1/chat/completions");
  EXPECT_EQ(make_batch_codec(
                provider(wire_protocol::azure_openai, "https://x.openai.azure.com/openai/deployments/d")),
            nullptr)
      << "this address serves one deployment";
}

// -- Anthropic ---------------------------------------------------------------------------------------------

TEST(anthropic_batches, CallsGoInTheBody) {
  const auto codec = anthropic();
  EXPECT_FALSE(codec->uploads());
  EXPECT_FALSE(codec->labels());
  const auto create = codec->encode_create(lines_of(*codec, {"a", "b"}), "m", label);
  EXPECT_EQ(create.target, "/v1/messages/batches");
  const auto body = json::parse(create.body.view());
  ASSERT_EQ(body["requests"].size(), 2u);
  EXPECT_EQ(body["requests"][1]["custom_id"], batch_custom_id(label, 1));
  EXPECT_EQ(body["requests"][1]["params"]["model"], "m");
  EXPECT_FALSE(body["requests"][1]["params"].contains("stream"));
}

TEST(anthropic_batches, ResultsComeFromTheConfiguredHostAlone) {
  const auto codec = anthropic();
  const auto status = status_in(codec->decode_status(
      answered(200, R"({"id":"msgbatch_01","type":"message_batch","processing_status":"ended",
 "request_counts":{"processing":0,"succeeded":1,"errored":1,"canceled":0,"expired":0},
 "created_at":"2024-09-24T18:37:24.100435Z","results_url":"https://elsewhere.example/steal"})"),
      noon_of_tests()));
  EXPECT_EQ(status.stage, batch_stage::ended);
  EXPECT_EQ(status.calls, 2u);
  ASSERT_EQ(status.results.size(), 1u);
  EXPECT_EQ(codec->encode_results(status.results[0]).target, "/v1/messages/batches/msgbatch_01/results");
}

TEST(anthropic_batches, ABatchThatIsCancelledStillWorks) {
  const auto codec = anthropic();
  for (const auto* word : {"in_progress", "canceling"}) {
    const auto status =
        status_in(codec->decode_status(answered(200, R"({"id":"m","processing_status":")" + std::string(word)
                                                         + R"(","request_counts":{"processing":2}})"),
                                       noon_of_tests()));
    EXPECT_EQ(status.stage, batch_stage::working) << word;
    EXPECT_EQ(status.calls, 2u);
    EXPECT_TRUE(status.results.empty());
  }
}

TEST(anthropic_batches, EveryKindOfResultIsRead) {
  const auto codec = anthropic();
  const auto rows = rows_in(
      *codec,
      R"({"custom_id":"r2","result":{"type":"succeeded","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"4"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":1}}}})"
      "\n"
      R"({"custom_id":"r1","result":{"type":"errored","error":{"type":"error","error":{"type":"invalid_request_error","message":"no"},"request_id":null}}})"
      "\n"
      R"({"custom_id":"r5","result":{"type":"errored","error":{"type":"error","error":{"type":"overloaded_error","message":"full"}}}})"
      "\n"
      R"({"custom_id":"r3","result":{"type":"canceled"}})"
      "\n"
      R"({"custom_id":"r4","result":{"type":"expired"}})");
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(std::get<chat_answer>(rows[0].answer).text.view(), "4");
  EXPECT_EQ(std::get<call_failure>(rows[1].answer).code, errc::provider_rejected);
  EXPECT_EQ(std::get<call_failure>(rows[2].answer).code, errc::provider_unavailable);
  EXPECT_FALSE(rows[3].tried);
  EXPECT_FALSE(rows[4].tried);
}

// -- Gemini ------------------------------------------------------------------------------------------------

TEST(gemini_batches, CallsGoInlineWithAKeyEach) {
  const auto codec = gemini();
  const auto create = codec->encode_create(lines_of(*codec, {"a", "b"}), "gemini-2.5-flash", label);
  EXPECT_EQ(create.target, "/models/gemini-2.5-flash:batchGenerateContent");
  const auto batch = json::parse(create.body.view())["batch"];
  EXPECT_EQ(batch["displayName"], "assay/" + label.run + "/" + label.chunk);
  const auto& requests = batch["inputConfig"]["requests"]["requests"];
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[1]["metadata"]["key"], batch_custom_id(label, 1));
  EXPECT_EQ(requests[1]["request"]["contents"][0]["parts"][0]["text"], "b");
}

TEST(gemini_batches, AnOperationIsABatch) {
  const auto codec = gemini();
  const auto body = std::string(
      R"({"name":"batches/123","metadata":{"model":"models/m","displayName":"assay/r/c","state":"BATCH_STATE_SUCCEEDED",
 "createTime":"2024-09-24T18:37:24Z","batchStats":{"requestCount":"3"},"output":{"inlinedResponses":{"inlinedResponses":[
 {"response":{"candidates":[{"content":{"parts":[{"text":"4"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1,"totalTokenCount":4}},"metadata":{"key":"k2"}},
 {"error":{"code":3,"message":"no"},"metadata":{"key":"k1"}},
 {"error":{"code":1,"message":"The request was not executed."},"metadata":{"key":"k3"}}]}}},"done":true})");
  const auto status = status_in(codec->decode_status(answered(200, body), noon_of_tests()));
  EXPECT_EQ(status.id, "batches/123");
  EXPECT_EQ(status.stage, batch_stage::ended);
  EXPECT_EQ(status.calls, 3u);
  EXPECT_EQ(status.label, (batch_label{"r", "c"}));
  ASSERT_EQ(status.results.size(), 1u);
  EXPECT_EQ(codec->encode_results(status.results[0]).target, "/batches/123");
  EXPECT_EQ(codec->encode_cancel(status.id).target, "/batches/123:cancel");
  const auto rows = rows_in(*codec, body);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].custom_id, "k2");
  EXPECT_EQ(std::get<chat_answer>(rows[0].answer).text.view(), "4");
  EXPECT_EQ(std::get<call_failure>(rows[1].answer).code, errc::provider_rejected);
  EXPECT_FALSE(rows[2].tried);
}

TEST(gemini_batches, BothNamesOfAStateAreKnown) {
  const auto codec = gemini();
  const auto stage = [&](std::string_view state) {
    return status_in(codec->decode_status(answered(200, R"({"name":"batches/1","metadata":{"state":")"
                                                            + std::string(state) + R"("}})"),
                                          noon_of_tests()))
        .stage;
  };
  EXPECT_EQ(stage("BATCH_STATE_PENDING"), batch_stage::working);
  EXPECT_EQ(stage("JOB_STATE_RUNNING"), batch_stage::working);
  EXPECT_EQ(stage("BATCH_STATE_EXPIRED"), batch_stage::ended);
  EXPECT_EQ(stage("BATCH_STATE_CANCELLED"), batch_stage::ended);
  EXPECT_EQ(stage("JOB_STATE_FAILED"), batch_stage::failed);
}

TEST(gemini_batches, AFileOfResultsIsFoundBesideTheApi) {
  const auto codec = gemini();
  const auto status = status_in(codec->decode_status(
      answered(
          200,
          R"({"name":"batches/1","metadata":{"state":"BATCH_STATE_SUCCEEDED","output":{"responsesFile":"files/abc"}},"done":true})"),
      noon_of_tests()));
  ASSERT_EQ(status.results, (std::vector<std::string>{"files/abc"}));
  const auto fetch = codec->encode_results(status.results[0]);
  EXPECT_EQ(fetch.target, "/download/v1beta/files/abc:download?alt=media");
  EXPECT_TRUE(fetch.at_origin);
  const auto rows = rows_in(*codec, R"({"key":"k1","error":{"code":8,"message":"slow"}})");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(std::get<call_failure>(rows[0].answer).code, errc::rate_limited);
}

// -- all ---------------------------------------------------------------------------------------------------

TEST(batch_codecs, AFailedRequestIsAClassifiedFailure) {
  for (const auto& codec : {openai(), anthropic(), gemini()}) {
    const auto refused =
        codec->decode_status(answered(401, R"({"error":{"message":"bad key"}})"), noon_of_tests());
    EXPECT_EQ(std::get<call_failure>(refused).code, errc::credentials_rejected);
    http_outcome lost;
    lost.error = errc::connect_failed;
    EXPECT_EQ(std::get<call_failure>(codec->decode_list(lost, noon_of_tests())).code, errc::connect_failed);
    EXPECT_TRUE(std::holds_alternative<call_failure>(
        codec->decode_status(answered(200, R"({"id":"../../x","name":"batches/../x"})"), noon_of_tests())));
  }
}

TEST(batch_codecs, ACallThatCannotBeAskedLeavesTheLinesAlone) {
  test::question what;
  what.messages.clear();
  for (const auto& codec : {openai(), anthropic(), gemini()}) {
    std::string lines = "before";
    if (!codec->append_line(lines, "x", what.request())) {
      EXPECT_EQ(lines, "before");
    }
  }
}

TEST(batch_codecs, NoMutationMakesThemCrash) {
  const std::vector<std::string> bodies{
      R"({"id":"batch_abc","status":"failed","errors":{"data":[{"code":"c","message":"m"}]},"created_at":1711471533,"request_counts":{"total":1e300},"metadata":{"assay_run":"r"},"output_file_id":"f"})",
      R"({"object":"list","data":[{"id":"b1","status":"completed"}],"operations":[{"name":"batches/1"}],"has_more":true,"last_id":"b"})",
      R"({"id":"m","processing_status":"ended","request_counts":{"processing":2},"created_at":"2024-09-24T18:37:24Z"})",
      R"({"name":"batches/1","metadata":{"state":"BATCH_STATE_SUCCEEDED","displayName":"assay/r/c","batchStats":{"requestCount":"3"},"output":{"inlinedResponses":{"inlinedResponses":[{"response":{"candidates":[]},"metadata":{"key":"k"}},{"error":{"code":3},"metadata":{"key":"l"}}]}}},"done":true})",
      R"({"custom_id":"a","response":{"status_code":200,"body":{"choices":[{"message":{"content":"4"}}]}},"error":null,"result":{"type":"errored","error":{"error":{"type":"x"}}},"key":"k"})"
      "\n"
      R"({"custom_id":"b","response":null,"error":{"message":"m"},"result":{"type":"succeeded","message":{"content":[]}}})"};
  std::mt19937 random(20112026);
  const auto codecs = {openai(), anthropic(), gemini()};
  size_t rows_seen = 0;
  for (int round = 0; round < 4000; ++round) {
    const auto body = test::mutated(bodies[random() % bodies.size()], random, test::json_alphabet);
    for (const auto& codec : codecs) {
      const auto outcome = answered(round % 5 == 0 ? 500 : 200, body);
      codec->decode_status(outcome, noon_of_tests());
      codec->decode_list(outcome, noon_of_tests());
      codec->decode_file(outcome, noon_of_tests());
      std::vector<batch_row> rows;
      codec->decode_rows(body, noon_of_tests(), rows);
      rows_seen += rows.size();
    }
  }
  EXPECT_GT(rows_seen, 100u) << "the mutations are too destructive to test anything";
}

} // namespace
} // namespace assay::codecs
