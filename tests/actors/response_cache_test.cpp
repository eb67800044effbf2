#include "actors/fleet/kept_vectors.hpp"
#include "tests/actors/response_cache_world.hpp"

namespace assay {
namespace {

using namespace test;

class response_cache_test : public response_cache_world {};

TEST_F(response_cache_test, AsksOnceAndAnswersTheNextTimeForNothing) {
  open(run_a);
  ask_call(run_a, 1, "2+2?");
  ASSERT_EQ(at_router().calls.size(), 1u);
  answer(run_a, 1, "4");
  ASSERT_EQ(at(run_a).outcomes.size(), 1u);
  EXPECT_FALSE(at(run_a).outcomes[0].cached);
  EXPECT_EQ(at(run_a).outcomes[0].cost, money{5'000});
  commit();
  open(run_b);
  ask_call(run_b, 2, "2+2?");
  EXPECT_EQ(at_router().calls.size(), 1u) << "nobody is asked again";
  ASSERT_EQ(at(run_b).outcomes.size(), 1u);
  const auto& given = at(run_b).outcomes[0];
  EXPECT_EQ(given.id, call_id{2});
  EXPECT_EQ(given.answer.view(), "4");
  EXPECT_TRUE(given.cached);
  EXPECT_EQ(given.cost, money{0});
  EXPECT_EQ(given.saved, money{5'000});
  EXPECT_EQ(given.usage, (token_usage{10, 20, 0, 0}));
  EXPECT_EQ(given.served_model, "m-1");
  EXPECT_TRUE(state().calls.empty());
  EXPECT_TRUE(state().flights.empty());
}

TEST_F(response_cache_test, AnswersFromWhatIsStillOnItsWayToTheStore) {
  open(run_a);
  ask_call(run_a, 1, "2+2?");
  answer(run_a, 1, "4");
  ask_call(run_a, 2, "2+2?");
  ASSERT_EQ(at(run_a).outcomes.size(), 2u);
  EXPECT_TRUE(at(run_a).outcomes[1].cached);
  commit();
  EXPECT_TRUE(state().unwritten.empty()) << "the store has it now";
  EXPECT_EQ(state().uncommitted_bytes, 0u);
}

TEST_F(response_cache_test, EveryEpochIsAQuestionOfItsOwn) {
  open(run_a);
  ask_call(run_a, 1, "2+2?", 0);
  ask_call(run_a, 2, "2+2?", 1);
  EXPECT_EQ(at_router().calls.size(), 2u);
}

TEST_F(response_cache_test, AnotherProviderIsAnotherQuestion) {
  open(run_a);
  ask_call(run_a, 1, "2+2?");
  auto other = lane_of(run_b);
  other.provider = provider_id{"q"};
  tell(cache, open_lane{other, evaluation_b});
  ask_call(run_b, 2, "2+2?");
  EXPECT_EQ(at_router().calls.size(), 2u);
}

TEST_F(response_cache_test, AnIdenticalCallInFlightIsMadeOnce) {
  open(run_a);
  open(run_b);
  ask_call(run_a, 1, "2+2?");
  ask_call(run_b, 2, "2+2?");
  ask_call(run_b, 3, "2+2?");
  ASSERT_EQ(at_router().calls.size(), 1u);
  EXPECT_EQ(at_router().calls[0].second.id, call_id{1});
  answer(run_a, 1, "4");
  ASSERT_EQ(at(run_a).outcomes.size(), 1u);
  EXPECT_FALSE(at(run_a).outcomes[0].cached) << "this one was paid";
  ASSERT_EQ(at(run_b).outcomes.size(), 2u);
  for (const auto& one : at(run_b).outcomes) {
    EXPECT_EQ(one.answer.view(), "4");
    EXPECT_TRUE(one.cached);
    EXPECT_EQ(one.cost, money{0});
  }
  EXPECT_TRUE(state().calls.empty());
}

TEST_F(response_cache_test, WhenTheFirstFailsTheOthersAreSentOneByOne) {
  open(run_a);
  open(run_b);
  ask_call(run_a, 1, "2+2?");
  ask_call(run_b, 2, "2+2?");
  ask_call(run_b, 3, "2+2?");
  fail(run_a, 1);
  ASSERT_EQ(at(run_a).outcomes.size(), 1u);
  EXPECT_TRUE(at(run_a).outcomes[0].error);
  ASSERT_EQ(at_router().calls.size(), 2u) << "one, not both";
  EXPECT_EQ(at_router().calls[1].second.id, call_id{2});
  EXPECT_EQ(at_router().calls[1].first, run_b) << "in its own lane";
  EXPECT_TRUE(at(run_b).outcomes.empty());
  fail(run_b, 2);
  ASSERT_EQ(at_router().calls.size(), 3u);
  answer(run_b, 3, "4");
  ASSERT_EQ(at(run_b).outcomes.size(), 2u);
  EXPECT_TRUE(at(run_b).outcomes[0].error);
  EXPECT_EQ(at(run_b).outcomes[1].answer.view(), "4");
  EXPECT_TRUE(state().flights.empty());
}

TEST_F(response_cache_test, WithdrawingOneThatWaitsLeavesTheOthersAlone) {
  open(run_a);
  open(run_b);
  open(run_c);
  ask_call(run_a, 1, "2+2?");
  ask_call(run_b, 2, "2+2?");
  ask_call(run_c, 3, "2+2?");
  tell(cache, withdraw_calls{run_b, std::nullopt});
  ASSERT_EQ(at(run_b).outcomes.size(), 1u) << "it was never sent, so it ends at once";
  EXPECT_EQ(at(run_b).outcomes[0].error->code, errc::cancelled);
  EXPECT_FALSE(at(run_b).outcomes[0].possibly_billed);
  answer(run_a, 1, "4");
  EXPECT_EQ(at(run_a).outcomes.size(), 1u);
  ASSERT_EQ(at(run_c).outcomes.size(), 1u);
  EXPECT_EQ(at(run_c).outcomes[0].answer.view(), "4");
  EXPECT_EQ(at(run_b).outcomes.size(), 1u);
}

TEST_F(response_cache_test, OneQuestionOfALaneIsWithdrawnAlone) {
  open(run_a);
  ask_call(run_a, 1, "2+2?");
  ask_call(run_a, 2, "2+2?");
  ask_call(run_a, 3, "2+2?");
  tell(cache, withdraw_calls{run_a, milliseconds{0}, {call_id{2}}});
  ASSERT_EQ(at(run_a).outcomes.size(), 1u);
  EXPECT_EQ(at(run_a).outcomes[0].id, call_id{2});
  ASSERT_EQ(at_router().withdrawals.size(), 1u);
  EXPECT_EQ(at_router().withdrawals[0].calls, std::vector<call_id>{call_id{2}});
  answer(run_a, 1, "4");
  EXPECT_EQ(at(run_a).outcomes.size(), 3u);
}

TEST_F(response_cache_test, ALaneAfterTheOtherOfOneAskerIsWatchedOnce) {
  open(run_a);
  tell(cache, open_lane{lane_of(run_b), evaluation_a});
  EXPECT_EQ(state().watched_sinks.size(), 1u);
  kill(evaluation_a);
  EXPECT_TRUE(state().lanes.empty());
  EXPECT_TRUE(state().watched_sinks.empty());
}

TEST_F(response_cache_test, WithdrawingTheFirstDoesNotCancelWhoWaitsForIt) {
  open(run_a);
  open(run_b);
  ask_call(run_a, 1, "2+2?");
  ask_call(run_b, 2, "2+2?");
  tell(cache, withdraw_calls{run_a, std::nullopt});
  ASSERT_EQ(at_router().withdrawals.size(), 1u);
  EXPECT_TRUE(at(run_b).outcomes.empty());
  fail(run_a, 1, errc::cancelled);
  ASSERT_EQ(at_router().calls.size(), 2u);
  EXPECT_EQ(at_router().calls[1].first, run_b);
}

TEST_F(response_cache_test, AnAskerThatFallsHandsItsQuestionsOn) {
  open(run_a);
  open(run_b);
  ask_call(run_a, 1, "2+2?");
  ask_call(run_b, 2, "2+2?");
  kill(evaluation_a);
  EXPECT_EQ(at_router().withdrawals.size(), 1u);
  ASSERT_EQ(at_router().closed.size(), 1u);
  EXPECT_EQ(at_router().closed[0].run, run_a);
  ASSERT_EQ(at_router().calls.size(), 2u);
  EXPECT_EQ(at_router().calls[1].second.id, call_id{2});
  answer(run_b, 2, "4");
  EXPECT_EQ(at(run_b).outcomes.size(), 1u);
  EXPECT_TRUE(state().calls.empty());
}

TEST_F(response_cache_test, EndsWhenTheRouterEnds) {
  open(run_a);
  kill(fleet);
  const auto alive = ask<gauges>(cache, read_gauges{});
  EXPECT_FALSE(alive);
}

TEST_F(response_cache_test, EndsWhenTheBatchDeskEnds) {
  batches = spawn(router);
  open(run_a);
  kill(batches);
  EXPECT_FALSE(ask<gauges>(cache, read_gauges{})) << "it is started again with the new desk";
}

TEST_F(response_cache_test, LanesAndCreditPassThrough) {
  open(run_a);
  ASSERT_EQ(at_router().lanes.size(), 1u);
  EXPECT_EQ(at_router().lanes[0], lane_of(run_a));
  tell(cache, lane_credit{run_a, 64});
  tell(cache, open_lane{lane_of(run_a), evaluation_a});
  EXPECT_EQ(at(run_a).credits, (std::vector<uint32_t>{64, 64}));
  tell(cache, close_lane{run_a});
  EXPECT_EQ(at_router().closed.size(), 1u);
}

TEST_F(response_cache_test, CallsOfAnUnknownProviderPassThrough) {
  start();
  auto where = lane_of(run_a);
  where.provider = provider_id{"unknown"};
  tell(cache, open_lane{where, evaluation_a});
  ask_call(run_a, 1, "2+2?");
  ask_call(run_a, 2, "2+2?");
  EXPECT_EQ(at_router().calls.size(), 2u);
  answer(run_a, 1, "4");
  EXPECT_EQ(at(run_a).outcomes.size(), 1u);
}

TEST_F(response_cache_test, CountsPassThroughAndAreNotKept) {
  open(run_a);
  for (uint64_t id = 1; id <= 2; ++id) {
    call_batch batch{lane_of(run_a), {}, evaluation_a};
    auto& request = batch.calls.emplace_back();
    request.id = call_id{id};
    request.kind = call_kind::count_tokens;
    request.messages.push_back({chat_role::user, shared_text{"2+2?"}});
    tell(cache, std::move(batch));
    ASSERT_EQ(at_router().calls.size(), id) << "each is sent itself";
    EXPECT_EQ(at_router().calls.back().second.kind, call_kind::count_tokens);
    tell(cache, call_outcome_batch{run_a, {answered(id, "")}});
    ASSERT_EQ(at(run_a).outcomes.size(), id);
    EXPECT_FALSE(at(run_a).outcomes.back().cached);
  }
  commit();
  EXPECT_EQ(stored_answers(), 0u);
  EXPECT_EQ(state().misses, 0u);
  EXPECT_TRUE(state().calls.empty());
  ask_call(run_a, 3, "2+2?");
  EXPECT_EQ(at_router().calls.size(), 3u) << "a chat of the same words is another question";
}

TEST_F(response_cache_test, VectorsAreKeptAndAskedForOnce) {
  open(run_a);
  uint64_t id = 0;
  const auto embed = [&](std::vector<std::string> texts, std::optional<uint32_t> dimensions = {}) {
    call_batch batch{lane_of(run_a), {}, evaluation_a};
    auto& request = batch.calls.emplace_back();
    request.id = call_id{++id};
    request.kind = call_kind::embed;
    request.inputs = std::make_shared<const embedding_inputs>(embedding_inputs{std::move(texts), dimensions});
    tell(cache, std::move(batch));
  };
  const auto answer_with = [&](uint64_t which, std::vector<std::vector<float>> vectors) {
    auto outcome = answered(which, "");
    outcome.finish = finish_reason::unknown;
    outcome.embeddings = std::make_shared<const embedding_vectors>(embedding_vectors{std::move(vectors)});
    tell(cache, call_outcome_batch{run_a, {outcome}});
  };
  embed({"a", "b"});
  embed({"a", "b"});
  ASSERT_EQ(at_router().calls.size(), 1u) << "one is in flight";
  const std::vector<std::vector<float>> vectors{{1, -0.5F, 3}, {0, 2.25F, 7}};
  answer_with(1, vectors);
  ASSERT_EQ(at(run_a).outcomes.size(), 2u);
  for (const auto& one : at(run_a).outcomes) {
    ASSERT_TRUE(one.embeddings);
    EXPECT_EQ(one.embeddings->vectors, vectors);
  }
  EXPECT_TRUE(at(run_a).outcomes[0].cached != at(run_a).outcomes[1].cached);
  commit();
  embed({"a", "b"});
  ASSERT_EQ(at(run_a).outcomes.size(), 3u);
  EXPECT_TRUE(at(run_a).outcomes[2].cached);
  ASSERT_TRUE(at(run_a).outcomes[2].embeddings);
  EXPECT_EQ(at(run_a).outcomes[2].embeddings->vectors, vectors);
  EXPECT_TRUE(at(run_a).outcomes[2].answer.empty());
  embed({"b", "a"});
  embed({"a", "b"}, 2);
  embed({"ab"});
  EXPECT_EQ(at_router().calls.size(), 4u) << "other questions";
  // Those that are too large are asked for again.
  answer_with(4, {std::vector<float>(most_kept_vector_bytes / 4 + 1, 1.0F)});
  commit();
  embed({"b", "a"});
  EXPECT_EQ(at_router().calls.size(), 5u);
}

TEST_F(response_cache_test, WhoWaitsForAnAnswerGetsItsToolCallsToo) {
  open(run_a);
  open(run_b);
  ask_call(run_a, 1, "2+2?");
  ask_call(run_b, 2, "2+2?");
  answer_extras extras;
  extras.tool_calls = {{"c1", "add", "{}"}};
  auto outcome = answered(1, "");
  outcome.finish = finish_reason::tool_calls;
  outcome.extras = std::make_shared<const answer_extras>(extras);
  tell(cache, call_outcome_batch{run_a, {outcome}});
  ASSERT_EQ(at(run_b).outcomes.size(), 1u);
  ASSERT_TRUE(at(run_b).outcomes[0].extras);
  EXPECT_EQ(at(run_b).outcomes[0].extras->tool_calls, extras.tool_calls);
}

TEST(kept_vectors, AreNothingElse) {
  embedding_vectors good;
  good.vectors = {{1.5F, -2.0F}, {0.0F, 3.0F}};
  const auto packed = pack_vectors(good);
  ASSERT_TRUE(unpack_vectors(packed.view()));
  EXPECT_EQ(*unpack_vectors(packed.view()), good);
  EXPECT_TRUE(pack_vectors(embedding_vectors{}).empty());
  embedding_vectors odd;
  odd.vectors.resize(1);
  EXPECT_TRUE(pack_vectors(odd).empty()) << "of no length";
  odd.vectors = {{1.0F}, {1.0F, 2.0F}};
  EXPECT_TRUE(pack_vectors(odd).empty()) << "of two lengths";
  const std::string whole(packed.view());
  for (const auto& bad : {std::string{}, std::string("4"), whole.substr(1), whole + "x", std::string(8, '\0'),
                          std::string(8, '\xFF')})
    EXPECT_EQ(unpack_vectors(bad), nullptr);
}

TEST_F(response_cache_test, ABatchOfAllKindsIsTakenApart) {
  open(run_a);
  call_batch batch{lane_of(run_a), {}, evaluation_a};
  for (uint64_t id = 1; id <= 4; ++id) {
    auto& request = batch.calls.emplace_back();
    request.id = call_id{id};
    request.kind = id % 2 == 0 ? call_kind::chat : call_kind::count_tokens;
    request.messages.push_back({chat_role::user, shared_text{"2+2?"}});
  }
  tell(cache, std::move(batch));
  EXPECT_EQ(at_router().calls.size(), 3u) << "both counts, and one of the two chats";
  answer(run_a, 2, "4");
  EXPECT_EQ(at(run_a).outcomes.size(), 2u) << "both chats";
  answer(run_a, 1, "");
  answer(run_a, 3, "");
  EXPECT_EQ(at(run_a).outcomes.size(), 4u);
  EXPECT_TRUE(state().calls.empty());
}

TEST_F(response_cache_test, AStreamOfAKnownAnswerIsOnePiece) {
  open(run_a);
  open(run_b);
  ask_call(run_a, 1, "2+2?", 0, true);
  ask_call(run_b, 2, "2+2?", 0, true);
  tell(cache, call_delta{call_id{1}, {{0, "fo", {}, {}}}, 2});
  EXPECT_EQ(at(run_a).deltas.size(), 1u);
  answer(run_a, 1, "four");
  ASSERT_EQ(at(run_b).deltas.size(), 1u);
  EXPECT_EQ(at(run_b).deltas[0].pieces.at(0).text, "four");
  ask_call(run_a, 3, "2+2?", 0, true);
  ASSERT_EQ(at(run_a).deltas.size(), 2u);
  EXPECT_EQ(at(run_a).deltas[1].pieces.at(0).text, "four");
}

TEST_F(response_cache_test, AnAnswerThatComesTwiceCountsOnce) {
  open(run_a);
  ask_call(run_a, 1, "2+2?");
  answer(run_a, 1, "4");
  answer(run_a, 1, "4");
  EXPECT_EQ(at(run_a).outcomes.size(), 1u);
}

} // namespace
} // namespace assay
