#include "actors/runs/admission.hpp"
#include "actors/runs/outside_scorer.hpp"
#include "actors/runs/store_run_worker.hpp"
#include "tests/storage/support.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace assay {
namespace {

using ::testing::HasSubstr;

/// Answers that the store has: they are scored, not asked for again. With real files and a real store.
class stored_answers_test : public ::testing::Test {
protected:
  storage::testing::temp_folder folder;
  storage::testing::test_farm farm{folder.data()};
  std::shared_ptr<tasks::task_catalogue> tasks = std::make_shared<tasks::task_catalogue>();

  void write(const std::string& name, std::string_view text) const {
    std::ofstream{(folder.path() / name).string(), std::ios::binary} << text;
  }

  void write_task(const std::string& scorer, const std::string& prompt = "prompt: '{q}'\n") {
    write("rows.jsonl", "{\"q\":\"one\",\"a\":\"right\"}\n{\"q\":\"two\",\"a\":\"right\"}\n");
    write("task.yaml", "id: sums\nname: Sums\ndescription: Sums.\ndataset: rows.jsonl\n" + prompt
                           + "target: '{a}'\nscorer: " + scorer + "\n");
    auto task = tasks::load_task_file(folder.path() / "task.yaml");
    ASSERT_TRUE(task.has_value()) << to_string(task.error());
    tasks->add(std::move(*task));
  }

  result<run_submitted> admit(const run_request& wish) {
    auto settings = std::make_shared<config::settings>();
    provider_profile provider;
    provider.id = provider_id{"house"};
    provider.base_url = "http://127.0.0.1:1/v1";
    provider.key_required = false;
    settings->providers = {provider};
    for (const auto* name : {"m", "judge"}) {
      model_profile model;
      model.id = model_id{name};
      model.provider = provider.id;
      model.wire_model = name;
      settings->models.push_back(model);
    }
    admission_config config{settings, tasks, {}, 1'000, [] { return 7; }};
    config.find_run = [this](run_id id) { return farm.look().find_run(id); };
    return make_admission(std::move(config))(wish);
  }

  run_record pin(const run_request& wish, run_id id) {
    auto admitted = admit(wish);
    if (!admitted) {
      ADD_FAILURE() << to_string(admitted.error());
      return {};
    }
    admitted->record.spec.id = id;
    return std::move(admitted->record);
  }

  /// A run that has asked.
  run_record asked(uint16_t epochs = 1) {
    run_request wish;
    wish.model = model_id{"m"};
    wish.tasks = {task_id{"sums"}};
    wish.epochs = epochs;
    auto record = pin(wish, storage::testing::first_run);
    record.state = run_state::completed;
    record.started_at = wall_time{};
    return record;
  }

  static response_record answer(run_id run, uint32_t sample, const std::string& text, uint16_t step = 0,
                                uint16_t generation = 0) {
    response_record out;
    out.run = run;
    out.address.sample = sample;
    out.address.step = step;
    out.address.generation = generation;
    out.answer = shared_text{text};
    out.usage.completion_tokens = 5;
    out.cost = money{100};
    return out;
  }

  std::vector<loaded_sample> load(const run_record& record) {
    store_run_worker worker{farm.data()};
    const auto found = worker.recover(record);
    EXPECT_EQ(found.error, std::nullopt);
    return worker.next_page(100).samples;
  }

  void store(std::vector<run_record> runs, std::vector<response_record> responses,
             std::vector<sample_record> samples = {}) {
    storage::write_batch rows;
    rows.runs = std::move(runs);
    rows.responses = std::move(responses);
    rows.samples = std::move(samples);
    ASSERT_FALSE(farm.write(std::move(rows)).error);
  }
};

// -- of the run itself -------------------------------------------------------------------------------------

TEST_F(stored_answers_test, ComeWithWhatTheyTook) {
  write_task("{type: exact_match}");
  const auto record = asked();
  store({record}, {answer(record.spec.id, 0, "right")});
  const auto samples = load(record);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_TRUE(samples[0].has_stored_answer);
  ASSERT_NE(samples[0].history, nullptr);
  EXPECT_EQ(samples[0].history->cost, money{100});
  EXPECT_EQ(samples[0].history->usage.completion_tokens, 5u);
  EXPECT_FALSE(samples[1].has_stored_answer);
  EXPECT_EQ(samples[1].history, nullptr) << "what was never asked has none";
}

TEST_F(stored_answers_test, OfAScorersFailureAreScoredByTheRetryAndNotPaidForAgain) {
  write_task("{type: exact_match}");
  auto record = asked();
  auto failed = storage::testing::sample_of(record.spec.id, 0, sample_status::failed);
  failed.error = errc::scorer_failed;
  failed.cost = money{100};
  store({record}, {answer(record.spec.id, 0, "right")}, {failed});
  ++record.generation;
  const auto samples = load(record);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_TRUE(samples[0].has_stored_answer);
  EXPECT_EQ(samples[0].stored_answer.view(), "right");
  EXPECT_EQ(samples[0].history->cost, std::nullopt) << "the failed record has counted it";
}

TEST_F(stored_answers_test, AConversationGoesOnAfterItsLastStoredTurn) {
  write_task("{type: exact_match}", "prompts:\n  baseline:\n    turns: ['{q}', 'and then?', 'and last?']\n");
  const auto record = asked();
  store({record}, {answer(record.spec.id, 0, "first"), answer(record.spec.id, 0, "second", 1),
                   answer(record.spec.id, 1, "a", 0), answer(record.spec.id, 1, "b", 1),
                   answer(record.spec.id, 1, "c", 2)});
  const auto samples = load(record);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_FALSE(samples[0].has_stored_answer);
  EXPECT_EQ(samples[0].address.step, 2);
  ASSERT_EQ(samples[0].messages.size(), 5u);
  EXPECT_EQ(samples[0].messages[3].content.view(), "second");
  EXPECT_EQ(samples[0].messages[4].content.view(), "and last?");
  EXPECT_EQ(samples[0].history->cost, money{200});
  EXPECT_TRUE(samples[1].has_stored_answer);
  EXPECT_EQ(samples[1].stored_answer.view(), "c");
  EXPECT_EQ(samples[1].history->answers.size(), 2u);
}

TEST_F(stored_answers_test, VerdictsOfJudgesComeWithTheAnswer) {
  write_task("{type: judge, models: [judge], rubric: 'Good?'}");
  const auto record = asked();
  ASSERT_EQ(record.spec.judges.size(), 1u);
  EXPECT_EQ(record.spec.judges.front().provider, provider_id{"house"});
  store({record}, {answer(record.spec.id, 0, "right"), answer(record.spec.id, 0, "7", judge_step(0, 0)),
                   answer(record.spec.id, 1, "right"), answer(record.spec.id, 1, "9", judge_step(0, 0))});
  const auto samples = load(record);
  ASSERT_EQ(samples.size(), 2u);
  ASSERT_EQ(samples[0].history->judged.size(), 1u);
  EXPECT_EQ(samples[0].history->judged.front().answer.view(), "7");
  EXPECT_EQ(samples[0].history->cost, money{200});
  EXPECT_EQ(samples[0].history->judge_cost, money{100});
}

TEST_F(stored_answers_test, WhatJudgesCostIsStoredWithTheSample) {
  const auto run = storage::testing::first_run;
  auto sample = storage::testing::full_sample();
  sample.run = run;
  sample.judge_cost = money{7};
  store({storage::testing::run_of(run)}, {}, {sample});
  EXPECT_EQ(farm.look().find_sample(run, sample.address).value(), sample);
}

// -- of another run ----------------------------------------------------------------------------------------

TEST_F(stored_answers_test, AreScoredAgainByARunOfItsOwnThatAsksNobody) {
  write_task("{type: exact_match}");
  const auto origin = asked();
  store({origin}, {answer(origin.spec.id, 0, "wrong"), answer(origin.spec.id, 0, "right", 0, 1)});
  auto retried = origin;
  retried.generation = 1;
  store({std::move(retried)}, {});
  write_task("{type: contains}");
  run_request wish;
  wish.origin = origin.spec.id;
  const auto admitted = admit(wish);
  ASSERT_TRUE(admitted.has_value()) << to_string(admitted.error());
  EXPECT_EQ(admitted->calls, 0u);
  EXPECT_EQ(admitted->record.spec.tasks.front().scorer_names.front(), "contains") << "the task as it is now";
  auto record = admitted->record;
  record.spec.id = storage::testing::second_run;
  const auto samples = load(run_from_text(run_to_text(record)));
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].stored_answer.view(), "right") << "the newest answer";
  ASSERT_EQ(samples[0].history->copies.size(), 1u);
  const auto& copy = samples[0].history->copies.front();
  EXPECT_EQ(copy.run, record.spec.id);
  EXPECT_EQ(copy.address.generation, 0);
  EXPECT_EQ(copy.cost, std::nullopt);
  EXPECT_EQ(copy.saved, money{100});
  EXPECT_TRUE(copy.cached);
  EXPECT_EQ(samples[0].history->cost, std::nullopt);
  ASSERT_TRUE(samples[1].error.has_value()) << "nobody has answered this one";
  EXPECT_THAT(samples[1].error->message, HasSubstr(to_string(origin.spec.id)));
}

