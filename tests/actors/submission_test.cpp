#include "tests/actors/farm_world.hpp"

#include <gmock/gmock.h>

namespace assay {
namespace {

using test::fake_wire;
using test::farm_world;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Asking for runs: keys, plans, dependencies, limits of time, and asking again.
class submissions : public farm_world {
protected:
  result<run_submitted> send(run_request wish, const std::string& key = "",
                             const std::string& owner = "ann") {
    return ask<run_submitted>(handles().runs, submit_run{std::move(wish), user_id{owner}, key});
  }

  void everything_succeeds() {
    wire.respond = [](const http_request&) { return std::optional{fake_wire::answer(0, "right")}; };
  }

  bool was_asked(const std::string& question) {
    return std::ranges::any_of(wire.bodies, [&](const std::string& body) {
      return body.find(question + "\"") != std::string::npos;
    });
  }
};

// -- idempotency keys --------------------------------------------------------------------------------------

TEST_F(submissions, TheSameKeyAtTheSameTimeMakesOneRun) {
  start_farm();
  store->hold = true;
  auto first = self->request(handles().runs, caf::infinite, submit_run{request(3), user_id{"ann"}, "key"});
  auto second = self->request(handles().runs, caf::infinite, submit_run{request(3), user_id{"ann"}, "key"});
  run();
  store->hold = false;
  store->commit();
  run();
  std::vector<run_submitted> answers;
  const auto keep = [&](run_submitted& answer) { answers.push_back(std::move(answer)); };
  const auto fail = [](const caf::error& reason) { ADD_FAILURE() << to_string(to_fault(reason)); };
  first.receive(keep, fail);
  second.receive(keep, fail);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].record.spec.id, answers[1].record.spec.id);
  EXPECT_TRUE(answers[1].existed);
  EXPECT_EQ(store->runs.size(), 1u);
}

TEST_F(submissions, AKeyOutlivesTheFarm) {
  start_farm();
  const auto first = send(request(3), "key");
  ASSERT_TRUE(first.has_value());
  crash_farm();
  start_farm();
  const auto again = send(request(3), "key");
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(again->existed);
  EXPECT_EQ(again->record.spec.id, first->record.spec.id);
}

TEST_F(submissions, EachOwnerHasKeysOfTheirOwn) {
  start_farm();
  const auto hers = send(request(3), "key", "ann");
  const auto his = send(request(3), "key", "ben");
  ASSERT_TRUE(hers.has_value());
  ASSERT_TRUE(his.has_value());
  EXPECT_FALSE(his->existed);
  EXPECT_NE(hers->record.spec.id, his->record.spec.id);
}

TEST_F(submissions, AKeyWhoseRunWasRemovedStartsANewOne) {
  start_farm();
  const auto first = send(request(3), "key");
  ASSERT_TRUE(first.has_value());
  answer_everything();
  store->runs.erase(first->record.spec.id);
  const auto again = send(request(3), "key");
  ASSERT_TRUE(again.has_value()) << to_string(again.error());
  EXPECT_FALSE(again->existed);
  const auto third = send(request(3), "key");
  ASSERT_TRUE(third.has_value());
  EXPECT_EQ(third->record.spec.id, again->record.spec.id);
}

TEST_F(submissions, ADryRunUsesNoKey) {
  start_farm();
  auto plan = request(3);
  plan.dry_run = true;
  ASSERT_TRUE(send(plan, "key").has_value());
  EXPECT_THAT(store->documents, IsEmpty());
  const auto real = send(request(3), "key");
  ASSERT_TRUE(real.has_value());
  EXPECT_FALSE(real->existed);
  const auto planned_again = send(plan, "key");
  ASSERT_TRUE(planned_again.has_value());
  EXPECT_TRUE(planned_again->dry_run);
}

TEST_F(submissions, ARunThatTheStoreTakesTooLateStillRuns) {
  start_farm();
  store->hold = true;
  auto pending = self->request(handles().runs, caf::infinite, submit_run{request(3), user_id{"ann"}, ""});
  advance(7s, 100ms); // Longer than the supervisor waits.
  store->hold = false;
  store->commit();
  run();
  run_id id;
  ASSERT_FALSE(self->mailbox().empty());
  pending.receive([&](const run_submitted& answer) { id = answer.record.spec.id; },
                  [](const caf::error& reason) { ADD_FAILURE() << to_string(to_fault(reason)); });
  answer_everything();
  EXPECT_EQ(find(id).state, run_state::completed);
}

// -- bounds ------------------------------------------------------------------------------------------------

TEST_F(submissions, MoreRunsThanAllowedAreRefusedButMayBePlanned) {
  auto with = config();
  with.runs.max_running = 1;
  with.runs.max_queued = 1;
  start_farm(with);
  submit(5);
  submit(5);
  const auto refused = send(request(5));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, errc::rate_limited);
  auto plan = request(5);
  plan.dry_run = true;
  EXPECT_TRUE(send(plan).has_value());
}

