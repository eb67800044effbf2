#include "actors/experiments/experiment_supervisor.hpp"
#include "actors/supervision/journal.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/fake_farm.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace assay {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const user_id planner{"planner"};
const user_id stranger{"stranger"};

/// The runs that were submitted, as a run supervisor has them; they end when the test says so.
struct run_world {
  std::map<run_id, run_record> runs;
  std::map<std::string, run_id> by_key;
  std::vector<submit_run> submitted; ///< Without dry runs.
  size_t dry_runs = 0;
  std::optional<fault> refused; ///< Dry runs too.
  bool full = false;            ///< Refuses runs, not dry runs.
  bool silent = false;          ///< Takes runs in and never answers.
  std::optional<money> price = from_dollars(1);
};

run_submitted take_in(run_world& world, const submit_run& wish) {
  run_submitted out;
  pinned_task task;
  task.id = wish.request.tasks.at(0);
  task.sample_count = 10;
  out.record.spec.tasks = {task};
  out.record.spec.prompt_types = {"default"};
  out.record.spec.max_cost = wish.request.max_cost;
  out.record.spec.metadata = wish.request.metadata;
  out.record.progress.total = 10;
  out.estimated_cost = world.price;
  if (wish.request.dry_run) {
    ++world.dry_runs;
    out.dry_run = true;
    return out;
  }
  world.submitted.push_back(wish);
  if (const auto known = world.by_key.find(wish.idempotency_key); known != world.by_key.end()) {
    out.record = world.runs.at(known->second);
    out.existed = true;
    return out;
  }
  out.record.spec.id = run_id{1000 + world.runs.size()};
  out.record.state = run_state::running;
  world.by_key[wish.idempotency_key] = out.record.spec.id;
  world.runs[out.record.spec.id] = out.record;
  return out;
}

caf::result<run_record> command(run_world& world, const command_run& wish) {
  auto& run = world.runs.at(wish.run);
  switch (wish.verb) {
  case run_verb::pause:
    run.state = run_state::paused;
    break;
  case run_verb::resume:
    run.state = run_state::running;
    break;
  case run_verb::cancel:
    run.state = run_state::cancelled;
    break;
  case run_verb::retry:
    if (run.state != run_state::failed)
      return to_caf_error({errc::invalid_transition, "it runs", {}, {}});
    run.state = run_state::running;
    run.spec.max_cost = wish.max_cost;
    break;
  default:
    break;
  }
  return run;
}

run_supervisor_actor::behavior_type fake_runs(run_supervisor_actor::pointer self,
                                              const std::shared_ptr<run_world>& world) {
  return {
      [self, world](const submit_run& wish) -> caf::result<run_submitted> {
        if (world->refused)
          return to_caf_error(*world->refused);
        if (world->full && !wish.request.dry_run)
          return to_caf_error({errc::busy, "full", {}, {}});
        auto answer = take_in(*world, wish);
        if (world->silent && !wish.request.dry_run)
          return self->make_response_promise<run_submitted>();
        return answer;
      },
      [world](const command_run& wish) { return command(*world, wish); },
      [world](const find_run& wish) -> caf::result<run_record> {
        const auto found = world->runs.find(wish.run);
        if (found == world->runs.end())
          return to_caf_error({errc::not_found, "no such run", {}, {}});
        return found->second;
      },
      [](const count_runs&) { return run_counts{}; },
      [](const read_gauges&) { return gauges{}; },
      [](const drain&) {},
      [](const open_runs_found&) {},
      [](const run_reported&) {},
      [](const run_pinned&) {},
      [](const expired_runs_found&) {},
      [](const preparation_ended&) {},
      [](const tick&) {},
  };
}

class experiments_test : public test::actor_test {
protected:
  void SetUp() override { begin(); }

  /// Starts the supervisor, as the farm does after a stop.
  void begin() {
    journal_config writing;
    writing.writer = store;
    journal_ = spawn(journal, writing);
    runs_ = spawn(fake_runs, world);
    experiment_supervisor_config config;
    config.journal = journal_;
    config.runs = runs_;
    config.workers = workers;
    config.wall = [this] { return wall_; };
    config.plan_limits = limits;
    config.read.experiments = [this] {
      experiments_recalled out;
      for (const auto& [key, text] : store->documents)
        if (key.starts_with("experiments/"))
          out.heads.push_back(text);
      return out;
    };
    config.read.children = [this](const std::string& prefix) {
      experiment_children_recalled out;
      for (const auto& [key, text] : store->documents)
        if (key.starts_with("experiment_children/" + prefix))
          out.rows.push_back(text);
      return out;
    };
    supervisor_ = spawn(experiment_supervisor, std::move(config));
    run();
  }

