#include "core/values/run.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

run_record full_run() {
  run_record run;
  auto& spec = run.spec;
  spec.id = run_id{1704110400U, 0xabcd1234U};
  spec.owner = user_id{"alice"};
  spec.api_key = "nightly";
  spec.key_budget = money{12};
  spec.model = model_id{"claude-3-haiku"};
  spec.provider = provider_id{"anthropic"};
  spec.wire_model = "claude-3-haiku-20240307";
  spec.prices = token_prices{0.25, 1.25, 0.03};
  spec.calls = {1500ms, 0, 5};
  spec.route = {route_strategy::round_robin,
                {{model_id{"claude-3-haiku"}, provider_id{"anthropic"}, "w", token_prices{1, 2, {}}, 3, 0.5},
                 {model_id{"other"}, provider_id{"openai"}, "o", {}, 1, {}}}};
  spec.tasks = {{task_id{"first"},
                 "name: first\n",
                 "aa",
                 "/data/first.jsonl",
                 "bb",
                 100,
                 5,
                 {"exact_match", "f1"},
                 {0.1 + 0.2, {}, {}, {}, {}, -1, {"x"}},
                 pinned_file{"/data/examples.jsonl", "ff", 7}},
                {task_id{"second"}, "name: second\n", "cc", "/data/second.csv", "dd", 10, 3, {"f1"}, {}, {}}};
  spec.prompt_types = {"direct", "reasoned"};
  spec.epochs = 3;
  spec.limit = 5;
  spec.num_fewshot = 2;
  spec.random_seed = -42;
  spec.priority = -7;
  spec.weight = 9;
  spec.time_limit = 3600s;
  spec.depends_on = {run_id{1704110300U, 1U}};
  spec.context_mode = "full_context";
  spec.predict_only = true;
  spec.log_samples = false;
  spec.output_path = "results/x";
  spec.groups = R"([{"name":"all"}])";
  spec.metadata = R"({"experiment_name":"baseline"})";
  spec.requested = R"({"limit":5})";
  spec.fingerprint = "ee";
  spec.created_at = wall_time{1704110400123ms};
  run.state = run_state::failed;
  run.generation = 2;
  run.started_at = wall_time{1704110401000ms};
  run.finished_at = wall_time{1704110461500ms};
  run.error = fault{errc::time_limit_reached, "the run took longer than 3600 s", "time_limit", "raise it"};
  run.progress.total = 48;
  run.progress.done = 29;
  run.progress.failed = 2;
  run.progress.possibly_billed = 1;
  run.progress.completed_tasks = 1;
  run.progress.current_task = task_id{"second"};
  run.progress.usage = {1, 2, 3, 4};
  run.progress.cost = money{123456789012345};
  run.progress.score_sum = 13.5;
  run.progress.scored = 27;
  run.progress.in_flight = 6;
  run.progress.waiting = 58;
  run.progress.samples_per_second = 1.0 / 3.0;
  run.progress.estimated_completion = wall_time{1704110500000ms};
  run.last_seq = 77;
  run.open_calls_at_most = 64;
  run.lost_calls = 3;
  run.maybe_lost_calls = 2;
  return run;
}

TEST(run_storage, KeepsItsKindAndWhenItWasRedacted) {
  auto run = full_run();
  run.spec.kind = run_kind::imported;
  run.redacted_at = wall_time{1704110600000ms};
  const auto again = json(run).get<run_record>();
  EXPECT_EQ(again.spec.kind, run_kind::imported);
  EXPECT_EQ(again.redacted_at, run.redacted_at);
  EXPECT_EQ(run_status_json(again)["kind"], "imported");
  EXPECT_FALSE(json(full_run()).get<run_record>().redacted_at);
}

