#include "core/tasks/task_catalogue.hpp"

#include "tests/tasks/tasks_support.hpp"

namespace assay::tasks {
namespace {

class task_catalogues : public folder_test {
protected:
  void write_task(const std::string& file, const std::string& id, const std::string& more = "") const {
    write(file, "id: " + id + "\ndataset: " + (file.find('/') == std::string::npos ? "" : "../")
                    + "d.jsonl\nprompt: '{q}'\ntarget: '{a}'\nscorer: numeric\n" + more);
    write("d.jsonl", "{\"q\": 1, \"a\": 1}\n");
  }
  loaded_tasks load() const { return load_task_folder(std::vector{folder}); }
};

std::vector<std::string> names(const std::vector<task_id>& ids) {
  std::vector<std::string> out;
  for (const auto& id : ids)
    out.push_back(id.value);
  return out;
}

using strings = std::vector<std::string>;

TEST_F(task_catalogues, LoadEveryGoodFileAndReportTheOthers) {
  write_task("b.yaml", "b");
  write_task("sub/a.yml", "a");
  write("broken.yaml", "id: [");
  write("wrong.yaml", "id: c\n");
  write("_part.yaml", "nothing");
  write("notes.txt", "nothing");
  write("missing.yaml", "id: m\ndataset: none.csv\nprompt: '{q}'\ntarget: '{a}'\nscorer: numeric\n");
  const auto loaded = load();
  EXPECT_EQ(loaded.catalogue->size(), 2U);
  EXPECT_TRUE(loaded.catalogue->find(task_id("a")));
  EXPECT_FALSE(loaded.catalogue->find(task_id("c")));
  // Of wrong.yaml every key that is missing is told.
  ASSERT_EQ(loaded.faults.size(), 5U);
  EXPECT_EQ(loaded.faults[0].code, errc::malformed_input);
  EXPECT_EQ(loaded.faults[1].code, errc::dataset_unreadable);
  for (size_t i = 2; i < 5; ++i)
    EXPECT_EQ(loaded.faults[i].code, errc::invalid_argument);
}

TEST_F(task_catalogues, LetLaterFoldersReplaceTasksButNotOneFolderItself) {
  write_task("one/a.yaml", "a", "name: first\n");
  write_task("one/b.yaml", "a", "name: twice\n");
  write_task("two/a.yaml", "a", "name: second\n");
  const auto one = load_task_folder(std::vector{folder / "one"});
  EXPECT_EQ(one.catalogue->find(task_id("a"))->name, "first");
  ASSERT_EQ(one.faults.size(), 1U);
  EXPECT_EQ(one.faults[0].code, errc::conflict);
  const auto both = load_task_folder(std::vector{folder / "one", folder / "two", folder / "none"});
  EXPECT_EQ(both.catalogue->find(task_id("a"))->name, "second");
  ASSERT_EQ(both.faults.size(), 2U);
  EXPECT_EQ(both.faults[1].code, errc::not_found);
}

TEST_F(task_catalogues, FilterTheirList) {
  write_task("a.yaml", "a", "category: multi_turn\ndifficulty: hard\ntags: [x]\n");
  write_task("b.yaml", "b", "languages: [zh]\n");
  const auto catalogue = load().catalogue;
  const auto listed = [&](const task_filter& filter) {
    strings ids;
    for (const auto& task : catalogue->list(filter))
      ids.push_back(task->id.value);
    return ids;
  };
  EXPECT_EQ(listed({}), (strings{"a", "b"}));
  EXPECT_EQ(catalogue->scenario_groups(), (strings{"multi_turn_scenarios", "single_turn_scenarios"}));
  EXPECT_EQ(listed({.category = "multi_turn"}), strings{"a"});
  EXPECT_EQ(listed({.difficulty = "advanced"}), strings{"a"});
  EXPECT_EQ(listed({.difficulty = "medium"}), strings{"b"});
  EXPECT_EQ(listed({.difficulty = "nonsense"}), strings{});
  EXPECT_EQ(listed({.tag = "x"}), strings{"a"});
  EXPECT_EQ(listed({.language = "zh"}), strings{"b"});
}

TEST_F(task_catalogues, KnowWhichGroupsAModelCanDo) {
  write_task("a.yaml", "a");
  const auto few = load().catalogue;
  model_profile model;
  EXPECT_EQ(few->groups_for(model), (strings{"single_turn_scenarios", "multi_turn_scenarios"}))
      << "groups that exist, with tasks or without";
  model.capabilities = {"text_generation", "vision"};
  write_task("b.yaml", "b", "category: translation\n");
  EXPECT_EQ(load().catalogue->groups_for(model),
            (strings{"single_turn_scenarios", "multi_turn_scenarios", "translation_scenarios"}));
  model.capabilities = {"embeddings"};
  EXPECT_EQ(few->groups_for(model), strings{});
  model.supported_tasks = {"grading"};
  EXPECT_EQ(few->groups_for(model), strings{"grading"}) << "as configured";
}

TEST_F(task_catalogues, ResolveGroupsToTheirTasks) {
  write_task("a.yaml", "single_turn_scenarios_bug_fix", "tags: [python, code]\n");
  write_task("b.yaml", "sums", "tags: [math]\n");
  write_task("c.yaml", "talk", "category: multi_turn\nlanguages: [python]\n");
  const auto catalogue = load().catalogue;
  const auto resolved = [&](strings ids) {
    std::vector<task_id> asked;
    for (auto& id : ids)
      asked.emplace_back(id);
    const auto found = catalogue->resolve(asked);
    return found.has_value() ? names(*found) : strings{to_string(found.error())};
  };
  EXPECT_EQ(resolved({"single_turn_scenarios"}), (strings{"single_turn_scenarios_bug_fix", "sums"}));
  EXPECT_EQ(resolved({"multi_turn_scenarios"}), strings{"talk"});
  EXPECT_EQ(resolved({"single_turn_scenarios_python"}), strings{"single_turn_scenarios_bug_fix"});
  EXPECT_EQ(resolved({"multi_turn_scenarios_python"}), strings{"talk"});
  EXPECT_EQ(resolved({"math", "sums", "single_turn"}), (strings{"sums", "single_turn_scenarios_bug_fix"}));
  EXPECT_EQ(resolved({"sums", "smus"}),
            strings{"task_ids[1]: no task or group is called `smus` (did you mean 'sums'?)"});
  for (const std::string group : {"single_turn_scenarios_rust", "multi_turn_scenarios_rust"})
    EXPECT_EQ(resolved({group}).front().find("task_ids[0]: the group `" + group + "` has no tasks yet"), 0U)
        << resolved({group}).front();
  EXPECT_EQ(resolved({"single_turns"}).front().find("task_ids[0]: no task or group"), 0U);
  EXPECT_EQ(resolved({""}).front().find("task_ids[0]"), 0U);
}

TEST(shipped_tasks, AllLoadAndEveryRowRendersInEveryVariant) {
  // Tests run in the project's root.
  const auto loaded = load_task_folder(std::vector<std::filesystem::path>{"tasks"});
  for (const fault& problem : loaded.faults)
    ADD_FAILURE() << to_string(problem);
  EXPECT_GE(loaded.catalogue->size(), 18U);
  for (const auto& task : loaded.catalogue->list()) {
    const auto facts = inspect_dataset(task->dataset, task->format);
    ASSERT_TRUE(facts.has_value()) << to_string(facts.error());
    EXPECT_GE(facts->rows, 15U) << task->id.value;
    auto reader = dataset_reader::open(task->dataset, task->format).value();
    std::string last = "nothing";
    for (auto row = reader->next(); row.value(); row = reader->next()) {
      for (const auto& prompt : task->prompts) {
        EXPECT_TRUE(prompt.user.render((*row)->fields).has_value()) << task->id.value;
        EXPECT_TRUE(!prompt.system || prompt.system->render((*row)->fields).has_value()) << task->id.value;
      }
      const std::string target = task->target.render((*row)->fields).value();
      // Code is judged by running it: solutions_test.py proves these tasks.
      if (task->task_type == "code")
        continue;
      for (const auto& scorer : task->scorers) {
        EXPECT_EQ(scorer->score(scorer->right_answer(target), target).value, 1)
            << task->id.value << ": " << target;
        EXPECT_LT(scorer->score(scorer->wrong_answer(target, last, (*row)->index), target).value, 1)
            << task->id.value << ": " << target;
      }
      last = target;
    }
  }
}

} // namespace
} // namespace assay::tasks
