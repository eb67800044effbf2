#include "core/tasks/sample_source.hpp"

#include "tests/tasks/tasks_support.hpp"

#include <set>

namespace assay::tasks {
namespace {

class sample_sources : public folder_test {
protected:
  std::shared_ptr<const task_definition> task(const std::string& more = "") const {
    const std::string yaml =
        "id: t\ndataset: d.jsonl\ntarget: '{a}'\nscorer: exact_match\n"
        "prompts:\n  plain: 'Q: {q}'\n  tutor: {system: 'You teach {topic}.', user: '{q}'}\n"
        "  fixed: {system: Be brief., user: '{q}'}\n"
        + more;
    return std::make_shared<const task_definition>(parse_task(yaml, "t.yaml", folder).value());
  }
  void write_rows(int count, const std::string& name = "d.jsonl") const {
    std::string lines;
    for (int i = 0; i < count; ++i)
      lines += "{\"q\": \"q" + std::to_string(i) + "\", \"a\": " + std::to_string(i) + ", \"topic\": \"t"
               + std::to_string(i) + "\"}\n";
    write(name, lines);
  }
};

std::string shown(const prepared_sample& sample) {
  std::string text;
  for (const auto& message : sample.messages)
    text += std::string(to_string(message.role)) + "=" + message.content.str() + ";";
  return text + "->" + sample.target.str();
}

std::vector<std::string> all(sample_source& source) {
  std::vector<std::string> out;
  prepared_sample sample;
  while (source.next(sample).value())
    out.push_back(sample.problem ? to_string(*sample.problem) : shown(sample));
  return out;
}

TEST_F(sample_sources, RenderMessagesAndTargetInOrder) {
  write_rows(2);
  auto source = sample_source::open(task(), {}).value();
  EXPECT_EQ(all(source), (std::vector<std::string>{"user=Q: q0;->0", "user=Q: q1;->1"}));
  auto tutor = sample_source::open(task(), {.prompt_type = "tutor"}).value();
  EXPECT_EQ(all(tutor)[1], "system=You teach t1.;user=q1;->1");
}

TEST_F(sample_sources, StopAtTheLimitAndCountSkippedSamplesTowardsIt) {
  write_rows(10);
  auto source = sample_source::open(task(), {.limit = 5}).value();
  EXPECT_EQ(source.skip(3).value(), 3U);
  prepared_sample sample;
  ASSERT_TRUE(source.next(sample).value());
  EXPECT_EQ(sample.row, 3U);
  EXPECT_EQ(source.skip(100).value(), 1U);
  EXPECT_FALSE(source.next(sample).value());
  EXPECT_EQ(source.position(), 5U);
}

TEST_F(sample_sources, GiveAFailedTemplateToItsSampleAndGoOn) {
  write("d.jsonl",
        "{\"q\": \"x\", \"a\": 1}\n{\"question\": \"y\"}\n{\"q\": \"z\"}\n{\"q\": \"w\", \"a\": 2}\n");
  auto source = sample_source::open(task(), {}).value();
  prepared_sample sample;
  ASSERT_TRUE(source.next(sample).value());
  EXPECT_FALSE(sample.problem);
  ASSERT_TRUE(source.next(sample).value());
  ASSERT_TRUE(sample.problem);
  EXPECT_EQ(sample.problem->code, errc::template_failed);
  EXPECT_EQ(sample.problem->where, "prompts.plain");
  EXPECT_EQ(sample.problem->hint, "fields present: question");
  EXPECT_TRUE(sample.messages.empty());
  ASSERT_TRUE(source.next(sample).value());
  EXPECT_EQ(sample.problem->where, "target");
  ASSERT_TRUE(source.next(sample).value());
  EXPECT_FALSE(sample.problem);
  EXPECT_EQ(shown(sample), "user=Q: w;->2");
}

TEST_F(sample_sources, FailOnABrokenDataset) {
  write("d.jsonl", "{\"q\": 1, \"a\": 1}\noops\n");
  auto source = sample_source::open(task(), {}).value();
  prepared_sample sample;
  ASSERT_TRUE(source.next(sample).value());
  EXPECT_EQ(source.next(sample).error().code, errc::dataset_unreadable);
}

TEST_F(sample_sources, ReadThePinnedDataset) {
  write_rows(1);
  auto source =
      sample_source::open(task(), {.dataset_path = write("pinned.jsonl", "{\"q\":\"p\",\"a\":9}\n")}).value();
  EXPECT_EQ(all(source), std::vector<std::string>{"user=Q: p;->9"});
}

TEST_F(sample_sources, AppendTheContextToTheSystemMessage) {
  write_rows(1);
  const auto with = task("contexts: {full_context: 'Use {everything}.'}\n");
  const auto first = [&](const std::string& prompt, const std::string& mode) {
    auto source = sample_source::open(with, {.prompt_type = prompt, .context_mode = mode}).value();
    return all(source)[0];
  };
  EXPECT_EQ(first("plain", "full_context"), "system=Use {everything}.;user=Q: q0;->0");
  EXPECT_EQ(first("fixed", "full_context"), "system=Be brief.\n\nUse {everything}.;user=q0;->0");
  EXPECT_EQ(first("tutor", "full_context"), "system=You teach t0.\n\nUse {everything}.;user=q0;->0");
  EXPECT_EQ(first("plain", "no_context"), "user=Q: q0;->0");
  EXPECT_EQ(sample_source::open(with, {.context_mode = "half"}).error().where, "context_mode");
}

TEST_F(sample_sources, RefuseAnUnknownPromptType) {
  write_rows(1);
  const auto refused = sample_source::open(task(), {.prompt_type = "plan"});
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().where, "prompt_types");
  EXPECT_EQ(refused.error().hint, "did you mean 'plain'?");
}

TEST_F(sample_sources, ShareTextsThatAreTheSameForEverySample) {
  write_rows(3);
  auto source = sample_source::open(task(), {.prompt_type = "fixed", .num_fewshot = 1}).value();
  prepared_sample a;
  prepared_sample b;
  ASSERT_TRUE(source.next(a).value());
  ASSERT_TRUE(source.next(b).value());
  EXPECT_EQ(a.messages[0].content.view().data(), b.messages[0].content.view().data());
}

TEST_F(sample_sources, PutExamplesInFrontNeverTheSampleItself) {
  write_rows(6);
  auto source = sample_source::open(task(), {.num_fewshot = 5, .seed = 3}).value();
  prepared_sample sample;
  for (int i = 0; source.next(sample).value(); ++i) {
    ASSERT_FALSE(sample.problem) << to_string(*sample.problem);
    ASSERT_EQ(sample.messages.size(), 11U);
    std::set<std::string> questions;
    for (size_t m = 0; m < sample.messages.size(); ++m) {
      EXPECT_EQ(sample.messages[m].role, m % 2 == 0 ? chat_role::user : chat_role::assistant);
      if (m % 2 == 0)
        questions.insert(sample.messages[m].content.str());
      else
        EXPECT_EQ("Q: q" + sample.messages[m].content.str(), sample.messages[m - 1].content.str());
    }
    EXPECT_EQ(questions.size(), 6U);
    EXPECT_EQ(sample.messages.back().content.str(), "Q: q" + std::to_string(i));
  }
}

TEST_F(sample_sources, DrawExamplesByTheSeedAlone) {
  write_rows(3);
  write_rows(200, "train.jsonl");
  const auto with = task("fewshot: {dataset: train.jsonl, answer: 'A: {a}'}\n");
  const auto first = [&](int64_t seed, uint64_t skip) {
    auto source = sample_source::open(with, {.num_fewshot = 4, .seed = seed}).value();
    EXPECT_EQ(source.skip(skip).value(), skip);
    prepared_sample sample;
    EXPECT_TRUE(source.next(sample).value());
    EXPECT_NE(shown(sample).find("assistant=A: "), std::string::npos);
    return shown(sample);
  };
  EXPECT_EQ(first(1, 0), first(1, 0));
  EXPECT_EQ(first(-1, 2), first(-1, 2));
  std::set<std::string> different;
  for (int64_t seed = 0; seed < 10; ++seed)
    different.insert(first(seed, 0));
  EXPECT_EQ(different.size(), 10U);
  // A resumed run shows the same examples to the samples that are left.
  auto whole = sample_source::open(with, {.num_fewshot = 4, .seed = 1}).value();
  EXPECT_EQ(all(whole)[2], first(1, 2));
}

TEST_F(sample_sources, DrawEveryRowEquallyOften) {
  write_rows(10, "train.jsonl");
  write("d.jsonl", "{\"q\": \"x\", \"a\": 1}\n");
  const auto with = task("fewshot: {dataset: train.jsonl}\n");
  std::map<std::string, int> drawn;
  for (int64_t seed = 0; seed < 1'000; ++seed) {
    auto source = sample_source::open(with, {.num_fewshot = 1, .seed = seed}).value();
    prepared_sample sample;
    ASSERT_TRUE(source.next(sample).value());
    ++drawn[sample.messages[0].content.str()];
  }
  EXPECT_EQ(drawn.size(), 10U);
  // Binomial with n = 1000 and p = 0.1: six standard deviations are 57.
  for (const auto& [question, times] : drawn)
    EXPECT_NEAR(times, 100, 57) << question;
}

TEST_F(sample_sources, SayWhenThereAreTooFewExamples) {
  write_rows(3);
  EXPECT_EQ(sample_source::open(task(), {.num_fewshot = 4}).error().where, "num_fewshot");
  EXPECT_EQ(sample_source::open(task(), {.num_fewshot = 101}).error().where, "num_fewshot");
  auto source = sample_source::open(task(), {.num_fewshot = 3}).value();
  prepared_sample sample;
  ASSERT_TRUE(source.next(sample).value());
  ASSERT_TRUE(sample.problem);
  EXPECT_EQ(sample.problem->where, "num_fewshot");
}

} // namespace
} // namespace assay::tasks
