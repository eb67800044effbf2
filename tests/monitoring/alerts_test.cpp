#include "core/monitoring/alerts.hpp"
#include "tests/monitoring/support.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

namespace assay::monitoring {
namespace {

using namespace test;

class alert_book_test : public ::testing::Test {
protected:
  alert_book book;
  wall_time now = noon;

  static reading error_rate(double value, uint64_t samples = 100, const std::string& model = "m") {
    return {alert_kind::error_rate,
            provider_id{"p"},
            model_id{model},
            value,
            0.1,
            false,
            window_span::five_minutes,
            samples,
            true};
  }

  /// Sees the same for a while, every five seconds. @returns the changes.
  std::vector<alert> see(const std::vector<reading>& readings, seconds time) {
    std::vector<alert> out;
    for (seconds passed{0}; passed < time; passed += 5s) {
      for (auto& one : book.observe(readings, now))
        out.push_back(std::move(one));
      now += 5s;
    }
    return out;
  }
};

TEST_F(alert_book_test, AValueOverItsThresholdForAWhileOpensOneAlert) {
  EXPECT_TRUE(see({error_rate(0.5)}, 30s).empty());
  const auto opened = see({error_rate(0.5)}, 60s);
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(opened[0].state, alert_state::open);
  EXPECT_EQ(opened[0].model, model_id{"m"});
  EXPECT_EQ(opened[0].samples, 100u);
  EXPECT_EQ(opened[0].message, "error rate of m at p was 50.0 % over 5m, above 10.0 % (100 calls)");
}

TEST_F(alert_book_test, EachBudgetHasAnAlertOfItsOwn) {
  reading day;
  day.kind = alert_kind::budget;
  day.budget = "day";
  day.value = 9;
  day.threshold = 8;
  auto model = day;
  model.budget = "model_day/m";
  const auto opened = see({day, model}, 60s);
  ASSERT_EQ(opened.size(), 2u);
  EXPECT_EQ(opened[0].budget, "day");
  EXPECT_EQ(opened[0].message, "$9.00 of budget day is spent, above $8.00; at its limit calls end");
  EXPECT_EQ(alert_from_text(to_text(opened[1])), opened[1]);
  // A new day has a new account.
  day.value = 0;
  const auto over = see({day, model}, 120s);
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].state, alert_state::resolved);
}

TEST_F(alert_book_test, WhatNothingIsKnownOfStaysOpen) {
  reading day;
  day.kind = alert_kind::budget;
  day.budget = "day";
  day.value = 9;
  day.threshold = 8;
  ASSERT_EQ(see({day}, 60s).size(), 1u);
  std::vector<reading> unknown;
  keep_open(book, alert_kind::budget, unknown);
  EXPECT_TRUE(see(unknown, 300s).empty());
}

TEST_F(alert_book_test, AShortPeakOpensNothing) {
  EXPECT_TRUE(see({error_rate(0.5)}, 20s).empty());
  EXPECT_TRUE(see({error_rate(0.05)}, 5s).empty());
  EXPECT_TRUE(see({error_rate(0.5)}, 20s).empty());
}

TEST_F(alert_book_test, AValueThatTremblesAboutItsThresholdMakesOneAlert) {
  size_t changes = see({error_rate(0.5)}, 60s).size();
  for (int i = 0; i < 50; ++i) {
    changes += see({error_rate(0.099)}, 20s).size();
    changes += see({error_rate(0.101)}, 20s).size();
  }
  EXPECT_EQ(changes, 1u);
  EXPECT_EQ(book.count(alert_state::open), 1u);
}

TEST_F(alert_book_test, ItIsResolvedWhenTheValueStaysWellBelow) {
  see({error_rate(0.5)}, 60s);
  EXPECT_TRUE(see({error_rate(0.01)}, 60s).empty());
  const auto changes = see({error_rate(0.01)}, 10s);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].state, alert_state::resolved);
  EXPECT_TRUE(changes[0].resolved_at);
  EXPECT_GT(changes[0].seq, changes[0].id) << "every change has a number of its own";
  EXPECT_EQ(see({error_rate(0.5)}, 60s).at(0).id, changes[0].id + 1) << "trouble that comes back is another";
}

TEST_F(alert_book_test, WindowsWithTooFewCallsChangeNothing) {
  auto unknown = error_rate(1.0, 3);
  unknown.known = false;
  EXPECT_TRUE(see({unknown}, 10min).empty());
  see({error_rate(0.5)}, 60s);
  unknown.value = 0;
  EXPECT_TRUE(see({unknown}, 10min).empty()) << "nor is it over";
  EXPECT_EQ(book.count(alert_state::open), 1u);
}

TEST_F(alert_book_test, AThingThatIsGoneIsResolved) {
  see({error_rate(0.5)}, 60s);
  EXPECT_EQ(see({}, 5s).at(0).state, alert_state::resolved);
}

TEST_F(alert_book_test, SomebodyMayTakeCareOfIt) {
  see({error_rate(0.5)}, 60s);
  const auto id = book.list().at(0).id;
  const auto done = book.acknowledge(id, "ann", now);
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->state, alert_state::acknowledged);
  EXPECT_EQ(done->acknowledged_by, "ann");
  EXPECT_EQ(book.acknowledge(id, "bob", now)->acknowledged_by, "ann") << "repeating changes nothing";
  EXPECT_TRUE(see({error_rate(0.5)}, 10min).empty()) << "it does not open again";
  EXPECT_EQ(see({error_rate(0)}, 70s).at(0).acknowledged_by, "ann");
  EXPECT_EQ(book.acknowledge(id, "ann", now).error().code, errc::conflict);
  EXPECT_EQ(book.acknowledge(99, "ann", now).error().code, errc::not_found);
}