  void end() {
    kill(supervisor_);
    kill(journal_);
    kill(runs_);
  }

  static json written() {
    return {{"experiment_id", "x"},
            {"experiment_name", "e"},
            {"models", {"a", "b"}},
            {"task_groups",
             {{{"name", "first"}, {"tasks", {"t"}}},
              {{"name", "second"}, {"tasks", {"u"}}, {"depends_on", {"first"}}}}},
            {"max_parallel", 2}};
  }

  result<experiment_answer> put(experiment_verb verb, const json& body = nullptr,
                                const user_id& who = planner) {
    ask_experiment wish;
    wish.verb = verb;
    wish.experiment = "x";
    wish.body = body.is_null() ? std::string{} : body.dump();
    wish.who = who;
    return ask<experiment_answer>(supervisor_, wish);
  }

  json answer(experiment_verb verb, const json& body = nullptr) {
    const auto heard = put(verb, body);
    EXPECT_TRUE(heard) << (heard ? "" : to_string(heard.error()));
    return heard ? json::parse(heard->text) : json::object();
  }

  /// Lets every run that goes on end so, and the experiment hear of it.
  void end_runs(run_state state = run_state::completed, double cost = 0.5) {
    for (auto& [id, one] : world->runs)
      if (!is_final(one.state) && one.state != run_state::paused) {
        one.state = state;
        one.progress.done = 10;
        one.progress.cost = from_dollars(cost);
        if (state == run_state::failed)
          one.error = fault{errc::provider_unavailable, "down", {}, {}};
      }
    advance(600ms, 50ms);
  }

  std::string state() { return answer(experiment_verb::show).value("state", ""); }

