#include "tests/actors/batch_desk_world.hpp"

#include <nlohmann/json.hpp>

namespace assay {
namespace {

using namespace test;
using json = nlohmann::json;

class batch_desk_test : public batch_desk_world {};

TEST_F(batch_desk_test, NothingIsSentBeforeTheIntentIsDurable) {
  open();
  ask_call(1, "2+2?");
  pass(6s);
  EXPECT_TRUE(provider->targets.empty());
  ASSERT_EQ(state_of<held_commits>(journal).waiting.size(), 1u);
  commit();
  ASSERT_EQ(provider->targets.size(), 1u);
  ASSERT_EQ(store->committed.size(), 1u);
  const auto row = json::parse(store->committed.begin()->second);
  EXPECT_EQ(row["run"], to_string(run_a));
  EXPECT_EQ(row["batch"], "");
  EXPECT_EQ(row["questions"].size(), 1u);
}

TEST_F(batch_desk_test, AnswersComeBackInAnyOrderForHalfThePrice) {
  ask_two();
  const auto& upload = provider->waiting.front();
  EXPECT_NE(upload.body.view().find(name_of(0)), std::string_view::npos);
  EXPECT_TRUE(upload.content_type.starts_with("multipart/form-data; boundary="));
  make_batch();
  EXPECT_EQ(at_asker().credits.back().in_batches, 2u);
  end_batch(R"(,"output_file_id":"file-out","error_file_id":null)");
  const auto results = asked();
  EXPECT_EQ(results.target, "/files/file-out/content");
  EXPECT_TRUE(results.stream);
  reply(results, 200, openai_row(1, "six") + openai_row(0, "four"));
  const auto got = outcomes();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got.at(1).answer.view(), "four");
  EXPECT_EQ(got.at(2).answer.view(), "six");
  EXPECT_EQ(got.at(1).cost, money{1'500'000}) << "half of 0.003 dollars";
  EXPECT_EQ(got.at(1).served_model, "m-1");
  EXPECT_EQ(at_asker().credits.back().in_batches, 0u);
  EXPECT_TRUE(at_router().calls.empty());
}

TEST_F(batch_desk_test, TheRowGoesOnceTheAnswersHadTimeToBeStored) {
  ask_two();
  make_batch();
  end_batch(R"(,"output_file_id":"file-out")");
  reply(asked(), 200, openai_row(1, "six") + openai_row(0, "four"));
  commit();
  EXPECT_EQ(store->committed.size(), 1u);
  pass(62s);
  commit();
  EXPECT_TRUE(store->committed.empty());
  EXPECT_TRUE(state().chunks.empty());
}

TEST_F(batch_desk_test, ResultsThatComeInPiecesAreReadWhole) {
  ask_two();
  make_batch();
  end_batch(R"(,"output_file_id":"file-out")");
  const auto results = asked();
  const auto body = openai_row(1, "six") + openai_row(0, "four");
  provider->deliver({{{results.id, shared_text(std::string_view(body).substr(0, 100))},
                      {results.id, shared_text(std::string_view(body).substr(100))}},
                     {}});
  settle();
  reply(results, 200, "");
  EXPECT_EQ(outcomes().at(1).answer.view(), "four");
}

TEST_F(batch_desk_test, WhatFailsThereIsAskedOneByOne) {
  ask_two();
  make_batch();
  end_batch(R"(,"output_file_id":null,"error_file_id":"file-err")");
  reply(
      asked(), 200,
      R"({"custom_id":")" + name_of(0)
          + R"(","response":{"status_code":503,"body":{"error":{"message":"overloaded","type":"server_error"}}},"error":null})"
          + "\n" + R"({"custom_id":")" + name_of(1)
          + R"(","response":null,"error":{"code":"batch_expired","message":"This request could not be executed"}})");
  EXPECT_TRUE(at_router().calls.empty()) << "never more than the router gives credit for";
  tell(desk, lane_credit{run_a, 10});
  ASSERT_EQ(at_router().calls.size(), 2u);
  const auto& first = at_router().calls[0].second;
  ASSERT_EQ(first.failures.size(), 1u);
  EXPECT_FALSE(first.failures[0].possibly_billed);
  call_outcome good;
  good.id = first.id;
  good.answer = shared_text("online");
  tell(desk, call_outcome_batch{run_a, {good}});
  EXPECT_EQ(outcomes().at(first.id.value).answer.view(), "online");
}

