#include "core/llm/batch_rows.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::llm {
namespace {

using nlohmann::json;

TEST(batch_rows, HaveAPromptOrAReason) {
  const auto row = json::parse(batch_row(7, {{"x", "a\nb"}}, "{{say}} {x}"));
  EXPECT_EQ(row, (json{{"index", 7}, {"item", {{"x", "a\nb"}}}, {"prompt", "{say} a\nb"}}));
  const auto bad = json::parse(batch_row(8, {{"y", 1}}, "{x}"));
  EXPECT_FALSE(bad.contains("prompt"));
  const auto told = failed_item(bad, {errc::internal, "something else", {}, {}});
  EXPECT_EQ(told["error_code"], "template_failed");
  EXPECT_NE(told["error"].get<std::string>().find("no field `x`"), std::string::npos);
  EXPECT_EQ(told["item"]["y"], 1);
}

TEST(batch_rows, TellOfAnswersAndFailures) {
  const json row{{"index", 3}, {"item", {{"x", 1}}}, {"prompt", "p"}};
  response_record answer;
  answer.answer = shared_text{"yes"};
  answer.usage = {3, 5, 0, 0};
  answer.finish = finish_reason::stop;
  const auto told = answered_item(row, answer);
  EXPECT_EQ(told["index"], 3);
  EXPECT_EQ(told["response"], "yes");
  EXPECT_EQ(told["usage"]["total_tokens"], 8);
  EXPECT_FALSE(told.contains("prompt"));
  EXPECT_EQ(failed_item(row, {errc::rate_limited, {}, {}, {}})["error"], "rate_limited");
}

TEST(batch_rows, CountWhatWasNeverAskedAsFailedOnceTheRunHasEnded) {
  run_record run;
  run.spec.id = run_id{1'704'110'400, 1};
  run.spec.provider = provider_id{"openai"};
  run.spec.created_at = wall_time{seconds{1'704'110'400}};
  run.progress.total = 10;
  run.progress.done = 4;
  run.progress.failed = 1;
  run.state = run_state::running;
  EXPECT_EQ(batch_statistics(run)["failed_requests"], 1);
  run.state = run_state::cancelled;
  EXPECT_EQ(batch_statistics(run)["failed_requests"], 7);
  EXPECT_EQ(batch_statistics(run)["completed_requests"], 3);
  EXPECT_EQ(batch_file_name(run), "openai_20240101_120000_" + to_string(run.spec.id));
}

} // namespace
} // namespace assay::llm