  std::shared_ptr<test::fake_store> store = std::make_shared<test::fake_store>();
  std::shared_ptr<test::inline_executor> workers = std::make_shared<test::inline_executor>();
  std::shared_ptr<run_world> world = std::make_shared<run_world>();
  experiments::plan_limits limits;
  wall_time wall_{std::chrono::seconds{1'704'110'400}};
  journal_actor journal_;
  run_supervisor_actor runs_;
  experiment_supervisor_actor supervisor_;
};

TEST_F(experiments_test, ADryRunStoresAndStartsNothing) {
  const auto plan = answer(experiment_verb::plan, written());
  EXPECT_EQ(plan["total_children"], 4);
  EXPECT_EQ(plan["total_samples"], 40);
  EXPECT_DOUBLE_EQ(plan["estimated_cost"].get<double>(), 4);
  EXPECT_TRUE(store->documents.empty());
  EXPECT_TRUE(world->submitted.empty());
  EXPECT_EQ(world->dry_runs, 4U);
}

TEST_F(experiments_test, GoesItsWay) {
  EXPECT_EQ(answer(experiment_verb::create, written())["total_children"], 4);
  advance(300ms, 50ms);
  ASSERT_EQ(world->submitted.size(), 2U) << "the first group, two at once";
  EXPECT_EQ(world->submitted[0].owner, planner);
  EXPECT_EQ(json::parse(world->submitted[0].request.metadata)["experiment_id"], "x");
  EXPECT_TRUE(world->submitted[0].request.random_seed.has_value()) << "all children draw alike";
  EXPECT_EQ(world->submitted[0].request.random_seed, world->submitted[1].request.random_seed);
  end_runs();
  EXPECT_EQ(world->submitted.size(), 4U);
  end_runs();
  EXPECT_EQ(state(), "completed");
  EXPECT_EQ(answer(experiment_verb::show)["ended_children"], 4);
}

TEST_F(experiments_test, WhatIsTooLargeOrWrongStartsNothing) {
  end();
  limits.most_samples = 39;
  begin();
  const auto refused = put(experiment_verb::create, written());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().where, "experiments.max_samples");
  world->refused = fault{errc::not_found, "there is no task u", "task_ids[0]", {}};
  EXPECT_EQ(put(experiment_verb::create, written()).error().where, "task_groups[0].tasks");
  EXPECT_TRUE(store->documents.empty());
  EXPECT_TRUE(world->submitted.empty());
}

TEST_F(experiments_test, AChildIsStartedOnceWhateverFalls) {
  // The submission was made, and its answer is lost with the process.
  world->silent = true;
  answer(experiment_verb::create, written());
  advance(300ms, 50ms);
  EXPECT_EQ(world->runs.size(), 2U);
  end();
  world->silent = false;
  begin();
  for (int i = 0; i < 4; ++i) {
    advance(300ms, 50ms);
    end();
    begin();
  }
  end_runs();
  end_runs();
  EXPECT_EQ(state(), "completed");
  EXPECT_EQ(world->runs.size(), 4U);
}

TEST_F(experiments_test, NothingIsSubmittedBeforeItsShareIsDurable) {
  auto plan = written();
  plan["max_cost"] = 8;
  answer(experiment_verb::create, plan);
  run();
  for (const auto& one : world->submitted) {
    EXPECT_EQ(one.request.max_cost, from_dollars(2));
    bool found = false;
    for (const auto& [key, text] : store->documents)
      found = found
              || (key.starts_with("experiment_children/")
                  && text.find("\"granted\":2000000000") != std::string::npos);
    EXPECT_TRUE(found);
  }
  const auto before = world->submitted.size();
  store->hold = true;
  end_runs();
  EXPECT_EQ(world->submitted.size(), before) << "what comes next is not in the store yet";
  store->hold = false;
  store->commit();
  advance(600ms, 50ms);
  EXPECT_GT(world->submitted.size(), before);
}

TEST_F(experiments_test, PausesResumesAndCancelsItsChildren) {
  answer(experiment_verb::create, written());
  advance(300ms, 50ms);
  EXPECT_EQ(answer(experiment_verb::pause)["state"], "paused");
  advance(600ms, 50ms);
  for (const auto& [id, one] : world->runs)
    EXPECT_EQ(one.state, run_state::paused);
  end();
  begin();
  EXPECT_EQ(state(), "paused") << "durable";
  EXPECT_EQ(answer(experiment_verb::resume)["state"], "running");
  advance(600ms, 50ms);
  for (const auto& [id, one] : world->runs)
    EXPECT_EQ(one.state, run_state::running);
  answer(experiment_verb::cancel);
  advance(600ms, 50ms);
  EXPECT_EQ(state(), "cancelled");
  for (const auto& [id, one] : world->runs)
    EXPECT_EQ(one.state, run_state::cancelled);
  EXPECT_EQ(world->runs.size(), 2U) << "nothing more was started";
}

TEST_F(experiments_test, ARetryStartsWhatFailedAgain) {
  answer(experiment_verb::create, written());
  advance(300ms, 50ms);
  end_runs(run_state::failed);
  EXPECT_EQ(state(), "failed") << "the second group depends on the first";
  EXPECT_EQ(put(experiment_verb::pause).error().code, errc::invalid_transition);
  EXPECT_EQ(answer(experiment_verb::retry)["state"], "running");
  advance(300ms, 50ms);
  EXPECT_EQ(world->runs.size(), 2U) << "the same runs";
  end_runs();
  end_runs();
  EXPECT_EQ(state(), "completed");
}

TEST_F(experiments_test, AFullFarmIsAskedAgain) {
  world->full = true;
  answer(experiment_verb::create, written());
  advance(600ms, 50ms);
  EXPECT_TRUE(world->runs.empty());
  world->full = false;
  advance(600ms, 50ms);
  EXPECT_EQ(world->runs.size(), 2U);
}

TEST_F(experiments_test, BelongsToItsOwner) {
  answer(experiment_verb::create, written());
  EXPECT_EQ(put(experiment_verb::create, written()).error().code, errc::conflict);
  EXPECT_EQ(put(experiment_verb::show, nullptr, stranger).error().code, errc::not_found);
  EXPECT_EQ(put(experiment_verb::cancel, nullptr, stranger).error().code, errc::not_found);
  EXPECT_EQ(json::parse(put(experiment_verb::list, nullptr, stranger)->text).size(), 0U);
  EXPECT_EQ(put(experiment_verb::erase).error().code, errc::invalid_transition);
  answer(experiment_verb::cancel);
  advance(900ms, 50ms);
  answer(experiment_verb::erase);
  EXPECT_TRUE(store->documents.empty());
  EXPECT_EQ(put(experiment_verb::show).error().code, errc::not_found);
}

} // namespace
} // namespace assay