TEST_F(stored_answers_test, AreNotScoredAgainstOtherQuestions) {
  write_task("{type: exact_match}");
  const auto origin = asked();
  store({origin}, {});
  run_request wish;
  wish.origin = origin.spec.id;
  write("rows.jsonl", "{\"q\":\"three\",\"a\":\"right\"}\n");
  EXPECT_EQ(admit(wish).error().code, errc::dataset_changed);
  write_task("{type: exact_match}", "prompts:\n  other:\n    user: '{q}'\n");
  EXPECT_EQ(admit(wish).error().code, errc::conflict);
}

TEST_F(stored_answers_test, AreScoredAgainOnceTheirRunHasEnded) {
  write_task("{type: exact_match}");
  auto origin = asked();
  origin.state = run_state::running;
  store({origin}, {});
  run_request wish;
  wish.origin = origin.spec.id;
  EXPECT_EQ(admit(wish).error().code, errc::conflict);
  wish.origin = storage::testing::second_run;
  EXPECT_EQ(admit(wish).error().code, errc::not_found);
}

TEST_F(stored_answers_test, ThatAreNotThereAreNotScoredAgain) {
  write_task("{type: exact_match}");
  auto origin = asked();
  origin.redacted_at = wall_time{seconds{5}};
  store({origin}, {});
  run_request wish;
  wish.origin = origin.spec.id;
  EXPECT_EQ(admit(wish).error().code, errc::conflict);
  origin.redacted_at.reset();
  origin.spec.kind = run_kind::imported;
  store({origin}, {});
  EXPECT_EQ(admit(wish).error().code, errc::unsupported);
}

} // namespace
} // namespace assay