TEST_F(alert_book_test, ARestartGoesOnWithWhatWasOpen) {
  const auto opened = see({error_rate(0.5)}, 60s).at(0);
  alert_book next;
  next.restore(opened);
  std::swap(book, next);
  EXPECT_TRUE(see({error_rate(0.5)}, 10min).empty()) << "no second alert about the same";
  EXPECT_EQ(see({error_rate(0)}, 70s).at(0).id, opened.id);
  EXPECT_EQ(see({error_rate(0.5, 100, "n")}, 60s).at(0).id, opened.id + 1);
}

TEST_F(alert_book_test, OldOnesAreForgottenAndTheNumberOfOpenOnesIsBounded) {
  book = alert_book{{30s, 60s, 0.1, 3, 2}};
  std::vector<reading> many;
  for (int i = 0; i < 10; ++i)
    many.push_back(error_rate(0.5, 100, "model-" + std::to_string(i)));
  see(many, 60s);
  EXPECT_EQ(book.count(alert_state::open), 3u);
  see({}, 5s);
  EXPECT_EQ(book.list().size(), 2u);
  EXPECT_EQ(book.take_forgotten(), (std::vector<uint64_t>{1}));
  EXPECT_TRUE(book.take_forgotten().empty());
}

TEST_F(alert_book_test, AClockThatIsSetBackOpensNothingEarly) {
  see({error_rate(0.5)}, 20s);
  now -= 2h;
  EXPECT_TRUE(see({error_rate(0.5)}, 30s).empty());
  EXPECT_EQ(see({error_rate(0.5)}, 10s).size(), 1u);
}

TEST(alert, ComesBackFromItsText) {
  alert one{7,
            9,
            alert_kind::target_success_rate,
            provider_id{"p"},
            model_id{"m"},
            alert_state::resolved,
            0.25,
            0.5,
            window_span::hour,
            12,
            "text",
            noon,
            noon + 1s,
            "ann",
            noon + 2s};
  EXPECT_EQ(alert_from_text(to_text(one)), one);
  one.provider = {};
  one.model = {};
  one.acknowledged_at.reset();
  one.acknowledged_by.clear();
  one.resolved_at.reset();
  EXPECT_EQ(alert_from_text(to_text(one)), one);
  for (const auto* bad : {"", "{}", "[]", R"({"alert_id":"x"})"})
    EXPECT_FALSE(alert_from_text(bad)) << bad;
}

// -- what is looked at -------------------------------------------------------------------------------------

std::map<alert_kind, reading> by_kind(const std::vector<reading>& all) {
  std::map<alert_kind, reading> out;
  for (const auto& one : all)
    out[one.kind] = one;
  return out;
}

TEST_F(alert_book_test, AChangeByTheFarmIsKeptAndNeverOpen) {
  const auto noted =
      book.note({provider_id{"p"}, model_id{"m"}, "half of the calls in flight", 0.5, 1, 40}, now);
  EXPECT_EQ(noted.kind, alert_kind::fleet_change);
  EXPECT_EQ(noted.state, alert_state::resolved);
  EXPECT_EQ(noted.resolved_at, now);
  EXPECT_EQ(noted.value, 0.5);
  EXPECT_EQ(noted.threshold, 1);
  EXPECT_EQ(book.count(alert_state::open), 0u);
  EXPECT_EQ(book.list().at(0), noted);
  EXPECT_EQ(alert_from_text(to_text(noted)), noted);
  EXPECT_FALSE(book.acknowledge(noted.id, "ann", now).has_value());
  EXPECT_TRUE(see({}, 30s).empty()) << "nobody watches it";
  const auto next = book.note({provider_id{"p"}, {}, "again", 0, 0, 0}, now);
  EXPECT_GT(next.seq, noted.seq);
}

TEST(readings, TargetsAndThresholdsAreSetAgainstTheWindows) {
  thresholds limits;
  limits.cost_threshold_per_hour = from_dollars(10);
  auto one = model("m", tally_of(9, 2s, 1));
  one.targets = {1.5, 0.95};
  all_windows overall;
  overall.hour = summarise(tally_of(100, 1s), 3600s);
  const auto seen = by_kind(readings_of(limits, overall, {one}));
  EXPECT_EQ(seen.size(), 5u);
  EXPECT_NEAR(seen.at(alert_kind::response_time).value, 2, 0.01);
  EXPECT_NEAR(seen.at(alert_kind::error_rate).value, 0.1, 1e-9);
  EXPECT_EQ(seen.at(alert_kind::target_response_time).threshold, 1.5);
  EXPECT_TRUE(seen.at(alert_kind::target_success_rate).low_is_bad);
  EXPECT_NEAR(seen.at(alert_kind::target_success_rate).value, 0.9, 1e-9);
  EXPECT_NEAR(seen.at(alert_kind::cost_per_hour).value, 1.0, 1e-9);
  EXPECT_TRUE(seen.at(alert_kind::error_rate).known);
}

TEST(readings, NoCallsAreNoTroubleAndFewCallsAreNoKnowledge) {
  const auto none = by_kind(readings_of({}, {}, {model("m", {})}));
  EXPECT_TRUE(none.at(alert_kind::error_rate).known);
  EXPECT_EQ(none.at(alert_kind::error_rate).value, 0);
  const auto few = by_kind(readings_of({}, {}, {model("m", tally_of(0, 1s, 3))}));
  EXPECT_FALSE(few.at(alert_kind::error_rate).known);
}

} // namespace
} // namespace assay::monitoring