TEST_F(batch_desk_test, ACallThatTheProviderRefusesForGoodIsNotAskedAgain) {
  ask_two();
  make_batch();
  end_batch(R"(,"output_file_id":"file-out","error_file_id":"file-err")");
  tell(desk, lane_credit{run_a, 10});
  reply(asked(), 200, openai_row(0, "four"));
  pass(1500ms);
  const auto errors = asked();
  EXPECT_EQ(errors.target, "/files/file-err/content");
  reply(
      errors, 200,
      R"({"custom_id":")" + name_of(1)
          + R"(","response":{"status_code":400,"body":{"error":{"message":"no","type":"invalid_request_error"}}},"error":null})");
  const auto got = outcomes();
  ASSERT_EQ(got.size(), 2u);
  ASSERT_TRUE(got.at(2).error);
  EXPECT_EQ(got.at(2).error->code, errc::provider_rejected);
  EXPECT_TRUE(at_router().calls.empty());
}

TEST_F(batch_desk_test, ACallWithoutARowIsAskedOneByOne) {
  ask_two();
  make_batch();
  tell(desk, lane_credit{run_a, 10});
  end_batch(R"(,"output_file_id":"file-out")", "cancelled");
  reply(asked(), 200, openai_row(0, "four"));
  ASSERT_EQ(at_router().calls.size(), 1u);
  EXPECT_EQ(at_router().calls[0].second.id, call_id{2});
}

TEST_F(batch_desk_test, AProviderThatTakesNoBatchIsAskedOneByOne) {
  ask_two();
  tell(desk, lane_credit{run_a, 10});
  reply(asked(), 404, R"({"error":{"message":"no such route"}})");
  EXPECT_EQ(at_router().calls.size(), 2u);
  commit();
  EXPECT_TRUE(store->committed.empty());
}

TEST_F(batch_desk_test, AKeyThatTheProviderRepeatsIsNotTold) {
  profile.key = secret{"sk-very-secret-1"};
  ask_two();
  tell(desk, lane_credit{run_a, 10});
  reply(asked(), 404, R"({"error":{"message":"no route for sk-very-secret-1"}})");
  ASSERT_EQ(at_router().calls.size(), 2u);
  for (const auto& [run, one] : at_router().calls)
    for (const auto& failed : one.failures) {
      EXPECT_EQ(failed.message.find("sk-very-secret-1"), std::string::npos) << failed.message;
      EXPECT_NE(failed.message.find("***"), std::string::npos) << failed.message;
    }
}

TEST_F(batch_desk_test, AKeyThatARowOfTheBatchRepeatsIsNotTold) {
  profile.key = secret{"sk-very-secret-1"};
  ask_two();
  make_batch();
  end_batch(R"(,"output_file_id":"file-out")");
  reply(
      asked(), 200,
      openai_row(0, "four") + R"({"custom_id":")" + name_of(1)
          + R"(","response":{"status_code":400,"body":{"error":{"message":"bad sk-very-secret-1","type":"invalid_request_error"}}},"error":null})");
  const auto got = outcomes();
  ASSERT_EQ(got.size(), 2u);
  ASSERT_TRUE(got.at(2).error);
  EXPECT_EQ(got.at(2).error->message.find("sk-very-secret-1"), std::string::npos) << got.at(2).error->message;
}

TEST_F(batch_desk_test, AFailedBatchDoesNotTellItsKey) {
  profile.key = secret{"sk-very-secret-1"};
  ask_two();
  make_batch();
  tell(desk, lane_credit{run_a, 10});
  pass(8s);
  reply(asked(), 200,
        openai_batch("failed", R"(,"errors":{"data":[{"code":"x","message":"not for sk-very-secret-1"}]})"));
  ASSERT_EQ(at_router().calls.size(), 2u);
  for (const auto& [run, one] : at_router().calls)
    for (const auto& failed : one.failures)
      EXPECT_EQ(failed.message.find("sk-very-secret-1"), std::string::npos) << failed.message;
}

