#include "tests/actors/farm_world.hpp"

namespace assay {
namespace {

using test::fake_wire;
using test::farm_world;
using namespace std::chrono_literals;

/// What a run has pinned of its calls holds, whatever the model's configuration says.
class call_rules_test : public farm_world {
protected:
  void fail_always() {
    wire.respond = [](const http_request&) { return std::optional{fake_wire::failure(0, 500)}; };
  }

  size_t tries_of_one_call() {
    fail_always();
    start_farm();
    submit(1);
    advance(120s, 50ms);
    return wire.bodies.size();
  }
};

TEST_F(call_rules_test, ARunHasNoMoreCallsInFlightThanItsOwnBound) {
  rules.num_concurrent = 3;
  start_farm();
  const auto bounded = submit(20);
  EXPECT_EQ(wire.requests.size(), 3u);
  rules.num_concurrent.reset();
  submit(20);
  EXPECT_EQ(wire.requests.size(), 8u) << "the other run has the rest of the window";
  answer_everything();
  EXPECT_EQ(find(bounded).state, run_state::completed);
}

TEST_F(call_rules_test, TheBoundHoldsWhileCallsComeAndGo) {
  rules.num_concurrent = 3;
  start_farm();
  const auto id = submit(20);
  answer_everything();
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(wire.most_open, 3u);
}

TEST_F(call_rules_test, TheBoundSurvivesTheProcess) {
  rules.num_concurrent = 3;
  start_farm();
  submit(20);
  crash_farm();
  rules = {};
  wire.most_open = 0;
  start_farm();
  run();
  EXPECT_EQ(wire.most_open, 3u);
}

TEST_F(call_rules_test, ABoundAboveTheModelsOwnChangesNothing) {
  rules.num_concurrent = 1'000;
  start_farm();
  submit(200);
  EXPECT_EQ(wire.requests.size(), 8u);
}

TEST_F(call_rules_test, NoRetriesMeansOneTry) {
  rules.max_retries = 0;
  EXPECT_EQ(tries_of_one_call(), 1u);
}

TEST_F(call_rules_test, TheRunsRetriesGoBeforeTheModels) {
  max_retries = 0;
  rules.max_retries = 2;
  EXPECT_EQ(tries_of_one_call(), 3u);
}

TEST_F(call_rules_test, TheModelsRetriesHoldForARunThatSaysNothing) {
  max_retries = 1;
  EXPECT_EQ(tries_of_one_call(), 2u);
}

TEST_F(call_rules_test, TheRunsTimeoutGoesToTheSocketsAndEndsACallThatTheyForget) {
  std::vector<milliseconds> timeouts;
  wire.respond = [&](const http_request& request) {
    timeouts.push_back(request.timeout);
    return std::optional<http_outcome>{};
  };
  rules.timeout = 2s;
  start_farm();
  submit(1);
  ASSERT_EQ(timeouts.size(), 1u);
  EXPECT_EQ(timeouts[0], 2s);
  advance(16s, 50ms);
  EXPECT_TRUE(wire.cancelled.empty());
  advance(2s, 50ms);
  EXPECT_EQ(wire.cancelled.size(), 1u) << "two seconds, and fifteen that the sockets may be overdue";
}

TEST_F(call_rules_test, TheRunsTimeoutMayBeLongerThanTheModels) {
  std::vector<milliseconds> timeouts;
  wire.respond = [&](const http_request& request) {
    timeouts.push_back(request.timeout);
    return std::optional{fake_wire::answer(0, "right")};
  };
  rules.timeout = 20min;
  auto with = config();
  with.runs.child.call_timeout = 24h;
  start_farm(std::move(with));
  submit(1);
  EXPECT_EQ(timeouts, (std::vector<milliseconds>{20min})) << "the model says ten minutes";
}

} // namespace
} // namespace assay
