#include "tests/actors/farm_world.hpp"

#include <gmock/gmock.h>

namespace assay {
namespace {

using test::farm_world;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using batch_listener_state = test::recorder_state<frame_batch>;

event_sink_actor::behavior_type
batch_listener(event_sink_actor::stateful_pointer<batch_listener_state> self) {
  return {[self](frame_batch& batch) { self->state.messages.push_back(std::move(batch)); }};
}

/// Runs jobs when the test says so.
class patient_executor final : public executor {
public:
  bool submit(std::function<void()> job) override {
    jobs_.push_back(std::move(job));
    return true;
  }

  void work() {
    for (auto& job : std::exchange(jobs_, {}))
      job();
  }

private:
  std::vector<std::function<void()>> jobs_;
};

/// What people are shown, compared with what the store has.
class published_state : public farm_world {
protected:
  event_sink_actor sink;

  void listen(run_id id) {
    sink = spawn(batch_listener);
    ASSERT_TRUE(ask<subscribed>(handles().event_hub, subscribe{id, sink}).has_value());
  }

  /// Everything that a subscriber was told so far, as one text.
  std::string heard() {
    std::string out;
    for (const auto& batch : state_of<batch_listener_state>(sink).messages)
      for (const auto& one : batch.frames)
        out.append(one.text.view()).append("\n");
    return out;
  }

  run_state shown(run_id id) { return find(id).state; }
  run_state stored(run_id id) { return store->runs[id].state; }

  void wish(run_id id, run_verb what) { tell(handles().runs, command_run{id, what}); }

  void commit() {
    store->commit();
    run();
  }

  void release() {
    store->hold = false;
    commit();
    advance(1s);
  }