TEST(run_storage, KeepsTheVersionOfTheModelsStoredConfiguration) {
  auto run = full_run();
  EXPECT_FALSE(run_status_json(run).contains("configuration_version")) << "its model is not a stored one";
  run.spec.configuration_version = 4;
  const auto again = json(run).get<run_record>();
  EXPECT_EQ(again.spec.configuration_version, 4U);
  EXPECT_EQ(run_status_json(again)["configuration_version"], 4);
  EXPECT_EQ(json(full_run()).get<run_record>().spec.configuration_version, 0U);
}

TEST(run_storage, ARunFromBeforeCallRulesHasNone) {
  json stored = full_run();
  stored["spec"].erase("calls");
  stored["spec"].erase("route");
  stored.erase("open_calls_at_most");
  stored.erase("lost_calls");
  stored.erase("maybe_lost_calls");
  const auto again = stored.get<run_record>();
  EXPECT_EQ(again.spec.calls, call_rules{});
  EXPECT_EQ(again.spec.route, call_route{});
  EXPECT_EQ(again.open_calls_at_most, 0U);
  EXPECT_EQ(again.lost_calls, 0U);
  EXPECT_EQ(again.sent_calls_at_most, 0U);
  EXPECT_EQ(again.maybe_lost_calls, 0U);
}

TEST(run_storage, LostCallsAreAtMostTheSamplesThatAreLeft) {
  auto run = full_run();
  book_lost_calls(run);
  EXPECT_EQ(run.lost_calls, 3U + 19U) << "64 were out at most, 19 samples are left";
  EXPECT_EQ(run.progress.possibly_billed, 1U + 19U);
  EXPECT_EQ(run.open_calls_at_most, 0U);
  book_lost_calls(run);
  EXPECT_EQ(run.lost_calls, 3U + 19U) << "each end without order counts once";
}

TEST(run_storage, OfTheCallsThatWereOutThoseThatMayHaveBeenSentAreLost) {
  auto run = full_run();
  run.sent_calls_at_most = 6;
  run = json(run).get<run_record>();
  book_lost_calls(run);
  EXPECT_EQ(run.lost_calls, 3U + 6U);
  EXPECT_EQ(run.maybe_lost_calls, 2U + 13U) << "what nothing can exceed is 19";
  EXPECT_EQ(run.progress.possibly_billed, 1U + 6U);
  const auto shown = run_status_json(run);
  EXPECT_EQ(shown["samples"]["possibly_billed"], 7);
  EXPECT_EQ(shown["samples"]["possibly_billed_at_most"], 22);
  EXPECT_EQ(run.sent_calls_at_most, 0U);
}

