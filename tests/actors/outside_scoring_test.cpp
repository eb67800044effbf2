#include "tests/actors/evaluation_world.hpp"

#include <algorithm>

namespace assay {
namespace {

using namespace std::chrono_literals;

struct kept_python_jobs {
  std::vector<python_job> jobs;
};

/// Stands for the Python host: answers nothing.
python_host_actor::behavior_type
silent_python_host(python_host_actor::stateful_pointer<kept_python_jobs> self) {
  return {
      [self](const run_python& wish) {
        self->state.jobs.insert(self->state.jobs.end(), wish.jobs.begin(), wish.jobs.end());
      },
      [](const withdraw_python_jobs&) {},
      [](const read_host_state&) { return host_state{}; },
      [](const read_gauges&) { return gauges{}; },
      [](const io_completed&) {},
      [](const tick&) {},
  };
}

/// Answers that are scored by programs in the sandbox and by other models.
class outside_scoring : public test::evaluation_world {
protected:
  const run_id judge_lane{id.value + 1};

  /// @returns what the reply is worth: a sandbox job by its exit code, a judge by its words.
  static result<std::vector<score_value>> value_of(const scoring_reply& reply) {
    if (reply.error)
      return *reply.error;
    double value = 0;
    if (const auto* ended = std::get_if<sandbox_result>(&reply.value))
      value = ended->exit_code == 0 ? 1 : 0;
    else if (const auto* text = std::get_if<shared_text>(&reply.value))
      value = text->view() == "good" ? 1 : 0;
    return std::vector{score_value{1, value, {}}};
  }

  void add_scorer(std::function<std::vector<scoring_job>(const answer_to_score&)> wants) {
    script.add_scorers = [wants](task_plan& task) {
      task.scorers.push_back(nullptr);
      task.score.scorers.push_back({1, true});
      auto scorer = std::make_unique<test::scripted_scorer>();
      scorer->wants = wants;
      scorer->makes = [](std::span<const scoring_reply> replies) { return value_of(replies.front()); };
      task.outside.push_back(std::move(scorer));
    };
  }

  void score_in_sandbox() {
    add_scorer([](const answer_to_score& what) {
      sandbox_job job;
      job.command = {"python3", std::string{what.answer}};
      return std::vector<scoring_job>{job};
    });
  }

  void score_by_judge() {
    add_scorer([](const answer_to_score& what) {
      judge_question question;
      question.messages.push_back({chat_role::user, shared_text{"judge " + std::string{what.answer}}});
      return std::vector<scoring_job>{question};
    });
    pinned_judge judge;
    judge.model = model_id{"judge-model"};
    judge.provider = provider_id{"court"};
    config.record.spec.judges = {judge};
  }