TEST_F(batch_desk_test, CountsThatAreNotPossibleAreNotCharged) {
  ask_two();
  make_batch();
  end_batch(R"(,"output_file_id":"file-out")");
  auto invented = openai_row(1, "six");
  const std::string counted = R"("completion_tokens":1000)";
  invented.replace(invented.find(counted), counted.size(), R"("completion_tokens":4294967295)");
  reply(asked(), 200, openai_row(0, "four") + invented);
  const auto got = outcomes();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got.at(1).usage.completion_tokens, 1'000u);
  EXPECT_FALSE(got.at(1).usage_estimated);
  EXPECT_EQ(got.at(2).usage.completion_tokens, 16u + 4'096);
  EXPECT_TRUE(got.at(2).usage_estimated);
}

TEST_F(batch_desk_test, ALineThatIsFullWaitsForANextBatch) {
  ask_two();
  make_batch();
  pass(8s);
  reply(
      asked(), 200,
      openai_batch(
          "failed",
          R"(,"errors":{"object":"list","data":[{"code":"token_limit_exceeded","message":"Enqueued token limit reached"}]})"));
  EXPECT_TRUE(at_router().calls.empty());
  pass(30s);
  EXPECT_TRUE(provider->waiting.empty());
  pass(40s);
  commit();
  EXPECT_EQ(asked().target, "/files");
}

TEST_F(batch_desk_test, AModelWithoutABatchApiIsAskedOneByOne) {
  profile.batches.available = false;
  open();
  tell(desk, lane_credit{run_a, 1});
  ask_call(1, "2+2?");
  ask_call(2, "3+3?");
  ASSERT_EQ(at_router().calls.size(), 1u);
  call_outcome good;
  good.id = call_id{1};
  tell(desk, call_outcome_batch{run_a, {good}});
  EXPECT_EQ(at_router().calls.size(), 2u);
  EXPECT_EQ(outcomes().size(), 1u);
}

TEST_F(batch_desk_test, AFullBatchDoesNotWaitForOthers) {
  open();
  for (uint64_t i = 1; i <= 1'000; ++i)
    ask_call(i, "question " + std::to_string(i));
  pass(1s);
  EXPECT_EQ(state().chunks.size(), 1u);
  EXPECT_EQ(the_batch().rows.size(), 1'000u);
}

// -- interruptions -----------------------------------------------------------------------------------------

TEST_F(batch_desk_test, AnIntentWithoutABatchIsForgottenAndAskedAnew) {
  ask_two();
  restart();
  pass(1500ms);
  ask_two();
  EXPECT_EQ(provider->targets, (std::vector<std::string>{"/batches?limit=100"}));
  reply(asked(), 200, R"({"object":"list","data":[],"has_more":false})");
  pass(32s);
  const auto second = asked();
  EXPECT_EQ(second.target, "/batches?limit=100") << "a list may lag behind";
  reply(second, 200, R"({"object":"list","data":[],"has_more":false})");
  pass(6s);
  commit();
  EXPECT_EQ(asked().target, "/files");
  EXPECT_EQ(store->committed.size(), 1u);
}

TEST_F(batch_desk_test, ABatchWhoseCreationWasNotHeardOfIsAdopted) {
  ask_two();
  reply(asked(), 200, R"({"id":"file-1","status":"processed"})");
  pass(1500ms);
  EXPECT_EQ(asked().target, "/batches");
  const auto label = labelled();
  const auto rows = openai_row(1, "six") + openai_row(0, "four");
  restart();
  open();
  ask_call(11, "2+2?");
  ask_call(12, "3+3?");
  pass(1500ms);
  EXPECT_EQ(provider->targets, (std::vector<std::string>{"/batches?limit=100"}))
      << "it looks before it makes any";
  reply(
      asked(), 200,
      R"({"object":"list","has_more":false,"data":[{"id":"batch_0","status":"completed","created_at":1700000006,"metadata":null},)"
          + openai_batch("in_progress", label) + "]}");
  commit();
  EXPECT_EQ(json::parse(store->committed.begin()->second)["batch"], "batch_1");
  EXPECT_EQ(at_asker().credits.back().in_batches, 2u);
  end_batch(R"(,"output_file_id":"file-out")");
  reply(asked(), 200, rows);
  EXPECT_EQ(outcomes().at(11).answer.view(), "four");
  EXPECT_EQ(outcomes().at(12).answer.view(), "six");
  EXPECT_EQ(state().adopted, 1u);
  EXPECT_EQ(state().created, 0u);
  EXPECT_EQ(std::ranges::count(provider->targets, "/files"), 0);
}

TEST_F(batch_desk_test, AnswersWaitForTheCallsThatComeLater) {
  ask_two();
  make_batch();
  const auto rows = openai_row(1, "six") + openai_row(0, "four");
  restart();
  pass(1500ms);
  reply(asked(), 200, openai_batch("completed", R"(,"output_file_id":"file-out")"));
  pass(1500ms);
  EXPECT_TRUE(provider->waiting.empty()) << "nobody is there yet who could take the answers";
  open();
  pass(1500ms);
  reply(asked(), 200, rows);
  EXPECT_TRUE(outcomes().empty());
  ask_call(21, "3+3?");
  EXPECT_EQ(outcomes().at(21).answer.view(), "six");
  pass(120s);
  EXPECT_EQ(state().chunks.size(), 1u) << "the other answer is still wanted";
  ask_call(22, "2+2?");
  EXPECT_EQ(outcomes().at(22).answer.view(), "four");
  pass(62s);
  EXPECT_TRUE(state().chunks.empty());
}

TEST_F(batch_desk_test, ALostAnswerToTheCreationIsLookedUp) {
  ask_two();
  reply(asked(), 200, R"({"id":"file-1","status":"processed"})");
  pass(1500ms);
  lose(asked());
  pass(6s);
  const auto list = asked();
  EXPECT_EQ(list.target, "/batches?limit=100");
  reply(list, 200,
        R"({"object":"list","has_more":false,"data":[)" + openai_batch("in_progress", labelled()) + "]}");
  EXPECT_EQ(the_batch().batch, "batch_1");
  EXPECT_EQ(std::ranges::count(provider->targets, "/batches"), 1) << "it was made once";
}

TEST_F(batch_desk_test, WhatMakesSomethingIsNeverSentTwiceOnOneSocketsWord) {
  ask_two();
  const auto upload = asked();
  EXPECT_EQ(upload.target, "/files");
  EXPECT_FALSE(upload.resend);
  reply(upload, 200, R"({"id":"file-1","status":"processed"})");
  pass(1500ms);
  const auto create = asked();
  EXPECT_EQ(create.target, "/batches");
  EXPECT_FALSE(create.resend);
  lose(create);
  pass(6s);
  const auto list = asked();
  EXPECT_TRUE(list.resend) << "asking twice makes nothing";
  // The create did not happen: only then, and after a second look, is it made again.
  reply(list, 200, R"({"object":"list","data":[],"has_more":false})");
  pass(32s);
  const auto second = asked();
  EXPECT_EQ(second.target, "/batches?limit=100");
  reply(second, 200, R"({"object":"list","data":[],"has_more":false})");
  pass(12s);
  const auto again = asked();
  EXPECT_EQ(again.target, "/batches");
  EXPECT_FALSE(again.resend);
  reply(again, 200, openai_batch("validating"));
  pass(8s);
  EXPECT_TRUE(asked().resend);
  EXPECT_EQ(std::ranges::count(provider->targets, "/batches"), 2);
}

TEST_F(batch_desk_test, ABatchWhoseCallsComeWithItIsMadeOnceToo) {
  profile = anthropic();
  ask_two();
  const auto create = asked();
  EXPECT_EQ(create.target, "/v1/messages/batches");
  EXPECT_FALSE(create.resend);
}

TEST_F(batch_desk_test, AnotherFarmsBatchIsLetGo) {
  profile = anthropic();
  ask_two();
  const auto create = asked();
  EXPECT_EQ(create.target, "/v1/messages/batches");
  EXPECT_EQ(json::parse(create.body.view())["requests"].size(), 2u);
  lose(create);
  pass(6s);
  const auto batch = [](std::string_view id, std::string_view status) {
    return R"({"id":")" + std::string(id) + R"(","type":"message_batch","processing_status":")"
           + std::string(status)
           + R"(","request_counts":{"processing":2,"succeeded":0,"errored":0,"canceled":0,"expired":0},)"
           + R"("created_at":"2023-11-14T22:13:30Z","results_url":null})";
  };
  reply(asked(), 200, R"({"data":[)" + batch("msgbatch_x", "in_progress") + R"(],"has_more":false})");
  EXPECT_EQ(the_batch().batch, "msgbatch_x") << "nothing speaks against it";
  pass(1500ms);
  reply(asked(), 200, batch("msgbatch_x", "ended"));
  pass(1500ms);
  const auto results = asked();
  EXPECT_EQ(results.target, "/v1/messages/batches/msgbatch_x/results");
  reply(results, 200, R"({"custom_id":"someone-0","result":{"type":"expired"}})");
  EXPECT_TRUE(outcomes().empty());
  pass(1500ms);
  const auto list = asked();
  EXPECT_TRUE(list.target.starts_with("/v1/messages/batches?limit="));
  reply(list, 200,
        R"({"data":[)" + batch("msgbatch_x", "ended") + "," + batch("msgbatch_y", "in_progress")
            + R"(],"has_more":false})");
  EXPECT_EQ(the_batch().batch, "msgbatch_y");
  pass(1500ms);
  reply(asked(), 200, batch("msgbatch_y", "ended"));
  pass(1500ms);
  const auto row = [&](uint32_t i, std::string_view text) {
    return R"({"custom_id":")" + name_of(i)
           + R"(","result":{"type":"succeeded","message":{"id":"msg","type":"message","role":"assistant","model":"c",)"
           + R"("content":[{"type":"text","text":")" + std::string(text)
           + R"("}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}}})" + "\n";
  };
  reply(asked(), 200, row(1, "six") + row(0, "four"));
  EXPECT_EQ(outcomes().at(1).answer.view(), "four");
  EXPECT_EQ(outcomes().at(2).answer.view(), "six");
}

