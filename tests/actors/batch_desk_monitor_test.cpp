#include "tests/actors/batch_desk_world.hpp"

namespace assay {
namespace {

using namespace test;

class batch_desk_monitor_test : public batch_desk_world {};

TEST_F(batch_desk_monitor_test, TheMonitorCountsAnswersAtTheBatchesPriceAndWithoutTimes) {
  ask_two();
  make_batch();
  end_batch(R"(,"output_file_id":"file-out","error_file_id":"file-err")");
  reply(asked(), 200, openai_row(0, "four"));
  pass(1500ms);
  reply(
      asked(), 200,
      R"({"custom_id":")" + name_of(1)
          + R"(","response":{"status_code":400,"body":{"error":{"message":"no","type":"invalid_request_error"}}},"error":null})");
  const auto seen = counted();
  EXPECT_EQ(seen.provider, provider_id{"p"});
  EXPECT_EQ(seen.model, model_id{"m"});
  EXPECT_EQ(seen.calls, 2u);
  EXPECT_EQ(seen.failures, 0u) << "the request was wrong, not the model";
  EXPECT_EQ(seen.errors, (std::map<std::string, uint64_t>{{"provider_rejected", 1}}));
  EXPECT_EQ(seen.retries, 0u);
  EXPECT_EQ(seen.prompt_tokens, 1'000u);
  EXPECT_EQ(seen.completion_tokens, 1'000u);
  EXPECT_EQ(seen.cost, money{1'500'000}) << "half of 0.003 dollars";
  EXPECT_TRUE(seen.cost_known);
  EXPECT_EQ(seen.batched, 2u) << "nothing is said of times";
  EXPECT_EQ(seen.latency_mean_ms, 0);
  EXPECT_EQ(seen.latency_p99_ms, 0);
}

TEST_F(batch_desk_monitor_test, WhatIsAskedAgainIsCountedByWhoeverEndsIt) {
  ask_two();
  make_batch();
  tell(desk, lane_credit{run_a, 10});
  end_batch(R"(,"output_file_id":"file-out")", "cancelled");
  reply(asked(), 200, openai_row(0, "four"));
  ASSERT_EQ(at_router().calls.size(), 1u);
  EXPECT_EQ(counted().calls, 1u);
}

} // namespace
} // namespace assay
