#include "mock/task_answers.hpp"

#include "client.hpp"
#include "core/scoring/scorer.hpp"
#include "core/tasks/sample_source.hpp"
#include "core/tasks/task_catalogue.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace assay::mock {

namespace {

class task_answer_book : public ::testing::Test {
protected:
  void SetUp() override {
    auto pattern = (std::filesystem::temp_directory_path() / "mock_tasks_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    write("sums.yaml", "id: sums\nname: Sums\ndescription: Sums.\ndataset: sums.jsonl\n"
                       "prompts:\n  baseline: \"{q}\"\n  cot: \"{q} Think.\"\n  optimal: \"Carefully: {q}\"\n"
                       "target: \"{a}\"\nscorer: {type: numeric}\n");
    write("sums.jsonl",
          "{\"q\":\"1+1?\",\"a\":\"2\"}\n{\"q\":\"2+2?\",\"a\":\"4\"}\n{\"q\":\"3+5?\",\"a\":\"8\"}\n");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, std::string_view text) const { std::ofstream(folder_ / name) << text; }

  std::filesystem::path folder_;
};

} // namespace

TEST_F(task_answer_book, KnowsEveryRowOfEveryVariant) {
  const auto answers = read_task_answers(std::vector{folder_});
  EXPECT_TRUE(answers.faults.empty());
  EXPECT_EQ(answers.prompts, 9);
  const auto plain = answers.book->find("2+2?").value();
  EXPECT_NE(plain.right.find('4'), std::string_view::npos);
  EXPECT_EQ(plain.wrong.find('4'), std::string_view::npos);
  EXPECT_EQ(plain.bonus, 0);
  EXPECT_NEAR(answers.book->find("2+2? Think.").value().bonus, 0.03, 1e-6);
  EXPECT_NEAR(answers.book->find("Carefully: 2+2?").value().bonus, 0.05, 1e-6);
  EXPECT_FALSE(answers.book->find("2+3?"));
}

TEST_F(task_answer_book, SaysWhatTheTaskItselfCallsRightAndWrong) {
  write("code.yaml", "id: code\ndataset: code.jsonl\nprompt: \"{q}\"\ntarget: \"{tests}\"\n"
                     "reference: \"{good}\"\nwrong: \"{bad}\"\nscorer: {type: code, language: python}\n");
  write("code.jsonl",
        R"({"q":"Add.","tests":"def test_a(): pass","good":"```python\na = 1\n```","bad":["no","never"]})"
        "\n");
  const auto answers = read_task_answers(std::vector{folder_});
  const auto known = answers.book->find("Add.").value();
  EXPECT_EQ(known.right, "```python\na = 1\n```");
  EXPECT_TRUE(known.wrong == "no" || known.wrong == "never") << known.wrong;
}

TEST_F(task_answer_book, KnowsALaterTurnByWhatWasAskedBefore) {
  options value;
  value.task_folders = {folder_};
  const auto server = started(std::move(value));
  const std::string body =
      R"({"model":"sim-p100","messages":[{"role":"user","content":"3+5?"},)"
      R"({"role":"assistant","content":"9"},{"role":"user","content":"Are you sure?"}]})";
  const auto said =
      ask(*server, post("/v1/chat/completions", body)).json()["choices"][0]["message"]["content"];
  EXPECT_NE(said.get<std::string>().find('8'), std::string::npos);
}

TEST_F(task_answer_book, ServesTheGoodTasksBesideABrokenOne) {
  write("broken.yaml", "id: [");
  options value;
  value.task_folders = {folder_};
  const auto server = started(std::move(value));
  EXPECT_EQ(server->known_prompts(), 9);
  ASSERT_EQ(server->task_faults().size(), 1);
  EXPECT_NE(server->task_faults().front().where.find("broken.yaml"), std::string::npos);
  const auto said = ask(*server, chat("sim-p100", "3+5?")).json()["choices"][0]["message"]["content"];
  EXPECT_NE(said.get<std::string>().find('8'), std::string::npos);
}

TEST_F(task_answer_book, AFolderWithoutAnyTaskIsAnErrorAtTheStart) {
  options value;
  value.task_folders = {folder_ / "missing"};
  EXPECT_FALSE(server::start(std::move(value)));
}

TEST(shipped_tasks, AreAnsweredRightlyAndWronglyAsTheirScorersSeeIt) {
  const std::vector<std::filesystem::path> folders{"tasks"};
  const auto answers = read_task_answers(folders);
  for (const auto& problem : answers.faults)
    ADD_FAILURE() << to_string(problem);
  const auto loaded = tasks::load_task_folder(folders);
  for (const auto& task : loaded.catalogue->list())
    for (const auto& variant : task->prompts) {
      tasks::sample_options wanted;
      wanted.prompt_type = variant.name;
      wanted.num_fewshot = 3;
      auto source = tasks::sample_source::open(task, wanted);
      ASSERT_TRUE(source) << to_string(source.error());
      tasks::prepared_sample sample;
      int rows = 0;
      int right = 0;
      int wrong = 0;
      while (source->next(sample).value()) {
        const auto known = answers.book->find(sample.messages.back().content.view());
        ASSERT_TRUE(known) << task->id.value << " " << variant.name << " row " << sample.row;
        ++rows;
        // Only a sandbox can judge code; another test runs all of it.
        if (task->scorers.front()->needs() != scoring::scorer_need::nothing) {
          EXPECT_NE(known->right, known->wrong) << task->id.value << " row " << sample.row;
          ++right;
          ++wrong;
          continue;
        }
        right += task->scorers.front()->score(known->right, sample.target.view()).value == 1 ? 1 : 0;
        wrong += task->scorers.front()->score(known->wrong, sample.target.view()).value < 1 ? 1 : 0;
      }
      EXPECT_GT(rows, 0) << task->id.value;
      EXPECT_EQ(right, rows) << task->id.value << " " << variant.name;
      EXPECT_EQ(wrong, rows) << task->id.value << " " << variant.name;
    }
}

} // namespace assay::mock
