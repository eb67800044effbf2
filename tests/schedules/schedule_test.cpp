#include "core/schedules/schedule.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include <string>

namespace assay::schedules {
namespace {

using json = nlohmann::json;

json nightly() {
  return {{"schedule_id", "nightly"},
          {"cron", "30 2 * * *"},
          {"timezone", "+02:00"},
          {"evaluation", {{"model_id", "m"}, {"task_ids", json::array({"arithmetic"})}, {"limit", 20}}}};
}

std::string mistake(const char* key, json value) {
  auto written = nightly();
  written[key] = std::move(value);
  const auto read = schedule_from_json(written);
  return read ? "none" : read.error().where;
}

TEST(schedule, EachMistakeNamesItsField) {
  EXPECT_EQ(mistake("schedule_id", "a b"), "schedule_id");
  EXPECT_EQ(mistake("cron", "at noon"), "cron");
  EXPECT_EQ(mistake("cron", "0 0 31 2 *"), "cron");
  EXPECT_EQ(mistake("timezone", "Europe/Berlin"), "timezone");
  EXPECT_EQ(mistake("enabled", "yes"), "enabled");
  EXPECT_EQ(mistake("often", 1), "often");
  auto evaluation = nightly()["evaluation"];
  evaluation["dry_run"] = true;
  EXPECT_EQ(mistake("evaluation", evaluation), "evaluation.dry_run");
  EXPECT_EQ(mistake("evaluation", json::object()).rfind("evaluation.", 0), 0u);
}

TEST(schedule, ComesBackAsItWasStored) {
  auto value = *schedule_from_json(nightly());
  value.owner = user_id{"ann"};
  value.key_budget = from_dollars(2);
  value.api_key = "key";
  plan_next(value, wall_time{});
  note_fire(value, {wall_time{seconds{60}}, run_id{7}, "", false});
  note_fire(value, {wall_time{seconds{120}}, {}, "no such model", true});
  const auto back = schedule_from_stored(to_stored(value));
  ASSERT_TRUE(back) << to_string(back.error());
  EXPECT_EQ(to_stored(*back), to_stored(value));
  EXPECT_EQ(back->fires, value.fires);
  EXPECT_EQ(back->key_budget, value.key_budget);
}

TEST(schedule, AChangeKeepsWhatItDoesNotName) {
  const auto old = *schedule_from_json(nightly());
  const auto next = changed(old, {{"cron", "0 3 * * *"}});
  ASSERT_TRUE(next) << to_string(next.error());
  EXPECT_EQ(next->timezone, "+02:00");
  EXPECT_EQ(next->evaluation, old.evaluation);
  EXPECT_EQ(next->version, old.version + 1);
  EXPECT_EQ(changed(old, {{"schedule_id", "other"}}).error().where, "schedule_id");
}

TEST(schedule, IsNotDueWhileItIsPaused) {
  auto value = *schedule_from_json(nightly());
  plan_next(value, wall_time{});
  EXPECT_TRUE(value.next);
  value.enabled = false;
  plan_next(value, wall_time{});
  EXPECT_FALSE(value.next);
}

TEST(schedule, ForgetsOldFires) {
  auto value = *schedule_from_json(nightly());
  for (int i = 0; i < 70; ++i)
    note_fire(value, {wall_time{seconds{i}}, {}, "", false});
  EXPECT_EQ(value.fires.size(), most_fires);
  EXPECT_EQ(value.fires.back().due, wall_time{seconds{69}});
}

} // namespace
} // namespace assay::schedules