  evaluation_actor the_evaluation(run_id id) {
    return state_of<run_supervisor_state>(handles().runs).runs.at(id).child;
  }
};

TEST_F(published_state, TheStartIsShownOnceTheStoreHasIt) {
  start_farm();
  store->hold = true;
  tell(handles().runs, submit_run{request(1), user_id{"ann"}, ""});
  EXPECT_TRUE(store->runs.empty());
  commit(); // The submission.
  ASSERT_EQ(store->runs.size(), 1u);
  const auto id = store->runs.begin()->first;
  advance(2s);
  EXPECT_EQ(stored(id), run_state::queued);
  EXPECT_EQ(shown(id), run_state::preparing);
  EXPECT_FALSE(find(id).started_at.has_value());
  release();
  EXPECT_EQ(shown(id), run_state::running);
}

TEST_F(published_state, TheEndIsShownOnceTheStoreHasIt) {
  start_farm();
  const auto id = submit(1);
  listen(id);
  store->hold = true;
  wire.answer_next("right");
  run();
  commit(); // The answer and its score; the last record waits now.
  ASSERT_EQ(store->waiting(), 1u);
  advance(3s);
  ASSERT_EQ(stored(id), run_state::running);
  EXPECT_EQ(shown(id), run_state::running);
  EXPECT_FALSE(find(id).finished_at.has_value());
  EXPECT_EQ(find(id).progress.done, 1u) << "what is committed is shown";
  EXPECT_THAT(heard(), Not(HasSubstr("completed\"")));
  release();
  EXPECT_EQ(shown(id), run_state::completed);
  EXPECT_THAT(heard(), HasSubstr(R"("type":"evaluation_completed")"));
}

TEST_F(published_state, WhatARunBringsIntoTheResultDatabaseIsWrittenWithItsEnd) {
  start_farm();
  const auto id = submit(1);
  const auto place = "test_counts/run/" + to_string(id);
  store->hold = true;
  wire.answer_next("right");
  run();
  commit(); // The answer and its score; the last record waits now.
  ASSERT_EQ(store->waiting(), 1u);
  ASSERT_EQ(stored(id), run_state::running);
  EXPECT_FALSE(store->documents.contains(place));
  commit();
  EXPECT_EQ(stored(id), run_state::completed);
  EXPECT_EQ(store->documents[place], "generation 0");
  release();
}

TEST_F(published_state, APauseIsShownOnceTheStoreHasIt) {
  start_farm();
  const auto id = submit(20);
  listen(id);
  store->hold = true;
  wish(id, run_verb::pause);
  advance(3s);
  EXPECT_EQ(shown(id), run_state::running);
  EXPECT_THAT(heard(), Not(HasSubstr("paused")));
  release();
  EXPECT_EQ(shown(id), run_state::paused);
  EXPECT_EQ(stored(id), run_state::paused);
  store->hold = true;
  wish(id, run_verb::resume);
  advance(2s);
  EXPECT_EQ(shown(id), run_state::paused);
  release();
  EXPECT_EQ(shown(id), run_state::running);
}

TEST_F(published_state, ACancelIsShownOnceTheStoreHasIt) {
  start_farm();
  const auto id = submit(20);
  listen(id);
  store->hold = true;
  wish(id, run_verb::cancel);
  advance(3s);
  EXPECT_EQ(shown(id), run_state::running);
  EXPECT_THAT(heard(), Not(HasSubstr("cancelled")));
  commit();
  EXPECT_EQ(shown(id), run_state::cancelled);
  release();
  advance(31s, 100ms);
  EXPECT_EQ(stored(id), run_state::cancelled);
}

TEST_F(published_state, VerbsOnAQueuedRunAreShownOnceTheStoreHasThem) {
  auto with = config();
  with.runs.max_running = 1;
  start_farm(with);
  submit(5);
  const auto waiting = submit(5);
  store->hold = true;
  wish(waiting, run_verb::pause);
  EXPECT_EQ(shown(waiting), run_state::queued);
  // The next verb waits for the one before instead of acting on what may never be.
  wish(waiting, run_verb::cancel);
  EXPECT_EQ(store->waiting(), 1u);
  commit();
  EXPECT_EQ(shown(waiting), run_state::paused);
  commit();
  EXPECT_EQ(shown(waiting), run_state::cancelled);
  EXPECT_EQ(stored(waiting), run_state::cancelled);
}

TEST_F(published_state, ARetryIsShownOnceTheStoreHasIt) {
  wire.respond = [](const http_request&) { return std::optional{test::fake_wire::failure(0, 400)}; };
  start_farm();
  const auto id = submit(3);
  advance(2s);
  ASSERT_EQ(shown(id), run_state::failed);
  store->hold = true;
  wish(id, run_verb::retry);
  EXPECT_EQ(shown(id), run_state::failed);
  EXPECT_EQ(find(id).generation, 0u);
  const auto sent = wire.bodies.size();
  advance(1s);
  EXPECT_EQ(wire.bodies.size(), sent) << "nothing is asked before the store knows why";
  release();
  EXPECT_EQ(find(id).generation, 1u);
  EXPECT_GT(wire.bodies.size(), sent);
}

TEST_F(published_state, AVerbThatTheStoreRefusesChangesNothing) {
  auto with = config();
  with.runs.max_running = 1;
  start_farm(with);
  submit(5);
  const auto waiting = submit(5);
  store->broken = fault{errc::too_large, "it is too large", {}, {}};
  const auto refused = verb(waiting, run_verb::cancel);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, errc::too_large);
  store->broken.reset();
  EXPECT_EQ(shown(waiting), run_state::queued);
  EXPECT_TRUE(verb(waiting, run_verb::cancel).has_value());
}

TEST_F(published_state, AVerbThatTheStoreTakesTooLateStillCounts) {
  auto with = config();
  with.runs.max_running = 1;
  start_farm(with);
  submit(5);
  const auto waiting = submit(5);
  store->hold = true;
  wish(waiting, run_verb::cancel);
  advance(7s, 100ms); // Longer than the supervisor waits.
  EXPECT_EQ(shown(waiting), run_state::queued);
  release();
  EXPECT_EQ(stored(waiting), run_state::cancelled);
  EXPECT_EQ(shown(waiting), run_state::cancelled);
}

TEST_F(published_state, ACancelOnItsWayToTheStoreCountsWhenTheEvaluationFalls) {
  start_farm();
  const auto id = submit(20);
  store->hold = true;
  wish(id, run_verb::cancel);
  kill(the_evaluation(id));
  advance(1s);
  const auto sent = wire.bodies.size();
  release();
  EXPECT_EQ(stored(id), run_state::cancelled);
  EXPECT_EQ(shown(id), run_state::cancelled);
  advance(10s, 100ms);
  EXPECT_EQ(wire.bodies.size(), sent) << "a cancelled run asks nothing any more";
  EXPECT_EQ(stored(id), run_state::cancelled);
}

TEST_F(published_state, AnswersOnTheirWayToTheStoreAreNotAskedAgainWhenTheEvaluationFalls) {
  cap = 2;
  start_farm();
  const auto id = submit(6);
  store->hold = true;
  wire.answer_next("right");
  wire.answer_next("right");
  run();
  ASSERT_EQ(wire.bodies.size(), 4u);
  kill(the_evaluation(id));
  advance(2s);
  store->hold = false;
  commit();
  advance(1s);
  answer_everything();
  EXPECT_EQ(shown(id), run_state::completed);
  EXPECT_EQ(wire.bodies.size(), 6u + 2u) << "only the two calls in flight are repeated";
}

TEST_F(published_state, ACancelOnItsWayToTheStoreCountsWhenTheSupervisorFalls) {
  auto with = config();
  with.runs.max_running = 1;
  start_farm(with);
  submit(5);
  const auto waiting = submit(5);
  store->hold = true;
  wish(waiting, run_verb::cancel);
  kill(handles().runs);
  advance(1s);
  release();
  EXPECT_EQ(shown(waiting), run_state::cancelled);
  answer_everything();
  advance(5s, 100ms);
  EXPECT_EQ(stored(waiting), run_state::cancelled);
}

TEST_F(published_state, AFullStoreDoesNotChangeWhatARunIsShownAs) {
  start_farm();
  const auto id = submit(20);
  store->broken = fault{errc::store_full, "the disk is full", {}, {}};
  wire.answer_next("right");
  advance(2s);
  EXPECT_EQ(shown(id), run_state::running) << "as the next start will find it";
  EXPECT_EQ(find(id).error->code, errc::store_full);
  const auto refused = verb(id, run_verb::pause);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, errc::store_full);
  EXPECT_EQ(shown(id), run_state::running);
  crash_farm();
  store->broken.reset();
  start_farm();
  answer_everything();
  EXPECT_EQ(shown(id), run_state::completed);
}

