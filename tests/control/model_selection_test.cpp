#include "core/control/model_selection.hpp"

#include <gtest/gtest.h>

namespace assay::control {
namespace {

selection_candidate candidate(const std::string& name) {
  selection_candidate out;
  out.model.id = model_id{name};
  out.model.provider = provider_id{"p"};
  return out;
}

/// A slow and good one, a fast and cheap one, and one that nothing is known of.
std::vector<selection_candidate> three() {
  auto good = candidate("good");
  good.latency = 8;
  good.quality = 0.95;
  good.success_rate = 0.99;
  good.model.prices = token_prices{10, 30, {}};
  good.model.context_window = 200'000;
  good.model.capabilities = {"text_generation", "vision"};
  auto fast = candidate("fast");
  fast.latency = 0.5;
  fast.quality = 0.6;
  fast.success_rate = 0.97;
  fast.model.prices = token_prices{0.1, 0.4, {}};
  fast.model.context_window = 8'000;
  fast.model.max_output_tokens = 1'000;
  fast.model.supported_tasks = {"grading"};
  fast.model.capabilities = {"text_generation"};
  return {good, fast, candidate("unknown")};
}

std::string first_for(selection_priority priority) {
  selection_wish wish;
  wish.content_tokens = 1000;
  wish.priority = priority;
  const auto all = three();
  const auto found = select_models(wish, {all[0], all[1]});
  return all.at(found.ranked.at(0).candidate).model.id.value;
}

TEST(model_selection, ThePriorityDecides) {
  EXPECT_EQ(first_for(selection_priority::quality), "good");
  EXPECT_EQ(first_for(selection_priority::speed), "fast");
  EXPECT_EQ(first_for(selection_priority::cost), "fast");
}

/// @returns the names of the models that are left, in the order of the candidates.
std::string left_by(const selection_wish& wish) {
  const auto all = three();
  const auto found = select_models(wish, all);
  EXPECT_EQ(found.ranked.size() + found.excluded.size(), all.size());
  std::string out;
  for (size_t i = 0; i < all.size(); ++i)
    for (const auto& one : found.ranked)
      if (one.candidate == i)
        out += (out.empty() ? "" : " ") + all[i].model.id.value;
  return out;
}

TEST(model_selection, WhoCannotDoItIsExcludedAndWhoIsUnknownIsNot) {
  EXPECT_EQ(left_by({}), "good fast unknown");
  EXPECT_EQ(left_by({.task_type = "grading"}), "good fast unknown");
  EXPECT_EQ(left_by({.task_type = "analysis"}), "good unknown");
  EXPECT_EQ(left_by({.content_tokens = 8'000}), "good fast unknown");
  EXPECT_EQ(left_by({.content_tokens = 8'001}), "good unknown");
  EXPECT_EQ(left_by({.content_tokens = 7'500, .answer_tokens = 501}), "good unknown")
      << "they share the window";
  EXPECT_EQ(left_by({.answer_tokens = 1'001}), "good unknown");
  EXPECT_EQ(left_by({.capabilities = {"vision"}}), "good");
  EXPECT_EQ(left_by({.providers = {"q"}}), "");
  EXPECT_EQ(left_by({.content_tokens = 1000, .max_cost = 0.005}), "fast unknown");
  EXPECT_EQ(left_by({.max_response_time = 2}), "fast unknown");
  EXPECT_EQ(left_by({.min_quality = 0.9}), "good unknown");
  EXPECT_EQ(left_by({.min_success_rate = 0.98}), "good unknown");
}

TEST(model_selection, GroupsOfTasksDoNotNarrowTypesOfWork) {
  auto one = candidate("one");
  one.model.supported_tasks = {"single_turn_scenarios", "multi_turn_scenarios"};
  const auto left = [&](const char* task_type) {
    return select_models({.task_type = task_type}, {one}).ranked.size();
  };
  EXPECT_EQ(left("grading"), 1u);
  EXPECT_EQ(left("multi_turn_scenarios"), 1u);
  EXPECT_EQ(left("translation_scenarios"), 0u);
  one.model.supported_tasks.emplace_back("analysis");
  EXPECT_EQ(left("grading"), 0u);
  EXPECT_EQ(left("analysis"), 1u);
}

TEST(model_selection, AnExcludedModelSaysWhy) {
  const auto all = three();
  const auto found = select_models({.content_tokens = 9'000}, all);
  ASSERT_EQ(found.excluded.size(), 1u);
  EXPECT_EQ(found.excluded[0].candidate, 1u);
  EXPECT_EQ(found.excluded[0].reason, "its context window of 8000 tokens is smaller than 9000");
}

TEST(model_selection, WhoTakesNoCallsNowIsExcludedWithItsReason) {
  auto all = three();
  all[1].available = false;
  all[1].why = "does not answer";
  const auto found = select_models({}, all);
  ASSERT_EQ(found.excluded.size(), 1u);
  EXPECT_EQ(found.excluded[0].reason, "does not answer");
}

TEST(model_selection, CostIsThatOfTheCallAtTheModelsPrices) {
  const auto all = three();
  const auto found = select_models({.content_tokens = 1'000'000'000, .providers = {"p"}}, {all[2]});
  EXPECT_FALSE(found.ranked.at(0).cost.has_value());
  const auto priced = select_models({.content_tokens = 2000, .answer_tokens = 1000}, {all[0]});
  EXPECT_NEAR(priced.ranked.at(0).cost.value(), 0.05, 1e-12);
}

TEST(model_selection, BetweenEqualsTheOneThatIsNotDeprecatedIsFirst) {
  auto old = candidate("old");
  old.model.deprecated = true;
  const auto found = select_models({}, {old, candidate("new")});
  ASSERT_EQ(found.ranked.size(), 2u);
  EXPECT_EQ(found.ranked[0].candidate, 1u);
  EXPECT_EQ(found.ranked[0].score.target, 1u);
}

TEST(model_selection, OfNothingComesNothing) { EXPECT_TRUE(select_models({}, {}).ranked.empty()); }

} // namespace
} // namespace assay::control