// -- withdrawing -------------------------------------------------------------------------------------------

TEST_F(batch_desk_test, ACancelledRunCancelsItsBatchAndTakesWhatItGives) {
  ask_two();
  make_batch();
  tell(desk, withdraw_calls{run_a, 30s});
  pass(1500ms);
  const auto cancel = asked();
  EXPECT_EQ(cancel.target, "/batches/batch_1/cancel");
  EXPECT_EQ(cancel.method, http_method::post);
  reply(cancel, 200, openai_batch("cancelling"));
  pass(6s);
  reply(asked(), 200, openai_batch("cancelled", R"(,"output_file_id":"file-out")"));
  pass(1500ms);
  reply(asked(), 200, openai_row(0, "four"));
  const auto got = outcomes();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got.at(1).answer.view(), "four");
  ASSERT_TRUE(got.at(2).error);
  EXPECT_EQ(got.at(2).error->code, errc::cancelled);
  EXPECT_TRUE(at_router().calls.empty());
}

TEST_F(batch_desk_test, ACancelledCallMayHaveBeenPaidForWhenTheBatchDoesNotEndInTime) {
  ask_two();
  make_batch();
  tell(desk, withdraw_calls{run_a, 3s});
  pass(1500ms);
  reply(asked(), 200, openai_batch("cancelling"));
  pass(3s);
  const auto got = outcomes();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got.at(1).error->code, errc::cancelled);
  EXPECT_TRUE(got.at(1).possibly_billed);
  commit();
  EXPECT_TRUE(store->committed.empty());
}