TEST_F(submissions, WithoutAQueueAFreePlaceIsStillTaken) {
  auto with = config();
  with.runs.max_running = 2;
  with.runs.max_queued = 0;
  start_farm(with);
  EXPECT_TRUE(send(request(5)).has_value());
  EXPECT_TRUE(send(request(6)).has_value());
  const auto refused = send(request(7));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, errc::rate_limited);
}

TEST_F(submissions, EqualPrioritiesGoInTheOrderOfTheirSubmission) {
  auto with = config();
  with.runs.max_running = 1;
  start_farm(with);
  std::vector<run_id> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(submit(1));
    wall += 1s;
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(find(ids[i]).state, run_state::running);
    for (size_t later = i + 1; later < ids.size(); ++later)
      EXPECT_EQ(find(ids[later]).state, run_state::queued);
    wire.answer_next("right");
    advance(600ms);
    EXPECT_EQ(find(ids[i]).state, run_state::completed);
  }
}

// -- dependencies ------------------------------------------------------------------------------------------

TEST_F(submissions, ARunWaitsOnlyForRunsThatExistSoNoTwoWaitForEachOther) {
  start_farm();
  const auto known = submit(1);
  auto wish = request(1);
  wish.depends_on = {known, run_id{1U, 2U}};
  const auto refused = send(wish);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, errc::invalid_argument);
  EXPECT_EQ(refused.error().where, "depends_on[1]");
  EXPECT_THAT(refused.error().message, HasSubstr(to_string(run_id{1U, 2U})));
  EXPECT_EQ(store->runs.size(), 1u);
  wish.dry_run = true;
  EXPECT_FALSE(send(wish).has_value()) << "a plan says so too";
}

TEST_F(submissions, ARunDoesNotWaitForOneThatHasFailed) {
  wire.respond = [](const http_request&) { return std::optional{fake_wire::failure(0, 401)}; };
  start_farm();
  const auto failed = submit(3);
  advance(2s);
  ASSERT_EQ(find(failed).state, run_state::failed);
  auto wish = request(1);
  wish.depends_on = {failed};
  const auto refused = send(wish);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, errc::conflict);
  EXPECT_EQ(refused.error().where, "depends_on[0]");
}

TEST_F(submissions, ARunFailsWhenOneThatItWaitsForDoes) {
  start_farm();
  const auto first = submit(3);
  auto wish = request(1);
  wish.depends_on = {first};
  const auto second = submit(wish);
  wish.depends_on = {second};
  const auto third = submit(wish);
  ASSERT_TRUE(verb(first, run_verb::cancel).has_value());
  advance(40s, 100ms);
  for (const auto id : {second, third}) {
    const auto record = find(id);
    EXPECT_EQ(record.state, run_state::failed);
    ASSERT_TRUE(record.error.has_value());
    EXPECT_EQ(record.error->where, "depends_on");
    EXPECT_EQ(event_types(id).back(), event_type::evaluation_failed);
  }
}

TEST_F(submissions, AWaitingRunGoesOnWaitingAfterACrash) {
  start_farm();
  const auto first = submit(3);
  auto wish = request(1);
  wish.depends_on = {first};
  const auto second = submit(wish);
  crash_farm();
  start_farm();
  EXPECT_EQ(find(first).state, run_state::running);
  EXPECT_EQ(find(second).state, run_state::queued);
  everything_succeeds();
  answer_everything();
  advance(1s);
  EXPECT_EQ(find(second).state, run_state::completed);
}

// -- limits of time ----------------------------------------------------------------------------------------

TEST_F(submissions, TheTimeLimitGivesUpCallsInFlightAndARetryAsksTheRest) {
  cap = 2;
  start_farm();
  auto wish = request(5);
  wish.time_limit = 20s;
  const auto id = submit(wish);
  wire.answer_next("right");
  run();
  ASSERT_EQ(wire.requests.size(), 2u);
  advance(22s, 100ms);
  auto record = find(id);
  ASSERT_EQ(record.state, run_state::failed);
  EXPECT_EQ(record.error->code, errc::time_limit_reached);
  EXPECT_EQ(wire.cancelled.size(), 2u);
  EXPECT_THAT(wire.requests, IsEmpty());
  EXPECT_EQ(record.progress.possibly_billed, 2u) << "their requests had been written";
  EXPECT_EQ(scored(id), 1u) << "the answer is kept";
  EXPECT_EQ(store->results.count(id), 1u) << "and counted in a result";

  wire.bodies.clear();
  ASSERT_TRUE(verb(id, run_verb::retry).has_value());
  everything_succeeds();
  answer_everything();
  advance(1s);
  record = find(id);
  EXPECT_EQ(record.state, run_state::completed);
  EXPECT_FALSE(record.error.has_value());
  EXPECT_EQ(record.progress.done, 5u);
  EXPECT_FALSE(was_asked("question 0"));
}

TEST_F(submissions, ARetryHasTheWholeTimeAgain) {
  cap = 1;
  start_farm();
  auto wish = request(5);
  wish.time_limit = 20s;
  const auto id = submit(wish);
  advance(25s, 100ms);
  ASSERT_EQ(find(id).state, run_state::failed);
  ASSERT_TRUE(verb(id, run_verb::retry).has_value());
  advance(15s, 100ms);
  EXPECT_EQ(find(id).state, run_state::running);
  advance(10s, 100ms);
  EXPECT_EQ(find(id).state, run_state::failed);
}