TEST(run_storage, ReadsBackEverythingItWrote) {
  const auto run = full_run();
  const json stored = run;
  const auto again = json::parse(stored.dump()).get<run_record>();
  EXPECT_EQ(json(again), stored);
  EXPECT_EQ(again.spec.id, run.spec.id);
  EXPECT_EQ(again.spec.owner, run.spec.owner);
  EXPECT_EQ(again.spec.api_key, "nightly");
  EXPECT_EQ(again.spec.key_budget, money{12});
  EXPECT_EQ(again.spec.model, run.spec.model);
  EXPECT_EQ(again.spec.provider, run.spec.provider);
  EXPECT_EQ(again.spec.wire_model, run.spec.wire_model);
  EXPECT_EQ(again.spec.prices, run.spec.prices);
  EXPECT_EQ(again.spec.calls, run.spec.calls);
  EXPECT_EQ(again.spec.route, run.spec.route);
  EXPECT_EQ(again.spec.tasks, run.spec.tasks);
  EXPECT_EQ(again.spec.prompt_types, run.spec.prompt_types);
  EXPECT_EQ(again.spec.epochs, run.spec.epochs);
  EXPECT_EQ(again.spec.limit, run.spec.limit);
  EXPECT_EQ(again.spec.num_fewshot, run.spec.num_fewshot);
  EXPECT_EQ(again.spec.random_seed, run.spec.random_seed);
  EXPECT_EQ(again.spec.priority, run.spec.priority);
  EXPECT_EQ(again.spec.weight, run.spec.weight);
  EXPECT_EQ(again.spec.time_limit, run.spec.time_limit);
  EXPECT_EQ(again.spec.depends_on, run.spec.depends_on);
  EXPECT_EQ(again.spec.context_mode, run.spec.context_mode);
  EXPECT_EQ(again.spec.predict_only, run.spec.predict_only);
  EXPECT_EQ(again.spec.log_samples, run.spec.log_samples);
  EXPECT_EQ(again.spec.output_path, run.spec.output_path);
  EXPECT_EQ(again.spec.metadata, run.spec.metadata);
  EXPECT_EQ(again.spec.requested, run.spec.requested);
  EXPECT_EQ(again.spec.groups, run.spec.groups);
  EXPECT_EQ(again.spec.fingerprint, run.spec.fingerprint);
  EXPECT_EQ(again.spec.created_at, run.spec.created_at);
  EXPECT_EQ(again.state, run.state);
  EXPECT_EQ(again.generation, run.generation);
  EXPECT_EQ(again.started_at, run.started_at);
  EXPECT_EQ(again.finished_at, run.finished_at);
  EXPECT_EQ(again.error, run.error);
  EXPECT_EQ(again.last_seq, run.last_seq);
  EXPECT_EQ(again.open_calls_at_most, 64U);
  EXPECT_EQ(again.lost_calls, 3U);
  EXPECT_EQ(again.progress.total, 48U);
  EXPECT_EQ(again.progress.done, 29U);
  EXPECT_EQ(again.progress.failed, 2U);
  EXPECT_EQ(again.progress.possibly_billed, 1U);
  EXPECT_EQ(again.progress.completed_tasks, 1U);
  EXPECT_EQ(again.progress.current_task, run.progress.current_task);
  EXPECT_EQ(again.progress.usage.reasoning_tokens, 4U);
  EXPECT_EQ(again.progress.cost, run.progress.cost);
  EXPECT_EQ(again.progress.score_sum, 13.5);
  EXPECT_EQ(again.progress.scored, 27U);
  EXPECT_EQ(again.progress.in_flight, 6U);
  EXPECT_EQ(again.progress.waiting, 58U);
  EXPECT_EQ(again.progress.samples_per_second, run.progress.samples_per_second);
  EXPECT_EQ(again.progress.estimated_completion, run.progress.estimated_completion);
}

TEST(run_storage, ReadsBackAnEmptyRunAsEmpty) {
  const json stored = run_record{};
  auto again = full_run();
  stored.get_to(again);
  EXPECT_EQ(json(again), stored) << "nothing of the former value may stay";
  EXPECT_FALSE(again.progress.cost);
  EXPECT_FALSE(again.spec.limit);
  EXPECT_FALSE(again.error);
}

TEST(run_storage, ReadsARecordOfAnOlderVersionWithDefaults) {
  const auto run = json::parse(R"({"spec": {"evaluation_id": "eval_1704110400_abcd1234", "model_id": "m",
    "tasks": [{"task_id": "t", "sample_count": 4}], "limit": null, "from_the_future": [1, 2]}, "state": "running"})")
                       .get<run_record>();
  EXPECT_EQ(run.state, run_state::running);
  EXPECT_EQ(run.spec.tasks.at(0).sample_count, 4U);
  EXPECT_EQ(run.spec.epochs, 1);
  EXPECT_TRUE(run.spec.log_samples);
  EXPECT_FALSE(run.spec.limit);
}

TEST(run_storage, RefusesWhatItCannotUnderstand) {
  for (const auto* text :
       {R"([])", R"({"state":"running"})", R"({"spec":{},"state":"dreaming"})", R"({"spec":{}})",
        R"({"spec":{"evaluation_id":"eval_1"},"state":"queued"})",
        R"({"spec":{"epochs":70000},"state":"queued"})", R"({"spec":{"kind":"holiday"},"state":"queued"})",
        R"({"spec":{"weight":-1},"state":"queued"})"})
    EXPECT_THROW((void)json::parse(text).get<run_record>(), json::exception) << text;
}

