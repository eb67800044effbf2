#include "core/experiments/batch.hpp"

#include <gtest/gtest.h>

namespace assay::experiments {
namespace {

using words = std::vector<std::string>;

batch_task task_of(std::string id, words prompt_types, std::string difficulty = "intermediate") {
  return {std::move(id), "single_turn", "code", std::move(difficulty), std::move(prompt_types)};
}

const std::vector<batch_task> three{task_of("a", {"baseline", "cot"}, "beginner"),
                                    task_of("b", {"baseline", "cot", "optimal"}),
                                    task_of("c", {"baseline"}, "advanced")};

TEST(batch_presets, AreKnownByTheirNamesAndByTheScriptsTheyStandFor) {
  EXPECT_EQ(batch_preset_from_string("quick"), batch_preset::quick);
  EXPECT_EQ(batch_preset_from_string("quick_test"), batch_preset::quick);
  EXPECT_EQ(batch_preset_from_string("run_batch_test.sh"), batch_preset::standard);
  EXPECT_EQ(batch_preset_from_string("test_all.sh"), batch_preset::full);
  EXPECT_EQ(batch_preset_from_string("run_parallel_test"), batch_preset::parallel);
  EXPECT_FALSE(batch_preset_from_string("fast"));
  EXPECT_EQ(to_string(batch_preset::parallel), "parallel");
}

TEST(batch_presets, FillOnlyWhatIsOpen) {
  batch_wish wish;
  fill_from(batch_preset::standard, wish);
  EXPECT_EQ(wish.prompt_types, words{"all"});
  EXPECT_EQ(wish.task_types, words{"all"});
  EXPECT_EQ(wish.num_instances, 20U);
  EXPECT_FALSE(wish.all_models);

  batch_wish asked;
  asked.models = {"m"};
  asked.prompt_types = {"cot"};
  asked.num_instances = 100;
  fill_from(batch_preset::full, asked);
  EXPECT_EQ(asked.prompt_types, words{"cot"});
  EXPECT_EQ(asked.num_instances, 100U);
  EXPECT_FALSE(asked.all_models) << "models were named";

  batch_wish open;
  fill_from(batch_preset::parallel, open);
  EXPECT_TRUE(open.all_models);
  EXPECT_EQ(open.model_parallel, true);

  batch_wish quick;
  fill_from(batch_preset::quick, quick);
  EXPECT_EQ(quick.num_instances, 2U);
  EXPECT_EQ(quick.prompt_types, words{"first"});
}

TEST(batch_strategy, KeysByPromptTypeWorkAtOnce) {
  const auto chosen = choose_strategy({"ideallab", 3, true, 5, 5}, 3, {});
  EXPECT_TRUE(chosen.at_once);
  EXPECT_EQ(chosen.calls_at_once, 15U);
  EXPECT_EQ(chosen.calls_of_one, 5U);
  EXPECT_EQ(choose_strategy({"ideallab", 3, true, 5, 5}, 2, {}).calls_at_once, 10U)
      << "the third key has no prompt type";
}

TEST(batch_strategy, WideProvidersTakeEveryPromptTypeAtOnce) {
  const auto chosen = choose_strategy({"azure", 1, false, 50, 0}, 3, {});
  EXPECT_TRUE(chosen.at_once);
  EXPECT_EQ(chosen.calls_at_once, 150U);
  EXPECT_EQ(chosen.calls_of_one, 50U);
}

TEST(batch_strategy, OneCallAtATimeGoesThroughThePromptTypesOneByOne) {
  EXPECT_FALSE(choose_strategy({"local", 1, false, 0, 1}, 3, {}).at_once);
  EXPECT_TRUE(choose_strategy({"local", 1, false, 0, 1}, 3, true).at_once);
  EXPECT_FALSE(choose_strategy({"azure", 1, false, 50, 0}, 3, false).at_once);
  EXPECT_FALSE(choose_strategy({"open", 1, false, 0, 0}, 3, {}).calls_at_once);
}

TEST(batch_parts, AtOnceAreOneEvaluationForEveryPromptType) {
  words notes;
  const auto parts = parts_of("m", three, {"all"}, true, notes).value();
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[0], (batch_part{"m", {"baseline"}, {"a", "b", "c"}}));
  EXPECT_EQ(parts[1], (batch_part{"m", {"cot"}, {"a", "b"}}));
  EXPECT_EQ(parts[2], (batch_part{"m", {"optimal"}, {"b"}}));
  EXPECT_TRUE(notes.empty()) << "nobody has asked for a type that is missing";
}

TEST(batch_parts, OneAfterAnotherAreOneEvaluationForTasksWithTheSameTypes) {
  words notes;
  const auto parts = parts_of("m", three, {"baseline", "cot"}, false, notes).value();
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0], (batch_part{"m", {"baseline", "cot"}, {"a", "b"}}));
  EXPECT_EQ(parts[1], (batch_part{"m", {"baseline"}, {"c"}}));
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("cot: c"), std::string::npos) << notes[0];
}

TEST(batch_parts, EveryTestIsAskedOnceHoweverItIsSharedOut) {
  for (const bool at_once : {true, false}) {
    words notes;
    size_t tests = 0;
    for (const auto& part : parts_of("m", three, {"all"}, at_once, notes).value())
      tests += part.tasks.size() * part.prompt_types.size();
    EXPECT_EQ(tests, 6U) << at_once;
  }
}

TEST(batch_parts, TheFirstPromptTypeOfEachTask) {
  words notes;
  const auto parts =
      parts_of("m", {task_of("a", {"plain", "polite"}), task_of("b", {"baseline"})}, {"first"}, true, notes)
          .value();
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0], (batch_part{"m", {"plain"}, {"a"}}));
  EXPECT_EQ(parts[1], (batch_part{"m", {"baseline"}, {"b"}}));
}

TEST(batch_parts, TasksWhosePromptsAreMadeLaterAreAskedTheirOwnWay) {
  words notes;
  const auto parts =
      parts_of("m", {task_of("a", {"baseline"}), task_of("other", {})}, {"all"}, true, notes).value();
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[1], (batch_part{"m", {}, {"other"}}));
}

TEST(batch_parts, AnUnknownPromptTypeIsRefusedWithTheKnownOnes) {
  words notes;
  const auto parts = parts_of("m", three, {"baselin"}, true, notes);
  ASSERT_FALSE(parts);
  EXPECT_EQ(parts.error().code, errc::not_found);
  EXPECT_EQ(parts.error().where, "--prompt-types");
  EXPECT_NE(parts.error().hint.find("baseline"), std::string::npos);
}

TEST(batch_difficulty, UnderstandsBothSetsOfWords) {
  EXPECT_EQ(of_difficulties(three, {"medium"}).value().size(), 1U);
  EXPECT_EQ(of_difficulties(three, {"easy", "advanced"}).value().size(), 2U);
  EXPECT_EQ(of_difficulties(three, {"all"}).value().size(), 3U);
  EXPECT_EQ(of_difficulties(three, {}).value().size(), 3U);
  EXPECT_EQ(of_difficulties(three, {"very_hard"}).error().code, errc::invalid_argument);
  EXPECT_EQ(of_difficulties({three[0]}, {"hard"}).error().code, errc::not_found);
}

} // namespace
} // namespace assay::experiments
