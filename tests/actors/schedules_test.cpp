#include "tests/actors/farm_world.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace assay {
namespace {

using test::farm_world;
using namespace std::chrono_literals;
using nlohmann::json;

/// Evaluations that recur, in a whole farm. It begins at midnight.
class recurring : public farm_world {
protected:
  root_supervisor_config with_schedules() {
    auto out = config();
    out.schedules.workers = workers;
    out.schedules.wall = [this] { return wall; };
    out.schedules.recall = [this] {
      schedules_recalled found;
      for (const auto& [key, text] : store->documents)
        if (key.starts_with("settings/schedule/"))
          found.records.push_back(text);
      return found;
    };
    return out;
  }

  result<schedule_answer> put(schedule_verb verb, const json& body = nullptr,
                              const std::string& who = "ann") {
    ask_schedule wish;
    wish.verb = verb;
    wish.schedule = "hourly";
    wish.body = body.is_null() ? std::string{} : body.dump();
    wish.who = user_id{who};
    return ask<schedule_answer>(handles().schedules, wish);
  }

  json answer_of(schedule_verb verb, const json& body = nullptr) {
    const auto heard = put(verb, body);
    EXPECT_TRUE(heard) << (heard ? "" : to_string(heard.error()));
    return heard ? json::parse(heard->text) : json::object();
  }

  static json hourly() {
    return {{"schedule_id", "hourly"},
            {"cron", "0 * * * *"},
            {"evaluation",
             {{"model_id", test::the_model.value}, {"task_ids", json::array({"questions"})}, {"limit", 3}}}};
  }

  /// Lets the wall's time pass, and the farm look at it.
  void pass(std::chrono::minutes time) {
    wall += time;
    advance(3s, 500ms);
  }
};

TEST_F(recurring, EachTimeBecomesOneRun) {
  start_farm(with_schedules());
  EXPECT_EQ(answer_of(schedule_verb::create, hourly()).at("next_at"), to_rfc3339(wall + 1h));
  pass(59min);
  EXPECT_EQ(store->runs.size(), 0u);
  pass(1min);
  EXPECT_EQ(store->runs.size(), 1u);
  pass(30min);
  EXPECT_EQ(store->runs.size(), 1u);
  pass(30min);
  EXPECT_EQ(store->runs.size(), 2u);
  const auto shown = answer_of(schedule_verb::show);
  ASSERT_EQ(shown.at("history").size(), 2u);
  EXPECT_EQ(shown.at("history")[0].at("due_at"), to_rfc3339(wall));
  const auto id = run_id_from_string(shown.at("last").at("evaluation_id").get<std::string>());
  ASSERT_TRUE(id);
  EXPECT_EQ(find(*id).spec.owner, user_id{"ann"});
}

TEST_F(recurring, TimesThatPassedWhileTheFarmWasAwayBecomeOneRun) {
  start_farm(with_schedules());
  answer_of(schedule_verb::create, hourly());
  crash_farm();
  wall += 5h;
  start_farm(with_schedules());
  advance(3s, 500ms);
  EXPECT_EQ(store->runs.size(), 1u);
  EXPECT_EQ(answer_of(schedule_verb::show).at("next_at"), to_rfc3339(wall + 1h));
}

TEST_F(recurring, ACrashBetweenTheRunAndItsRecordMakesNoSecondRun) {
  start_farm(with_schedules());
  answer_of(schedule_verb::create, hourly());
  const auto before = store->documents.at("settings/schedule/hourly");
  pass(60min);
  ASSERT_EQ(store->runs.size(), 1u);
  crash_farm();
  // As if the record of the time had not come so far.
  store->documents["settings/schedule/hourly"] = before;
  start_farm(with_schedules());
  advance(3s, 500ms);
  EXPECT_EQ(store->runs.size(), 1u);
  const auto shown = answer_of(schedule_verb::show);
  ASSERT_EQ(shown.at("history").size(), 1u);
  EXPECT_EQ(shown.at("history")[0].at("evaluation_id"), to_string(store->runs.begin()->first));
}

TEST_F(recurring, AFullFarmIsAskedAgainLater) {
  auto with = with_schedules();
  with.runs.max_running = 1;
  with.runs.max_queued = 0;
  start_farm(with);
  const auto busy = submit(5);
  answer_of(schedule_verb::create, hourly());
  pass(60min);
  EXPECT_EQ(store->runs.size(), 1u);
  EXPECT_TRUE(answer_of(schedule_verb::show).at("history").empty());
  answer_everything();
  ASSERT_EQ(find(busy).state, run_state::completed);
  pass(1min);
  EXPECT_EQ(store->runs.size(), 2u);
}

TEST_F(recurring, WhatCannotBeMadeIsOnRecordAndTheNextTimeComes) {
  auto with = with_schedules();
  bool gone = true;
  with.runs.admit = [admit = with.runs.admit, &gone](const run_request& request) -> result<run_submitted> {
    if (gone)
      return fault{errc::not_found, "there is no such task", "task_ids", {}};
    return admit(request);
  };
  start_farm(with);
  answer_of(schedule_verb::create, hourly());
  pass(60min);
  const auto shown = answer_of(schedule_verb::show);
  ASSERT_EQ(shown.at("history").size(), 1u);
  EXPECT_TRUE(shown.at("last").at("evaluation_id").is_null());
  EXPECT_NE(shown.at("last").at("error").get<std::string>().find("no such task"), std::string::npos);
  gone = false;
  pass(60min);
  EXPECT_EQ(store->runs.size(), 1u);
}

TEST_F(recurring, PauseResumeByHandAndDelete) {
  start_farm(with_schedules());
  answer_of(schedule_verb::create, hourly());
  EXPECT_TRUE(answer_of(schedule_verb::pause).at("next_at").is_null());
  pass(120min);
  EXPECT_EQ(store->runs.size(), 0u);
  const auto by_hand = answer_of(schedule_verb::run_now);
  EXPECT_EQ(by_hand.at("last").at("by_hand"), true);
  EXPECT_EQ(store->runs.size(), 1u);
  answer_of(schedule_verb::run_now);
  EXPECT_EQ(store->runs.size(), 2u) << "by hand it may be as often as one likes";
  EXPECT_EQ(answer_of(schedule_verb::resume).at("next_at"), to_rfc3339(wall + 1h));
  EXPECT_EQ(answer_of(schedule_verb::erase).at("deleted"), true);
  EXPECT_EQ(put(schedule_verb::show).error().code, errc::not_found);
  pass(60min);
  EXPECT_EQ(store->runs.size(), 2u);
}

TEST_F(recurring, BelongToWhoMadeThem) {
  start_farm(with_schedules());
  answer_of(schedule_verb::create, hourly());
  EXPECT_EQ(put(schedule_verb::show, nullptr, "ben").error().code, errc::not_found);
  EXPECT_EQ(put(schedule_verb::create, hourly(), "ben").error().code, errc::conflict);
}

} // namespace
} // namespace assay