TEST_F(batch_desk_test, APausedRunKeepsItsBatchAndTakesBackWhatWasNotSent) {
  ask_two();
  make_batch();
  ask_call(3, "4+4?");
  tell(desk, withdraw_calls{run_a, std::nullopt});
  settle();
  const auto got = outcomes();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got.at(3).error->code, errc::cancelled);
  EXPECT_FALSE(got.at(3).possibly_billed);
  end_batch(R"(,"output_file_id":"file-out")");
  reply(asked(), 200, openai_row(0, "four") + openai_row(1, "six"));
  EXPECT_EQ(outcomes().size(), 3u);
}

TEST_F(batch_desk_test, AFarmThatStopsLeavesItsBatchesToTheNextStart) {
  ask_two();
  make_batch();
  const auto rows = openai_row(0, "four") + openai_row(1, "six");
  tell(desk, withdraw_calls{run_a, 30s, {}, true});
  settle();
  ASSERT_EQ(outcomes().size(), 2u);
  EXPECT_FALSE(outcomes().at(1).possibly_billed);
  kill(evaluation);
  commit();
  EXPECT_EQ(store->committed.size(), 1u);
  EXPECT_TRUE(provider->waiting.empty()) << "nobody cancels it";
  restart();
  evaluation = spawn(batch_asker);
  open();
  ask_call(31, "2+2?");
  ask_call(32, "3+3?");
  pass(1500ms);
  reply(asked(), 200, openai_batch("completed", R"(,"output_file_id":"file-out")"));
  pass(1500ms);
  reply(asked(), 200, rows);
  EXPECT_EQ(outcomes().at(31).answer.view(), "four");
  EXPECT_EQ(outcomes().at(32).answer.view(), "six");
}

