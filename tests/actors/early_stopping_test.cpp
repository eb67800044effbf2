#include "tests/actors/evaluation_world.hpp"

#include <nlohmann/json.hpp>

namespace assay {
namespace {

using namespace std::chrono_literals;

/// Runs that end when enough is known.
class early_stopping_test : public test::evaluation_world {
protected:
  void stop_when(std::optional<double> interval) {
    early_stopping wish;
    wish.interval = interval;
    wish.min_samples = 10;
    config.record.spec.stop_when = wish;
  }

  /// Answers the oldest @p count calls that have no answer yet.
  void answer(size_t count, const std::string& text = "right") {
    for (size_t i = 0; i < count && answered_ < calls().size(); ++i)
      send_back(answer_to(calls()[answered_++], text));
  }

  size_t open() { return calls().size() - answered_; }

private:
  size_t answered_ = 0;
};

TEST_F(early_stopping_test, ARunEndsWhenItsIntervalIsNarrowEnough) {
  stop_when(0.25);
  start(1'000);
  give_credit(5);
  answer(30);
  EXPECT_TRUE(routed().withdrawals.empty()) << "it is looked at now and then";
  advance(600ms, 100ms);
  ASSERT_EQ(routed().withdrawals.size(), 1u);
  EXPECT_EQ(routed().withdrawals.front().grace, std::nullopt) << "what is on the wire may finish";
  const auto asked = calls().size();
  EXPECT_EQ(store->runs.at(id).state, run_state::running);
  answer(open());
  EXPECT_EQ(calls().size(), asked) << "nothing new goes out";
  const auto& record = store->runs.at(id);
  EXPECT_EQ(record.state, run_state::completed);
  EXPECT_EQ(record.progress.done, asked);
  ASSERT_TRUE(record.stopped_early.has_value());
  EXPECT_EQ(record.stopped_early->reason, "narrow_enough");
  EXPECT_EQ(record.stopped_early->samples_saved, 1'000u - asked);
  EXPECT_EQ(record.stopped_early->cost_saved, money{100 * static_cast<int64_t>(1'000 - asked)});
  EXPECT_GE(record.stopped_early->low, 0.5);
  const auto shown = run_status_json(record);
  EXPECT_EQ(shown.at("stopped_early").at("samples_saved"), 1'000 - asked);
  EXPECT_EQ(run_from_text(run_to_text(record)).stopped_early, record.stopped_early);
}

TEST_F(early_stopping_test, WaitingCallsThatComeBackAreNotAskedAgain) {
  stop_when(0.25);
  start(1'000);
  give_credit(5);
  answer(30);
  advance(600ms, 100ms);
  const auto all = calls();
  for (size_t i = all.size() - open(); i < all.size(); ++i)
    send_back(failure_of(all[i], errc::cancelled));
  EXPECT_EQ(calls().size(), all.size());
  EXPECT_EQ(store->runs.at(id).state, run_state::completed);
}

TEST_F(early_stopping_test, ARunThatKnowsTooLittleAsksOn) {
  stop_when(0.001);
  start(60);
  give_credit(5);
  answer(30);
  advance(600ms, 100ms);
  EXPECT_TRUE(routed().withdrawals.empty());
  answer(30);
  EXPECT_EQ(store->runs.at(id).state, run_state::completed);
  EXPECT_FALSE(store->runs.at(id).stopped_early.has_value());
}

TEST_F(early_stopping_test, ARunEndsWhenAComparisonIsDecided) {
  early_stopping wish;
  wish.against = run_id{1'600'000'000U, 1U};
  wish.min_samples = 10;
  config.record.spec.stop_when = wish;
  script.baseline.assign(1'000, 0.0F);
  start(1'000);
  give_credit(5);
  answer(40);
  advance(600ms, 100ms);
  answer(open());
  ASSERT_TRUE(store->runs.at(id).stopped_early.has_value());
  EXPECT_EQ(store->runs.at(id).stopped_early->reason, "better");
  EXPECT_GT(store->runs.at(id).stopped_early->low, 0);
}

TEST_F(early_stopping_test, WhatWasKnownBeforeARestartIsStillKnown) {
  stop_when(0.25);
  start(1'000);
  give_credit(5);
  answer(30);
  const auto asked = calls().size();
  restart();
  give_credit(5);
  EXPECT_EQ(calls().size(), asked) << "no call goes out before it is looked at";
  EXPECT_EQ(store->runs.at(id).state, run_state::completed);
  EXPECT_TRUE(store->runs.at(id).stopped_early.has_value());
}

TEST(early_stopping_request, IsReadAndRefusedByItsFields) {
  using nlohmann::json;
  const auto read = [](const char* text) {
    return early_stopping_from_request(json::parse(text), "early_stopping");
  };
  EXPECT_EQ(read(R"({"interval": 0.02})")->interval, 0.02);
  EXPECT_EQ(read(R"({"against": "eval_1700000000_0000002a", "alpha": 0.01})")->alpha, 0.01);
  EXPECT_EQ(read(R"({})").error().where, "early_stopping");
  EXPECT_EQ(read(R"({"interval": 2})").error().where, "early_stopping.interval");
  EXPECT_EQ(read(R"({"intervall": 0.1})").error().where, "early_stopping.intervall");
  EXPECT_EQ(read(R"({"against": "x"})").error().where, "early_stopping.against");
  EXPECT_EQ(read(R"({"interval": 0.1, "margin": 0.1})").error().where, "early_stopping.margin");
  EXPECT_EQ(read(R"([])").error().where, "early_stopping");
}

} // namespace
} // namespace assay
