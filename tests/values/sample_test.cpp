#include "core/values/sample.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay {
namespace {

using namespace std::chrono_literals;

sample_record scored_sample() {
  sample_record sample;
  sample.run = run_id{1234567890U, 0xabcd1234U};
  sample.address = {.task = 1, .variant = 2, .sample = 30, .epoch = 4, .step = 0, .generation = 1};
  sample.status = sample_status::scored;
  sample.scores = {{1, 0.5, "half"}, {0, 1.0, "42"}, {7, 0.0, "cut \xC3"}};
  sample.usage = {.prompt_tokens = 10, .completion_tokens = 5};
  sample.cost = money{2500};
  sample.duration = 1500ms;
  return sample;
}

TEST(sample_json, ShowsScoresByNameAndThePrimaryOne) {
  const auto out = sample_to_json(scored_sample(), nullptr, {"exact_match", "f1"});
  EXPECT_EQ(out["id"], "1:2:30:4");
  EXPECT_EQ(out["evaluation_id"], "eval_1234567890_abcd1234");
  EXPECT_EQ(out["status"], "scored");
  EXPECT_EQ(out["score"], 1.0) << "the task's first scorer, wherever it stands in the list";
  EXPECT_EQ(out["scores"]["exact_match"]["extracted"], "42");
  EXPECT_EQ(out["scores"]["f1"]["value"], 0.5);
  EXPECT_TRUE(out["scores"].contains("scorer_7"));
  EXPECT_DOUBLE_EQ(out["cost"].get<double>(), 0.0000025);
  EXPECT_TRUE(out["error"].is_null());
  EXPECT_TRUE(out["answer"].is_null());
  EXPECT_NO_THROW((void)out.dump()) << "a text cut inside a character must not end its reader";
}

TEST(sample_json, ShowsTheResponseWithItsRetries) {
  auto sample = scored_sample();
  sample.status = sample_status::failed;
  sample.scores.clear();
  sample.cost.reset();
  sample.error = errc::provider_timeout;
  response_record response;
  response.prompt = shared_text{"2+2?"};
  response.answer = shared_text{"4 \xFF"};
  response.finish = finish_reason::length;
  response.timing.first_byte = 1500us;
  response.http_status = 200;
  response.error_message = "no answer in time";
  response.failures = {{errc::rate_limited, 429, 2000ms, false, "slow down"},
                       {errc::connect_failed, 0, 0ms, false, ""}};
  const auto out = sample_to_json(sample, &response, {});
  EXPECT_EQ(out["error"], "provider_timeout");
  EXPECT_EQ(out["error_message"], "no answer in time");
  EXPECT_TRUE(out["score"].is_null());
  EXPECT_TRUE(out["cost"].is_null()) << "unknown is not free";
  EXPECT_EQ(out["finish_reason"], "length");
  EXPECT_EQ(out["timing"]["first_byte_ms"], 1.5);
  ASSERT_EQ(out["retries"].size(), 2U);
  EXPECT_EQ(out["retries"][0]["attempt"], 1);
  EXPECT_EQ(out["retries"][0]["error"], "rate_limited");
  EXPECT_EQ(out["retries"][0]["waited_ms"], 2000);
  EXPECT_EQ(out["retries"][1]["attempt"], 2);
  EXPECT_TRUE(out["retries"][1]["http_status"].is_null());
  EXPECT_NO_THROW((void)out.dump());
  response.error = errc::connect_failed;
  EXPECT_EQ(sample_to_json(sample, &response, {})["retries"].size(), 1U) << "the last one was given up";
}

TEST(sample_json, HasTheSameKeysWithAndWithoutAResponse) {
  const response_record response;
  const auto with = sample_to_json(scored_sample(), &response, {});
  const auto without = sample_to_json(scored_sample(), nullptr, {});
  for (const auto& [key, value] : with.items())
    EXPECT_TRUE(without.contains(key)) << key;
  EXPECT_EQ(with.size(), without.size());
}

TEST(sample_json, LeavesOutWhatWasNotLookedFor) {
  const auto out = sample_to_json(scored_sample(), {"exact_match", "f1"});
  EXPECT_EQ(out["id"], "1:2:30:4");
  EXPECT_EQ(out["score"], 1.0);
  for (const auto* key :
       {"prompt", "answer", "simulated", "http_status", "finished_at", "finish_reason", "retries"})
    EXPECT_FALSE(out.contains(key)) << key;
}

} // namespace
} // namespace assay