TEST_F(batch_desk_test, ARunThatHasEndedLeavesNothing) {
  ask_two();
  make_batch();
  end_batch(R"(,"output_file_id":"file-out")");
  reply(asked(), 200, openai_row(0, "four") + openai_row(1, "six"));
  tell(desk, close_lane{run_a});
  settle();
  commit();
  EXPECT_TRUE(store->committed.empty());
  EXPECT_TRUE(state().chunks.empty());
  EXPECT_TRUE(state().lanes.empty());
  EXPECT_EQ(at_router().closed.size(), 1u);
}

TEST_F(batch_desk_test, AFallenEvaluationFindsItsBatchAgain) {
  ask_two();
  make_batch();
  kill(evaluation);
  settle();
  evaluation = spawn(batch_asker);
  open();
  ask_call(41, "3+3?");
  ask_call(42, "2+2?");
  pass(6s);
  EXPECT_EQ(state().chunks.size(), 1u);
  reply(asked(), 200, openai_batch("completed", R"(,"output_file_id":"file-out")"));
  pass(1500ms);
  reply(asked(), 200, openai_row(0, "four") + openai_row(1, "six"));
  EXPECT_EQ(outcomes().at(41).answer.view(), "six");
  EXPECT_EQ(outcomes().at(42).answer.view(), "four");
}

TEST_F(batch_desk_test, ARequestWithoutAnAnswerIsTriedAgain) {
  ask_two();
  make_batch();
  pass(8s);
  EXPECT_EQ(asked().target, "/batches/batch_1");
  pass(120s);
  EXPECT_FALSE(provider->cancelled.empty());
  EXPECT_EQ(asked().target, "/batches/batch_1");
}

TEST_F(batch_desk_test, AKeyThatIsGoneFinishesItsBatchAndTheNextGoesWithAnother) {
  ask_two();
  make_batch();
  EXPECT_EQ(provider->keys.back(), "k");
  profile.key = secret{"another"};
  tell(desk, keys_changed{});
  const auto rows = openai_row(0, "four") + openai_row(1, "six");
  end_batch(R"(,"output_file_id":"file-out")");
  EXPECT_EQ(provider->keys.back(), "k") << "the batch is there";
  reply(asked(), 200, rows);
  EXPECT_EQ(outcomes().size(), 2u);
  commit();
  ask_call(3, "4+4?");
  pass(6s);
  commit();
  ASSERT_EQ(asked().target, "/files");
  EXPECT_EQ(provider->keys.back(), "another");
  EXPECT_TRUE(provider->closed.empty()) << "its row is still there";
  pass(62s);
  EXPECT_EQ(provider->closed, std::vector<std::string>{"k"});
}

TEST_F(batch_desk_test, EndsWhenTheRouterEnds) {
  open();
  kill(fleet);
  EXPECT_FALSE(ask<gauges>(desk, read_gauges{})) << "it is started again with the new router";
}

TEST_F(batch_desk_test, EndsWhenTheJournalEnds) {
  open();
  kill(journal);
  EXPECT_FALSE(ask<gauges>(desk, read_gauges{})) << "it is started again with the new journal";
}

} // namespace
} // namespace assay
