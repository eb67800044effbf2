#include "cli/run_plan.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::cli {
namespace {

using nlohmann::json;

result<run_request> request_of(const run_flags& flags) {
  json body;
  if (auto wrong = request_body(flags, "sim-strong", {"date_reasoning"}, body))
    return *wrong;
  return run_request_from_json(body);
}

TEST(request_body, SaysNothingThatTheFlagsDoNotSay) {
  json body;
  ASSERT_FALSE(request_body({}, "sim-strong", {"date_reasoning"}, body));
  EXPECT_EQ(body["configuration"], json::object());
  EXPECT_FALSE(body.contains("model_args"));
  EXPECT_FALSE(body.contains("metadata"));
}

TEST(request_body, BecomesARequestWithEverythingThatWasAsked) {
  run_flags flags;
  flags.limit = "20";
  flags.num_fewshot = 3;
  flags.gen_kwargs = {"temperature=0.5,max_gen_toks=64,until=\\n"};
  flags.seed = "7";
  flags.prompt_types = {"baseline,cot"};
  flags.epochs = 2;
  flags.priority = -5;
  flags.time_limit = "2m";
  flags.metadata = R"({"experiment": "x"})";
  flags.predict_only = true;
  flags.use_cache = "true";
  flags.batch = "auto";
  flags.max_cost = 2.5;
  flags.log_samples = false;
  const auto request = request_of(flags);
  ASSERT_TRUE(request) << to_string(request.error());
  EXPECT_EQ(request->model.value, "sim-strong");
  EXPECT_EQ(request->limit, 20U);
  EXPECT_EQ(request->cache, cache_use::use);
  EXPECT_EQ(request->execution, execution_wish::automatic);
  EXPECT_EQ(request->max_cost, from_dollars(2.5));
  EXPECT_EQ(request->num_fewshot, 3U);
  EXPECT_EQ(request->generation.temperature, 0.5);
  EXPECT_EQ(request->generation.max_tokens, 64U);
  EXPECT_EQ(request->generation.stop, std::vector<std::string>{"\n"});
  EXPECT_EQ(request->random_seed, 7);
  EXPECT_EQ(request->prompt_types, (std::vector<std::string>{"baseline", "cot"}));
  EXPECT_EQ(request->epochs, 2U);
  EXPECT_EQ(request->priority, -5);
  EXPECT_EQ(request->time_limit, seconds{120});
  EXPECT_TRUE(request->predict_only);
  EXPECT_FALSE(request->log_samples);
  EXPECT_EQ(json::parse(request->metadata)["experiment"], "x");
}

TEST(request_body, LetsLaterGenKwargsWin) {
  run_flags flags;
  flags.gen_kwargs = {"temperature=0.5", "temperature=0.1"};
  EXPECT_EQ(request_of(flags).value().generation.temperature, 0.1);
}

TEST(request_body, TakesTheFourSeedsOfOtherHarnesses) {
  run_flags flags;
  flags.seed = "0,1234,None,99";
  const auto request = request_of(flags);
  ASSERT_TRUE(request) << to_string(request.error());
  EXPECT_EQ(request->random_seed, 0);
}

TEST(request_body, RefusesWhatIsNoNumberOrTime) {
  const auto refuses = [](auto change) {
    run_flags flags;
    change(flags);
    json body;
    const auto wrong = request_body(flags, "m", {"t"}, body);
    ASSERT_TRUE(wrong);
    EXPECT_EQ(wrong->code, errc::invalid_argument);
    EXPECT_TRUE(wrong->where.starts_with("--")) << wrong->where;
  };
  refuses([](run_flags& flags) { flags.limit = "0.5"; });
  refuses([](run_flags& flags) { flags.limit = "many"; });
  refuses([](run_flags& flags) { flags.seed = "x"; });
  refuses([](run_flags& flags) { flags.seed = "1,2,3,4,5"; });
  refuses([](run_flags& flags) { flags.time_limit = "soon"; });
  refuses([](run_flags& flags) { flags.metadata = "[1]"; });
  refuses([](run_flags& flags) { flags.gen_kwargs = {"temperature"}; });
}

} // namespace
} // namespace assay::cli