TEST(run_status, HasTheDocumentedKeys) {
  auto run = full_run();
  run.state = run_state::running;
  run.finished_at.reset();
  run.error.reset();
  run.progress.done = 24;
  const auto out = run_status_json(run);
  EXPECT_EQ(out["evaluation_id"], "eval_1704110400_abcd1234");
  EXPECT_EQ(out["status"], "running");
  EXPECT_EQ(out["progress"], 0.5);
  EXPECT_EQ(out["progress_percent"], 50.0);
  EXPECT_EQ(out["current_task"], "second");
  EXPECT_EQ(out["completed_tasks"], 1);
  EXPECT_EQ(out["total_tasks"], 2);
  EXPECT_EQ(out["start_time"], "2024-01-01T12:00:01Z");
  EXPECT_EQ(out["estimated_completion"], "2024-01-01T12:01:40Z");
  EXPECT_TRUE(out["error_message"].is_null());
  EXPECT_TRUE(out["error_code"].is_null());
  EXPECT_EQ(out["metadata"]["experiment_name"], "baseline");
  EXPECT_EQ(out["configuration"]["limit"], 5);
  EXPECT_EQ(out["task_ids"], json({"first", "second"}));
  EXPECT_EQ(out["samples"],
            json::parse(R"({"total":48,"done":24,"failed":2,"in_flight":6,"waiting":58,"in_batches":0,)"
                        R"("possibly_billed":1,"possibly_billed_at_most":3,"lost_calls":3,"cached":0})"));
  EXPECT_EQ(out["score"], 0.5);
  EXPECT_DOUBLE_EQ(out["cost"].get<double>(), 123456.789012345);
  EXPECT_TRUE(out["execution_time"].is_null());
}