  void end_job(size_t which, int32_t exit_code = 0, std::optional<fault> error = {}) {
    sandbox_results news;
    auto& one = news.results.emplace_back();
    one.id = boxed().jobs.at(which).id;
    one.exit_code = exit_code;
    one.error = std::move(error);
    tell(child, std::move(news));
  }
};

// -- the sandbox -------------------------------------------------------------------------------------------

TEST_F(outside_scoring, ASampleCountsOnceItsScorerOutsideHasSpoken) {
  score_in_sandbox();
  start(1);
  give_credit(1);
  send_back(answer_to(calls().at(0)));
  ASSERT_EQ(boxed().jobs.size(), 1u);
  EXPECT_EQ(boxed().jobs.front().command.back(), "right");
  EXPECT_EQ(store->responses[id].size(), 1u) << "the answer is on its way to the disk before it is scored";
  EXPECT_TRUE(store->samples[id].empty());
  EXPECT_EQ(store->runs.at(id).state, run_state::running);
  end_job(0);
  const auto sample = only_sample();
  ASSERT_TRUE(sample.has_value());
  EXPECT_EQ(sample->status, sample_status::scored);
  ASSERT_EQ(sample->scores.size(), 2u) << "those in place and those outside, in the order of the scorers";
  EXPECT_EQ(sample->scores[0].scorer, 0);
  EXPECT_EQ(sample->scores[1].scorer, 1);
  EXPECT_EQ(sample->scores[1].value, 1);
  EXPECT_EQ(sample->cost, money{100});
  EXPECT_EQ(store->runs.at(id).state, run_state::completed);
  EXPECT_EQ(store->runs.at(id).progress.score(), 1.0);
}

TEST_F(outside_scoring, AScorerThatFailsMarksTheSampleAndKeepsTheAnswer) {
  score_in_sandbox();
  start(2);
  give_credit(2);
  for (const auto& request : calls())
    send_back(answer_to(request));
  end_job(0, 0, fault{errc::scorer_failed, "the tests cannot be read", {}, {}});
  end_job(1);
  const auto& failed = store->samples[id].begin()->second;
  EXPECT_EQ(failed.status, sample_status::failed);
  EXPECT_EQ(failed.error, errc::scorer_failed);
  EXPECT_EQ(failed.cost, money{100}) << "it was paid for all the same";
  EXPECT_EQ(store->responses[id].begin()->second.answer.view(), "right");
  EXPECT_EQ(store->runs.at(id).state, run_state::completed);
}

TEST_F(outside_scoring, AHostThatCanRunNothingEndsTheRunBeforeMoreIsPaidFor) {
  score_in_sandbox();
  start(9);
  give_credit(2);
  send_back(answer_to(calls().at(0)));
  end_job(0, 0, fault{errc::unsupported, "there is no bubblewrap here", {}, {}});
  for (size_t i = 1; i < calls().size(); ++i)
    send_back(failure_of(calls()[i], errc::cancelled));
  const auto& record = store->runs.at(id);
  EXPECT_EQ(record.state, run_state::failed);
  EXPECT_EQ(record.error->code, errc::unsupported);
  EXPECT_TRUE(store->samples[id].empty()) << "its answer waits for a retry";
  EXPECT_EQ(record.progress.cost, money{100}) << "what was paid for is told";
}

TEST_F(outside_scoring, WithoutAnyHostTheRunEndsWithTheReason) {
  score_in_sandbox();
  sandbox = sandbox_actor{};
  start(1);
  give_credit(1);
  send_back(answer_to(calls().at(0)));
  EXPECT_EQ(store->runs.at(id).state, run_state::failed);
  EXPECT_EQ(store->runs.at(id).error->code, errc::unsupported);
}

TEST_F(outside_scoring, TheFallOfAHostEndsTheEvaluationAndTheNextScoresWithoutAsking) {
  score_in_sandbox();
  start(1);
  give_credit(1);
  send_back(answer_to(calls().at(0)));
  kill(sandbox);
  ASSERT_TRUE(guarded().childs_end.has_value()) << "at once";
  EXPECT_EQ(to_fault(*guarded().childs_end).code, errc::actor_lost);
  sandbox = spawn(test::sandbox_keeper);
  restart();
  EXPECT_EQ(calls().size(), 1u) << "the answer was paid for once";
  ASSERT_EQ(boxed().jobs.size(), 1u) << "even without credit";
  end_job(0);
  ASSERT_TRUE(only_sample().has_value());
  EXPECT_EQ(only_sample()->cost, money{100});
  EXPECT_EQ(store->runs.at(id).state, run_state::completed);
}

TEST_F(outside_scoring, TheFallOfThePythonHostEndsTheEvaluationAtOnce) {
  add_scorer([](const answer_to_score&) {
    python_job job;
    job.operation = "score";
    job.arguments = shared_text{"{}"};
    return std::vector<scoring_job>{job};
  });
  config.python = spawn(silent_python_host);
  start(1);
  give_credit(1);
  send_back(answer_to(calls().at(0)));
  ASSERT_EQ(state_of<kept_python_jobs>(config.python).jobs.size(), 1u);
  kill(config.python);
  ASSERT_TRUE(guarded().childs_end.has_value());
  EXPECT_EQ(to_fault(*guarded().childs_end).code, errc::actor_lost);
}

TEST_F(outside_scoring, AJobThatNobodyAnswersEndsInTime) {
  score_in_sandbox();
  config.scoring_timeout = 5s;
  start(1);
  give_credit(1);
  send_back(answer_to(calls().at(0)));
  advance(4s, 100ms);
  EXPECT_TRUE(store->samples[id].empty());
  advance(2s, 100ms);
  ASSERT_TRUE(only_sample().has_value());
  EXPECT_EQ(only_sample()->error, errc::scorer_failed);
  EXPECT_EQ(boxed().withdrawn, std::vector{boxed().jobs.front().id});
  end_job(0);
  EXPECT_EQ(store->samples[id].size(), 1u) << "a late result changes nothing";
}

TEST_F(outside_scoring, OpenScoringsHoldNewCallsBack) {
  score_in_sandbox();
  config.max_scorings = 2;
  start(10);
  give_credit(2);
  send_back(answer_to(calls().at(0)));
  send_back(answer_to(calls().at(1)));
  const auto asked = calls().size();
  send_back(answer_to(calls().at(2)));
  EXPECT_EQ(calls().size(), asked) << "two wait for the sandbox already";
  end_job(0);
  end_job(1);
  EXPECT_GT(calls().size(), asked);
}

TEST_F(outside_scoring, PauseLetsJobsEnd) {
  score_in_sandbox();
  start(2);
  give_credit(1);
  send_back(answer_to(calls().at(0)));
  EXPECT_EQ(verb(run_verb::pause).state, run_state::paused);
  EXPECT_TRUE(boxed().withdrawn.empty());
  end_job(0);
  EXPECT_EQ(store->samples[id].size(), 1u);
  EXPECT_EQ(store->runs.at(id).state, run_state::paused);
}

TEST_F(outside_scoring, CancelWithdrawsJobsAndKeepsTheAnswers) {
  score_in_sandbox();
  start(1);
  give_credit(1);
  send_back(answer_to(calls().at(0)));
  EXPECT_EQ(verb(run_verb::cancel).state, run_state::cancelled);
  EXPECT_EQ(boxed().withdrawn.size(), 1u);
  EXPECT_TRUE(store->samples[id].empty());
  EXPECT_EQ(store->responses[id].size(), 1u);
  EXPECT_TRUE(store->results.contains(id)) << "it has come to rest";
}

TEST_F(outside_scoring, ADrainedRunScoresItsAnswersAtTheNextStart) {
  score_in_sandbox();
  start(1);
  give_credit(1);
  send_back(answer_to(calls().at(0)));
  tell(child, drain{30s});
  EXPECT_TRUE(guarded().childs_end.has_value()) << "nothing is left to wait for";
  EXPECT_EQ(boxed().withdrawn.size(), 1u);
  restart();
  ASSERT_EQ(boxed().jobs.size(), 2u);
  end_job(1);
  EXPECT_EQ(calls().size(), 1u);
  EXPECT_EQ(store->runs.at(id).state, run_state::completed);
}

// -- judges ------------------------------------------------------------------------------------------------

TEST_F(outside_scoring, AJudgeHasALaneOfItsOwnAndTheRunsBudget) {
  score_by_judge();
  config.record.spec.max_cost = money{5'000};
  start(1);
  ASSERT_EQ(routed().lanes.size(), 2u);
  const auto& lane = routed().lanes[1].where;
  EXPECT_EQ(lane.run, judge_lane);
  EXPECT_EQ(lane.account, id);
  EXPECT_EQ(lane.model, model_id{"judge-model"});
  EXPECT_EQ(lane.max_cost, money{5'000});
  give_credit(1);
  send_back(answer_to(calls().at(0)));
  EXPECT_TRUE(calls_of(judge_lane).empty()) << "not without credit";
  give_credit(judge_lane, 1);
  ASSERT_EQ(calls_of(judge_lane).size(), 1u);
  EXPECT_EQ(calls_of(judge_lane).front().messages.front().content.view(), "judge right");
}

TEST_F(outside_scoring, WhatAJudgeSaysIsKeptAndItsCostIsCountedApart) {
  score_by_judge();
  start(1);
  give_credit(1);
  give_credit(judge_lane, 1);
  send_back(answer_to(calls().at(0)));
  send_back(judge_lane, answer_to(calls_of(judge_lane).at(0), "good"));
  ASSERT_EQ(store->responses[id].size(), 2u);
  const auto& verdict = std::next(store->responses[id].begin())->second;
  EXPECT_EQ(verdict.address.step, judge_step(0, 0));
  EXPECT_EQ(verdict.answer.view(), "good");
  EXPECT_EQ(verdict.prompt.view(), "judge right");
  ASSERT_TRUE(only_sample().has_value());
  EXPECT_EQ(only_sample()->scores.at(1).value, 1);
  EXPECT_EQ(only_sample()->cost, money{200});
  EXPECT_EQ(only_sample()->judge_cost, money{100});
  EXPECT_EQ(only_sample()->usage.completion_tokens, 2u) << "of the model alone";
  const auto& progress = store->runs.at(id).progress;
  EXPECT_EQ(progress.cost, money{200});
  EXPECT_EQ(progress.judge_cost, money{100});
  EXPECT_NE(std::ranges::find(routed().closed, judge_lane), routed().closed.end());
}

TEST_F(outside_scoring, AJudgeWithoutBudgetEndsTheRunAndTheAnswerWaits) {
  score_by_judge();
  start(1);
  give_credit(1);
  give_credit(judge_lane, 1);
  send_back(answer_to(calls().at(0)));
  send_back(judge_lane, failure_of(calls_of(judge_lane).at(0), errc::budget_exhausted));
  EXPECT_EQ(store->runs.at(id).state, run_state::failed);
  EXPECT_EQ(store->runs.at(id).error->code, errc::budget_exhausted);
  EXPECT_TRUE(store->samples[id].empty());
  EXPECT_EQ(store->responses[id].size(), 1u);
}

TEST_F(outside_scoring, AJudgeThatFailsMarksItsSampleAlone) {
  score_by_judge();
  start(2);
  give_credit(2);
  give_credit(judge_lane, 2);
  send_back(answer_to(calls().at(0)));
  send_back(answer_to(calls().at(1)));
  send_back(judge_lane, failure_of(calls_of(judge_lane).at(0), errc::provider_rejected));
  send_back(judge_lane, answer_to(calls_of(judge_lane).at(1), "bad"));
  EXPECT_EQ(store->samples[id].begin()->second.error, errc::scorer_failed);
  EXPECT_EQ(std::next(store->samples[id].begin())->second.status, sample_status::scored);
  EXPECT_EQ(store->runs.at(id).state, run_state::completed);
}

TEST_F(outside_scoring, APauseTakesBackTheCallsOfJudgesThatWait) {
  score_by_judge();
  start(1);
  give_credit(1);
  send_back(answer_to(calls().at(0)));
  EXPECT_EQ(verb(run_verb::pause).state, run_state::paused);
  EXPECT_TRUE(now_of_child().outside.open.empty()) << "the run is at rest";
  give_credit(judge_lane, 1);
  EXPECT_TRUE(calls_of(judge_lane).empty());
  verb(run_verb::resume);
  ASSERT_EQ(calls_of(judge_lane).size(), 1u);
  send_back(judge_lane, answer_to(calls_of(judge_lane).at(0), "good"));
  EXPECT_EQ(calls().size(), 1u);
  ASSERT_TRUE(only_sample().has_value());
  EXPECT_EQ(only_sample()->cost, money{200}) << "each was paid for once";
}

TEST_F(outside_scoring, AnAnswerThatComesWhileTheRunIsPausedWaitsForItsJudge) {
  score_by_judge();
  start(1);
  give_credit(1);
  give_credit(judge_lane, 1);
  verb(run_verb::pause);
  send_back(answer_to(calls().at(0)));
  EXPECT_TRUE(calls_of(judge_lane).empty());
  EXPECT_TRUE(now_of_child().outside.open.empty());
  verb(run_verb::resume);
  EXPECT_EQ(calls_of(judge_lane).size(), 1u);
}

/// As with runs whose own calls go in batches: their judges are asked one by one, by way of others.
TEST_F(outside_scoring, TheFallOfWhoTakesTheCallsOfJudgesEndsTheEvaluationAtOnce) {
  score_by_judge();
  config.judges = spawn(test::lane_keeper);
  start(1);
  give_credit(1);
  give_credit(judge_lane, 1);
  send_back(answer_to(calls().at(0)));
  ASSERT_EQ(state_of<test::lane_keeper_state>(config.judges).calls.size(), 1u);
  kill(config.judges);
  ASSERT_TRUE(guarded().childs_end.has_value());
  EXPECT_EQ(to_fault(*guarded().childs_end).code, errc::actor_lost);
}

TEST_F(outside_scoring, AVerdictThatIsStoredIsNotAskedForAgain) {
  score_by_judge();
  script.add_scorers = [](task_plan& task) {
    task.scorers.push_back(nullptr);
    task.score.scorers.push_back({1, true});
    auto scorer = std::make_unique<test::scripted_scorer>();
    scorer->wants = [](const answer_to_score&) {
      return std::vector<scoring_job>{judge_question{}, judge_question{}};
    };
    scorer->makes = [](std::span<const scoring_reply> replies) { return value_of(replies.back()); };
    task.outside.push_back(std::move(scorer));
  };
  start(1);
  give_credit(1);
  give_credit(judge_lane, 2);
  send_back(answer_to(calls().at(0)));
  ASSERT_EQ(calls_of(judge_lane).size(), 2u);
  send_back(judge_lane, answer_to(calls_of(judge_lane).at(0), "bad"));
  restart();
  give_credit(judge_lane, 2);
  EXPECT_EQ(calls().size(), 1u);
  ASSERT_EQ(calls_of(judge_lane).size(), 3u) << "the second judge alone";
  send_back(judge_lane, answer_to(calls_of(judge_lane).at(2), "good"));
  ASSERT_TRUE(only_sample().has_value());
  EXPECT_EQ(only_sample()->scores.at(1).value, 1);
}

} // namespace
} // namespace assay