TEST_F(submissions, ARunThatRanOutOfTimeCanAlsoBeResumed) {
  cap = 1;
  start_farm();
  auto wish = request(3);
  wish.time_limit = 20s;
  const auto id = submit(wish);
  advance(25s, 100ms);
  ASSERT_EQ(find(id).state, run_state::failed);
  ASSERT_TRUE(verb(id, run_verb::resume).has_value());
  everything_succeeds();
  answer_everything();
  advance(1s);
  EXPECT_EQ(find(id).state, run_state::completed);
  const auto again = verb(id, run_verb::resume);
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().message, "a run that is completed cannot be resumed");
}

TEST_F(submissions, APauseDoesNotUseUpTheTime) {
  cap = 1;
  start_farm();
  auto wish = request(2);
  wish.time_limit = 20s;
  const auto id = submit(wish);
  ASSERT_TRUE(verb(id, run_verb::pause).has_value());
  wire.answer_next("right");
  advance(10min, 500ms);
  ASSERT_EQ(find(id).state, run_state::paused);
  ASSERT_TRUE(verb(id, run_verb::resume).has_value());
  advance(5s, 100ms);
  EXPECT_EQ(find(id).state, run_state::running);
  advance(20s, 100ms);
  EXPECT_EQ(find(id).state, run_state::failed);
}

// -- asking again ------------------------------------------------------------------------------------------

TEST_F(submissions, ARunThatWasStoppedAsHopelessIsAskedAgainInFull) {
  wire.respond = [](const http_request&) { return std::optional{fake_wire::failure(0, 400)}; };
  start_farm();
  const auto id = submit(200);
  advance(3s);
  ASSERT_EQ(find(id).state, run_state::failed);
  const auto asked = wire.bodies.size();
  ASSERT_LT(asked, 200u) << "it gave up early";
  wire.bodies.clear();
  everything_succeeds();
  ASSERT_TRUE(verb(id, run_verb::retry).has_value());
  answer_everything();
  advance(2s);
  const auto record = find(id);
  EXPECT_EQ(record.state, run_state::completed);
  EXPECT_EQ(record.generation, 1u);
  EXPECT_EQ(record.progress.scored, 200u);
  EXPECT_EQ(record.progress.failed, 0u);
  EXPECT_EQ(wire.bodies.size(), 200u) << "what failed and what was never asked, each once";
}

TEST_F(submissions, ARetryAfterTheKeyFailedLeavesWhatWasAnsweredAlone) {
  int calls = 0;
  wire.respond = [&](const http_request& request) -> std::optional<http_outcome> {
    if (request.body.view().find("question 2\"") != std::string_view::npos)
      return fake_wire::failure(0, 400);
    return ++calls <= 10 ? fake_wire::answer(0, "right") : fake_wire::failure(0, 401);
  };
  cap = 1;
  start_farm();
  const auto id = submit(30);
  advance(3s);
  const auto before = find(id);
  ASSERT_EQ(before.state, run_state::failed);
  EXPECT_EQ(before.error->code, errc::credentials_rejected);
  ASSERT_EQ(scored(id), 10u);
  wire.bodies.clear();
  everything_succeeds();
  ASSERT_TRUE(verb(id, run_verb::retry).has_value());
  answer_everything();
  advance(2s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(find(id).progress.done, 30u);
  EXPECT_EQ(wire.bodies.size(), 20u);
  EXPECT_TRUE(was_asked("question 2")) << "it had failed";
  EXPECT_FALSE(was_asked("question 5")) << "it was answered";
}

TEST_F(submissions, ARetryOfARunWithoutFailuresChangesNothing) {
  everything_succeeds();
  start_farm();
  const auto id = submit(3);
  answer_everything();
  const auto again = verb(id, run_verb::retry);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->state, run_state::completed);
  EXPECT_EQ(again->generation, 0u);
}

TEST_F(submissions, OnlyAnEndedRunIsRetriedAndOnlyAFailedOneIsSaidToNeedIt) {
  start_farm();
  const auto id = submit(3);
  const auto running = verb(id, run_verb::retry);
  ASSERT_FALSE(running.has_value());
  EXPECT_EQ(running.error().code, errc::invalid_transition);
  ASSERT_TRUE(verb(id, run_verb::cancel).has_value());
  advance(40s, 100ms);
  const auto cancelled = verb(id, run_verb::retry);
  ASSERT_FALSE(cancelled.has_value());
  EXPECT_EQ(cancelled.error().code, errc::invalid_transition);
  wire.respond = [](const http_request&) { return std::optional{fake_wire::failure(0, 401)}; };
  const auto failed = submit(3);
  advance(2s);
  const auto resumed = verb(failed, run_verb::resume);
  ASSERT_FALSE(resumed.has_value());
  EXPECT_THAT(resumed.error().hint, HasSubstr("retry"));
  const auto unknown = verb(run_id{1U, 1U}, run_verb::retry);
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, errc::not_found);
}

} // namespace
} // namespace assay
