#include "tests/actors/evaluation_world.hpp"

namespace assay {
namespace {

/// Samples that are asked in several turns.
class turns : public test::evaluation_world {
protected:
  turns() { script.later_turns = {"and then?", "and last?"}; }

  void answer_last_call(const std::string& text) { send_back(answer_to(calls().back(), text)); }
};

TEST_F(turns, AreAskedOneAfterAnotherInOneConversation) {
  start(1);
  give_credit(8);
  ASSERT_EQ(calls().size(), 1u);
  answer_last_call("first");
  ASSERT_EQ(calls().size(), 2u);
  answer_last_call("second");
  ASSERT_EQ(calls().size(), 3u);
  const auto asked = calls().back().messages;
  ASSERT_EQ(asked.size(), 5u);
  EXPECT_EQ(asked[0].content.view(), "question 0");
  EXPECT_EQ(asked[1].role, chat_role::assistant);
  EXPECT_EQ(asked[1].content.view(), "first");
  EXPECT_EQ(asked[2].content.view(), "and then?");
  EXPECT_EQ(asked[3].content.view(), "second");
  EXPECT_EQ(asked[4].content.view(), "and last?");
  answer_last_call("right");
  ASSERT_EQ(store->responses[id].size(), 3u);
  uint16_t step = 0;
  for (const auto& [address, response] : store->responses[id])
    EXPECT_EQ(address.step, step++);
  EXPECT_EQ(store->runs.at(id).state, run_state::completed);
}

TEST_F(turns, TheSampleHasTheLastAnswersScoreAndTheSumOfAllCosts) {
  start(1);
  give_credit(1);
  answer_last_call("wrong");
  answer_last_call("wrong");
  answer_last_call("right");
  const auto sample = only_sample();
  ASSERT_TRUE(sample.has_value());
  EXPECT_EQ(sample->address.step, 2) << "where its last answer is";
  EXPECT_EQ(sample->scores.at(0).value, 1);
  EXPECT_EQ(sample->cost, money{300});
  EXPECT_EQ(sample->usage.completion_tokens, 6u);
  EXPECT_EQ(sample->tries, 3);
  EXPECT_EQ(store->runs.at(id).progress.cost, money{300});
  EXPECT_EQ(store->runs.at(id).progress.done, 1u);
}

TEST_F(turns, TheNextIsAskedOnceTheAnswerIsDurable) {
  start(1);
  give_credit(1);
  store->hold = true;
  answer_last_call("first");
  EXPECT_EQ(calls().size(), 1u);
  store->hold = false;
  store->commit();
  run();
  EXPECT_EQ(calls().size(), 2u);
}

TEST_F(turns, ARestartGoesOnAfterTheLastStoredTurn) {
  start(1);
  give_credit(1);
  answer_last_call("first");
  ASSERT_EQ(calls().size(), 2u);
  restart();
  give_credit(1);
  ASSERT_EQ(calls().size(), 3u);
  EXPECT_EQ(calls().back().messages.size(), 3u) << "the second turn again, not the first";
  answer_last_call("second");
  answer_last_call("right");
  ASSERT_TRUE(only_sample().has_value());
  EXPECT_EQ(only_sample()->cost, money{300});
}

TEST_F(turns, AFailureEndsTheSampleWithWhatItTook) {
  start(1);
  give_credit(1);
  answer_last_call("first");
  send_back(failure_of(calls().back(), errc::provider_rejected));
  const auto sample = only_sample();
  ASSERT_TRUE(sample.has_value());
  EXPECT_EQ(sample->error, errc::provider_rejected);
  EXPECT_EQ(sample->cost, money{100});
  EXPECT_EQ(sample->address.step, 2);
  EXPECT_EQ(store->responses[id].at(sample->address).error, errc::provider_rejected)
      << "the reason is found where the sample's record is";
  EXPECT_EQ(calls().size(), 2u);
}

TEST_F(turns, NoneIsAskedAfterACancel) {
  start(1);
  give_credit(1);
  verb(run_verb::cancel);
  answer_last_call("first");
  EXPECT_EQ(calls().size(), 1u);
  EXPECT_TRUE(store->samples[id].empty());
  EXPECT_EQ(store->runs.at(id).state, run_state::cancelled);
  EXPECT_EQ(store->runs.at(id).progress.cost, money{100}) << "what was paid for is told";
  EXPECT_TRUE(store->results.contains(id)) << "it has come to rest";
}

TEST_F(turns, APauseHoldsTheConversation) {
  start(1);
  give_credit(1);
  verb(run_verb::pause);
  answer_last_call("first");
  EXPECT_EQ(calls().size(), 1u);
  verb(run_verb::resume);
  ASSERT_EQ(calls().size(), 2u);
  EXPECT_EQ(calls().back().messages.size(), 3u);
}

TEST_F(turns, ATurnThatWasTakenBackIsAskedAgainAlone) {
  start(1);
  give_credit(1);
  answer_last_call("first");
  send_back(failure_of(calls().back(), errc::cancelled));
  ASSERT_EQ(calls().size(), 3u);
  EXPECT_EQ(calls().back().messages.size(), 3u);
}

TEST_F(turns, AScorerOutsideSeesAllAnswers) {
  std::vector<std::string> seen;
  script.add_scorers = [&seen](task_plan& task) {
    task.scorers.push_back(nullptr);
    auto scorer = std::make_unique<test::scripted_scorer>();
    scorer->wants = [&seen](const answer_to_score& what) {
      for (const auto& turn : what.turns)
        seen.push_back(turn.str());
      return std::vector<scoring_job>{};
    };
    scorer->makes = [](std::span<const scoring_reply>) { return std::vector{score_value{1, 1, {}}}; };
    task.outside.push_back(std::move(scorer));
  };
  start(1);
  give_credit(1);
  answer_last_call("first");
  answer_last_call("second");
  answer_last_call("right");
  EXPECT_EQ(seen, (std::vector<std::string>{"first", "second", "right"}));
  EXPECT_TRUE(only_sample().has_value()) << "a scorer that wants nothing done is asked at once";
}

} // namespace
} // namespace assay
