#include "tests/actors/farm_world.hpp"

#include <gmock/gmock.h>

namespace assay {
namespace {

using test::farm_world;
using namespace std::chrono_literals;

/// The farm removes old runs by itself.
class retention : public farm_world {
protected:
  root_supervisor_config keeping(std::chrono::days days) {
    auto out = config();
    out.runs.retention.keep = days;
    return out;
  }

  run_id finished_run() {
    const auto id = submit(1);
    answer_everything();
    EXPECT_EQ(find(id).state, run_state::completed);
    return id;
  }

  bool is_there(run_id id) { return store->runs.contains(id); }
};

TEST_F(retention, FinishedRunsAreRemovedWhenTheyAreOldEnough) {
  start_farm(keeping(std::chrono::days{30}));
  const auto old = finished_run();
  wall += std::chrono::days{29};
  const auto young = finished_run();
  advance(2h, 1min);
  EXPECT_TRUE(is_there(old)) << "29 days are less than 30";
  wall += std::chrono::days{2};
  advance(2h, 1min);
  EXPECT_FALSE(is_there(old));
  EXPECT_TRUE(store->samples[old].empty());
  EXPECT_TRUE(is_there(young));
  const auto gone = ask<run_record>(handles().runs, find_run{old});
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().code, errc::not_found);
}

TEST_F(retention, ZeroKeepsThemForGood) {
  start_farm(keeping(std::chrono::days{0}));
  const auto old = finished_run();
  wall += std::chrono::years{50};
  advance(5h, 1min);
  EXPECT_TRUE(is_there(old));
}

TEST_F(retention, RunsThatHaveNotEndedStay) {
  start_farm(keeping(std::chrono::days{1}));
  const auto id = submit(10);
  ASSERT_TRUE(verb(id, run_verb::pause).has_value());
  wall += std::chrono::years{1};
  advance(3h, 1min);
  EXPECT_TRUE(is_there(id));
}

TEST_F(retention, ARunThatAnotherWaitsForStays) {
  start_farm(keeping(std::chrono::days{1}));
  const auto first = finished_run();
  const auto other = submit(10);
  ASSERT_TRUE(verb(other, run_verb::pause).has_value());
  answer_everything();
  auto wish = request(1);
  wish.depends_on = {first, other};
  const auto waiting = submit(wish);
  wall += std::chrono::days{10};
  advance(3h, 1min);
  EXPECT_TRUE(is_there(first));
  ASSERT_TRUE(verb(other, run_verb::resume).has_value());
  answer_everything();
  answer_everything();
  EXPECT_EQ(find(waiting).state, run_state::completed);
}

TEST_F(retention, ManyGoInBoundedSteps) {
  auto with = keeping(std::chrono::days{1});
  with.runs.retention.most_at_once = 3;
  for (uint32_t i = 0; i < 10; ++i) {
    run_record record;
    record.spec.id = run_id{1'000U + i, i};
    record.state = run_state::failed;
    record.finished_at = wall - std::chrono::days{2};
    store->runs[record.spec.id] = record;
  }
  store->hold = true;
  start_farm(with);
  store->commit();
  run();
  advance(61s, 1s);
  EXPECT_EQ(store->runs.size(), 10u);
  store->commit();
  EXPECT_EQ(store->runs.size(), 7u) << "one commit, three runs";
  store->hold = false;
  run();
  advance(1min, 1s);
  EXPECT_TRUE(store->runs.empty()) << "the rest follows without waiting for the next hour";
}

TEST_F(retention, AStoreThatRefusesIsAskedAgainLater) {
  start_farm(keeping(std::chrono::days{1}));
  const auto old = finished_run();
  wall += std::chrono::days{2};
  store->broken = fault{errc::too_large, "not now", {}, {}};
  advance(2h, 1min);
  EXPECT_TRUE(is_there(old));
  store->broken.reset();
  advance(2h, 1min);
  EXPECT_FALSE(is_there(old));
}

TEST_F(retention, ARunThatHasEndedCanBeRemovedAtOnce) {
  start_farm(config());
  const auto id = finished_run();
  ASSERT_TRUE(verb(id, run_verb::purge).has_value());
  EXPECT_FALSE(is_there(id));
  EXPECT_TRUE(store->samples[id].empty());
  EXPECT_EQ(verb(id, run_verb::purge).error().code, errc::not_found);
}

TEST_F(retention, ARunThatGoesOnIsNeitherRemovedNorRedacted) {
  start_farm(config());
  const auto id = submit(10);
  for (const auto what : {run_verb::purge, run_verb::redact}) {
    const auto refused = verb(id, what);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, errc::invalid_transition);
  }
  EXPECT_TRUE(is_there(id));
}

TEST_F(retention, ARunThatAnotherWaitsForIsNotRemoved) {
  start_farm(config());
  const auto first = finished_run();
  const auto other = submit(10);
  ASSERT_TRUE(verb(other, run_verb::pause).has_value());
  auto wish = request(1);
  wish.depends_on = {first, other};
  submit(wish);
  EXPECT_EQ(verb(first, run_verb::purge).error().code, errc::conflict);
  EXPECT_TRUE(is_there(first));
}

TEST_F(retention, ARedactedRunSaysWhenAndIsNotAskedAgain) {
  start_farm(config());
  const auto id = finished_run();
  const auto redacted = verb(id, run_verb::redact);
  ASSERT_TRUE(redacted.has_value());
  const auto when = redacted->redacted_at;
  EXPECT_TRUE(when);
  EXPECT_EQ(store->runs[id].redacted_at, when);
  wall += std::chrono::days{1};
  EXPECT_EQ(verb(id, run_verb::redact)->redacted_at, when) << "again it changes nothing";
  EXPECT_EQ(verb(id, run_verb::retry).error().code, errc::invalid_transition);
}

} // namespace
} // namespace assay