TEST(run_status, TheExecutionTimeIsThatInWhichTheRunWasUnderWay) {
  auto run = full_run();
  EXPECT_EQ(execution_time_of(run), milliseconds{60'500}) << "of a record that does not count it";
  run.active_for = milliseconds{12'250};
  run = json::parse(json(run).dump()).get<run_record>();
  EXPECT_EQ(run_status_json(run)["execution_time"], 12.25);
  run.finished_at.reset();
  EXPECT_FALSE(execution_time_of(run).has_value());
}

TEST(run_storage, CountsItsStartedGenerations) {
  auto run = full_run();
  run.generation = 2;
  EXPECT_EQ(started_generations_of(run), 3U) << "of a record from before it was counted";
  run.started_generations = 2;
  EXPECT_EQ(started_generations_of(json(run).get<run_record>()), 2U);
  run.started_generations.reset();
  run.started_at.reset();
  EXPECT_EQ(started_generations_of(run), 0U);
}

TEST(run_storage, ItsRestsAreKeptAndTheShortestOfTooManyIsForgotten) {
  auto run = full_run();
  const wall_time start{1704110400000ms};
  note_rest_is_over(run, start);
  EXPECT_TRUE(run.rests.empty()) << "nothing comes before its first part";
  run.active_until = start;
  note_rest_is_over(run, start + 40s);
  note_rest_is_over(run, start + 40s);
  ASSERT_EQ(run.rests.size(), 1U);
  run = json::parse(json(run).dump()).get<run_record>();
  ASSERT_EQ(run.rests.size(), 1U);
  EXPECT_EQ(active_time_between(run, start - 10s, start + 50s), 20s);
  EXPECT_EQ(active_time_between(run, start + 10s, start + 20s), 0s);
  EXPECT_EQ(active_time_between(run, start + 41s, start + 50s), 9s);
  for (size_t i = 0; i < most_rests; ++i)
    note_rest_is_over(run, *run.active_until + (i == 3 ? 1s : 2s));
  EXPECT_EQ(run.rests.size(), most_rests);
  EXPECT_EQ(run.rests.front().to, start + 40s) << "the longest";
}

TEST(run_status, TheScoreIsTheMeanOfTheTasksHoweverManySamplesEachHas) {
  auto run = full_run();
  run.progress.task_scores.clear();
  run.progress.add_score(0, {9, 10});
  run.progress.add_score(1, {1, 2});
  run = json::parse(json(run).dump()).get<run_record>();
  EXPECT_DOUBLE_EQ(run_status_json(run)["score"].get<double>(), 0.7);
  run.progress.add_score(3, {0, 1});
  EXPECT_DOUBLE_EQ(run.progress.score().value_or(-1), 1.4 / 3) << "a task without samples does not count";
  run.progress.task_scores.assign(2, {});
  EXPECT_FALSE(run.progress.score().has_value());
}

TEST(run_status, SaysWhatFailedAndWhatToDo) {
  const auto out = run_status_json(full_run());
  EXPECT_EQ(out["status"], "failed");
  EXPECT_EQ(out["error_message"], "the run took longer than 3600 s");
  EXPECT_EQ(out["error_code"], "TIMEOUT_ERROR");
  EXPECT_EQ(out["error"]["code"], "time_limit_reached");
  EXPECT_EQ(out["error"]["hint"], "raise it");
  EXPECT_EQ(out["execution_time"], 60.5);
  EXPECT_TRUE(out["current_task"].is_null()) << "nothing runs any more";
  EXPECT_TRUE(out["estimated_completion"].is_null()) << "it has ended";
}

TEST(run_status, IsToldOfTheMomentOfItsEnd) {
  auto run = full_run();
  const wall_time now{1704110499000ms};
  EXPECT_EQ(moment_of(run, now), run.finished_at);
  run.state = run_state::running;
  EXPECT_EQ(moment_of(run, now), now) << "of an end before a retry";
  run.state = run_state::cancelled;
  run.finished_at.reset();
  EXPECT_EQ(moment_of(run, now), now);
}

TEST(run_status, ReportsAnEmptyQueuedRun) {
  run_record run;
  auto out = run_status_json(run);
  EXPECT_EQ(out["status"], "created");
  EXPECT_EQ(out["state"], "queued");
  EXPECT_EQ(out["progress"], 0.0);
  EXPECT_TRUE(out["start_time"].is_null());
  EXPECT_TRUE(out["cost"].is_null());
  EXPECT_TRUE(out["score"].is_null());
  EXPECT_TRUE(out["metadata"].is_object());
  run.state = run_state::completed;
  EXPECT_EQ(run_status_json(run)["progress"], 1.0);
}

TEST(run_status, NeverRoundsUpToOneHundredPercent) {
  run_record run;
  run.state = run_state::running;
  run.progress.total = 100000;
  run.progress.done = 99999;
  EXPECT_EQ(run_status_json(run)["progress_percent"], 99.9);
}

TEST(run_spec, CountsVariantsAndEpochs) {
  EXPECT_EQ(full_run().spec.total_samples(), (5U + 3U) * 2U * 3U);
  run_spec spec;
  spec.tasks.emplace_back().sample_count = 4;
  EXPECT_EQ(spec.total_samples(), 4U);
}

TEST(run_state, HasNamesThatLeadBackAndKnowsTheEnd) {
  for (int number = 1; number <= 7; ++number) {
    const auto state = static_cast<run_state>(number);
    EXPECT_EQ(run_state_from_string(to_string(state)), state);
    EXPECT_EQ(is_final(state), number >= 5);
  }
  EXPECT_FALSE(run_state_from_string("created"));
  EXPECT_EQ(engine_status(run_state::preparing), "created");
  EXPECT_EQ(engine_status(run_state::paused), "paused");
  EXPECT_EQ(to_string(run_verb::retry), "retry");
}

TEST(token_usage_total, AddsUp) {
  token_usage_total total;
  total += token_usage{4'000'000'000U, 1, 2, 3};
  total += token_usage{4'000'000'000U, 1, 2, 3};
  EXPECT_EQ(total.prompt_tokens, 8'000'000'000U);
  EXPECT_EQ(total.reasoning_tokens, 6U);
}

} // namespace
} // namespace assay
