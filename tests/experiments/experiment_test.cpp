#include "core/experiments/experiment.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include <algorithm>

#include <random>

namespace assay::experiments {
namespace {

using nlohmann::json;

const wall_time start{std::chrono::seconds{1'704'110'400}};

experiment made(const json& more = json::object()) {
  json from{{"experiment_name", "e"},
            {"models", {"a", "b"}},
            {"task_groups",
             {{{"name", "first"}, {"tasks", {"t"}}},
              {{"name", "second"}, {"tasks", {"u"}}, {"depends_on", {"first"}}}}},
            {"max_parallel", 2}};
  from.update(more);
  experiment out;
  out.plan = *plan_from_json(from);
  out.requests = *expand(out.plan);
  out.children.resize(out.requests.size());
  for (auto& child : out.children) {
    child.samples = 10;
    child.price = from_dollars(1);
  }
  out.head.id = "x";
  out.head.plan = to_json(out.plan).dump();
  out.head.created_at = start;
  count(out);
  return out;
}

run_record run_of(size_t child, run_state state, double cost = 0) {
  run_record out;
  out.spec.id = run_id{100 + child};
  out.state = state;
  out.progress.total = 10;
  out.progress.done = is_final(state) ? 10 : 3;
  out.progress.cost = from_dollars(cost);
  out.progress.score_sum = 5;
  out.progress.scored = 10;
  if (state == run_state::failed)
    out.error = fault{errc::provider_unavailable, "down", {}, {}};
  return out;
}

void begin(experiment& of, size_t child) {
  of.children[child].granted = grant_for(of, child);
  of.children[child].state = child_state::starting;
}

TEST(experiment_test, StartsWhatMayStartAndNoMoreThanAllowed) {
  auto of = made();
  // Children: a first, a second, b first, b second.
  EXPECT_EQ(startable(of, start), (std::vector<size_t>{0, 2}));
  begin(of, 0);
  EXPECT_EQ(startable(of, start), std::vector<size_t>{2});
  begin(of, 2);
  EXPECT_TRUE(startable(of, start).empty());
  EXPECT_TRUE(take_run(of, 0, run_of(0, run_state::running), start));
  EXPECT_FALSE(take_run(of, 0, run_of(0, run_state::running), start));
  take_run(of, 0, run_of(0, run_state::completed), start);
  EXPECT_EQ(of.children[0].score, 0.5);
  EXPECT_EQ(startable(of, start), std::vector<size_t>{1}) << "what it waited for has completed";
}

TEST(experiment_test, HigherPrioritiesComeFirst) {
  auto of = made(
      {{"task_groups",
        {{{"name", "first"}, {"tasks", {"t"}}}, {{"name", "urgent"}, {"tasks", {"u"}}, {"priority", 5}}}}});
  EXPECT_EQ(startable(of, start), (std::vector<size_t>{1, 3}));
}

TEST(experiment_test, AChildThatFailsEndsOnlyWhatDependsOnIt) {
  auto of = made();
  begin(of, 0);
  begin(of, 2);
  take_run(of, 0, run_of(0, run_state::failed), start);
  EXPECT_EQ(skip_hopeless(of, start), std::vector<size_t>{1});
  EXPECT_EQ(of.children[1].state, child_state::skipped);
  take_run(of, 2, run_of(2, run_state::completed), start);
  EXPECT_EQ(startable(of, start), std::vector<size_t>{3});
  begin(of, 3);
  EXPECT_FALSE(end_if_over(of, start));
  take_run(of, 3, run_of(3, run_state::completed), start);
  EXPECT_TRUE(end_if_over(of, start));
  EXPECT_EQ(of.head.state, experiment_state::completed);
  EXPECT_TRUE(*apply(of, run_verb::retry));
  EXPECT_EQ(of.head.state, experiment_state::running);
  EXPECT_EQ(startable(of, start), std::vector<size_t>{0}) << "and not what completed";
}

TEST(experiment_test, FailedChildrenAreTriedAgainLater) {
  auto of = made({{"retry", {{"attempts", 2}, {"delay", 10}}}});
  begin(of, 0);
  take_run(of, 0, run_of(0, run_state::failed), start);
  EXPECT_EQ(of.children[0].state, child_state::waiting);
  EXPECT_TRUE(skip_hopeless(of, start).empty());
  EXPECT_EQ(startable(of, start), std::vector<size_t>{2});
  EXPECT_EQ(startable(of, start + std::chrono::seconds{10}), (std::vector<size_t>{0, 2}));
  take_run(of, 0, run_of(0, run_state::failed), start);
  EXPECT_EQ(of.children[0].not_before, start + std::chrono::seconds{20}) << "doubled";
  take_run(of, 0, run_of(0, run_state::failed), start);
  EXPECT_EQ(of.children[0].state, child_state::failed);
}

TEST(experiment_test, PauseStartsNothingAndCancelEndsWhatWaits) {
  auto of = made();
  begin(of, 0);
  EXPECT_TRUE(*apply(of, run_verb::pause));
  EXPECT_FALSE(*apply(of, run_verb::pause));
  EXPECT_TRUE(startable(of, start).empty());
  EXPECT_TRUE(*apply(of, run_verb::resume));
  EXPECT_TRUE(*apply(of, run_verb::cancel));
  EXPECT_EQ(of.head.state, experiment_state::cancelling);
  EXPECT_EQ(of.children[3].state, child_state::cancelled);
  EXPECT_FALSE(end_if_over(of, start)) << "one run has not ended";
  take_run(of, 0, run_of(0, run_state::cancelled), start);
  EXPECT_TRUE(end_if_over(of, start));
  EXPECT_EQ(of.head.state, experiment_state::cancelled);
  EXPECT_EQ(apply(of, run_verb::retry).error().code, errc::invalid_transition);
}

TEST(experiment_test, ACallThatMayHaveBeenBilledKeepsItsMoney) {
  auto of = made({{"max_cost", 8}});
  begin(of, 0);
  EXPECT_EQ(of.children[0].granted, from_dollars(2)) << "a fourth of the work";
  EXPECT_EQ(remaining_budget(of), from_dollars(6));
  auto ended = run_of(0, run_state::completed, 0.5);
  take_run(of, 0, ended, start);
  EXPECT_EQ(remaining_budget(of), from_dollars(7.5)) << "what it left comes back";
  ended.progress.possibly_billed = 1;
  take_run(of, 0, ended, start);
  EXPECT_EQ(remaining_budget(of), from_dollars(6));
}

TEST(experiment_test, WhoRanOutOfMoneyGoesOnWhenSomeComesBack) {
  auto of = made({{"max_cost", 4},
                  {"models", {"a"}},
                  {"task_groups", {{{"name", "g"}, {"tasks", {"t"}}}, {{"name", "h"}, {"tasks", {"u"}}}}}});
  begin(of, 0);
  begin(of, 1);
  auto out_of_money = run_of(0, run_state::failed, 2);
  out_of_money.error = fault{errc::budget_exhausted, "spent", {}, {}};
  take_run(of, 0, out_of_money, start);
  EXPECT_TRUE(top_up(of).empty()) << "the other one still has its share";
  take_run(of, 1, run_of(1, run_state::completed, 0.5), start);
  EXPECT_EQ(top_up(of), std::vector<size_t>{0});
  EXPECT_EQ(grant_for(of, 0), from_dollars(3.5)) << "what it spent, and what is left";
}

// Whatever children cost up to what they may, the plan never costs more than its budget.
TEST(experiment_test, TheBudgetIsNeverOvershot) {
  std::mt19937 dice{7};
  for (int round = 0; round < 200; ++round) {
    auto of = made({{"max_cost", 3.3}, {"models", {"a", "b", "c", "d"}}, {"max_parallel", 3}});
    for (int step = 0; step < 200 && !is_final(of.head.state); ++step) {
      skip_hopeless(of, start);
      top_up(of);
      for (const auto i : startable(of, start))
        begin(of, i);
      money out{};
      for (const auto& child : of.children)
        out += is_active(child.state) ? *child.granted : child.cost.value_or(money{});
      ASSERT_LE(out, from_dollars(3.3));
      for (size_t i = 0; i < of.children.size(); ++i)
        if (is_active(of.children[i].state) && dice() % 2 == 0) {
          const double most = to_dollars(*of.children[i].granted);
          const bool all = dice() % 3 == 0;
          auto run = run_of(i, all ? run_state::failed : run_state::completed,
                            all ? most : most * static_cast<double>(dice() % 100) / 100);
          run.progress.cost = std::max(*run.progress.cost, of.children[i].cost.value_or(money{}));
          if (all)
            run.error = fault{errc::budget_exhausted, "spent", {}, {}};
          take_run(of, i, run, start);
        }
      end_if_over(of, start);
    }
    EXPECT_TRUE(is_final(of.head.state));
  }
}

TEST(experiment_test, StoredFormsReadBack) {
  auto of = made({{"max_cost", 8}});
  begin(of, 0);
  take_run(of, 0, run_of(0, run_state::failed, 0.25), start);
  count(of);
  std::vector<std::string> rows;
  for (const auto& child : of.children)
    rows.push_back(to_stored(child));
  const auto read = from_stored(to_stored(of.head), rows);
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(read->plan, of.plan);
  EXPECT_EQ(to_json(*read), to_json(of));
  EXPECT_EQ(read->children[0].error_code, errc::provider_unavailable);
  rows.pop_back();
  EXPECT_EQ(from_stored(to_stored(of.head), rows).error().code, errc::store_unreadable);
}

TEST(experiment_test, ProgressIsATree) {
  auto of = made();
  begin(of, 0);
  take_run(of, 0, run_of(0, run_state::running), start);
  const auto tree = to_json(of);
  EXPECT_EQ(tree["done_samples"], 3);
  EXPECT_EQ(tree["models"][0]["name"], "a");
  EXPECT_EQ(tree["models"][0]["done"], 3);
  EXPECT_EQ(tree["models"][0]["task_groups"][0]["runs"][0]["state"], "running");
  EXPECT_EQ(tree["models"][1]["done"], 0);
}

} // namespace
} // namespace assay::experiments