TEST_F(published_state, AVerbThatComesBeforeTheFarmKnowsItsRunsIsPutOff) {
  start_farm();
  const auto id = submit(5);
  crash_farm();
  const auto slow = std::make_shared<patient_executor>();
  auto with = config();
  with.runs.workers = slow;
  start_farm(with);
  const auto refused = verb(id, run_verb::pause);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, errc::busy);
  slow->work();
  run();
  EXPECT_TRUE(verb(id, run_verb::pause).has_value());
}

TEST_F(published_state, ARunIsPausedWhileItPrepares) {
  const auto slow = std::make_shared<patient_executor>();
  auto with = config();
  with.runs.workers = slow;
  start_farm(with);
  slow->work(); // Open runs.
  run();
  tell(handles().runs, submit_run{request(5), user_id{"ann"}, ""});
  slow->work(); // Admission.
  run();
  ASSERT_EQ(store->runs.size(), 1u);
  const auto id = store->runs.begin()->first;
  ASSERT_EQ(shown(id), run_state::preparing);
  EXPECT_EQ(verb(id, run_verb::pause)->state, run_state::paused);
  slow->work(); // Recovery.
  run();
  EXPECT_EQ(shown(id), run_state::paused);
  EXPECT_THAT(wire.bodies, IsEmpty());
  EXPECT_EQ(verb(id, run_verb::resume)->state, run_state::running);
  EXPECT_TRUE(find(id).started_at.has_value());
  slow->work(); // Samples.
  run();
  EXPECT_EQ(wire.bodies.size(), 5u);
}

TEST_F(published_state, ACancelWhileTheResultIsComputedIsFinal) {
  const auto slow = std::make_shared<patient_executor>();
  auto with = config();
  with.runs.workers = slow;
  start_farm(with);
  slow->work();
  run();
  tell(handles().runs, submit_run{request(1), user_id{"ann"}, ""});
  for (int i = 0; i < 4; ++i) {
    slow->work();
    run();
  }
  ASSERT_TRUE(wire.answer_next("right"));
  run();
  // The result is being computed as that of a completed run.
  const auto id = store->runs.begin()->first;
  ASSERT_EQ(verb(id, run_verb::cancel)->state, run_state::cancelled);
  for (int i = 0; i < 4; ++i) {
    slow->work();
    run();
  }
  advance(1s);
  EXPECT_EQ(stored(id), run_state::cancelled);
  EXPECT_EQ(shown(id), run_state::cancelled);
  EXPECT_EQ(event_types(id).back(), event_type::evaluation_cancelled);
}

TEST_F(published_state, ACancelOfARunThatIsEndingWins) {
  start_farm();
  const auto id = submit(10);
  // One call is answered with a broken key: the run is ending, the others have their grace.
  wire.deliver(test::fake_wire::failure(wire.requests.front().id, 401));
  run();
  ASSERT_EQ(shown(id), run_state::running);
  const auto refused = verb(id, run_verb::pause);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("ending"));
  ASSERT_TRUE(verb(id, run_verb::cancel).has_value());
  advance(40s, 100ms);
  EXPECT_EQ(stored(id), run_state::cancelled);
}

} // namespace
} // namespace assay
